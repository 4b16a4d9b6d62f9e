"""Write scores to a topic, alone or in one transaction with the positions of the group."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from space2vec.stream.clients import error_of, fatal_error, is_fatal, retry
from space2vec.stream.events import Events
from space2vec.stream.messages import ScoredMessages, Stored
from space2vec.stream.producer import RecordProducer
from space2vec.stream.records import RecordEncoder
from space2vec.stream.schema_registry import RegistryDownError

__all__ = ["AbandonedError", "Sink", "TopicSink", "TransactionSink"]

#: Seconds before something is repeated, such as a transaction, at first and at most, and of one request.
_FIRST, _LAST, _REQUEST = 0.2, 5.0, 10.0


class AbandonedError(Exception):
    """Raised when a sink abandons its work, because other processes have its partitions or the stream ends."""


class Sink(Protocol):
    """The output of a stream: it stores scores, and is used by one thread."""

    def begin(self) -> None:
        """Prepare for the first batch, before the first positions are requested."""

    def write(self, scored: ScoredMessages) -> Stored | None:
        """Accept the scores of a batch, and return the positions that are stored by now."""

    def tick(self) -> Stored | None:
        """Store the scores that have waited long enough, and return their positions; called about once a second."""

    def finish(self) -> Stored | None:
        """Store all accepted scores, and return the positions that were not stored before."""

    def drop(self) -> None:
        """Discard the scores that have not been stored."""

    def close(self) -> None:
        """Release the client."""


class TopicSink:
    """Produce scores, and wait until the brokers have them; only then their positions are committed.

    Nothing is lost: if the process dies before the commit, the batch is scored once more.

    Parameters
    ----------
    producer : RecordProducer
        Hands the records to the brokers.
    make_encoder : callable
        Makes the encoder of the scores; a RegistryDownError is a reason to try again.
    member : str
        The name of this member of the group.
    events : Events
        What the stream says.
    check : callable
        Raises an AbandonedError if the work is to be given up.

    Raises
    ------
    StreamError
        From every method, if the brokers refuse.
    """

    def __init__(
        self,
        producer: RecordProducer,
        make_encoder: Callable[[], RecordEncoder],
        member: str,
        events: Events,
        check: Callable[[], None],
    ) -> None:
        self._producer, self._make_encoder, self._member = producer, make_encoder, member
        self._events, self._check = events, check

    def begin(self) -> None:
        """Check that the output topics exist, and register the schema of the scores."""
        self._producer.find_topics()
        pause = _FIRST
        while True:
            try:
                self._encoder = self._make_encoder()
                return
            except RegistryDownError as error:
                self._events.notice(f"{error}; trying again")
            self._check()
            time.sleep(pause)
            pause = min(2 * pause, _LAST)

    def write(self, scored: ScoredMessages) -> Stored | None:
        """Produce the scores of a batch, and wait until the brokers have them."""
        self._produce(scored)
        self._producer.check_delivered()
        return _stored(scored)

    def tick(self) -> Stored | None:
        """Serve the client while there is nothing to write."""
        self._producer.client.poll(0)
        return None

    def finish(self) -> Stored | None:
        """Do nothing, because each batch is stored when it is written."""
        return None

    def drop(self) -> None:
        """Discard the scores that the brokers have not received."""
        self._producer.purge()

    def close(self) -> None:
        """Release the client; scores that are still in it are not sent."""
        self._producer.close()

    def _produce(self, scored: ScoredMessages) -> None:
        """Send a batch to the brokers, and wait until they have it."""
        self._producer.send_scores(scored, self._encoder)
        self._producer.send_dead_letters(scored)
        self._events.passed("produced")
        self._producer.flush()
        self._events.passed("flushed")


class TransactionSink(TopicSink):
    """Produce scores and positions in one transaction: each message has exactly one record, for ``read_committed``.

    Parameters and errors are those of :class:`TopicSink`. A process that takes over the name of another fences it:
    the other's next call fails, and nothing of its last transaction is seen.
    """

    def begin(self) -> None:
        """Take over the name of this member before positions are requested; abort a transaction left open."""
        super().begin()
        self._call(lambda: self._producer.client.init_transactions(_REQUEST), "starting transactions")

    def write(self, scored: ScoredMessages) -> Stored | None:
        """Produce the scores of a batch and commit them with the positions after it."""
        from confluent_kafka import KafkaException

        pause = _FIRST
        while True:
            try:
                self._transact(scored)
                return _stored(scored, committed=True)
            except KafkaException as error:
                inner = error_of(error)
                if is_fatal(inner) or not inner.txn_requires_abort():
                    raise fatal_error(inner, self._member) from None
                self._events.notice(f"a transaction was aborted ({inner.str()}); trying again")
            except AbandonedError:
                self._abort()
                raise
            self._abort()
            self._check()
            time.sleep(pause)
            pause = min(2 * pause, _LAST)

    def _transact(self, scored: ScoredMessages) -> None:
        from confluent_kafka import TopicPartition

        client = self._producer.client
        client.begin_transaction()
        self._produce(scored)
        # After a message that was not delivered the calls of the transaction fail, and it is repeated.
        self._producer.check_delivered(fatal_only=True)
        offsets = [TopicPartition(*place, offset) for place, offset in scored.messages.positions().items()]
        self._call(
            lambda: client.send_offsets_to_transaction(offsets, scored.messages.membership, _REQUEST),
            "sending positions",
        )
        self._events.passed("offsets sent")
        self._call(lambda: client.commit_transaction(_REQUEST), "committing a transaction")
        self._events.passed("committed")

    def _abort(self) -> None:
        self._call(lambda: self._producer.client.abort_transaction(_REQUEST), "aborting a transaction")
        self._producer.purge()

    def _call(self, call: Callable[[], None], what: str) -> None:
        """Call a step of a transaction until it succeeds; an error after which nothing can succeed ends the stream."""
        from confluent_kafka import KafkaException

        try:
            retry(call, self._events.notice, what, self._check)
        except KafkaException as error:
            if error_of(error).txn_requires_abort() and not is_fatal(error_of(error)):
                raise
            raise fatal_error(error_of(error), self._member) from None

    def drop(self) -> None:
        """Do nothing: the transaction has been aborted."""


def _stored(scored: ScoredMessages, *, committed: bool = False) -> Stored:
    messages = scored.messages
    return Stored(messages.positions(), len(messages), max(messages.times), committed)
