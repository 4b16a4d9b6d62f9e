"""Read the messages of an alert stream, exactly one row each, with schemas that are parsed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from space2vec.errors import ReadError
from space2vec.plans.features import FeaturePlan
from space2vec.reading import packet_columns
from space2vec.reading.alerts import decode_messages, make_decoder
from space2vec.reading.batch import AnyBatch, BatchRows, Problem, collect_rows
from space2vec.reading.concatenated_rows import concatenate_rows
from space2vec.reading.limits import Limits
from space2vec.reading.options import ROWS_WITH_PIXELS, ReadOptions, plan_reader_work
from space2vec.reading.schemas import Schema, schema_text, schema_texts

if TYPE_CHECKING:
    from space2vec.reading.concatenated_rows import ScoringModel

__all__ = ["MessageReader"]

#: Schemas by the number in a message's header, or a function that returns the schema of a number, such as the client of
#: a schema registry.
SchemaSource: TypeAlias = Mapping[int, Schema] | Callable[[int], Schema | None]
#: The bytes of the header before a record: a zero, then the number of its schema, highest byte first.
_HEADER = 5


class MessageReader:
    """Read alerts from messages, exactly one row for each message, in order, whatever the messages contain.

    A message is a record after the header of a schema registry (a zero, then the number of its schema in four bytes), a
    whole Avro file, or a bare record if `schema` is given. A message that is None, empty, damaged or of an unknown
    schema becomes a row without planes, with the flag ``bad_stamp``. If a message contains bytes after its first alert,
    the first alert is read, and its row has the flag ``surplus``. A schema is parsed once, however many messages use
    it. Only one thread at a time may use a reader.

    Parameters
    ----------
    schemas : mapping of int to schema, or callable, optional
        The schemas by number, each as JSON text, as parsed JSON, or as the path of its file. A callable is called with
        each number that occurs for the first time. For a number that it does not know it returns None or raises a
        LookupError, and the next call of :meth:`read` asks it again. Other exceptions are passed on before a message
        is read, so the call can be repeated.
    schema : str, mapping or path, optional
        The schema of messages without a header. A message that begins with a header of a known number is read by the
        schema of that number.
    measure : FeaturePlan, optional
        The features to measure; the rows are then Features, and the pixels are not kept.
    model : Forest or Network, optional
        The model that scores the alerts; the rows are then Scores. Excludes `measure`.
    columns : sequence of str, optional
        Fields of the packets whose values are returned with the rows, as for :func:`space2vec.read`.
    limits : Limits, optional
        The limits on what a message may demand; only the limit on the bytes of an id is used.

    Raises
    ------
    ReadError
        If a schema does not describe alerts.
    ModelError
        If the model gives vectors, not scores.
    """

    def __init__(
        self,
        schemas: SchemaSource | None = None,
        schema: Schema | None = None,
        *,
        measure: FeaturePlan | None = None,
        model: ScoringModel | None = None,
        columns: Sequence[str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        if measure is not None and model is not None:
            raise ValueError("a reader measures or scores; give one of measure and model")
        if model is not None:
            model.check_gives_scores()
        self._model = model
        measured, scoring, _ = plan_reader_work(model)
        self._options = ReadOptions(
            ROWS_WITH_PIXELS,
            1,
            measure or measured,
            columns=packet_columns.check_paths(columns),
            model=scoring,
            limits=limits or Limits(),
        )
        self._decoder = make_decoder(self._options)
        self._schema_source = schemas if callable(schemas) else None
        #: The numbers of the schemas that need not be requested again.
        self._known_schemas: set[int] = set()
        if schemas is not None and not callable(schemas):
            for number, text in schema_texts(schemas).items():
                self._add(number, text)
        if schema is not None:
            self._add(None, schema_text(schema))

    def read(
        self, messages: Iterable[bytes | bytearray | memoryview | None], problems: list[Problem] | None = None
    ) -> BatchRows:
        """Read messages, one row each.

        Parameters
        ----------
        messages : iterable of bytes or None (n,)
            The messages.
        problems : list, optional
            A list to which the problems are appended; their path is ``message`` and the number of the message.

        Returns
        -------
        Stamps, Features or Scores (n rows)
            One row for each message: Features if the reader measures, Scores if it has a model, otherwise Stamps.

        Raises
        ------
        TypeError
            If a message is neither bytes nor None.
        """
        if isinstance(messages, bytes | bytearray | memoryview | str):
            raise TypeError(f"messages must be several; given one {type(messages).__name__}")
        held = [_as_bytes(message, number) for number, message in enumerate(messages)]
        self._fetch_schemas(held)
        size = self._options.size
        parts = collect_rows((self._decode(held, begin, size) for begin in range(0, len(held), size)), problems)
        return concatenate_rows(parts, self._options, self._model)

    def _decode(self, held: list[bytes | None], begin: int, size: int) -> AnyBatch:
        some = held[begin : begin + size]
        return decode_messages(
            self._decoder, some, self._options, [f"message {begin + number}" for number in range(len(some))]
        )

    def _add(self, number: int | None, text: str) -> None:
        try:
            self._decoder.add_schema(number, text)
        except ValueError as error:
            which = "the schema" if number is None else f"schema {number}"
            raise ReadError(f"{which} is no Avro schema of alerts: {error}") from None
        if number is not None:
            self._known_schemas.add(number)

    def _fetch_schemas(self, messages: list[bytes | None]) -> None:
        """Request the schemas of numbers that occur for the first time."""
        if self._schema_source is None:
            return
        met = {
            int.from_bytes(message[1:_HEADER], "big")
            for message in messages
            if message is not None and len(message) >= _HEADER and message[0] == 0
        }
        for number in sorted(met - self._known_schemas):
            try:
                schema = self._schema_source(number)
            except LookupError:
                continue
            if schema is None:
                continue
            try:
                self._add(number, schema_text(schema))
            except ReadError:
                # The rows of its messages report the unknown schema; a second request would return the same.
                self._known_schemas.add(number)


def _as_bytes(message: bytes | bytearray | memoryview | None, number: int) -> bytes | None:
    if message is None or isinstance(message, bytes):
        return message
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    raise TypeError(f"message {number} is {type(message).__name__}; accepted are bytes and None")
