"""Hostile Parquet files of alerts."""

from __future__ import annotations

import gzip
import io
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from hostile.making import MB, Maker, gzipped, image, register, small_image

MAKERS: dict[str, Maker] = {}


def _written(columns: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, **{"compression": "zstd", **options})
    return file.getvalue()


def _repeated(value: Any, rows: int, kind: pa.DataType) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value], kind))


def _alerts(rows: int, **columns: Any) -> dict[str, Any]:
    cutout = _repeated(gzip.compress(small_image(), mtime=0), rows, pa.binary())
    same = dict.fromkeys(("cutoutScience", "cutoutTemplate", "cutoutDifference"), cutout)
    return {"objectId": _repeated("bad", rows, pa.string()), "candid": pa.array(range(rows)), **same, **columns}


@register(MAKERS, ".parquet")
def parquet_repeated_cutouts() -> bytes:
    """Give 3.8 GB of cutouts: the same 1 MB in 1,300 rows and three columns."""
    return _written(_alerts(1300, **dict.fromkeys(_planes(), _repeated(bytes(MB), 1300, pa.binary()))))


@register(MAKERS, ".parquet")
def parquet_packed_pages() -> bytes:
    """Give a page of 700 MB of zeros."""
    rows = 700
    column = pa.array([bytes(MB)] * rows, pa.large_binary())
    options = {
        "use_dictionary": False,
        "data_page_size": 2000 * MB,
        "write_batch_size": rows,
        "write_statistics": False,
    }
    return _written({"cutoutScience": column, "candid": pa.array(range(rows))}, **options)


@register(MAKERS, ".parquet")
def parquet_bombs() -> bytes:
    """Give 1,000 rows whose cutouts are 16 MB of zeros each, packed."""
    bomb = gzipped(image(2000, 2000), 16_000_000 + 2720, checksum=True)
    return _written(_alerts(1000, **dict.fromkeys(_planes(), _repeated(bomb, 1000, pa.binary()))))


@register(MAKERS, ".parquet")
def parquet_empty_rows() -> bytes:
    """Give 20 million rows without a cutout."""
    rows = 20_000_000
    return _written({"cutoutScience": pa.nulls(rows, pa.binary()), "candid": pa.nulls(rows, pa.int64())})


@register(MAKERS, ".parquet")
def parquet_long_ids() -> bytes:
    """Give 400 object ids of 4 MB each."""
    return _written(_alerts(400, objectId=_repeated("x" * 4 * MB, 400, pa.string())))


@register(MAKERS, ".parquet")
def parquet_lists() -> bytes:
    """Give 60 cutouts of a million pixels each as lists."""
    rows, side = 60, 1000
    values = pa.DictionaryArray.from_arrays(pa.array([0] * side * side, pa.int8()), pa.array([1.0], pa.float32()))
    flat = values.dictionary_decode()
    inner = pa.ListArray.from_arrays(pa.array(range(0, side * side + 1, side), pa.int32()), flat)
    outer = pa.ListArray.from_arrays(pa.array([0, side], pa.int32()), inner)
    return _written({"candid": pa.array(range(rows)), "cutoutScience": pa.chunked_array([outer] * rows)})


@register(MAKERS, ".parquet")
def parquet_wide() -> bytes:
    """Give 5,000 columns."""
    return _written({"cutoutScience": pa.array([b"x"]), **{f"c{k}": pa.array([1]) for k in range(5000)}})


@register(MAKERS, ".parquet")
def parquet_footer_length() -> bytes:
    """Claim a footer of 2 GB."""
    return b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1"


@register(MAKERS, ".parquet")
def parquet_torn() -> bytes:
    """Overwrite the middle of a sound file."""
    whole = _written(_alerts(50))
    return whole[:2000] + bytes(800) + whole[2800:]


def _planes() -> tuple[str, ...]:
    return ("cutoutScience", "cutoutTemplate", "cutoutDifference")
