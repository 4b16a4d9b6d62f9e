"""Tables in Markdown, for the scripts that write pages."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["table"]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown, of the names of its columns and the cells of its rows."""
    names = list(head)
    lines = ["| " + " | ".join(cells) + " |" for cells in (names, *map(list, rows))]
    return "\n".join([lines[0], "|" + "---|" * len(names), *lines[1:]]) + "\n"
