"""Time of the eighteen autoScan stamp features a triplet, on one core: SciPy, the native kernels, Numba.

    python benchmarks/features.py [--stamps 512] [--rounds 15] [--json FILE]

Contenders take turns (A B C A B C ...), each in a process of its own that waits while the others run, all on one core.
The SciPy transcription is that of the tests (``tests/oracle``): one fit from autoScan's start, with analytic
derivatives ("scipy") and with SciPy's own differences ("scipy-numeric"). A ratio is taken within a round; what is
printed is the median over the rounds and the range of the middle half. Stamps are made (51x51; sources, dipoles, cosmic
rays, saturated stars, noise), the same for everyone.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
CONTENDERS: dict[str, dict[str, str]] = {
    "scipy": {},
    "scipy-numeric": {},
    "native-baseline": {"SPACE2VEC_BACKEND": "native", "SPACE2VEC_ISA": "baseline"},
    "native-v3": {"SPACE2VEC_BACKEND": "native", "SPACE2VEC_ISA": "v3"},
    "native-v4": {"SPACE2VEC_BACKEND": "native", "SPACE2VEC_ISA": "v4"},
    "native-generic": {"SPACE2VEC_BACKEND": "native", "SPACE2VEC_ISA": "generic"},
    "numba": {"SPACE2VEC_BACKEND": "numba"},
}
#: Triplets of one round of the transcription: a multiple of the kinds of scene, so that rounds are alike.
SCIPY_TRIPLETS = 20


def worker(name: str, count: int) -> None:
    """Time one round for each line of input; answer with microseconds a triplet."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from oracle import autoscan, stamps

    planes = np.array([stamps.realistic(index).planes for index in range(count)], dtype=np.float32)
    if name.startswith("scipy"):
        analytic = name == "scipy"

        def run(turn: int) -> int:
            for k in range(SCIPY_TRIPLETS):
                triplet = planes[(turn * SCIPY_TRIPLETS + k) % count]
                autoscan.autoscan_original(triplet[2], triplet[1], analytic=analytic)
            return SCIPY_TRIPLETS

    else:
        from space2vec.extract import features
        from space2vec.stamps import Stamps

        batch = Stamps(planes)

        def run(turn: int) -> int:
            features(batch, set="autoscan-stamp", threads=1)
            return count

    run(0)
    print("ready", flush=True)
    for turn, _ in enumerate(sys.stdin):
        start = time.perf_counter()
        done = run(turn)
        print((time.perf_counter() - start) / done * 1e6, flush=True)


def start(name: str, count: int, core: int) -> subprocess.Popen[str] | str:
    """Start a contender; return the reason instead where it cannot run here."""
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--worker", name, "--stamps", str(count), "--core", str(core)]
    process = subprocess.Popen(
        command,
        env=os.environ | single | CONTENDERS[name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() == "ready":
        return process
    complaint = process.communicate()[1].strip().splitlines()
    return complaint[-1] if complaint else f"exit status {process.returncode}"


def ask(process: subprocess.Popen[str]) -> float:
    """Let a contender run one round."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return " ".join(fields.get("Model name", platform.machine()).split())


def versions(packages: Iterable[str] = ("numpy", "scipy", "numba")) -> dict[str, str]:
    """Return the versions of what takes part."""
    found = {"python": platform.python_version()}
    for package in (*packages, "space2vec"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def quartiles(values: list[float]) -> list[float]:
    """Return the quarter, the median and the three-quarter quantile."""
    return [float(q) for q in np.quantile(values, [0.25, 0.5, 0.75])]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stamps", type=int, default=512, help="triplets of a batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to run on")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="some of the contenders (scipy always runs)")
    parser.add_argument("--worker", choices=CONTENDERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {arguments.core})
    if arguments.worker:
        worker(arguments.worker, arguments.stamps)
        return

    device = processor()
    print(f"{device}, one core, {arguments.stamps} triplets of 51x51, {arguments.rounds} rounds")
    running: dict[str, subprocess.Popen[str]] = {}
    for name in CONTENDERS:
        if arguments.only and name not in ("scipy", *arguments.only):
            continue
        begun = start(name, arguments.stamps, arguments.core)
        if isinstance(begun, str):
            print(f"{name:16s} does not run here: {begun}")
        else:
            running[name] = begun
    times: dict[str, list[float]] = {name: [] for name in running}
    for _ in range(arguments.rounds):
        for name, process in running.items():
            times[name].append(ask(process))
    for process in running.values():
        process.communicate()

    results = {}
    print(f"{'':16s} {'us a triplet':>12s} {'middle half':>19s} {'times scipy':>12s} {'middle half':>19s}")
    for name, values in times.items():
        spent = quartiles(values)
        faster = quartiles([a / b for a, b in zip(times["scipy"], values, strict=True)])
        results[name] = {"microseconds": spent, "times_scipy": faster, "rounds": values}
        print(
            f"{name:16s} {spent[1]:12.2f} {spent[0]:9.2f}-{spent[2]:<9.2f} "
            f"{faster[1]:12.1f} {faster[0]:9.1f}-{faster[2]:<9.1f}"
        )
    if arguments.json:
        record = {
            "benchmark": "features",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": device,
            "versions": versions(),
            "stamps": arguments.stamps,
            "quantiles": [0.25, 0.5, 0.75],
            "results": results,
        }
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
