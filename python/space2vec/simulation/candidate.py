"""One candidate: drawn, exposed, subtracted, and found by the pipeline or drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation.artifacts import ARTIFACTS, BYSTANDERS
from space2vec.simulation.detection import Detection, detect
from space2vec.simulation.exposure import Exposure
from space2vec.simulation.scene import Images, Scene, draw_scene
from space2vec.simulation.survey import Survey
from space2vec.simulation.transients import TRANSIENTS

__all__ = ["Candidate", "draw_candidate"]

#: What a canvas has beyond a stamp on each side: room for a detection off its middle, and for the wrap of the kernel.
_MARGIN = 13
#: How often a candidate that was not detected is drawn again, stronger each time from the fourth on, up to a factor;
#: beyond it where patience ends, as in a field too crowded for anything weaker.
_ATTEMPTS, _STRONGEST, _PATIENCE = 400, 6.0, 100
#: Attempts on the same sky.
_TRIES = 4
#: Shares of candidates that lie near the detector's border, whose stamp has a masked region, or an artifact some way
#: off.
_NEAR_BORDER, _BLANK, _BYSTANDER = 0.03, 0.07, 0.1


@dataclass(frozen=True)
class Candidate:
    """A candidate that the pipeline found.

    Attributes
    ----------
    scene : Scene
        What was drawn.
    detection : Detection
        What the pipeline measured.
    position : (float, float)
        Column and row on the detector, counted from 1 at the middle of the first pixel.
    planes : tuple of ndarray
        Science, template, difference.
    centre : (int, int)
        Row and column of the candidate in its stamp.
    flux : float
        By how much a real source changed, positive; NaN for bogus.
    rng : numpy.random.Generator
        Random numbers for its record.
    """

    scene: Scene
    detection: Detection
    position: tuple[float, float]
    planes: tuple[NDArray[np.float32], ...]
    centre: tuple[int, int]
    flux: float
    rng: np.random.Generator


def draw_candidate(kind: str, exposure: Exposure, rng: np.random.Generator, size: int) -> Candidate:
    """Draw one candidate of a kind, again and again until the pipeline detects it; ``size`` is its stamp's side."""
    survey = exposure.survey
    canvas = size + 2 * _MARGIN + 1
    half = canvas // 2
    after = ARTIFACTS[kind].after if kind in ARTIFACTS else None
    upward = survey.faded == "absent"
    for attempt in range(_ATTEMPTS):
        boost = min(max(1.25 ** (attempt - 3), 1.0), _STRONGEST) * 1.03 ** max(attempt - _PATIENCE, 0)
        # A fault of the detector that was too weak is tried again on the same sky.
        if after is None or attempt % _TRIES == 0:
            # The pixel of the detector (from 0) that lies on the middle pixel of the canvas.
            pixel = _place_on_detector(kind, survey, rng)
            x, y = half + rng.uniform(-0.5, 0.5), half + rng.uniform(-0.5, 0.5)
            scene = draw_scene(exposure, rng, canvas)
            change, reach = _put(kind, scene, rng, x, y, boost)
            if rng.random() < _BLANK:
                scene.blanks.append(_random_blank(rng, half, 0.5 * size))
            exposed = Images.of(scene, rng, canvas, _detector_on_canvas(survey, pixel, canvas))
            if rng.random() < _BYSTANDER:
                _add_bystander(exposed, exposure, rng, half, 0.5 * size)
        images = exposed.copy()
        if after is not None:
            after(images, exposure, rng, x, y, boost)
        _finish(images, scene)
        found = detect(images.difference, images.light(exposure), exposure, x, y, reach, positive=upward)
        if found is None or (change and not _is_source(found, change)):
            continue
        position = (pixel[0] + found.x - half + 1.0, pixel[1] + found.y - half + 1.0)
        planes, centre = _cut(images, found, size, survey)
        return Candidate(scene, found, position, planes, centre, abs(change) if change else np.nan, rng)
    raise RuntimeError(f"a candidate of kind {kind!r} was not detected in {_ATTEMPTS} attempts")


def _is_source(found: Detection, change: float) -> bool:
    """Tell whether what was found is, for the most part, the source that was put there, and not its host's residual.

    The profile takes less than half of a long streak.
    """
    return found.positive == (change > 0.0) and 0.3 < found.flux / abs(change) < 1.8


def _detector_on_canvas(survey: Survey, pixel: tuple[int, int], canvas: int) -> tuple[int, int, int, int]:
    half = canvas // 2
    return (
        max(half - pixel[1], 0), min(half + survey.height - pixel[1], canvas),
        max(half - pixel[0], 0), min(half + survey.width - pixel[0], canvas),
    )  # fmt: skip


