"""Bare Avro messages, as a stream of alerts delivers them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, overload

from space2vec import backend
from space2vec.errors import ReadError
from space2vec.extract import Measure
from space2vec.reading.alerts import Wish, read_files
from space2vec.reading.batch import Position, Problem, gathered
from space2vec.stamps import Stamps
from space2vec.table import Features

__all__ = ["read_messages", "schema_texts"]

#: Rows at a time, so that an interrupt is heard.
_BATCH = 1000


@overload
def read_messages(
    messages: Sequence[bytes],
    schemas: Mapping[int, str | Mapping[str, Any]] | None = None,
    *,
    threads: int | None = None,
    measure: None = None,
    problems: list[Problem] | None = None,
) -> Stamps: ...


@overload
def read_messages(
    messages: Sequence[bytes],
    schemas: Mapping[int, str | Mapping[str, Any]] | None = None,
    *,
    threads: int | None = None,
    measure: Measure,
    problems: list[Problem] | None = None,
) -> Features: ...


def read_messages(
    messages: Sequence[bytes],
    schemas: Mapping[int, str | Mapping[str, Any]] | None = None,
    *,
    threads: int | None = None,
    measure: Measure | None = None,
    problems: list[Problem] | None = None,
) -> Stamps | Features:
    """Read alerts that are in memory already, one a message.

    Parameters
    ----------
    messages : sequence of bytes
        Bare Avro records, each behind the header of a schema registry (a zero, the number of the schema in four bytes,
        highest first), or whole Avro files.
    schemas : mapping of int to str or mapping, optional
        The schemas, as JSON or as it is parsed, by their number.
    threads : int, optional
        Threads that decode; one a usable core by default.
    measure : Measure, optional
        What to measure of the alerts; their pixels are let go, and the result is Features.
    problems : list, optional
        Takes up what was wrong; a problem's path is ``message`` and the number of the message.

    Returns
    -------
    Stamps or Features
        In order, one row a message that holds one alert: an Avro file of several gives as many rows, and bytes behind
        a bare record are read as a further message. One that cannot be read is a row without planes, with the flag
        ``bad_stamp``.

    Raises
    ------
    TypeError
        If a message is not bytes.
    ReadError
        If a schema is none of alerts.
    """
    for number, message in enumerate(messages):
        if not isinstance(message, bytes):
            raise TypeError(f"message {number} is {type(message).__name__}; accepted are bytes")
    wish = Wish(_BATCH, backend.thread_count(threads), measure, schema_texts(schemas or {}))
    names = [f"message {number}" for number in range(len(messages))]
    rows = gathered(read_files(list(messages), wish, Position(), names), problems)
    if measure is not None:
        return Features.concatenate([part for part in rows if isinstance(part, Features)], measure.names)
    return Stamps.concatenate(part for part in rows if isinstance(part, Stamps))


def schema_texts(schemas: Mapping[int, str | Mapping[str, Any]]) -> dict[int, str]:
    """Return schemas as JSON texts by number.

    Raises
    ------
    ReadError
        If a number is none of four bytes.
    """
    for number in schemas:
        if not 0 <= number < 1 << 32:
            raise ReadError(f"schema number {number} does not fit into four bytes")
    return {number: text if isinstance(text, str) else json.dumps(text) for number, text in schemas.items()}
