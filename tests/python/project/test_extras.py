"""What is optional: how a message says to get it, and what the project file says of it."""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from space2vec import doctor, plot
from space2vec.errors import ReadError, packages

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PURE = sorted((ROOT / "python" / "space2vec").rglob("*.py"))


def packages_of(extra: str) -> set[str]:
    """Return the names of the packages of an extra."""
    return {line.split(">")[0] for line in PROJECT["optional-dependencies"][extra]}


def test_an_optional_package_is_that_of_its_extra() -> None:
    for one in packages.OPTIONAL.values():
        if one.extra:
            assert one.package in packages_of(one.extra)
            assert packages.how_to_get(one.module).startswith(f"pip install '.[{one.extra}]' in the folder of")
        asked = f"'{one.package}'" if "[" in one.package else one.package
        assert packages.how_to_get(one.module).endswith(f"pip install {asked}")


def test_every_package_of_an_extra_is_known() -> None:
    every = set().union(
        *(packages_of(extra) for extra in PROJECT["optional-dependencies"] if extra not in ("all", "cuda12"))
    )
    assert every == {one.package for one in packages.OPTIONAL.values() if one.extra}


def test_all_brings_nothing_for_a_gpu() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert not {"cuda", "cuda12", "torch"} & set(everything.partition("[")[2].rstrip("]").split(","))


@pytest.mark.parametrize("file", PURE, ids=lambda path: path.name)
def test_messages_name_no_package_that_no_index_has(file: Path) -> None:
    assert "space2vec[" not in file.read_text("utf-8")


@pytest.mark.parametrize("module", packages.OPTIONAL)
def test_doctor_tells_what_is_there_and_what_for(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = packages.OPTIONAL[module]
    monkeypatch.setattr(metadata, "version", lambda name: f"1.2 of {name}")
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: object())
    name = one.package.partition("[")[0]
    assert doctor._optional(module) == f"1.2 of {name}, for {one.purpose}"
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    assert doctor._optional(module) == f"absent; for {one.purpose}: {packages.how_to_get(module)}"


def test_another_package_may_bring_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name != "onnxruntime-gpu":
            raise metadata.PackageNotFoundError(name)
        return "1.30"

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(metadata, "packages_distributions", lambda: {"onnxruntime": ["onnxruntime-gpu"]})
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: object())
    assert packages.installed_version("onnxruntime") == "1.30 (onnxruntime-gpu)"
    assert packages.installed_version("torch") == "of unknown version"


def test_what_is_absent_is_named_with_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"a picture needs matplotlib: pip install '\.\[plot\]' in the folder"):
        plot.mdr_fpr({"a": ([0.2, 0.9], [0, 1])})
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ReadError, match="GIF stamps need Pillow"):
        packages.need("PIL", "GIF stamps need Pillow", ReadError)
