"""Make figures without a window, and write them into files."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.data.atomic_file import write_whole
from space2vec.errors.packages import need
from space2vec.errors.text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

    from space2vec.data.types import Argument

__all__ = ["COLOURS", "LITERAL_TEXT", "label_of", "new_figure", "save", "set_literal_text"]

#: Colours that people with any colour vision can distinguish (Okabe & Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
#: Options that draw dollars and backslashes as they are: ids and names are no LaTeX. Others of any type join them.
LITERAL_TEXT: dict[str, Argument] = {"parse_math": False, "usetex": False}
#: The most characters of a name in a legend.
_LABEL = 80


def label_of(text: str) -> str:
    """Return text for a legend: one line, shortened; a space goes before an underscore, which would hide the entry."""
    line = one_line(text, _LABEL)
    return f" {line}" if line.startswith("_") else line


def set_literal_text(legend: Legend) -> None:
    """Let the texts of a legend be drawn literally, see :data:`LITERAL_TEXT`."""
    for text in legend.get_texts():
        text.update(LITERAL_TEXT)


def new_figure(**options: Argument) -> Figure:
    """Return an empty figure; the options are those of :class:`matplotlib.figure.Figure`."""
    need("matplotlib", "a picture needs matplotlib")
    from matplotlib.figure import Figure

    return Figure(**options)


def save(figure: Figure, path: str | os.PathLike[str] | None, **options: Argument) -> None:
    """Write a figure in the format of the suffix, replacing an existing file as a whole; without a path do nothing.

    The options are those of :meth:`matplotlib.figure.Figure.savefig`.
    """
    if path is None:
        return
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # An id may hold characters that no font has. They are drawn as boxes, without a warning for each.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(picture, format=Path(path).suffix[1:] or "png", **options)
    write_whole(path, picture.getvalue())
