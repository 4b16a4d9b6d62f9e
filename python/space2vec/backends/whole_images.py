"""Scores, vectors and features of detections in whole images, of which only the needed pixels are read."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.backends import choice, kernels
from space2vec.backends.kernels import thread_count
from space2vec.data.detections import Detections, FieldPart
from space2vec.data.tables import Features, Scores
from space2vec.data.vectors import Vectors
from space2vec.errors import BackendError
from space2vec.registry import stamp_columns

if TYPE_CHECKING:
    from space2vec._core import Field
    from space2vec.backends.interfaces import Model
    from space2vec.data.types import AnyArray
    from space2vec.plans.features import FeaturePlan

__all__ = ["embed", "measure", "score"]


def score(model: Model, detections: Detections, threads: int | None, device: str) -> Scores:
    """Return the scores of detections.

    Raises
    ------
    BackendError
        If the device is not the CPU, the model runs in floating point, or the extension is not installed.
    """
    score = np.empty(len(detections), np.float32)
    flags = _run(model, detections, threads, device, score, vectors=False)
    ids = detections.object_id, detections.candidate_id
    return Scores(score, flags, *ids, model.id, "cpu", columns=detections.columns)


def embed(model: Model, detections: Detections, threads: int | None, device: str) -> Vectors:
    """Return the vectors of detections.

    Raises
    ------
    BackendError
        As :func:`score`.
    """
    vectors = np.empty((len(detections), model.vector), np.int8)
    flags = _run(model, detections, threads, device, vectors, vectors=True)
    ids = detections.object_id, detections.candidate_id
    return Vectors(vectors, flags, *ids, model.id, "cpu", columns=detections.columns)


def _run(
    model: Model, detections: Detections, threads: int | None, device: str, out: AnyArray, *, vectors: bool
) -> NDArray[np.uint32]:
    """Write the scores (n,) or vectors (n, k) of detections, and return their flags (n,)."""
    extension = _extension(device, model.runtime)
    engine, workers = model.engine(extension.__name__, extension.Model), thread_count(threads)
    flags, raised = np.empty(len(out), np.uint32), np.zeros(len(out), np.uint32)
    catalogue = model.needs.catalogue_columns(detections)
    run = engine.embed_frames if vectors else engine.score_frames
    for part in detections.parts():
        field, rows = _field(extension, part), part.rows
        beside = None if catalogue is None else np.ascontiguousarray(catalogue[rows])
        some, some_flags = np.empty_like(out[rows]), np.empty_like(flags[rows])
        run(field, beside, raised[rows], some, some_flags, workers)
        out[rows], flags[rows] = some, some_flags
    return flags


def measure(detections: Detections, plan: FeaturePlan, threads: int | None, device: str) -> Features:
    """Return the features of detections.

    Raises
    ------
    BackendError
        If the device is not the CPU, or the extension is not installed.
    """
    extension, workers = _extension(device, None), thread_count(threads)
    n, paper = len(detections), plan.convention == "paper"
    values, flags = np.empty((n, len(stamp_columns(plan.sets))), np.float32), np.empty(n, np.uint32)
    for part in detections.parts():
        some_values, some_flags = np.empty_like(values[part.rows]), np.empty_like(flags[part.rows])
        extension.measure_frames(_field(extension, part), plan.sets, paper, some_values, some_flags, workers)
        values[part.rows], flags[part.rows] = some_values, some_flags
    table = plan.in_columns(values, detections.catalogue)
    ids = detections.object_id, detections.candidate_id
    return Features(table, plan.names, flags, *ids, columns=detections.columns)


def _field(extension: ModuleType, part: FieldPart) -> Field:
    """Return frames and positions in the form of the extension."""
    frames = (part.frames.get(name) for name in ("science", "template", "difference"))
    field: Field = extension.Field(*frames, part.at.x, part.at.y)
    return field


def _extension(device: str, runtime: str | None) -> ModuleType:
    """Return the extension, if it is what scores or measures."""
    instead = "cut stamps first: space2vec.cut(detections)"
    if choice.usable_device(device) != "cpu":
        raise BackendError(
            f"detections in whole images are looked at by the CPU, and device {device!r} was asked for; {instead}"
        )
    if runtime is not None or kernels.name() != "native":
        raise BackendError(
            f"detections in whole images are looked at by the compiled library, not by {runtime or 'Numba'}; {instead}"
        )
    kernels.active()
    return kernels.require_extension("looking at whole images")
