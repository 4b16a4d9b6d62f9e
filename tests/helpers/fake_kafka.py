"""A stand-in for the Kafka clients: topics in memory, and a record of every call, in order, of both clients."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from types import SimpleNamespace

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, TopicPartition

__all__ = ["FakeKafka", "Message", "failure"]


def failure(code, text="", **kinds):
    """Return the exception of a client; `kinds` are fatal, retriable and txn_requires_abort."""
    return KafkaException(KafkaError(code, text or f"error {code}", **kinds))


class Message:
    """A message, or an event, as a consumer returns it."""

    def __init__(self, topic, partition, offset=-1, value=None, error=None, when=1_000, key=None):
        self._held = {
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "value": value,
            "error": error,
            "key": key,
        }
        self._when = when

    def __getattr__(self, name):
        held = self.__dict__["_held"][name]
        return lambda: held

    def timestamp(self):
        return 1, self._when

    def __len__(self):
        return len(self._held["value"] or b"")


class FakeKafka:
    """Brokers and both clients.

    Attributes
    ----------
    topics : dict of (topic, partition) to list of bytes
        The messages to read.
    committed : dict of (topic, partition) to int
        The group's positions.
    written : dict of topic to list of (key, value, partition)
        What has been delivered, and committed if there are transactions.
    commits : list of (dict, set)
        The positions after each commit, and the keys of the records that were in the topic "scores" by then.
    calls : list of str
        The calls of both clients.
    failures : dict of str to list
        The exceptions that the next calls of a name raise; None for a call that succeeds.
    events : list of callable
        What a new consumer meets, one each time it is asked for messages: takes the consumer, returns messages.
    refused : dict of str to callable
        For a topic: takes a value and returns the code of the error with which it is refused, or 0.
    stalled : bool
        Whether the brokers take no messages.
    """

    def __init__(self, monkeypatch, topics):
        self.topics = topics
        self.committed = {}
        self.written = defaultdict(list)
        self.calls = []
        self.failures = defaultdict(list)
        self.stalled = False
        self.commits = []
        self.refused = {}
        self.events = []
        self.consumers, self.producers = [], []
        monkeypatch.setattr(confluent_kafka, "Consumer", self._open(Consumer, self.consumers))
        monkeypatch.setattr(confluent_kafka, "Producer", self._open(Producer, self.producers))

    def _open(self, kind, opened):
        def open_client(settings, logger=None):
            opened.append(kind(self, settings))
            return opened[-1]

        return open_client

    def call(self, name):
        """Note a call, and fail if that is planned."""
        if self.calls[-1:] != [name]:
            self.calls.append(name)
        planned = self.failures[name]
        error = planned.pop(0) if planned else None
        if error is not None:
            raise error


class Consumer:
    def __init__(self, kafka, settings):
        self.kafka, self.settings = kafka, settings
        self.next = {}
        self.paused = set()
        self.joined = False
        self.at_end = set()
        self.events = list(kafka.events)

    def subscribe(self, topics, on_assign, on_revoke, on_lost):
        self.wanted, self.on_assign, self.on_revoke, self.on_lost = topics, on_assign, on_revoke, on_lost
        self.kafka.call("subscribe")

    def _matching(self):
        return [
            TopicPartition(*place)
            for place in self.kafka.topics
            if any(re.match(one, place[0]) if one.startswith("^") else one == place[0] for one in self.wanted)
        ]

    def consume(self, most, seconds):
        self.kafka.call("consume")
        if not self.joined:
            self.joined = True
            self.on_assign(self, self._matching())
        if self.events:
            event = self.events.pop(0)
            return event(self) or []
        received = []
        for place, offset in list(self.next.items()):
            held = self.kafka.topics[place]
            while place not in self.paused and offset < len(held) and len(received) < most:
                received.append(Message(*place, offset, held[offset]))
                offset += 1
            self.next[place] = offset
            if offset == len(held) and place not in self.at_end and len(received) < most:
                self.at_end.add(place)
                received.append(Message(*place, offset, error=KafkaError(KafkaError._PARTITION_EOF)))
        if not received:
            time.sleep(min(seconds, 0.02))
        return received

    def assign(self, partitions):
        self.next = {(part.topic, part.partition): max(0, part.offset) for part in partitions}
        self.at_end = set()
        self.paused = set()

    def unassign(self):
        self.kafka.call("unassign")
        self.next = {}

    def pause(self, partitions):
        self.kafka.call("pause")
        self.paused |= {(part.topic, part.partition) for part in partitions}

    def resume(self, partitions):
        self.kafka.call("resume")
        self.paused -= {(part.topic, part.partition) for part in partitions}

    def seek(self, part):
        self.next[part.topic, part.partition] = max(0, part.offset)

    def committed(self, partitions, timeout):
        self.kafka.call("committed")
        return [
            TopicPartition(part.topic, part.partition, self.kafka.committed.get((part.topic, part.partition), -1001))
            for part in partitions
        ]

    def commit(self, offsets, asynchronous):
        assert not asynchronous
        self.kafka.call("commit")
        self.kafka.committed.update({(part.topic, part.partition): part.offset for part in offsets})
        self.kafka.commits.append((dict(self.kafka.committed), {key for key, *_ in self.kafka.written["scores"]}))
        return offsets

    def offsets_for_times(self, partitions, timeout):
        assert all(part.offset > 1_000_000_000_000 for part in partitions)  # milliseconds
        return [TopicPartition(part.topic, part.partition, 2 if part.partition == 0 else -1) for part in partitions]

    def get_watermark_offsets(self, part, timeout=-1, cached=False):
        return 0, len(self.kafka.topics[part.topic, part.partition])

    def list_topics(self, timeout):
        self.kafka.call("ask brokers")
        return SimpleNamespace(topics={})

    def consumer_group_metadata(self):
        return "group"

    def close(self):
        self.kafka.call("close")
        if self.joined:
            self.on_revoke(self, self._matching())


class Producer:
    def __init__(self, kafka, settings):
        self.kafka, self.settings = kafka, settings
        self.queue = []
        self.open = None
        self.positions = {}

    def list_topics(self, topic, timeout):
        self.kafka.call("list_topics")
        about = SimpleNamespace(error=None, partitions=dict.fromkeys(range(2)))
        return SimpleNamespace(topics={topic: about})

    def produce(self, topic, value, key, partition, on_delivery, headers):
        self.kafka.call("produce")
        self.queue.append((topic, value, key, partition, on_delivery, headers))

    def __len__(self):
        return len(self.queue)

    def flush(self, timeout):
        self.kafka.call("flush")
        if self.kafka.stalled:
            time.sleep(min(timeout, 0.02))
            return len(self.queue)
        queue, self.queue = self.queue, []
        for topic, value, key, partition, on_delivery, headers in queue:
            code = self.kafka.refused.get(topic)
            if code is not None and code(value):
                on_delivery(KafkaError(code(value)), Message(topic, partition, value=value, key=key))
            elif self.open is None:
                self.kafka.written[topic].append((key, value, partition, headers))
            else:
                self.open.append((topic, (key, value, partition, headers)))
        return 0

    def poll(self, timeout):
        return 0

    def purge(self):
        self.queue = []

    def init_transactions(self, timeout):
        self.kafka.call("init_transactions")

    def begin_transaction(self):
        self.kafka.call("begin_transaction")
        self.open = []

    def send_offsets_to_transaction(self, positions, group, timeout):
        assert group == "group"
        self.kafka.call("send_offsets")
        self.positions = {(part.topic, part.partition): part.offset for part in positions}

    def commit_transaction(self, timeout):
        self.kafka.call("commit_transaction")
        for topic, record in self.open:
            self.kafka.written[topic].append(record)
        self.kafka.committed.update(self.positions)
        self.open = None

    def abort_transaction(self, timeout):
        self.kafka.call("abort_transaction")
        self.open, self.queue = None, []
