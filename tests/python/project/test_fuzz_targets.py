"""The fuzz targets in Python hold for their seeds, for inputs that once failed, and for changed copies of them."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

FUZZ = Path(__file__).resolve().parents[2] / "fuzz"
COPIES = 5


def imported(name):
    """Import a module of the fuzz targets, which are no package."""
    folders = [str(FUZZ), str(FUZZ / "python")]
    sys.path[:0] = folders
    try:
        return importlib.import_module(name)
    finally:
        for folder in folders:
            sys.path.remove(folder)


@pytest.fixture(scope="module")
def targets():
    return imported("reader_targets")


def changed(data, rng):
    """Return a copy of bytes of which some are others, absent or twice there."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(data) + 1))
        match rng.integers(0, 4):
            case 0:
                data[at : at + 1] = rng.bytes(1)
            case 1:
                del data[at : at + int(rng.integers(1, 9))]
            case 2:
                data[at:at] = data[at // 2 : at // 2 + int(rng.integers(1, 9))]
            case _:
                data[at:at] = [b"\r", b"\n", b'"', b"\0", b"\xff" * 4, b"-1", b"1e400", b"[" * 200][rng.integers(0, 8)]
    return bytes(data)


NAMES = ("parquet", "npz", "csv", "gif", "fits_folder", "model", "schema", "dataset")


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_changed_copies(targets, name):
    if name == "gif":
        pytest.importorskip("PIL")
    seeds = sorted((FUZZ / "seeds" / "python" / name).iterdir())
    assert seeds
    rng = np.random.default_rng(3)
    for seed in seeds:
        data = seed.read_bytes()
        targets.TARGETS[name](data)
        for _ in range(COPIES):
            copy = changed(data, rng)
            try:
                targets.TARGETS[name](copy)
            except Exception as error:
                error.add_note(f"target {name}, a copy of {seed.name}: {copy[:3000]!r}")
                raise


def test_every_target_is_run(targets):
    assert set(NAMES) == set(targets.TARGETS)
    text = (FUZZ / "run.sh").read_text()
    assert all(f"python/{name}" in text for name in NAMES)
    listed = (FUZZ / "CMakeLists.txt").read_text()
    compiled = {path.stem.removeprefix("fuzz_") for path in FUZZ.glob("fuzz_*.cpp")}
    assert compiled == set(re.search(r"^in_cpp=\((.*)\)$", text, re.MULTILINE)[1].split())
    assert compiled == set(re.findall(r"^add_fuzz_target\((\w+)\b", listed, re.MULTILINE))


def test_every_target_has_the_seeds_that_are_made(tmp_path, monkeypatch):
    pytest.importorskip("cramjam")
    make_seeds = imported("make_seeds")
    monkeypatch.setattr(make_seeds, "SEEDS", tmp_path)
    make_seeds.main()

    def names(folder):
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert names(tmp_path) == {name for name in names(FUZZ / "seeds") if not Path(name).name.startswith("found_")}


def test_a_target_finds_what_breaks_a_promise(targets, monkeypatch):
    monkeypatch.setattr(targets.s2v, "read", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        targets.TARGETS["csv"](b"ID,AMP\n1,2\n")

    def greedy(*_, **__):
        np.ones(targets.MEMORY // 8 + 50_000_000)
        raise targets.ReadError("so much")

    monkeypatch.setattr(targets.s2v, "read", greedy)
    with pytest.raises(targets.BrokenPromiseError, match="MB"):
        targets.TARGETS["csv"](b"ID,AMP\n1,2\n")
