"""Turn what ``space2vec COMMAND --help`` says into a page."""

from __future__ import annotations

import contextlib
import io
import os
import re
from functools import cache

from space2vec.cli import main

#: A terminal of 100 columns without colours.
_TERMINAL = {"COLUMNS": "100", "NO_COLOR": "1", "PYTHON_COLORS": "0"}


def help_of(*command: str) -> str:
    """Return what the command line says of itself, or of a command."""
    kept, said = dict(os.environ), io.StringIO()
    os.environ.update(_TERMINAL)
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([*command, "--help"])
    finally:
        os.environ.clear()
        os.environ.update(kept)
    return said.getvalue()


def commands() -> list[str]:
    """Return the commands, in the order of ``space2vec --help``."""
    return re.findall(r"^ {4}([a-z]\w*)", help_of().partition("commands:")[2], re.MULTILINE)


@cache
def page() -> str:
    """Return a section for each command, as Markdown."""
    return "\n\n".join(f"## space2vec {name}\n\n```text\n{help_of(name).strip()}\n```" for name in commands())


if __name__ == "__main__":
    print(page())
