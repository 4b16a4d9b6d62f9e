"""Draw docs/explanation.png: what moved the score of a simulated candidate whose images are misregistered.

python docs/explanation.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from space2vec.cli import main

PICTURE = Path(__file__).with_name("explanation.png")


def draw() -> None:
    """Simulate the night of ``make demo``, and explain one of its candidates."""
    with tempfile.TemporaryDirectory() as folder:
        assert main(["simulate", "-n", "2000", "-o", folder]) == 0
        assert main(["explain", "714274320155015000", folder, "-o", str(PICTURE)]) == 0


if __name__ == "__main__":
    draw()
