"""A night of good rows with hostile inputs beside them: what is promised of it, and what of that does not hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import space2vec
from hostile.making import Maker
from hostile.measuring import Spent, spent
from space2vec.data.ids import printable
from space2vec.registry import AUTOSCAN
from space2vec.simulation import simulate
from space2vec.simulation.packet import write_packets

#: Inputs in which nothing is wrong: they cost what they cost.
HARMLESS = frozenset({"csv_wide", "csv_empty_lines", "npy_large_planes"})
#: Resident megabytes, milliseconds for each kB of a hostile input, of which no more than so many seconds count, lest
#: long ones that cost nothing hide others, and seconds for all.
MEGABYTES, PER_KB, MOST_OF_ONE, CONSTANT = 1000, 2.0, 0.5, 3.0


def complaints(makers: Mapping[str, Maker], folder: Path, good: int, *, tables: bool = False) -> list[str]:
    """Score good rows alone, and with hostile inputs beside them; return the promises that are not kept.

    Parameters
    ----------
    makers : mapping of str to Maker
        The hostile inputs.
    folder : Path
        An empty folder.
    good : int
        Good alerts, or good rows of a table of features.
    tables : bool, optional
        Whether the night is one of tables.
    """
    for name in ("alone", "night"):
        (folder / name).mkdir()
        place = folder / name / ("a_good.csv" if tables else "good.avro")
        _good_table(place, good) if tables else good_alerts(place, good)
    inputs = {name: make(folder / "night") for name, make in makers.items()}
    sizes = [sum(path.lstat().st_size for path in paths) for paths in inputs.values()]
    alone, night = (_scored(folder, name, tables) for name in ("alone", "night"))
    wrong = []
    if alone.status != 0:
        wrong.append(f"the good rows alone end with {alone.status}: {alone.err[-400:]}")
    if night.status != 1:
        wrong.append(f"the night ends with {night.status}: {night.err[-400:]}")
        return wrong
    if "Traceback" in night.err:
        wrong.append("a traceback")
    if any(not line.isprintable() for line in night.err.splitlines()):
        wrong.append("a line that is not printable")
    if night.megabytes > MEGABYTES:
        wrong.append(f"{night.megabytes:.0f} MB resident")
    budget = 2 * alone.processor + sum(min(PER_KB * size / 1e6, MOST_OF_ONE) for size in sizes) + CONSTANT
    if night.processor > budget:
        wrong.append(f"{night.processor:.1f} s of processor time; the budget is {budget:.1f} s")
    wrong += _rows_that_differ(*(parquet.read_table(folder / f"{name}.parquet") for name in ("alone", "night")))
    reported = parquet.read_table(folder / "night.errors.parquet")["file"].to_pylist()
    for name, paths in inputs.items():
        names = tuple(printable(str(path)) for path in paths)
        if name not in HARMLESS and not any((file or "").startswith(names) for file in reported):
            wrong.append(f"nothing is said of {name}")
    return wrong


def _rows_that_differ(alone: pa.Table, night: pa.Table) -> list[str]:
    """Return the good rows whose scores are not the same to the bit, or that are not there."""
    scores: dict[Any, list[bytes]] = {}
    for key, score in zip(night["object_id"].to_pylist(), np.asarray(night["score"]), strict=True):
        scores.setdefault(key, []).append(score.tobytes())
    pairs = zip(alone["object_id"].to_pylist(), np.asarray(alone["score"]), strict=True)
    lost = [key for key, score in pairs if np.isnan(score) or score.tobytes() not in scores.get(key, [])]
    return [f"{len(lost)} good rows have no score, or another one: {lost[:3]}"] if lost else []


def _scored(folder: Path, name: str, tables: bool) -> Spent:
    out = folder / f"{name}.parquet"
    command = [sys.executable, "-m", "space2vec", "score", folder / name, "-o", out, "--threads", "2"]
    environment = os.environ | {"PYTHONPATH": str(Path(space2vec.__file__).parents[1])}
    return spent([*command, "--model", "autoscan" if tables else "default"], folder, environment, 600.0)


def good_alerts(place: Path, count: int) -> None:
    """Write one Avro file of so many simulated alerts."""
    (written,) = write_packets(simulate(count, seed=7), place.with_suffix(""), per_file=count)
    written.rename(place)
    (place.with_suffix("") / "truth.csv").unlink()
    place.with_suffix("").rmdir()


def _good_table(place: Path, count: int) -> None:
    rng = np.random.default_rng(3)
    lines = [",".join([f"good{row}", *map(repr, rng.normal(size=len(AUTOSCAN)).tolist())]) for row in range(count)]
    place.write_text("\n".join([",".join(["ID", *AUTOSCAN]), *lines]) + "\n")
