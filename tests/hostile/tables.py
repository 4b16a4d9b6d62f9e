"""Hostile tables of features."""

from __future__ import annotations

import io
import random

import pyarrow as pa
from pyarrow import parquet

from hostile.making import MB, Maker, register
from space2vec.registry import AUTOSCAN

MAKERS: dict[str, Maker] = {}

_HEAD = ",".join(["ID", *AUTOSCAN]).encode() + b"\n"
_REST = b",1" * (len(AUTOSCAN) - 1)


@register(MAKERS, ".csv")
def csv_ragged() -> bytes:
    """Give 500,000 lines of one value."""
    return _HEAD + b"1\n" * 500_000


@register(MAKERS, ".csv")
def csv_bad_cells() -> bytes:
    """Give 10,000 lines whose numbers are none."""
    return _HEAD + (b"1" + b",x" * len(AUTOSCAN) + b"\n") * 10_000


@register(MAKERS, ".csv")
def csv_long_line() -> bytes:
    """Give a value of 70 MB."""
    return _HEAD + b"1" + _REST + b"," + b"4" * (70 * MB)


@register(MAKERS, ".csv")
def csv_long_ids() -> bytes:
    """Give 30 ids of 1 MB."""
    return _HEAD + (b"x" * MB + _REST + b",1\n") * 30


@register(MAKERS, ".csv")
def csv_wide() -> bytes:
    """Give 60,000 columns."""
    names = b",".join(b"c%d" % k for k in range(60_000))
    return _HEAD[:-1] + b"," + names + b"\n" + b"1," * (60_000 + len(AUTOSCAN)) + b"1\n"


@register(MAKERS, ".csv")
def csv_open_quote() -> bytes:
    """Open a quote that nothing closes."""
    return _HEAD + b'"' + (b"1" + _REST + b",1\n") * 20_000


@register(MAKERS, ".csv")
def csv_zeros() -> bytes:
    """Give 4 MB of zero bytes as lines."""
    return _HEAD + bytes(4 * MB)


@register(MAKERS, ".csv")
def csv_empty_lines() -> bytes:
    """Give 4 million empty lines."""
    return _HEAD + b"\n" * (4 * MB)


@register(MAKERS, ".csv")
def csv_empty() -> bytes:
    """Give nothing."""
    return b""


@register(MAKERS, ".parquet")
def table_long_ids() -> bytes:
    """Give 2,000 ids of 1 MB."""
    rows = 2000
    ids = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * MB]))
    return _written({"ID": ids, **{name: pa.array([1.0] * rows) for name in AUTOSCAN}})


@register(MAKERS, ".parquet")
def table_of_nothing() -> bytes:
    """Give 4 million rows of nothing."""
    rows = 4_000_000
    nothing = pa.nulls(rows, pa.float32())
    return _written({"ID": pa.nulls(rows, pa.int64()), **dict.fromkeys(AUTOSCAN, nothing)})


@register(MAKERS, ".parquet")
def table_of_noise() -> bytes:
    """Give noise that begins and ends as a Parquet file does."""
    return b"PAR1" + random.Random(2).randbytes(MB) + b"PAR1"


def _written(columns: dict[str, pa.Array]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, compression="zstd")
    return file.getvalue()
