"""Write tables as Parquet, CSV, FITS, ECSV or VOTable, piece by piece, with a note that describes the run.

The bytes of a file depend only on its rows and its note, not on the division into pieces. Flags of a row are a list in
Parquet, and text joined by ``|`` in the other formats. A vector is a list of a fixed size in Parquet, an array of
16-bit integers in FITS and VOTable, and text joined by blanks in CSV and ECSV.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from space2vec.reading.notes import KEY
from space2vec.writing.fits_table import write_fits
from space2vec.writing.tables import ConcatenatedTable, join_lists
from space2vec.writing.votable import write_votable

if TYPE_CHECKING:
    from space2vec.data.atomic_file import AtomicFile
    from space2vec.data.types import Json

__all__ = ["SUFFIXES", "write_table"]

#: The rows of a row group in a Parquet file.
_GROUP = 1 << 16


def write_table(
    file: AtomicFile, table: ConcatenatedTable, note: Mapping[str, Json], descriptions: Mapping[str, str]
) -> bytes | None:
    """Write a table in the format of the file's suffix, one of :data:`SUFFIXES`.

    The note, as JSON, and the descriptions of columns become metadata of the file. CSV has no metadata: for it the note
    is returned as bytes, to be written to a second file; for other formats ``None`` is returned.
    """
    return _WRITERS[file.path.suffix.lower()](file, table, note, descriptions)


def _write_parquet(
    file: AtomicFile, table: ConcatenatedTable, note: Mapping[str, Json], descriptions: Mapping[str, str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [
        field.with_metadata({"description": descriptions[field.name]}) if field.name in descriptions else field
        for field in table.schema
    ]
    schema = pa.schema(fields, metadata={KEY: json.dumps(dict(note))})
    rest = pa.Table.from_batches([], schema=schema)
    with pq.ParquetWriter(file, schema) as writer:
        for part in table:
            rows = pa.concat_tables([rest, pa.Table.from_arrays(part.columns, schema=schema)])
            whole = len(rows) - len(rows) % _GROUP
            for start in range(0, whole, _GROUP):
                writer.write_table(rows.slice(start, _GROUP).combine_chunks())
            rest = rows.slice(whole)
        if len(rest):
            writer.write_table(rest.combine_chunks())


def _write_csv(
    file: AtomicFile, table: ConcatenatedTable, note: Mapping[str, Json], descriptions: Mapping[str, str]
) -> bytes:
    _write_lines(file, table, header=True)
    columns = {name: descriptions[name] for name in table.schema.names if name in descriptions}
    of_file = {"bytes": file.size, "sha256": file.sha256.hexdigest()}
    return (json.dumps({KEY: {**note, "descriptions": columns, "file": of_file}}, indent=1) + "\n").encode()


def _write_ecsv(
    file: AtomicFile, table: ConcatenatedTable, note: Mapping[str, Json], descriptions: Mapping[str, str]
) -> None:
    import io

    import numpy as np
    import pyarrow as pa
    from astropy.table import Column, Table

    columns = []
    for field in table.schema:
        is_number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        values = np.empty(0, field.type.to_pandas_dtype() if is_number else np.str_)
        columns.append(Column(values, name=field.name, description=descriptions.get(field.name)))
    header = io.StringIO()
    Table(columns, meta={KEY: dict(note)}).write(header, format="ascii.ecsv", delimiter=",")
    file.write(header.getvalue().encode())
    _write_lines(file, table, header=False)


def _write_lines(file: AtomicFile, table: ConcatenatedTable, *, header: bool) -> None:
    """Write the rows as CSV."""
    import pyarrow.csv

    schema = join_lists(table.schema.empty_table()).schema
    options = pyarrow.csv.WriteOptions(include_header=header)
    with pyarrow.csv.CSVWriter(file, schema, write_options=options) as writer:
        for part in table:
            writer.write_table(join_lists(part))


_WRITERS: dict[str, Callable[..., bytes | None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".fits": write_fits,
    ".ecsv": _write_ecsv,
    ".vot": write_votable,
}
#: The formats, by suffix.
SUFFIXES = tuple(_WRITERS)
