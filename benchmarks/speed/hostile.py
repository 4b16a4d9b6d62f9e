"""What hostile inputs cost: bytes in against seconds of processor time and megabytes, each alone in 3 GB of addresses.

    python -m benchmarks.speed.hostile --json benchmarks/results/hostile.json [--side after] [--only NAME ...]
    python -m benchmarks.speed.hostile --night

Each input of ``tests/hostile`` is scored by the command, as a user would. ``--side before`` says that the package on
``PYTHONPATH`` is the one before readers had budgets; the results of the other side are kept. ``--night`` scores 300
good alerts with all of them beside, and ends with 1 unless every promise of ``SECURITY.md`` on them is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

import hostile  # noqa: E402
from hostile.measuring import Spent, spent  # noqa: E402

#: Seconds of processor time after which an input is given up, and seconds by the clock of a busy machine.
PROCESSOR, PATIENCE = 60, 1800.0


def measure(name: str, make: hostile.Maker) -> dict[str, Any]:
    """Score one input by the command line; return the time and memory of the command, and how it ended."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as place:
        folder = Path(place)
        (folder / "in").mkdir()
        make(folder / "in")
        paths = sorted((folder / "in").iterdir())
        size = sum(path.lstat().st_size for path in paths if path.is_file() or path.is_symlink())
        source = [folder / "in"] if name not in hostile.TABLES else paths
        command = [sys.executable, "-m", "space2vec", "score", *source, "-o", folder / "out.csv", "--threads", "2"]
        model = ["--model", "autoscan"] if name in hostile.TABLES else []
        usage = spent([*command, *model], folder, os.environ, PATIENCE, processor=PROCESSOR)
    return {
        "bytes": size,
        "processor_seconds": round(usage.processor, 2),
        "megabytes": round(usage.megabytes),
        "ends": _ending(usage),
        "says": usage.err.strip().splitlines()[0][:160] if usage.err.strip() else "",
    }


def _ending(usage: Spent) -> str:
    if usage.status < 0:
        given_up = usage.processor > PROCESSOR - 1 or usage.seconds >= PATIENCE
        return "given up" if given_up else f"killed by signal {-usage.status}"
    return "traceback" if "Traceback" in usage.err else f"status {usage.status}"


def score_night() -> int:
    """Score 300 good alerts, and 300 rows of a table, beside all hostile inputs; print each promise that is broken."""
    from hostile.night import complaints  # needs what an older package lacks

    broken = []
    for makers in (hostile.STAMPS, hostile.TABLES):
        with tempfile.TemporaryDirectory(prefix="hostile-") as place:
            broken += complaints(makers, Path(place), 300, tables=makers is hostile.TABLES)
    for line in broken:
        print(line)
    count = len(hostile.STAMPS) + len(hostile.TABLES)
    print(f"{count} hostile inputs: {'not all promises are kept' if broken else 'all promises are kept'}")
    return 1 if broken else 0


def main() -> int:
    """Measure every input, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--side", choices=["before", "after"], default="after")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--night", action="store_true")
    arguments = parser.parse_args()
    if arguments.night:
        return score_night()
    results: dict[str, Any] = {}
    if arguments.json and arguments.json.exists():
        results = json.loads(arguments.json.read_text())
    for name, make in {**hostile.STAMPS, **hostile.TABLES}.items():
        if arguments.only and name not in arguments.only:
            continue
        result = measure(name, make)
        results.setdefault(name, {})[arguments.side] = result
        seconds = result["processor_seconds"]
        print(f"{name:28} {result['bytes']:>10} B {seconds:>7} s {result['megabytes']:>6} MB  {result['ends']}  "
              f"{result['says']}", flush=True)  # fmt: skip
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
