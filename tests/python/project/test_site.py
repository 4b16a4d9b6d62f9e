"""What the site is made of: the C reference, the command line's, the Python names, and pages of the root."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import space2vec as s2v

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
INCLUDE = ROOT / "cpp" / "include" / "space2vec"
#: Loads a script of docs/ by its name.
Load = Callable[[str], ModuleType]

HEADER = """\
/* space2vec: made up. Part of no header. */
#ifndef SPACE2VEC_MADE_H
#define SPACE2VEC_MADE_H

#include "space2vec.h"

#ifdef __cplusplus
extern "C" {
#endif

#define S2V_MADE "a_b"

/* What a *thing* has; see s2v_made_count, s2v_other and S2V_OK. */
typedef struct s2v_made {
    int32_t n; /* of them

                  in two parts */
} s2v_made;

/* How many there are,
 * at most 2^31 - 1.
 *
 * Never fails. */
S2V_API int32_t s2v_made_count(const s2v_made *made);
/* Its end. */
S2V_API void s2v_made_free(s2v_made *made);

#ifdef __cplusplus
}
#endif

#endif
"""


def test_a_header_becomes_entries(docs_script: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = docs_script("c_reference")
    (tmp_path / "made.h").write_text(HEADER)
    monkeypatch.setattr(script, "INCLUDE", tmp_path)
    found = script.entries("made.h")
    assert [entry.names for entry in found] == [
        (),
        ("S2V_MADE",),
        ("s2v_made",),
        ("s2v_made_count",),
        ("s2v_made_free",),
    ]
    assert found[0].comment == "space2vec: made up. Part of no header."
    assert found[2].code.endswith("in two parts */\n} s2v_made;")
    assert found[3].comment == "How many there are,\nat most 2^31 - 1.\n\nNever fails."
    assert found[4].code == "S2V_API void s2v_made_free(s2v_made *made);"
    monkeypatch.setattr(script, "headers", lambda: ["made.h"])
    page = script.page()
    # Marks are no marks; what the library has is a link, other names of its kind are code.
    said = r"What a \*thing\* has; see [`s2v_made_count`](#s2v_made_count), `s2v_other` and `S2V_OK`."
    assert said in page
    assert "(s2v_made_count)=\n\n### `s2v_made_count`\n\nHow many there are," in page


def test_every_function_and_type_of_the_headers_has_a_section(docs_script: Load) -> None:
    page = docs_script("c_reference").page()
    names = set()
    for path in INCLUDE.glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        names |= set(re.findall(r"\b(s2v_\w+)\(", text)) | set(
            re.findall(r"^typedef (?:struct|enum) (s2v_\w+)", text, re.M)
        )
    assert len(names) > 80
    for name in names:
        assert page.count(f"\n({name})=\n") == 1, name


def test_no_comment_of_a_header_is_lost(docs_script: Load) -> None:
    script = docs_script("c_reference")
    for header in script.headers():
        text = (INCLUDE / header).read_text(encoding="utf-8")
        shown = " ".join(f"{entry.comment} {entry.code}" for entry in script.entries(header))
        for comment in re.findall(r"^/\*(.*?)\*/", text, re.DOTALL | re.MULTILINE):
            for word in re.findall(r"\w{4,}", comment):
                assert word in shown, (header, word)


def test_every_header_of_cpp_is_shown(docs_script: Load) -> None:
    page = docs_script("c_reference").faces()
    for path in INCLUDE.glob("*.hpp"):
        assert f"## {path.name}\n" in page
        assert f"include/space2vec/{path.name}\n:language: cpp\n" in page


def test_every_command_is_shown(docs_script: Load) -> None:
    script = docs_script("command_reference")
    assert {"score", "features", "simulate", "train", "evaluate", "doctor"} <= set(script.commands())
    page = script.page()
    for name in script.commands():
        assert f"## space2vec {name}\n\n```text\nusage: space2vec {name} " in page


def test_every_public_name_is_in_the_reference() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md"))
    for name in s2v.__all__:
        if name != "__version__":
            kind = r"auto(?:function|class|module):: "
            assert re.search(rf"{kind}(?:space2vec\.)?(?:\w+\.)*{name}\b", text), name


def test_links_of_pages_that_stand_for_a_file_lead_somewhere() -> None:
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / name).read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), (name, target)
