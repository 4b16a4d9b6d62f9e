"""Read tables in FITS and VOTable with Astropy, and convert them to Arrow."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space2vec.errors import ReadError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["SUFFIXES", "read_table"]

#: Astropy's names of the formats, by suffix.
SUFFIXES = {".fits": "fits", ".vot": "votable"}


def read_table(path: Path) -> pyarrow.Table:
    """Read the first table of a file, with null for masked cells and without columns of arrays.

    Raises
    ------
    ReadError
        If the file contains no table, or is damaged.
    OSError
        If the machine cannot read the file.
    """
    import pyarrow as pa
    from astropy.table import Table

    with path.open("rb") as file:  # an error of the machine must not become a ReadError
        file.read(1)
    try:
        with warnings.catch_warnings(action="ignore"):
            table = Table.read(path, format=SUFFIXES[path.suffix])
            table.convert_bytestring_to_unicode()
    except Exception as error:  # Astropy raises errors of many kinds on damaged files
        raise ReadError(f"no table can be read ({str(error).partition(chr(10))[0]})") from None
    columns: dict[str, pyarrow.Array] = {}
    for name in table.colnames:
        column = np.ma.asarray(table[name])
        if column.ndim != 1:
            continue
        mask = np.ma.getmaskarray(column)
        values = np.ma.getdata(column)
        if values.dtype.kind in "OUS":
            cells = [None if absent else str(cell) for cell, absent in zip(values.tolist(), mask.tolist(), strict=True)]
            columns[name] = pa.array(cells, type=pa.string())
        else:
            columns[name] = pa.array(values.astype(values.dtype.newbyteorder("=")), mask=mask)
    return pa.table(columns)
