"""Find out which model made a file of scores, and name several such files apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

from space2vec.data.ids import printable
from space2vec.errors import ReadError
from space2vec.reading.notes import peek_note
from space2vec.reading.table_file import read_columns, table_columns

__all__ = ["model_of", "names_of"]

#: The column of a score file that says which model gave each score, where there is one.
_COLUMN = "model"


def model_of(path: str | PathLike[str]) -> str | None:
    """Return the id (name and digest) of the model that made a file of scores.

    Parameters
    ----------
    path : path
        A file that ``space2vec score`` wrote, or any table with a column ``model`` that holds one value.

    Returns
    -------
    str or None
        None if the file does not say.
    """
    note = peek_note(Path(path))
    if note is not None and isinstance(note.get("model"), str):
        return str(note["model"])
    try:
        if _COLUMN not in table_columns(Path(path)):
            return None
        column = read_columns(Path(path), {_COLUMN: "text"})[_COLUMN]
    except ReadError:
        return None
    values = {str(value) for value in column.tolist()}
    return values.pop() if len(values) == 1 else None


def names_of(paths: Sequence[str | PathLike[str]]) -> dict[str, str]:
    """Name each file of scores by its model, with as many further words as are needed to distinguish the files.

    Parameters
    ----------
    paths : sequence of path
        Files of scores.

    Returns
    -------
    dict of str to str
        A name for each path: the name of the model, with its digest where several models share a name. A file that
        names no model is called by its own name without the suffix. The path is added where names are still the same.
    """
    files = [fspath(path) for path in paths]
    models = [model_of(path) or printable(Path(path).stem) for path in files]
    short = [model.rsplit(" ", 1)[0] for model in models]
    different: Counter[str] = Counter()
    for name in dict.fromkeys(zip(short, models, strict=True)):
        different[name[0]] += 1
    names = [name if different[name] == 1 else model for name, model in zip(short, models, strict=True)]
    alike = Counter(names)
    whole = [
        name if alike[name] == 1 else f"{name} ({printable(path)})" for path, name in zip(files, names, strict=True)
    ]
    return dict(zip(files, whole, strict=True))
