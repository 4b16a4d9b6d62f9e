"""An index of vectors: find the candidates that look most like one, among those of many nights."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data.flags import bits
from space2vec.data.ids import id_keys, parse_ids
from space2vec.data.row_index import row_index
from space2vec.data.vectors import Vectors
from space2vec.errors import ModelError, OutputError, ReadError
from space2vec.errors.text import NAME, one_line
from space2vec.vectors.exact import inverse_norms, nearest
from space2vec.vectors.held_rows import HeldRows
from space2vec.vectors.index_files import (
    CONTENTS,
    Contents,
    IndexFile,
    open_part,
    read_contents,
    write_part,
)
from space2vec.vectors.lists import Lists, need_faiss
from space2vec.vectors.neighbours import Neighbours
from space2vec.writing.folder import Folder

if TYPE_CHECKING:
    from space2vec.data.types import LibraryArray

__all__ = ["EXACT_BELOW", "Added", "Index"]

#: Below so many vectors a search compares with all of them.
EXACT_BELOW = 1_000_000


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the rows that were added to an index.

    Attributes
    ----------
    added : int
        Rows that are in the index now.
    without_vector : int
        Rows whose vector is zero, since their stamp could not be used: they are like nothing, and are left out.
    known : int
        Rows whose candidate was in the index already, or came before in the same table: they are left out.
    """

    added: int
    without_vector: int
    known: int

    def __str__(self) -> str:
        left_out = [
            f"{count} {why}"
            for count, why in ((self.without_vector, "without a vector"), (self.known, "known already"))
            if count
        ]
        return f"{self.added} added" + (f", {' and '.join(left_out)} left out" if left_out else "")


