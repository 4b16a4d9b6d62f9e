"""A model measures what its columns need: their bits stay, and what it does not look at raises no flag."""

from __future__ import annotations

import numpy as np
import pytest

import space2vec as s2v
from oracle import stamps as synthetic
from space2vec import model_files, registry
from space2vec.data import flags as flag_bits
from space2vec.data.stamps import CHANNELS
from space2vec.model_files.needs import smallest_feature_set
from space2vec.studies.packaged.networks import STAMPNET_COLUMNS

core = pytest.importorskip("space2vec._core")

STAMP, EIGHTEEN = registry.FEATURE_SETS["stamp"], registry.FEATURE_SETS["autoscan-stamp"]
FIT = ("AMP", "SCALE", "GAUSS")
PSF = ("psf_ratio", "psf_likeness")
MOMENTS = (*(name for name in STAMP if name.startswith("difference_")), "kurtosis", "centroid_offset")
OF_MOMENTS = (*MOMENTS, "plane_offset", "width_ratio", *PSF)
CHOICES = {
    "all": STAMP,
    "stampnet": STAMPNET_COLUMNS,
    "eighteen": EIGHTEEN,
    "no fit": tuple(name for name in EIGHTEEN if name not in FIT),
    "fit alone": FIT,
    "COLMEDS": ("COLMEDS",),
    "LACOSMIC": ("LACOSMIC", "L1"),
    "difference alone": ("N2SIG3", "snr_3", "bad_core", "kurtosis"),
    "counts": ("N2SIG3", "NUMNEGRN"),
    "template": ("FLUX_RATIO",),
    "science": ("science_a",),
    "star": PSF,
    "widths": ("width_ratio", "snr_3"),
    "s2v without moments": tuple(
        name for name in registry.FEATURE_SETS["s2v"] if name not in OF_MOMENTS and not name.startswith("science_")
    ),
}


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    cases = [case for _, case in synthetic.named_cases()] + synthetic.batch(200, seed=6)
    batch = s2v.Stamps([c.planes for c in cases], centre=[c.centre for c in cases], saturation=60000.0)
    batch.offset[3::11, 1] = -1
    batch.offset[5::17, 0] = -1
    batch.offset[6::19, 2] = -1
    return batch


def model_of(columns: tuple[str, ...]) -> object:
    """Return a forest of one leaf on some columns."""
    header = model_files.Header("forest", "leaf", columns, smallest_feature_set(columns), registry.FEATURES_VERSION)
    none = {"tree_start": np.array([0, 1], np.int64), "right": np.zeros(1, np.int32), "feature": np.zeros(1, np.int16)}
    tensors = {**none, "missing_left": np.zeros(1, np.uint8), "value": np.array([0.5], np.float32)}
    return core.Model(model_files.encode(header, tensors))


def planes_of(columns: tuple[str, ...]) -> list[int]:
    """Return the planes that columns need: of the set s2v, the difference alone or all."""
    asked = {plane for name in columns for plane in registry.FEATURES[name].planes} | {"difference"}
    if len(asked) > 1 and any(registry.FEATURES[name].set == "s2v" for name in columns):
        return [0, 1, 2]
    return [CHANNELS.index(plane) for plane in asked]


@pytest.mark.parametrize("choice", CHOICES)
def test_columns_and_flags(choice, stamps):
    """Columns have the bits of the whole set on the planes that are needed, and the flags of these alone."""
    columns, n = CHOICES[choice], len(stamps)
    planes = planes_of(columns)
    seen = stamps[:]
    seen.offset[:, [k for k in range(3) if k not in planes]] = -1
    expected = s2v.features(seen, set=smallest_feature_set(columns))
    flags = expected.flags.copy()
    if 1 not in planes:  # nothing is asked of the template
        flags[seen.offset[:, 2] >= 0] &= ~np.uint32(flag_bits.bits("missing"))
    for name, raised_for in (("fit_failed", FIT), ("moments_failed", OF_MOMENTS), ("no_psf", PSF)):
        if not set(columns) & set(raised_for):
            flags &= ~np.uint32(flag_bits.bits(name))
    flags |= s2v.features(stamps).flags & np.uint32(flag_bits.bits("saturated"))
    written, raised, scored = np.empty((n, len(columns)), np.float32), np.empty(n, np.uint32), np.empty(n, bool)
    model_of(columns).inputs(stamps, None, None, written, raised, scored, 1)
    np.testing.assert_array_equal(written.view(np.uint32), expected.select(columns).view(np.uint32))
    silent = np.isnan(written).all(axis=1) & ((flags & np.uint32(flag_bits.UNSCORABLE)) == 0)
    flags[silent] |= np.uint32(flag_bits.bits("missing"))
    np.testing.assert_array_equal(raised, flags)
    np.testing.assert_array_equal(scored, ((flags & np.uint32(flag_bits.UNSCORABLE)) == 0))
    assert 0.3 < scored.mean() < 1


def test_a_plane_that_no_column_needs_may_be_absent(stamps):
    """Counts of the difference are scored without science and template; before, the template's absence refused them."""
    alone = stamps[:]
    alone.offset[:, :2] = -1
    score, flags = np.empty(len(alone), np.float32), np.empty(len(alone), np.uint32)
    model_of(("N2SIG3", "snr_3")).score(alone, None, score, flags, 2)
    whole = np.empty_like(score), np.empty_like(flags)
    model_of(("N2SIG3", "snr_3")).score(stamps, None, *whole, 2)
    np.testing.assert_array_equal(score, whole[0])
    saturated = np.uint32(flag_bits.bits("saturated"))
    np.testing.assert_array_equal(flags, whole[1] & ~saturated)
    assert not np.isnan(score).all()
