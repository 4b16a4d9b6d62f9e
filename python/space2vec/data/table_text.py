"""Tables as people look at them: the first and the last rows, as text or HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from space2vec.errors.text import one_line

__all__ = ["as_html", "as_lines"]

#: Rows and columns that are shown, half of them from the end.
_ROWS, _COLUMNS = 10, 12
#: Characters of a cell.
_WIDTH = 28
#: Numbers of a vector that are shown.
_NUMBERS = 4


def as_lines(title: str, columns: Mapping[str, NDArray[np.generic]]) -> str:
    """Return a table as text under a title: numbers to the right, text to the left."""
    grid, numeric = _grid(columns)
    widths = [max(map(len, column)) for column in grid]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in zip(*grid, strict=True)
    ]
    return "\n".join([one_line(title), *lines])


def as_html(title: str, columns: Mapping[str, NDArray[np.generic]]) -> str:
    """Return a table as HTML, for notebooks."""
    grid, _ = _grid(columns)
    head, *body = zip(*grid, strict=True)
    rows = [f"<tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in head)}</tr>"]
    rows += [f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in body]
    return f"<div><p>{html.escape(one_line(title))}</p><table>{''.join(rows)}</table></div>"


def _grid(columns: Mapping[str, NDArray[np.generic]]) -> tuple[list[list[str]], list[bool]]:
    """Return the cells of the columns that are shown, names first, and which columns are numbers."""
    grid: list[list[str]] = []
    numeric: list[bool] = []
    names: Sequence[str] = list(columns)
    shown = [names[k] for k in _shown(len(names), _COLUMNS)]
    left_out = len(names) > _COLUMNS
    for place, name in enumerate(shown):
        if left_out and place == _COLUMNS // 2:
            grid.append(["..."] * len(grid[0]))
            numeric.append(False)
        values = columns[name]
        rows = _shown(len(values), _ROWS)
        cells = [_cell(values[row]) for row in rows]
        if len(values) > _ROWS:
            cells.insert(_ROWS // 2, "...")
        grid.append([one_line(name, _WIDTH), *cells])
        numeric.append(values.dtype.kind in "iuf")
    return grid, numeric


def _shown(n: int, most: int) -> list[int]:
    return list(range(n)) if n <= most else [*range(most // 2), *range(n - most // 2, n)]


def _cell(value: object) -> str:
    if value is None or value is np.ma.masked:
        return "--"
    if isinstance(value, np.ndarray):
        shown = value[:_NUMBERS].tolist()
        return " ".join(map(str, [*shown, "..."] if len(value) > _NUMBERS else shown))
    if isinstance(value, np.float32):
        return f"{value:.5g}"
    if isinstance(value, float):
        return f"{value:.10g}"
    return one_line(value, _WIDTH)
