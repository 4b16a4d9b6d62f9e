"""The contenders of ``benchmarks/speed/chain.py``: how they are prepared, and what a round of each does."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.peers import BestPython, LibDeflate, Usual, UsualNetwork, needed_cutouts

__all__ = ["CONTENDERS", "TREES", "Chain", "make_braai", "make_forest", "make_night", "worker"]

TREES = 100
FOREST = "forest.safetensors"
#: Rows of a batch of the reader where a stage is measured; as many as the command line takes.
BATCH = 512


@dataclass(frozen=True)
class Chain:
    """A contender of the benchmark.

    Attributes
    ----------
    cores : int
        The number of cores that it runs on.
    most : int or None
        The most alerts of a round; None stands for all.
    model : str or None
        The model, if the contender is the command line of space2vec: a packaged name, or a file in the folder.
    before : bool
        Whether the older version runs it.
    """

    cores: int = 1
    most: int | None = None
    model: str | None = None
    before: bool = False


CONTENDERS: dict[str, Chain] = {
    "usual, forest": Chain(most=100),
    "usual, braai": Chain(most=200),
    "best python, forest": Chain(most=400),
    "libdeflate alone": Chain(most=2000),
    "before, forest": Chain(model=FOREST, before=True),
    "before, default": Chain(model="default", before=True),
    "forest": Chain(model=FOREST),
    "default": Chain(model="default"),
    "stampnet-fast": Chain(model="stampnet-fast"),
    "forest, two cores": Chain(cores=2, model=FOREST),
    "default, two cores": Chain(cores=2, model="default"),
    "read and walk": Chain(),
    "read, walk, inflate, FITS": Chain(),
    "read to scores": Chain(),
}


def make_night(source: Path, folder: Path, count: int) -> None:
    """Fill a folder with `count` alerts: copy each file of the source once, then link to the copies."""
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
    """Fit a forest to noisy features of the night, labelled by `default`; save it as pickle and safetensors."""
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
    s2v.Forest.from_sklearn(pipeline, feature_names=table.names, name="bench").save(folder / FOREST)
    (folder / "forest.pickle").write_bytes(pickle.dumps(forest))


def make_braai(weights: Path, folder: Path) -> None:
    """Write braai, ZTF's network, as an ONNX file."""
    import torch

    from space2vec.architectures.braai import published

    module = published(weights).eval()
    planes = torch.zeros((2, 3, 63, 63))
    rows = {0: torch.export.Dim("n", min=1)}
    torch.onnx.export(
        module, (planes,), folder / "braai.onnx", input_names=["planes"], output_names=["logit"],
        dynamic_shapes=(rows,), dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip


def faster_forest(forest: Any) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the name and the function of the faster of scikit-learn and ONNX Runtime on 1,000 rows."""
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


def first_stages(name: str, files: list[Path]) -> Callable[[], int]:
    """Return a function that runs the first stages of the chain with ``default``, and returns the number of rows."""
    import space2vec as s2v
    from space2vec.backends import kernels
    from space2vec.reading.options import ReadOptions

    wanted: dict[str, Any] = {"planes": 0 if name == "read and walk" else 7, "pixels": False}
    if name == "read to scores":
        wanted["model"] = kernels.require_extension("the benchmark").Model(s2v.load("default").file)

    def run() -> int:
        reader = kernels.require_extension("the benchmark").Reader(
            inputs=[os.fsencode(path) for path in files], in_memory=False, columns=[], fields=[], schemas=[],
            start=(0, 0, 0), **(ReadOptions(BATCH, 1).native() | wanted),
        )  # fmt: skip
        return sum(len(rows["flags"]) for rows in iter(lambda: reader.next(BATCH), None))

    return run


def run_command(folder: Path, chain: Chain) -> None:
    """Run ``space2vec score``."""
    from space2vec.cli import main as space2vec

    for old in folder.glob("scores*"):
        old.unlink() if old.is_file() else shutil.rmtree(old)
    model = str(folder / FOREST) if chain.model == FOREST else str(chain.model)
    arguments = ["score", str(folder / "night"), "-o", str(folder / "scores.parquet"), "--model", model]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        status = space2vec([*arguments, "--threads", str(chain.cores), "--device", "cpu"])
    if status:
        raise SystemExit(f"space2vec score ended with {status}")


def peak_memory() -> float:
    """Return the peak memory of this process in MB; getrusage would begin with the peak of its parent."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1024


def python_chain(name: str, folder: Path, files: list[Path]) -> tuple[Any, str | None]:
    """Return a chain of Python packages, which has run once, and a note on it for the record."""
    if name == "usual, braai":
        chain: Any = UsualNetwork(folder / "braai.onnx")
        note = None
    else:
        forest = pickle.loads((folder / "forest.pickle").read_bytes())
        note, score = (None, None) if name == "usual, forest" else faster_forest(forest)
        chain = Usual(forest) if score is None else BestPython(score)
    chain.run(files[:20])
    return chain, note


def worker(name: str, folder: Path) -> None:
    """Run one round for each line of input, and print its times as a line of JSON."""
    settings = CONTENDERS[name]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-settings.cores :])
    every = sorted((folder / "night").glob("*.avro"))
    files = every[: settings.most]
    chain: Any = None
    note = None
    if name.startswith(("usual", "best")):
        chain, note = python_chain(name, folder, files)
    elif name == "libdeflate alone":
        floor, cutouts = LibDeflate(), needed_cutouts(files)
        floor.run(cutouts)
    elif settings.model is None:
        part = first_stages(name, files)
    print("ready", flush=True)
    for turn, _ in enumerate(sys.stdin):
        # A chain that runs on a sample takes another one each round.
        if settings.most is not None and len(every) > settings.most and chain is not None:
            begin = turn * settings.most % (len(every) - settings.most)
            files = every[begin : begin + settings.most]
        before, start = os.times(), time.perf_counter()
        stages: dict[str, float] = {}
        if chain is not None:
            stages = chain.run(files)
        elif name == "libdeflate alone":
            floor.run(cutouts)
        elif settings.model is None:
            part()
        else:
            run_command(folder, settings)
        seconds, after = time.perf_counter() - start, os.times()
        user, system = after.user - before.user, after.system - before.system
        answer = {
            "alerts": len(files),
            "seconds": seconds,
            "processor_seconds": user + system,
            "system_seconds": system,
            "stages": {stage: spent / len(files) * 1e6 for stage, spent in stages.items()},
            "peak_megabytes": peak_memory(),
            "note": note,
        }
        print(json.dumps(answer), flush=True)
