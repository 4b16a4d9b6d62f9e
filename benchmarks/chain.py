"""Alerts a second from files to scores: the usual chain, the best that Python offers, and ours.

    python benchmarks/chain.py --night FOLDER [--alerts 20000] [--rounds 5] [--json FILE]

FOLDER holds Avro files of one alert each; they are linked again and again into a temporary folder until there are as
many as wanted. Every contender is a process of its own that waits while the others run; they take turns. The chains of
``benchmarks/peers.py`` run on a sample. One forest of 100 full trees on 38 columns serves all; ours is run as
``space2vec score`` runs, on one core and on two. Its stages are measured by leaving out what comes after them; the
floor is libdeflate alone on the two planes that the features need. Memory is the peak of the whole process.

The peers: ``pip install --group benchmark``.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import io
import itertools
import json
import math
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from peers import BestPython, LibDeflate, Usual, needed_cutouts
from programs import processor, versions
from rounds import quartiles

#: Cores and the most alerts of a round.
CONTENDERS: dict[str, tuple[int, int | None]] = {
    "usual": (1, 100),
    "best python": (1, 400),
    "space2vec": (1, None),
    "space2vec, two cores": (2, None),
    "libdeflate alone": (1, 2000),
    "read and walk": (1, None),
    "read, walk, inflate, FITS": (1, None),
    "read to features": (1, None),
    "read to tables": (1, None),
    "read to scores": (1, None),
}
PACKAGES = ("astropy", "deflate", "fastavro", "numba", "numpy", "onnxruntime", "scikit-learn", "scipy", "sep")
TREES = 100


def make_night(source: Path, folder: Path, count: int) -> None:
    """Fill a folder with `count` alerts: each file of the source is copied once and linked from there on."""
    files = sorted(source.glob("**/*.avro"))
    if not files:
        raise SystemExit(f"{source} holds no Avro file")
    for number in range(count):
        target = folder / f"{number:06d}.avro"
        if number < len(files):
            shutil.copyfile(files[number], target)
        else:
            os.link(folder / f"{number % len(files):06d}.avro", target)


def make_forest(night: Path, folder: Path) -> None:
    """Fit a forest to the night's features, shaken, with the packaged model's opinion as label; save it in two ways."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    import space2vec as s2v

    files = sorted(night.glob("*.avro"))[:500]
    stamps = s2v.read(files)
    table = s2v.features(stamps)
    score = np.nan_to_num(s2v.load("default").score(stamps).score)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(score), 20_000)
    values = np.nan_to_num(table.values[rows], nan=0.0, posinf=0.0, neginf=0.0)
    values += rng.normal(0, 0.3, values.shape) * values.std(axis=0)
    labels = rng.random(len(rows)) < 0.15 + 0.7 * score[rows]
    forest = RandomForestClassifier(TREES, random_state=1, n_jobs=2).fit(values.astype(np.float32), labels)
    forest.n_jobs = 1
    imputer = SimpleImputer(strategy="constant", fill_value=0.0).fit(values)
    pipeline = make_pipeline(imputer, forest)
    s2v.Forest.from_sklearn(pipeline, feature_names=table.names, name="bench").save(folder / "forest.safetensors")
    (folder / "forest.pickle").write_bytes(pickle.dumps(forest))


