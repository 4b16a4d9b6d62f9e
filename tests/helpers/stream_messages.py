"""Messages of an alert stream for tests, messages among them that hold no alert, and what becomes of each."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import fastavro
import numpy as np

from helpers.packets import SCHEMA, avro_bytes, packet, planes

__all__ = ["Sent", "alert_message", "make_messages", "scores_of_alerts", "write_registry"]

#: The number of the schema in the header of messages.
NUMBER = 7
_PARSED = fastavro.parse_schema(SCHEMA)


@dataclass(frozen=True)
class Sent:
    """Messages of a topic.

    Attributes
    ----------
    values : list of bytes or None (n,)
        The messages.
    candidates : list of int or None (n,)
        The candidate that the row of each has, None where the message does not even have that.
    alerts : dict
        The alerts that can be read, by candidate.
    surplus : set of int
        The messages with bytes after their first alert.
    """

    values: list[bytes | None]
    candidates: list[int | None]
    alerts: dict[int, dict]
    surplus: set[int]


def alert_message(alert, number=NUMBER, schema=_PARSED):
    """Return a message: the header of a schema registry, then the alert."""
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, alert)
    return b"\0" + number.to_bytes(4, "big") + body.getvalue()


def make_messages(count, *, poison=True, begin=0, different=20):
    """Return messages of alerts; with `poison`, one in eleven is absent, empty, rubbish, cut, or has too much in it.

    `different` is the number of different cutouts.
    """
    pictures = [planes(number, (31, 31)) for number in range(different)]
    templates = [packet(number, picture) for number, picture in enumerate(pictures)]
    sent = Sent([], [], {}, set())
    for number in range(count):
        candidate = 10**17 + begin + number
        template = templates[number % different]
        alert = template | {"candid": candidate, "candidate": template["candidate"] | {"candid": candidate}}
        alert["objectId"] = f"ZTF26s{begin + number:06d}"
        message = alert_message(alert)
        if poison and number % 11 == 5:
            bad = (None, b"", b"rubbish", b"\0\0\0\0\x63" + message[5:], message[: len(message) // 2])
            kind = number // 11 % 7
            if kind < len(bad):
                sent.values.append(bad[kind])
                sent.candidates.append(candidate if kind == 4 else None)  # what is cut has its ids before the cut
                continue
            message += message[5:] if kind == 5 else b"trailing"
            sent.surplus.add(number)
        sent.values.append(message)
        sent.candidates.append(candidate)
        sent.alerts[candidate] = alert
    return sent


def write_registry(folder: Path):
    """Write the schema of the messages as a folder of schemas; return its path."""
    import json

    folder.mkdir(exist_ok=True)
    (folder / f"{NUMBER}.avsc").write_text(json.dumps(SCHEMA))
    return folder


def scores_of_alerts(alerts, folder: Path):
    """Return the score of each candidate by ``space2vec score`` of a file of the alerts."""
    from pyarrow import parquet

    from space2vec.cli import main

    (folder / "alerts.avro").write_bytes(avro_bytes(list(alerts.values())))
    assert main(["score", str(folder / "alerts.avro"), "-o", str(folder / "alerts.parquet"), "--threads", "1"]) == 0
    table = parquet.read_table(folder / "alerts.parquet", columns=["candidate_id", "score"])
    return dict(
        zip(table["candidate_id"].to_pylist(), np.asarray(table["score"]).view(np.uint32).tolist(), strict=True)
    )
