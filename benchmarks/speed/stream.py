"""Score 20,000 packets from a Kafka topic, and compare with ``space2vec score`` on the same alerts.

The packets are the real ZTF alerts of ``$SPACE2VEC_DATA``, or simulated ones, repeated under ids of their own, behind
the header of a schema registry; one message in a hundred holds no alert. Each offset must have one record, with the
bits of the command line's score.

Rates are compared by the processor time that one more alert takes: both commands run on few and on all alerts, and the
difference is divided by the number of alerts, so that neither start counts. Both score on one thread, in turns, for
some rounds; the least time of each run counts, and all are recorded. ``score`` reads the alerts from one uncompressed
Avro file. The stream reads them in batches of 256 from a topic and writes into a topic. The broker is another process,
and does not count. Where it is noida-db, which differs from Apache Kafka in two ways, the measurement goes round both:

- It answers with all messages that follow a position, where Kafka keeps to ``fetch.max.bytes``. Clients refuse more
  than 100 MB, and memory for more than 32 MB is new to each answer, which costs a quarter more. So messages are sent
  in pieces of two batches, the next when each of the last has a record.
- It answers at once if there are no messages, and to ask again and again takes a tenth of a core. So the stream is
  stopped (SIGSTOP) while messages are sent, and asks only if it has none (``queued.min.messages=1``).

Latency is measured at 100 alerts a second, with the stream's own settings. Run from the repository's root, with the
packages of the group ``brokers``::

    PYTHONPATH=tests:. python -m benchmarks.speed.stream --json benchmarks/results/stream.json

``SPACE2VEC_KAFKA=host:port`` names an Apache Kafka to use instead of noida-db.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import fastavro
import numpy as np
from pyarrow import parquet

from helpers import brokers
from space2vec.bench.machine import processor, versions
from space2vec.stream.records import SCHEMA

#: Alerts a second while latency is measured, and for how many seconds.
RATE, SECONDS = 100, 15
#: The messages of a piece, which are two batches, and those of the short runs.
PIECE, FEW = 512, 2048
#: One message of these holds no alert.
POISON_EVERY = 100
#: The id of the first candidate.
FIRST = 10**17
BAD = (None, b"", b"rubbish", b"\0\0\0\0\x63 of an unknown schema")


@dataclass(frozen=True)
class Night:
    """Messages, and the alerts in them as a file, and the alerts of the first :data:`FEW` messages as another."""

    values: list[bytes | None]
    file: Path
    few: Path


def source(data: Path, folder: Path) -> tuple[dict, list[dict]]:
    """Return alerts and their schema: real ones, or simulated ones where there are none."""
    files = sorted((data / "ztf" / "night_20180713").glob("*.avro"))
    if not files:
        from space2vec.cli import main

        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            assert main(["simulate", "-n", "200", "-o", str(folder / "simulated"), "--seed", "7"]) == 0
        files = sorted((folder / "simulated").glob("*.avro"))
    alerts, schema = [], None
    for file in files:
        with file.open("rb") as stream:
            reader = fastavro.reader(stream)
            schema = schema or reader.writer_schema
            if reader.writer_schema == schema:
                alerts += list(reader)
    assert isinstance(schema, dict)
    return schema, alerts


def make_night(data: Path, folder: Path, rows: int) -> Night:
    """Write the schema, and the alerts as Avro files; return the messages."""
    schema, alerts = source(data, folder)
    (folder / "schemas").mkdir()
    (folder / "schemas" / "1.avsc").write_text(json.dumps(schema))
    parsed = fastavro.parse_schema(schema)
    bodies = []
    for number, alert in enumerate(alerts, FIRST):
        body = io.BytesIO()
        alert = alert | {"candid": number, "candidate": alert["candidate"] | {"candid": number}}
        fastavro.schemaless_writer(body, parsed, alert)
        bodies.append(body.getvalue())
        assert bodies[-1].count(as_long(number)) == 2
    records: list[bytes | None] = []
    for row in range(rows):
        bad = row % POISON_EVERY == 50
        place = row % len(bodies)  # an encoded alert gets another id
        records.append(None if bad else bodies[place].replace(as_long(FIRST + place), as_long(FIRST + row)))
    for name, some in (("night", records), ("few", records[:FEW])):
        write_avro(folder / f"{name}.avro", parsed, [record for record in some if record is not None])
    values = [
        BAD[row // POISON_EVERY % len(BAD)] if record is None else b"\0\0\0\0\x01" + record
        for row, record in enumerate(records)
    ]
    return Night(values, folder / "night.avro", folder / "few.avro")


def as_long(number: int) -> bytes:
    """Return a positive number as Avro encodes it."""
    number *= 2
    held = bytearray()
    while number > 127:
        held.append(number & 127 | 128)
        number >>= 7
    return bytes([*held, number])


def write_avro(path: Path, schema: dict, records: Sequence[bytes], block: int = 20) -> None:
    """Write encoded records as an Avro file without compression, some records a block."""
    header = io.BytesIO()
    fastavro.writer(header, schema, [])
    with path.open("wb") as file:
        file.write(header.getvalue())
        for begin in range(0, len(records), block):
            some = records[begin : begin + block]
            body = b"".join(some)
            file.write(as_long(len(some)) + as_long(len(body)) + body + header.getvalue()[-16:])


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start the command line, silently."""
    command = [sys.executable, "-m", "space2vec", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(process: subprocess.Popen[bytes]) -> float:
    """Wait until a process ends; return its seconds of processor time."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1), process.returncode  # 1: rows without a score
    return usage.ru_utime + usage.ru_stime


def stream_command(broker: brokers.Broker, folder: Path, topic: str, output: str, *options: str) -> list[str]:
    """Return the arguments of a stream."""
    arguments = ["stream", "--brokers", broker.address, "--topic", topic, "--output", output, "--group", topic]
    return [*arguments, "--schema-registry", str(folder / "schemas"), *options]


def rows_of(broker: brokers.Broker, topic: str) -> Iterator[dict]:
    """Yield the scores of a topic."""
    schema = fastavro.parse_schema(json.loads(SCHEMA))
    for record in broker.records(topic):
        yield fastavro.schemaless_reader(io.BytesIO(record.value[10:]), schema)


def compare(night: Night, rows: list[dict], scored: Path) -> int:
    """Return how many messages do not have exactly one row with the bits of the command line's score."""
    table = parquet.read_table(scored, columns=["candidate_id", "score"])
    bits = np.asarray(table["score"], np.float32).view(np.uint32).tolist()
    expected = dict(zip(table["candidate_id"].to_pylist(), bits, strict=True))
    seen = np.zeros(len(night.values), int)
    wrong = 0
    for row in rows:
        seen[row["offset"]] += 1
        got = int(np.float32(row["score"]).view(np.uint32))
        if (number := FIRST + row["offset"]) in expected:
            wrong += row["candidate_id"] != number or got != expected[number]
        else:
            wrong += "bad_stamp" not in row["flags"]
    return int(wrong) + int((seen != 1).sum())


@contextlib.contextmanager
def running(folder: Path) -> Iterator[brokers.Broker]:
    """Run a broker without messages; noida-db holds all of them in memory, so each run has its own."""
    if address := os.environ.get("SPACE2VEC_KAFKA"):
        yield brokers.Broker("kafka", address)
        return
    with tempfile.TemporaryDirectory(dir=folder) as name, brokers.noida(Path(name)) as broker:
        yield broker


@dataclass(frozen=True)
class Run:
    """What a stream has written, its seconds of processor time, and its most memory in MB."""

    rows: list[dict]
    processor: float
    memory: float


def stream(folder: Path, values: Sequence[bytes | None]) -> Run:
    """Send messages in pieces, let a stream read each, and end it when each message has a record."""
    from confluent_kafka import Consumer, TopicPartition

    with running(folder) as broker:
        topic, output = broker.topic(name="night"), broker.topic(name="scores")
        watcher = Consumer(broker.client(group_id=f"watcher_{topic}"))
        broker.feed(topic, values[:PIECE])
        settings = folder / "settings"
        settings.write_text("consumer.queued.min.messages=1\n" if broker.name == "noida" else "")
        process = start(*stream_command(broker, folder, topic, output, "--config", str(settings)))
        stored = 0
        while stored < len(values):
            assert process.poll() is None, process.returncode
            sent = min(len(values), (stored // PIECE + 1) * PIECE)
            while stored < sent and process.poll() is None:
                _, stored = watcher.get_watermark_offsets(TopicPartition(output, 0), 60)
                time.sleep(0.01)
            process.send_signal(signal.SIGSTOP)
            broker.feed(topic, values[sent : sent + PIECE], begin=sent)
            process.send_signal(signal.SIGCONT)
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        memory = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
        watcher.close()
        process.terminate()
        spent = end(process)
        return Run(list(rows_of(broker, output)), spent, memory)


def score(file: Path, output: Path) -> float:
    """Score a file on one thread; return the seconds of processor time."""
    return end(start("score", str(file), "-o", str(output), "--threads", "1"))


def throughput(night: Night, folder: Path, rounds: int) -> dict:
    """Return processor time and memory of streams of the night, of the command line, and what differs."""
    count = len(night.values)
    alerts = [sum(len(value or b"") > 1000 for value in values) for values in (night.values[:FEW], night.values)]
    times: dict[str, list[float]] = {name: [] for name in ("stream few", "stream", "score few", "score")}
    memory, wrong = [], 0
    for _ in range(rounds):
        times["score few"].append(score(night.few, folder / "few.parquet"))
        times["stream few"].append(stream(folder, night.values[:FEW]).processor)
        times["score"].append(score(night.file, folder / "scores.parquet"))
        run = stream(folder, night.values)
        times["stream"].append(run.processor)
        memory.append(run.memory)
        wrong += compare(night, run.rows, folder / "scores.parquet")
    least = {name: min(of_rounds) for name, of_rounds in times.items()}
    by_stream = 1e6 * (least["stream"] - least["stream few"]) / (count - FEW)
    by_file = 1e6 * (least["score"] - least["score few"]) / (alerts[1] - alerts[0])
    return {
        "messages": count,
        "bytes a message": round(float(np.mean([len(value or b"") for value in night.values]))),
        "differing rows": wrong,
        "memory MB": round(max(memory)),
        "seconds of processor time, each round": {name: np.round(held, 2).tolist() for name, held in times.items()},
        "microseconds of processor time": {
            "a message of stream": round(by_stream, 1),
            "a row of score": round(by_file, 1),
        },
        "rate beside score": round(by_file / by_stream, 2),
        "on paper": {
            "a visit of 10,000 alerts, seconds of a core": round(1e-2 * by_stream, 1),
            "a night of 10 million alerts, hours of a core": round(10 * by_stream / 3600, 2),
        },
    }


def latency(night: Night, folder: Path) -> dict:
    """Return milliseconds from the arrival of an alert at the broker to that of its score at a reader."""
    from confluent_kafka import Consumer, Producer, TopicPartition

    good = [value for value in night.values if value and len(value) > 1000][: RATE * SECONDS]
    with running(folder) as broker:
        topic, output = broker.topic(name="night"), broker.topic(name="scores")
        process = start(*stream_command(broker, folder, topic, output, "--max-wait-ms", "20"))
        sent: dict[int, float] = {}
        seen: dict[int, float] = {}
        reader = Consumer(broker.client(group_id="reader", fetch_wait_max_ms=5))
        reader.assign([TopicPartition(output, 0, 0)])

        def read() -> None:
            while len(seen) < len(good) and process.poll() is None:
                message = reader.poll(0.1)
                if message is not None and message.error() is None:
                    seen[int(message.key().rpartition(b"/")[2])] = time.perf_counter()

        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(6)  # it has started, and has its partition
        producer = Producer(broker.client(linger_ms=0))
        begin = time.perf_counter()
        for number, value in enumerate(good):
            time.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
            sent[number] = time.perf_counter()
            producer.produce(topic, value, partition=0)
            producer.poll(0)
        producer.flush(30)
        thread.join(60)
        process.terminate()
        process.wait(30)
        reader.close()
    millis = 1e3 * np.array([seen[number] - sent[number] for number in seen])
    quantiles = np.percentile(millis, (50, 95, 99, 100)).round(1).tolist()
    return {"alerts": len(millis), "alerts a second": RATE} | dict(
        zip(("median", "95 %", "99 %", "most"), quantiles, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SPACE2VEC_DATA", "../shared/data")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.rows < 2 * FEW:
        parser.error(f"--rows is at least {2 * FEW}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        night = make_night(options.data, folder, options.rows)
        record = {
            "what": "ZTF alerts, repeated, one message in a hundred without an alert, from a topic into another, in "
            "batches of 256, beside `space2vec score --threads 1` on the same alerts in one Avro file; the runs on all "
            f"less those on {FEW}, the least of the rounds; latency in milliseconds from produce() of the alert to a "
            "reader of the scores, --max-wait-ms 20",
            "machine": {"processor": processor(), "cores": os.cpu_count()},
            "load before": os.getloadavg()[0],
            "versions": versions(["confluent-kafka", "fastavro", "noida-db", "numpy"]),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "real alerts": (options.data / "ztf").is_dir(),
            "broker": "Apache Kafka" if os.environ.get("SPACE2VEC_KAFKA") else "noida-db",
            "throughput": throughput(night, folder, options.rounds),
        }
        print(json.dumps(record, indent=1), flush=True)
        record["latency"] = latency(night, folder)
    print(json.dumps(record["latency"], indent=1))
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    if record["throughput"]["differing rows"]:
        raise SystemExit("rows differ")


if __name__ == "__main__":
    main()
