"""Scores as the messages of a topic: one Avro record for each message that was read."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from space2vec.data import flags as flag_bits
from space2vec.data.arrays import on_host
from space2vec.data.ids import NO_ID
from space2vec.stream.messages import ScoredMessages

__all__ = ["SCHEMA", "EncodedRecord", "RecordEncoder"]

#: The schema of the records, as JSON.
SCHEMA: str = json.dumps(
    {
        "type": "record",
        "name": "Score",
        "namespace": "space2vec",
        "doc": "The score of one alert; there is exactly one record for each message of the source.",
        "fields": [
            {"name": "topic", "type": "string", "doc": "the topic of the alert"},
            {"name": "partition", "type": "int", "doc": "its partition"},
            {"name": "offset", "type": "long", "doc": "its offset in the partition"},
            {"name": "object_id", "type": ["null", "string"], "default": None},
            {"name": "candidate_id", "type": ["null", "long", "string"], "default": None},
            {"name": "score", "type": "float", "doc": "P(real), NaN where the alert cannot be scored; flags say why"},
            {"name": "flags", "type": {"type": "array", "items": "string"}, "doc": "names of the flags"},
            {"name": "model", "type": "string", "doc": "name and digest of the model"},
            {"name": "problem", "type": ["null", "string"], "default": None, "doc": "what is wrong with the message"},
        ],
    }
)


class EncodedRecord(NamedTuple):
    """The score of a message as bytes, with the topic and partition of the message, and the key of the record."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class RecordEncoder:
    """Encode scores as Avro records, behind the header that names their schema.

    Parameters
    ----------
    number : int, optional
        The number of the schema in a registry. The header is then a zero and the number in four bytes. Without it, it
        is that of Avro's single-object encoding: C3 01 and the fingerprint of the schema.
    """

    def __init__(self, number: int | None = None) -> None:
        import fastavro
        from fastavro.schema import fingerprint, to_parsing_canonical_form

        self._write = fastavro.schemaless_writer
        self._schema = fastavro.parse_schema(json.loads(SCHEMA))
        if number is not None:
            self._header = b"\0" + number.to_bytes(4, "big")
        else:
            digest = fingerprint(to_parsing_canonical_form(json.loads(SCHEMA)), "CRC-64-AVRO")
            self._header = b"\xc3\x01" + bytes.fromhex(digest)

    def encode(self, scored: ScoredMessages) -> Iterator[EncodedRecord]:
        """Yield the record of each message.

        The key is ``TOPIC/PARTITION/OFFSET`` of the message.
        """
        messages, scores = scored.messages, scored.scores
        names = {value: flag_bits.names(value) for value in np.unique(scores.flags).tolist()}
        rows = zip(
            messages.topics,
            messages.partitions,
            messages.offsets,
            scores.object_id.tolist(),
            scores.candidate_id.tolist(),
            on_host(scores.score).tolist(),
            scores.flags.tolist(),
            strict=True,
        )
        for row, (topic, partition, offset, object_id, candidate_id, score, flags) in enumerate(rows):
            record = {
                "topic": topic,
                "partition": partition,
                "offset": offset,
                "object_id": None if object_id is None else str(object_id),
                "candidate_id": None if candidate_id == NO_ID else candidate_id,
                "score": score,
                "flags": names[flags],
                "model": scores.model,
                "problem": scored.problems.get(row),
            }
            buffer = io.BytesIO()
            buffer.write(self._header)
            self._write(buffer, self._schema, record)
            yield EncodedRecord(topic, partition, f"{topic}/{partition}/{offset}".encode(), buffer.getvalue())
