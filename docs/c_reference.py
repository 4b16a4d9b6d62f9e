"""Turn a C header of the library into a page: what its comments say of each declaration.

A comment that begins a line speaks of the declarations under it, down to the next blank line or the next such comment.
Names of the library in a comment become links.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

INCLUDE = Path(__file__).parents[1] / "cpp" / "include" / "space2vec"
_FIRST = ("space2vec.h", "flags.h", "model.h", "frames.h", "reader.h", "packing.h")

_GUARDS = re.compile(
    r"#if(?:def __cplusplus| defined\(_WIN32\))\n.*?#endif\n|^#(?:include|ifndef|endif|define \w+_H\b)[^\n]*\n",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"^/\*.*?\*/\n?", re.MULTILINE | re.DOTALL)
#: What a piece of code declares.
_DECLARED = (
    re.compile(r"^S2V_API [\w *]*?\b(s2v_\w+)\(", re.MULTILINE),
    re.compile(r"^\} (s2v_\w+);", re.MULTILINE),
    re.compile(r"^typedef .*\} (s2v_\w+);", re.MULTILINE),
    re.compile(r"^typedef struct \w+ (s2v_\w+);", re.MULTILINE),
    re.compile(r"^#define (S2V_\w+)", re.MULTILINE),
)


class Entry(NamedTuple):
    """Declarations, and what is said of them; without declarations, what is said of the header."""

    comment: str
    code: str

    @property
    def names(self) -> tuple[str, ...]:
        """The functions, types and macros that are declared, in order."""
        found = [(match.start(), match[1]) for pattern in _DECLARED for match in pattern.finditer(self.code)]
        return tuple(dict.fromkeys(name for _, name in sorted(found)))


def entries(header: str) -> list[Entry]:
    """Return what a header declares, in its order."""
    text = _GUARDS.sub("", (INCLUDE / header).read_text(encoding="utf-8"))
    found: list[Entry] = []
    for chunk in re.split(r"\n{2,}(?![^/]*\*/)", text):
        comments = [(match.start(), match.end()) for match in _COMMENT.finditer(chunk)]
        ends = [*(start for start, _ in comments), len(chunk)]
        found.append(Entry("", chunk[: ends[0]].strip()))
        for (start, middle), end in zip(comments, ends[1:], strict=True):
            found.append(Entry(_words(chunk[start:middle]), chunk[middle:end].strip()))
    return [entry for entry in found if entry.comment or entry.code]


def _words(comment: str) -> str:
    lines = comment.strip().removeprefix("/*").removesuffix("*/").splitlines()
    return "\n".join(re.sub(r"^\s*\*?\s?", "", line).strip() for line in lines).strip()


def headers() -> list[str]:
    """Return the names of the headers, those that most programs need first."""
    others = sorted(path.name for path in INCLUDE.glob("*.h") if path.name not in _FIRST)
    return [*_FIRST, *others]


def faces() -> str:
    """Return the C++ headers as they stand, as Markdown: a section a header."""
    names = sorted((path.name for path in INCLUDE.glob("*.hpp")), key=lambda name: (name != "space2vec.hpp", name))
    whole = "```{{literalinclude}} ../../cpp/include/space2vec/{}\n:language: cpp\n```"
    return "\n\n".join(f"## {name}\n\n{whole.format(name)}" for name in names)


def page() -> str:
    """Return the reference of all headers, as Markdown: a section a header, a heading a declaration."""
    found = {header: entries(header) for header in headers()}
    known = {name for listed in found.values() for entry in listed for name in entry.names}
    parts: list[str] = []
    for header, listed in found.items():
        parts.append(f"## {header}")
        for entry in listed:
            parts += _shown(entry, known)
    return "\n\n".join(parts)


def _shown(entry: Entry, known: set[str]) -> list[str]:
    parts: list[str] = []
    if entry.names:
        parts += ["\n".join(f"({name})=" for name in entry.names if name.islower())]
        parts += [f"### {', '.join(f'`{name}`' for name in entry.names)}"]
    if entry.comment:
        parts += [_linked(entry.comment, known)]
    if entry.code:
        parts += [f"```c\n{entry.code}\n```"]
    return parts


def _linked(text: str, known: set[str]) -> str:
    """Return a comment as Markdown: nothing in it is a mark, names of the library are links."""
    text = re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)

    def link(match: re.Match[str]) -> str:
        name = match[0].replace("\\", "")
        return f"[`{name}`](#{name})" if name in known and name.islower() else f"`{name}`"

    return re.sub(r"\b[sS]2[vV](?:\\_\w+?(?=\\_|\b))+", link, text)


if __name__ == "__main__":
    print(page())
