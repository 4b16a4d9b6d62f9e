"""Read Avro messages that are in memory, as a stream of alerts delivers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, overload

from space2vec.backends import kernels
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.plans.features import FeaturePlan
from space2vec.reading import packet_columns
from space2vec.reading.alert_files import read_files
from space2vec.reading.batch import Position, Problem, collect_rows
from space2vec.reading.open_files import BinaryFile, is_open_file, read_open_file
from space2vec.reading.options import ReadOptions
from space2vec.reading.schemas import Schemas, schema_texts

__all__ = ["read_messages"]

#: The most rows of a batch, so that Python handles an interrupt between two batches.
_BATCH = 1000


@overload
def read_messages(
    messages: Sequence[bytes | BinaryFile] | bytes | BinaryFile,
    schemas: Schemas | None = None,
    *,
    threads: int | None = None,
    columns: Sequence[str] | None = None,
    measure: None = None,
    problems: list[Problem] | None = None,
) -> Stamps: ...


@overload
def read_messages(
    messages: Sequence[bytes | BinaryFile] | bytes | BinaryFile,
    schemas: Schemas | None = None,
    *,
    threads: int | None = None,
    columns: Sequence[str] | None = None,
    measure: FeaturePlan,
    problems: list[Problem] | None = None,
) -> Features: ...


def read_messages(
    messages: Sequence[bytes | BinaryFile] | bytes | BinaryFile,
    schemas: Schemas | None = None,
    *,
    threads: int | None = None,
    columns: Sequence[str] | None = None,
    measure: FeaturePlan | None = None,
    problems: list[Problem] | None = None,
) -> Stamps | Features:
    """Read alerts from messages in memory, one row for each alert.

    Parameters
    ----------
    messages : sequence of bytes, or of open binary files, or one alone
        Bare Avro records, each after the header of a schema registry (a zero, the number of the schema in four bytes,
        highest first), or whole Avro files.
    schemas : mapping of int to str, mapping or path, optional
        The schemas by number, each as JSON text, as parsed JSON, or as the path of its file.
    threads : int, optional
        The number of threads that decode; by default one for each usable core.
    columns : sequence of str, optional
        Fields of the packets whose values are returned with the rows, as for :func:`space2vec.read`.
    measure : FeaturePlan, optional
        The features to measure; the result is then Features, and the pixels are not kept.
    problems : list, optional
        A list to which the problems are appended; their path is ``message`` and the number of the message.

    Returns
    -------
    Stamps or Features
        The rows in the order of the messages. A message usually holds one alert; an Avro file gives a row for each of
        its alerts, and bytes after a bare record are read as a further message. A message that cannot be read becomes
        a row without planes, with the flag ``bad_stamp``. :class:`MessageReader` returns exactly one row for each.

    Raises
    ------
    TypeError
        If a message is neither bytes nor an open binary file.
    ReadError
        If a schema does not describe alerts, or no packet has one of the `columns`.

    Examples
    --------
    >>> from pathlib import Path
    >>> messages = [path.read_bytes() for path in sorted(Path("demo/alerts").glob("*.avro"))[:3]]
    >>> len(s2v.read_messages(messages))
    3
    """
    held = []
    # A single message is itself a sequence: of integers, or of the lines of a file.
    alone = isinstance(messages, bytes) or is_open_file(messages)
    for number, message in enumerate(cast("Sequence[bytes | BinaryFile]", [messages] if alone else messages)):
        if isinstance(message, str):
            raise TypeError(f"message {number} is str; accepted are bytes and open binary files")
        held.append(message if isinstance(message, bytes) else read_open_file(message, f"message {number}").data)
    paths = packet_columns.check_paths(columns)
    options = ReadOptions(_BATCH, kernels.thread_count(threads), measure, schema_texts(schemas or {}), columns=paths)
    names = [f"message {number}" for number in range(len(held))]
    batches = read_files(held, options, Position(), names)
    if paths:
        everything = list(batches)
        batches = packet_columns.complete_batches(iter(everything), paths, lambda _: iter(everything))
    rows = collect_rows(batches, problems)
    if measure is not None:
        return Features.concatenate([part for part in rows if isinstance(part, Features)], measure.names)
    return Stamps.concatenate(part for part in rows if isinstance(part, Stamps))
