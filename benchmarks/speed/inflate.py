"""Time to unpack a gzip'd cutout on one core: libdeflate, zlib, and space2vec with one to six streams at a time.

    python -m benchmarks.speed.inflate [--planes template difference] [--rounds 21] [--json FILE]

The cutouts are those of the real night (``$SPACE2VEC_DATA`` or ``../shared/data``). A C++ program measures
(``inflate.cpp``, built into ``build/benchmarks``): all contenders take turns in one process and check the CRC-32. It
counts processor time, which other processes of the machine disturb little. A ratio is taken within a round; the script
prints the median over the rounds and the range of the middle half. ``SPACE2VEC_ISA`` chooses the kernels.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from benchmarks.programs import REPOSITORY, build, processor

QUANTILES = (0.25, 0.5, 0.75)


def extract_cutouts(folder: Path, planes: list[str], to: Path) -> int:
    """Write the cutouts of a folder of alerts, each behind its length; return their number."""
    count = 0
    with to.open("wb") as out:
        for path in sorted(folder.glob("*.avro")):
            with path.open("rb") as file:
                alerts: Iterable[Any] = fastavro.reader(file)
                for alert in alerts:
                    for plane in planes:
                        packed: bytes = alert[f"cutout{plane.capitalize()}"]["stampData"]
                        out.write(len(packed).to_bytes(4, "little") + packed)
                        count += 1
    return count


def version_of(package: str) -> str:
    """Return the version of a Debian package, or "unknown"."""
    try:
        command = ["dpkg-query", "--show", "--showformat=${Version}", package]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planes", nargs="+", default=["template", "difference"])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--program", type=Path, help="bench_inflate, already built")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    data = Path(os.environ.get("SPACE2VEC_DATA", REPOSITORY.parent / "shared" / "data"))
    program = options.program or build("bench_inflate") / "bench_inflate"
    with tempfile.TemporaryDirectory() as folder:
        cutouts = Path(folder) / "cutouts"
        count = extract_cutouts(data / "ztf" / "night_20180713", options.planes, cutouts)
        command = [str(program), str(cutouts), str(options.rounds)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rounds = {name: np.array(times, dtype=float) for name, *times in map(str.split, lines)}
    reference = "libdeflate" if "libdeflate" in rounds else "zlib"
    results = {}
    for name, times in rounds.items():
        ratio = times / rounds[reference]
        results[name] = {
            "microseconds": np.quantile(times, QUANTILES).round(3).tolist(),
            f"times_{reference}": np.quantile(ratio, QUANTILES).round(4).tolist(),
        }
        low, median, high = results[name][f"times_{reference}"]
        microseconds = results[name]["microseconds"][1]
        print(f"{name:12} {microseconds:8.2f} us a cutout, {median:.3f} of {reference} ({low:.3f} to {high:.3f})")
    if options.json:
        record = {
            "benchmark": "inflate",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": processor(),
            "isa": os.environ.get("SPACE2VEC_ISA", "best"),
            "versions": {"libdeflate": version_of("libdeflate0"), "zlib": version_of("zlib1g")},
            "cutouts": count,
            "planes": options.planes,
            "rounds": options.rounds,
            "quantiles": QUANTILES,
            "results": results,
        }
        options.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
