"""``Any`` switches the type checker off: each mention in the package has a reason beside it."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "python" / "space2vec"


def unexplained(text: str) -> Iterator[int]:
    """Yield the lines of a program that mention ``Any`` without a reason.

    A reason is a comment on the line, or ``#:`` right above the definition of an alias. Imports need none.
    """
    lines = text.splitlines()
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    commented = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    for token in tokens:
        line = token.start[0]
        if token.type != tokenize.NAME or token.string != "Any" or line in commented:
            continue
        alias = ": TypeAlias =" in lines[line - 1] and lines[line - 2].startswith("#:")
        if not alias and not lines[line - 1].startswith(("from typing import", "import ")):
            yield line


def test_every_mention_of_any_has_a_reason() -> None:
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")]
    assert len(files) > 200
    found = [f"{file.relative_to(PACKAGE)}:{line}" for file in files for line in unexplained(file.read_text("utf-8"))]
    assert not found, "a type, an alias of space2vec.data.types, or a comment on the line that gives the reason"


def test_a_mention_without_a_reason_is_found() -> None:
    program = (
        "from typing import Any, TypeAlias\n"
        "#: What a file holds.\n"
        "Held: TypeAlias = Any\n"
        "def read(file: Any) -> Any:  # of any library\n"
        '    """Any file."""\n'
        "Other: TypeAlias = Any\n"
        "def write(file: Any) -> None: ...\n"
    )
    assert list(unexplained(program)) == [6, 7]
