"""Fuzz targets in Python: each takes bytes of others to a reader of the package, and raises where a promise is broken.

A finding is an exception that the reader does not document, more memory than :data:`MEMORY`, more processor time than
:data:`SECONDS` and 2 ms a kilobyte, or a result whose parts do not fit each other.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from synthetic_inputs import npz_from_bytes, parquet_from_bytes

import space2vec as s2v
from space2vec.errors import BackendError, ModelError, ReadError
from space2vec.reading.schemas import read_schema
from space2vec.training.dataset import read_dataset
from space2vec.training.dataset_part import PartFile, decode_part

__all__ = ["MEMORY", "SECONDS", "TARGETS", "BrokenPromiseError"]

#: Bytes that a call may have beyond what was there before it.
MEMORY = 600_000_000
#: Seconds of processor time of a call on an empty file: what is read alters little, but instrumented code is slow.
SECONDS = 4.0
_SECONDS_A_BYTE = 2e-6

_ROWS = 2


class BrokenPromiseError(Exception):
    """What a reader did that it should not."""


def _folder() -> Path:
    place = Path(tempfile.mkdtemp(prefix="space2vec-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def _resident(name: str) -> int:
    """Return a figure of this process's memory, in bytes: ``VmRSS`` or its peak, ``VmHWM``."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(name))


@contextmanager
def _budget(size: int) -> Iterator[None]:
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # the peak begins anew
    except OSError:  # not on every kernel: it is that of the whole run then
        pass
    before, start = _resident("VmRSS"), time.process_time()
    yield
    used, seconds = _resident("VmHWM") - before, time.process_time() - start
    if used > MEMORY:
        raise BrokenPromiseError(f"{used >> 20} MB for {size} bytes")
    if seconds > SECONDS + _SECONDS_A_BYTE * size:
        raise BrokenPromiseError(f"{seconds:.1f} s of processor time for {size} bytes")


def _require(holds: object, what: str) -> None:
    if not holds:
        raise BrokenPromiseError(what)


def _look(rows: Any) -> None:
    """See that the parts of a result fit each other, and that it can be shown and handed on."""
    n = len(rows)
    _require(len(rows.flags) == n and len(rows.candidate_id) == n and len(rows.object_id) == n, "one of each a row")
    _require(all(line.isprintable() for line in repr(rows).split("\n")), "what is shown is printable")
    if not isinstance(rows, s2v.Stamps):
        _require(rows.to_arrow().num_rows == n, "a table of as many rows")
    elif n and int(np.max(rows.shape, initial=0)) <= 256:
        _require(len(s2v.features(rows, set="autoscan-stamp", threads=1)) == n, "features of every row")


def _read(path: Path) -> None:
    problems: list[s2v.reading.Problem] = []
    try:
        rows = s2v.read(path, strict=False, threads=1, problems=problems)
    except ReadError:
        return
    _look(rows)
    for problem in problems:
        _require(str(problem).isprintable(), "a problem is one line")
        _require(problem.row is None or 0 <= problem.row < max(len(rows), 1), "a problem is of a row")


def _read_columns(path: Path) -> None:
    for read in (s2v.reading.read_labels, s2v.reading.read_scores):
        for problems in (None, []):
            with suppress(ReadError):
                read(path, problems=problems)


