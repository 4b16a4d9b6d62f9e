"""Microseconds of one core that several models take a candidate; the models take turns.

What counts is processor time and not the clock on the wall, so that other processes on the core do not disturb.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import space2vec as s2v
from benchmarks.speed.rounds import processor_time, quartiles
from space2vec.data.stamps import Stamps
from space2vec.models.network import Network

#: Rows of a call where the cost after preparation is measured.
BATCH = 64
ROUNDS = 9


def measure_costs(runs: Mapping[str, tuple[Callable[[], object], int]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return the quartiles of the microseconds that each function takes a row; it comes with its number of rows."""
    for run, _ in runs.values():
        run()
    times = processor_time(runs, rounds)
    return {name: [round(quartile, 3) for quartile in quartiles(spent)] for name, spent in times.items()}


def measure_on_stamps(models: Mapping[str, Any], stamps: Stamps) -> dict[str, dict[str, list[float]]]:
    """Measure models end to end from stamps in memory, and after preparation, in batches of 64.

    Networks run as they do from a file: in integers if they have integers, else by PyTorch. The cost of a forest after
    preparation is that of its trees on rows of features.
    """
    models = {name: _reload(model) for name, model in models.items()}
    whole: dict[str, tuple[Callable[[], object], int]] = {}
    prepared: dict[str, tuple[Callable[[], object], int]] = {}
    for name, model in models.items():
        whole[name] = (lambda model=model: model.score(stamps, threads=1)), len(stamps)
        inputs = _prepare(model, stamps)
        inputs = [values[: max(len(values) // BATCH, 1) * BATCH] for values in inputs]
        prepared[name] = (lambda model=model, inputs=inputs: _predict_batches(model, inputs)), len(inputs[0])
    ends, alone = measure_costs(whole), measure_costs(prepared)
    return {name: {"end to end": ends[name], "after preparation": alone[name]} for name in models}


def _reload(model: Any) -> Any:
    """Save a model and load it, as its users do."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        return s2v.load(path)


def _prepare(model: Any, stamps: Stamps) -> list[np.ndarray]:
    if isinstance(model, Network):
        return [
            np.nan_to_num(tensor.numpy()) if tensor.ndim == 4 else tensor.numpy() for tensor in model.tensors(stamps)
        ]
    return [s2v.features(stamps, set=model.header.feature_set).select(model.feature_names)]


def _predict_batches(model: Any, inputs: list[np.ndarray]) -> None:
    for start in range(0, len(inputs[0]), BATCH):
        model.predict(*(values[start : start + BATCH] for values in inputs), threads=1)


def measure_on_rows(models: Mapping[str, Any], x: np.ndarray) -> dict[str, dict[str, Any]]:
    """Measure models on rows of columns x (n, k)."""
    models = {name: _reload(model) if hasattr(model, "save") else model for name, model in models.items()}
    runs: dict[str, tuple[Callable[[], object], int]] = {
        name: ((lambda model=model: model.predict(x, threads=1)), len(x)) for name, model in models.items()
    }
    return {name: {"end to end": cost} for name, cost in measure_costs(runs).items()}
