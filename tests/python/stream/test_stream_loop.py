"""The loop of a stream, with clients in memory: what is stored, and in which order things happen."""

import io
import json
import threading
from dataclasses import replace
from itertools import groupby

import fastavro
import pytest

pytest.importorskip("confluent_kafka", reason="not run: confluent-kafka is not installed")

from confluent_kafka import KafkaError

from helpers import fake_kafka
from helpers.brokers import free_port
from helpers.fake_kafka import failure
from helpers.packets import SCHEMA, packet
from helpers.stream_alerts import ALERTS, NUMBER, PLACES, POISON, assert_scored, records
from space2vec.errors import StreamError
from space2vec.stream import loop, producer, schema_registry, source, worker


def steps(calls, *names):
    """Return those of the calls that have one of these names; repeated ones once."""
    return [name for name, _ in groupby(name for name in calls if name in names)]


def test_each_message_has_one_record_and_the_commit_comes_last(kafka, options, model):
    passed = []
    counts = loop.run(options, model, watch=lambda point, number: passed.append((point, number)))
    assert_scored(records(kafka.written["scores"]), model)
    assert kafka.committed == {("alerts", 0): 10, ("alerts", 1): 6}
    assert kafka.commits
    for positions, keys in kafka.commits:
        for (topic, number), position in positions.items():
            assert {f"{topic}/{number}/{k}".encode() for k in range(position)} <= keys
    assert (counts.rows, counts.stored, counts.unread, counts.scored) == (16, 16, 3, 13)
    assert counts.positions == kafka.committed
    assert {point for point, _ in passed} == set(loop.POINTS)
    for point in loop.POINTS:
        numbers = [number for name, number in passed if name == point]
        assert numbers == list(range(4 if point in loop.POINTS[:4] else len(kafka.commits)))


def test_records_of_a_partition_go_to_one_partition_in_order(kafka, options, model):
    loop.run(options, model)
    for number in (0, 1):
        mine = [(key, place) for key, _, place, _ in kafka.written["scores"] if key.startswith(b"alerts/%d/" % number)]
        assert [int(key.rpartition(b"/")[2]) for key, _ in mine] == list(range(len(mine)))
        assert len({place for _, place in mine}) == 1


def test_a_transaction_holds_the_records_and_the_positions(kafka, options, model):
    loop.run(replace(options, exactly_once=True), model)
    assert_scored(records(kafka.written["scores"]), model)
    assert kafka.committed == {("alerts", 0): 10, ("alerts", 1): 6}
    names = ("init_transactions", "committed", "begin_transaction", "flush", "send_offsets", "commit_transaction")
    once = ["begin_transaction", "flush", "send_offsets", "commit_transaction"]
    # The name is taken over, and so another's transaction aborted, before its positions are asked for.
    assert steps(kafka.calls, *names)[:18] == ["init_transactions", "committed", *once * 4]
    assert "commit" not in kafka.calls
    assert kafka.producers[0].settings["transactional.id"] == "space2vec/group/me"


@pytest.mark.parametrize("name", ["send_offsets", "commit_transaction"])
def test_a_transaction_that_fails_is_repeated_as_a_whole(name, kafka, options, model):
    passing = failure(KafkaError._TIMED_OUT, retriable=True)
    aborting = failure(KafkaError.UNKNOWN_PRODUCER_ID, txn_requires_abort=True)
    kafka.failures[name] = [None, passing, aborting]
    loop.run(replace(options, exactly_once=True), model)
    assert_scored(records(kafka.written["scores"]), model)
    assert kafka.calls.count("abort_transaction") == 1


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_process_that_is_fenced_ends_and_says_why(exactly_once, kafka, options, model):
    kafka.failures["commit"] = [None, failure(KafkaError.FENCED_INSTANCE_ID)]
    kafka.failures["commit_transaction"] = [None, failure(KafkaError._FENCED, fatal=True)]
    with pytest.raises(StreamError, match=r"taken over as the member 'me'.*nothing is lost.*--member"):
        loop.run(replace(options, exactly_once=exactly_once), model)
    assert set(kafka.committed.values()) == {4}


def test_a_commit_that_is_refused_before_the_reason_is_known_is_a_fence(kafka, options, model):
    kafka.failures["commit"] = [failure(KafkaError._FATAL, "Local: Fatal error", fatal=True)]
    with pytest.raises(StreamError, match=r"another process has taken over as the member 'me'.*Local: Fatal error"):
        loop.run(options, model)
    assert not kafka.committed


