"""Whether every engine scores the same stamps to the same bits.

    python -m benchmarks.accuracy.same_bits --data FOLDER [--json FILE]

The packaged models score simulated stamps of three surveys, variants of these, odd ones (planes absent, cut, constant,
spoiled, flags of a reader, catalogue columns here and there) and, where there are some, real alerts; once with each
instruction set, and in Numba, each in a process of its own.
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

#: What each engine is asked for by.
ENGINES = {
    **{name: {"SPACE2VEC_BACKEND": "native", "SPACE2VEC_ISA": name} for name in ("baseline", "v3", "v4", "v4vnni")},
    "numba": {"SPACE2VEC_BACKEND": "numba"},
}
SATURATION = 60000.0
#: Exit status of an engine that cannot run here.
_UNAVAILABLE = 3
_CATALOGUE = [name for name, entry in registry.FEATURES.items() if entry.source == "catalogue"]


def made_stamps(rows: int, data: Path | None) -> dict[str, Stamps]:
    """Return stamps by what they are, together at least so many."""
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
    """Return stamps as detectors, subtractions and files spoil them, some without planes."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from oracle import stamps as made

    cases = (made.batch(n, seed=34) + [case for _, case in made.named_cases()])[-n:]
    stamps = Stamps([case.planes for case in cases], centre=[case.centre for case in cases])
    rng = np.random.default_rng(35)
    stamps.offset[rng.random(stamps.offset.shape) < 0.15] = -1
    raised = [0, 0, 0, *(flag_bits.bits(name) for name in ("missing", "bad_stamp", "off_shape", "padded"))]
    stamps.flags = rng.choice(np.array(raised, np.uint32), n)
    return stamps


def known_of(stamps: Stamps) -> NDArray[np.float32]:
    """Return what a catalogue says (n, 20): the stamps' own, else made up in half of the rows."""
    rng = np.random.default_rng(37)
    known = np.exp(rng.normal(size=(len(stamps), len(_CATALOGUE)))).astype(np.float32)
    known[rng.random(known.shape) < 0.1] = np.nan
    known[rng.random(len(stamps)) < 0.5] = np.nan
    for k, name in enumerate(_CATALOGUE):
        own = stamps.catalogue.get(name)
        if own is not None:
            known[:, k] = np.where(np.isnan(own), known[:, k], own)
    return known


def score_all(file: Path, threads: int) -> dict[str, NDArray[Any]]:
    """Return what the engine of this process gives for the stamps of a file: scores as bits, and flags, by model."""
    arrays = np.load(file)
    nothing: Any = {"object_id": None, "candidate_id": None, "catalogue": {}}
    names = ("buffer", "offset", "shape", "centre")
    stamps = Stamps.of_buffer(*(arrays[name] for name in names), flags=arrays["flags"], **nothing)
    stamps.saturation = SATURATION
    numba = os.environ.get("SPACE2VEC_BACKEND") == "numba"
    kernels: Any = importlib.import_module("space2vec.backends.numba" if numba else "space2vec._core")
    if kernels.isa() is None:
        raise ImportError("this processor or build lacks it")
    known, n, results = arrays["catalogue"], len(stamps.offset), {}
    for name, path in models().items():
        score, flags = np.empty(n, np.float32), np.empty(n, np.uint32)
        kernels.Model(path.read_bytes()).score(stamps, known, score, flags, threads)
        results[f"score {name}"], results[f"flags {name}"] = score.view(np.uint32), flags
    return results


def models() -> dict[str, Path]:
    """Return the packaged models, each under one name."""
    return {name: path for name, path in packaged().items() if name != "default"}


def asked(engine: str, file: Path, out: Path, threads: int) -> dict[str, NDArray[Any]] | str:
    """Let an engine score the stamps of a file; return the reason instead where it cannot run here."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SPACE2VEC_")}
    command = [sys.executable, "-m", __spec__.name, "--engine", str(file), str(out), "--threads", str(threads)]
    done = subprocess.run(command, env=kept | ENGINES[engine], capture_output=True, text=True)
    if done.returncode == _UNAVAILABLE:
        return done.stderr.strip().splitlines()[-1]
    if done.returncode:
        raise SystemExit(f"{engine}: {done.stderr}")
    return dict(np.load(out))


def differing(expected: Mapping[str, NDArray[Any]], given: Mapping[str, NDArray[Any]]) -> dict[str, int]:
    """Return in how many rows results differ, by name; those in which none does are left out."""
    rows = {name: int(np.count_nonzero(expected[name] != given[name])) for name in expected}
    return {name: count for name, count in rows.items() if count}


def compare(found: Mapping[str, Stamps], engines: Sequence[str], threads: int) -> dict[str, Any]:
    """Return the record: what was scored, and which engine differs from the first in how many rows."""
    whole = Stamps.concatenate(found.values())
    results: dict[str, dict[str, NDArray[Any]]] = {}
    record: dict[str, Any] = {"rows": {name: len(stamps) for name, stamps in found.items()}, "engines": {}}
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder, "stamps.npz"), Path(folder, "scores.npz")
        np.savez(
            file, buffer=whole.buffer, offset=whole.offset, shape=whole.shape, centre=whole.centre, flags=whole.flags,
            catalogue=known_of(whole),
        )  # fmt: skip
        for engine in engines:
            begin = time.perf_counter()
            given = asked(engine, file, out, threads)
            if isinstance(given, str):
                record["engines"][engine] = {"not run": given}
                print_progress(f"{engine}: not run: {given}")
                continue
            results[engine] = given
            wrong = differing(next(iter(results.values())), given)
            record["engines"][engine] = {"rows that differ": wrong}
            print_progress(f"{engine}: {wrong or 'the same bits'}, {time.perf_counter() - begin:.0f} s")
    first = next(iter(results.values()))
    for name, path in models().items():
        score = first[f"score {name}"]
        record.setdefault("models", {})[name] = {
            "file": hashlib.sha256(path.read_bytes()).hexdigest()[:12],
            "scored": int(np.count_nonzero(~np.isnan(score.view(np.float32)))),
            "scores": hashlib.sha256(score.tobytes()).hexdigest()[:16],
            "flags": hashlib.sha256(first[f"flags {name}"].tobytes()).hexdigest()[:16],
        }
    return record


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the engines; the exit status is 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5000, help="stamps to make (default 5000)")
    parser.add_argument("--data", type=Path, help="the folder of real data (default $SPACE2VEC_DATA)")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where to write the record")
    parser.add_argument("--engine", type=Path, nargs=2, metavar=("STAMPS", "SCORES"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.engine:
        try:
            np.savez(given.engine[1], **score_all(given.engine[0], given.threads))
        except ImportError as error:
            print(error, file=sys.stderr)
            return _UNAVAILABLE
        return 0
    data = given.data or (Path(os.environ["SPACE2VEC_DATA"]) if "SPACE2VEC_DATA" in os.environ else None)
    record = compare(made_stamps(given.rows, data), given.engines, given.threads)
    same = not any(engine.get("rows that differ") for engine in record["engines"].values())
    total = sum(record["rows"].values())
    print(f"{total} stamps, {len(record['models'])} models: {'the same bits' if same else 'DIFFERENT BITS'}")
    if given.json:
        whole = {
            "benchmark": "same_bits",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": processor(), "versions": versions(("numpy", "numba")), **record,
        }  # fmt: skip
        given.json.write_text(json.dumps(whole, indent=1) + "\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
