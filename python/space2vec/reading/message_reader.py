"""Messages as a stream of alerts delivers them: exactly one row each, schemas compiled once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.errors import ReadError
from space2vec.plans.features import FeaturePlan
from space2vec.reading import packet_columns
from space2vec.reading.alerts import decode_messages, make_decoder
from space2vec.reading.batch import AnyBatch, Problem, collect_rows
from space2vec.reading.joined_rows import join_rows
from space2vec.reading.limits import Limits
from space2vec.reading.options import ROWS_WITH_PIXELS, ReadOptions, plan_reader_work
from space2vec.reading.schemas import Schema, schema_text, schema_texts

if TYPE_CHECKING:
    from space2vec.reading.joined_rows import ScoringModel

__all__ = ["MessageReader"]

#: Schemas by the number in a message's header, or what gives one when it is asked, as a client of a registry does.
SchemaSource: TypeAlias = Mapping[int, Schema] | Callable[[int], Schema | None]
#: Bytes before a record: a zero, and the number of its schema, highest byte first.
_HEADER = 5


class MessageReader:
    """Reads alerts out of messages, exactly one row a message, in order, whatever the messages hold.

    A message is a record behind the header of a schema registry (a zero, the number of its schema in four bytes), a
    whole Avro file, or a bare record where `schema` is given. One that is None, empty, damaged or of an unknown schema
    is a row without planes, with the flag ``bad_stamp``; of one that holds more than its one alert, or bytes behind
    it, the first alert is taken, and its row has the flag ``surplus``. A schema is parsed once, however many messages
    have it. One thread at a time may use a reader.

    Parameters
    ----------
    schemas : mapping of int to schema, or callable, optional
        The schemas by their number: JSON, what is parsed of it, or the file that holds it. A callable is asked for each
        number when it is met first; it returns None, or raises a LookupError, for one that it does not know, and is
        then asked again by the next call. Whatever else it raises passes through, and no message is lost by it.
    schema : str, mapping or path, optional
        The schema of messages without a header. A message that begins like one with a header, of a number that is
        known, is taken for that.
    measure : FeaturePlan, optional
        What to measure of the alerts; their pixels are let go, and the rows are Features.
    model : Forest or Network, optional
        What to score the alerts by; the rows are Scores.
    columns : sequence of str, optional
        Paths of the packets whose values go along with the rows, as for :func:`space2vec.read`.
    limits : Limits, optional
        What a message may ask for; of an id alone.

    Raises
    ------
    ReadError
        If a schema that is given is none of alerts.
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
        self._model = model
        measured, scoring = plan_reader_work(model)
        self._options = ReadOptions(
            ROWS_WITH_PIXELS,
            1,
            measure or measured,
            columns=packet_columns.check_paths(columns),
            model=scoring,
            limits=limits or Limits(),
        )
        self._decoder: Any = make_decoder(self._options)
        self._schema_source = schemas if callable(schemas) else None
        #: Numbers of schemas that need not be asked for.
        self._known_schemas: set[int] = set()
        if schemas is not None and not callable(schemas):
            for number, text in schema_texts(schemas).items():
                self._add(number, text)
        if schema is not None:
            self._add(None, schema_text(schema))

    def read(
        self, messages: Iterable[bytes | bytearray | memoryview | None], problems: list[Problem] | None = None
    ) -> Stamps | Features | Scores:
        """Read messages, a row each.

        Parameters
        ----------
        messages : iterable of bytes or None (n,)
            The messages.
        problems : list, optional
            Takes up what was wrong; a problem's path is ``message`` and the number of the message.

        Returns
        -------
        Stamps, Features or Scores (n rows)
            Stamps; Features where the reader measures, Scores where it has a model.

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
        return join_rows(parts, self._options, self._model)

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
        """Ask for the schemas of messages that are not known yet."""
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
                # Its messages are rows that say so; asking again would not mend it.
                self._known_schemas.add(number)


def _as_bytes(message: bytes | bytearray | memoryview | None, number: int) -> bytes | None:
    if message is None or isinstance(message, bytes):
        return message
    if isinstance(message, bytearray | memoryview):
        return bytes(message)
    raise TypeError(f"message {number} is {type(message).__name__}; accepted are bytes and None")
