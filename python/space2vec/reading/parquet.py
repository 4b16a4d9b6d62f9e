"""Alerts out of Parquet files, as Fink writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec import catalogue
from space2vec.errors import ReadError
from space2vec.reading.alerts import CUTOUTS, Wish, read_columns
from space2vec.reading.batch import Batch
from space2vec.stamps import NO_ID

if TYPE_CHECKING:
    import pyarrow

__all__ = ["MAGIC", "columns", "has_cutouts", "open_parquet", "read_alerts"]

MAGIC = b"PAR1"

_IDS = ("objectId", "candid", "diaSourceId")
#: Fields of the candidate's record.
_RECORD = frozenset((*_IDS, "diaObjectId", "ssObjectId", *catalogue.ZTF_FIELDS, *catalogue.RUBIN_FIELDS))


def open_parquet(path: Path) -> Any:
    """Open a Parquet file.

    Raises
    ------
    ReadError
        If it is no Parquet file, or cut short: its schema stands at its end.
    """
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except FileNotFoundError:
        raise
    except Exception as error:  # Arrow raises errors of many kinds on damaged files.
        raise ReadError(f"not a Parquet file, or cut short ({error})") from None


def columns(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns."""
    with open_parquet(path) as file:
        return list(file.schema_arrow.names)


def has_cutouts(names: Iterable[str]) -> bool:
    """Tell whether a table with these columns is one of alerts."""
    return not set(CUTOUTS).isdisjoint(names)


def read_alerts(path: Path, wish: Wish) -> Iterator[Batch]:
    """Yield the alerts of one Parquet file, in order.

    Raises
    ------
    ReadError
        If the file is no Parquet file of alerts, or once the alerts before the damage have been yielded.
    """
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        if not has_cutouts(names):
            shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise ReadError(f"no alerts: the table has none of {', '.join(CUTOUTS)}; its columns are {shown or 'none'}")
        wanted = [*_wanted(file.schema_arrow)]
        first = 0
        try:
            for part in file.iter_batches(batch_size=wish.size, columns=wanted):
                if len(part):
                    yield _batch(part, wish, str(path), first)
                first += len(part)
        except ReadError:
            raise
        except Exception as error:
            raise ReadError(f"damaged after record {first - 1} ({error})") from None


def _wanted(schema: pyarrow.Schema) -> Iterator[str]:
    """Yield the columns to read, those inside a record by their dotted names."""
    import pyarrow as pa

    for field in schema:
        if field.name in (*_IDS, *CUTOUTS):
            yield field.name
        elif field.name in ("candidate", "diaSource") and pa.types.is_struct(field.type):
            fields = (
                *catalogue.ZTF_FIELDS,
                *catalogue.RUBIN_FIELDS,
                "candid",
                "diaSourceId",
                "diaObjectId",
                "ssObjectId",
            )
            yield from (f"{field.name}.{inner.name}" for inner in field.type if inner.name in fields)


def _batch(part: pyarrow.RecordBatch, wish: Wish, path: str, first: int) -> Batch:
    names = part.schema.names
    rubin = "diaSource" in names
    record = {}
    inner = "diaSource" if rubin else "candidate"
    if inner in names:
        held = part.column(inner)
        record = {field.name: held.field(field.name) for field in held.type}
        # A record that is null has null fields.
        record = {name: _masked(values, held) for name, values in record.items()}
    ids = {name: part.column(name) for name in _IDS if name in names}
    if rubin:
        objects = _first(record.get("diaObjectId"), record.get("ssObjectId"))
        candidates = _first(ids.get("diaSourceId"), record.get("diaSourceId"))
    else:
        objects = ids.get("objectId")
        candidates = _first(ids.get("candid"), record.get("candid"))
    n = len(part)
    fields = catalogue.RUBIN_FIELDS if rubin else catalogue.ZTF_FIELDS
    return read_columns(
        [_cutouts(part.column(name)) if name in names else None for name in CUTOUTS],
        {name: record[name].to_pylist() for name in fields if name in record},
        rubin=rubin,
        object_id=np.array([_text(value) for value in _listed(objects, n)], dtype=object),
        candidate_id=np.array([NO_ID if value is None else int(value) for value in _listed(candidates, n)], np.int64),
        wish=wish,
        path=path,
        first=first,
    )


def _masked(values: pyarrow.Array, of: pyarrow.Array) -> pyarrow.Array:
    import pyarrow.compute as pc

    return pc.if_else(of.is_valid(), values, None) if of.null_count else values


def _first(one: pyarrow.Array | None, other: pyarrow.Array | None) -> pyarrow.Array | None:
    """Return the first of two columns of ids, row by row, that has one; 0 and null are none."""
    import pyarrow.compute as pc

    known = [pc.if_else(pc.equal(column, 0), None, column) for column in (one, other) if column is not None]
    return pc.coalesce(*known) if known else None


def _listed(values: pyarrow.Array | None, n: int) -> list[Any]:
    return [None] * n if values is None else values.to_pylist()


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _cutouts(column: pyarrow.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
    """Return the bytes of a column of cutouts, one after another, and where each begins; a null one is empty."""
    import pyarrow as pa

    held = column
    if pa.types.is_struct(column.type):
        if column.type.get_field_index("stampData") < 0:
            return None
        held = _masked(column.field("stampData"), column)
    if not (pa.types.is_binary(held.type) or pa.types.is_large_binary(held.type)):
        raise ReadError(f"cutouts of type {held.type}; accepted are bytes, or records with bytes in stampData")
    if held.null_count:
        held = held.fill_null(b"")
    large = pa.types.is_large_binary(held.type)
    _, offsets, data = held.buffers()
    begin = np.frombuffer(offsets, dtype=np.int64 if large else np.int32)[held.offset : held.offset + len(held) + 1]
    pixels = np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
    return pixels, np.ascontiguousarray(begin, dtype=np.int64)