def _add_bystander(images: Images, exposure: Exposure, rng: np.random.Generator, half: int, reach: float) -> None:
    """Put an artifact into the stamp, some way off the candidate."""
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(7.0, 1.3 * reach)
    x, y = (float(np.clip(half + away * step, 2, 2 * half - 3)) for step in (np.cos(angle), np.sin(angle)))
    BYSTANDERS[int(rng.integers(len(BYSTANDERS)))](images, exposure, rng, x, y, 1.0)


def _put(kind: str, scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float) -> tuple[float, float]:
    """Put what the kind is made of into the scene; return by how much its flux changes, and where it may be found."""
    artifact = ARTIFACTS.get(kind)
    if artifact is not None:
        if artifact.before is not None:
            artifact.before(scene, rng, x, y, boost)
        return 0.0, artifact.reach
    field = len(scene.stars.x)
    TRANSIENTS[kind][0](scene, rng, x, y, boost)
    # Field stars vary by the noise of their flat field; the transient is star 0 and what was added with it.
    own = np.r_[0, field : len(scene.stars.x)]
    return float((scene.science_flux - scene.stars.flux)[own].sum()), 2.0


def _place_on_detector(kind: str, survey: Survey, rng: np.random.Generator) -> tuple[int, int]:
    """Draw column and row of a pixel: anywhere, or near the border, where artifacts of the border always lie."""
    pixel = [int(rng.integers(45, survey.width - 45)), int(rng.integers(45, survey.height - 45))]
    if kind == "edge" or rng.random() < _NEAR_BORDER:
        away = int(rng.integers(3, 9) if kind == "edge" else rng.integers(9, 30))
        axis = int(rng.integers(2))
        pixel[axis] = away if rng.random() < 0.5 else (survey.width, survey.height)[axis] - 1 - away
    return pixel[0], pixel[1]


def _random_blank(rng: np.random.Generator, half: int, reach: float) -> tuple[int, int, int, int]:
    """Draw a block (top, bottom, left, right) that leaves the middle free."""
    height, width = rng.integers(6, 25, 2)
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(max(0.63 * reach, 16.0), max(1.2 * reach, 20.0))
    row, column = round(half + away * np.sin(angle)), round(half + away * np.cos(angle))
    return row - int(height) // 2, row + int(height) // 2, column - int(width) // 2, column + int(width) // 2


def _finish(images: Images, scene: Scene) -> None:
    """Subtract; treat what the pipeline masks as it does, and blank what lies off the detector."""
    survey = scene.exposure.survey
    if survey.masking == "interpolate":
        # The core of a saturated star is filled in either image.
        for plane in (images.science, images.template) if scene.saturates else (images.science,):
            for window in _windows(scene):
                _fill(plane, window)
    images.subtract(scene)
    images.lift(scene.exposure)
    planes = (images.science, images.template, images.difference)
    masked = {"blank": planes, "difference": planes[2:], "interpolate": ()}[survey.masking]
    for plane in masked:
        for window in _windows(scene):
            plane[window] = np.nan
    top, bottom, left, right = images.detector
    for plane in planes:
        plane[:top] = plane[bottom:] = np.nan
        plane[:, :left] = plane[:, right:] = np.nan


def _windows(scene: Scene) -> list[tuple[slice, slice]]:
    return [
        (slice(max(first, 0), max(last + 1, 0)), slice(max(start, 0), max(end + 1, 0)))
        for first, last, start, end in scene.blanks
    ]


def _fill(image: NDArray[np.float64], window: tuple[slice, slice]) -> None:
    """Fill a block along its rows, between the pixels left and right of it."""
    rows, columns = window
    left, right = columns.start - 1, min(columns.stop, image.shape[1])
    if left < 0 and right >= image.shape[1]:
        return
    first = image[rows, left] if left >= 0 else image[rows, right]
    last = image[rows, right] if right < image.shape[1] else first
    share = (np.arange(columns.start, right) - left) / (right - left)
    image[rows, columns.start : right] = first[:, None] * (1.0 - share) + last[:, None] * share


def _cut(
    images: Images, found: Detection, size: int, survey: Survey
) -> tuple[tuple[NDArray[np.float32], ...], tuple[int, int]]:
    """Cut the stamp about the detection; return it and the candidate's pixel in it.

    As far as the detector goes, or filled up with blanks, as the survey does. Pixels are rounded to 1/256.
    """
    row, column, half = round(found.y), round(found.x), size // 2
    canvas = len(images.science)
    top, bottom, left, right = (0, canvas, 0, canvas) if survey.pads else images.detector
    first, start = max(row - half, top), max(column - half, left)
    window = np.s_[first : min(row - half + size, bottom), start : min(column - half + size, right)]
    sign = 1.0 if found.positive or survey.faded != "flipped" else -1.0
    planes = (images.science[window], images.template[window], sign * images.difference[window])
    rounded = ((np.rint(plane * 256.0) / 256.0).astype(np.float32) for plane in planes)
    if not np.isnan(survey.blank):
        rounded = (np.nan_to_num(plane, copy=False, nan=survey.blank) for plane in rounded)
    return tuple(rounded), (row - first, column - start)
