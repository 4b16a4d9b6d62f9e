"""Streams in processes of their own, for tests: start one, let it die where it should, and read what it has written."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import fastavro
import numpy as np
from pyarrow import parquet

from helpers.brokers import Broker
from helpers.stream_messages import Sent, scores_of_alerts, write_registry

__all__ = ["MODES", "Row", "Stream", "differences", "without_repeats"]

#: What is written, and how: a topic, before the positions; a topic in transactions; a folder.
MODES = ("topic", "exactly once", "folder")
#: Seconds for which a stream that ends by itself may run.
PATIENCE = 60.0


@dataclass(frozen=True)
class Row:
    """A score as it was written."""

    partition: int
    offset: int
    candidate: int | None
    bits: int
    flags: tuple[str, ...]
    problem: str | None


@dataclass
class Stream:
    """A stream from one topic to an output, of one group.

    Attributes
    ----------
    broker, folder, source : Broker, Path, str
        The broker, a folder for files, and the topic of the alerts.
    mode : str
        One of the :data:`MODES`.
    registry : str
        A URL or a folder; by default a folder with the schema of the tests' messages.
    settings : dict of str to str
        Settings of the clients.
    group : str
        How the name of the group begins.
    output : str
        A topic or a folder; by default one of its own.
    """

    broker: Broker
    folder: Path
    source: str
    mode: str = "topic"
    registry: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    group: str = ""
    output: str = ""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.group = f"{self.group.replace(' ', '_')}_{self.source}"
        self.registry = self.registry or str(write_registry(self.folder / "schemas"))
        if not self.output:
            to_folder = self.mode == "folder"
            self.output = f"{self.folder}/scores" if to_folder else self.broker.topic(2, "scores")
        settings = self.settings
        if self.broker.name == "tansu":  # which keeps a group waiting for half of the session's time
            settings = {"producer.batch.num.messages": "1", "session.timeout.ms": "6000"} | settings
        (self.folder / "config").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def start(self, *options: str, point: str = "", number: int = 0, seconds: float = 0, member: str = "one"):
        """Start the stream; at a point it waits for some seconds, or without any it kills itself."""
        command = [sys.executable, "-m", "helpers.stream_driver", point, str(number), str(seconds)]
        command += ["--brokers", self.broker.address, "--topic", self.source, "--group", self.group]
        command += ["--member", member, "--output", self.output, "--schema-registry", self.registry]
        command += ["--config", str(self.folder / "config"), *options]
        if self.mode == "exactly once":
            command.append("--exactly-once")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with (self.folder / f"log_{member}").open("a") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=environment, text=True
            )
        self.processes.append(process)
        return process

    def run(self, *options: str, **where) -> int:
        """Run the stream to the end of the topic; return its exit status."""
        process = self.start("--until-eos", *options, **where)
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"the stream does not end: {self.log()}") from None
        return process.returncode

    def log(self) -> str:
        """Return what the streams have printed."""
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("log_*")))

    def kill(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.processes.clear()

    def wait_for(self, rows: int, patience: float = 40.0, *, live: subprocess.Popen[str] | None = None) -> list[Row]:
        """Wait until the output has so many rows; return them."""
        deadline = time.monotonic() + patience
        while len(got := self.rows()) < rows:
            assert time.monotonic() < deadline, f"{len(got)} rows of {rows}: {self.log()}"
            assert live is None or live.poll() is None, self.log()
            time.sleep(0.2)
        return got

    def rows(self) -> list[Row]:
        """Return all rows that are written and visible."""
        if self.mode == "folder":
            return self._rows_of_folder()
        from space2vec.stream.records import SCHEMA

        schema = fastavro.parse_schema(json.loads(SCHEMA))
        rows = []
        for record in self.broker.records(self.output):
            assert record.value is not None
            header = 5 if record.value[:1] == b"\0" else 10
            row = fastavro.schemaless_reader(io.BytesIO(record.value[header:]), schema)
            assert record.key == f"{row['topic']}/{row['partition']}/{row['offset']}".encode()
            rows.append(_as_row(row))
        return rows

    def _rows_of_folder(self) -> list[Row]:
        rows = []
        for path in sorted(Path(self.output).glob("*.parquet")):
            rows += [_as_row(row) for row in parquet.read_table(path).to_pylist()]
        return rows


def _as_row(row: dict) -> Row:
    bits = int(np.float32(row["score"]).view(np.uint32))
    return Row(row["partition"], row["offset"], row["candidate_id"], bits, tuple(row["flags"]), row["problem"])


def without_repeats(rows: list[Row]) -> list[Row]:
    """Return the first row of each message."""
    return list({(row.partition, row.offset): row for row in reversed(rows)}.values())


def differences(sent: Sent, rows: list[Row], folder: Path, partitions: int = 1) -> list[str]:
    """Return in what rows differ from exactly one row a message with the score of the command line.

    Message `number` is expected at offset ``number // partitions`` of partition ``number % partitions``.
    """
    scores = scores_of_alerts(sent.alerts, folder)
    found: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row.partition, row.offset), []).append(row)
    wrong: list[str] = []
    for number, candidate in enumerate(sent.candidates):
        place = number % partitions, number // partitions
        mine = found.pop(place, [])
        if len(mine) != 1:
            wrong.append(f"message {number}: {len(mine)} rows")
            continue
        row = mine[0]
        if row.candidate != candidate:
            wrong.append(f"message {number}: candidate {row.candidate}, not {candidate}")
        elif candidate not in scores:
            if not np.isnan(np.uint32(row.bits).view(np.float32)) or "bad_stamp" not in row.flags or not row.problem:
                wrong.append(f"message {number}: {row}")
        elif row.bits != scores[candidate] or ("surplus" in row.flags) != (number in sent.surplus):
            wrong.append(f"message {number}: {row}, score {scores[candidate]}")
    return wrong + [f"a row of {place}, where nothing was sent" for place in found]
