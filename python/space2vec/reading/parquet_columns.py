"""Read the columns of a table of alerts, under the names that brokers give them: ids, cutouts, candidate fields."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.backends import kernels
from space2vec.data.columns import Columns, check_columns
from space2vec.data.ids import NO_ID, parse_ids
from space2vec.errors import ReadError
from space2vec.reading.fits import LARGEST_CUTOUT

if TYPE_CHECKING:
    import pyarrow

    from space2vec.data.types import Cell

__all__ = [
    "CutoutColumn",
    "ExtraColumns",
    "Leaf",
    "Table",
    "concatenate_cutouts",
    "extra_columns",
    "first_ids",
    "first_index",
    "first_texts",
    "shorten_texts",
    "to_plain_column",
    "unpacked_bytes",
]

#: Types whose values are not contiguous, and the types to which they are cast.
_VIEWS = {"string_view": "large_string", "binary_view": "large_binary"}
#: FITS files consist of blocks of this number of bytes.
_FITS_BLOCK = 2880
_SHORTEST_GZIP = 18
#: The most bytes of a text in an extra column; the library has the same limit for packets.
_LONGEST_TEXT = 64 << 10


@dataclass(frozen=True, slots=True)
class CutoutColumn:
    """The cutouts of one channel, one after another.

    Attributes
    ----------
    data : ndarray of uint8
        The bytes of all cutouts: FITS files, gzip'd or plain.
    begin : ndarray of int64 (n + 1,)
        The offsets in `data` at which they begin, and the end of the last.
    empty : ndarray of bool (n,), or None
        Which cutouts are present without a byte; any other cutout of length 0 is null.
    """

    data: NDArray[np.uint8]
    begin: NDArray[np.int64]
    empty: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column, or a field inside a column of records, with its dotted path and the Arrow type of its values."""

    path: str
    #: The names along the path; a name itself may contain dots.
    steps: tuple[str, ...]
    type: pyarrow.DataType

    @property
    def is_scalar(self) -> bool:
        """Whether its values are single numbers or texts, not lists or maps."""
        import pyarrow as pa

        return not pa.types.is_nested(self.type)

    def values_in(self, part: pyarrow.RecordBatch) -> pyarrow.Array:
        """Return its values (n,) in a batch of the table; the fields of a null record are null."""
        values = to_plain_column(part.column(first_index(part.schema, self.steps[0])))
        for step in self.steps[1:]:
            values = _null_where(to_plain_column(values.field(step)), values)
        return values


