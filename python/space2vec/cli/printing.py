"""Print safely: no name of a file, an id or a model can send control codes to the terminal."""

from __future__ import annotations

import sys

from space2vec.errors.text import lines, one_line

__all__ = ["print_line", "print_lines", "print_notice", "print_progress"]


def print_line(text: object) -> None:
    """Print one line to standard output, as :func:`space2vec.errors.text.one_line` shows it."""
    print(one_line(text))


def print_lines(text: object) -> None:
    """Print several lines to standard output; names in them must have been made safe already."""
    print(lines(text))


def print_notice(text: object) -> None:
    """Print one line to standard error, after ``space2vec:``."""
    print(one_line(f"space2vec: {text}"), file=sys.stderr)


def print_progress(text: object) -> None:
    """Print one line to standard error without delay."""
    print(one_line(text), file=sys.stderr, flush=True)
