"""The loop of a stream, with clients in memory: what is stored, and in which order things happen."""

import io
import json
import math
import threading
from dataclasses import replace
from itertools import groupby

import fastavro
import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("confluent_kafka", reason="not run: confluent-kafka is not installed")

from confluent_kafka import KafkaError

import space2vec as s2v
from helpers.fake_kafka import FakeKafka, failure
from helpers.packets import SCHEMA, packet
from space2vec.data import flags
from space2vec.errors import StreamError
from space2vec.stream import StreamOptions, loop, worker
from space2vec.stream.records import SCHEMA as SCORE

NUMBER = 7
#: Offsets of the messages that hold no alert.
POISON = {1: b"garbage", 4: None, 7: b"\0\0\0\0\x09rest"}


def alert(k):
    written = io.BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(SCHEMA), packet(k))
    return b"\0" + NUMBER.to_bytes(4, "big") + written.getvalue()


ALERTS = [alert(k) for k in range(10)]
MESSAGES = {
    ("alerts", 0): [POISON.get(k, one) for k, one in enumerate(ALERTS)],
    ("alerts", 1): ALERTS[:6],
}
PLACES = {f"{topic}/{number}/{k}" for (topic, number), held in MESSAGES.items() for k in range(len(held))}


@pytest.fixture(scope="module")
def model():
    return s2v.load("default")


@pytest.fixture
def kafka(monkeypatch):
    monkeypatch.setattr(worker, "_TICK", 0.02)
    return FakeKafka(monkeypatch, {place: list(held) for place, held in MESSAGES.items()})


@pytest.fixture
def options(tmp_path):
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / f"{NUMBER}.avsc").write_text(json.dumps(SCHEMA))
    return StreamOptions(
        brokers="nowhere:9092",
        output="scores",
        topics=("alerts",),
        group="group",
        member="me",
        schema_registry=str(tmp_path / "schemas"),
        until_eos=True,
        batch=4,
        max_wait=0.02,
    )


def records(written):
    """Return the records of a topic by their keys, each of which occurs once."""
    parsed = fastavro.parse_schema(json.loads(SCORE))
    found = {}
    for key, value, _, _ in written:
        assert key.decode() not in found
        assert value[:2] == b"\xc3\x01"
        found[key.decode()] = fastavro.schemaless_reader(io.BytesIO(value[10:]), parsed)
    return found


def assert_scored(found, model):
    """See that each message has its record, and that scores, ids and flags are those of the alerts."""
    assert set(found) == PLACES
    reader = s2v.MessageReader({NUMBER: SCHEMA}, model=model)
    for (topic, number), held in MESSAGES.items():
        scores = reader.read(held)
        for k in range(len(held)):
            record = found[f"{topic}/{number}/{k}"]
            assert (record["topic"], record["partition"], record["offset"]) == (topic, number, k)
            assert record["flags"] == flags.names(scores.flags[k])
            assert record["model"] == model.id
            if number == 0 and k in POISON:
                assert math.isnan(record["score"])
                assert record["object_id"] is None
                assert record["candidate_id"] is None
                assert record["problem"].startswith(("foreign_file: ", "empty_file: ", "unknown_schema: "))
                assert "--schema" not in record["problem"]
            else:
                assert np.float32(record["score"]) == scores.score[k]
                assert record["object_id"] == scores.object_id[k]
                assert record["candidate_id"] == scores.candidate_id[k]
                assert record["problem"] is None


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


def read_folder(folder):
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    return [row for table in tables for row in table.to_pylist()]


def in_folder(options, tmp_path):
    return replace(options, output=str(tmp_path / "scores"), part_rows=6)


def test_a_folder_holds_each_message_once_and_where_it_ends(kafka, options, model, tmp_path):
    loop.run(in_folder(options, tmp_path), model)
    rows = read_folder(tmp_path / "scores")
    assert_scored({f"{row['topic']}/{row['partition']}/{row['offset']}": row for row in rows}, model)
    assert len(rows) == len(PLACES)
    for path in (tmp_path / "scores").glob("*"):
        assert path.suffix == ".parquet"
        note = json.loads(pq.read_schema(path).metadata[b"space2vec"])
        table = pq.read_table(path)
        assert (note["begin"], note["end"]) == (table["offset"][0].as_py(), table["offset"][-1].as_py() + 1)
        assert path.name == f"alerts-{note['partition']:05d}-{note['begin']:020d}.parquet"