class Table:
    """The columns of a table and the fields in them; if a name occurs twice, the first is used."""

    def __init__(self, schema: pyarrow.Schema) -> None:
        self.leaves: dict[str, Leaf] = {}
        for leaf in _leaves(schema, ()):
            self.leaves.setdefault(leaf.path, leaf)
        self._paths = list(self.leaves)
        self._find = kernels.require_extension("reading alerts").find_fields

    def find(self, *names: str) -> list[Leaf | None]:
        """Return the column for each name, as `columns` of :func:`space2vec.read` has them; ``None`` if absent."""
        return [self.leaves[self._paths[k]] if k >= 0 else None for k in self._find(self._paths, list(names))]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all columns that hold single values."""
        return tuple(path for path, leaf in self.leaves.items() if leaf.is_scalar)


def first_index(schema: pyarrow.Schema, name: str) -> int:
    """Return the index of the first column of a name; ``get_field_index`` finds none if there are two."""
    place: int = schema.get_all_field_indices(name)[0]
    return place


def _leaves(fields: Iterable[pyarrow.Field], before: tuple[str, ...]) -> Iterator[Leaf]:
    import pyarrow as pa

    for field in fields:
        steps = (*before, field.name)
        if pa.types.is_struct(field.type):
            yield from _leaves(field.type, steps)
        else:
            yield Leaf(".".join(steps), steps, field.type)


def _null_where(values: pyarrow.Array, of: pyarrow.Array) -> pyarrow.Array:
    import pyarrow.compute as pc

    return pc.if_else(of.is_valid(), values, None) if of.null_count else values


def to_plain_column(column: pyarrow.Array) -> pyarrow.Array:
    """Return a column without dictionary and views; bytes that are not UTF-8 are escaped."""
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType):
        return to_plain_column(column.storage)
    if pa.types.is_dictionary(column.type):
        return to_plain_column(column.cast(column.type.value_type))
    column = column.cast(_VIEWS[str(column.type)]) if str(column.type) in _VIEWS else column
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column.validate(full=True)  # Arrow does not check the text of a Parquet file when it reads it
        except pa.ArrowInvalid:
            held = column.cast(pa.large_binary()).to_pylist()
            texts = [None if cell is None else cell.decode(errors="backslashreplace") for cell in held]
            return pa.array(texts, column.type)
    return column


def first_ids(columns: Sequence[pyarrow.Array], n: int) -> NDArray[np.generic]:
    """Return for each row (n,) the first known id among some columns; 0, null and empty text are unknown ids."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = [column for column in columns if not pa.types.is_null(column.type)]
    if not known:
        return np.full(n, NO_ID, dtype=np.int64)
    if all(pa.types.is_signed_integer(column.type) for column in known):
        numbers = pc.coalesce(*(pc.if_else(pc.equal(column, 0), None, column) for column in known))
        return np.asarray(numbers.fill_null(NO_ID)).astype(np.int64)
    rows = [[_id_text(value) for value in column.to_pylist()] for column in known]
    return parse_ids(next((text for text in row if text is not None), None) for row in zip(*rows, strict=True))


def first_texts(columns: Sequence[pyarrow.Array], n: int) -> NDArray[np.object_]:
    """Return for each row (n,) the first known text or number among some columns, as text; ``""`` if there is none."""
    values = np.full(n, "", dtype=object)
    for column in reversed(columns):
        for row, value in enumerate(column.to_pylist()):
            if (text := _id_text(value)) is not None:
                values[row] = text
    return values


def _id_text(value: Cell) -> str | None:
    """Return an id as text, whole numbers without a decimal point; ``None`` for an unknown id."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = int(value) if value.is_integer() and abs(value) < 2.0**63 else value
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    return None if value is None or value == 0 or value == "" else str(value)


class ExtraColumns(NamedTuple):
    """The extra columns of some rows.

    Attributes
    ----------
    columns : dict of str to ndarray (n,)
        The values by name; a column that the table lacks is NaN, and a text that is too long is ``None``.
    long_texts : dict of int to int
        The length in bytes of the texts that are too long, by row.
    """

    columns: Columns
    long_texts: dict[int, int]


def extra_columns(leaves: dict[str, Leaf | None], part: pyarrow.RecordBatch) -> ExtraColumns:
    """Read the extra columns (n,) that are returned with the rows of a batch."""
    n = len(part)
    long: dict[int, int] = {}
    values = {
        name: np.full(n, np.nan) if leaf is None else _to_numpy(_without_long_texts(leaf.values_in(part), long))
        for name, leaf in leaves.items()
    }
    return ExtraColumns(check_columns(values, n), long)


def _without_long_texts(column: pyarrow.Array, long: dict[int, int]) -> pyarrow.Array:
    """Return a column without texts that are too long; their lengths in bytes are added to `long`, by row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)
            or pa.types.is_large_binary(kind)):  # fmt: skip
        return column
    lengths = pc.binary_length(column)
    for row in pc.indices_nonzero(pc.fill_null(pc.greater(lengths, _LONGEST_TEXT), fill_value=False)).to_pylist():
        long[row] = lengths[row].as_py()
    return pc.if_else(pc.greater(lengths, _LONGEST_TEXT), None, column) if long else column


