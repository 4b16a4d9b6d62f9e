"""Whether the library gives the same bits on another processor, by what ``parity_dump`` writes here and there.

    python -m parity.dumps --here PROGRAM --there COMMAND ... [--isas NAME ...] [--rows 512] [--data FOLDER]

PROGRAM is ``parity_dump`` as built for this machine, COMMAND the words that run the one for another, an emulator first.
Both are given the parity suite and, where FOLDER has any, real alerts; results are compared bit by bit. Under each
further instruction set of ``--isas`` the models alone are run again. The exit status is 1 where a bit differs.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import space2vec as s2v
from parity import suite

#: Real alerts, below the folder of data.
REAL = ("ztf/night_20180713", "rubin")


def read(path):
    """Return the results of a dump, uint32 (rows, words a row) by name."""
    data = memoryview(path.read_bytes())
    found, at = {}, 0
    while at < len(data):
        length = int(np.frombuffer(data, "<i4", 1, at)[0])
        name = bytes(data[at + 4 : at + 4 + length]).decode()
        rows, words = (int(n) for n in np.frombuffer(data, "<i8", 2, at + 4 + length))
        at += 20 + length
        found[name] = np.frombuffer(data, "<u4", rows * words, at).reshape(rows, words)
        at += 4 * rows * words
    return found


def differences(here, there):
    """Return a line for each result that differs, or that one of two dumps lacks."""
    lines = [f"{name}: on one side alone" for name in sorted(here.keys() ^ there.keys())]
    both = here.keys() & there.keys()
    shapes = {name for name in both if here[name].shape != there[name].shape}
    lines += [f"{name}: {here[name].shape} here, {there[name].shape} there" for name in sorted(shapes)]
    alike = both - shapes
    return lines + suite.differences({name: here[name] for name in alike}, there)


def suites(folder, rows, data):
    """Export suites into a folder; return how many rows each has, by name."""
    parts = {"suite": suite.some(rows)}
    for name in REAL if data else ():
        alerts = sorted(str(path) for path in (data / name).rglob("*.avro"))
        if alerts:
            parts[name.replace("/", " ")] = s2v.read(alerts)
    for name, part in parts.items():
        if part.saturation is None:
            part.saturation = suite.SATURATION
        suite.export(folder / name, part)
    return {name: len(part) for name, part in parts.items()}


def dump(command, folder, out, isa=None):
    """Run a program on a suite; return the instruction set that it used, the results and the seconds."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SPACE2VEC_")}
    if isa:
        environment["SPACE2VEC_ISA"] = isa
    begin = time.monotonic()
    words = [*command, folder, out, *(["models"] if isa else [])]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{shlex.join(map(str, words))}: {done.stdout}{done.stderr}")
    return done.stdout.strip(), read(out), time.monotonic() - begin


def compare(here, there, isas, folder, rows, data):
    """Print what is equal and what is not; return how many results differ."""
    differing = 0
    for name, count in suites(folder, rows, data).items():
        out = folder / "results"
        mine, expected, _ = dump(here, folder / name, out)
        for isa in (None, *isas):
            used, found, seconds = dump(there, folder / name, out, isa)
            wanted = {key: bits for key, bits in expected.items() if not isa or key.startswith("model ")}
            lines = differences(wanted, found)
            words = sum(bits.size for bits in wanted.values())
            print(
                f"{name}, {count} rows: {len(wanted)} results, {words} words of 32 bits, {len(lines)} results differ"
                f" ({used} against {mine}, {seconds:.0f} s)",
                *lines,
                sep="\n  ",
                flush=True,
            )
            differing += len(lines)
    return differing


def main():
    """Compare as asked."""
    parser = argparse.ArgumentParser(
        prog="python -m parity.dumps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--here", type=shlex.split, required=True, metavar="PROGRAM")
    parser.add_argument("--there", type=shlex.split, required=True, metavar="COMMAND")
    parser.add_argument(
        "--isas", nargs="*", default=[], metavar="NAME", help="further instruction sets, for the models"
    )
    parser.add_argument("--rows", type=int, default=512, help="of the suite (default 512)")
    parser.add_argument("--data", type=Path, help="real alerts, if there are any")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parity-") as place:
        part = arguments.isas, Path(place), arguments.rows, arguments.data
        return int(compare(arguments.here, arguments.there, *part) > 0)


if __name__ == "__main__":
    sys.exit(main())
