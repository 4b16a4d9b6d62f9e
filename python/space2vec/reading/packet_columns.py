"""Packet fields as extra columns: the default sets, and the error for a field that no packet has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from space2vec.errors import ReadError
from space2vec.reading.batch import AnyBatch, PacketFields

__all__ = ["RUBIN_COLUMNS", "ZTF_COLUMNS", "check_fields", "check_paths", "combine_packet_fields", "complete_batches"]

#: The default columns of ZTF alerts: position, time, filter, brightness, and ZTF's own scores.
ZTF_COLUMNS: tuple[str, ...] = (
    "ra", "dec", "jd", "fid", "magpsf", "sigmapsf", "isdiffpos", "diffmaglim", "distnr", "rb", "drb",
)  # fmt: skip
#: The default columns of Rubin alerts.
RUBIN_COLUMNS: tuple[str, ...] = (
    "ra", "dec", "midpointMjdTai", "band", "psfFlux", "psfFluxErr", "isNegative", "snr", "reliability",
)  # fmt: skip

#: Paths that are correct even if no packet has them.
_KNOWN = frozenset(
    prefix + name
    for record, names in (("candidate.", ZTF_COLUMNS), ("diaSource.", RUBIN_COLUMNS))
    for name in names
    for prefix in ("", record)
)
#: The number of sources in which a column is looked for that the first ones lack.
_SAMPLE = 64


def check_paths(columns: Sequence[str] | str | None) -> tuple[str, ...]:
    """Check the paths that a user requests, and return them without duplicates."""
    given = [columns] if isinstance(columns, str) else [] if columns is None else list(columns)
    for path in given:
        if not isinstance(path, str):
            raise TypeError(f"columns must be paths such as 'candidate.magpsf'; given {type(path).__name__}")
        if not path.strip("."):
            raise ValueError("a path of columns is empty")
    return tuple(dict.fromkeys(given))


def combine_packet_fields(batches: Iterable[AnyBatch]) -> PacketFields | None:
    """Combine what the packets of several batches have; ``None`` if it is not known for any."""
    known = [batch.packet_fields for batch in batches if batch.packet_fields is not None]
    if not known:
        return None
    missing = tuple(path for path in known[0].missing if all(path in fields.missing for fields in known))
    return PacketFields(missing, tuple(dict.fromkeys(path for fields in known for path in fields.available)))


def complete_batches(
    batches: Iterator[AnyBatch], columns: tuple[str, ...], others: Callable[[int], Iterator[AnyBatch]]
) -> Iterator[AnyBatch]:
    """Yield the batches with all requested columns; raise a ReadError if no packet of the input has one of them.

    `others` returns first batches of at most so many other sources of the input. The error lists similar names, and is
    raised before the first batch of packets that lack the column.
    """
    unsure = bool(set(columns) - _KNOWN)
    packets = False
    for batch in batches:
        packets = packets or batch.packet_fields is not None
        if unsure and batch.packet_fields is not None:
            unsure = False
            if set(batch.packet_fields.missing) - _KNOWN:
                fields = combine_packet_fields([batch, *others(_SAMPLE)])
                if fields is not None:
                    check_fields(fields)
        yield _with_all_columns(batch, columns)
    if unsure and not packets:
        raise ReadError(
            f"no alert packets, so there are no columns {', '.join(columns)} of them; what tables know of these "
            "candidates can be joined with the results by candidate_id"
        )


def check_fields(fields: PacketFields) -> None:
    """Raise a ReadError for the first column that no packet has, unless it is one of the default ones."""
    for path in fields.missing:
        if path not in _KNOWN:
            raise ReadError(f"no packet has {path!r}; {_similar_paths(path, fields.available)}")


def _similar_paths(path: str, paths: Sequence[str]) -> str:
    """Return the end of an error message that suggests fields of similar names."""
    import difflib

    ends: dict[str, list[str]] = {}
    for known in paths:
        ends.setdefault(known.rpartition(".")[2].lower(), []).append(known)
    wanted = path.rpartition(".")[2].lower()
    same = ends.get(wanted, [])
    whole = difflib.get_close_matches(path, paths, 4, 0.6)
    close = [known for end in difflib.get_close_matches(wanted, ends, 4, 0.6) for known in ends[end]]
    near = list(dict.fromkeys([*same, *whole, *close]))[:6]
    if near:
        return f"near it are {', '.join(near)}"
    return f"there are {', '.join(paths[:8])}{', ...' if len(paths) > 8 else ''}"


def _with_all_columns(batch: AnyBatch, columns: tuple[str, ...]) -> AnyBatch:
    """Return a batch whose rows have every column; a missing column is all NaN."""
    absent = [name for name in columns if name not in batch.rows.columns]
    if absent:
        blank = {name: np.full(len(batch.rows), np.nan) for name in absent}
        batch.rows.columns = {name: {**batch.rows.columns, **blank}[name] for name in [*columns, *batch.rows.columns]}
    return batch
