"""Write the report of a night: a folder of pages that a browser opens from the file, without a server or a network."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data.atomic_file import name_in_errors
from space2vec.data.columns import as_text, check_columns, concatenate_columns, is_unknown
from space2vec.data.ids import id_keys
from space2vec.errors import OutputError
from space2vec.errors.text import NAME, one_line
from space2vec.registry import FLAGS, library_version
from space2vec.report.pixels import STEPS, CodedStamps, stamps_script

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from types import TracebackType
    from typing import Self

    from space2vec.data.columns import Columns
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Scores

__all__ = ["NightProblem", "NightReport", "write_report"]

#: Candidates whose stamps share a file: a page loads the files of those that it shows.
_STAMPS_A_FILE = 16
#: The file that tells a report from other folders.
_NIGHT = Path("data", "night.js")
#: The files of the folder data.
_DATA_FILE = re.compile(r"night\.js|stamps-\d+\.js")
#: The most problems that a page lists; it says how many more there are.
_PROBLEMS = 2000
#: Integers beyond this are not exact in JavaScript.
_EXACT = 1 << 53


class NightProblem(NamedTuple):
    """Why a candidate has no score, or what was wrong with its record.

    Attributes
    ----------
    row : int
        The row of the candidate in its batch.
    place : str
        Where it is from: the file, and the record in it.
    reason : str
        A name of :data:`space2vec.registry.FAULTS` or of a flag.
    message : str
        The description.
    """

    row: int
    place: str
    reason: str
    message: str


class NightReport:
    """Write the report of a night batch by batch; it appears as a whole when it is finished.

    Parameters
    ----------
    folder : path
        The folder of the pages; ``index.html`` in it opens the report. An earlier report there is replaced.
    title : str, optional
        The heading of the report; by default the name of the folder.
    model : str
        The model that gives the scores, named on the page.
    threshold : float
        The score from which on the page counts a candidate as real.

    Raises
    ------
    OutputError
        If `folder` exists and is not a report.

    Examples
    --------
    >>> from space2vec.report import NightReport
    >>> stamps = s2v.simulate(20, seed=2).stamps
    >>> model = s2v.load("default")
    >>> with NightReport("night", model=model.id) as report:
    ...     report.add(stamps, model.score(stamps))
    ...     page = report.finish()
    >>> page.name
    'index.html'
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        title: str | None = None,
        model: str = "",
        threshold: float = 0.5,
    ) -> None:
        #: The folder of the pages.
        self.folder = Path(folder).absolute()
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must lie from 0 to 1; given {threshold}")
        _check_place(self.folder)
        self._title = self.folder.name if title is None else title
        self._model, self._threshold = model, threshold
        _remove_leftovers(self.folder)
        self._aside = self.folder.with_name(f".{self.folder.name}.{os.urandom(6).hex()}.part")
        self._ids: list[str | None] = []
        self._objects: list[str | None] = []
        self._scores: list[NDArray[np.float32]] = []
        self._flags: list[NDArray[np.uint32]] = []
        self._columns: list[Columns] = []
        self._waiting: list[CodedStamps] = []
        self._problems: list[NightProblem] = []
        self._problem_count = 0
        self._files = 0
        self._has_stamps = False
        with name_in_errors("write", self.folder):
            (self._aside / "data").mkdir(parents=True)
            # Held as long as this process lives: what is not locked was left by one that was killed.
            self._lock = os.open(self._aside, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            with contextlib.suppress(OSError):  # a file system without locks: there nothing is taken for a leftover
                fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)
        os.close(self._lock)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, stamps: Stamps | None, scores: Scores, problems: Iterable[NightProblem] = ()) -> None:
        """Add candidates: their scores, flags, ids and extra columns, and their stamps if there are any.

        Parameters
        ----------
        stamps : Stamps or None
            The candidates (n rows).
        scores : Scores
            Their scores.
        problems : iterable of NightProblem, optional
            What was wrong with them, which the page lists.

        Raises
        ------
        ValueError
            If the numbers of stamps and scores differ.
        """
        if stamps is not None and len(stamps) != len(scores):
            raise ValueError(f"there must be one score for each of {len(stamps)} stamps; given {len(scores)}")
        for problem in problems:
            self._problem_count += 1
            if len(self._problems) < _PROBLEMS:
                self._problems.append(problem._replace(row=len(self) + problem.row))
        self._ids.extend(id_keys(scores.candidate_id))
        self._objects.extend(id_keys(scores.object_id))
        self._scores.append(np.asarray(scores.score, dtype=np.float32))
        self._flags.append(scores.flags)
        self._columns.append(dict(scores.columns))
        self._has_stamps |= stamps is not None
        host = None if stamps is None else stamps.to_host()
        for row in range(len(scores)):
            self._waiting.append(CodedStamps.missing() if host is None else CodedStamps.of_row(host, row))
            if len(self._waiting) == _STAMPS_A_FILE:
                self._write_stamps()

    def finish(
        self,
        *,
        suggested: Sequence[int] = (),
        labels: Mapping[str, str] | None = None,
        alike: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> Path:
        """Write the remaining candidates, give the report its name, and return the path of its first page.

        Parameters
        ----------
        suggested : sequence of int, optional
            Rows in the order in which they are best labelled, see :func:`space2vec.report.selection.most_useful`.
        labels : mapping of str to str, optional
            Labels (real, bogus, unsure) by candidate id that a server of the pages keeps: the page then shows these and
            sends every change to the server, instead of keeping labels in the browser.
        alike : ndarray of int (n, k) and ndarray of float32 (n, k), optional
            The rows of the look-alikes of each candidate, the most alike first, -1 for none, and their likeness.
        columns : mapping of str to array_like (n,), optional
            Columns that are known only now; a text column ``kind`` is listed as the kinds of the night. Of two columns
            of one name, the earlier one gets the prefix ``packet.``.

        Raises
        ------
        ValueError
            If the look-alikes or a column have another number of rows, or a look-alike is no row.
        OSError
            If the folder cannot be written.
        """
        known = check_columns(columns or {}, len(self))
        lines = None if alike is None else _alike(*alike, len(self))
        if self._waiting:
            self._write_stamps()
        with name_in_errors("write", self.folder):
            contents = self._contents(suggested, labels, known, lines)
            text = json.dumps(contents, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
            (self._aside / _NIGHT).write_text(f"s2vNight({text});\n", encoding="ascii")
            for file in _page_files():
                (self._aside / file.name).write_bytes(file.read_bytes())
            self._replace()
        return self.folder / "index.html"

    def _replace(self) -> None:
        """Rename the finished folder to its final name; an earlier report is deleted once this one has its place."""
        _check_place(self.folder)
        earlier = self._aside.with_suffix(".old")
        with contextlib.suppress(FileNotFoundError):
            os.rename(self.folder, earlier)
        os.rename(self._aside, self.folder)
        shutil.rmtree(earlier, ignore_errors=True)

    def _write_stamps(self) -> None:
        """Write the stamps that wait into one file."""
        file = self._aside / "data" / f"stamps-{self._files}.js"
        with name_in_errors("write", self.folder):
            file.write_bytes(stamps_script(self._files, self._waiting))
        self._files += 1
        self._waiting = []

    def _contents(
        self,
        suggested: Sequence[int],
        labels: Mapping[str, str] | None,
        known: Columns,
        alike: dict[str, object] | None,
    ) -> dict[str, object]:
        """Return what the page shows beside the stamps, as JSON."""
        scores = np.concatenate([np.empty(0, dtype=np.float32), *self._scores])
        flags = np.concatenate([np.empty(0, dtype=np.uint32), *self._flags])
        packets = concatenate_columns(self._columns, [len(part) for part in self._scores])
        columns = known | {f"packet.{name}" if name in known else name: values for name, values in packets.items()}
        digest = hashlib.sha256("\n".join(map(str, self._ids)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return {
            "title": self._title,
            "model": self._model,
            "version": library_version(),
            "threshold": self._threshold,
            "night": digest,
            "steps": STEPS,
            "stampsPerFile": _STAMPS_A_FILE,
            "hasStamps": self._has_stamps,
            "candidate": [_text(value) for value in self._ids],
            "object": [_text(value) for value in self._objects],
            "score": [None if math.isnan(value) else float(f"{value:.6g}") for value in scores.tolist()],
            "flags": flags.tolist(),
            "flagNames": [
                {"name": flag.name, "bit": flag.bit, "meaning": flag.meaning, "scored": flag.scored}
                for flag in FLAGS.values()
            ],
            "problems": [[row, *map(_text, texts)] for row, *texts in self._problems],
            "problemCount": self._problem_count,
            "suggested": list(suggested),
            "alike": alike,
            "hasKinds": "kind" in known,
            "served": labels is not None,
            "labels": {str(_text(name)): label for name, label in (labels or {}).items()},
            "columns": [
                {"name": name, "numeric": values.dtype.kind != "O", "values": _cells(values)}
                for name, values in columns.items()
                if not is_unknown(values).all()
            ],
        }


def write_report(
    stamps: Stamps, scores: Scores, folder: str | os.PathLike[str], *, title: str | None = None, threshold: float = 0.5
) -> Path:
    """Write the report of candidates that are in memory, and return the path of its first page.

    Parameters
    ----------
    stamps : Stamps
        The candidates.
    scores : Scores
        One score for each of them, with their flags, ids and extra columns.
    folder, title, threshold
        As for :class:`NightReport`.

    Raises
    ------
    ValueError
        If the numbers of stamps and scores differ.
    OutputError
        If `folder` exists and is not a report.
    OSError
        If it cannot be written.

    Examples
    --------
    >>> from space2vec.report import write_report
    >>> stamps = s2v.simulate(20, seed=2).stamps
    >>> write_report(stamps, s2v.load("default").score(stamps), "night").name
    'index.html'
    """
    with NightReport(folder, title=title, model=scores.model, threshold=threshold) as report:
        report.add(stamps, scores)
        return report.finish()


def _alike(rows: NDArray[np.int64], likeness: NDArray[np.float32], n: int) -> dict[str, object] | None:
    """Return look-alikes as a page reads them: row after row, the likeness in thousandths."""
    if rows.ndim != 2 or len(rows) != n or likeness.shape != rows.shape:
        shapes = f"{rows.shape} and {likeness.shape}"
        raise ValueError(f"look-alikes and their likeness must have shape ({n}, k); given {shapes}")
    if ((rows < -1) | (rows >= n)).any():
        raise ValueError(f"a look-alike is a row from 0 to {n - 1}, or -1")
    if not rows.shape[1]:
        return None
    thousandths = np.rint(1000 * np.nan_to_num(likeness)).astype(np.int64)
    return {"each": rows.shape[1], "rows": rows.ravel().tolist(), "likeness": thousandths.ravel().tolist()}


def _page_files() -> list[Traversable]:
    """Return the files of the page that every report has."""
    return sorted((resources.files("space2vec.report") / "page").iterdir(), key=lambda entry: entry.name)


def _check_place(folder: Path) -> None:
    """Raise an OutputError if the folder holds anything but a report."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise OutputError(f"{folder} is no folder; a report is a folder of pages")
    own = {file.name for file in _page_files()} | {_NIGHT.parts[0]}
    others = [file.name for file in folder.iterdir() if file.name not in own]
    if (folder / _NIGHT.parts[0]).is_dir():
        others += [f"data/{file.name}" for file in (folder / "data").iterdir() if not _DATA_FILE.fullmatch(file.name)]
    if others:
        raise OutputError(
            f"{folder} holds other files than a report ({one_line(min(others), NAME)}); move them or name a new folder"
        )


def _remove_leftovers(folder: Path) -> None:
    """Remove the unfinished reports of this folder that killed processes have left."""
    for aside in folder.parent.glob(f".{glob.escape(folder.name)}.*.part") if folder.parent.is_dir() else ():
        if not re.fullmatch(r"[0-9a-f]{12}", aside.name.removesuffix(".part").rpartition(".")[2]):
            continue
        with contextlib.suppress(OSError):
            lock = os.open(aside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(aside, ignore_errors=True)
            finally:
                os.close(lock)


def _text(value: object) -> str | None:
    """Return text that JSON and a page can hold: a half of a surrogate pair becomes a replacement character."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()


def _cells(values: NDArray[np.generic]) -> Sequence[float | int | str | None]:
    """Return the values of a column; infinite numbers and integers that JavaScript would round are text."""
    absent = is_unknown(values)
    if values.dtype.kind == "O" or (values.dtype.kind == "i" and (np.abs(np.ma.getdata(values)) > _EXACT).any()):
        return [_text(value) for value in as_text(values).tolist()]
    return [
        None if missing else value if isinstance(value, int) or math.isfinite(value) else str(value)
        for value, missing in zip(np.ma.getdata(values).tolist(), absent.tolist(), strict=True)
    ]
