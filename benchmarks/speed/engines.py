"""Processor time that workers of Spark, Dask and Ray take a row, beside the command line.

The contenders take turns in one thread of one process: ``space2vec score`` on a Parquet file, and the work of each
engine's worker on the same rows, conversion from and to Arrow included. A worker of Spark gets batches from a stream of
Arrow and writes its results to one; a worker of Dask has a partition of Arrow types, or one of Python objects; a worker
of Ray has tables. The engines themselves, their start and the JVM are not measured. Run it from the root of the
repository, with pandas installed::

    python -m benchmarks.speed.engines --rows 2000 --json benchmarks/results/engines.json
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc, parquet

from benchmarks.speed.rounds import processor_time, write_record

Scores = NDArray[np.float32]
#: Rows of a batch in Spark and Ray, as docs/cluster.md sets it.
BATCH = 512


def simulate_alerts(rows: int) -> pa.Table:
    """Return 200 simulated alerts as a table like Fink's, repeated to the number of rows."""
    import fastavro

    from space2vec.cli import main

    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        assert main(["simulate", "-n", "200", "-o", folder, "--seed", "7"]) == 0
        alerts = [alert for file in sorted(Path(folder).glob("*.avro")) for alert in fastavro.reader(file.open("rb"))]
    table = pa.Table.from_pylist(alerts)
    return pa.concat_tables([table] * -(-rows // len(table)))[:rows].combine_chunks()


class Workers:
    """The contenders: each method scores all rows and returns the scores (n,)."""

    def __init__(self, table: pa.Table, folder: Path, model: str) -> None:
        import pandas as pd

        from space2vec.models.workers import BatchScorer

        self._table, self._folder, self._model = table, folder, model
        self._scorer = BatchScorer(model)
        parquet.write_table(table, folder / "night.parquet", compression="none", use_dictionary=False)
        wanted = {steps[0] for steps in self._scorer.columns(table.schema).steps}
        self._narrow = table.select([name for name in table.column_names if name in wanted])
        self._arrow = self._narrow.to_pandas(types_mapper=pd.ArrowDtype)
        self._objects = self._narrow.to_pandas()
        sink = io.BytesIO()
        with ipc.new_stream(sink, self._narrow.schema) as stream:
            for batch in self._narrow.to_batches(max_chunksize=BATCH):
                stream.write_batch(batch)
        self._stream = sink.getvalue()

    def command_line(self) -> Scores:
        """Score the file by the command line."""
        from space2vec.cli import main

        out = self._folder / "scores.parquet"
        arguments = ["score", str(self._folder / "night.parquet"), "-o", str(out), "--model", self._model]
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            assert main([*arguments, "--threads", "1", "--restart"]) in (0, 1)  # 1 if alerts are damaged
        return np.asarray(parquet.read_table(out, columns=["score"])["score"])

    def spark(self) -> Scores:
        """Score batches of a stream of Arrow, and write the results to another."""
        sink = io.BytesIO()
        with ipc.open_stream(self._stream) as batches:
            results = self._scorer.batches(batches)
            first = next(results)
            with ipc.new_stream(sink, first.schema) as stream:
                stream.write_batch(first)
                for result in results:
                    stream.write_batch(result)
        return np.asarray(ipc.open_stream(sink.getvalue()).read_all()["score"])

    def dask(self) -> Scores:
        """Score a partition of Arrow types."""
        from space2vec.dask import score_partition

        return score_partition(self._arrow, self._model)["score"].to_numpy(np.float32, na_value=np.nan)

    def dask_of_objects(self) -> Scores:
        """Score a partition whose cutouts are Python objects."""
        from space2vec.dask import score_partition

        return score_partition(self._objects, self._model)["score"].to_numpy(np.float32, na_value=np.nan)

    def ray(self) -> Scores:
        """Score tables, as actors of Ray get them."""
        from space2vec.ray import Scorer

        scorer = Scorer(self._model)
        blocks = [self._table[begin : begin + BATCH] for begin in range(0, len(self._table), BATCH)]
        return np.concatenate([np.asarray(scorer(block)["score"]) for block in blocks])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="default")
    parser.add_argument("--data", type=Path, nargs="+", help="Parquet files of alerts instead of simulated ones")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.data:
        table = pa.concat_tables([parquet.read_table(file) for file in options.data], promote_options="permissive")
        table = pa.concat_tables([table] * -(-options.rows // len(table)))[: options.rows].combine_chunks()
    else:
        table = simulate_alerts(options.rows)
    with tempfile.TemporaryDirectory() as folder:
        workers = Workers(table, Path(folder), options.model)
        contenders: dict[str, Callable[[], Scores]] = {
            "command line": workers.command_line,
            "Spark": workers.spark,
            "Dask": workers.dask,
            "Dask, objects": workers.dask_of_objects,
            "Ray": workers.ray,
        }
        expected = workers.command_line()
        for name, run in contenders.items():
            assert np.array_equal(run().view(np.uint32), expected.view(np.uint32)), name
        times = processor_time({name: (run, len(table)) for name, run in contenders.items()}, options.rounds)
    micros = {name: statistics.median(rounds) for name, rounds in times.items()}
    ratios = {name: micros[name] / micros["command line"] for name in micros}
    for name, value in micros.items():
        low, high = min(times[name]), max(times[name])
        print(f"{name:16} {value:8.1f} us a row   {low:8.1f} to {high:.1f}   {ratios[name]:.2f}")
    if options.json:
        what = f"{len(table)} alerts with cutouts in Parquet or Arrow, one thread, processor time, with scores"
        write_record(options.json, what, times, ratios, model=options.model, rounds=options.rounds)


if __name__ == "__main__":
    main()
