"""A stream into a folder: files that hold their positions, with clients of Kafka in memory."""

import json
import threading
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

pytest.importorskip("confluent_kafka", reason="not run: confluent-kafka is not installed")

from helpers.stream_alerts import ALERTS, PLACES, POISON, assert_scored
from space2vec.errors import StreamError
from space2vec.stream import loop


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
