"""Several streams of one group: partitions go from one to another, dead ones are replaced, and zombies are fenced."""

import signal
import time

import pytest

from helpers.stream_messages import make_messages
from helpers.streams import MODES, differences, without_repeats

PARTITIONS, BATCH = 6, 16
QUICK = ("--batch", str(BATCH), "--part-rows", "32", "--part-seconds", "1")


@pytest.mark.parametrize("mode", ["topic", "folder"])
def test_members_come_and_go(grouping, mode, tmp_path, stream_of):
    """One, two and three members share the partitions; then one has ended, one is killed, and their work goes on."""
    sent = make_messages(480)
    topic = grouping.topic(PARTITIONS)
    stream = stream_of(grouping, tmp_path, topic, mode, settings={"session.timeout.ms": "6000"})
    members = []

    def feed(quarter):
        values = sent.values[120 * quarter : 120 * (quarter + 1)]
        grouping.feed(topic, values, partitions=PARTITIONS, begin=120 * quarter)
        return stream.wait_for(120 * (quarter + 1), live=members[0])

    for quarter, name in enumerate(("one", "two", "three")):
        members.append(stream.start(*QUICK, member=name))
        time.sleep(4 if quarter else 0)  # until the group has given it partitions
        feed(quarter)
    members[1].send_signal(signal.SIGTERM)
    assert members[1].wait(30) == 0, stream.log()
    members[2].kill()
    if grouping.name == "tansu":  # which waits for a member with a name for ever: others of that name come instead
        members[1:] = [stream.start(*QUICK, member=name) for name in ("two", "three")]
    rows = feed(3)
    members[0].send_signal(signal.SIGTERM)
    assert members[0].wait(30) == 0, stream.log()
    assert not differences(sent, without_repeats(rows), tmp_path, PARTITIONS)
    repeated = len(stream.rows()) - len(without_repeats(rows))
    assert repeated <= (0 if mode == "folder" else 2 * BATCH)  # of the killed one


def test_three_members_share_the_work(grouping, tmp_path, stream_of):
    topic = grouping.topic(PARTITIONS)
    stream = stream_of(grouping, tmp_path, topic, settings={"session.timeout.ms": "6000"})
    members = [stream.start(*QUICK, member=name) for name in ("one", "two", "three")]
    time.sleep(12)
    sent = make_messages(240, poison=False)
    grouping.feed(topic, sent.values, partitions=PARTITIONS)
    assert not differences(sent, stream.wait_for(240), tmp_path, PARTITIONS)
    for member in members:
        member.send_signal(signal.SIGTERM)
    totals = [member.communicate(timeout=30)[0] for member in members]
    assert all(int(total.split()[0]) > 0 for total in totals), totals


@pytest.mark.parametrize("mode", MODES)
def test_a_zombie_is_fenced(transactional, mode, tmp_path, stream_of):
    """A process that slept while another took over its name writes nothing more, and ends with an error."""
    sent = make_messages(200)
    topic = transactional.topic(2)
    transactional.feed(topic, sent.values, partitions=2)
    stream = stream_of(transactional, tmp_path, topic, mode)
    zombie = stream.start(*QUICK, point="produced", number=2, seconds=12)
    assert zombie.stdout.readline() == "at produced\n"
    zombie.send_signal(signal.SIGSTOP)
    try:
        assert stream.run(*QUICK) == 1, stream.log()
    finally:
        zombie.send_signal(signal.SIGCONT)
    assert zombie.wait(60) == 2, stream.log()
    assert "taken over" in stream.log()
    rows = stream.rows()
    assert not differences(sent, without_repeats(rows), tmp_path, 2)
    # One batch in work and one that waits may be written before the fence is noticed.
    assert len(rows) - len(without_repeats(rows)) <= (2 * BATCH if mode == "topic" else 0)
