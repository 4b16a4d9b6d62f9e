"""docs/architecture.md: its paths exist, and its walks are the ways that calls take."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from helpers.walks import follow
from space2vec import reading
from space2vec.backends import kernels

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "python" / "space2vec"
_STEP = re.compile(r"^\d+\. `([^`]+)` `([^`]+)`: \S", re.MULTILINE)

pytestmark = pytest.mark.skipif(kernels.name() != "native", reason="the walks go through the library")


def walks() -> list[list[tuple[str, str]]]:
    """Return the steps (file, function) of each walk, in order; a walk begins at 1."""
    found: list[list[tuple[str, str]]] = []
    for match in _STEP.finditer(TEXT):
        if match[0].startswith("1. "):
            found.append([])
        found[-1].append((match[1], match[2]))
    return found


BYTES, ARRAY, NUMBA, DEVICE = walks()


def assert_walked(walk: list[tuple[str, str]], call: Callable[[], object]) -> None:
    """See that a call enters the Python functions of a walk in its order."""
    call()  # what is imported or made once is no part of the walk
    entered = follow(call, Path(s2v.__file__).parent).entered
    steps = ((f"python/space2vec/{file}", function) for file, function in entered)
    for step in walk:
        if step[0].startswith("python/"):
            assert step in steps, f"{step} is not entered, or not in this place"


def test_every_path_is_there() -> None:
    for path in re.findall(r"`((?:cpp|cuda|src|python|tests|benchmarks|docs)/[\w./*-]*)`", TEXT):
        assert list(ROOT.glob(path.rstrip("/"))), path


@pytest.mark.parametrize("walk", [BYTES, ARRAY, NUMBA, DEVICE])
def test_every_function_stands_in_its_file(walk: list[tuple[str, str]]) -> None:
    for file, function in walk:
        name = function.rpartition(".")[2].rpartition("::")[2]
        entry = rf"\b{re.escape(name)}\s*\(|\b(struct|class)\s+{re.escape(name)}\b"
        assert re.search(entry, (ROOT / file).read_text(encoding="utf-8")), (file, function)


def test_every_room_is_on_the_map() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    map_of_the_house = TEXT[TEXT.index("## The rooms") : TEXT.index("## Why each wall")]
    assert {room for room in rooms if not re.search(rf"\b{room}\b", map_of_the_house)} == set()


def test_bytes_become_a_score(tmp_path: Path) -> None:
    pytest.importorskip("fastavro")
    from space2vec.cli import main

    assert main(["simulate", "-o", str(tmp_path / "night"), "-n", "3"]) == 0
    model = s2v.load()
    assert_walked(BYTES, lambda: list(reading.batches(str(tmp_path / "night"), model=model)))


def pixels() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 3, 63, 63)).astype(np.float32)


def test_an_array_becomes_features() -> None:
    assert_walked(ARRAY, lambda: s2v.features(s2v.Stamps(pixels()), set="autoscan-stamp"))


def test_an_array_becomes_features_in_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setenv("SPACE2VEC_BACKEND", "numba")
    walk = [step for step in ARRAY if step[0].startswith("python/")]
    assert_walked([*walk[:-1], *NUMBA[:1], walk[-1]], lambda: s2v.features(s2v.Stamps(pixels()), set="autoscan-stamp"))


def test_an_array_of_a_device_becomes_features(monkeypatch: pytest.MonkeyPatch) -> None:
    host_device.make(monkeypatch)
    from space2vec.data.device import DeviceArray

    there = DeviceArray.of_host(pixels())
    assert_walked(DEVICE, lambda: s2v.features(s2v.Stamps(there), set="autoscan-stamp"))
