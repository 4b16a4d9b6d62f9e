"""What a user can ask of a stream, and what is refused."""

import argparse
import urllib.request
from collections import Counter

import pytest

from space2vec.cli import stream as command
from space2vec.errors import ReadError
from space2vec.stream.events import Counts
from space2vec.stream.member import MemberName
from space2vec.stream.metrics import MetricsServer, as_text
from space2vec.stream.options import StreamOptions, parse_start, read_properties


def parse(*words):
    parser = argparse.ArgumentParser()
    command.register(parser)
    return command.stream_options(parser.parse_args(["--brokers", "b:1", *words]))


def test_the_arguments_become_options(tmp_path):
    (tmp_path / "clients.properties").write_text(
        "# comment\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\nconsumer.fetch.max.bytes=1000\n"
        "producer.linger.ms=1\nschema.registry.basic.auth.user.info=me:x\n"
    )
    options = parse(
        "--topic", "a", "--topic", "b", "-o", "out", "--group", "g", "--exactly-once", "--from", "2026-11-30",
        "--batch", "9", "--max-wait-ms", "5", "--config", str(tmp_path / "clients.properties"), "--dead-letter", "dead",
    )  # fmt: skip
    assert (options.topics, options.batch, options.max_wait, options.exactly_once) == (("a", "b"), 9, 0.005, True)
    assert options.start == 1_795_996_800_000
    consumer, producer = options.consumer_settings("me"), options.producer_settings("me")
    assert consumer["security.protocol"] == producer["security.protocol"] == "SASL_SSL"
    assert consumer["sasl.password"] == "a=b"
    assert consumer["fetch.max.bytes"] == "1000"
    assert "fetch.max.bytes" not in producer
    assert (producer["linger.ms"], "linger.ms" in consumer) == ("1", False)
    assert options.registry_settings == {"basic.auth.user.info": "me:x"}
    assert (consumer["enable.auto.commit"], consumer["group.instance.id"]) == ("false", "me")
    assert (producer["transactional.id"], producer["enable.idempotence"]) == ("space2vec/g/me", "true")
    assert "schema.registry.basic.auth.user.info" not in consumer | producer


def test_a_pattern_matches_whole_names():
    assert parse("--topic-pattern", "ztf_[0-9]+", "-o", "out").topics == ("^(ztf_[0-9]+)$",)
    assert parse("--topic-pattern", "^a|b$", "-o", "out").topics == ("^(a|b)$",)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--topic", "a", "-o", "a"], "read what it writes: topic 'a'"),
        (["--topic", "a", "-o", "out", "--dead-letter", "a"], "read what it writes"),
        (["--topic", "a", "-o", "out", "--dead-letter", "out"], "two topics"),
        (["--topic-pattern", "o.*", "-o", "out"], "matches 'out'"),
        (["--topic-pattern", "(", "-o", "out"], "no regular expression"),
        (["--topic", "a b", "-o", "out"], "no name of a topic.*--topic-pattern"),
        (["--topic", "a", "-o", "o ut"], "no name of a topic; a folder"),
        (["--topic", "a", "-o", "./out", "--exactly-once"], "exactly once as it is"),
    ],
)
def test_what_contradicts_itself_is_refused(words, reason):
    with pytest.raises(ValueError, match=reason):
        parse(*words)


@pytest.mark.parametrize(
    "words",
    [[], ["--topic", "a", "--topic-pattern", "b"], ["--topic", "a", "--from", "yesterday"],
     ["--topic", "a", "--batch", "0"], ["--topic", "a", "--max-wait-ms", "-1"], ["--topic", "a", "--prometheus", "x"]],
)  # fmt: skip
def test_arguments_that_mean_nothing_are_refused(words):
    with pytest.raises(SystemExit):
        parse("-o", "out", *words)


@pytest.mark.parametrize("name", ["enable.auto.commit", "consumer.group.id", "transactional.id", "producer.acks"])
def test_settings_on_which_the_guarantees_rest_are_refused(name):
    with pytest.raises(ValueError, match="belong to the stream itself"):
        StreamOptions("b:1", "out", ("a",), "g", settings={name: "x"})
    with pytest.raises(ValueError, match="cooperative"):
        StreamOptions("b:1", "out", ("a",), "g", settings={"partition.assignment.strategy": "cooperative-sticky"})


def test_a_line_of_settings_that_is_none_is_not_quoted(tmp_path):
    (tmp_path / "x").write_text("a=1\nsasl.password secret\n")
    with pytest.raises(ReadError, match=r"line 2") as caught:
        read_properties(tmp_path / "x")
    assert "secret" not in str(caught.value)


def test_dates_are_utc_unless_they_say_otherwise():
    assert parse_start("2026-11-30T00:00") == parse_start("2026-11-30T01:00+01:00") == 1_795_996_800_000
    assert (parse_start("earliest"), parse_start("committed")) == ("earliest", "committed")


def test_processes_of_a_group_have_names_of_their_own_which_come_back():
    with MemberName("a group of this test") as first, MemberName("a group of this test") as second:
        assert first.name.endswith("-0")
        assert second.name.endswith("-1")
        with MemberName("another group of this test") as other:
            assert other.name == first.name
    with MemberName("a group of this test") as again, MemberName("a group of this test", "chosen") as chosen:
        assert again.name == first.name
        assert chosen.name == "chosen"


def test_counts_are_served_to_this_machine():
    counts = Counts(rows=5, stored=4, unread=1, flags=Counter(surplus=2), lag={("night", 3): 7})
    text = as_text(counts)
    for line in (
        "space2vec_stream_messages_total 5",
        "space2vec_stream_stored_total 4",
        'space2vec_stream_flagged_total{flag="surplus"} 2',
        'space2vec_stream_lag{topic="night",partition="3"} 7',
    ):
        assert line in text.splitlines()
    with MetricsServer("127.0.0.1", 0, [counts]) as server:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=5) as answer:
            assert answer.read().decode() == text
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/etc", timeout=5)
