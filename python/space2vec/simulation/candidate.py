"""One simulated candidate: drawn, exposed, subtracted and detected, or drawn again if it is not detected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from space2vec.simulation import scene as scenes
from space2vec.simulation.artifacts import ARTIFACTS, BYSTANDERS
from space2vec.simulation.detection import Detection, detect
from space2vec.simulation.exposure import Exposure
from space2vec.simulation.scene import Images, Scene, draw_scene
from space2vec.simulation.survey import Survey
from space2vec.simulation.transients import TRANSIENTS

__all__ = ["Candidate", "draw_again", "draw_candidate"]

#: Pixels that a canvas has beyond a stamp on each side: the detection may be off the middle, and the kernel wraps.
_MARGIN = 13
#: A candidate that was not detected is drawn again, at most so often. From the fourth attempt on it is drawn stronger,
#: up to the factor `_STRONGEST`, and after `_PATIENCE` attempts beyond that, since the field may be too crowded for it.
_ATTEMPTS, _STRONGEST, _PATIENCE = 400, 6.0, 100
#: Standard deviation of the logarithm of an object's flux from alert to alert.
_FLUX_CHANGE = 0.3
#: The number of attempts with the same sky.
_TRIES = 4
#: Shares of the candidates that are near the border of the detector, that have a masked region in their stamp, and that
#: have an artifact in it, away from the candidate.
_NEAR_BORDER, _MASKED, _BYSTANDER = 0.03, 0.07, 0.1


@dataclass(frozen=True)
class Candidate:
    """A simulated candidate that the pipeline has detected.

    Attributes
    ----------
    scene : Scene
        The sources that were drawn.
    detection : Detection
        The measurements of the pipeline.
    position : (float, float)
        Column and row on the detector; the middle of the first pixel is 1.
    planes : tuple of ndarray of float32
        Science, template, difference.
    centre : (int, int)
        Row and column of the candidate in its stamp.
    flux : float
        The change in flux of a real source, positive, in the unit of the survey; NaN for bogus.
    rng : numpy.random.Generator
        Source of the random numbers for its record.
    """

    scene: Scene
    detection: Detection
    position: tuple[float, float]
    planes: tuple[NDArray[np.float32], ...]
    centre: tuple[int, int]
    flux: float
    rng: np.random.Generator


def draw_candidate(kind: str, exposure: Exposure, rng: np.random.Generator, size: int) -> Candidate:
    """Draw a candidate of a kind until the pipeline detects it; ``size`` is the side of its stamp in pixels.

    Raises
    ------
    RuntimeError
        If no attempt was detected.
    """
    survey = exposure.survey
    canvas = size + 2 * _MARGIN + 1
    half = canvas // 2
    after = ARTIFACTS[kind].after if kind in ARTIFACTS else None
    upward = survey.faded == "absent"
    for attempt in range(_ATTEMPTS):
        boost = min(max(1.25 ** (attempt - 3), 1.0), _STRONGEST) * 1.03 ** max(attempt - _PATIENCE, 0)
        # A fault of the detector that was too weak is drawn again with the same sky.
        if after is None or attempt % _TRIES == 0:
            # Column and row, from 0, of the pixel of the detector that is the middle pixel of the canvas.
            pixel = _draw_pixel(kind, survey, rng)
            x, y = half + rng.uniform(-0.5, 0.5), half + rng.uniform(-0.5, 0.5)
            scene = draw_scene(exposure, rng, canvas)
            change, reach = _add_candidate(kind, scene, rng, x, y, boost)
            if rng.random() < _MASKED:
                scene.masks.append(_draw_mask(rng, half, 0.5 * size))
            exposed = Images.exposed(scene, rng, canvas, _detector_on_canvas(survey, pixel, canvas))
            if rng.random() < _BYSTANDER:
                _add_bystander(exposed, exposure, rng, half, 0.5 * size)
        images = exposed.copy()
        if after is not None:
            after(images, exposure, rng, x, y, boost)
        _finish(images, scene)
        detection = detect(images.difference, images.without_sky(exposure), exposure, x, y, reach, positive=upward)
        if detection is None or (change and not _is_source(detection, change)):
            continue
        position = (pixel[0] + detection.x - half + 1.0, pixel[1] + detection.y - half + 1.0)
        planes, centre = _cut(images, detection, size, survey)
        return Candidate(scene, detection, position, planes, centre, abs(change) if change else np.nan, rng)
    raise RuntimeError(f"a candidate of kind {kind!r} was not detected in {_ATTEMPTS} attempts")


def draw_again(first: Candidate, rng: np.random.Generator, size: int) -> Candidate:
    """Draw a later alert of the object of a candidate, in other conditions and after its flux has changed.

    The object is a point source that stays where it is: no asteroid, and no artifact. Position, field and template are
    those of the first alert; ``size`` is the side of its stamp in pixels.

    Raises
    ------
    RuntimeError
        If no attempt was detected.
    """
    survey = first.scene.exposure.survey
    canvas = size + 2 * _MARGIN + 1
    half = canvas // 2
    x, y = float(first.scene.stars.x[0]), float(first.scene.stars.y[0])
    column, row = first.position[0] - first.detection.x, first.position[1] - first.detection.y
    pixel = (round(column + half - 1.0), round(row + half - 1.0))
    for attempt in range(_ATTEMPTS):
        exposure = first.scene.exposure.visited_again(rng)
        factor = float(rng.lognormal(0.0, _FLUX_CHANGE)) * min(max(1.25 ** (attempt - 3), 1.0), _STRONGEST)
        scene = scenes.draw_again(first.scene, exposure, rng, factor)
        change = float(scene.science_flux[0] - scene.stars.flux[0])
        images = Images.exposed(scene, rng, canvas, _detector_on_canvas(survey, pixel, canvas))
        _finish(images, scene)
        upward = survey.faded == "absent"
        detection = detect(images.difference, images.without_sky(exposure), exposure, x, y, 2.0, positive=upward)
        if detection is None or not change or not _is_source(detection, change):
            continue
        planes, centre = _cut(images, detection, size, survey)
        position = (column + detection.x, row + detection.y)
        return Candidate(scene, detection, position, planes, centre, abs(change), rng)
    raise RuntimeError(f"no later alert of an object was detected in {_ATTEMPTS} attempts")


def _is_source(detection: Detection, change: float) -> bool:
    """Return whether a detection is mainly the source that was added, and not the residual of its host.

    A fit of the point spread function measures less than half of the flux of a long streak.
    """
    return detection.positive == (change > 0.0) and 0.3 < detection.flux / abs(change) < 1.8


def _detector_on_canvas(survey: Survey, pixel: tuple[int, int], canvas: int) -> tuple[int, int, int, int]:
    """Return the part of the canvas that the detector covers: top, bottom, left, right, ends excluded."""
    half = canvas // 2
    return (
        max(half - pixel[1], 0), min(half + survey.height - pixel[1], canvas),
        max(half - pixel[0], 0), min(half + survey.width - pixel[0], canvas),
    )  # fmt: skip


def _add_bystander(images: Images, exposure: Exposure, rng: np.random.Generator, half: int, reach: float) -> None:
    """Add an artifact to the stamp, away from the candidate."""
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(7.0, 1.3 * reach)
    x, y = (float(np.clip(half + away * step, 2, 2 * half - 3)) for step in (np.cos(angle), np.sin(angle)))
    BYSTANDERS[int(rng.integers(len(BYSTANDERS)))](images, exposure, rng, x, y, 1.0)


def _add_candidate(
    kind: str, scene: Scene, rng: np.random.Generator, x: float, y: float, boost: float
) -> tuple[float, float]:
    """Add a candidate of a kind to a scene.

    Returned are the change of its flux, 0 for bogus, and the radius in pixels within which it may be detected.
    """
    artifact = ARTIFACTS.get(kind)
    if artifact is not None:
        if artifact.before is not None:
            artifact.before(scene, rng, x, y, boost)
        return 0.0, artifact.reach
    field = len(scene.stars.x)
    TRANSIENTS[kind].add(scene, rng, x, y, boost)
    # The transient is star 0 and the stars that were added with it. Field stars vary by errors of the flat field.
    index = np.r_[0, field : len(scene.stars.x)]
    return float((scene.science_flux - scene.stars.flux)[index].sum()), 2.0


def _draw_pixel(kind: str, survey: Survey, rng: np.random.Generator) -> tuple[int, int]:
    """Draw column and row of a pixel of the detector; artifacts of the kind ``edge`` are always near the border."""
    pixel = [int(rng.integers(45, survey.width - 45)), int(rng.integers(45, survey.height - 45))]
    if kind == "edge" or rng.random() < _NEAR_BORDER:
        away = int(rng.integers(3, 9) if kind == "edge" else rng.integers(9, 30))
        axis = int(rng.integers(2))
        pixel[axis] = away if rng.random() < 0.5 else (survey.width, survey.height)[axis] - 1 - away
    return pixel[0], pixel[1]


def _draw_mask(rng: np.random.Generator, half: int, reach: float) -> tuple[int, int, int, int]:
    """Draw a masked block (top, bottom, left, right) that does not cover the candidate."""
    height, width = rng.integers(6, 25, 2)
    angle, away = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(max(0.63 * reach, 16.0), max(1.2 * reach, 20.0))
    row, column = round(half + away * np.sin(angle)), round(half + away * np.cos(angle))
    return row - int(height) // 2, row + int(height) // 2, column - int(width) // 2, column + int(width) // 2


def _finish(images: Images, scene: Scene) -> None:
    """Subtract the images, treat masked pixels as the survey's pipeline does, and blank pixels outside the detector."""
    survey = scene.exposure.survey
    if survey.masking == "interpolate":
        # The core of a saturated star is interpolated in both images.
        for plane in (images.science, images.template) if scene.saturates else (images.science,):
            for window in _windows(scene):
                _fill(plane, window)
    images.subtract(scene)
    images.add_sky(scene.exposure)
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
    """Return the rows and columns of the masked blocks."""
    return [
        (slice(max(top, 0), max(bottom + 1, 0)), slice(max(left, 0), max(right + 1, 0)))
        for top, bottom, left, right in scene.masks
    ]


