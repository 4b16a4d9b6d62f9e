"""A figure that no window shows, and its way into a file."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from space2vec.extras import need
from space2vec.writing.aside import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "save"]


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
    figure.savefig(picture, format=Path(path).suffix[1:] or "png", **options)
    write_whole(path, picture.getvalue())
