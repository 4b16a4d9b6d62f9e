"""What a developer meets first agrees with the project: workflows, hooks, citation, the builds of a release."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import space2vec as s2v

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("workflow", "command"), [("ci", "bash .ci/run"), ("full", "bash .ci/full")])
def test_workflows_do_what_any_machine_does(workflow: str, command: str) -> None:
    text = (ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text(encoding="utf-8")
    assert f"- run: {command}\n" in text
    assert (ROOT / command.split()[1]).is_file()


def test_workflows_may_read_alone_and_keep_no_credentials() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        assert "\npermissions:\n  contents: read\n" in text, path.name
        assert text.count("persist-credentials: false") == text.count("actions/checkout@"), path.name


def test_hooks_run_the_tools_of_the_lock() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    tools = set(re.findall(r"entry: \.venv/bin/([\w-]+)", text))
    asked = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependency-groups"]["lint"]}  # type: ignore[index]
    assert tools == asked
    files = re.compile(re.search(r"id: clang-format.*?files: (\S+)", text, re.DOTALL)[1])  # type: ignore[index]
    for path in ("cpp/kernel/dot.hpp", "cuda/features.cu", "cpp/src/isa_features.inl", "examples/score_packets.c"):
        assert bool(files.match(path)) != path.startswith("examples")


def test_the_citation_is_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {s2v.__version__}\n" in text
    assert f"\nlicense: {PROJECT['project']['license']}\n" in text


def test_a_wheel_is_built_for_every_python_that_is_promised() -> None:
    built = PROJECT["tool"]["cibuildwheel"]["build"].split()
    assert built == [f"cp3{minor}-*" for minor in range(11, 15)]
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    text = (ROOT / "docs" / "project" / "releasing.md").read_text(encoding="utf-8")
    assert "CPython 3.11 to 3.14" in text


def test_nothing_compiled_is_taken_into_a_source_distribution() -> None:
    """The builder leaves out what git ignores."""
    assert "*.so" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
