"""Tables in FITS and VOTable, through Astropy, as Arrow has tables."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from space2vec.errors import ReadError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["SUFFIXES", "read_table"]

#: The formats that are read here, by suffix.
SUFFIXES = {".fits": "fits", ".vot": "votable"}


def read_table(path: Path) -> pyarrow.Table:
    """Return the first table of a file, null where a cell is masked; columns of arrays are left out.

    Raises
    ------
    ReadError
        If it holds no table, or is damaged.
    OSError
        If the machine cannot read it.
    """
    import pyarrow as pa
    from astropy.table import Table

    with path.open("rb") as file:  # what the machine cannot read is no fault of the data
        file.read(1)
    try:
        with warnings.catch_warnings(action="ignore"):
            table = Table.read(path, format=SUFFIXES[path.suffix])
            table.convert_bytestring_to_unicode()
    except Exception as error:  # whatever Astropy may say of damaged bytes
        raise ReadError(f"no table can be read ({str(error).partition(chr(10))[0]})") from None
    columns: dict[str, Any] = {}
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
