"""A simulated night: candidates with their stamps, their records and the truth about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.catalogue import ZTF_FIELDS, from_ztf
from space2vec.simulation.artifacts import ARTIFACTS
from space2vec.simulation.exposure import DETECTOR_HEIGHT, DETECTOR_WIDTH, Exposure, draw_exposure
from space2vec.simulation.measure import Detection, detect
from space2vec.simulation.record import candidate_record, object_name
from space2vec.simulation.scene import Images, Scene, draw_scene
from space2vec.simulation.transients import TRANSIENTS
from space2vec.stamps import Stamps

__all__ = ["KINDS", "Night", "simulate"]

#: The kinds of candidates: True where they are real.
KINDS: dict[str, bool] = {**dict.fromkeys(TRANSIENTS, True), **dict.fromkeys(ARTIFACTS, False)}

#: Candidates of one exposure.
_PER_EXPOSURE = 25
#: What a canvas has beyond a stamp on each side: room for a detection off its middle, and for the wrap of the kernel.
_MARGIN = 13
#: How often a candidate that was not detected is drawn again, stronger each time from the fourth on.
_ATTEMPTS = 40
#: Shares of candidates that lie near the detector's border, and whose stamp has a blank region.
_NEAR_BORDER, _BLANK = 0.03, 0.07


@dataclass(frozen=True, repr=False)
class Night:
    """Simulated candidates.

    Attributes
    ----------
    stamps : Stamps
        Triplets with ids, catalogue columns and the place of each candidate.
    labels : ndarray of int8 (n,)
        1 for real, 0 for bogus.
    kinds : ndarray of str (n,)
        What each candidate is, see :data:`KINDS`.
    flux : ndarray of float64 (n,)
        Flux in DN by which a real source was changed, always positive; NaN for bogus.
    records : list of dict
        The ``candidate`` record of each alert.
    """

    stamps: Stamps
    labels: NDArray[np.int8]
    kinds: NDArray[np.str_]
    flux: NDArray[np.float64]
    records: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        real = int(np.count_nonzero(self.labels))
        names, counts = np.unique(self.kinds, return_counts=True)
        kinds = ", ".join(f"{name} {count}" for name, count in zip(names.tolist(), counts.tolist(), strict=True))
        return f"Night(n={len(self)}, real={real}, bogus={len(self) - real}, kinds: {kinds or 'none'})"


def simulate(
    n: int,
    *,
    seed: int = 0,
    size: int = 63,
    real_fraction: float = 0.5,
    kinds: Mapping[str, float] | None = None,
    progress: Callable[[int], object] | None = None,
) -> Night:
    """Simulate the alerts of a night.

    Parameters
    ----------
    n : int
        Number of candidates.
    seed : int
        The same seed gives the same candidates.
    size : int
        Side of a stamp, pixel, odd. Stamps at the border of a detector are smaller, as a survey cuts them.
    real_fraction : float
        Share of real candidates; the number is exact to rounding.
    kinds : mapping of str to float, optional
        Weights of kinds (:data:`KINDS`) in place of the built-in ones; kinds that are not named are left out.
    progress : callable, optional
        Called with 1 after each candidate.

    Returns
    -------
    Night
        Stamps, labels, kinds and records.

    Raises
    ------
    ValueError
        If a number is out of range, or a kind is unknown.

    Notes
    -----
    A candidate is what a pipeline found: its position, magnitude and shape are measured on the difference image, and
    what is not detected is drawn again. Pixels are rounded to 1/256 DN, so that they do not depend on the last bit of a
    machine's exponential. Where a source fades the difference is turned over, as ZTF does: it is always positive.
    """
    _check(n, size, real_fraction)
    plan = np.random.default_rng([seed, 0])
    chosen = _choose_kinds(n, real_fraction, kinds, plan)
    canvas = size + 2 * _MARGIN + 1
    exposures = [draw_exposure(plan, canvas) for _ in range(-(-n // _PER_EXPOSURE))]
    planes: list[tuple[NDArray[np.float32], ...]] = []
    records: list[dict[str, Any]] = []
    centres = np.zeros((n, 2), dtype=np.int32)
    flux = np.full(n, np.nan)
    for row, kind in enumerate(chosen):
        exposure = exposures[row // _PER_EXPOSURE]
        one = _candidate(kind, exposure, np.random.default_rng([seed, 1, row]), size, canvas)
        planes.append(one.planes)
        centres[row] = one.centre
        flux[row] = one.flux
        records.append(candidate_record(one.scene, one.detection, one.position, row % _PER_EXPOSURE, one.rng))
        if progress is not None:
            progress(1)
    stamps = Stamps(
        planes,
        object_id=[object_name(record, row) for row, record in enumerate(records)],
        candidate_id=np.array([record["candid"] for record in records], dtype=np.int64),
        catalogue=from_ztf({name: [record[name] for record in records] for name in ZTF_FIELDS}),
        centre=centres,
    )
    labels = np.array([KINDS[kind] for kind in chosen], dtype=np.int8)
    return Night(stamps, labels, np.array(chosen, dtype=np.str_), flux, records)


def _check(n: int, size: int, real_fraction: float) -> None:
    if n < 0:
        raise ValueError(f"n must not be negative; given {n}")
    if size < 21 or size % 2 == 0:
        raise ValueError(f"size must be odd and at least 21; given {size}")
    if not 0.0 <= real_fraction <= 1.0:
        raise ValueError(f"real_fraction must lie between 0 and 1; given {real_fraction}")


def _choose_kinds(
    n: int, real_fraction: float, kinds: Mapping[str, float] | None, rng: np.random.Generator
) -> list[str]:
    shares = {**{name: share for name, (_, share) in TRANSIENTS.items()}, **{k: a.share for k, a in ARTIFACTS.items()}}
    if kinds is not None:
        unknown = [name for name in kinds if name not in KINDS]
        if unknown or any(not weight >= 0.0 for weight in kinds.values()):
            known = ", ".join(KINDS)
            raise ValueError(f"kinds must map names out of {known} to weights of 0 or more; given {dict(kinds)}")
        shares = {name: float(weight) for name, weight in kinds.items()}
    real = round(n * real_fraction)
    chosen: list[str] = []
    for wanted, label in ((real, True), (n - real, False)):
        names = [name for name in KINDS if KINDS[name] is label and shares.get(name, 0.0) > 0.0]
        if wanted and not names:
            asked = "real" if label else "bogus"
            raise ValueError(f"real_fraction = {real_fraction} asks for {asked} kinds; none is given")
        weights = np.array([shares[name] for name in names])
        chosen += [names[k] for k in rng.choice(len(names), wanted, p=weights / weights.sum())] if wanted else []
    return [chosen[k] for k in rng.permutation(n)]


@dataclass(frozen=True)
class _Candidate:
    scene: Scene
    detection: Detection
    #: Column and row on the detector, counted from 1 at the middle of the first pixel.
    position: tuple[float, float]
    planes: tuple[NDArray[np.float32], ...]
    centre: tuple[int, int]
    flux: float
    rng: np.random.Generator


def _candidate(kind: str, exposure: Exposure, rng: np.random.Generator, size: int, canvas: int) -> _Candidate:
    """Draw one candidate of a kind, again and again until the pipeline detects it."""
    half = canvas // 2
    for attempt in range(_ATTEMPTS):
        boost = 1.0 if attempt < 4 else 1.25 ** (attempt - 3)
        # The pixel of the detector (from 0) that lies on the middle pixel of the canvas.
        pixel = _place_on_detector(kind, rng)
        detector = (
            max(half - pixel[1], 0), min(half + DETECTOR_HEIGHT - pixel[1], canvas),
            max(half - pixel[0], 0), min(half + DETECTOR_WIDTH - pixel[0], canvas),
        )  # fmt: skip
        x, y = half + rng.uniform(-0.5, 0.5), half + rng.uniform(-0.5, 0.5)
        scene = draw_scene(exposure, rng, canvas)
        artifact = ARTIFACTS.get(kind)
        flux, reach = np.nan, 2.0
        if artifact is None:
            TRANSIENTS[kind][0](scene, rng, x, y, boost)
            change = scene.science_flux[0] - scene.stars.flux[0]
            flux = abs(change)
        else:
            change, reach = 0.0, artifact.reach
            if artifact.before is not None:
                artifact.before(scene, rng, x, y, boost)
        if rng.random() < _BLANK:
            scene.blanks.append(_random_blank(rng, half))
        images = Images.of(scene, rng, canvas, detector)
        if artifact is not None and artifact.after is not None:
            artifact.after(images, exposure, rng, x, y, boost)
        _blank(images, scene)
        found = detect(images.difference, exposure, x, y, reach)
        if found is None or (change != 0.0 and found.positive != (change > 0.0)):
            continue
        position = (pixel[0] + found.x - half + 1.0, pixel[1] + found.y - half + 1.0)
        planes, centre = _cut(images, found, size)
        return _Candidate(scene, found, position, planes, centre, float(flux), rng)
    raise RuntimeError(f"a candidate of kind {kind!r} was not detected in {_ATTEMPTS} attempts")


def _place_on_detector(kind: str, rng: np.random.Generator) -> tuple[int, int]:
    """Draw column and row of a pixel: anywhere, or near the border, where artifacts of the border always lie."""
    pixel = [int(rng.integers(45, DETECTOR_WIDTH - 45)), int(rng.integers(45, DETECTOR_HEIGHT - 45))]
    if kind == "edge" or rng.random() < _NEAR_BORDER:
        away = int(rng.integers(3, 9) if kind == "edge" else rng.integers(9, 30))
        axis = int(rng.integers(2))
        pixel[axis] = away if rng.random() < 0.5 else (DETECTOR_WIDTH, DETECTOR_HEIGHT)[axis] - 1 - away
    return pixel[0], pixel[1]


def _random_blank(rng: np.random.Generator, half: int) -> tuple[int, int, int, int]:
    """Draw a block (top, bottom, left, right) that leaves the middle free."""
    height, width = rng.integers(6, 25, 2)
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(20.0, 38.0)
    row, column = round(half + away * np.sin(angle)), round(half + away * np.cos(angle))
    return row - int(height) // 2, row + int(height) // 2, column - int(width) // 2, column + int(width) // 2


def _blank(images: Images, scene: Scene) -> None:
    """Set what the pipeline masks, and what lies off the detector, to NaN in all planes."""
    top, bottom, left, right = images.detector
    for plane in (images.science, images.template, images.difference):
        for first, last, start, end in scene.blanks:
            plane[max(first, 0) : max(last + 1, 0), max(start, 0) : max(end + 1, 0)] = np.nan
        plane[:top] = plane[bottom:] = np.nan
        plane[:, :left] = plane[:, right:] = np.nan


def _cut(images: Images, found: Detection, size: int) -> tuple[tuple[NDArray[np.float32], ...], tuple[int, int]]:
    """Cut the stamp about the detection, as far as the detector goes; return it and the candidate's pixel in it."""
    row, column, half = round(found.y), round(found.x), size // 2
    top, bottom, left, right = images.detector
    first, start = max(row - half, top), max(column - half, left)
    window = np.s_[first : min(row + half + 1, bottom), start : min(column + half + 1, right)]
    sign = 1.0 if found.positive else -1.0
    planes = (images.science[window], images.template[window], sign * images.difference[window])
    rounded = tuple((np.rint(plane * 256.0) / 256.0).astype(np.float32) for plane in planes)
    return rounded, (row - first, column - start)
