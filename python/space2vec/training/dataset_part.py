"""Parts of a data set: stamps as a .npz file, the truth about them as Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.data import arrow
from space2vec.data.ids import id_texts, text_array
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.errors import ReadError
from space2vec.reading import parquet
from space2vec.registry import FEATURES
from space2vec.writing.tables import table_from_bytes, table_to_bytes

__all__ = ["decode_part", "encode_stamps", "encode_truth"]

_ARRAYS = ("object_id", "candidate_id", "shape", "centre", "flags", "saturation")
_TRUTH = ("candidate_id", "object_id", "label", "kind", "weight", "teacher", "group")


def _origins(shape: NDArray[np.int32], centre: NDArray[np.int32], frame: tuple[int, int]) -> NDArray[np.int64]:
    """Return where in a frame the first pixel of each plane lies, (n, 3, 2): the candidate is on its middle pixel."""
    last = np.maximum(shape.astype(np.int64) - 1, 0)
    origins: NDArray[np.int64] = np.array(frame) // 2 - np.clip(centre[:, None, :], 0, last)
    return origins


def encode_stamps(stamps: Stamps) -> bytes:
    """Return stamps as a .npz file that :func:`space2vec.read` reads too.

    Every plane lies in a frame of one size, its candidate on the middle pixel, NaN around it; its own size is beside.
    """
    n = len(stamps)
    before = np.clip(stamps.centre[:, None, :], 0, np.maximum(stamps.shape - 1, 0))
    after = stamps.shape - before
    # The middle pixel of a side s is s // 2: as many pixels before it, and s - s // 2 from it on.
    height, width = (
        max(2 * int(before[..., axis].max(initial=0)), 2 * int(after[..., axis].max(initial=1)) - 1) for axis in (0, 1)
    )
    origins = _origins(stamps.shape, stamps.centre, (height, width))
    arrays: dict[str, NDArray[Any]] = dict(stamps.catalogue)
    for position, channel in enumerate(CHANNELS):
        if not (stamps.offset[:, position] >= 0).any():
            continue
        frames = arrays[channel] = np.full((n, height, width), np.nan, dtype=np.float32)
        for row in range(n):
            plane = stamps.plane(row, channel)
            if plane is not None:
                top, left = origins[row, position].tolist()
                frames[row, top : top + plane.shape[0], left : left + plane.shape[1]] = plane
    arrays["object_id"] = id_texts(stamps.object_id)
    arrays["candidate_id"] = id_texts(stamps.candidate_id)
    arrays |= {"shape": stamps.shape, "centre": stamps.centre, "flags": stamps.flags}
    arrays["saturation"] = np.array(np.nan if stamps.saturation is None else stamps.saturation)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def encode_truth(part: LabelledStamps) -> bytes:
    """Return the truth about stamps as a Parquet file."""
    import pyarrow as pa

    columns: dict[str, Any] = {
        "candidate_id": arrow.ids(part.stamps.candidate_id),
        "object_id": arrow.texts(part.stamps.object_id.tolist()),
        "label": part.label,
        "kind": arrow.texts(part.kind.tolist()),
        "weight": part.weight,
        "teacher": arrow.numbers(part.teacher, np.isnan(part.teacher)),
        "group": arrow.texts(part.group.tolist()),
    }
    return table_to_bytes(pa.table(columns))


def _stamps(data: bytes, path: Path) -> Stamps:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # NumPy and zipfile raise errors of many kinds on damaged files.
        raise ReadError(f"{path} is no NumPy archive ({error})") from None
    absent = [name for name in _ARRAYS if name not in arrays]
    if absent:
        raise ReadError(f"{path} lacks {', '.join(absent)}")
    shape, centre = arrays["shape"], arrays["centre"]
    planes: list[list[NDArray[np.float32] | None]] = [[None] * 3 for _ in shape]
    for position, channel in enumerate(CHANNELS):
        frames = arrays.get(channel)
        if frames is None:
            continue
        origins = _origins(shape, centre, frames.shape[1:])
        for row, (height, width) in enumerate(shape[:, position].tolist()):
            if height:
                top, left = origins[row, position].tolist()
                planes[row][position] = frames[row, top : top + height, left : left + width]
    level = float(arrays["saturation"])
    return Stamps(
        planes,
        object_id=arrays["object_id"],
        candidate_id=arrays["candidate_id"],
        catalogue={name: arrays[name] for name in arrays if name in FEATURES},
        flags=arrays["flags"],
        centre=centre,
        saturation=None if np.isnan(level) else level,
    )


def decode_part(stamps_file: Path, stamps: bytes, truth_file: Path, truth: bytes) -> LabelledStamps:
    """Return the rows of a part; the files are named in errors.

    Raises
    ------
    ReadError
        If a file is not what a part consists of, or the two do not fit each other.
    """
    with parquet.damage_as_read_errors(truth_file, f"{truth_file} is no Parquet file"):
        table = table_from_bytes(truth)
    absent = [name for name in _TRUTH if name not in table.column_names]
    if absent:
        raise ReadError(f"{truth_file} lacks the column {', '.join(absent)}")
    try:
        return LabelledStamps(
            _stamps(stamps, stamps_file),
            label=table["label"].to_numpy(),
            kind=text_array(table["kind"].to_pylist()),
            weight=table["weight"].to_numpy(),
            teacher=np.array(table["teacher"].to_pylist(), dtype=np.float32),
            group=text_array(table["group"].to_pylist()),
        )
    except (TypeError, ValueError) as error:
        raise ReadError(f"{truth_file} does not fit {stamps_file.name}: {error}") from None
