"""The programs of examples/: as short as is claimed, shown as they are, and Rust's declarations those of the ABI."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
LANGUAGES = {".c": "c", ".cpp": "cpp", ".rs": "rust", ".py": "py"}
SHOWN = re.findall(r"^<!-- (examples/\S+) \[(\w+)\] -->\n```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def region(path: str, name: str) -> str:
    """Return the lines of an example between ``[name]`` and ``[/name]``, each in a comment of its own."""
    text = (ROOT / path).read_text(encoding="utf-8")
    mark = r"^ *(?://|/\*|#) \[{}\](?: \*/)?\n"
    (found,) = re.findall(mark.format(name) + "(.*?)" + mark.format(f"/{name}"), text, re.DOTALL | re.MULTILINE)
    return textwrap.dedent(str(found)).rstrip("\n") + "\n"


def test_the_page_shows_what_the_examples_are() -> None:
    assert len(SHOWN) >= 7
    for path, name, language, code in SHOWN:
        assert language == LANGUAGES[Path(path).suffix], path
        assert code == region(path, name), f"docs/embedding.md does not show {path} [{name}] as it is"


def test_no_other_code_is_on_the_page() -> None:
    fences = re.findall(r"^```(c|cpp|rust|py)$", PAGE, re.MULTILINE)
    assert len(fences) == len(SHOWN)


def test_every_region_is_shown() -> None:
    shown = {(path, name) for path, name, _, _ in SHOWN}
    for path in sorted((ROOT / "examples").rglob("*.*")):
        if path.suffix in LANGUAGES:
            for name in re.findall(r"^ *(?://|/\*|#) \[(\w+)\]", path.read_text("utf-8"), re.MULTILINE):
                assert (path.relative_to(ROOT).as_posix(), name) in shown


def test_every_program_is_named_on_the_page() -> None:
    elsewhere = {"score_simulated_night.py", "fine_tune_in_torch.py"}
    programs = {path.name for path in (ROOT / "examples").iterdir() if path.is_file()} - elsewhere
    assert "score_fits.c" in programs
    for name in programs:
        assert f"`examples/{name}`" in PAGE, name


@pytest.mark.parametrize(
    ("path", "regions", "most", "claim"),
    [
        ("examples/score_messages.c", ["messages"], 15, "From the bytes to the score it takes {} lines"),
        ("examples/score_frames.cpp", ["stage", "use"], 30, "takes {} lines, including its use"),
    ],
)
def test_it_takes_as_many_lines_as_is_claimed(path: str, regions: list[str], most: int, claim: str) -> None:
    code = "".join(region(path, name) for name in regions)
    lines = len(code.splitlines())
    assert lines <= most
    assert claim.format(lines) in " ".join(PAGE.split())
    assert "s2v_model_load" in code or "s2v::Model::load" in code


# Sizes of Rust's types, which are their alignments, too.
SIZES = {"usize": 8, "i64": 8, "u64": 8, "i32": 4, "u32": 4, "f32": 4}


def declared() -> str:
    return (ROOT / "examples" / "rust" / "src" / "abi.rs").read_text(encoding="utf-8")


def layout(name: str) -> list[tuple[str, int]]:
    """Return the members of a structure of Rust's with their offsets, and its size, by the rules of C."""
    (body,) = re.findall(rf"pub struct {name} \{{\n(.*?)^\}}", declared(), re.DOTALL | re.MULTILINE)
    at, members, widest = 0, [], 1
    for member, kind in re.findall(r"^    pub (\w+): (.*),$", body, re.MULTILINE):
        size = SIZES.get(kind, 8)
        assert kind in SIZES or kind.startswith(("*const ", "*mut ", "Option<extern ")), kind
        at += -at % size
        members.append((member, at))
        at, widest = at + size, max(widest, size)
    return [*members, ("", at + -at % widest)]


def promised(name: str) -> list[tuple[str, int]]:
    """Return the same of the library's."""
    lines = (ROOT / "cpp" / "abi.txt").read_text(encoding="utf-8").splitlines()
    (size,) = [int(line.split()[2]) for line in lines if line.startswith(f"struct {name} ")]
    members = [line.split() for line in lines if line.startswith(f"  {name}.")]
    return [*((member.split(".")[1], int(offset)) for member, offset in members), ("", size)]


@pytest.mark.parametrize(("rust", "c"), [("Reading", "s2v_reading"), ("Id", "s2v_id")])
def test_structures_in_rust_are_those_of_the_library(rust: str, c: str) -> None:
    assert layout(rust) == promised(c)
    assert f"size_of::<{rust}>() == {promised(c)[-1][1]});" in declared()


def test_functions_in_rust_are_those_of_the_library() -> None:
    headers = "\n".join(path.read_text("utf-8") for path in (ROOT / "cpp" / "include" / "space2vec").glob("*.h"))
    headers = re.sub(r"/\*.*?\*/", "", headers, flags=re.DOTALL)
    functions = re.findall(r"pub fn (\w+)\((.*?)\)(?: ->|;)", declared(), re.DOTALL)
    assert len(functions) > 5
    for name, parameters in functions:
        (theirs,) = re.findall(rf"\b{name}\((.*?)\);", headers, re.DOTALL)
        count = 0 if theirs == "void" else theirs.count(",") + 1
        assert parameters.count(":") == count, name
    (version,) = re.findall(r"#define S2V_ABI_VERSION (\d+)", headers)
    assert f"ABI_VERSION: u32 = {version};" in declared()
