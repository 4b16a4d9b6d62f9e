"""What a stream is to do: topics, group, output and limits, and the settings of the Kafka clients."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from space2vec.errors import ReadError

__all__ = ["Settings", "Start", "StreamOptions", "is_folder", "parse_start", "read_properties"]

#: Settings of a client of Kafka or of a schema registry, by name.
Settings: TypeAlias = Mapping[str, str]
#: Where a partition begins for which nothing is committed: at the oldest message, at a time in milliseconds since 1970,
#: or nowhere, because the group must have committed.
Start: TypeAlias = Literal["earliest", "committed"] | int

#: What the names of topics may contain, by Kafka's rules.
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
#: The prefixes that give a setting to one client alone.
_CLIENTS = ("consumer", "producer", "schema.registry")
#: The settings on which the guarantees rest; users cannot change them.
_FIXED = frozenset(
    {
        "auto.offset.reset",
        "bootstrap.servers",
        "delivery.report.only.error",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "metadata.broker.list",
        "acks",
        "request.required.acks",
        "transactional.id",
    }
)
#: Kilobytes of messages that the consumer fetches ahead, and bytes of one answer of a broker.
_AHEAD, _FETCH = 32768, 16 << 20
#: The largest message that is copied to the topic of dead letters, in bytes.
_LARGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a stream reads, and where it writes.

    Attributes
    ----------
    brokers : str
        The addresses of brokers, HOST:PORT separated by commas.
    output : str
        The topic of the scores; or a folder, if it contains a ``/``, or if there is one of that name.
    topics : tuple of str
        The topics to read. One that begins with ``^`` is a pattern of names: topics that appear later are read too.
    group : str
        The consumer group.
    member : str
        The name of this member of the group, the same after a restart; by default the name of the machine, and a
        number if several run on it.
    schema_registry : str or None
        The URL of a schema registry, or a folder with files ``ID.avsc``; None if messages are whole Avro files.
    start : "earliest", "committed" or int
        Where to begin in a partition for which the group (or the folder) has no position; a number is a time in
        milliseconds since 1970. ``committed`` refuses a group that has committed nothing.
    exactly_once : bool
        Whether scores and positions are written in transactions.
    dead_letter : str or None
        A topic that gets a copy of each message that cannot be read.
    until_eos : bool
        Whether to end when all partitions have been read to their end; with an error, if the brokers or the registry do
        not answer for two minutes.
    batch : int
        The most messages that are scored together.
    max_wait : float
        Seconds that a message waits for others of its batch.
    part_rows, part_seconds : int, float
        A part of a folder is written when it has so many rows, or when its first row is so old.
    settings : mapping of str to str
        Settings of the clients, as librdkafka names them; see ``read_properties``.
    """

    brokers: str
    output: str
    topics: tuple[str, ...]
    group: str
    member: str = ""
    schema_registry: str | None = None
    start: Start = "earliest"
    exactly_once: bool = False
    dead_letter: str | None = None
    until_eos: bool = False
    batch: int = 256
    max_wait: float = 0.1
    part_rows: int = 16384
    part_seconds: float = 60.0
    settings: Settings = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.topics:
            raise ValueError("a stream needs a topic to read")
        if self.batch < 1 or self.part_rows < 1 or self.max_wait < 0 or self.part_seconds <= 0:
            raise ValueError("a batch and a part have at least one row, and times are not negative")
        written = [topic for topic in (None if self.to_folder else self.output, self.dead_letter) if topic is not None]
        for topic in written:
            if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
                raise ValueError(f"{topic!r} is no name of a topic; a folder has a / in its name, such as ./scores")
        for pattern in self.topics:
            self._check_source(pattern, written)
        if len(set(written)) < len(written):
            raise ValueError(f"the scores and the messages that cannot be read need two topics; given {written[0]!r}")
        if self.to_folder and self.exactly_once:
            raise ValueError("a folder holds each score exactly once as it is; --exactly-once is for topics")
        names = {name.removeprefix("consumer.").removeprefix("producer.") for name in self.settings}
        if fixed := sorted(_FIXED & names):
            raise ValueError(f"the settings {', '.join(fixed)} belong to the stream itself; leave them out")
        if "cooperative" in self.settings.get("partition.assignment.strategy", ""):
            raise ValueError("partition.assignment.strategy must be range or roundrobin; given a cooperative one")

    @staticmethod
    def _check_source(topic: str, written: list[str]) -> None:
        """Check that a topic or pattern is valid, and that the stream does not read what it writes."""
        if not topic.startswith("^"):
            if not _TOPIC.fullmatch(topic):
                raise ValueError(f"{topic!r} is no name of a topic; give a pattern of names as --topic-pattern")
            if topic in written:
                raise ValueError(f"the stream would read what it writes: topic {topic!r}")
            return
        try:
            pattern = re.compile(topic)
        except re.error as error:
            raise ValueError(f"the pattern {topic!r} is no regular expression: {error}") from None
        if own := [name for name in written if pattern.match(name)]:
            raise ValueError(f"the stream would read what it writes: the pattern {topic!r} matches {own[0]!r}")

    @property
    def to_folder(self) -> bool:
        """Whether the output is a folder."""
        return is_folder(self.output)

    def consumer_settings(self, member: str) -> dict[str, str | int | bool]:
        """Return the settings of the consumer, for librdkafka.

        Parameters
        ----------
        member : str
            The name of this member of the group.
        """
        return {
            "queued.max.messages.kbytes": _AHEAD,
            "fetch.max.bytes": _FETCH,
            "fetch.queue.backoff.ms": 20,
            "queued.min.messages": max(1000, 4 * self.batch),
            "topic.metadata.refresh.interval.ms": 10_000,
            "partition.assignment.strategy": "roundrobin",
            **self._of_client("consumer"),
            "bootstrap.servers": self.brokers,
            "group.id": self.group,
            "group.instance.id": member,
            "enable.auto.commit": "false",
            "enable.auto.offset.store": "false",
            "enable.partition.eof": "true",
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
        }

    def producer_settings(self, member: str) -> dict[str, str | int | bool]:
        """Return the settings of the producer, for librdkafka; `member` is as for :meth:`consumer_settings`."""
        settings: dict[str, str | int | bool] = {
            "linger.ms": 5,
            "compression.type": "lz4",
            "message.max.bytes": _LARGEST,
            **self._of_client("producer"),
            "bootstrap.servers": self.brokers,
            "enable.idempotence": "true",
            "delivery.report.only.error": True,
        }
        if self.exactly_once:
            settings["transactional.id"] = f"space2vec/{self.group}/{member}"
        else:
            settings.setdefault("message.timeout.ms", 0)  # a stalled broker is waited for; the source is paused
        return settings

    @property
    def registry_settings(self) -> dict[str, str]:
        """The settings of the schema registry, without their prefix."""
        prefix = "schema.registry."
        return {name.removeprefix(prefix): value for name, value in self.settings.items() if name.startswith(prefix)}

    def _of_client(self, client: str) -> dict[str, str]:
        """Return the settings of one client of Kafka: those without a prefix, then those with its own."""
        common = {name: value for name, value in self.settings.items() if not name.startswith(_PREFIXES)}
        own = {name: value for name, value in self.settings.items() if name.startswith(f"{client}.")}
        return common | {name.removeprefix(f"{client}."): value for name, value in own.items()}


