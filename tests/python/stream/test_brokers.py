"""What the tests of streams rest on: each broker holds what is asked of it, and its known faults are what they were."""

import itertools
import signal
import threading
import time

import pytest

confluent_kafka = pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition  # noqa: E402


def transaction(broker, name, topic, value, *, commit=True):
    producer = Producer(broker.client(transactional_id=name))
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.flush(10)
    (producer.commit_transaction if commit else producer.abort_transaction)(10)
    return producer


def member(broker, topic, group, **settings):
    settings = {
        "group_id": group,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "session_timeout_ms": 6000,
        "heartbeat_interval_ms": 500,
    } | settings
    consumer = Consumer(broker.client(**settings))
    consumer.subscribe([topic])
    return consumer


def shares(consumers, partitions, patience=20.0):
    """Poll members until each partition has one of them and each has one; return how many each has."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for consumer in consumers:
            consumer.poll(0.1)
        held = [[place.partition for place in consumer.assignment()] for consumer in consumers]
        if sorted(itertools.chain(*held)) == list(range(partitions)) and all(held):
            return [len(one) for one in held]
    return held


def test_messages_come_back_in_order(broker):
    topic = broker.topic(3)
    values = [None if number == 7 else b"" if number == 8 else b"message %d" % number for number in range(60)]
    broker.feed(topic, values, partitions=3)
    got = broker.records(topic)
    assert sorted((record.partition, record.offset) for record in got) == [(p, o) for p in range(3) for o in range(20)]
    for partition in range(3):
        mine = [record for record in got if record.partition == partition]
        assert [record.offset for record in mine] == list(range(20))
        assert [record.value for record in mine] == values[partition::3]
        assert [int(record.key) for record in mine] == list(range(partition, 60, 3))


def test_large_messages_come_back(broker):
    topic = broker.topic(max_message_bytes="8000000")
    value = bytes(range(256)) * 12000  # 3 MB
    broker.feed(topic, [value, b"small", value], message_max_bytes=8_000_000)
    assert [len(record.value) for record in broker.records(topic)] == [len(value), 5, len(value)]


def test_offsets_are_committed(broker):
    topic = broker.topic()
    broker.feed(topic, [b"one"] * 10)
    assert broker.committed(topic, f"group_{topic}")[0] < 0
    consumer = member(broker, topic, f"group_{topic}")
    deadline = time.monotonic() + 20
    while not consumer.assignment() and time.monotonic() < deadline:
        consumer.poll(0.1)
    consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    consumer.close()
    assert broker.committed(topic, f"group_{topic}") == [4]


def test_end_offsets_are_exact(transactional):
    topic = transactional.topic()
    transactional.feed(topic, [b"one"] * 50, linger_ms=100)
    consumer = Consumer(transactional.client(group_id="ends"))
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (0, 50)
    consumer.close()


def test_aborted_transactions_are_not_read(transactional):
    topic = transactional.topic()
    transaction(transactional, f"one_{topic}", topic, b"aborted", commit=False)
    transaction(transactional, f"one_{topic}", topic, b"committed")
    assert [record.value for record in transactional.records(topic)] == [b"committed"]
    assert [record.value for record in transactional.records(topic, committed=False)] == [b"aborted", b"committed"]


def test_a_zombie_is_fenced(transactional):
    topic = transactional.topic()
    zombie = transaction(transactional, f"one_{topic}", topic, b"first")
    transaction(transactional, f"one_{topic}", topic, b"second")
    zombie.begin_transaction()
    zombie.produce(topic, b"third")
    with pytest.raises(KafkaException) as raised:
        zombie.commit_transaction(10)
    assert raised.value.args[0].code() == confluent_kafka.KafkaError._FENCED
    assert [record.value for record in transactional.records(topic)] == [b"first", b"second"]


def test_offsets_go_with_their_transaction(transactional):
    source, target = transactional.topic(), transactional.topic(name="scores")
    group = f"group_{source}"
    transactional.feed(source, [b"one"] * 10)
    consumer = Consumer(transactional.client(group_id=group, enable_auto_commit=False))
    consumer.assign([TopicPartition(source, 0, 0)])
    producer = Producer(transactional.client(transactional_id=f"one_{source}"))
    producer.init_transactions(10)
    for offset, commit in ((3, True), (7, False)):
        producer.begin_transaction()
        producer.produce(target, b"scored")
        places = [TopicPartition(source, 0, offset)]
        producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 10)
        (producer.commit_transaction if commit else producer.abort_transaction)(10)
    consumer.close()
    assert transactional.committed(source, group) == [3]
    assert len(transactional.records(target)) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_noida_keeps_its_files(own_noida, how):
    """It writes what changes within a second: one that is killed sooner has lost it."""
    topic = own_noida.topic()
    own_noida.feed(topic, [b"one", b"two"])
    transaction(own_noida, "one", topic, b"three")
    time.sleep(2 if how == signal.SIGKILL else 0)
    own_noida.stop(how)
    own_noida.start()
    assert [record.value for record in own_noida.records(topic)] == [b"one", b"two", b"three"]


def test_partitions_go_from_member_to_member(grouping):
    topic = grouping.topic(6)
    group = f"group_{topic}"
    members = [member(grouping, topic, group)]
    assert shares(members, 6) == [6]
    members.append(member(grouping, topic, group))
    assert sorted(shares(members, 6)) == [3, 3]
    members.append(member(grouping, topic, group))
    assert shares(members, 6) == [2, 2, 2]
    members.pop().close()
    members.pop().close()
    assert shares(members, 6) == [6]
    members[0].close()


def test_a_dead_member_is_missed(grouping):
    """Whoever no longer polls, without a word, loses its partitions to the others after its session's time."""
    topic = grouping.topic(4)
    group = f"group_{topic}"
    silent = member(grouping, topic, group, session_timeout_ms=6000, max_poll_interval_ms=6000)
    alive = member(grouping, topic, group)
    assert sorted(shares([silent, alive], 4)) == [2, 2]
    assert shares([alive], 4, patience=40) == [4]
    closing = threading.Thread(target=silent.close, daemon=True)
    closing.start()
    closing.join(10)
    alive.close()


def test_the_faults_of_tansu(running):
    """For these the tests ask other brokers; when one of them is mended, the tests can ask tansu too."""
    tansu = running("tansu")
    topic = tansu.topic()
    transaction(tansu, f"one_{topic}", topic, b"aborted", commit=False)
    assert [record.value for record in tansu.records(topic)] == [b"aborted"]
    topic = tansu.topic()
    producer = Producer(tansu.client(linger_ms=200))
    for _ in range(5):
        producer.produce(topic, b"one")
    producer.flush(10)
    consumer = Consumer(tansu.client(group_id="ends"))
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)[1] < 5
    consumer.close()
