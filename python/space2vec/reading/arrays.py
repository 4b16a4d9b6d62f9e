"""Read stamps from NumPy files, with the catalogue columns of a table in the same folder, if there is one."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from space2vec.data.arrays import as_batch, channel_axis
from space2vec.data.channels import ACCEPTED, CHANNELS, channel_of
from space2vec.data.ids import as_ids
from space2vec.data.stamps import Stamps
from space2vec.errors import ReadError
from space2vec.reading.batch import Batch
from space2vec.reading.feature_table import DefaultIds, id_columns
from space2vec.reading.limits import Limits, size_faults_as_read_errors
from space2vec.reading.side_table import read_side_table
from space2vec.registry import CATALOGUE

__all__ = ["ARRAY_SUFFIXES", "read_stamps", "split_arrays"]

ARRAY_SUFFIXES = (".npy", ".npz")

#: Accepted names, in lower case, of the array in a .npz that holds all planes; the first that exists is read.
_WHOLE = ("pixels", "images", "stamps", "triplets", "cutouts", "data", "arr_0")


def read_stamps(
    path: Path, batch: int, channels: Sequence[str] | None, default_ids: DefaultIds, limits: Limits
) -> Iterator[Batch[Stamps]]:
    """Yield the stamps of one .npy or .npz file, at most `batch` at a time.

    Parameters
    ----------
    path : Path
        A .npy file of shape (n, channel, height, width), or a .npz file with such an array under ``pixels`` (or images,
        stamps, triplets, cutouts, data, arr_0), or with arrays (n, height, width) under the names of some planes;
        further arrays (n,) of a .npz may be ids, under the names that tables use, and catalogue columns under their
        autoScan names. What the file lacks is read from a table of the same stem in the same folder (.csv, .parquet):
        matched by candidate id if both have ids, otherwise by row.
    batch : int
        The most rows of a batch.
    channels, default_ids, limits
        As for :func:`split_arrays`.

    Raises
    ------
    ReadError
        If the file is damaged or pickled, its shape or dtype is not accepted, or the table does not match it.
    """
    yield from split_arrays(path, _load(path, limits), batch, channels, default_ids, limits)


def split_arrays(
    path: Path,
    arrays: Mapping[str, NDArray[np.generic]],
    batch: int,
    channels: Sequence[str] | None,
    default_ids: DefaultIds,
    limits: Limits,
) -> Iterator[Batch[Stamps]]:
    """Yield the stamps that the arrays of a file hold, at most `batch` at a time.

    Parameters
    ----------
    path : Path
        The file.
    arrays : mapping of str to ndarray
        ``pixels``, or the planes by their names (n, height, width); further arrays as for :func:`read_stamps`. Pixels
        that the array ``mask`` marks become NaN.
    batch : int
        The most rows of a batch.
    channels : sequence of str, optional
        The names of the planes of ``pixels``; by default science, template, difference for three and difference for
        one.
    default_ids : DefaultIds
        The ids of rows for which the file has none.
    limits : Limits
        The limits on what the file may demand.

    Raises
    ------
    ReadError
        If a shape or dtype is not accepted, or the table of the same stem does not match the arrays.
    """
    planes, names = _planes(arrays, channels, path.name)
    size = len(planes[0])
    limits.check_rows(size, path.stat().st_size)
    mask = _mask_of_planes(arrays["mask"], planes) if "mask" in arrays else None
    table = read_side_table(path, size, arrays.get("candidate_id"), limits)
    columns: dict[str, NDArray[np.generic]] = {}
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
    object_id, candidate_id = default_ids.ids(columns.get("object_id"), candidates, np.arange(size))
    pixels_of_row = 4 * sum(int(np.prod(plane.shape[1:])) for plane in planes)
    batch = limits.rows(pixels_of_row, batch)
    for start in range(0, max(size, 1), batch):
        rows = slice(start, min(start + batch, size))
        problems, flags = table.problems_in(rows)
        try:
            pixels = planes[0][rows] if planes[0].ndim == 4 else np.stack([plane[rows] for plane in planes], axis=1)
            stamps = Stamps(
                pixels if mask is None else np.ma.MaskedArray(pixels, np.broadcast_to(mask[rows], pixels.shape)),
                channels=names,
                object_id=object_id[rows],
                candidate_id=candidate_id[rows],
                catalogue={name: columns[name][rows] for name in CATALOGUE if name in columns},
                flags=flags,
            )
        except (TypeError, ValueError) as error:
            raise ReadError(str(error)) from None
        yield Batch(stamps, problems)


def _load(path: Path, limits: Limits) -> Mapping[str, NDArray[np.generic]]:
    """Return the arrays of a .npz file by name, or the array of a .npy file, mapped from disk, as ``pixels``."""
    try:
        with size_faults_as_read_errors():
            return _load_arrays(path, limits)
    except ReadError:
        raise
    except Exception as error:  # NumPy and zipfile raise errors of many kinds on damaged files.
        raise ReadError(f"not a NumPy file of numbers, or cut short ({error})") from None


def _load_arrays(path: Path, limits: Limits) -> Mapping[str, NDArray[np.generic]]:
    if zipfile.is_zipfile(path):
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            wanted = _choose_arrays(archive.files)
            _check_members(archive.zip, set(wanted.values()), path.stat().st_size, limits)
            return {meaning: archive[name] for meaning, name in wanted.items()}
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
    try:
        return {"pixels": np.load(path, mmap_mode="r", allow_pickle=False)}
    except ValueError:
        # An array without elements cannot be mapped. A damaged file fails here too, with its reason.
        return {"pixels": np.load(path, allow_pickle=False)}


def _check_members(archive: zipfile.ZipFile, wanted: set[str], size: int, limits: Limits) -> None:
    """Check that the arrays to load are in proportion to their bytes in the archive; a ReadError says which is not."""
    for member in archive.infolist():
        if member.filename.removesuffix(".npy") in wanted:
            with archive.open(member) as file:
                declared = _declared_bytes(file)
            packed = min(member.compress_size, size)
            limits.check_bytes_at_once(max(member.file_size, declared), packed, f"the array {member.filename}")


def _declared_bytes(file: IO[bytes]) -> int:
    """Return the bytes of the array that the header of a .npy file declares."""
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    if version not in read:
        return 0  # NumPy refuses this version when it loads the array
    shape, _, dtype = read[version](file)
    return math.prod(shape) * int(dtype.itemsize)


def _choose_arrays(names: Sequence[str]) -> dict[str, str]:
    """Return the names of the arrays of a .npz to load, by meaning: a plane, ``pixels``, ``mask`` or a column."""
    lower = {name.lower(): name for name in names}
    wanted = {name: name for name in CATALOGUE if name in names}
    ids = zip(("object_id", "candidate_id"), id_columns(names), strict=True)
    wanted |= {meaning: name for meaning, name in ids if name is not None}
    if "mask" in lower:
        wanted["mask"] = lower["mask"]
    whole = next((lower[name] for name in _WHOLE if name in lower), None)
    if whole is not None:
        return {"pixels": whole, **wanted}
    for name in names:
        channel = channel_of(name)
        if channel in wanted:
            raise ReadError(f"the arrays {wanted[channel]} and {name} are both the {channel} plane")
        if channel is not None:
            wanted[channel] = name
    if not any(channel in wanted for channel in CHANNELS):
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise ReadError(
            f"no array under {', '.join(_WHOLE)}, nor under the name of a plane, {ACCEPTED}; it has {shown or 'none'}"
        )
    return wanted


def _planes(
    arrays: Mapping[str, NDArray[np.generic]], channels: Sequence[str] | None, what: str
) -> tuple[list[NDArray[np.generic]], tuple[str, ...]]:
    """Return one array (n, channel, height, width), or an array (n, height, width) for each plane, and their names."""
    if "pixels" in arrays:
        pixels = arrays["pixels"]
        names = _default_names(pixels.shape) if channels is None else tuple(channels)
        batch: NDArray[np.generic] = as_batch(pixels, len(names), what)
        if batch.ndim != 4 or batch.shape[1] != len(names):
            raise ReadError(f"an array of shape {pixels.shape}, but channels= names {len(names)}: {', '.join(names)}")
        return [batch], names
    named = tuple(name for name in CHANNELS if name in arrays)
    planes = [_without_channel(arrays[name]) for name in named]
    if planes[0].ndim != 3 or any(plane.shape != planes[0].shape for plane in planes):
        shapes = ", ".join(f"{name} {arrays[name].shape}" for name in named)
        raise ReadError(f"the planes must have one shape (n, height, width); given {shapes}")
    return planes, named


def _mask_of_planes(mask: NDArray[np.generic], planes: Sequence[NDArray[np.generic]]) -> NDArray[np.bool_]:
    """Return a mask (n, 1 or channel, height, width) of the pixels to exclude."""
    *_, height, width = planes[0].shape
    size, channels = len(planes[0]), len(planes) if planes[0].ndim == 3 else planes[0].shape[1]
    given = mask[None] if mask.shape == (height, width) and size == 1 else mask
    given = given[:, None] if given.ndim == 3 else given
    if given.dtype.kind not in "biu" or given.shape not in (
        (size, 1, height, width),
        (size, channels, height, width),
    ):
        raise ReadError(
            f"mask must hold whole numbers, not 0 where a pixel is left out, and have shape (n, height, width) or that "
            f"of the stamps; given {mask.dtype} {mask.shape}"
        )
    return np.asarray(given != 0)


def _default_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the default names of the planes of an array of this shape."""
    known = {1: ("difference",), 3: CHANNELS}
    if len(shape) == 4:
        sizes = shape[1], shape[3]
        if names := known.get(sizes[0]) or known.get(sizes[1]):
            return names
        raise ReadError(
            f"an array of {shape[1]} planes needs channels= (--channels), their names; its shape is {shape}, "
            "and that of stamps (n, channel, height, width)"
        )
    if len(shape) in (2, 3):
        return CHANNELS if len(shape) == 3 and 3 in (shape[0], shape[2]) else known[1]
    raise ReadError(f"stamps must have shape (n, channel, height, width); the array's shape is {shape}")


def _without_channel(plane: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return a plane as (n, height, width), given also with an axis for one channel, or as one stamp."""
    if plane.ndim == 4 and (axis := channel_axis(plane.shape, 1)) is not None:
        single: NDArray[np.generic] = np.moveaxis(plane, axis, 0)[0]
        return single
    return plane[None] if plane.ndim == 2 else plane
