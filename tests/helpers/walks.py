"""Follow a call through the files of the package: how often it changes file, and how often it climbs to a room above.

A room is a folder of the package, or a module at its root. A call climbs if it goes from one room into another that
imports the first, directly or through others: whoever reads downwards has to look up again.

``python tests/helpers/walks.py`` counts both for the walks of docs/architecture.md, ``--package FOLDER`` in another
state of the package: a folder ``space2vec`` with its compiled extension.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

__all__ = ["Walk", "follow", "rooms_above"]


@dataclass
class Walk:
    """What a call entered in the package.

    Attributes
    ----------
    entered : list of (str, str)
        Each function that was entered: its file within the package, and its qualified name.
    moves : list of (str, str)
        Each change from one file to another, by a call or by its return.
    calls : list of (str, str)
        Each call from one file into another.
    """

    entered: list[tuple[str, str]] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def climbs(self, above: Mapping[str, frozenset[str]]) -> list[tuple[str, str]]:
        """Return the calls into a room above, given the rooms above each room (:func:`rooms_above`)."""
        return [(caller, called) for caller, called in self.calls if _room(called) in above[_room(caller)]]


def follow(call: Callable[[], object], package: Path) -> Walk:
    """Run a call and record its walk through the files of a package."""
    walk, root = Walk(), f"{package}/"
    before = ""

    def record(frame: FrameType, event: str, _: object) -> None:
        nonlocal before
        here: FrameType | None = frame if event == "call" else frame.f_back
        if event not in ("call", "return") or here is None or not here.f_code.co_filename.startswith(root):
            return
        file = here.f_code.co_filename.removeprefix(root)
        if before and file != before:
            walk.moves.append((before, file))
        before = file
        if event == "call":
            walk.entered.append((file, frame.f_code.co_qualname))
            caller = frame.f_back
            while caller is not None and not caller.f_code.co_filename.startswith(root):
                caller = caller.f_back
            if caller is not None and (source := caller.f_code.co_filename.removeprefix(root)) != file:
                walk.calls.append((source, file))

    sys.setprofile(record)
    try:
        call()
    finally:
        sys.setprofile(None)
    return walk


def rooms_above(package: Path) -> dict[str, frozenset[str]]:
    """Return the rooms that import each room of a package, directly or through others; imports in functions count."""
    modules = {path.relative_to(package).as_posix(): path for path in package.rglob("*.py")}
    importers: dict[str, set[str]] = defaultdict(set)
    for file, path in modules.items():
        for imported in _imports(path):
            part = imported.removeprefix("space2vec").lstrip(".").partition(".")[0]
            part = "backends" if part in ("_core", "_cuda") else part  # the compiled modules
            room = part if (package / part).is_dir() or f"{part}.py" in modules else "__init__"
            if part and room != _room(file):
                importers[room].add(_room(file))
    above: dict[str, frozenset[str]] = {}
    for room in {_room(file) for file in modules}:
        found, ahead = set[str](), {room}
        while ahead:
            found |= (ahead := set().union(*(importers[one] for one in ahead)) - found)
        above[room] = frozenset(found - {room})
    return above


def _room(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[str]:
    """Yield the names that a module imports from the package, in full."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "space2vec":
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] == "space2vec")


def main() -> None:
    """Print the figures of the two walks of docs/architecture.md on the CPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", type=Path, help="a folder space2vec (default: that of this checkout)")
    arguments = parser.parse_args()
    package = (arguments.package or Path(__file__).resolve().parents[2] / "python" / "space2vec").resolve()
    sys.path.insert(0, str(package.parent))
    import numpy as np

    import space2vec as s2v
    from space2vec import reading

    above = rooms_above(package)
    pixels = np.random.default_rng(0).normal(size=(2, 3, 63, 63)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        from space2vec.simulation.packet import write_packets

        write_packets(s2v.simulate(3, seed=1), Path(folder))
        model = s2v.load("stampnet")
        walks: dict[str, Callable[[], object]] = {
            "an alert's bytes to its score": lambda: list(reading.batches(folder, model=model)),
            "an array to a feature": lambda: s2v.features(s2v.Stamps(pixels), set="autoscan-stamp"),
        }
        for name, call in walks.items():
            call()  # what is imported or made once is no part of the walk
            walk = follow(call, package)
            climbs = walk.climbs(above)
            print(f"{name}: {len(walk.moves)} moves between files, {len(climbs)} climbs")
            for caller, called in dict.fromkeys(climbs):
                print(f"    {caller} -> {called}: {climbs.count((caller, called))}")


if __name__ == "__main__":
    main()