def _in(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def fuzz_parquet(data: bytes, folder: Path) -> None:
    """Parquet: as it is, or made of the bytes."""
    whole = data if data.startswith(b"PAR1") else parquet_from_bytes(data)
    path = _in(folder, "alerts.parquet", whole)
    with _budget(len(whole)):
        _read(path)
        _read_columns(path)
        with suppress(ReadError):
            vectors = s2v.read_vectors(path)
            _look(vectors)
            _require(vectors.vector.dtype == np.int8 and len(vectors.vector) == len(vectors), "a vector a row")


def fuzz_npz(data: bytes, folder: Path) -> None:
    """NumPy's files: .npy, .npz, and .npz made of the bytes."""
    if data.startswith((b"\x93NUMPY", b"PK")):
        whole, name = data, "stamps.npy" if data.startswith(b"\x93") else "stamps.npz"
    else:
        whole, name = npz_from_bytes(data), "stamps.npz"
    path = _in(folder, name, whole)
    with _budget(len(whole)):
        _read(path)
    path.unlink()


def fuzz_csv(data: bytes, folder: Path) -> None:
    """CSV: features, labels and scores."""
    path = _in(folder, "table.csv", data)
    with _budget(len(data)):
        _read(path)
        _read_columns(path)


def fuzz_gif(data: bytes, folder: Path) -> None:
    """GIF stamps of DES, with a sound table."""
    for plane in ("srch", "temp", "diff"):
        _in(folder, f"{plane}7.gif", data)
    with _budget(len(data)):
        _read(folder)


def fuzz_fits_folder(data: bytes, folder: Path) -> None:
    """FITS files as Python takes them: a candidate's planes, compressed by tiles, and stamps of DES."""
    stamps = folder / "des"
    stamps.mkdir(exist_ok=True)
    for plane in ("srch", "temp", "diff"):
        _in(stamps, f"{plane}7.fits.gz" if data.startswith(b"\x1f\x8b") else f"{plane}7.fits", data)
    path = _in(folder, "candidate.fits", data)
    with _budget(len(data)):
        _read(path)
        _read(stamps)
    for file in stamps.iterdir():
        file.unlink()


def fuzz_model(data: bytes, folder: Path) -> None:
    """Model files: header, tensors, and scores of what is accepted."""
    path = _in(folder, "model.safetensors", data)
    with _budget(len(data)):
        try:
            model = s2v.load(path)
        except (BackendError, ModelError):
            return
        _require(all(line.isprintable() for line in repr(model).split("\n")), "what is shown is printable")
        try:
            if model.vector:
                vectors = model.embed(_STAMPS, threads=1).vector
                _require(vectors.shape == (_ROWS, model.vector) and (vectors > -128).all(), "a vector a row")
                return
            scores = model.score(_STAMPS, threads=1)
        except (BackendError, ModelError):
            return
        _require(len(scores) == _ROWS, "a score a row")
        finite = scores.score[np.isfinite(scores.score)]
        _require(((finite >= 0) & (finite <= 1)).all(), "scores from 0 to 1")


def fuzz_schema(data: bytes, folder: Path) -> None:
    """Schemas of bare Avro messages, out of a file, and a message behind them."""
    path = _in(folder, "alert.avsc", data)
    with _budget(len(data)):
        try:
            text = read_schema(path)
            s2v.reading.read_messages(_MESSAGE, {1: text}, threads=1)
        except ReadError:
            pass


def fuzz_dataset(data: bytes, folder: Path) -> None:
    """Data sets for training: the manifest, or the parts that it names."""
    with _budget(len(data)):
        try:
            if data.lstrip().startswith(b"{"):
                _in(folder, "manifest.json", data)
                read_dataset(folder)
            else:
                half = len(data) // 2
                decode_part(
                    PartFile(folder / "a.npz", npz_from_bytes(data[:half])),
                    PartFile(folder / "a.parquet", parquet_from_bytes(data[half:])),
                )
        except ReadError:
            pass


_STAMPS = s2v.Stamps(np.random.default_rng(1).normal(100, 5, (_ROWS, 3, 21, 21)).astype(np.float32))
_MESSAGE = b"\0\0\0\0\1" + bytes(range(64))

_ALL: dict[str, Callable[[bytes, Path], None]] = {
    "parquet": fuzz_parquet,
    "npz": fuzz_npz,
    "csv": fuzz_csv,
    "gif": fuzz_gif,
    "fits_folder": fuzz_fits_folder,
    "model": fuzz_model,
    "schema": fuzz_schema,
    "dataset": fuzz_dataset,
}


def _within(target: Callable[[bytes, Path], None]) -> Callable[[bytes], None]:
    folder = _folder()

    def run(data: bytes) -> None:
        ignored: list[BaseException | None] = []
        before, sys.unraisablehook = sys.unraisablehook, lambda raised: ignored.append(raised.exc_value)
        try:
            with warnings.catch_warnings(action="ignore"):
                target(data, folder)
        finally:
            sys.unraisablehook = before
        _require(not ignored, f"no traceback of an error that is ignored: {ignored!r}")

    return run


#: The targets by name; each takes bytes.
TARGETS = {name: _within(target) for name, target in _ALL.items()}
