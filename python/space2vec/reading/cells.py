"""Convert cells of tables, text or typed, to numbers, ids and bands, and collect the cells that are invalid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import NO_ID, as_ids, parse_ids
from space2vec.data.numeric import band_codes
from space2vec.errors import ReadError
from space2vec.reading.parquet_columns import to_plain_column

if TYPE_CHECKING:
    import pyarrow

__all__ = ["NULLS", "Kind", "Values", "convert"]

#: The kind of a column: a feature (float32), another number (float64), a label (0, 1, true, false, real or bogus), a
#: filter, ids, other text, or flags.
Kind: TypeAlias = Literal["feature", "number", "label", "band", "id", "text", "flags"]

#: Cells that mean an unknown value.
NULLS = ("", "NULL", "null", "None", "NA", "N/A", "nan", "NaN", "-nan")

_NUMBER = r"(?i)^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan)$"
_WHOLE = r"^(?:0|-?[1-9][0-9]{0,18})$"
#: The form in which pandas writes integers of a column with an absent value.
_FLOAT_OF_WHOLE = r"(?i)^-?[0-9]+(?:\.0*|(?:\.[0-9]*)?e\+?[0-9]+)$"
_BAND = r"^[A-Za-z][A-Za-z0-9]{0,2}$"
#: Words for labels; who is unsure of a candidate leaves it without a label.
_WORDS = {"true": 1.0, "false": 0.0, "real": 1.0, "bogus": 0.0, "unsure": float("nan")}


@dataclass(frozen=True, slots=True)
class Values:
    """The converted values (n,) of a column, and its invalid cells.

    The values of a feature are float32, other numbers float64, NaN where unknown. Ids have the types of
    :mod:`space2vec.data.ids`. Text is an object array of str or None, flags one of lists of str, of str, or None.
    """

    values: NDArray[np.generic]
    #: By row, the text of the cells that are neither valid nor empty.
    bad: dict[int, str]


def convert(column: pyarrow.Array, name: str, kind: Kind, *, first: bool = True) -> Values:
    """Convert a column (n,) of text, numbers or dictionaries of these to a kind.

    In the first part of a column (`first`), ids that are all fractions are refused. A column of another type raises a
    ReadError.
    """
    import pyarrow as pa

    column = _text(to_plain_column(column))
    textual = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if kind == "id":
        return Values(_ids(column, name, textual, first), {})
    if kind == "flags":
        return Values(_objects(column.to_pylist()), {})
    if kind == "text":
        return Values(_objects([None if value is None else str(value).strip() for value in column.to_pylist()]), {})
    if kind == "band":
        return _bands(column, textual)
    if textual:
        return _numbers(column, np.float32 if kind == "feature" else np.float64, words=kind == "label")
    return Values(_typed(column, name, kind), {})


def _text(column: pyarrow.Array) -> pyarrow.Array:
    """Convert bytes, and a column of nulls, to text; bytes that are not UTF-8 are escaped."""
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return pa.array([None if one is None else one.decode(errors="backslashreplace") for one in column.to_pylist()])
    return column


def _trimmed(column: pyarrow.Array) -> tuple[pyarrow.Array, pyarrow.Array]:
    """Return text without surrounding blanks, and a mask of the known values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column)
    known = pc.invert(pc.is_in(text, pa.array([*NULLS, None], type=text.type)))
    return text, known


def _numbers(column: pyarrow.Array, dtype: type[np.floating], *, words: bool) -> Values:
    import pyarrow as pa
    import pyarrow.compute as pc

    text, known = _trimmed(column)
    sound = pc.fill_null(pc.match_substring_regex(text, _NUMBER), fill_value=False)
    held = pc.if_else(pc.and_(known, sound), text, None).cast(pa.from_numpy_dtype(dtype))
    values = np.array(held.to_numpy(zero_copy_only=False), dtype=dtype)
    bad = {}
    for row in np.flatnonzero(pc.and_not(known, sound).to_numpy(zero_copy_only=False)).tolist():
        cell = text[row].as_py()
        if words and cell.lower() in _WORDS:
            values[row] = _WORDS[cell.lower()]
        else:
            bad[row] = cell
    return Values(values, bad)


def _typed(column: pyarrow.Array, name: str, kind: Kind) -> NDArray[np.generic]:
    values = column.to_numpy(zero_copy_only=False)
    try:
        if values.dtype.kind == "O":
            values = np.array([np.nan if value is None else float(value) for value in values], dtype=np.float64)
        if values.dtype.kind not in "fiub":
            raise TypeError
        with np.errstate(over="ignore"):
            return np.asarray(values.astype(np.float32 if kind == "feature" else np.float64))
    except (TypeError, ValueError):
        raise ReadError(f"column {name} holds no numbers but {column.type}") from None


def _bands(column: pyarrow.Array, textual: bool) -> Values:
    """Convert filters to codes; a filter without a code, and a cell that is not a filter, are unknown."""
    import pyarrow.compute as pc

    if not textual:
        return Values(band_codes(column.to_pylist()).astype(np.float32), {})
    cells = column.dictionary_encode()  # there are few filters, and many rows
    text, known = _trimmed(cells.dictionary)
    filters = pc.or_(pc.match_substring_regex(text, _BAND), pc.match_substring_regex(text, _NUMBER))
    odd = pc.and_not(known, pc.fill_null(filters, fill_value=False)).to_numpy(zero_copy_only=False)
    texts = text.to_pylist()
    codes = band_codes([None if strange else cell for cell, strange in zip(texts, odd.tolist(), strict=True)])
    places = cells.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
    values = np.append(codes, np.nan)[places].astype(np.float32)
    return Values(values, {row: texts[places[row]] for row in np.flatnonzero(np.append(odd, False)[places]).tolist()})


def _ids(column: pyarrow.Array, name: str, textual: bool, first: bool) -> NDArray[np.generic]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_decimal(kind) and kind.scale == 0:
        return parse_ids(column.cast(pa.string()).to_pylist())
    if pa.types.is_integer(kind):
        if column.null_count:
            return as_ids(column.to_pylist())
        return as_ids(column.to_numpy(zero_copy_only=False))
    if not textual:
        # A float cannot hold a 64-bit id: pandas turns integers into floats if a value is absent.
        held = "fractions" if pa.types.is_floating(kind) else "other values"
        raise ReadError(f"column {name} holds {held} ({kind}): ids must be integers or text")
    text, known = _trimmed(column)
    known_text = pc.if_else(known, text, None)
    if first and pc.any(known).as_py() and _all_match(known_text, _FLOAT_OF_WHOLE):
        shown = text.filter(known)[0].as_py()
        raise ReadError(f"column {name} holds fractions ({shown}): ids must be integers or text")
    if _all_match(known_text, _WHOLE):
        try:
            return np.asarray(known_text.cast(pa.int64()).fill_null(NO_ID).to_numpy(zero_copy_only=False))
        except pa.ArrowInvalid:
            pass  # nineteen digits beyond int64
    return parse_ids(known_text.to_pylist())


def _all_match(text: pyarrow.Array, pattern: str) -> bool:
    """Return whether a pattern fits every text that is not null."""
    import pyarrow.compute as pc

    return bool(pc.all(pc.fill_null(pc.match_substring_regex(text, pattern), fill_value=True)).as_py())


def _objects(values: Sequence[object]) -> NDArray[np.generic]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array