def test_a_commit_that_passes_is_tried_again(kafka, options, model):
    notices = []
    kafka.failures["commit"] = [failure(KafkaError.COORDINATOR_LOAD_IN_PROGRESS), failure(KafkaError._TRANSPORT)]
    loop.run(options, model, notice=notices.append)
    assert_scored(records(kafka.written["scores"]), model)
    assert kafka.committed == {("alerts", 0): 10, ("alerts", 1): 6}
    assert all("trying again" in notice for notice in notices)
    assert notices


def test_a_restart_goes_on_where_the_group_is(kafka, options, model):
    kafka.committed = {("alerts", 0): 8, ("alerts", 1): 6}
    assert loop.run(replace(options, start="earliest"), model).rows == 2
    assert set(records(kafka.written["scores"])) == {"alerts/0/8", "alerts/0/9"}


def test_committed_refuses_a_group_without_positions(kafka, options, model):
    with pytest.raises(StreamError, match="'group' has committed nothing"):
        loop.run(replace(options, start="committed"), model)


def test_a_date_begins_at_its_first_message_and_after_all_older_ones(kafka, options, model):
    assert loop.run(replace(options, start=1_780_000_000_000), model).rows == 8
    assert {key.split("/")[1] for key in records(kafka.written["scores"])} == {"0"}


def test_messages_that_were_removed_are_told_and_the_oldest_left_is_next(kafka, options, model):
    from helpers.fake_kafka import Message

    notices = []

    def reset(consumer):
        return [Message("alerts", 0, error=KafkaError(KafkaError._AUTO_OFFSET_RESET, "out of range"))]

    kafka.committed = {("alerts", 0): 99, ("alerts", 1): 6}
    kafka.events.append(reset)
    counts = loop.run(options, model, notice=notices.append)
    assert counts.rows == 10
    assert any("removed before they were read" in notice for notice in notices)


def test_a_slow_sink_pauses_the_source_and_the_consumer_is_still_polled(kafka, options, model, monkeypatch):
    monkeypatch.setattr(loop, "_WAIT", 0.02)
    monkeypatch.setattr(loop, "_HOLD", 0.02)
    kafka.stalled = True
    polled = []

    def release():
        polled.append(kafka.calls.count("consume"))
        kafka.stalled = False

    timer = threading.Timer(1.0, release)
    timer.start()
    counts = loop.run(options, model)
    timer.join()
    assert_scored(records(kafka.written["scores"]), model)
    assert counts.stored == 16
    assert {"pause", "resume"} <= set(kafka.calls)
    stop = kafka.calls.index("resume")
    assert kafka.calls[:stop].count("consume") >= 2


def test_the_end_waits_for_what_is_in_work(kafka, options, model):
    stop = threading.Event()
    counts = loop.run(
        replace(options, until_eos=False),
        model,
        stop=stop,
        watch=lambda point, number: stop.set() if point == "scored" else None,
    )
    assert counts.rows == counts.stored == len(records(kafka.written["scores"])) == 4
    assert kafka.calls[-2:] == ["close", "unassign"]


def test_a_sink_that_never_answers_does_not_hold_up_the_end(kafka, options, model, monkeypatch):
    monkeypatch.setattr(loop, "_PATIENCE", 0.3)
    kafka.stalled = True
    stop = threading.Event()
    with pytest.raises(StreamError, match="reads it again"):
        loop.run(options, model, stop=stop, watch=lambda *_: stop.set())
    assert not kafka.committed
    assert not kafka.written


def test_partitions_are_given_back_after_what_is_in_work_is_committed(kafka, options, model):
    """A rebalance in mid-stream: everything is committed before, and the same partitions go on from there."""

    def rebalance(consumer):
        consumer.on_revoke(consumer, [])
        kafka.calls.append("revoked")
        consumer.on_assign(consumer, consumer._matching())

    def plan(point, number):
        if (point, number) == ("read", 1):
            kafka.consumers[0].events.append(rebalance)

    loop.run(options, model, watch=plan)
    assert_scored(records(kafka.written["scores"]), model)
    order = steps(kafka.calls, "produce", "commit", "revoked")
    assert order[order.index("revoked") - 1] == "commit"


def test_what_others_have_taken_is_dropped(kafka, options, model):
    """The group gives the partitions away while the output stalls: the rows in work are those of the others."""
    kafka.stalled = True

    def lose(consumer):
        consumer.on_lost(consumer, [])
        kafka.stalled = False
        consumer.on_assign(consumer, consumer._matching())

    def plan(point, number):
        if (point, number) == ("scored", 0):
            kafka.consumers[0].events.append(lose)

    loop.run(options, model, watch=plan)
    assert_scored(records(kafka.written["scores"]), model)


