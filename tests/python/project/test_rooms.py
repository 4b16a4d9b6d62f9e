"""The package's rooms: who may import whom, and that no arrow points upwards.

A room is a folder of the package, or a module at its root. Imports inside functions and under ``TYPE_CHECKING`` count.
``python tests/python/project/test_rooms.py`` prints the plan.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "python" / "space2vec"

#: The rooms from the ground up: each imports from those before it alone.
STOREYS = {
    "ground": ("errors", "registry", "module_path"),
    "values": ("data", "plans", "model_files"),
    "backends": ("backends",),
    "verbs": (
        "compute",
        "reading",
        "writing",
        "sklearn",
        "architectures",
        "models",
        "vectors",
        "evaluation",
        "simulation",
        "explanation",
        "plot",
        "report",
        "spark",
        "dask",
        "ray",
    ),
    "work": ("stream", "training", "torch", "studies", "bench", "doctor"),
    "faces": ("__init__", "cli", "__main__"),
}
#: Rooms that were filled after the plan was held to 120 arrows: each brings at most six.
LATER_ROOMS = ("stream", "report", "torch", "vectors", "explanation")
#: Imports between rooms, and rooms on top of each other, at most.
MOST_ARROWS, MOST_LAYERS, MOST_AT_THE_ROOT = 120 + 6 * len(LATER_ROOMS), 16, 12


@cache
def modules() -> Mapping[str, Path]:
    """Return the modules by name within the package; a folder's is its ``__init__``."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str) -> Iterator[str]:
    """Yield the modules of the package that a module imports, wherever the statement stands."""
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            if node.module is not None and node.module.partition(".")[0] == "space2vec":
                base = node.module.removeprefix("space2vec").lstrip(".")
                for name in node.names:
                    whole = f"{base}.{name.name}".lstrip(".")
                    yield whole if whole in modules() else base
        elif isinstance(node, ast.Import):
            for name in node.names:
                if name.name.partition(".")[0] == "space2vec":
                    yield name.name.removeprefix("space2vec").lstrip(".")


def room(module: str) -> str:
    """Return the room of a module; the compiled ones, whose types others name, are those of the backends."""
    name = module.partition(".")[0] or "__init__"
    return "backends" if name in ("_core", "_cuda") else name


@cache
def arrows() -> Mapping[tuple[str, str], int]:
    """Return how many imports lead from each room to each other one."""
    return Counter(
        (room(module), room(target))
        for module in modules()
        for target in imported(module)
        if room(module) != room(target)
    )


def layers() -> dict[str, int]:
    """Return the layer of each room: one above the highest that it imports; CycleError where there is a circle."""
    needs = {name: {target for source, target in arrows() if source == name} for name in map(room, modules())}
    layer: dict[str, int] = {}
    for name in TopologicalSorter(needs).static_order():
        layer[name] = 1 + max((layer[below] for below in needs[name]), default=0)
    return layer


def test_arrows_between_rooms_run_down() -> None:
    order = [name for storey in STOREYS.values() for name in storey]
    assert sorted(order) == sorted({room(module) for module in modules()}), "a room that has no storey"
    up = [(source, target) for source, target in arrows() if order.index(source) < order.index(target)]
    assert not up, "imports that run up"


def test_the_plan_stays_simple() -> None:
    assert len(arrows()) <= MOST_ARROWS
    assert max(layers().values()) <= MOST_LAYERS
    at_the_root = [name for name, path in modules().items() if path.parent == PACKAGE]
    assert len(at_the_root) <= MOST_AT_THE_ROOT


def test_no_module_imports_itself_in_a_circle() -> None:
    """Faces, whose ``__init__`` hands on names of modules that import the folder, are looked at by module."""
    needs = {module: {target for target in imported(module) if target != module} for module in modules()}
    TopologicalSorter(needs).prepare()  # raises CycleError


if __name__ == "__main__":
    counts = arrows()
    for name, height in sorted(layers().items(), key=lambda entry: entry[1]):
        below = ", ".join(f"{target} {n}" for (source, target), n in sorted(counts.items()) if source == name)
        print(f"{height:2d} {name}: {below}")
    print(f"{len(layers())} rooms, {len(counts)} arrows, {max(layers().values())} layers")
