"""A figure that no window shows, and its way into a file."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space2vec.extras import need
from space2vec.shown_text import one_line
from space2vec.writing.aside import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = ["AS_IT_STANDS", "label_of", "new_figure", "save", "write_as_it_stands"]

#: Draws text with its dollars and backslashes as they are: ids and names are neither formulas nor LaTeX.
AS_IT_STANDS: dict[str, Any] = {"parse_math": False, "usetex": False}
#: Characters of a name in a legend.
_LABEL = 80


def label_of(text: str) -> str:
    """Return text for a legend: one line, cut; matplotlib leaves out what begins with an underscore."""
    line = one_line(text, _LABEL)
    return f" {line}" if line.startswith("_") else line


def write_as_it_stands(legend: Legend) -> None:
    """Draw the texts of a legend as :data:`AS_IT_STANDS` says."""
    for text in legend.get_texts():
        text.update(AS_IT_STANDS)


def new_figure(**options: Any) -> Figure:
    """Return an empty figure; the options are those of :class:`matplotlib.figure.Figure`.

    Raises
    ------
    ImportError
        If matplotlib is absent.
    """
    need("matplotlib", "a picture needs matplotlib")
    from matplotlib.figure import Figure

    return Figure(**options)


def save(figure: Figure, path: str | os.PathLike[str], **options: Any) -> None:
    """Write a figure in the format of the file's suffix; an existing file is replaced only once the new one is whole.

    Raises
    ------
    ValueError
        If matplotlib knows no format of that suffix.
    OSError
        If the file cannot be written; the message names it.
    """
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # An id may be of characters that no font has: boxes stand for them, and no line for each.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(picture, format=Path(path).suffix[1:] or "png", **options)
    write_whole(path, picture.getvalue())
