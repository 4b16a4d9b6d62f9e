"""The hostile night through the C ABI: ``tests/cpp/hostile_reader.cpp`` reads it, and what it prints is looked at.

    python tests/hostile/c_reader.py PROGRAM [--good 60] [--all] [--sanitized] [--emulator COMMAND]

Good alerts lie beside one of each hostile input. The exit status is 1 where a promise is not kept, 77 where Python
lacks what makes the inputs. A program that is built with sanitizers, or emulated, takes addresses and time as it likes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

SKIPPED = 77
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
try:
    import hostile
    import space2vec
    from hostile.making import Maker
    from hostile.measuring import GB, Spent, spent
    from hostile.night import CONSTANT, HARMLESS, MEGABYTES, MOST_OF_ONE, PER_KB, good_alerts
except ImportError as error:
    if __name__ != "__main__":
        raise
    print(f"not run: {error}")
    sys.exit(SKIPPED)

#: Rows that a file may have beyond one for four of its bytes.
_FREE_ROWS = 20_000
#: Address space of a program with sanitizers or in an emulator: none that counts.
_ENDLESS = 1 << 60


def complaints(
    program: Sequence[str | Path], makers: Mapping[str, Maker], folder: Path, good: int, *, free: bool = False
) -> list[str]:
    """Read good alerts alone and with hostile inputs beside them; return the promises that are not kept.

    Parameters
    ----------
    program : sequence of str or Path
        ``hostile_reader``, built, after what runs it, if anything does.
    makers : mapping of str to Maker
        The hostile inputs.
    folder : Path
        An empty folder.
    good : int
        Good alerts, in each of two files, one before and one behind all others.
    free : bool, optional
        Whether the program may take memory and time as it likes.
    """
    ends = [folder / name for name in ("a_good.avro", "z_good.avro")]
    for path in ends:
        good_alerts(path, good)
    (folder / "night").mkdir()
    inputs = {name: make(folder / "night") for name, make in makers.items()}
    night = [path for paths in inputs.values() for path in paths]
    model = str(Path(space2vec.__file__).with_name("packaged") / "stampnet.safetensors")
    wrong = []
    for way in (["scores", model], ["memory", model], ["pixels"]):
        files = [path for path in night if way[0] != "memory" or path.is_file()]
        alone, beside = (_run(program, way, paths, folder, free) for paths in (ends, [ends[0], *files, ends[1]]))
        wrong += [f"{way[0]}: {what}" for what in _broken(alone, beside, files, inputs)]
        if not free:
            wrong += [f"{way[0]}: {what}" for what in _dear(alone, beside, files)]
    images = [path for path in night if ".fits" in path.name]
    finished = _run(program, ["images"], images, folder, free)
    lines = finished.out.splitlines()
    if finished.status != 0 or len(lines) != len(images) or any(len(line.split()) != 5 for line in lines):
        wrong.append(f"images: ends with {finished.status} after {len(lines)} of {len(images)} files")
    return wrong


def _run(program: Sequence[str | Path], way: Sequence[str], paths: Sequence[Path], folder: Path, free: bool) -> Spent:
    patience, space = (3000.0, _ENDLESS) if free else (300.0, 3 * GB)
    return spent([*program, *way, *paths], folder, os.environ, patience, space)


def _broken(alone: Spent, beside: Spent, files: Sequence[Path], inputs: Mapping[str, Sequence[Path]]) -> list[str]:
    """Return what is wrong with rows and problems."""
    if alone.status != 0 or beside.status != 0:
        last = (beside.out.splitlines() or [""])[-1]
        return [f"ends with {alone.status} and {beside.status}: {last} {beside.err[-400:]}"]
    wrong = []
    if any(not (line.isascii() and line.isprintable()) for line in beside.out.splitlines()):
        wrong.append("a line that is not printable")
    rows, problems = _lines(beside.out)
    first, _ = _lines(alone.out)
    if [first[0], first[1]] != [rows[0], rows[len(files) + 1]]:
        wrong.append("good rows are not those of their files alone")
    if problems[0] or problems[len(files) + 1]:
        wrong.append("a problem of good rows")
    number = {path: 1 + k for k, path in enumerate(files)}
    for name, paths in inputs.items():
        read = [path for path in paths if path in number]
        if name not in HARMLESS and any(not problems[number[path]] for path in read):
            wrong.append(f"nothing is said of {name}")
        if any(len(rows[number[path]]) > _FREE_ROWS + _size(path) // 4 + 1 for path in read):
            wrong.append(f"{name} has more rows than it may")
    return wrong


def _lines(out: str) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """Return what is said of the rows of each file, and what is wrong in it."""
    rows: dict[int, list[str]] = defaultdict(list)
    problems: dict[int, list[str]] = defaultdict(list)
    for line in out.splitlines():
        kind, source, rest = line.split(" ", 2)
        (rows if kind == "row" else problems)[int(source)].append(rest)
    return rows, problems


def _dear(alone: Spent, beside: Spent, files: Sequence[Path]) -> list[str]:
    """Return what takes too much memory or time."""
    allowed = sum(min(PER_KB * _size(path) / 1e6, MOST_OF_ONE) for path in files)
    budget = 2 * alone.processor + allowed + CONSTANT
    wrong = [f"{beside.megabytes:.0f} MB resident"] if beside.megabytes > MEGABYTES else []
    if beside.processor > budget:
        wrong.append(f"{beside.processor:.1f} s of processor time; the budget is {budget:.1f} s")
    return wrong


def _size(path: Path) -> int:
    return path.lstat().st_size


def main() -> int:
    """Read the night by the program that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--good", type=int, default=60)
    parser.add_argument("--all", action="store_true", help="those too that take seconds to make")
    parser.add_argument("--sanitized", action="store_true")
    parser.add_argument("--emulator", type=shlex.split, default=[], metavar="COMMAND", help="what runs the program")
    arguments = parser.parse_args()
    makers = hostile.STAMPS if arguments.all else hostile.quick(hostile.STAMPS)
    with tempfile.TemporaryDirectory(prefix="hostile-") as place:
        program = [*arguments.emulator, arguments.program]
        free = arguments.sanitized or bool(arguments.emulator)
        wrong = complaints(program, makers, Path(place), arguments.good, free=free)
    for line in wrong:
        print(line)
    kept = "not all promises are kept" if wrong else "all promises are kept"
    print(f"{len(makers)} hostile inputs by the C ABI: {kept}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
