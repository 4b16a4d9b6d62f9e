"""Turn what ``space2vec COMMAND --help`` says into a page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import lru_cache


def help_of(*command: str) -> str:
    """Return what the command line says of itself, on a terminal of 100 columns without colours."""
    environment = os.environ | {"COLUMNS": "100", "NO_COLOR": "1", "PYTHON_COLORS": "0"}
    asked = [sys.executable, "-m", "space2vec", *command, "--help"]
    return subprocess.run(asked, env=environment, check=True, capture_output=True, text=True).stdout


def commands() -> list[str]:
    """Return the commands, in the order of ``space2vec --help``."""
    return re.findall(r"^ {4}([a-z]\w*)", help_of().partition("commands:")[2], re.MULTILINE)


@lru_cache
def page() -> str:
    """Return a section for each command, as Markdown."""
    return "\n\n".join(f"## space2vec {name}\n\n```text\n{help_of(name).strip()}\n```" for name in commands())


if __name__ == "__main__":
    print(page())