def _fill(image: NDArray[np.float64], window: tuple[slice, slice]) -> None:
    """Interpolate a block along its rows, between the pixels to the left and the right of it."""
    rows, columns = window
    left, right = columns.start - 1, min(columns.stop, image.shape[1])
    if left < 0 and right >= image.shape[1]:
        return
    first = image[rows, left] if left >= 0 else image[rows, right]
    last = image[rows, right] if right < image.shape[1] else first
    share = (np.arange(columns.start, right) - left) / (right - left)
    image[rows, columns.start : right] = first[:, None] * (1.0 - share) + last[:, None] * share


def _cut(
    images: Images, detection: Detection, size: int, survey: Survey
) -> tuple[tuple[NDArray[np.float32], ...], tuple[int, int]]:
    """Cut the stamp around a detection; return its planes and the row and column of the candidate in it.

    At the border of the detector the stamp is smaller, or is padded with blank pixels, as the survey does. Pixels are
    rounded to 1/256.
    """
    row, column, half = round(detection.y), round(detection.x), size // 2
    canvas = len(images.science)
    top, bottom, left, right = (0, canvas, 0, canvas) if survey.pads else images.detector
    first, start = max(row - half, top), max(column - half, left)
    window = np.s_[first : min(row - half + size, bottom), start : min(column - half + size, right)]
    sign = 1.0 if detection.positive or survey.faded != "flipped" else -1.0
    planes = (images.science[window], images.template[window], sign * images.difference[window])
    rounded = ((np.rint(plane * 256.0) / 256.0).astype(np.float32) for plane in planes)
    if not np.isnan(survey.blank):
        rounded = (np.nan_to_num(plane, copy=False, nan=survey.blank) for plane in rounded)
    return tuple(rounded), (row - first, column - start)
