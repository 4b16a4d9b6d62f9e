"""Inverted lists of vectors (faiss): each vector is kept near the centre nearest to it, and a search opens few lists.

The lists hold the vectors as 8 bits of each coordinate of the unit vector. What they find is ordered anew by the exact
cosine of the vectors themselves, so the rounding costs no more than a candidate at the edge of the result.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from space2vec.data.atomic_file import name_in_errors
from space2vec.errors import ReadError
from space2vec.errors.packages import need
from space2vec.vectors.exact import inverse_norms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    class FaissIndex(Protocol):
        """What is used of an index of faiss."""

        ntotal: int
        nlist: int
        nprobe: int

        def add(self, values: NDArray[np.float32]) -> None: ...
        def search(self, values: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]: ...


__all__ = ["Lists", "checksum", "need_faiss"]

#: Vectors a list on which the centres are trained, and rounds of training.
_TRAINED_ON, _ROUNDS = 48, 8
#: The fewest and the most lists.
_FEWEST, _MOST = 16, 8192
#: Lists that a search opens: one of so many, and at least so many.
_SHARE, _LEAST = 64, 16
#: How far an index may grow before its centres are trained anew.
_GROWTH = 8
#: Candidates that are ordered by their exact cosine, for each one that is wanted, and the least of them.
_REFINED, _LEAST_REFINED = 2, 40
_CHUNK = 1 << 16


def need_faiss() -> None:
    """Raise an ImportError if faiss is not installed."""
    need("faiss", "an index that does not compare with every vector needs faiss")


def _faiss() -> ModuleType:
    need_faiss()
    import faiss

    module: ModuleType = faiss
    return module


def checksum(path: Path) -> int:
    """Return the CRC-32 of a file."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            value = zlib.crc32(block, value)
    return value


def _unit(vectors: NDArray[np.int8]) -> NDArray[np.float32]:
    return np.asarray(vectors, dtype=np.float32) * inverse_norms(vectors)[:, None]


class Lists:
    """Inverted lists of the vectors of an index, and which of them a search opens."""

    def __init__(self, index: FaissIndex) -> None:
        self._index = index

    @classmethod
    def train(cls, parts: Iterable[NDArray[np.int8]], rows: int, size: int) -> Lists:
        """Make lists of all vectors (n, size): about four times the square root of their number, a power of two."""
        faiss = _faiss()
        held = list(parts)
        number = min(_MOST, max(_FEWEST, 1 << int(np.log2(4 * np.sqrt(max(rows, 1))))))
        index = faiss.index_factory(size, f"IVF{number},SQ8", faiss.METRIC_INNER_PRODUCT)
        index.cp.niter, index.cp.max_points_per_centroid = _ROUNDS, _TRAINED_ON
        index.cp.min_points_per_centroid = 1
        every = max(1, rows // (number * _TRAINED_ON))
        index.train(_unit(np.concatenate([part[::every] for part in held])))
        lists = cls(index)
        for part in held:
            lists.add(part)
        return lists

    @classmethod
    def read(cls, path: Path, size: int, *, mapped: bool = True) -> Lists:
        """Read lists from a file, or map it into memory, where only what a search opens is read.

        Mapped lists take no further vectors.

        Raises
        ------
        ReadError
            If faiss cannot read them, or they hold vectors of another size.
        """
        faiss = _faiss()
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP if mapped else 0)
        except RuntimeError as error:
            raise ReadError(f"{path}: damaged lists of an index ({str(error).splitlines()[0]})") from None
        if index.d != size or not isinstance(index, faiss.IndexIVF):
            raise ReadError(f"{path}: lists of another index")
        return cls(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def outgrown(self, rows: int) -> bool:
        """Return whether so many rows want more lists than there are."""
        return int(self._index.nlist) < _MOST and rows > _GROWTH * (int(self._index.nlist) / 4) ** 2

    def add(self, vectors: NDArray[np.int8]) -> None:
        """Add vectors (n, size), which get the next numbers."""
        for begin in range(0, len(vectors), _CHUNK):
            self._index.add(_unit(vectors[begin : begin + _CHUNK]))

    def write(self, path: Path) -> None:
        """Write the lists into a file, and wait until they are on the disk.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        with name_in_errors("write", path):
            try:
                _faiss().write_index(self._index, str(path))
            except RuntimeError as error:
                raise OSError(str(error).splitlines()[0]) from None
            with path.open("rb") as file:
                os.fsync(file.fileno())

    def candidates(self, queries: NDArray[np.int8], k: int, probes: int | None = None) -> NDArray[np.int64]:
        """Return rows (m, more than k) that hold nearly all of the k nearest of each query; -1 where there are fewer.

        Parameters
        ----------
        queries : ndarray of int8 (m, size)
            The vectors to compare with.
        k : int
            How many are wanted.
        probes : int, optional
            Lists to open; more find more and take longer.
        """
        count = int(self._index.nlist)
        self._index.nprobe = min(count, max(_LEAST, count // _SHARE) if probes is None else probes)
        return self._index.search(_unit(queries), max(_REFINED * k, _LEAST_REFINED))[1]
