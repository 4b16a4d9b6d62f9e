"""What a stream leaves that is killed: nothing is lost, and nothing repeated but by the mode that says so."""

import random
import signal
import time

import pytest

from helpers.stream_messages import make_messages
from helpers.streams import MODES, differences, without_repeats

PARTITIONS, BATCH = 2, 32
POINTS = ("read", "scored", "produced", "flushed", "offsets sent", "committed")
#: Into a folder, several batches make a part, and each partition has one of its own.
PARTS = ("--batch", str(BATCH), "--part-rows", "64")


@pytest.fixture(scope="module")
def sent():
    return make_messages(320)


@pytest.fixture(scope="module")
def source(sent):
    """Return what feeds the messages to a broker once, and returns their topic."""
    topics = {}

    def feed(broker):
        if broker.name not in topics:
            topics[broker.name] = broker.topic(PARTITIONS)
            broker.feed(topics[broker.name], sent.values, partitions=PARTITIONS)
        return topics[broker.name]

    return feed


def test_the_points_are_those_of_the_loop():
    from space2vec.stream.loop import POINTS as KNOWN

    assert KNOWN == POINTS


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_lost_at_any_point(transactional, sent, source, mode, point, tmp_path, stream_of):
    stream = stream_of(transactional, tmp_path, source(transactional), mode, group=f"{mode[:5]}_{point}")
    # One commit is of several batches, where there are no transactions.
    number = 1 if point in ("offsets sent", "committed") else 3
    assert stream.run(*PARTS, point=point, number=number) == -signal.SIGKILL, stream.log()
    assert stream.run(*PARTS) == 1, stream.log()
    rows = stream.rows()
    repeated = len(rows) - len(without_repeats(rows))
    assert not differences(sent, without_repeats(rows), tmp_path, PARTITIONS)
    # Scores in a topic stand before their positions: what is between the two is repeated.
    if mode == "topic":
        assert repeated <= 4 * BATCH
        assert repeated >= BATCH or point not in ("flushed", "offsets sent")
    else:
        assert repeated == 0


@pytest.mark.parametrize("mode", ["exactly once", "folder"])
def test_nothing_is_lost_at_random_times(transactional, sent, source, mode, tmp_path, stream_of):
    stream = stream_of(transactional, tmp_path, source(transactional), mode, group=f"{mode[:5]}_random")
    chance, many = random.Random(19), ("--batch", "8", "--part-rows", "16")
    for _ in range(4):
        before = len(stream.rows())
        process = stream.start(*many)
        if before < len(sent.values):
            stream.wait_for(before + 1, live=process)
        time.sleep(chance.uniform(0, 0.1))
        stream.kill()
    assert stream.run(*many) in (0, 1), stream.log()
    assert not differences(sent, stream.rows(), tmp_path, PARTITIONS)
