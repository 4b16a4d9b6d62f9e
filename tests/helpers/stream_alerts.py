"""Messages of a topic of alerts, poison among them, and the records that they must become."""

import io
import json
import math

import fastavro
import numpy as np

import space2vec as s2v
from helpers.packets import SCHEMA, packet
from space2vec.data import flags
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
