"""Alerts out of Parquet files, as Fink writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from space2vec.errors import ReadError
from space2vec.reading.batch import Row
from space2vec.reading.packet import FIELDS, check_fields, to_row

__all__ = ["MAGIC", "columns", "open_parquet", "read_alerts"]

MAGIC = b"PAR1"


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
    except Exception as error:  # Arrow raises errors of many kinds on damaged files.
        raise ReadError(f"not a Parquet file, or cut short ({error})") from None


def columns(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns."""
    with open_parquet(path) as file:
        return list(file.schema_arrow.names)


def read_alerts(path: Path, batch: int) -> Iterator[Row]:
    """Yield the alerts of one Parquet file, in order, holding no more than `batch` of them.

    Raises
    ------
    ReadError
        If the file is no Parquet file of alerts, or once the alerts before the damage have been yielded.
    """
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        check_fields(names)
        number = 0
        try:
            for part in file.iter_batches(batch_size=batch, columns=[name for name in names if name in FIELDS]):
                for packet in part.to_pylist():
                    yield to_row(packet, number)
                    number += 1
        except ReadError:
            raise
        except Exception as error:
            raise ReadError(f"damaged after record {number - 1} ({error})") from None
