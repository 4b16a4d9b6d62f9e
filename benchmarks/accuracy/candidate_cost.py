"""Microseconds of one core a candidate, of several models that take turns.

Processor time is measured, not the clock on the wall: another process on the same core does not count.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import space2vec as s2v
from space2vec.bench.rounds import quartiles
from space2vec.data.stamps import Stamps
from space2vec.models.network import Network

#: Rows that a network is given at a time where its own cost is measured.
BATCH = 64
ROUNDS = 9


def take_turns(runs: Mapping[str, Callable[[], int]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Return the quartiles of microseconds a row; each run says how many rows it had."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.process_time()
            rows = run()
            times[name].append((time.process_time() - start) / rows * 1e6)
    return {name: [round(q, 3) for q in quartiles(taken)] for name, taken in times.items()}


def of_stamps(models: Mapping[str, Any], stamps: Stamps) -> dict[str, dict[str, list[float]]]:
    """Measure models end to end from stamps in memory, and after preparation, in batches of 64.

    Networks run as those of a file do: in integers where they have any, and by PyTorch otherwise. A forest's own cost
    is that of its trees on rows of features.
    """
    models = {name: _from_file(model) for name, model in models.items()}
    whole: dict[str, Callable[[], int]] = {}
    own: dict[str, Callable[[], int]] = {}
    for name, model in models.items():
        whole[name] = lambda model=model: len(model.score(stamps, threads=1))
        given = _prepared(model, stamps)
        own[name] = lambda model=model, given=given: _in_batches(model, given)
    ends, alone = take_turns(whole), take_turns(own)
    return {name: {"end to end": ends[name], "after preparation": alone[name]} for name in models}


def _from_file(model: Any) -> Any:
    """Return a model as its user loads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        return s2v.load(path)


def _prepared(model: Any, stamps: Stamps) -> list[np.ndarray]:
    if isinstance(model, Network):
        return [
            np.nan_to_num(tensor.numpy()) if tensor.ndim == 4 else tensor.numpy() for tensor in model.tensors(stamps)
        ]
    return [s2v.features(stamps, set=model.header.feature_set).select(model.feature_names)]


def _in_batches(model: Any, given: list[np.ndarray]) -> int:
    rows = len(given[0])
    for start in range(0, rows - BATCH + 1, BATCH):
        model.predict(*(values[start : start + BATCH] for values in given), threads=1)
    return rows // BATCH * BATCH


def of_rows(models: Mapping[str, Any], x: np.ndarray) -> dict[str, dict[str, Any]]:
    """Measure models on rows of columns that are there already."""
    models = {name: _from_file(model) if hasattr(model, "save") else model for name, model in models.items()}
    runs = {name: (lambda model=model: len(model.predict(x, threads=1))) for name, model in models.items()}
    return {name: {"end to end": taken} for name, taken in take_turns(runs).items()}