class Index:
    """Find the candidates whose stamps look most like those of another one.

    An index is a folder that holds the vectors of many nights with their ids and flags. Its files are mapped into
    memory, so opening it reads little. Below a million vectors (``exact_below``) a search compares with every vector;
    from then on it opens a few of many lists of neighbouring vectors (faiss) and compares with those.

    Parameters
    ----------
    folder : path
        An index that :meth:`build` or ``space2vec index build`` has made.

    Raises
    ------
    ReadError
        If the folder is no index, is one of another version, or is damaged.

    Examples
    --------
    >>> values = np.random.default_rng(1).integers(-99, 99, (300, 64), dtype=np.int8)
    >>> ids = np.arange(300)
    >>> vectors = s2v.Vectors(values, np.zeros(300, np.uint32), ids.astype(str), ids, "mine")
    >>> index = s2v.Index.build(vectors[:200], "index")
    >>> print(index.add(vectors[150:]))
    100 added, 50 known already left out
    >>> index.similar(7, k=3).candidate_id.shape
    (1, 3)
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        #: The folder of the index.
        self.folder = Path(folder)
        self._open(read_contents(self.folder))

    def _open(self, contents: Contents) -> None:
        self._contents = contents
        tables = [open_part(self.folder, part, contents.size) for part in contents.parts]
        self._held = HeldRows(tables, contents.size)
        self._norms: list[NDArray[np.float32]] = []
        self._lists: Lists | None = None

    @classmethod
    def build(cls, vectors: Vectors, folder: str | os.PathLike[str], *, exact_below: int = EXACT_BELOW) -> Index:
        """Make an index of vectors in a new folder.

        Parameters
        ----------
        vectors : Vectors
            The first vectors. Rows without one, and further rows of a candidate, are left out.
        folder : path
            The folder, which must not exist yet or be empty.
        exact_below : int, optional
            Below so many vectors a search compares with all of them; from then on the index needs faiss.

        Raises
        ------
        OutputError
            If the folder holds files already.
        ValueError
            If the vectors do not name the model that made them, or `exact_below` is below 1.
        ImportError
            If there are too many vectors for an exact search, and faiss is not installed.
        OSError
            If the folder cannot be written.
        """
        place = Path(folder)
        if exact_below < 1:
            raise ValueError(f"exact_below must be at least 1; given {exact_below}")
        if not vectors.model:
            raise ValueError("the vectors do not name the model that made them; an index holds those of one model")
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            kind = "an index" if (place / CONTENTS).exists() else "other files" if place.is_dir() else "a file"
            raise OutputError(f"{place} holds {kind} already; add to an index, or name a new folder")
        if len(vectors) >= exact_below:
            need_faiss()
        with _writing(place) as files:
            Contents(vectors.model, vectors.size, exact_below).write(files)
        index = cls(place)
        index.add(vectors)
        return index

    def __len__(self) -> int:
        return self._contents.rows

    def __repr__(self) -> str:
        return f"Index: {len(self)} vectors of {self.size} integers by {self.model} in {self.folder}"

    @property
    def model(self) -> str:
        """Name and digest of the model that made the vectors."""
        return self._contents.model

    @property
    def size(self) -> int:
        """The number of integers of a vector."""
        return self._contents.size

    @property
    def is_exact(self) -> bool:
        """Whether a search compares with every vector."""
        return self._contents.lists is None

    def add(self, vectors: Vectors) -> Added:
        """Add the vectors of another night.

        A candidate that is in the index already is left out, so a night may be added twice. Rows whose candidate has no
        id are added, although nothing can name them. If the process is killed meanwhile, the index is as before.

        Parameters
        ----------
        vectors : Vectors
            Vectors of the same model. Their extra columns are not kept.

        Returns
        -------
        Added
            How many rows were added, and how many left out and why.

        Raises
        ------
        ModelError
            If another model made the vectors.
        OutputError
            If another process adds to the index.
        ImportError
            If the index becomes too large for an exact search, and faiss is not installed.
        OSError
            If the folder cannot be written.
        """
        self._check_model(vectors)
        with _writing(self.folder) as files:
            latest = read_contents(self.folder)  # another process may have added since
            if latest != self._contents:
                self._open(latest)
            sound = vectors.rows(np.flatnonzero(vectors.has_vector))
            new = sound.rows(np.flatnonzero(~self._held.known(sound.candidate_id)))
            if len(new):
                self._open(self._write(files, new))
        return Added(len(new), len(vectors) - len(sound), len(sound) - len(new))

    def _write(self, files: Folder, rows: Vectors) -> Contents:
        """Write new rows and, for many, the lists; return the contents of the index with them."""
        total = len(self) + len(rows)
        by_lists = total >= self._contents.exact_below
        if by_lists:
            need_faiss()
        name, contents = self._contents.next_name("vectors", "arrow")
        contents = replace(contents, parts=(*contents.parts, write_part(files, name, rows)))
        if by_lists:
            old = contents.lists
            lists = None if old is None else Lists.read(old.check(self.folder), self.size, mapped=False)
            if lists is None or lists.outgrown(total):
                lists = Lists.train([*self._held.vectors, rows.to_numpy()], total, self.size)
            else:
                lists.add(rows.to_numpy())
            name, contents = contents.next_name("lists", "faiss")
            lists.write(self.folder / name)
            contents = replace(contents, lists=IndexFile.of(self.folder / name, total))
        contents.write(files)
        return contents

    def search(self, vectors: Vectors | LibraryArray, k: int = 20, *, probes: int | None = None) -> Neighbours:
        """Find the k candidates most like each of some others.

        A candidate is not among its own look-alikes: a row of the index with the same known id is passed over.

        Parameters
        ----------
        vectors : Vectors, or ndarray of int8 (m, size)
            The vectors to compare with.
        k : int
            How many to find for each.
        probes : int, optional
            Lists to open where the search is not exact; more find more and take longer.

        Raises
        ------
        ModelError
            If another model made the vectors.
        ValueError
            If `k` or `probes` is below 1, or the array has another shape.
        TypeError
            If the array is not of int8.
        """
        if k < 1 or (probes is not None and probes < 1):
            raise ValueError(f"k and probes must be at least 1; given {k if k < 1 else probes}")
        if not isinstance(vectors, Vectors):
            values = np.asarray(vectors)
            if values.dtype != np.int8:
                raise TypeError(f"vectors must be of int8; given {values.dtype}")
            if values.ndim != 2 or values.shape[1] != self.size:
                raise ValueError(f"vectors must have shape (m, {self.size}); given {values.shape}")
            unknown = np.full(len(values), -1, dtype=np.int64)
            nameless = np.full(len(values), None, dtype=object)
            vectors = Vectors(values, np.zeros(len(values), np.uint32), nameless, unknown, self.model)
        self._check_model(vectors)
        try:
            likeness, rows = self._nearest(vectors.to_numpy(), k + 1, probes)
        except ReadError:
            latest = read_contents(self.folder)
            if latest == self._contents:
                raise
            # Another process has added a night, and replaced the lists that are opened at the first search.
            self._open(latest)
            likeness, rows = self._nearest(vectors.to_numpy(), k + 1, probes)
        candidates, objects, flags = self._held.cells(rows)
        own = np.array(id_keys(vectors.candidate_id), dtype=object)[:, None]
        passed = (candidates == own) & (own != None)  # noqa: E711 - elementwise
        # Those passed over go to the end; of the others the k first are kept.
        order = np.argsort(passed, axis=1, kind="stable")[:, :k]
        likeness, rows, candidates, objects, flags, passed = (
            np.take_along_axis(array, order, axis=1) for array in (likeness, rows, candidates, objects, flags, passed)
        )
        likeness[passed], rows[passed], candidates[passed], objects[passed], flags[passed] = np.nan, -1, None, None, ""
        of = vectors.candidate_id, vectors.object_id, vectors.flags
        return Neighbours(*of, likeness, rows, candidates, objects, flags)

    def similar(self, candidate_id: int | str, k: int = 20, *, probes: int | None = None) -> Neighbours:
        """Find the k candidates most like one of the index.

        Parameters
        ----------
        candidate_id : int or str
            The id of the candidate.
        k, probes
            As for :meth:`search`.

        Raises
        ------
        KeyError
            If the index has no such candidate.
        """
        return self.search(self.vectors([self.find(candidate_id)]), k, probes=probes)

    def find(self, candidate_id: int | str) -> int:
        """Return the row of a candidate.

        Raises
        ------
        KeyError
            If the index has no such candidate.
        """
        row = self._held.find(str(candidate_id))
        if row is None:
            raise KeyError(f"the index has no candidate {one_line(candidate_id, NAME)}")
        return row

    def vectors(self, rows: LibraryArray) -> Vectors:
        """Return rows of the index as a table of vectors: a slice, a mask or row numbers, as of a table."""
        chosen = row_index(rows, len(self))
        numbers = np.atleast_1d(np.arange(len(self))[chosen])
        candidates, objects, flags = self._held.cells(numbers[:, None])
        packed = np.array([bits(text.split("|")) if text else 0 for text in flags[:, 0].tolist()], dtype=np.uint32)
        ids = parse_ids(candidates[:, 0].tolist()) if self._held.has_whole_numbers else candidates[:, 0]
        return Vectors(self._held.take(numbers), packed, objects[:, 0], ids, self.model)

    def _check_model(self, vectors: Vectors) -> None:
        if vectors.model != self.model or vectors.size != self.size:
            raise ModelError(
                f"the index holds vectors of {self.size} integers by {self.model}, these are of {vectors.size} by "
                f"{vectors.model or 'no named model'}: they cannot be compared"
            )

    def _nearest(
        self, queries: NDArray[np.int8], k: int, probes: int | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the likeness and the rows (m, k) of the nearest of each query."""
        file = self._contents.lists
        if file is None:
            if not self._norms:
                self._norms = [inverse_norms(part) for part in self._held.vectors]
            return nearest(zip(self._held.vectors, self._norms, strict=True), queries, k)
        if self._lists is None:
            self._lists = Lists.read(file.check(self.folder), self.size)
        likeness, rows = np.full((len(queries), k), np.nan, np.float32), np.full((len(queries), k), -1, np.int64)
        for query, found in enumerate(self._lists.candidates(queries, k, probes)):
            numbers = np.sort(found[found >= 0])
            some = self._held.take(numbers)
            value, place = nearest([(some, inverse_norms(some))], queries[query : query + 1], k)
            likeness[query], rows[query] = value[0], np.where(place[0] >= 0, numbers[place[0]], -1)
        return likeness, rows


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[Folder]:
    """Hold the folder of an index alone while it is written."""
    files = Folder(folder)
    try:
        yield files
    finally:
        files.remove_lock()
        files.remove_if_empty()
        files.close()
