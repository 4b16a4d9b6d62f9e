"""Labels that a user keeps in a table, joined with candidates by their ids, by their files, or by row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import id_keys
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.data.types import AnyArray
from space2vec.errors import ReadError
from space2vec.errors.text import NAME, one_line
from space2vec.reading import Limits, Problem, read_labels
from space2vec.reading.labels import read_file_names

__all__ = ["LabelTable", "label_stamps"]

_LIMITS = Limits()
#: Ids, or rows, that a message names.
_SHOWN = 3


class LabelTable:
    """A table of labels, which finds the label of each candidate.

    The column ``label`` holds 1, true or real, and 0, false or bogus; DES's ``OBJECT_TYPE`` holds 0 for real. The table
    names candidates by a column of ids (``candidate_id``, ``candid``, ``ID``), or their files by a column ``path``,
    ``file`` or ``filename``. Paths are relative to the current folder or to that of the table; if no path names a
    folder, names of files are compared alone. A label of a file holds for all its candidates. Without such a column the
    rows of the table are those of the input.

    Parameters
    ----------
    file : path
        CSV, Parquet, or another table that :func:`space2vec.reading.read_labels` reads.
    problems : list, optional
        A list to which problems of lines and cells are appended; without it the first one raises.
    limits : Limits, optional
        The limits on what the file may demand.

    Attributes
    ----------
    file : str
        The path of the table.
    by : {"candidate", "path", "row"}
        What the labels are joined by.
    repeated : int
        Rows that repeat a label which the table has before.

    Raises
    ------
    ReadError
        If the table cannot be read, or labels a candidate or a file both real and bogus.
    """

    def __init__(
        self, file: str | os.PathLike[str], problems: list[Problem] | None = None, limits: Limits = _LIMITS
    ) -> None:
        labels = read_labels(file, problems=problems, limits=limits)
        self.file = os.fspath(file)
        self.real = labels.real
        self.by: Literal["candidate", "path", "row"] = "row"
        self._names_alone = False
        keys: Sequence[str | None] = []
        if labels.candidate_id is not None:
            self.by, keys = "candidate", id_keys(labels.candidate_id)
        elif (paths := read_file_names(file, limits)) is not None:
            self.by = "path"
            self._names_alone = not any(os.path.dirname(path) for path in paths if path)
            keys = [path and (path if self._names_alone else _whole_path(path, Path(file).parent)) for path in paths]
        self._label: dict[str, float] = {}
        #: The file of the candidate, or the first of the candidates, that had the label of a key.
        self._place: dict[str, str] = {}
        self.repeated = self._add(keys)

    def _add(self, keys: Sequence[str | None]) -> int:
        """Keep the label of each key; return the number of rows that repeat one."""
        repeated, both = 0, []
        for key, real in zip(keys, self.real.tolist(), strict=False):
            if key is None or not key or np.isnan(real):
                continue
            if key in self._label:
                repeated += 1
                both += [key] if self._label[key] != real else []
            self._label.setdefault(key, real)
        if both:
            contradicted = list(dict.fromkeys(both))
            shown = one_line(", ".join(contradicted[:_SHOWN]) + (", ..." if len(contradicted) > _SHOWN else ""))
            raise ReadError(
                f"{self.file}: {len(contradicted)} {'candidate is' if len(contradicted) == 1 else 'candidates are'} "
                f"labelled both real and bogus: {shown}"
            )
        return repeated

    def of(self, candidate_id: AnyArray, paths: Sequence[str]) -> NDArray[np.float32]:
        """Find the labels (n,) of candidates, NaN for those without one; further candidates may follow in other calls.

        Parameters
        ----------
        candidate_id : ndarray (n,)
            Their ids.
        paths : sequence of str (n,)
            Their files.

        Raises
        ------
        ReadError
            If labels go by candidate and one that has a label has occurred before, or if they go by the names of files
            and two files have the same name.
        """
        if self.by == "row":
            raise ReadError(_without_ids(self.file, candidate_id))
        if self.by == "candidate":
            keys = id_keys(candidate_id)
        elif self._names_alone:
            keys = [os.path.basename(path) for path in paths]
        else:
            keys = [os.path.abspath(path) for path in paths]
        found = np.full(len(keys), np.nan, dtype=np.float32)
        for row, key in enumerate(keys):
            if key is None or key not in self._label:
                continue
            place = paths[row]
            first = self._place.get(key)
            if first is not None and (self.by == "candidate" or first != place):
                raise ReadError(
                    _twice(f"{self.by if self.by == 'candidate' else 'a file'} {key}", first, place, self.file)
                )
            self._place[key] = place
            found[row] = self._label[key]
        return found

    @property
    def unknown(self) -> int:
        """The number of labels that no candidate has had so far."""
        return len(self._label) - len(self._place)

    def notes(self) -> list[str]:
        """Return a line on labels that name no candidate, and one on repeated labels, if there are any."""
        unknown = f"{self.unknown} labels of {self.file} name no row of the inputs"
        repeated = f"{self.repeated} rows of {self.file} repeat the label of an earlier row"
        return [note for count, note in ((self.unknown, unknown), (self.repeated, repeated)) if count]

    def needed(self, candidate_id: AnyArray, paths: Sequence[str]) -> str:
        """Say, for an error, what the labels have to name, with candidates as examples."""
        if self.by == "path":
            shown = ", ".join(one_line(path, NAME) for path in paths[:2])
            return f"do the paths of {self.file} name files of the input, such as {shown}?"
        shown = ", ".join(map(str, id_keys(candidate_id[:2])))
        return f"do the candidate ids of the labels fit the input's, which look like {shown}?"


def label_stamps(stamps: Stamps, file: str | os.PathLike[str]) -> LabelledStamps:
    """Select the stamps that a table labels, with their labels.

    Parameters
    ----------
    stamps : Stamps
        The candidates.
    file : path
        A table of labels by candidate id, see :class:`LabelTable`.

    Returns
    -------
    LabelledStamps
        The labelled candidates, in the order of `stamps`.

    Raises
    ------
    ReadError
        If the table cannot be read, contradicts itself, labels a candidate that occurs twice, or names none of them.
    """
    table = LabelTable(file)
    if table.by == "path":
        raise ReadError(f"{table.file} names files, which stamps in memory do not: it needs a column candidate_id")
    real = table.of(stamps.candidate_id, [""] * len(stamps))
    rows = np.flatnonzero(~np.isnan(real))
    if not len(rows):
        raise ReadError(f"no stamp has a label: {table.needed(stamps.candidate_id, [])}")
    return LabelledStamps(stamps[rows], real[rows].astype(np.int8), np.full(len(rows), "labelled"))


def _whole_path(path: str, folder: Path) -> str:
    """Return the absolute path of a file that is named from the current folder, or from a folder."""
    beside = os.path.abspath(folder / path)
    return beside if os.path.exists(beside) and not os.path.exists(path) else os.path.abspath(path)


def _without_ids(file: str, candidate_id: AnyArray) -> str:
    shown = ", ".join(map(str, id_keys(candidate_id[:2])))
    return (
        f"{file} has no ids of candidates: it goes only with one input that has none either, and as many rows; "
        f"give it a column candidate_id, with ids such as {shown}, or a column path"
    )


def _twice(what: str, first: str, other: str, file: str) -> str:
    places = ", ".join(dict.fromkeys(place for place in (first, other) if place))
    where = f" ({places})" if places else ""
    return one_line(f"the inputs: {what} occurs more than once{where}; rows cannot be joined one to one with {file}")