def _to_numpy(column: pyarrow.Array) -> NDArray[np.generic]:
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        numbers = column.cast(pa.int8()) if pa.types.is_boolean(kind) else column
        return np.ma.MaskedArray(np.asarray(numbers.fill_null(0)), np.asarray(column.is_null()))
    if pa.types.is_floating(kind):
        return np.asarray(column.cast(pa.float64()).fill_null(np.nan))
    if pa.types.is_decimal(kind):
        return np.array([np.nan if value is None else float(value) for value in column.to_pylist()])
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        held = [None if value is None else value.decode(errors="backslashreplace") for value in column.to_pylist()]
    else:
        held = column.cast(pa.large_string()).to_pylist()
    values = np.empty(len(held), dtype=object)
    values[:] = held
    return values


def concatenate_cutouts(column: pyarrow.Array, name: str) -> CutoutColumn:
    """Return the cutouts (n,) of one channel as bytes, without copying them if the column holds bytes.

    Cells are FITS files as bytes, gzip'd or plain, or the pixels as a list of rows, which becomes a FITS file. A
    column of another type raises a ReadError, which contains `name`.
    """
    import pyarrow as pa

    present = np.asarray(column.is_valid())
    if _is_list(column.type) and _is_list(column.type.value_type):
        column = pa.array([_to_fits(rows) if rows.is_valid else None for rows in column], pa.large_binary())
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        try:
            column = column.cast(pa.large_binary())
        except pa.ArrowNotImplementedError:
            raise ReadError(
                f"the cutouts in {name} are of type {column.type}; accepted are bytes, records with bytes in stampData "
                "and lists of rows of pixels"
            ) from None
    if column.null_count:
        column = column.fill_null(b"")
    large = pa.types.is_large_binary(column.type)
    _, offsets, data = column.buffers()
    rows = slice(column.offset, column.offset + len(column) + 1)
    offset = np.frombuffer(offsets, dtype=np.int64 if large else np.int32)[rows]
    pixels = np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
    begin = np.ascontiguousarray(offset, dtype=np.int64)
    return CutoutColumn(pixels, begin, present & (np.diff(begin) == 0))


def _is_list(kind: pyarrow.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def unpacked_bytes(cutouts: CutoutColumn) -> int:
    """Return the bytes to which cutouts unpack, as the last four bytes of each gzip'd one state."""
    data, begin = cutouts.data, cutouts.begin
    length = np.diff(begin)
    first = begin[:-1][length >= _SHORTEST_GZIP]
    last = begin[1:][length >= _SHORTEST_GZIP]
    packed = (data[first] == 0x1F) & (data[first + 1] == 0x8B)
    ends = last[packed, None] - np.arange(4, 0, -1)
    sizes = np.ascontiguousarray(data[ends]).view("<u4").astype(np.int64)
    return int(np.minimum(sizes, LARGEST_CUTOUT).sum()) + int(length.sum())


def shorten_texts(column: pyarrow.Array, most: int) -> pyarrow.Array:
    """Shorten texts of more than `most` bytes to a length that is still above `most`; keep the others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    long = pc.greater(pc.binary_length(column), most)
    return pc.if_else(long, pc.utf8_slice_codeunits(column, 0, most + 1), column) if pc.any(long).as_py() else column


def _to_fits(rows: pyarrow.ListScalar) -> bytes:
    """Return an image that a broker stores as a list of rows, as a FITS file; invalid bytes if it is not an image."""
    import pyarrow as pa
    import pyarrow.compute as pc

    inner = rows.values
    widths = pc.unique(pc.list_value_length(inner)).to_pylist()
    if len(widths) != 1 or not widths[0]:
        return b"?"
    try:
        values = inner.flatten().cast(pa.float64(), safe=False).fill_null(np.nan)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return b"?"
    with np.errstate(over="ignore"):
        pixels = np.asarray(values).astype(">f4").reshape(len(inner), widths[0])
    entries = {"SIMPLE": "T", "BITPIX": -32, "NAXIS": 2, "NAXIS1": pixels.shape[1], "NAXIS2": pixels.shape[0]}
    cards = "".join(f"{key:<8}= {value!s:>20}".ljust(80) for key, value in entries.items()) + "END"
    return cards.ljust(_FITS_BLOCK).encode() + pixels.tobytes() + bytes(-pixels.nbytes % _FITS_BLOCK)
