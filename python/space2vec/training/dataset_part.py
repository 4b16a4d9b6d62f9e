"""The two files of a part of a training data set: stamps (.npz), and their labels and kinds (Parquet)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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

if TYPE_CHECKING:
    from space2vec.data.types import Untyped

__all__ = ["PartFile", "decode_part", "encode_stamps", "encode_truth"]

#: The arrays of a file of stamps other than the planes, and the columns of a file of labels.
_ARRAYS = ("object_id", "candidate_id", "shape", "centre", "flags", "saturation")
_TRUTH = ("candidate_id", "object_id", "label", "kind", "weight", "teacher", "group")


class PartFile(NamedTuple):
    """A file of a part: its path, which errors name, and its bytes."""

    path: Path
    data: bytes


def _origins(shape: NDArray[np.int32], centre: NDArray[np.int32], frame: tuple[int, int]) -> NDArray[np.int64]:
    """Return the row and column (n, 3, 2) of each plane's first pixel in a frame whose middle pixel is the candidate.

    `shape` (n, 3, 2) are the planes' heights and widths, `centre` (n, 2) the candidates' positions in them, and `frame`
    is the height and width of the frame, all in pixels.
    """
    last = np.maximum(shape.astype(np.int64) - 1, 0)
    origins: NDArray[np.int64] = np.array(frame) // 2 - np.clip(centre[:, None, :], 0, last)
    return origins


def encode_stamps(stamps: Stamps) -> bytes:
    """Encode stamps as a .npz file, which :func:`space2vec.read` reads too.

    The planes of a channel become one array (n, height, width) of float32: each plane is placed so that its candidate
    is on the middle pixel, and is surrounded by NaN. The arrays ``shape`` and ``centre`` keep its size and position.
    """
    n = len(stamps)
    before = np.clip(stamps.centre[:, None, :], 0, np.maximum(stamps.shape - 1, 0))
    after = stamps.shape - before
    # The middle pixel of a side s is s // 2: as many pixels before it, and s - s // 2 from it on.
    height, width = (
        max(2 * int(before[..., axis].max(initial=0)), 2 * int(after[..., axis].max(initial=1)) - 1) for axis in (0, 1)
    )
    origins = _origins(stamps.shape, stamps.centre, (height, width))
    arrays: dict[str, NDArray[np.generic]] = dict(stamps.catalogue)
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
    """Encode the truth about stamps as a Parquet file: label, kind, weight, teacher's score and group of each row."""
    import pyarrow as pa

    columns: dict[str, Untyped] = {
        "candidate_id": arrow.ids(part.stamps.candidate_id),
        "object_id": arrow.texts(part.stamps.object_id.tolist()),
        "label": part.label,
        "kind": arrow.texts(part.kind.tolist()),
        "weight": part.weight,
        "teacher": arrow.numbers(part.teacher, np.isnan(part.teacher)),
        "group": arrow.texts(part.group.tolist()),
    }
    return table_to_bytes(pa.table(columns))


def _decode_stamps(file: PartFile) -> Stamps:
    """Decode a file that :func:`encode_stamps` made; ReadError if it is damaged or lacks an array."""
    path = file.path
    try:
        with np.load(io.BytesIO(file.data), allow_pickle=False) as archive:
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


def decode_part(stamps: PartFile, truth: PartFile) -> LabelledStamps:
    """Decode the two files of a part of a data set.

    Raises
    ------
    ReadError
        If a file is damaged or lacks something, or the two do not have the same rows.
    """
    with parquet.damage_as_read_errors(truth.path, f"{truth.path} is no Parquet file"):
        table = table_from_bytes(truth.data)
    absent = [name for name in _TRUTH if name not in table.column_names]
    if absent:
        raise ReadError(f"{truth.path} lacks the column {', '.join(absent)}")
    try:
        return LabelledStamps(
            _decode_stamps(stamps),
            label=table["label"].to_numpy(),
            kind=text_array(table["kind"].to_pylist()),
            weight=table["weight"].to_numpy(),
            teacher=np.array(table["teacher"].to_pylist(), dtype=np.float32),
            group=text_array(table["group"].to_pylist()),
        )
    except (TypeError, ValueError) as error:
        raise ReadError(f"{truth.path} does not fit {stamps.path.name}: {error}") from None
