"""The client that hands records to brokers: scores, and copies of messages that cannot be read."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from space2vec.errors import StreamError
from space2vec.stream.clients import error_of, fatal_error, is_fatal, quiet_logger, retry
from space2vec.stream.messages import ScoredMessages
from space2vec.stream.options import StreamOptions

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

    from space2vec.stream.records import RecordEncoder

__all__ = ["RecordProducer"]

#: Seconds between looks at whether the work shall be abandoned, and of one request.
_LOOK, _REQUEST = 0.2, 10.0
#: The length of a header of a dead letter, in characters.
_HEADER = 1000


class RecordProducer:
    """Hand records to the brokers, and wait until they have them.

    Parameters
    ----------
    options : StreamOptions
        Where to write.
    member : str
        The name of this member of the group.
    notice : callable
        Takes what the user should know, as text.
    check : callable
        Is called while it waits; raises an exception if the work is to be given up.

    Attributes
    ----------
    client : confluent_kafka.Producer
        The client.

    Raises
    ------
    StreamError
        From here and from every method, if a topic does not exist or the brokers refuse.
    """

    def __init__(
        self, options: StreamOptions, member: str, notice: Callable[[str], None], check: Callable[[], None]
    ) -> None:
        from confluent_kafka import KafkaException, Producer

        self._options, self._member = options, member
        self._notice, self._check = notice, check
        self._partitions = 1
        self._failed: KafkaError | None = None
        #: A message that cannot be read is copied only if it is smaller, in bytes.
        self._smallest_refused = 1 << 62
        try:
            self.client: Producer = Producer(
                {**options.producer_settings(member), "error_cb": self._on_error}, logger=quiet_logger()
            )
        except KafkaException as error:
            raise StreamError(f"the producer cannot start: {error_of(error).str()}") from None

    def find_topics(self) -> None:
        """Look for the topics that are written to."""
        if not self._options.to_folder:
            self._partitions = self._count_partitions(self._options.output)
        if self._options.dead_letter is not None:
            self._count_partitions(self._options.dead_letter)

    def send_scores(self, scored: ScoredMessages, encoder: RecordEncoder) -> None:
        """Hand the records of a batch to the client."""
        for record in encoder.encode(scored):
            # The order within a partition of the source is kept.
            place = (zlib.crc32(record.topic.encode()) + record.partition) % self._partitions
            self._send(self._options.output, record.value, record.key, place)

    def send_dead_letters(self, scored: ScoredMessages) -> None:
        """Hand copies of the messages that could not be read to the client, if there is a topic for them."""
        if self._options.dead_letter is None:
            return
        for row in scored.unread:
            value = scored.messages.values[row]
            if len(value or b"") < self._smallest_refused:
                self._send_dead_letter(scored, row, value)

    def flush(self) -> None:
        """Wait until the brokers have everything."""
        while len(self.client):
            self.client.flush(_LOOK)
            if len(self.client):
                self._check()

    def check_delivered(self, *, fatal_only: bool = False) -> None:
        """Raise a StreamError if a message was not delivered; with `fatal_only`, if no further one can be."""
        if self._failed is not None and (is_fatal(self._failed) or not fatal_only):
            raise fatal_error(self._failed, self._member)

    def purge(self) -> None:
        """Forget what the brokers have not taken."""
        self.client.purge()
        self.client.poll(0)
        self._failed = None

    def close(self) -> None:
        """Release the client; what it holds is not sent."""
        self.client.purge()
        self.client.flush(1.0)

    def _send_dead_letter(self, scored: ScoredMessages, row: int, value: bytes | None) -> None:
        from confluent_kafka import KafkaError, KafkaException

        messages, problem = scored.messages, scored.problems.get(row, "")
        place = f"{messages.topics[row]}/{messages.partitions[row]}/{messages.offsets[row]}"
        headers = {"space2vec.source": place, "space2vec.problem": problem[:_HEADER]}
        assert self._options.dead_letter is not None
        try:
            self._send(self._options.dead_letter, value, place.encode(), -1, list(headers.items()))
        except KafkaException as error:
            if error_of(error).code() != KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            self._refuse(value, place)

    def _refuse(self, value: bytes | None, place: str) -> None:
        self._smallest_refused = min(self._smallest_refused, len(value or b""))
        self._notice(f"{place}: a copy of {len(value or b'')} bytes is more than {self._options.dead_letter} takes")

    def _send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes,
        partition: int,
        headers: list[tuple[str, str | bytes | None]] | None = None,
    ) -> None:
        """Hand one message to the client; wait while its queue is full."""
        while True:
            try:
                self.client.produce(topic, value, key, partition, on_delivery=self._on_delivery, headers=headers or [])
                return
            except BufferError:
                self._check()
                self.client.poll(_LOOK)

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        """Note a message that was not delivered; librdkafka calls this for those alone."""
        from confluent_kafka import KafkaError

        if error is None or error.code() == KafkaError._PURGE_QUEUE or error.code() == KafkaError._PURGE_INFLIGHT:
            return
        if message.topic() == self._options.dead_letter and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            key = message.key()
            self._refuse(message.value(), key.decode() if isinstance(key, bytes) else "")
        else:
            self._failed = error

    def _on_error(self, error: KafkaError) -> None:
        if is_fatal(error):
            self._failed = self._failed or error
        else:
            self._notice(f"Kafka: {error.str()}")

    def _count_partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic; a broker that creates topics creates it."""
        from confluent_kafka import KafkaError, KafkaException

        deadline = time.monotonic() + _REQUEST
        while True:
            try:
                found = retry(lambda: self.client.list_topics(topic, _REQUEST), self._notice, topic, self._check)
            except KafkaException as error:
                raise fatal_error(error_of(error), self._member) from None
            about = found.topics.get(topic)
            if about is not None and about.error is None and about.partitions:
                return len(about.partitions)
            if about is not None and about.error is not None and is_fatal(about.error):
                raise fatal_error(about.error, self._member)
            missing = about is None or about.error is None or about.error.code() in (
                KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError.LEADER_NOT_AVAILABLE,
            )  # fmt: skip
            if not missing or time.monotonic() > deadline:
                raise StreamError(f"there is no topic {topic!r} to write to; create it")
            time.sleep(_LOOK)