def faster_forest(forest: Any) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the faster of scikit-learn and onnxruntime on a batch of 1,000, and its name."""
    contenders: dict[str, Callable[[np.ndarray], np.ndarray]] = {"scikit-learn": lambda x: forest.predict_proba(x)}
    with contextlib.suppress(ImportError):
        import onnxruntime
        from skl2onnx import to_onnx

        model = to_onnx(forest, np.zeros((1, forest.n_features_in_), np.float32), options={"zipmap": False})
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        contenders["onnxruntime"] = lambda x: session.run(["probabilities"], {"X": x})[0]
    batch = np.random.default_rng(2).normal(size=(1000, forest.n_features_in_)).astype(np.float32)
    spent = {}
    for name, score in contenders.items():
        score(batch)
        start = time.perf_counter()
        score(batch)
        spent[name] = time.perf_counter() - start
    name = min(spent, key=lambda name: spent[name])
    return name, contenders[name]


def part_of_ours(name: str, folder: Path, files: list[Path]) -> Callable[[], None]:
    """Return a run of the first stages of ours."""
    from space2vec import backend, load
    from space2vec.measure import Measure
    from space2vec.reading import batches

    if name in ("read to tables", "read to scores"):
        forest = load(folder / "forest.safetensors")
        measure = Measure(forest.header.feature_names)

        def rows() -> None:
            for batch in batches(folder / "night", batch=2048, threads=1, measure=measure):
                if name == "read to scores":
                    forest.score(batch.rows, threads=1)

        return rows
    measured = name == "read to features"
    options = {
        "planes": 0 if name == "read and walk" else 6,
        "pixels": False,
        "convention": 0 if measured else -1,
        "saturation": math.nan,
        "threads": 1,
    }

    def run() -> None:
        inputs = [os.fsencode(path) for path in files]
        reader = backend.compiled("the benchmark").Reader(
            inputs=inputs, in_memory=False, columns=[], schemas=[], start=(0, 0, 0), **options
        )
        while reader.next(2048) is not None:
            pass

    return run


def command(night: Path, folder: Path, threads: int) -> None:
    """Run ``space2vec score``."""
    from space2vec.cli import main as space2vec

    output = folder / "scores.parquet"
    for made in folder.glob("scores*"):
        made.unlink() if made.is_file() else shutil.rmtree(made)
    arguments = ["score", str(night), "-o", str(output), "--model", str(folder / "forest.safetensors")]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = space2vec([*arguments, "--threads", str(threads)])
    if status:
        raise SystemExit(f"space2vec score ended with {status}")


def peak_memory() -> float:
    """Return the most memory that this process had, in MB; what getrusage tells begins with its parent's."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


def worker(name: str, folder: Path) -> None:
    """Run one round for each line of input; answer with what it took."""
    cores, most = CONTENDERS[name]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    night = folder / "night"
    every = sorted(night.glob("*.avro"))
    files = every[:most]
    chain: Any = None
    note = None
    if name in ("usual", "best python"):
        forest = pickle.loads((folder / "forest.pickle").read_bytes())
        if name == "usual":
            chain = Usual(forest)
        else:
            note, score = faster_forest(forest)
            chain = BestPython(score)
        chain.run(files[:20])
    elif name == "libdeflate alone":
        floor, cutouts = LibDeflate(), needed_cutouts(files)
        floor.run(cutouts)
    elif name.startswith("read"):
        part = part_of_ours(name, folder, files)
    print("ready", flush=True)
    for turn, _ in enumerate(sys.stdin):
        # A chain that runs on a sample takes another one each round.
        if most is not None and len(every) > most and chain is not None:
            begin = turn * most % (len(every) - most)
            files = every[begin : begin + most]
        before = time.process_time()
        start = time.perf_counter()
        stages: dict[str, float] = {}
        if chain is not None:
            stages = chain.run(files)
        elif name == "libdeflate alone":
            floor.run(cutouts)
        elif name.startswith("read"):
            part()
        else:
            command(night, folder, cores)
        answer = {
            "alerts": len(files),
            "seconds": time.perf_counter() - start,
            "processor_seconds": time.process_time() - before,
            "stages": {stage: spent / len(files) * 1e6 for stage, spent in stages.items()},
            "peak_megabytes": peak_memory(),
            "note": note,
        }
        print(json.dumps(answer), flush=True)


