"""Every example of the documents and of the docstrings runs, in the order in which it stands."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from space2vec.cli import main

DOCS = Path(__file__).resolve().parents[3] / "docs"
#: Pages whose examples have tests of their own.
ELSEWHERE = {"features.md", "normalisers.md", "cluster.md"}
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = {
    str(path.relative_to(DOCS)): BLOCK.findall(path.read_text(encoding="utf-8"))
    for path in sorted(DOCS.rglob("*.md"))
    if path.name not in ELSEWHERE
}
#: Functions and classes whose docstrings show an example.
SHOWN = (
    "read", "read_arrow", "read_messages", "read_table", "features", "prepare", "normalise", "load", "simulate",
    "Stamps", "Features", "Scores", "Recipe", "Forest",
)  # fmt: skip


def nothing() -> None:
    """Prepare nothing more."""


def data_set() -> None:
    assert main(["simulate", "-n", "40", "-o", "train", "--format", "dataset"]) == 0


def scores() -> None:
    assert main(["score", "demo/alerts", "-o", "scores.fits"]) == 0


def labelled() -> None:
    Path("labelled").symlink_to("demo/alerts")
    Path("tonight").symlink_to("demo/alerts")
    Path("truth.csv").symlink_to("demo/alerts/truth.csv")


def labels_of_ones_own() -> None:
    labelled()
    lines = Path("truth.csv").read_text(encoding="utf-8").splitlines()
    Path("labels.csv").write_text("\n".join(lines[:61]) + "\n", encoding="utf-8")


#: What the examples of a page suppose to be there, beside demo/alerts.
BEFORE: dict[str, Callable[[], None]] = {
    "datasets.md": data_set,
    "outputs.md": scores,
    "decisions.md": labelled,
    "own-labels.md": labels_of_ones_own,
}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small simulated night where the examples look for one."""
    folder = tmp_path_factory.mktemp("documents")
    assert main(["simulate", "-n", "120", "-o", str(folder / "demo" / "alerts"), "--seed", "2"]) == 0
    return folder


@pytest.fixture
def demo(night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with that night."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "alerts").symlink_to(night / "demo" / "alerts")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page, blocks in PAGES.items() if blocks])
def test_examples_run(page: str, demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    BEFORE.get(page, nothing)()
    names: dict[str, Any] = {}
    for language, code in PAGES[page]:
        if language == "python":
            exec(compile(code, page, "exec"), names)
            continue
        for line in code.splitlines():
            if line.startswith("$ space2vec "):
                assert main(shlex.split(line)[2:]) == 0, (line, capsys.readouterr())


def test_the_guide_shows_every_topic() -> None:
    guide = {Path(page).stem for page, blocks in PAGES.items() if page.startswith("guide/") and blocks}
    assert guide >= {"install", "read", "measure", "score", "train", "evaluate", "cuda"}


def examples() -> Iterator[doctest.DocTest]:
    """Yield the examples of every docstring of the package."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for module in pkgutil.walk_packages(s2v.__path__, "space2vec."):
        source = Path(module.module_finder.path, *module.name.split(".")[-1:])  # type: ignore[union-attr]
        for path in (source.with_suffix(".py"), source / "__init__.py"):
            if path.is_file() and ">>> " in path.read_text(encoding="utf-8"):
                yield from finder.find(importlib.import_module(module.name))


@pytest.mark.parametrize("example", [one for one in examples() if one.examples], ids=lambda one: one.name)
def test_examples_of_docstrings_run(example: doctest.DocTest, demo: Path) -> None:
    del demo
    example.globs = {"s2v": s2v, "np": np}
    said: list[str] = []
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.DocTestRunner(optionflags=flags).run(example, out=said.append)
    assert not failed, "".join(said)


@pytest.mark.parametrize("name", SHOWN)
def test_what_users_call_first_shows_an_example(name: str) -> None:
    text = getattr(s2v, name).__doc__ or ""
    assert "\n    Examples\n    --------\n    >>> " in text