_PREFIXES = tuple(f"{client}." for client in _CLIENTS)


def is_folder(output: str) -> bool:
    """Return whether an output is a folder: its name contains a ``/``, or there is a folder of that name."""
    return os.sep in output or Path(output).is_dir()


def read_properties(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the settings of clients from a file of lines ``name=value``, as Kafka's own tools have them.

    Lines that begin with ``#`` or ``!`` are comments. A name with the prefix ``consumer.``, ``producer.`` or
    ``schema.registry.`` is for that client alone. A line without ``=`` raises a ReadError, which does not quote the
    line, because it may hold a password.
    """
    settings = {}
    for number, line in enumerate(Path(path).read_text("utf-8-sig").splitlines(), 1):
        words = line.strip()
        if not words or words[0] in "#!":
            continue
        name, equals, value = words.partition("=")
        if not equals or not name.strip():
            raise ReadError(f"{path}, line {number}: not name=value")
        settings[name.strip()] = value.strip()
    return settings


def parse_start(text: str) -> Start:
    """Parse ``earliest``, ``committed`` or a date (ISO 8601, UTC unless it says otherwise).

    Raises
    ------
    ValueError
        If it is none of these.
    """
    if text == "earliest":
        return "earliest"
    if text == "committed":
        return "committed"
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is none of earliest, committed and a date such as 2026-11-30T22:00") from None
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