def begin(name: str, folder: Path) -> subprocess.Popen[str] | None:
    """Start a contender; say why where it cannot run here."""
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    backend = {"SPACE2VEC_BACKEND": "numba"} if name == "best python" else {}
    process = subprocess.Popen(
        [sys.executable, __file__, "--worker", name, "--folder", str(folder)],
        env=os.environ | single | backend,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() == "ready":
        return process
    complaint = process.communicate()[1].strip().splitlines()
    print(f"{name}: does not run here: {complaint[-1] if complaint else process.returncode}")
    return None


def ask(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Let a contender run one round."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit(process.communicate()[1])
    told: dict[str, Any] = json.loads(answer)
    return told


def summary(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the figures of each contender, and ratios taken within a round."""
    results: dict[str, Any] = {}
    per_alert = {
        name: {key: [turn[key] / turn["alerts"] * 1e6 for turn in turns] for key in ("seconds", "processor_seconds")}
        for name, turns in rounds.items()
    }
    for name, turns in rounds.items():
        wall = per_alert[name]["seconds"]
        results[name] = {
            "alerts_of_a_round": turns[0]["alerts"],
            "alerts_a_second": quartiles([1e6 / value for value in wall]),
            "microseconds": quartiles(wall),
            "processor_microseconds": quartiles(per_alert[name]["processor_seconds"]),
            "stages_microseconds": {
                stage: float(np.median([turn["stages"][stage] for turn in turns])) for stage in turns[0]["stages"]
            },
            "peak_megabytes": max(turn["peak_megabytes"] for turn in turns),
        }
        if turns[0]["note"]:
            results[name]["forest"] = turns[0]["note"]
        if "space2vec" in rounds:
            ours = per_alert["space2vec"]["seconds"]
            results[name]["times_as_long_as_ours"] = quartiles([a / b for a, b in zip(wall, ours, strict=True)])
    return results


def shares(results: dict[str, Any]) -> dict[str, float]:
    """Return what each stage of ours takes of an alert, in microseconds of the processor."""
    order = [*(name for name in CONTENDERS if name.startswith("read")), "space2vec"]
    if not all(name in results for name in order):
        return {}
    spent = [results[name]["processor_microseconds"][1] for name in order]
    labels = ["read and walk", "inflate and FITS", "features", "tables", "forest", "writing and start"]
    steps = [spent[0], *(b - a for a, b in itertools.pairwise(spent))]
    return dict(zip(labels, steps, strict=True))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--night", type=Path, help="the real alerts: a folder of Avro files")
    parser.add_argument("--alerts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="some of the contenders")
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.folder)
        return
    if arguments.night is None:
        parser.error("--night is needed")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "night").mkdir()
        make_night(arguments.night, folder / "night", arguments.alerts)
        make_forest(folder / "night", folder)
        running = {name: begin(name, folder) for name in arguments.only or CONTENDERS}
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name, process in running.items() if process}
        for _ in range(arguments.rounds):
            for name, turns in rounds.items():
                process = running[name]
                assert process is not None
                turns.append(ask(process))
        for process in running.values():
            if process is not None:
                process.communicate()
    results = summary(rounds)
    device = processor()
    print(f"{device}, {arguments.alerts} alerts, {arguments.rounds} rounds, medians")
    print(f"{'':28}{'alerts/s':>10}{'us':>9}{'us of CPU':>11}{'x ours':>8}{'MB':>7}")
    for name, told in results.items():
        ratio = told.get("times_as_long_as_ours", [math.nan] * 3)[1]
        print(
            f"{name:28}{told['alerts_a_second'][1]:10.0f}{told['microseconds'][1]:9.1f}"
            f"{told['processor_microseconds'][1]:11.1f}{ratio:8.2f}{told['peak_megabytes']:7.0f}"
        )
        for stage, spent in told["stages_microseconds"].items():
            print(f"    {stage:24}{'':10}{spent:9.1f}")
    stages = shares(results)
    for stage, spent in stages.items():
        print(f"ours: {stage:24}{spent:9.1f} us  {spent / sum(stages.values()):5.0%}")
    if arguments.json:
        record = {
            "benchmark": "chain",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": device,
            "versions": versions(PACKAGES),
            "alerts": arguments.alerts,
            "quantiles": [0.25, 0.5, 0.75],
            "results": results,
            "stages_of_ours_microseconds": stages,
        }
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
