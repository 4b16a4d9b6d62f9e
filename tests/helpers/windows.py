"""Windows with elliptical sources, what is measured of them, and what GalSim finds in them."""

import numpy as np
import pytest

import space2vec as s2v
from oracle.shapes import box, in_noise

__all__ = ["galsim_moments", "measure", "simulate_window", "source"]


def source(place, sigma, ellipticity, angle, moffat=False):
    """Return an elliptical source of peak 1 in a window; sigma is sqrt(a b), the angle in degrees."""
    y, x = np.mgrid[:51, :51].astype(float)
    turn = np.radians(angle)
    dx, dy = x - place[1], y - place[0]
    u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    stretch = np.sqrt(1 - ellipticity)
    r2 = (u * stretch / sigma) ** 2 + (v / stretch / sigma) ** 2
    return (1 + r2 / 5) ** -2.5 if moffat else np.exp(-r2 / 2)


def simulate_window(rng, snr, noise=1.0):
    """Return a window with a source of any shape near the middle."""
    shape = source(
        25 + rng.uniform(-0.8, 0.8, 2),
        rng.uniform(0.9, 2.8),
        rng.uniform(0, 0.5),
        rng.uniform(-90, 90),
        moffat=rng.random() < 0.5,
    )
    return (snr * noise * shape + rng.normal(0, noise, shape.shape)).astype(np.float32)


def measure(differences, sciences=None, **options):
    """Return the values by name, and the flags, of windows of the difference alone or with a science plane."""
    sciences = [None] * len(differences) if sciences is None else sciences
    planes = [(s, None if s is None else np.zeros_like(s), d) for s, d in zip(sciences, differences, strict=True)]
    table = s2v.features(s2v.Stamps(planes, **options), set="s2v")
    return dict(zip(table.names, table.values.T.astype(float), strict=True)), table.flags


def galsim_moments(image):
    """Return what GalSim finds in the middle 25x25 pixels of a window, less its median; None where it fails."""
    galsim = pytest.importorskip("galsim")
    pixels = box(in_noise(image.astype(float))[0], (25, 25), 12)
    bad = np.isnan(pixels)
    return galsim.hsm.FindAdaptiveMom(
        galsim.Image(np.where(bad, 0.0, pixels), xmin=0, ymin=0),
        badpix=galsim.Image(bad.astype(np.int32), xmin=0, ymin=0) if bad.any() else None,
        guess_sig=2.0,
        guess_centroid=galsim.PositionD(12, 12),
        hsmparams=galsim.hsm.HSMParams(convergence_threshold=1e-8, max_mom2_iter=2000),
        strict=False,
    )
