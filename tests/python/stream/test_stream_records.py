"""Scores as Avro records: what fastavro reads back, behind both kinds of header."""

import io
import json

import fastavro
import numpy as np

from space2vec.data.tables import Scores
from space2vec.stream.messages import Messages, ScoredMessages
from space2vec.stream.records import SCHEMA, RecordEncoder


def scored(candidate_id):
    scores = Scores(
        np.array([0.25, np.nan], dtype=np.float32),
        np.array([0, 1 << 15], dtype=np.uint32),
        np.array(["ZTF18é", None], dtype=object),
        candidate_id,
        "model 0123",
    )
    messages = Messages((), ["night.1", "night.1"], [3, 3], [7, 1 << 40], [-1, -1], 1)
    return ScoredMessages(messages, scores, {1: "surplus: a message holds more"}, [])


def test_a_record_has_all_that_is_known_of_a_message():
    number = 1 << 20
    (first, second) = RecordEncoder(number).encode(scored(np.array([5, -1])))
    assert first[:3] == ("night.1", 3, b"night.1/3/7")
    assert second[2] == b"night.1/3/%d" % (1 << 40)
    parsed = fastavro.parse_schema(json.loads(SCHEMA))
    for (_, _, _, record), expected in zip(
        (first, second),
        (
            {"offset": 7, "object_id": "ZTF18é", "candidate_id": 5, "score": 0.25, "flags": [], "problem": None},
            {"offset": 1 << 40, "object_id": None, "candidate_id": None, "flags": ["surplus"],
             "problem": "surplus: a message holds more"},
        ),
        strict=True,
    ):  # fmt: skip
        assert record[:5] == b"\0" + number.to_bytes(4, "big")
        read = fastavro.schemaless_reader(io.BytesIO(record[5:]), parsed)
        assert expected | {"topic": "night.1", "partition": 3, "model": "model 0123"} == {
            name: value for name, value in read.items() if name in expected or name in ("topic", "partition", "model")
        }
    assert np.isnan(read["score"])


def test_ids_that_are_text_stay_text():
    records = list(RecordEncoder().encode(scored(np.array(["007", None], dtype=object))))
    parsed = fastavro.parse_schema(json.loads(SCHEMA))
    read = [fastavro.schemaless_reader(io.BytesIO(record[10:]), parsed) for *_, record in records]
    assert [one["candidate_id"] for one in read] == ["007", None]


def test_without_a_registry_the_header_names_the_schema_by_its_fingerprint():
    """The fingerprint of Avro's specification, by its own algorithm, over the canonical form."""
    table = []
    for entry in range(256):
        for _ in range(8):
            entry = entry >> 1 ^ (0xC15D213AA4D7A795 if entry & 1 else 0)
        table.append(entry)
    digest = 0xC15D213AA4D7A795
    for byte in fastavro.schema.to_parsing_canonical_form(json.loads(SCHEMA)).encode():
        digest = digest >> 8 ^ table[(digest ^ byte) & 255]
    record = next(iter(RecordEncoder().encode(scored(np.array([5, -1])))))[3]
    assert record[:10] == b"\xc3\x01" + digest.to_bytes(8, "little")
