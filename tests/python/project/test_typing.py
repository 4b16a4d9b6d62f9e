"""What a type checker of a user's says: nothing of the README's examples, and something of what cannot be right."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import space2vec as s2v
from space2vec import registry
from space2vec.errors import ReadError

README = Path(__file__).resolve().parents[3] / "README.md"

#: Each line is right, or what is wrong with it stands behind it.
PROGRAM = """
import space2vec as s2v
from space2vec.reading import batches
stamps = s2v.read("night")
pixels = stamps.plane(0, "science")
stamps.no_such_thing  # attr-defined, union-attr
wrong: s2v.Features = s2v.read("table.csv")  # assignment
table: s2v.Features = s2v.read_table("table.csv")
live: s2v.Stamps = s2v.read_messages([b""])
for name in s2v.registry.FEATURE_SETS:
    s2v.features(stamps, set=name, convention="paper")
s2v.features(stamps, set="autoscn")  # arg-type
s2v.features(stamps, convention="books")  # arg-type
for recipe in s2v.registry.RECIPES:
    planes = s2v.prepare(stamps, recipe).planes
s2v.prepare(stamps, "brai")  # arg-type
s2v.prepare(stamps, s2v.Recipe.of("mine", steps="l2"))
"""


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is missing: mypy")
def test_a_checker_passes_the_readme_and_finds_what_is_wrong(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 5
    (tmp_path / "readme.py").write_text("\n".join(blocks))
    (tmp_path / "program.py").write_text(PROGRAM)
    # Packages without types of their own are no matter of ours.
    command = [sys.executable, "-m", "mypy", "--strict", "--disable-error-code", "import-untyped", "--config-file",
               os.devnull, "--cache-dir", str(tmp_path / "cache"), "readme.py", "program.py"]  # fmt: skip
    # An installed package is found by its marker, and mypy refuses to be told of its folder.
    folder = Path(s2v.__file__).resolve().parents[1]
    environment = os.environ | ({} if folder.name == "site-packages" else {"MYPYPATH": str(folder)})
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    found = {}
    for line in done.stdout.splitlines()[:-1]:
        place = re.match(r"(\w+)\.py:(\d+): error: .*\[([a-z-]+)\]$", line)
        assert place, done.stdout + done.stderr
        assert place[1] == "program", line
        found[int(place[2])] = place[3]
    wanted = {k: line.partition("  # ")[2] for k, line in enumerate(PROGRAM.splitlines(), 1) if "  # " in line}
    assert found.keys() == wanted.keys(), done.stdout
    for line, kind in found.items():
        assert kind in wanted[line].split(", "), done.stdout


def test_the_names_are_those_of_the_registry() -> None:
    assert get_args(registry.FeatureSet) == tuple(registry.FEATURE_SETS)
    assert get_args(registry.RecipeName) == tuple(registry.RECIPES)


def test_a_table_is_read_as_one(tmp_path: Path) -> None:
    table = s2v.features(s2v.simulate(4, seed=1).stamps, set="autoscan-stamp")
    rows = (f"{k}," + ",".join(map(str, row)) for k, row in enumerate(table.values))
    (tmp_path / "t.csv").write_text("\n".join(("ID," + ",".join(table.names), *rows)))
    read = s2v.read_table(tmp_path / "t.csv")
    assert isinstance(read, s2v.Features)
    assert read.names == s2v.read(tmp_path / "t.csv").names == table.names
    np.save(tmp_path / "stamps.npy", np.ones((2, 3, 51, 51)))
    with pytest.raises(ReadError, match="the input has stamps, and no table of features"):
        s2v.read_table(tmp_path / "stamps.npy")
