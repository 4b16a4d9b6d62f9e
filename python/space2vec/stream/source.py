"""Read messages from the partitions of topics that a consumer group assigns to this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from space2vec.errors import StreamError
from space2vec.stream.clients import error_of, fatal_error, is_fatal, is_passing, quiet_logger, retry
from space2vec.stream.messages import Messages, Offsets, Partition
from space2vec.stream.options import StreamOptions

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

__all__ = ["Source"]

_Answer = TypeVar("_Answer")

#: The most bytes of the messages of a batch; one message may be larger.
_BATCH_BYTES = 32 << 20
#: The size in bytes that a message is expected to have before one has been seen.
_EXPECTED = 1 << 20
#: Seconds of a request to the brokers, and seconds for which an idle stream waits before it does anything else.
_REQUEST, _IDLE = 10.0, 0.2
#: Seconds without partitions after which a member that ends with the topics ends.
_WITHOUT_WORK = 10.0


class Source:
    """Read batches of messages, and keep this process a member of the group while the rest of the stream works.

    What is in work when the group takes partitions away is finished and committed first (`drain`). All partitions
    change together, so a number, the `epoch`, tells messages that are still of this process from those that are not.

    Parameters
    ----------
    options : StreamOptions
        What to read.
    member : str
        The name of this member of the group.
    notice : callable
        Takes what the user should know, as text.

    Attributes
    ----------
    consumer : confluent_kafka.Consumer
        The client.
    epoch : int
        How often the partitions have changed.
    assigned : set of Partition
        The partitions of this process.
    starts : Offsets
        Where each of them began.
    drain : callable
        Finishes what is in work; it is called before partitions are given back.
    drop : callable
        Drops what is in work, because the group has given its partitions to others.
    check_brokers : callable
        Raises an error if the brokers have not answered for too long; it is called while a request is repeated.
    kept : callable
        Returns the positions that an output holds itself, for some partitions.
    """

    def __init__(self, options: StreamOptions, member: str, notice: Callable[[str], None]) -> None:
        from confluent_kafka import Consumer, KafkaException

        self._options, self._member, self._notice = options, member, notice
        self.epoch = 0
        self.assigned: set[Partition] = set()
        self.starts: Offsets = {}
        self.drain: Callable[[], None] = _nothing
        self.drop: Callable[[], None] = _nothing
        self.check_brokers: Callable[[], None] = _nothing
        self.kept: Callable[[Sequence[Partition]], Offsets] = lambda _: {}
        self._membership: object = None
        self._positions: Offsets = {}
        self._at_end: set[Partition] = set()
        self._held: list[Message] = []
        self._largest = _EXPECTED
        self._paused = False
        self._joined = False
        self._last_work = time.monotonic()
        self._failure: KafkaError | None = None
        try:
            self.consumer: Consumer = Consumer(
                {**options.consumer_settings(member), "error_cb": self._on_error}, logger=quiet_logger()
            )
        except KafkaException as error:
            raise StreamError(f"the consumer cannot start: {error_of(error).str()}") from None

    def subscribe(self) -> None:
        """Join the group."""
        self.consumer.subscribe(
            list(self._options.topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def read(self) -> Messages | None:
        """Return the next messages, in order of arrival; None if there are none within a fraction of a second.

        A batch ends when it is full, when its messages take much memory, or when its first message has waited long
        enough.

        Raises
        ------
        StreamError
            If the client cannot continue.
        """
        self._resume()
        held = self._take() or self._receive(1, _IDLE)
        room = _BATCH_BYTES - sum(map(len, held))
        deadline = time.monotonic() + self._options.max_wait
        while held and len(held) < self._options.batch and room > 0 and (left := deadline - time.monotonic()) > 0:
            epoch = self.epoch
            most = min(self._options.batch - len(held), max(1, room // self._largest))
            received = self._receive(most, left)
            if self.epoch != epoch:
                # Messages from before the change are read again by whoever has their partitions now.
                held, room = [], _BATCH_BYTES
            held += received
            room -= sum(map(len, received))
        if not held:
            return None
        self._last_work = time.monotonic()
        return self._as_messages(held)

    def hold(self, seconds: float) -> None:
        """Stay in the group for some seconds without messages, while the rest of the stream cannot take any."""
        self._pause()
        received = self._receive(1, seconds)  # may empty what is held, where partitions change
        self._held.extend(received)

    def at_end(self) -> bool:
        """Return whether all partitions have been read to the end that they had when it was reached."""
        if not self._joined or self._held:
            return False
        if self.assigned:
            return self.assigned <= self._at_end
        return time.monotonic() - self._last_work > _WITHOUT_WORK

    def ends(self) -> Offsets:
        """Return the end of each partition of this process, as the broker said last; unknown ones are left out."""
        from confluent_kafka import KafkaException, TopicPartition

        ends: Offsets = {}
        for place in self.assigned:
            try:
                _, end = self.consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
            except KafkaException:
                continue
            if end >= 0:
                ends[place] = end
        return ends

    def brokers_answer(self) -> bool:
        """Ask the brokers for their topics, and return whether one of them answers within seconds.

        Raises
        ------
        StreamError
            If the client cannot continue.
        """
        from confluent_kafka import KafkaException

        try:
            self.consumer.list_topics(timeout=_REQUEST)
        except KafkaException as error:
            if not is_passing(error_of(error)):
                raise fatal_error(error_of(error), self._member) from None
            return False
        return True

    def commit(self, positions: Offsets, check: Callable[[], None]) -> None:
        """Commit positions of the group, and wait until the broker has them.

        Those of partitions that the group has given to others are not committed: the others begin at the last commit.
        Only the thread that reads may call this: no call of the client is answered while another reads or partitions
        change.

        Parameters
        ----------
        positions : Offsets
            The positions.
        check : callable
            Is called between attempts, and raises an exception if there shall be none.

        Raises
        ------
        StreamError
            If the broker refuses.
        """
        from confluent_kafka import KafkaError, KafkaException

        def call() -> None:
            for part in self.consumer.commit(offsets=self._as_partitions(positions, positions), asynchronous=False):
                if part.error is not None:
                    raise KafkaException(part.error)

        lost = (KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError._ASSIGNMENT_LOST)
        try:
            retry(call, self._notice, "committing", check)
        except KafkaException as error:
            inner = error_of(error)
            if inner.code() == KafkaError._FATAL:
                # The reason comes later, by another call. Only the fence of its name is fatal to a member.
                inner = self._failure or KafkaError(KafkaError.FENCED_INSTANCE_ID, inner.str())
            if inner.code() not in lost:
                raise fatal_error(inner, self._member) from None
            self._notice("a commit was refused: the group has given the partitions to others, who repeat a batch")

    def close(self) -> None:
        """Leave the group, after the messages in progress are finished."""
        self.consumer.close()

    def check(self) -> None:
        """Raise a StreamError if the client cannot continue."""
        if self._failure is not None:
            raise fatal_error(self._failure, self._member)

    def _take(self) -> list[Message]:
        """Return the messages that arrived while the partitions were being paused."""
        held, self._held = self._held[: self._options.batch], self._held[self._options.batch :]
        return held

    def _receive(self, most: int, seconds: float) -> list[Message]:
        """Return messages that are new, after events (ends of partitions, errors, changes of partitions)."""
        received = self.consumer.consume(most, seconds)
        self.check()
        messages = []
        largest = 0
        for message in received:
            error = message.error()
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if error is not None:
                self._on_event(error, topic, partition)
                continue
            place = (str(topic), int(partition or 0))
            # Messages fetched before a change of partitions may come once more after it.
            if place not in self.assigned or int(offset or 0) < self._positions.get(place, 0):
                continue
            self._positions[place] = int(offset or 0) + 1
            self._at_end.discard(place)
            largest = max(largest, len(message))
            messages.append(message)
        if messages:
            self._largest = max(largest, self._largest // 2, 1)
        return messages

    def _as_messages(self, held: Sequence[Message]) -> Messages:
        return Messages(
            [message.value() for message in held],
            [str(message.topic()) for message in held],
            [int(message.partition() or 0) for message in held],
            [int(message.offset() or 0) for message in held],
            [message.timestamp()[1] for message in held],
            self.epoch,
            self._membership,
        )

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.consumer.pause(self._as_partitions(self.assigned))

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self.consumer.resume(self._as_partitions(self.assigned))

    def _on_event(self, error: KafkaError, topic: str | None, partition: int | None) -> None:
        from confluent_kafka import KafkaError

        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            self._at_end.add((str(topic), int(partition or 0)))
        elif code == KafkaError._AUTO_OFFSET_RESET:
            self._begin_again(error, (str(topic), int(partition or 0)))
        elif code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            if self._options.until_eos and not self.assigned:
                raise StreamError(f"there is no topic {topic!r}")
            self._notice(f"there is no topic {topic!r} yet; waiting for it")
        else:
            self._on_error(error)
            self.check()

    def _begin_again(self, error: KafkaError, partition: Partition) -> None:
        """Continue with the oldest message of a partition, whose next ones the broker does not hold any more."""
        from confluent_kafka import OFFSET_BEGINNING, TopicPartition

        self._notice(
            f"{partition[0]}/{partition[1]}: messages from offset {self._positions.get(partition, 'unknown')} on were "
            f"removed before they were read ({error.str()}); continuing with the oldest that is left"
        )
        self._positions.pop(partition, None)
        self.consumer.seek(TopicPartition(*partition, OFFSET_BEGINNING))

    def _on_error(self, error: KafkaError) -> None:
        """Note an error of the client, which is fatal or passes; librdkafka calls this from within other calls."""
        if is_fatal(error):
            self._failure = error
        else:
            self._notice(f"Kafka: {error.str()}")

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._joined = True
        self.epoch += 1
        # Asked for later, from the thread of the sink, it blocks for many seconds in a stream without new messages.
        self._membership = consumer.consumer_group_metadata()
        starts = self._starts([(part.topic, part.partition) for part in partitions]) if partitions else {}
        self.assigned, self.starts = set(starts), {place: max(0, offset) for place, offset in starts.items()}
        self._at_end.clear()
        self._positions = {place: offset for place, offset in starts.items() if offset >= 0}
        self._last_work = time.monotonic()
        consumer.assign(self._as_partitions(starts, starts))
        if self._paused:
            consumer.pause(self._as_partitions(starts))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.drain()
        self._forget(consumer)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._notice("the group has given the partitions of this process to others; what was in work is theirs")
        self.drop()
        self._forget(consumer)

    def _forget(self, consumer: Consumer) -> None:
        self.epoch += 1
        self.assigned, self._positions, self._held = set(), {}, []
        self._at_end.clear()
        consumer.unassign()

    def _starts(self, partitions: Sequence[Partition]) -> Offsets:
        """Return where to begin in each partition: what the output holds, the committed offset, or as the user says."""
        from confluent_kafka import OFFSET_BEGINNING

        starts = {place: offset for place, offset in self.kept(partitions).items() if place in partitions}
        left = [place for place in partitions if place not in starts]
        for part in self._ask(lambda: self.consumer.committed(self._as_partitions(left), _REQUEST)) if left else ():
            if part.error is not None:
                raise StreamError(f"{part.topic}/{part.partition}: {part.error.str()}")
            if part.offset >= 0:
                starts[part.topic, part.partition] = part.offset
        if self._options.start == "committed" and not starts and self.epoch == 1:
            raise StreamError(f"the group {self._options.group!r} has committed nothing; --from earliest begins")
        new = [place for place in partitions if place not in starts]
        if isinstance(self._options.start, int) and new:
            return starts | self._offsets_at(self._options.start, new)
        return starts | dict.fromkeys(new, OFFSET_BEGINNING)

    def _offsets_at(self, when: int, partitions: Sequence[Partition]) -> Offsets:
        """Return the offset of the first message at a time or later, for each partition."""
        from confluent_kafka import TopicPartition

        wanted = [TopicPartition(topic, number, when) for topic, number in partitions]
        found = {}
        for part in self._ask(lambda: self.consumer.offsets_for_times(wanted, _REQUEST)):
            offset = part.offset
            if offset < 0:  # all messages are older; the next one counts
                place = TopicPartition(part.topic, part.partition)
                _, offset = self._ask(partial(self.consumer.get_watermark_offsets, place, _REQUEST))
            found[part.topic, part.partition] = offset
        return found

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        """Repeat a request until the broker answers."""
        from confluent_kafka import KafkaException

        def check() -> None:
            self.check()
            self.check_brokers()

        try:
            return retry(call, self._notice, "asking for offsets", check)
        except KafkaException as error:
            raise fatal_error(error_of(error), self._member) from None

    @staticmethod
    def _as_partitions(places: Iterable[Partition], offsets: Offsets | None = None) -> list[TopicPartition]:
        from confluent_kafka import OFFSET_INVALID, TopicPartition

        return [TopicPartition(*place, (offsets or {}).get(place, OFFSET_INVALID)) for place in places]


def _nothing() -> None:
    """Do nothing."""
