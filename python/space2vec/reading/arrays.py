"""Stamps out of NumPy files, with or without a table beside them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ReadError
from space2vec.ids import as_ids
from space2vec.reading.batch import Batch
from space2vec.reading.feature_table import CATALOGUE, Origins
from space2vec.reading.side_table import read_side_table
from space2vec.stamps import CHANNELS, Stamps

__all__ = ["ARRAY_SUFFIXES", "read_stamps"]

ARRAY_SUFFIXES = (".npy", ".npz")


def read_stamps(path: Path, batch: int, channels: Sequence[str] | None, origins: Origins) -> Iterator[Batch]:
    """Yield the stamps of one .npy or .npz file, at most `batch` at a time.

    Parameters
    ----------
    path : Path
        A .npy file of shape (n, channel, height, width), or a .npz file with such an array under ``pixels``, or with
        arrays (n, height, width) under some of ``science``, ``template``, ``difference``; further arrays (n,) of a
        .npz may be ``object_id``, ``candidate_id`` and catalogue columns under their autoScan names. A table of the
        same stem beside it (.csv, .parquet) gives what the file itself does not: candidate by candidate where both have
        ids, and else row by row.
    batch : int
        Rows at a time.
    channels : sequence of str, optional
        What the planes of ``pixels`` are; by default science, template, difference for three and difference for one.
    origins : Origins
        What names rows without ids.

    Raises
    ------
    ReadError
        If the file is damaged, pickled, of another shape or dtype, or does not fit the table beside it.
    """
    arrays = _load(path)
    planes, names = _planes(arrays, channels)
    size = len(planes[0])
    table = read_side_table(path, size, arrays.get("candidate_id"))
    columns: dict[str, NDArray[Any]] = {}
    for name in ("object_id", "candidate_id", *CATALOGUE):
        values = arrays[name] if name in arrays else table.columns.get(name)
        if values is not None:
            if values.shape != (size,):
                raise ReadError(f"{name} must have one value for each of {size} stamps; its shape is {values.shape}")
            columns[name] = values
    try:
        candidates = as_ids(columns["candidate_id"]) if "candidate_id" in columns else None
    except TypeError as error:
        raise ReadError(str(error)) from None
    object_id, candidate_id = origins.ids(columns.get("object_id"), candidates, np.arange(size))
    for start in range(0, max(size, 1), batch):
        rows = slice(start, min(start + batch, size))
        problems, flags = table.within(rows)
        try:
            stamps = Stamps(
                planes[0][rows] if len(planes) == 1 else np.stack([plane[rows] for plane in planes], axis=1),
                channels=names,
                object_id=object_id[rows],
                candidate_id=candidate_id[rows],
                catalogue={name: columns[name][rows] for name in CATALOGUE if name in columns},
                flags=flags,
            )
        except (TypeError, ValueError) as error:
            raise ReadError(str(error)) from None
        yield Batch(stamps, problems)


def _load(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the arrays of a .npz file by name, or the one of a .npy file, mapped from disk, as ``pixels``."""
    try:
        if zipfile.is_zipfile(path):
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                wanted = {"pixels", *CHANNELS, "object_id", "candidate_id", *CATALOGUE}
                return {name: archive[name] for name in archive.files if name in wanted}
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
        try:
            return {"pixels": np.load(path, mmap_mode="r", allow_pickle=False)}
        except ValueError:
            # An array without elements cannot be mapped; what is damaged fails here again, with its reason.
            return {"pixels": np.load(path, allow_pickle=False)}
    except Exception as error:  # NumPy and zipfile raise errors of many kinds on damaged files.
        raise ReadError(f"not a NumPy file of numbers, or cut short ({error})") from None


def _planes(
    arrays: Mapping[str, NDArray[Any]], channels: Sequence[str] | None
) -> tuple[list[NDArray[Any]], tuple[str, ...]]:
    """Return one array (n, channel, height, width), or one (n, height, width) a plane, and the planes' names."""
    if "pixels" in arrays:
        pixels = arrays["pixels"]
        if pixels.ndim != 4:
            raise ReadError(f"stamps must have shape (n, channel, height, width); the array's shape is {pixels.shape}")
        default = {1: ("difference",), 3: CHANNELS}.get(pixels.shape[1])
        names = tuple(channels) if channels is not None else default
        if names is None:
            raise ReadError(f"an array of {pixels.shape[1]} planes needs channels=, their names")
        return [pixels], names
    named = tuple(name for name in CHANNELS if name in arrays)
    if not named:
        raise ReadError(f"no array under pixels, {', '.join(CHANNELS)}")
    planes = [arrays[name] for name in named]
    if planes[0].ndim != 3 or any(plane.shape != planes[0].shape for plane in planes):
        shapes = ", ".join(f"{name} {plane.shape}" for name, plane in zip(named, planes, strict=True))
        raise ReadError(f"the planes must have one shape (n, height, width); given {shapes}")
    return planes, named