def test_messages_that_cannot_be_read_are_copied(kafka, options, model):
    loop.run(replace(options, dead_letter="dead"), model)
    assert_scored(records(kafka.written["scores"]), model)
    assert [(key, value) for key, value, _, _ in kafka.written["dead"]] == [
        (f"alerts/0/{k}".encode(), value) for k, value in POISON.items()
    ]
    headers = dict(kafka.written["dead"][0][3])
    assert headers["space2vec.source"] == "alerts/0/1"
    assert headers["space2vec.problem"].startswith("foreign_file")


def test_a_copy_that_is_too_large_costs_itself(kafka, options, model):
    notices = []
    kafka.refused["dead"] = lambda value: KafkaError.MSG_SIZE_TOO_LARGE if value == b"garbage" else 0
    loop.run(replace(options, dead_letter="dead"), model, notice=notices.append)
    assert_scored(records(kafka.written["scores"]), model)
    assert b"alerts/0/1" not in {key for key, *_ in kafka.written["dead"]}
    assert any("alerts/0/1" in notice and "more than dead takes" in notice for notice in notices)


def test_a_record_that_is_refused_ends_the_stream_before_the_commit(kafka, options, model):
    kafka.refused["scores"] = lambda _: KafkaError.TOPIC_AUTHORIZATION_FAILED
    with pytest.raises(StreamError, match="Kafka refuses"):
        loop.run(options, model)
    assert not kafka.committed


def test_a_batch_of_large_messages_ends_early(kafka, options, model, monkeypatch):
    from space2vec.stream import source

    sizes = []
    monkeypatch.setattr(source, "_BATCH_BYTES", 3 * len(ALERTS[0]))
    monkeypatch.setattr(source, "_EXPECTED", len(ALERTS[0]))
    loop.run(
        replace(options, batch=10),
        model,
        report=lambda counts: sizes.append(counts.rows),
        watch=lambda point, number: sizes.append(point),
    )
    assert sizes.count("read") >= 4
    assert_scored(records(kafka.written["scores"]), model)


def test_without_the_package_the_error_says_how_to_get_it(options, model, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "confluent_kafka" else find(name))
    with pytest.raises(ImportError, match=r"confluent-kafka.*pip install"):
        loop.run(options, model)


def renamed(schema, version):
    """Return a schema with one field more, as the next version of a survey has it."""
    return {**schema, "fields": [*schema["fields"], {"name": f"added_{version}", "type": "int"}]}


def test_schemas_change_in_mid_stream_and_files_come_later(kafka, options, model, tmp_path):
    """The new schema is in the folder only when its first message comes."""
    schema = renamed(SCHEMA, 2)
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(schema), packet(3) | {"added_2": 5})
    new = b"\0\0\0\0\x0b" + written.getvalue()
    kafka.topics = {("alerts", 0): [ALERTS[3]] * 4 + [new] * 4 + [ALERTS[3]] * 2}

    def watch(point, number):
        if (point, number) == ("scored", 0):
            (tmp_path / "schemas" / "11.avsc").write_text(json.dumps(schema))

    assert loop.run(options, model, watch=watch).scored == 10
    found = list(records(kafka.written["scores"]).values())
    assert {(one["object_id"], one["candidate_id"], one["score"]) for one in found} == {
        (packet(3)["objectId"], packet(3)["candid"], found[0]["score"])
    }


def test_a_registry_that_is_down_is_waited_for_in_order(kafka, options, model, monkeypatch):
    monkeypatch.setattr(loop, "_FIRST", 0.01)
    asked = []

    def request(self, path, body=None):
        if path == "/subjects/scores-value/versions":
            return {"id": 1}
        asked.append(path)
        if len(asked) < 4:
            raise schema_registry.RegistryDownError("it does not answer")
        return {"schema": json.dumps(SCHEMA)} if path == f"/schemas/ids/{NUMBER}" else None

    monkeypatch.setattr(schema_registry.UrlRegistry, "_request", request)
    notices = []
    loop.run(replace(options, schema_registry="http://registry:1"), model, notice=notices.append)
    keys = [key.decode() for key, value, *_ in kafka.written["scores"] if value[:5] == b"\0\0\0\0\1"]
    assert keys == sorted(PLACES, key=lambda place: (int(place.split("/")[1]), int(place.split("/")[2])))
    assert any("trying again" in notice for notice in notices)
    assert "pause" in kafka.calls
    assert asked.count(f"/schemas/ids/{NUMBER}") == 4


