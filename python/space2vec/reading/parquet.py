"""Alerts out of Parquet files, as Fink writes them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec import catalogue
from space2vec.errors import ReadError, Space2vecError
from space2vec.reading.alerts import CUTOUTS, Wish, read_columns
from space2vec.reading.batch import Batch
from space2vec.stamps import NO_ID

if TYPE_CHECKING:
    import pyarrow

__all__ = ["MAGIC", "columns", "has_cutouts", "open_parquet", "plain", "read_alerts", "telling_damage"]

MAGIC = b"PAR1"

_IDS = ("objectId", "candid", "diaSourceId")
#: Types whose values do not lie one after another, and those to which they are brought.
_VIEWS = {"string_view": "large_string", "binary_view": "large_binary"}


def open_parquet(path: Path) -> Any:
    """Open a Parquet file.

    Raises
    ------
    ReadError
        If it is no Parquet file, or cut short: its schema stands at its end.
    OSError
        If the machine cannot read it.
    """
    from pyarrow import parquet

    with telling_damage(path, "not a Parquet file, or cut short"):
        return parquet.ParquetFile(path)


@contextlib.contextmanager
def telling_damage(path: Path, damage: str) -> Iterator[None]:
    """Raise what Arrow raises for a damaged file, of many kinds, as ReadError; faults of the machine pass."""
    try:
        yield
    except (Space2vecError, MemoryError):
        raise
    except Exception as error:
        # For what is damaged Arrow gives no number; where it gives one it does not always name the file.
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise ReadError(f"{damage} ({error})") from None


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
        with telling_damage(path, "not a Parquet file of alerts"):
            schema = file.schema_arrow
            names = schema.names
            wanted = [*_wanted(schema)]
        if not has_cutouts(names):
            shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise ReadError(f"no alerts: the table has none of {', '.join(CUTOUTS)}; its columns are {shown or 'none'}")
        parts = file.iter_batches(batch_size=wish.size, columns=wanted)
        first = 0
        while True:
            with telling_damage(
                path, f"damaged after record {first - 1}" if first else "damaged among its first records"
            ):
                part = next(parts, None)
                if part is None:
                    return
                batch = _batch(part, wish, str(path), first) if len(part) else None
            if batch is not None:
                yield batch
            first += len(part)


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
        # A record that is null has null fields.
        record = {field.name: _masked(plain(held.field(field.name)), held) for field in held.type}
    ids = {name: plain(part.column(name)) for name in _IDS if name in names}
    ids |= {f"{inner}.{name}": values for name, values in record.items()}
    if rubin:
        objects = _first(ids, "diaSource.diaObjectId", "diaSource.ssObjectId")
        candidates = _first(ids, "diaSourceId", "diaSource.diaSourceId")
    else:
        objects = _names(ids, "objectId")
        candidates = _first(ids, "candid", "candidate.candid")
    n = len(part)
    fields = catalogue.RUBIN_FIELDS if rubin else catalogue.ZTF_FIELDS
    return read_columns(
        [_cutouts(part.column(name), name) if name in names else None for name in CUTOUTS],
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


def plain(column: pyarrow.Array) -> pyarrow.Array:
    """Return a column with its values as they are, not as a dictionary or views."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return plain(column.cast(column.type.value_type))
    return column.cast(_VIEWS[str(column.type)]) if str(column.type) in _VIEWS else column


def _first(ids: Mapping[str, pyarrow.Array], *names: str) -> pyarrow.Array | None:
    """Return the first of some columns of ids, row by row, that has one; 0 and null are none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = []
    for name in names:
        if name not in ids or pa.types.is_null(ids[name].type):
            continue
        if not pa.types.is_integer(ids[name].type):
            raise ReadError(f"the ids in {name} are of type {ids[name].type}; accepted are whole numbers")
        known.append(pc.if_else(pc.equal(ids[name], 0), None, ids[name]))
    return pc.coalesce(*known) if known else None


def _names(ids: Mapping[str, pyarrow.Array], name: str) -> pyarrow.Array | None:
    """Return a column of ids that are texts, or whole numbers."""
    import pyarrow as pa

    column = ids.get(name)
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_null)
    if column is not None and not any(kind(column.type) for kind in kinds):
        raise ReadError(f"the ids in {name} are of type {column.type}; accepted are texts and whole numbers")
    return column


def _listed(values: pyarrow.Array | None, n: int) -> list[Any]:
    return [None] * n if values is None else values.to_pylist()


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _cutouts(column: pyarrow.Array, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the bytes of a column of cutouts, one after another, and where each begins; a null one is empty."""
    import pyarrow as pa

    held = column
    if pa.types.is_struct(column.type):
        there = column.type.get_field_index("stampData") >= 0
        held = column.field("stampData") if there else pa.nulls(len(column))
    if not (pa.types.is_binary(held.type) or pa.types.is_large_binary(held.type)):
        try:
            held = held.cast(pa.large_binary())
        except pa.ArrowNotImplementedError:
            raise ReadError(
                f"the cutouts in {name} are of type {held.type}; accepted are bytes, or records with bytes in stampData"
            ) from None
    if pa.types.is_struct(column.type):
        held = _masked(held, column)
    if held.null_count:
        held = held.fill_null(b"")
    large = pa.types.is_large_binary(held.type)
    _, offsets, data = held.buffers()
    begin = np.frombuffer(offsets, dtype=np.int64 if large else np.int32)[held.offset : held.offset + len(held) + 1]
    pixels = np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
    return pixels, np.ascontiguousarray(begin, dtype=np.int64)
