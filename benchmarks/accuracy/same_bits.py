"""Whether every engine scores the same stamps to the same bits.

    python -m benchmarks.accuracy.same_bits --data FOLDER [--json FILE]

The packaged models score simulated stamps of three surveys, variants of these, odd stamps (planes absent, cut, constant
or damaged, flags of a reader, catalogue columns in some rows) and real alerts of the data folder: with each instruction
set and in Numba, each in a process of its own.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from benchmarks.programs import REPOSITORY, print_progress, processor, versions
from space2vec import registry
from space2vec.data import flags as flag_bits
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.models.load import packaged
from space2vec.simulation.variants import variants

#: The environment that selects each engine.
ENGINES = {
    **{name: {"SPACE2VEC_BACKEND": "native", "SPACE2VEC_ISA": name} for name in ("baseline", "v3", "v4", "v4vnni")},
    "numba": {"SPACE2VEC_BACKEND": "numba"},
}
SATURATION = 60000.0
#: Exit status of an engine that cannot run here.
_UNAVAILABLE = 3
_CATALOGUE = [name for name, entry in registry.FEATURES.items() if entry.source == "catalogue"]


def collect_stamps(rows: int, data: Path | None) -> dict[str, Stamps]:
    """Return sets of stamps by name, together at least `rows`."""
    share = -(-rows // 5)
    found = {}
    for survey in ("ztf", "des", "rubin"):
        found[f"simulated {survey}"] = s2v.simulate(share, survey=survey, seed=31, randomise=0.3).stamps
    night = s2v.simulate(max(20, share // 8), seed=32)
    found["variants"] = variants(LabelledStamps(night.stamps, night.labels, night.kinds), share, seed=33).stamps
    found["odd"] = odd_stamps(share)
    if data is not None:
        for name, folder in (("ztf", "ztf/night_20180713"), ("rubin", "rubin")):
            alerts = sorted(str(path) for path in (data / folder).rglob("*.avro"))
            found[f"real {name}"] = s2v.read(alerts)[:share]
    for stamps in found.values():
        stamps.saturation = SATURATION
    return found


def odd_stamps(n: int) -> Stamps:
    """Return stamps with the faults of detectors, subtractions and files; some lack planes."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from oracle import stamps as synthetic

    cases = (synthetic.batch(n, seed=34) + [case for _, case in synthetic.named_cases()])[-n:]
    stamps = Stamps([case.planes for case in cases], centre=[case.centre for case in cases])
    rng = np.random.default_rng(35)
    stamps.offset[rng.random(stamps.offset.shape) < 0.15] = -1
    raised = [0, 0, 0, *(flag_bits.bits(name) for name in ("missing", "bad_stamp", "off_shape", "padded"))]
    stamps.flags = rng.choice(np.array(raised, np.uint32), n)
    return stamps


def catalogue_columns(stamps: Stamps) -> NDArray[np.float32]:
    """Return catalogue columns (n, 20): those of the stamps, and random ones in half of the rows that have none."""
    rng = np.random.default_rng(37)
    columns = np.exp(rng.normal(size=(len(stamps), len(_CATALOGUE)))).astype(np.float32)
    columns[rng.random(columns.shape) < 0.1] = np.nan
    columns[rng.random(len(stamps)) < 0.5] = np.nan
    for k, name in enumerate(_CATALOGUE):
        given = stamps.catalogue.get(name)
        if given is not None:
            columns[:, k] = np.where(np.isnan(given), columns[:, k], given)
    return columns


def score_all(file: Path, threads: int) -> dict[str, NDArray[Any]]:
    """Score the stamps of a file by the engine of this process; return scores as bits, and flags, by model."""
    arrays = np.load(file)
    nothing: Any = {"object_id": None, "candidate_id": None, "catalogue": {}}
    names = ("buffer", "offset", "shape", "centre")
    stamps = Stamps.of_buffer(*(arrays[name] for name in names), flags=arrays["flags"], **nothing)
    stamps.saturation = SATURATION
    numba = os.environ.get("SPACE2VEC_BACKEND") == "numba"
    kernels: Any = importlib.import_module("space2vec.backends.numba" if numba else "space2vec._core")
    if kernels.isa() is None:
        raise ImportError("this processor or build lacks it")
    catalogue, n, results = arrays["catalogue"], len(stamps.offset), {}
    for name, path in models().items():
        model, flags = kernels.Model(path.read_bytes()), np.empty(n, np.uint32)
        if model.vector:
            vectors = np.empty((n, model.vector), np.int8)
            model.embed(stamps, catalogue, vectors, flags, threads)
            results[f"score {name}"] = vectors
        else:
            score = np.empty(n, np.float32)
            model.score(stamps, catalogue, score, flags, threads)
            results[f"score {name}"] = score.view(np.uint32)
        results[f"flags {name}"] = flags
    return results


