"""Score one night in Spark, Dask, LSDB and Ray, and compare the rows with the command line's, to the bit.

The night consists of the real ZTF alerts of ``$SPACE2VEC_DATA``, Avro and Parquet, repeated under ids of their own;
one alert in a hundred is damaged. Every engine runs on two partitionings. Where its Python workers can be asked, the
processor time of a second pass is noted, their start and the model's load left out. What a worker takes a row beside
the command line, engine apart, is measured as in :mod:`benchmarks.speed.engines`. Run from the repository's root, in an
environment that has the engines::

    python -m benchmarks.speed.cluster --rows 20000 --json benchmarks/results/cluster.json
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from benchmarks.speed.engines import BATCH, Workers
from benchmarks.speed.rounds import processor_time
from space2vec.bench.machine import processor, versions

if TYPE_CHECKING:
    import pandas

CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
#: One row of these is damaged.
DAMAGED_EVERY = 100


def real_alerts(data: Path) -> list[dict]:
    """Return the alerts of the night in Avro, and of the broker in Parquet."""
    import fastavro

    names = ("objectId", "candid", "candidate", *CUTOUTS)
    alerts = []
    for file in sorted((data / "ztf" / "night_20180713").glob("*.avro")):
        with file.open("rb") as stream:
            alerts += [{name: alert[name] for name in names} for alert in fastavro.reader(stream)]
    for file in sorted((data / "ztf" / "brokers").rglob("*.parquet")):
        alerts += parquet.read_table(file, columns=list(names)).to_pylist()
    return alerts


def damaged(alert: dict, number: int) -> dict:
    """Return the alert with one of its cutouts spoilt; the number chooses how."""
    name = CUTOUTS[number % 3]
    whole = alert[name]["stampData"]
    spoilt = (None, b"", b"rubbish", whole[: len(whole) // 2], whole[:-8] + bytes(8))[number // 3 % 5]
    return alert | {name: None if spoilt is None else alert[name] | {"stampData": spoilt}}


def make_night(alerts: list[dict], rows: int) -> pa.Table:
    """Return a table of so many rows: the alerts in turn, each with an id of its own and a place on the sky."""
    source = pa.Table.from_pylist(alerts)
    whole = pa.concat_tables([source] * -(-rows // len(source)))[:rows]
    spoilt = [damaged(alerts[row % len(alerts)], row // DAMAGED_EVERY) for row in range(50, rows, DAMAGED_EVERY)]
    parts, begin = [], 0
    for row, alert in zip(range(50, rows, DAMAGED_EVERY), spoilt, strict=True):
        parts += [whole[begin:row], pa.Table.from_pylist([alert], schema=source.schema)]
        begin = row + 1
    table = pa.concat_tables([*parts, whole[begin:]]).combine_chunks()
    place = np.random.default_rng(1)
    table = table.set_column(table.column_names.index("candid"), "candid", pa.array(np.arange(rows, dtype=np.int64)))
    return table.append_column("ra", pa.array(place.uniform(0, 360, rows))).append_column(
        "dec", pa.array(np.degrees(np.arcsin(place.uniform(-0.5, 0.9, rows))))
    )


def by_command_line(folder: Path, *options: str) -> pa.Table:
    """Return what ``space2vec score`` makes of the night."""
    from space2vec.cli import main

    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        status = main(["score", str(folder / "night.parquet"), "-o", str(folder / "scores.parquet"), *options])
    assert status in (0, 1), status
    return parquet.read_table(folder / "scores.parquet", columns=["object_id", "candidate_id", "score", "flags"])


def differing(got: pa.Table, expected: pa.Table) -> int:
    """Return how many rows have other ids, flags or bits of the score; a row too few or too many counts."""
    one, other = (table.sort_by("candidate_id") for table in (got, expected))
    if len(one) != len(other):
        return abs(len(one) - len(other))
    wrong = np.zeros(len(one), bool)
    for name in ("object_id", "candidate_id", "flags"):
        wrong |= np.array([a != b for a, b in zip(one[name].to_pylist(), other[name].to_pylist(), strict=True)])
    bits = [np.asarray(table["score"].combine_chunks(), np.float32).view(np.uint32) for table in (one, other)]
    return int((wrong | (bits[0] != bits[1])).sum())


def _spent(root: int) -> float:
    """Return the seconds of processor time of the Python processes below a process, ended ones included."""
    tick, below, spent = os.sysconf("SC_CLK_TCK"), {root}, 0.0
    stats = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                program = Path(os.fsdecode((folder / "cmdline").read_bytes().split(b"\0")[0])).name
                stats[int(folder.name)] = (int(fields[1]), sum(map(int, fields[11:15])), "python" in program)
    grown = True
    while grown:
        more = {process for process, (parent, _, _) in stats.items() if parent in below} - below
        below |= more
        grown = bool(more)
    for process in below - {root}:
        if stats[process][2]:
            spent += stats[process][1] / tick
    return spent


#: What an engine yields: the partitioning, the scores, and the seconds of its workers where they can be asked.
Runs = Iterator[tuple[str, pa.Table, "float | None"]]


def spark(folder: Path) -> Runs:
    """Run Spark with two workers."""
    from pyspark.sql import SparkSession

    import space2vec.spark as engine

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "4g")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(BATCH))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    frame = session.read.parquet(str(folder / "night.parquet"))
    engine.score(frame.limit(500)).count()
    for partitions in (4, 23):
        before = _spent(os.getpid())
        got = pa.Table.from_batches(engine.score(frame.repartition(partitions)).toArrow().to_batches())
        yield f"{partitions} partitions", got, _spent(os.getpid()) - before
    session.stop()


def _as_table(frame: pandas.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)


def dask(folder: Path) -> Runs:
    """Run Dask with two processes of one thread, whose time includes what reading Parquet takes."""
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    import space2vec.dask as engine

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(local_directory=str(folder / "dask"), **options) as cluster, Client(cluster) as client:
        frame = dd.read_parquet(str(folder / "parts"), dtype_backend="pyarrow")
        for partitions in (0, 7):
            chosen = frame.repartition(npartitions=partitions) if partitions else frame
            engine.score(chosen.partitions[:2]).compute()
            before = sum(client.run(time.process_time).values())
            got = engine.score(chosen).compute()
            spent = sum(client.run(time.process_time).values()) - before
            yield f"{chosen.npartitions} partitions", _as_table(got), spent


def lsdb(folder: Path) -> Runs:
    """Run a HATS catalogue, written to disk and opened again."""
    import lsdb as package
    import pandas as pd

    import space2vec.dask as engine

    frame = parquet.read_table(folder / "night.parquet").to_pandas(types_mapper=pd.ArrowDtype)
    for rows in (8000, 1500):
        catalogue = package.from_dataframe(
            frame, ra_column="ra", dec_column="dec", lowest_order=0, highest_order=5, partition_rows=rows
        )
        catalogue.write_catalog(str(folder / f"hats{rows}"), catalog_name=f"night{rows}", overwrite=True)
        opened = package.open_catalog(str(folder / f"hats{rows}"))
        got = engine.score(opened).compute()
        yield f"{opened.npartitions} partitions", _as_table(got), None


def ray(folder: Path) -> Runs:
    """Run Ray with one actor beside the reader, and with two."""
    import ray as package

    import space2vec.ray as engine

    package.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    package.data.DataContext.get_current().enable_progress_bars = False
    for workers, size in ((1, BATCH), (2, 100)):
        dataset = package.data.read_parquet(str(folder / "parts"))
        scored = engine.score(dataset, workers=workers, batch_size=size)
        tables = [package.get(one) for one in scored.to_arrow_refs()]
        yield f"{workers} actors, batches of {size}", pa.concat_tables([t for t in tables if len(t)]), None
    package.shutdown()


ENGINES: dict[str, Callable[[Path], Runs]] = {"Spark": spark, "Dask": dask, "LSDB": lsdb, "Ray": ray}


def run_engines(folder: Path, expected: pa.Table, names: list[str]) -> dict[str, list[dict]]:
    """Return what each engine did on each partitioning."""
    done: dict[str, list[dict]] = {}
    for name in names:
        done[name] = []
        begin = time.perf_counter()
        for partitioning, got, spent in ENGINES[name](folder):
            record = {"partitioning": partitioning, "rows": len(got), "differing rows": differing(got, expected)}
            record["seconds"] = round(time.perf_counter() - begin, 1)
            if spent is not None:
                record["microseconds of a worker a row"] = round(1e6 * spent / len(got), 1)
            print(name, record, flush=True)
            done[name].append(record)
            begin = time.perf_counter()
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SPACE2VEC_DATA", "../shared/data")))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = make_night(real_alerts(options.data), options.rows)
        workers = Workers(table, folder, "default")  # which writes night.parquet
        (folder / "parts").mkdir()
        for part, begin in enumerate(range(0, len(table), 1700)):
            parquet.write_table(table[begin : begin + 1700], folder / "parts" / f"part{part:03d}.parquet")
        expected = by_command_line(folder, "--threads", "1")
        refused = sum(1 for flags in expected["flags"].to_pylist() if flags)
        done = run_engines(folder, expected, options.engines)
        contenders = {
            "command line": workers.command_line,
            "Spark": workers.spark,
            "Dask": workers.dask,
            "Dask, objects": workers.dask_of_objects,
            "Ray": workers.ray,
        }
        took = processor_time({name: (run, len(table)) for name, run in contenders.items()}, options.rounds)
    micros = {name: statistics.median(times) for name, times in took.items()}
    record = {
        "what": "real ZTF alerts in Avro and Parquet, repeated, one in a hundred damaged, scored in each engine and "
        "compared with `space2vec score`; then what a worker takes a row, engine apart: one thread, processor time, "
        "Arrow conversion included",
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        "versions": versions(["dask", "distributed", "lsdb", "numpy", "pyarrow", "pyspark", "ray"]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "rows": len(table),
        "rows with flags": refused,
        "engines": done,
        "microseconds": {name: {"median": micros[name], "rounds": times} for name, times in took.items()},
        "ratios": {name: micros[name] / micros["command line"] for name in micros},
    }
    for name, value in micros.items():
        print(f"{name:16} {value:8.1f} us a row   {value / micros['command line']:.2f}")
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    if wrong := sum(run["differing rows"] for runs in done.values() for run in runs):
        raise SystemExit(f"{wrong} rows differ")


if __name__ == "__main__":
    main()
