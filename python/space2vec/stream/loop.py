"""The loop of a stream: read messages, score them, and pass the scores to the thread that stores them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from space2vec.data.tables import Scores
from space2vec.errors import StreamError
from space2vec.errors.packages import need
from space2vec.reading.message_reader import MessageReader
from space2vec.stream.clients import Notices
from space2vec.stream.events import POINTS, Counts, Events, Watch
from space2vec.stream.folder import FolderSink
from space2vec.stream.member import MemberName
from space2vec.stream.messages import Messages, Offsets, ScoredMessages
from space2vec.stream.options import StreamOptions
from space2vec.stream.producer import RecordProducer
from space2vec.stream.records import SCHEMA, RecordEncoder
from space2vec.stream.schema_registry import RegistryDownError, UrlRegistry, open_registry
from space2vec.stream.sink import Sink, TopicSink, TransactionSink
from space2vec.stream.source import Source
from space2vec.stream.worker import SinkThread

if TYPE_CHECKING:
    from space2vec.reading.batch import Problem
    from space2vec.reading.concatenated_rows import ScoringModel

__all__ = ["POINTS", "run"]

#: Seconds for which the end of a stream waits for the output, and a change of partitions.
_PATIENCE, _HANDOVER = 30.0, 120.0
#: Seconds between attempts to reach a registry, at first and at most.
_FIRST, _LAST = 0.1, 10.0
#: Seconds between looks at the lag, and those that a batch waits for the sink before the source is paused.
_LOOK, _WAIT = 1.0, 0.5
#: Seconds of one batch in the output after which the user is told, and after which a transaction is given up.
_STALLED, _GIVEN_UP = 30.0, 300.0
#: Seconds that a batch waits for the output before the source is paused: a pause discards what was fetched ahead.
_HOLD = 10.0
#: Seconds without an answer of the brokers, or of the schema registry, after which a stream that has an end gives up.
_ABSENT = 120.0
#: The fault of a message whose first alert is read.
_SURPLUS = "surplus"


def run(
    options: StreamOptions,
    model: ScoringModel,
    *,
    stop: threading.Event | None = None,
    watch: Watch | None = None,
    report: Callable[[Counts], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Counts:
    """Score the messages of topics until `stop` is set, or with ``until_eos`` until all have been read.

    There is exactly one row of output for each message, whatever the message holds. What each kind of output
    guarantees if the process is killed is in docs/cluster.md.

    Parameters
    ----------
    options : StreamOptions
        What to read, and where to write.
    model : Forest or Network
        The model.
    stop : threading.Event, optional
        Ends the stream when it is set, after what is in work is stored.
    watch : callable, optional
        Is called with the name of each of the ``POINTS`` that a batch passes, and how many batches passed it
        before; for tests of what a crash leaves.
    report : callable, optional
        Is called with the counts about once a second and at the end.
    notice : callable, optional
        Takes what the user should know, as text.

    Returns
    -------
    Counts
        What was done.

    Raises
    ------
    ImportError
        If confluent-kafka is not installed.
    StreamError
        If the stream cannot start or continue: a topic that does not exist, a broker that refuses, another process of
        the same member; with ``until_eos``, brokers or a registry that do not answer for two minutes.
    """
    need("confluent_kafka", "a stream needs confluent-kafka")
    stop = stop or threading.Event()
    events = Events(Notices(notice or _ignore), watch)
    with ExitStack() as stack:
        member = stack.enter_context(MemberName(options.group, options.member)).name
        stream = _Stream(options, model, member, events, stop)
        try:
            stream.run(report or _ignore)
        finally:
            stream.close()
    return events.counts


class _Stream:
    """The parts of a running stream."""

    def __init__(
        self, options: StreamOptions, model: ScoringModel, member: str, events: Events, stop: threading.Event
    ) -> None:
        self._options, self._events, self._stop = options, events, stop
        place = options.schema_registry
        self._registry = None if place is None else open_registry(place, options.registry_settings)
        self._reader = MessageReader(self._registry, model=model)
        self._source = source = Source(options, member, events.notice)

        def open_sink(check: Callable[[], None]) -> Sink:
            letters = None
            if not options.to_folder or options.dead_letter is not None:
                letters = RecordProducer(options, member, events.notice, check)
            if options.to_folder:
                sink = FolderSink(options, events, check, letters)
                source.kept = sink.kept
                return sink
            assert letters is not None
            kind = TransactionSink if options.exactly_once else TopicSink
            return kind(letters, self._make_encoder, member, events, check)

        #: When the brokers were last known to answer, and when the stream started.
        self._answered = self._started = time.monotonic()
        self._sink = SinkThread(open_sink)
        source.drain, source.drop, source.check_brokers = self._hand_over, self._drop, self._check_brokers
        interval = float(options.settings.get("max.poll.interval.ms", "300000")) / 1000
        #: Seconds within which the group expects that partitions are given back.
        self._patience = min(_HANDOVER, 0.5 * interval)

    def run(self, report: Callable[[Counts], None]) -> None:
        """Read, score and store until the end."""
        while not self._sink.ready(_WAIT):
            if self._stop.is_set():
                return
            self._check_brokers()
        self._source.subscribe()
        looked = 0.0
        while not self._stop.is_set():
            self._commit()
            self._check_sink()
            self._check_brokers()
            messages = self._source.read()
            if messages is not None:
                self._answered = time.monotonic()
                self._events.passed("read")
                self._store(messages)
            elif self._options.until_eos and self._source.at_end():
                break
            if time.monotonic() - looked >= _LOOK:
                looked = time.monotonic()
                self._report(report)
        done = self._sink.drain(_PATIENCE)
        self._commit()
        if not done:
            raise StreamError(
                f"the output has not taken what was in work within {_PATIENCE:.0f} s; whoever continues reads it again"
            )
        self._report(report)

    def close(self) -> None:
        """Leave the group; messages whose scores are not stored are read again by the process that continues."""
        self._source.drain = self._source.drop = self._source.check_brokers = _nothing
        try:
            self._sink.close()
        finally:
            self._source.close()

    def _report(self, report: Callable[[Counts], None]) -> None:
        self._events.lagging(self._source.ends(), self._source.starts)
        report(self._events.counts)

    def _check_sink(self) -> None:
        """Raise the error that the sink ended with, or one for a transaction that does not end."""
        self._sink.check()
        busy = self._sink.busy_seconds()
        if busy > _STALLED:
            self._events.notice(f"the output has not taken a batch for more than {_STALLED:.0f} s; waiting")
        if self._options.exactly_once and busy > _GIVEN_UP:
            # A client may wait for ever for a coordinator that was restarted; another process can continue.
            raise StreamError(
                f"a transaction has not ended within {_GIVEN_UP:.0f} s; nothing is lost: start the stream again"
            )

    def _check_brokers(self) -> None:
        """Raise an error if the stream has an end, and the brokers have not answered for long."""
        if not self._options.until_eos or time.monotonic() - self._answered < _ABSENT:
            return
        if not self._source.brokers_answer():
            raise StreamError(
                f"no broker of {self._options.brokers} has answered for {_ABSENT:.0f} s; nothing is lost: "
                "the same command continues"
            )
        self._answered = time.monotonic()

    def _check_registry(self, since: float, error: RegistryDownError) -> None:
        """Raise an error if the stream has an end, and the schema registry has not answered for long."""
        if self._options.until_eos and time.monotonic() - since > _ABSENT:
            raise StreamError(f"{error}, for {_ABSENT:.0f} s; nothing is lost: the same command continues")

    def _commit(self) -> None:
        """Commit the positions of stored scores, unless they were stored together."""
        stored = self._sink.take_stored()
        positions: Offsets = {}
        for one in stored:
            positions |= {} if one.committed else one.positions
        if positions:
            deadline = time.monotonic() + _PATIENCE

            def check() -> None:
                if self._stop.is_set() and time.monotonic() > deadline:
                    raise StreamError("the group has not taken the positions; whoever continues reads a batch again")
                self._check_brokers()

            self._events.passed("offsets sent")
            self._source.commit(positions, check)
            self._events.passed("committed")
        for one in stored:
            self._events.stored(one)

    def _drop(self) -> None:
        """Give up what is in work; what is stored by now is not committed, for others may be further by now."""
        self._sink.drop()
        for one in self._sink.take_stored():
            self._events.stored(one)

    def _hand_over(self) -> None:
        """Store and commit the scores in progress, because the group takes the partitions away."""
        done = self._sink.drain(self._patience)
        self._commit()
        if not done:
            self._events.notice("the output did not take what was in work before the partitions had to be given back")
            self._drop()

    def _make_encoder(self) -> RecordEncoder:
        """Return the encoder of the records, whose schema a registry of the messages takes too."""
        if not isinstance(self._registry, UrlRegistry):
            return RecordEncoder()
        try:
            return RecordEncoder(self._registry.register(f"{self._options.output}-value", SCHEMA))
        except RegistryDownError as error:
            self._check_registry(self._started, error)
            raise

    def _store(self, messages: Messages) -> None:
        """Score messages and pass them to the sink, while this process remains a member of the group."""
        scored = self._score(messages)
        if scored is None:
            return
        self._events.scored(scored)
        self._events.passed("scored")
        deadline = None
        begun = time.monotonic()
        while not self._sink.submit(scored, _WAIT):
            self._check_sink()
            self._check_brokers()
            if time.monotonic() - begun > min(_HOLD, 0.1 * self._patience):
                self._source.hold(_WAIT)
            self._commit()
            if scored.messages.epoch != self._source.epoch:
                return  # its partitions have changed, and it is read again
            if self._stop.is_set():
                deadline = deadline or time.monotonic() + _PATIENCE
                if time.monotonic() > deadline:
                    return

    def _score(self, messages: Messages) -> ScoredMessages | None:
        """Return the scores of messages; None if they must not be stored any more."""
        problems: list[Problem] = []
        pause, begun = _FIRST, time.monotonic()
        while True:
            try:
                rows = self._reader.read(messages.values, problems)
                break
            except RegistryDownError as error:
                self._check_registry(begun, error)
                self._events.notice(f"{error}; trying again")
            self._source.hold(pause)
            pause = min(2 * pause, _LAST)
            if self._stop.is_set() or messages.epoch != self._source.epoch:
                return None
        assert isinstance(rows, Scores)
        words = {problem.row: _describe(problem) for problem in reversed(problems)}
        unread = sorted({problem.row for problem in problems if problem.of_file and problem.reason != _SURPLUS})
        rows.object_id[unread] = None  # the reader names such rows by their number in the batch
        if self._options.dead_letter is None:
            messages = replace(messages, values=())
        return ScoredMessages(messages, rows, words, unread)


def _describe(problem: Problem) -> str:
    """Return the name of the fault of a message, and a sentence that describes it."""
    # The reader of files advises an option that a stream does not have.
    return f"{problem.reason}: {problem.message.partition('; give its file as')[0]}"


def _ignore(_: object) -> None:
    """Do nothing."""


def _nothing() -> None:
    """Do nothing."""