def test_the_end_does_not_wait_for_a_registry(kafka, options, model, monkeypatch):
    def request(self, path, body=None):
        if body is not None:
            return {"id": 1}
        raise schema_registry.RegistryDownError("it does not answer")

    monkeypatch.setattr(schema_registry.UrlRegistry, "_request", request)
    stop = threading.Event()
    counts = loop.run(
        replace(options, schema_registry="http://registry:1"), model, stop=stop, notice=lambda _: stop.set()
    )
    assert counts.rows == 0
    assert not kafka.committed


def test_a_transaction_that_never_ends_ends_the_stream(kafka, options, model, monkeypatch):
    monkeypatch.setattr(loop, "_STALLED", 0.2)
    monkeypatch.setattr(loop, "_GIVEN_UP", 0.5)
    monkeypatch.setattr(worker, "_ANSWER", 0.2)
    never, notices = threading.Event(), []
    monkeypatch.setattr(fake_kafka.Producer, "send_offsets_to_transaction", lambda *_: never.wait(20))
    with pytest.raises(StreamError, match=r"has not ended.*nothing is lost"):
        loop.run(replace(options, exactly_once=True, until_eos=False), model, notice=notices.append)
    never.set()
    assert any("has not taken a batch" in notice for notice in notices)
    assert not kafka.committed


def test_a_stream_with_an_end_does_not_wait_for_an_absent_broker_for_ever(options, model, monkeypatch, tmp_path):
    """Nothing listens on this port; the clients are the real ones."""
    monkeypatch.setattr(loop, "_ABSENT", 0.5)
    for module in (source, producer):
        monkeypatch.setattr(module, "_REQUEST", 0.5)
    for output in ("scores", str(tmp_path / "scores")):
        absent = replace(options, brokers=f"127.0.0.1:{free_port()}", output=output)
        with pytest.raises(StreamError, match=r"no broker of 127.* has answered.*nothing is lost"):
            loop.run(absent, model)


@pytest.mark.parametrize("answers", [0, 3])
def test_brokers_that_go_away_end_a_stream_with_an_end(answers, kafka, options, model, monkeypatch):
    monkeypatch.setattr(loop, "_ABSENT", 0.2)
    monkeypatch.setattr(worker, "_ANSWER", 0.2)
    kafka.stalled = True
    kafka.failures["ask brokers"] = [None] * answers + [failure(KafkaError._TRANSPORT)]
    with pytest.raises(StreamError, match=r"no broker of nowhere:9092"):
        loop.run(options, model)
    assert not kafka.committed
    assert not kafka.failures["ask brokers"]


@pytest.mark.parametrize("name", ["committed", "commit"])
def test_a_namethat_is_repeated_ends_with_the_brokers(name, kafka, options, model, monkeypatch):
    monkeypatch.setattr(loop, "_ABSENT", 0.2)
    kafka.failures[name] = [failure(KafkaError._TRANSPORT)] * 100
    kafka.failures["ask brokers"] = [failure(KafkaError._TRANSPORT)] * 100
    with pytest.raises(StreamError, match=r"no broker of nowhere:9092"):
        loop.run(options, model)
    assert not kafka.committed


def test_a_stream_without_an_end_waits_for_its_brokers(kafka, options, model, monkeypatch):
    monkeypatch.setattr(loop, "_ABSENT", 0.0)
    stop = threading.Event()
    kafka.failures["ask brokers"] = [failure(KafkaError._TRANSPORT)]

    def report(counts):
        if counts.stored == len(PLACES):
            stop.set()

    assert loop.run(replace(options, until_eos=False), model, stop=stop, report=report).stored == len(PLACES)
    assert "ask brokers" not in kafka.calls


@pytest.mark.parametrize("fails", ["register", "read"])
def test_a_stream_with_an_end_does_not_wait_for_a_registry_for_ever(fails, kafka, options, model, monkeypatch):
    monkeypatch.setattr(loop, "_ABSENT", 0.3)

    def request(self, path, body=None):
        if body is not None and fails == "read":
            return {"id": 1}
        raise schema_registry.RegistryDownError("the schema registry does not answer")

    monkeypatch.setattr(schema_registry.UrlRegistry, "_request", request)
    with pytest.raises(StreamError, match=r"registry does not answer, for .*nothing is lost"):
        loop.run(replace(options, schema_registry="http://registry:1"), model)
    assert not kafka.committed