def test_a_folder_goes_on_where_its_files_end(kafka, options, model, tmp_path):
    """The group's positions do not count, for they may be behind the files: the process died before the commit."""
    loop.run(in_folder(options, tmp_path), model)
    kafka.committed = {("alerts", 0): 3}
    kafka.topics["alerts", 1].append(ALERTS[0])
    assert loop.run(in_folder(options, tmp_path), model).rows == 1
    rows = read_folder(tmp_path / "scores")
    assert len(rows) == len({(row["partition"], row["offset"]) for row in rows}) == 17


def test_two_processes_cannot_write_the_same_rows_into_a_folder(kafka, options, model, tmp_path):
    """A process that has lost its partitions without having noticed finds the name of its next file taken."""

    def plan(point, number):
        if (point, number) == ("produced", 0):  # another process has written the file meanwhile
            (tmp_path / "scores" / f"alerts-00000-{0:020d}.parquet").write_bytes(b"of another")

    with pytest.raises(StreamError, match=r"another process has written .*nothing is lost"):
        loop.run(in_folder(options, tmp_path), model, watch=plan)
    assert (tmp_path / "scores" / f"alerts-00000-{0:020d}.parquet").read_bytes() == b"of another"


def test_a_damaged_file_of_a_folder_is_named(kafka, options, model, tmp_path):
    loop.run(in_folder(options, tmp_path), model)
    path = max((tmp_path / "scores").glob("alerts-00000-*"))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StreamError, match=f"{path.name} is damaged.*scored again"):
        loop.run(in_folder(options, tmp_path), model)


def test_messages_that_cannot_be_read_are_copied_before_the_file_appears(kafka, options, model, tmp_path):
    seen = []

    def watch(point, number):
        if point == "produced":
            seen.append(len(kafka.written["dead"]))

    loop.run(replace(in_folder(options, tmp_path), dead_letter="dead"), model, watch=watch)
    assert seen[0] > 0
    assert len(kafka.written["dead"]) == len(POISON)


def test_old_rows_are_written_though_a_file_is_not_full(kafka, options, model, tmp_path):
    stop = threading.Event()
    found = []

    def report(counts):
        if counts.stored:
            found.append(counts.stored)
            stop.set()

    late = replace(in_folder(options, tmp_path), part_rows=1000, part_seconds=0.1, until_eos=False)
    loop.run(late, model, stop=stop, report=report)
    assert found[0] == 16


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
    from space2vec.stream import registry

    monkeypatch.setattr(loop, "_FIRST", 0.01)
    asked = []

    def request(self, path, body=None):
        if path == "/subjects/scores-value/versions":
            return {"id": 1}
        asked.append(path)
        if len(asked) < 4:
            raise registry.RegistryDownError("it does not answer")
        return {"schema": json.dumps(SCHEMA)} if path == f"/schemas/ids/{NUMBER}" else None

    monkeypatch.setattr(registry.UrlRegistry, "_request", request)
    notices = []
    loop.run(replace(options, schema_registry="http://registry:1"), model, notice=notices.append)
    keys = [key.decode() for key, value, *_ in kafka.written["scores"] if value[:5] == b"\0\0\0\0\1"]
    assert keys == sorted(PLACES, key=lambda place: (int(place.split("/")[1]), int(place.split("/")[2])))
    assert any("trying again" in notice for notice in notices)
    assert "pause" in kafka.calls
    assert asked.count(f"/schemas/ids/{NUMBER}") == 4


def test_the_end_does_not_wait_for_a_registry(kafka, options, model, monkeypatch):
    from space2vec.stream import registry

    def request(self, path, body=None):
        if body is not None:
            return {"id": 1}
        raise registry.RegistryDownError("it does not answer")

    monkeypatch.setattr(registry.UrlRegistry, "_request", request)
    stop = threading.Event()
    counts = loop.run(
        replace(options, schema_registry="http://registry:1"), model, stop=stop, notice=lambda _: stop.set()
    )
    assert counts.rows == 0
    assert not kafka.committed
