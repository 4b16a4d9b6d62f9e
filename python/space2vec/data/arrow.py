"""NumPy arrays and texts to Arrow arrays; PyArrow's own conversions import pandas, which takes half a second."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.ids import NO_ID, id_keys, printable

if TYPE_CHECKING:
    import pyarrow

__all__ = ["flatten_texts", "ids", "numbers", "text_lists", "texts"]

#: The most bytes of text in one array of strings.
_MOST = np.iinfo(np.int32).max


def numbers(values: ArrayLike, absent: NDArray[np.bool_] | None = None) -> pyarrow.Array:
    """Convert numbers (n,) to an Arrow array, null where `absent`; memory is shared if possible.

    Rows of numbers (n, k) become lists of the fixed size k, without nulls.
    """
    import pyarrow as pa

    plain = np.asarray(values)
    plain = np.ascontiguousarray(plain, dtype=plain.dtype.newbyteorder("="))
    if plain.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(numbers(plain.reshape(-1)), plain.shape[1])
    return pa.Array.from_buffers(pa.from_numpy_dtype(plain.dtype), len(plain), [_validity(absent), pa.py_buffer(plain)])


def ids(values: NDArray[np.generic]) -> pyarrow.Array:
    """Convert candidate ids (n,) to an Arrow array of int64 or of strings; an unknown id is null."""
    if values.dtype.kind in "iu":
        return numbers(values.astype(np.int64, copy=False), values == NO_ID)
    return texts(id_keys(values))


def texts(values: Iterable[object]) -> pyarrow.Array:
    """Convert texts (n,) to an Arrow array of strings; ``None`` is null.

    Characters that UTF-8 cannot encode are escaped; other objects are converted by ``str``.
    """
    import pyarrow as pa

    held = list(values)
    encoded = [b"" if text is None else _encoded(text) for text in held]
    ends = np.zeros(len(held) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=ends[1:])
    if ends[-1] > _MOST:  # several chunks
        return pa.array([None if text is None else part for text, part in zip(held, encoded, strict=True)], pa.string())
    absent = np.array([text is None for text in held], dtype=np.bool_)
    buffers = [_validity(absent), pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(held), buffers)


def text_lists(ends: NDArray[np.int64], values: Iterable[str]) -> pyarrow.Array:
    """Make an Arrow array (n,) of lists of texts; the list of row k ends before ``values[ends[k]]``."""
    import pyarrow as pa

    offsets = np.zeros(len(ends) + 1, dtype=np.int32)
    offsets[1:] = ends
    return pa.ListArray.from_arrays(numbers(offsets), texts(values))


def flatten_texts(lists: pyarrow.ListArray) -> list[str]:
    """Return the texts of all rows of an array of :func:`text_lists` in one list."""
    begin, end = (lists.offsets[k].as_py() for k in (0, -1))
    held: list[str] = lists.values.slice(begin, end - begin).to_pylist()
    return held


def _validity(absent: NDArray[np.bool_] | None) -> pyarrow.Buffer | None:
    import pyarrow as pa

    if absent is None or not absent.any():
        return None
    return pa.py_buffer(np.packbits(~absent, bitorder="little"))


def _encoded(text: object) -> bytes:
    if isinstance(text, bytes):
        text = text.decode(errors="backslashreplace")
    return printable(str(text)).encode()
