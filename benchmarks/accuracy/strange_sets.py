"""Stamps that a model should say it does not know: usual candidates that were changed, and other cameras'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.training.missing_pixels import simulate_pattern

__all__ = ["PLANE_NUMBERS", "changed_sets", "other_cameras", "plane_numbers", "remade"]

Plane = NDArray[np.float32]
Change = Callable[[list[Plane | None], tuple[int, int], np.random.Generator], list[Plane | None]]


def remade(rows: LabelledStamps, change: Change, seed: int = 0) -> LabelledStamps:
    """Return labelled stamps whose planes were changed one candidate at a time; the labels stay."""
    rng = np.random.default_rng(seed)
    planes = []
    for row in range(len(rows)):
        held = [rows.stamps.plane(row, name) for name in CHANNELS]
        centre = (int(rows.stamps.centre[row, 0]), int(rows.stamps.centre[row, 1]))
        planes.append(change(held, centre, rng))
    stamps = Stamps(
        planes, object_id=rows.stamps.object_id, candidate_id=rows.stamps.candidate_id, centre=rows.stamps.centre
    )
    return LabelledStamps(stamps, rows.label, rows.kind, teacher=rows.teacher, group=rows.group)


def _each(change: Callable[[Plane], NDArray[np.floating]]) -> Change:
    return lambda planes, _, __: [None if p is None else change(p).astype(np.float32) for p in planes]


def _to_unit(plane: Plane) -> NDArray[np.floating]:
    low, high = np.nanmin(plane), np.nanmax(plane)
    return (plane - low) / max(high - low, 1e-9)


def _to_bytes(plane: Plane) -> NDArray[np.floating]:
    low, high = np.nanpercentile(plane, [1.0, 99.5])
    return np.rint(np.clip((plane - low) / max(high - low, 1e-9), 0.0, 1.0) * 255.0)


def _to_z_scores(plane: Plane) -> NDArray[np.floating]:
    return (plane - np.nanmean(plane)) / max(np.nanstd(plane), 1e-9)


def _by_norm(plane: Plane) -> NDArray[np.floating]:
    return plane / max(np.sqrt(np.nansum(plane.astype(np.float64) ** 2)), 1e-9)


def _by_deviation(plane: Plane) -> NDArray[np.floating]:
    away = plane - np.nanmedian(plane)
    return away / max(np.nanmedian(np.abs(away)), 1e-9)


def _without_core(planes: list[Plane | None], centre: tuple[int, int], rng: np.random.Generator) -> list[Plane | None]:
    """Blank pixels of a simulated pattern that lies on the candidate."""
    half, reach = int(rng.integers(1, 4)), 31
    pattern = simulate_pattern(rng)
    pattern[:, reach - half : reach + half + 1, reach - half + 1 : reach + half + 1] = True
    out: list[Plane | None] = []
    for plane, mask in zip(planes, pattern, strict=True):
        copy = None if plane is None else plane.copy()
        if copy is not None:
            rows, columns = np.nonzero(mask)
            y, x = rows + centre[0] - reach, columns + centre[1] - reach
            inside = (y >= 0) & (x >= 0) & (y < copy.shape[0]) & (x < copy.shape[1])
            inside &= (y != centre[0]) | (x != centre[1])
            copy[y[inside], x[inside]] = np.nan
        out.append(copy)
    return out


def _finer(plane: Plane) -> NDArray[np.floating]:
    """Sample a plane three times as finely, by repeated linear interpolation, as of a survey of better seeing."""
    out = plane.astype(np.float64)
    for axis in (0, 1):
        side = out.shape[axis]
        at = (np.arange(side) - side // 2) / 3.0 + side // 2
        low = np.floor(at).astype(int)
        share = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
        out = np.take(out, low, axis) * (1.0 - share) + np.take(out, np.minimum(low + 1, side - 1), axis) * share
    return out


def changed_sets(rows: LabelledStamps) -> Iterator[tuple[str, LabelledStamps]]:
    """Yield the name of each change, and the usual candidates after it."""
    yield "planes from 0 to 1", remade(rows, _each(_to_unit))
    yield "planes of bytes", remade(rows, _each(_to_bytes))
    yield "z-scores", remade(rows, _each(_to_z_scores))
    yield "planes divided by their l2 norm", remade(rows, _each(_by_norm))
    yield "planes divided by their MAD", remade(rows, _each(_by_deviation))
    yield "core of NaN", remade(rows, _without_core)
    yield "core of NaN in the difference", remade(rows, lambda p, at, rng: [*p[:2], _without_core(p, at, rng)[2]])
    yield "core of NaN in the template", remade(rows, lambda p, at, rng: [p[0], _without_core(p, at, rng)[1], p[2]])
    yield "stars three times as wide", remade(rows, _each(_finer))
    yield "science and template exchanged", remade(rows, lambda p, _, __: [p[1], p[0], p[2]])
    yield "difference of the other sign", remade(rows, lambda p, _, __: [p[0], p[1], None if p[2] is None else -p[2]])
    yield "difference is the science plane", remade(rows, lambda p, _, __: [p[0], p[1], p[0]])
    yield (
        "nothing but noise",
        remade(rows, lambda p, _, rng: [None if q is None else rng.normal(size=q.shape).astype(np.float32) for q in p]),
    )


def other_cameras(data: Path) -> Iterator[tuple[str, Stamps]]:
    """Yield stamps of cameras whose candidates have no labels."""
    found = s2v.read(data / "rubin", strict=False)
    assert isinstance(found, Stamps)
    yield "Rubin alerts", found
    found = s2v.read(sorted((data / "decam").glob("*.npy")), strict=False)
    assert isinstance(found, Stamps)
    yield "DECam triplets of bytes", found


#: What :func:`plane_numbers` returns: how the planes of a candidate fit together.
PLANE_NUMBERS = (
    "log noise of difference by science", "log noise of template by science", "correlation of difference and science",
    "correlation of difference and template", "missing of 5 x 5", "missing of 11 x 11", "missing",
    "share of pixels at the commonest value", "log of level by noise", "change by difference",
)  # fmt: skip


def plane_numbers(stamps: Stamps) -> NDArray[np.float64]:
    """Return ten numbers (n, 10) that say how the planes of a candidate fit together, NaN where they cannot be told.

    They are :data:`PLANE_NUMBERS`: ratios of the planes' noise, correlations of noise pixels, shares of missing pixels
    near the candidate, how coarse the values are, and whether science less template changes as the difference does.
    """
    return np.array([_numbers(stamps, row) for row in range(len(stamps))]).reshape(-1, len(PLANE_NUMBERS))


def _numbers(stamps: Stamps, row: int) -> list[float]:
    nothing = [np.nan] * len(PLANE_NUMBERS)
    held = [stamps.plane(row, name) for name in CHANNELS]
    if held[0] is None or held[2] is None:
        return nothing
    with np.errstate(invalid="ignore"):
        planes = [np.full(held[0].shape, np.nan) if p is None else np.where(np.abs(p) < 1e6, p, np.nan) for p in held]
    if len({plane.shape for plane in planes}) > 1:
        return nothing
    middles = [float(np.nanmedian(p)) if np.isfinite(p).any() else np.nan for p in planes]
    flat = [p - m for p, m in zip(planes, middles, strict=True)]
    noise = [1.4826 * float(np.nanmedian(np.abs(p))) if np.isfinite(p).any() else np.nan for p in flat]
    if not (noise[0] > 0.0 and noise[2] > 0.0):
        return nothing
    y, x = (int(at) for at in stamps.centre[row])
    boxes = [np.s_[max(y - h, 0) : y + h + 1, max(x - h, 0) : x + h + 1] for h in (2, 5)]
    missing = [float(np.isnan(planes[2][box]).mean()) for box in boxes] + [float(np.isnan(planes[2]).mean())]
    with np.errstate(invalid="ignore"):
        quiet = np.all([np.abs(p) < 3.0 * n for p, n in zip(flat, noise, strict=True) if n > 0.0], axis=0)
    fits = [
        float(np.corrcoef(flat[2][quiet], p[quiet])[0, 1]) if n > 0.0 and quiet.sum() > 50 else np.nan
        for p, n in zip(flat[:2], noise[:2], strict=True)
    ]
    values = planes[0][np.isfinite(planes[0])]
    commonest = float(np.unique(values, return_counts=True)[1].max()) / len(values)
    near = [float(np.nansum(p[boxes[0]])) for p in flat]
    change = np.clip((near[0] - near[1]) / (abs(near[2]) + 5.0 * noise[2]), -20.0, 20.0) if noise[1] > 0.0 else np.nan
    ratio = np.log(noise[1] / noise[0]) if noise[1] > 0.0 else np.nan
    level = float(np.log1p(abs(middles[0]) / noise[0]))
    return [np.log(noise[2] / noise[0]), ratio, *fits, *missing, commonest, level, float(change)]
