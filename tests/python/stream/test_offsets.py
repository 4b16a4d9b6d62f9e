"""Every message has exactly one row, with the score of the command line, whatever the message holds."""

import pytest

from helpers.stream_messages import make_messages
from helpers.streams import MODES, differences

PARTITIONS = 3


@pytest.fixture(scope="module")
def sent():
    return make_messages(600)


@pytest.mark.parametrize("mode", MODES)
def test_each_message_has_one_row(broker, sent, mode, tmp_path, stream_of):
    if broker.name == "tansu" and mode == "exactly once":
        pytest.skip("not run on tansu, which shows aborted records to everybody")
    topic = broker.topic(PARTITIONS)
    broker.feed(topic, sent.values, partitions=PARTITIONS)
    stream = stream_of(broker, tmp_path, topic, mode)
    assert stream.run("--batch", "64") == 1, stream.log()  # some messages cannot be read
    rows = stream.rows()
    assert not differences(sent, rows, tmp_path, PARTITIONS)
    places = [(row.partition, row.offset) for row in rows]
    assert [place for place in places if place[0] == 1] == sorted(place for place in places if place[0] == 1)
    assert stream.run() == 0, stream.log()  # there is nothing more
    assert len(stream.rows()) == len(rows)


def test_messages_that_cannot_be_read_are_copied(broker, tmp_path, stream_of):
    sent = make_messages(60)
    topic, letters = broker.topic(), broker.topic(name="letters")
    broker.feed(topic, sent.values)
    stream = stream_of(broker, tmp_path, topic)
    assert stream.run("--dead-letter", letters) == 1, stream.log()
    assert not differences(sent, stream.rows(), tmp_path)
    bad = [number for number, candidate in enumerate(sent.candidates) if candidate not in sent.alerts]
    copies = sorted(broker.records(letters), key=lambda record: int(record.key.rpartition(b"/")[2]))
    assert [record.key.decode() for record in copies] == [f"{topic}/0/{number}" for number in bad]
    assert [record.value for record in copies] == [sent.values[number] for number in bad]
