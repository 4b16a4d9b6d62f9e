"""Alerts out of Parquet files, as Fink writes them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from space2vec import catalogue
from space2vec.errors import ReadError, Space2vecError
from space2vec.reading.alerts import CUTOUTS, read_columns
from space2vec.reading.batch import AnyBatch, Offer
from space2vec.reading.parquet_columns import Leaf, Table, cutouts, first_ids, further, texts
from space2vec.reading.wish import Wish

if TYPE_CHECKING:
    import pyarrow

__all__ = ["MAGIC", "columns", "has_cutouts", "open_parquet", "read_alerts", "telling_damage"]

MAGIC = b"PAR1"

#: The fields that tell where the candidate lies in a cutout.
_PLACE = frozenset({"xpos", "ypos"})
#: A column of cutouts under any of its names; the library knows which is which.
_CUTOUT = re.compile(r"(?:\w:)?cutout_?(?:science|template|difference)(?![a-z0-9])", re.IGNORECASE)


def open_parquet(path: Path | BinaryIO) -> Any:
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
def telling_damage(path: Path | BinaryIO, damage: str) -> Iterator[None]:
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
    return any(_CUTOUT.match(name) for name in names)


def read_alerts(path: Path | BinaryIO, wish: Wish, called: str | None = None) -> Iterator[AnyBatch]:
    """Yield the alerts of one Parquet file, in order.

    Parameters
    ----------
    path : Path or binary file
        The file.
    wish : Wish
        How to read it.
    called : str, optional
        What to call it in problems; its path by default.

    Raises
    ------
    ReadError
        If the file is no Parquet file of alerts, or once the alerts before the damage have been yielded.
    """
    with open_parquet(path) as file:
        with telling_damage(path, "not a Parquet file of alerts"):
            schema = file.schema_arrow
            names = schema.names
        if not has_cutouts(names):
            shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise ReadError(f"no alerts: the table has none of {', '.join(CUTOUTS)}; its columns are {shown or 'none'}")
        reader = _Alerts(Table(schema), wish, str(path) if called is None else called)
        parts = file.iter_batches(batch_size=wish.size, columns=reader.wanted)
        first = 0
        while True:
            with telling_damage(
                path, f"damaged after record {first - 1}" if first else "damaged among its first records"
            ):
                part = next(parts, None)
                if part is None:
                    return
                batch = reader.batch(part, first) if len(part) else None
            if batch is not None:
                yield batch
            first += len(part)


class _Alerts:
    """The columns of a table that tell of alerts, found once for all its batches."""

    def __init__(self, table: Table, wish: Wish, path: str) -> None:
        self._wish = wish
        self._path = path
        ids = table.find("diaSourceId", "diaSource.diaSourceId", "diaSource.diaObjectId", "diaSource.ssObjectId")
        #: Whether these are Rubin's packets.
        self._rubin = any(leaf is not None for leaf in ids)
        if self._rubin:
            self._candidates, self._objects = _single(ids[:2]), _single(ids[2:])
            record, fields = "diaSource", catalogue.RUBIN_FIELDS
        else:
            self._candidates = _single(table.find("candid", "candidate.candid"))
            self._objects = _single(table.find("objectId"))
            record, fields = "candidate", catalogue.ZTF_FIELDS
        self._publisher = table.find("publisher")[0]
        self._ztf_fields = all(table.find("candidate.rcid", "candidate.pdiffimfilename"))
        self._fields = {
            name: leaf
            for name, inner in zip(fields, table.find(*(f"{record}.{name}" for name in fields)), strict=True)
            if (leaf := inner or table.leaves.get(name)) is not None and leaf.single
            if wish.takes_catalogue or name in _PLACE
        }
        plain, held = table.find(*CUTOUTS), table.find(*(f"{name}.stampData" for name in CUTOUTS))
        self._cutouts = [own or inner for own, inner in zip(plain, held, strict=True)]
        if not any(self._cutouts):
            raise ReadError(
                f"no alerts: none of the columns is a cutout; accepted are {', '.join(CUTOUTS)}, or .stampData"
            )
        self._columns = {
            name: leaf if leaf is not None and leaf.single else None
            for name, leaf in zip(wish.columns, table.find(*wish.columns), strict=True)
        }
        lacking = tuple(name for name, leaf in self._columns.items() if leaf is None)
        self._offer = Offer(lacking, table.paths if lacking else ()) if wish.columns else None
        #: The columns to read, those inside a record by their dotted names.
        self.wanted = list(
            dict.fromkeys(
                leaf.path
                for leaf in (
                    *self._candidates, *self._objects, self._publisher, *self._fields.values(), *self._cutouts,
                    *self._columns.values(),
                )
                if leaf is not None
            )
        )  # fmt: skip

    def batch(self, part: pyarrow.RecordBatch, first: int) -> AnyBatch:
        """Return the alerts of consecutive rows, of which the first has this number."""
        n = len(part)
        return read_columns(
            [None if leaf is None else cutouts(leaf.of(part), leaf.steps[0]) for leaf in self._cutouts],
            {name: leaf.of(part).to_pylist() for name, leaf in self._fields.items()},
            rubin=self._rubin,
            ztf_fields=self._ztf_fields,
            object_id=texts([leaf.of(part) for leaf in self._objects], n),
            candidate_id=first_ids([leaf.of(part) for leaf in self._candidates], n),
            publisher=None if self._publisher is None else texts([self._publisher.of(part)], n).tolist(),
            columns=further(self._columns, part),
            offer=self._offer,
            wish=self._wish,
            path=self._path,
            first=first,
        )


def _single(leaves: Iterable[Leaf | None]) -> list[Leaf]:
    return [leaf for leaf in leaves if leaf is not None and leaf.single]