def models() -> dict[str, Path]:
    """Return the packaged models, each under one name."""
    return {name: path for name, path in packaged().items() if name != "default"}


def score_by_engine(engine: str, file: Path, out: Path, threads: int) -> dict[str, NDArray[Any]] | str:
    """Let an engine score the stamps of a file; return its results, or the reason why it cannot run here."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SPACE2VEC_")}
    command = [sys.executable, "-m", __spec__.name, "--engine", str(file), str(out), "--threads", str(threads)]
    finished = subprocess.run(command, env=environment | ENGINES[engine], capture_output=True, text=True)
    if finished.returncode == _UNAVAILABLE:
        return finished.stderr.strip().splitlines()[-1]
    if finished.returncode:
        raise SystemExit(f"{engine}: {finished.stderr}")
    return dict(np.load(out))


def count_differences(expected: Mapping[str, NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Return the number of rows in which results differ, by name, where there are any."""
    rows = {
        name: int(np.count_nonzero((values != found[name]).reshape(len(values), -1).any(axis=1)))
        for name, values in expected.items()
    }
    return {name: count for name, count in rows.items() if count}


def compare(sets: Mapping[str, Stamps], engines: Sequence[str], threads: int) -> dict[str, Any]:
    """Return the record: the number of rows of each set, and of those in which an engine differs from the first."""
    whole = Stamps.concatenate(sets.values())
    results: dict[str, dict[str, NDArray[Any]]] = {}
    record: dict[str, Any] = {"rows": {name: len(stamps) for name, stamps in sets.items()}, "engines": {}}
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "stamps.npz"), Path(folder, "scores.npz")
        np.savez(
            file, buffer=whole.buffer, offset=whole.offset, shape=whole.shape, centre=whole.centre, flags=whole.flags,
            catalogue=catalogue_columns(whole),
        )  # fmt: skip
        for engine in engines:
            begin = time.perf_counter()
            found = score_by_engine(engine, file, out, threads)
            if isinstance(found, str):
                record["engines"][engine] = {"not run": found}
                print_progress(f"{engine}: not run: {found}")
                continue
            results[engine] = found
            differences = count_differences(next(iter(results.values())), found)
            record["engines"][engine] = {"rows that differ": differences}
            print_progress(f"{engine}: {differences or 'the same bits'}, {time.perf_counter() - begin:.0f} s")
    first = next(iter(results.values()))
    for name, path in models().items():
        score = first[f"score {name}"]
        record.setdefault("models", {})[name] = {
            "file": hashlib.sha256(path.read_bytes()).hexdigest()[:12],
            "scored": int(np.count_nonzero(_has_result(score))),
            "scores": hashlib.sha256(score.tobytes()).hexdigest()[:16],
            "flags": hashlib.sha256(first[f"flags {name}"].tobytes()).hexdigest()[:16],
        }
    return record


def _has_result(found: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows (n,) have a score, given as bits (n,), or a vector (n, k)."""
    return found.any(axis=1) if found.ndim == 2 else ~np.isnan(found.view(np.float32))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the engines; the exit status is 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5000, help="number of stamps (default 5000)")
    parser.add_argument("--data", type=Path, help="the folder of real data (default $SPACE2VEC_DATA)")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to write the record")
    parser.add_argument("--engine", type=Path, nargs=2, metavar=("STAMPS", "SCORES"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.engine:
        try:
            np.savez(options.engine[1], **score_all(options.engine[0], options.threads))
        except ImportError as error:
            print(error, file=sys.stderr)
            return _UNAVAILABLE
        return 0
    data = options.data or (Path(os.environ["SPACE2VEC_DATA"]) if "SPACE2VEC_DATA" in os.environ else None)
    record = compare(collect_stamps(options.rows, data), options.engines, options.threads)
    same = not any(engine.get("rows that differ") for engine in record["engines"].values())
    total = sum(record["rows"].values())
    print(f"{total} stamps, {len(record['models'])} models: {'the same bits' if same else 'DIFFERENT BITS'}")
    if options.json:
        whole = {
            "benchmark": "same_bits",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": processor(), "versions": versions(("numpy", "numba")), **record,
        }  # fmt: skip
        options.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
