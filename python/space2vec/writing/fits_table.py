"""Write a table as a binary table in FITS, in pieces, so that it need not fit in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.reading.notes import FITS_CARD
from space2vec.writing.tables import join_lists

if TYPE_CHECKING:
    import pyarrow

    from space2vec.data.atomic_file import AtomicFile
    from space2vec.data.types import Json
    from space2vec.writing.tables import ConcatenatedTable

__all__ = ["write_fits"]

_BLOCK = 2880
#: The bytes of rows that are written at once, approximately.
_BYTES_AT_ONCE = 4 << 20
_UNPRINTABLE = re.compile(r"[^ -~]")
_LEAST = -(1 << 63)
#: By the type of a column of numbers.
_FORMATS = {"int64": "K", "double": "D", "float": "E"}


def write_fits(
    file: AtomicFile, table: ConcatenatedTable, note: Mapping[str, Json], descriptions: Mapping[str, str]
) -> None:
    r"""Write a table as the first extension of a FITS file; see :func:`space2vec.writing.formats.write_table`.

    FITS allows printable ASCII only, so other characters are escaped as in Python (``\xfc``), and absent text is
    empty. An absent integer has the value TNULL of its column.
    """
    from astropy.io import fits

    schema = _join_names(table.schema.empty_table()).schema
    widths, nulls = _measure_columns(table, schema)
    columns = [
        fits.Column(
            name=field.name,
            format=f"{widths[field.name]}A" if field.name in widths else _format_of(field.type),
            null=nulls.get(field.name),
        )
        for field in schema
    ]
    hdu = fits.BinTableHDU.from_columns(columns, nrows=0)
    header = hdu.header
    header["NAXIS2"] = table.rows
    for number, name in enumerate(schema.names, 1):
        if name in descriptions:
            header[f"TCOMM{number}"] = _printable(descriptions[name])
    header["EXTNAME"] = str(note.get("table", "table")).upper()
    header["S2VVERS"] = (str(note.get("version", "")), "version of space2vec")
    if "model" in note:
        header["S2VMODEL"] = (_printable(str(note["model"])), "model, name and digest")
    # Quotes and ampersands have a meaning in a text that continues over several cards.
    header[FITS_CARD] = json.dumps(dict(note)).replace("'", "\\u0027").replace("&", "\\u0026")
    for name, meaning in note.get("flags", {}).items():
        header.add_comment(_printable(f"flag {name}: {meaning}"))
    file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
    file.write(header.tostring().encode("ascii"))
    # All rows are as wide as the longest text.
    few = max(1, _BYTES_AT_ONCE // int(header["NAXIS1"]))
    for part in table:
        rows = _join_names(part)
        for start in range(0, len(rows), few):
            file.write(_rows(rows.slice(start, few), widths, nulls).tobytes())
    file.write(bytes(-file.size % _BLOCK))  # the headers fill blocks


def _join_names(table: pyarrow.Table) -> pyarrow.Table:
    """Return a table in which lists of names are text; vectors stay."""
    import pyarrow as pa

    vectors = {field.name for field in table.schema if pa.types.is_fixed_size_list(field.type)}
    joined = join_lists(table.drop_columns(list(vectors)))
    for index, name in enumerate(table.schema.names):
        if name in vectors:
            joined = joined.add_column(index, name, table[name])
    return joined


def _format_of(kind: pyarrow.DataType) -> str:
    """Return the format of a column of numbers, or of vectors, whose signed bytes become 16-bit integers."""
    import pyarrow as pa

    return f"{kind.list_size}I" if pa.types.is_fixed_size_list(kind) else _FORMATS[str(kind)]


def _measure_columns(table: ConcatenatedTable, schema: pyarrow.Schema) -> tuple[dict[str, int], dict[str, int]]:
    """Return the width in bytes of each text column, and the TNULL of each integer column with absent values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    widths = {field.name: 1 for field in schema if pa.types.is_string(field.type)}
    absent = set()
    taken: dict[str, set[int]] = {field.name: set() for field in schema if pa.types.is_integer(field.type)}
    for part in table:
        text = _join_names(part)
        for name in widths:
            widths[name] = max([widths[name], *(len(cell) for cell in _bytes(text[name]))])
        for name in taken:
            if text[name].null_count:
                absent.add(name)
            extremes = pc.min_max(text[name]).as_py()
            taken[name] |= {extremes["min"], extremes["max"]}
    # TNULL must not be a value that occurs.
    nulls = {name: next(value for value in (_LEAST, -_LEAST - 1, -1) if value not in taken[name]) for name in absent}
    return widths, nulls


def _rows(table: pyarrow.Table, widths: Mapping[str, int], nulls: Mapping[str, int]) -> NDArray[np.generic]:
    """Return the rows of a table as a structured array in the byte order of FITS."""
    columns: dict[str, NDArray[np.generic]] = {}
    for field in table.schema:
        column = table[field.name]
        if field.name in widths:
            columns[field.name] = np.array(_bytes(column), dtype=f"S{widths[field.name]}")
        elif (kind := _format_of(field.type)).endswith("I"):
            vectors = column.combine_chunks()
            columns[field.name] = vectors.flatten().to_numpy().reshape(-1, int(kind[:-1])).astype(">i2")
        else:
            filler: float = nulls.get(field.name, np.nan)
            plain = column.fill_null(filler) if column.null_count else column
            values = plain.to_numpy()
            columns[field.name] = values.astype(values.dtype.newbyteorder(">"))
    rows = np.zeros(len(table), dtype=[(name, values.dtype, values.shape[1:]) for name, values in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return rows


def _bytes(column: pyarrow.ChunkedArray) -> list[bytes]:
    return [b"" if cell is None else _printable(cell).encode("ascii") for cell in column.to_pylist()]


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
