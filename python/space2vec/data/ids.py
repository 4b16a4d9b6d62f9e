"""Ids of candidates: int64 where every id is an integer, text otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, LibraryArray

__all__ = [
    "NO_ID",
    "as_ids",
    "concatenate_ids",
    "id_keys",
    "id_texts",
    "parse_ids",
    "printable",
    "text_array",
    "texts_as_objects",
]

#: The candidate id of a row whose id is unknown, such as that of an unreadable file. It is null in Arrow tables; among
#: ids of text, ``None`` takes its place.
NO_ID = -1

_INT64 = np.iinfo(np.int64)
#: The plain decimal form of an integer: not 007, +7, 7.0 or 0x1F.
_CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,18}")
#: The longest text, in characters, for which an array of fixed width is used.
_WIDEST = 64
_ACCEPTED = "accepted are whole numbers or text"


def as_ids(values: LibraryArray, what: str = "candidate_id") -> AnyArray:
    """Convert a user's array or list of candidate ids (n,) to the form in which batches hold them.

    The result is int64 where every id is an integer that fits, with :data:`NO_ID` for an unknown id. Otherwise it is an
    array of str, with ``None`` for an unknown id. Text is never parsed: ``"7"`` stays text. ``None``, a masked value
    and an empty text are unknown ids. Another shape raises a ValueError, another type a TypeError; both name `what`.
    """
    hidden = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    array = np.ma.getdata(values) if hidden is not None else values
    if not hasattr(array, "dtype"):
        # NumPy would make one floating point number of 2**63 and -1.
        held = list(array)
        array = np.empty(len(held), dtype=object)
        array[:] = held
    array = np.asarray(array)
    if array.ndim != 1 or (array.dtype.kind == "O" and any(isinstance(one, (list, tuple)) for one in array.tolist())):
        raise ValueError(f"{what} must have one value a row; given {np.shape(values)}")
    if array.dtype.kind in "iu" and (array.dtype.kind == "i" or not len(array) or array.max() <= _INT64.max):
        ids = array.astype(np.int64, copy=False)
        return ids if hidden is None or not hidden.any() else np.where(hidden, np.int64(NO_ID), ids)
    if array.dtype.kind in "USOu":
        if hidden is not None:
            array = array.astype(object)
            array[hidden] = None
        return _of_list(array.tolist(), what)
    if not array.size:
        return np.empty(array.shape, dtype=np.int64)
    raise TypeError(f"{what} has dtype {array.dtype}; {_ACCEPTED}")


def _of_list(values: Sequence[object], what: str) -> AnyArray:
    """Convert a list of integers, texts and unknown ids."""
    known = [_plain(value, what) for value in values]
    if all(value is None or (isinstance(value, int) and _INT64.min <= value <= _INT64.max) for value in known):
        return np.array([NO_ID if value is None else value for value in known], dtype=np.int64)
    return _objects([None if value is None or value == NO_ID else str(value) for value in known])


def _plain(value: object, what: str) -> int | str | None:
    if isinstance(value, str):
        return value or None
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace") or None
    if value is None or type(value).__name__ in ("NAType", "MaskedConstant") or value != value:
        return None
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    raise TypeError(f"{what} has dtype {np.asarray(value).dtype}; {_ACCEPTED}, not {value!r}")


def parse_ids(texts: Iterable[str | None]) -> AnyArray:
    """Convert candidate ids (n,) from a file that holds only text, such as CSV, to the form of :func:`as_ids`.

    A text becomes an integer if it is the plain decimal form of a number that fits int64. Other texts, such as ``007``,
    ``0x1F`` and ``18446744073709551615``, stay text, so that an id does not depend on how a file is split into batches.
    """
    return _of_list([_number(text) if text else None for text in texts], "candidate_id")


def _number(text: str) -> int | str:
    if _CANONICAL.fullmatch(text) and _INT64.min <= (number := int(text)) <= _INT64.max:
        return number
    return text


def concatenate_ids(parts: Sequence[NDArray[np.generic]]) -> AnyArray:
    """Concatenate the ids of several batches; if one batch has text, the integers of the others become text."""
    if len({ids.dtype.kind for ids in parts}) == 1:
        return np.concatenate(parts)
    return _objects([key for ids in parts for key in id_keys(ids)])


def id_keys(ids: NDArray[np.generic]) -> list[str | None]:
    """Return ids as text, by which rows are matched, and ``None`` for an unknown id."""
    if ids.dtype.kind in "iu":
        return [None if number == NO_ID else str(number) for number in ids.tolist()]
    return [None if value is None or value == NO_ID or value == "" else str(value) for value in ids.tolist()]


def id_texts(ids: NDArray[np.generic]) -> AnyArray:
    """Return ids in the form that NumPy files hold: int64, or fixed-width text that is empty for an unknown id."""
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64)
    return np.array([key or "" for key in id_keys(ids)], dtype=np.str_)


def text_array(values: object) -> AnyArray:
    """Return text (n,) as an array of fixed width, or of objects if one text has more than 64 characters.

    In an array of fixed width every row takes as much memory as the longest text.
    """
    array = np.asarray(texts_as_objects(values))
    if array.ndim != 1 or array.dtype.kind not in "UO" or (array.dtype.kind == "U" and array.itemsize <= 4 * _WIDEST):
        return np.asarray(array.astype(np.str_))
    texts = [str(one) for one in array.tolist()]
    return _objects(texts) if max(map(len, texts), default=0) > _WIDEST else np.array(texts, dtype=np.str_)


def texts_as_objects(values: LibraryArray) -> LibraryArray:
    """Return a list of texts as an array of objects, and anything else unchanged."""
    if isinstance(values, (list, tuple)) and all(type(one) is str for one in values):
        return _objects(values)
    return values


def printable(text: str) -> str:
    r"""Return text that can be encoded in UTF-8; bytes of a file name that cannot are written as ``\xe9``."""
    try:
        return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()


def _objects(values: Sequence[str | None]) -> AnyArray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
