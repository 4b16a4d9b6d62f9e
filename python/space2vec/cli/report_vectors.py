"""The vectors of a report's candidates: their look-alikes and kinds."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data.ids import id_keys
from space2vec.errors import ModelError

if TYPE_CHECKING:
    from space2vec.data.columns import Columns
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features
    from space2vec.data.vectors import Vectors
    from space2vec.models.model import Model

__all__ = ["NightVectors", "add_vectors"]

#: Look-alikes that a page shows for a candidate.
_ALIKE = 12


def add_vectors(parser: argparse.ArgumentParser) -> None:
    """Add --vectors and --kinds."""
    parser.add_argument(
        "--vectors",
        metavar="FILE|none",
        help="the vectors of the candidates (.parquet), as space2vec embed writes them, to show look-alikes and kinds; "
        "none for neither (default: those of the packaged network vectornet)",
    )
    parser.add_argument(
        "--kinds",
        metavar="FILE",
        help="the kinds of the candidates: kinds.parquet of space2vec cluster (default: found by it here, if "
        "scikit-learn is installed)",
    )


class NightVectors:
    """The vectors of the candidates of a report, from a file or computed batch by batch.

    Parameters
    ----------
    arguments : argparse.Namespace
        The options of :func:`add_vectors` and of :func:`space2vec.cli.common.add_compute_options`.

    Raises
    ------
    ReadError
        If a file cannot be read.
    ValueError
        If there are kinds, but no vectors.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        from space2vec.models.load import load, packaged
        from space2vec.reading.vectors import read_vectors
        from space2vec.vectors.embedding import MODEL

        self._arguments = arguments
        self._table: Vectors | None = None
        self._model: Model | None = None
        if arguments.vectors == "none":
            if arguments.kinds is not None:
                raise ValueError("--kinds has kinds of vectors, which --vectors none leaves out")
        elif arguments.vectors is not None:
            self._table = read_vectors(arguments.vectors)
        elif MODEL in packaged():
            self._model = load(MODEL)
        self._kinds = None if arguments.kinds is None else _read_kinds(Path(arguments.kinds))
        self._parts: list[Vectors] = []
        self._keys: list[str | None] = []

    def add(self, rows: Stamps | Features) -> None:
        """Take the next candidates of the report."""
        from space2vec.data.stamps import Stamps

        self._keys += id_keys(rows.candidate_id)
        if self._model is None:
            return
        if not isinstance(rows, Stamps):
            self._model = None  # a table of features has no stamps to embed
            return
        try:
            part = self._model.embed(rows, threads=self._arguments.threads, device=self._arguments.device)
        except ModelError:
            self._model = None  # stamps without the planes that it looks at: a report goes without look-alikes
            return
        self._parts.append(part.rows(slice(None)))

    def _vectors(self) -> Vectors | None:
        """Return one vector for each candidate, zero where it has none; ``None`` if there are no vectors at all."""
        from space2vec.data.vectors import Vectors

        if self._model is not None and self._parts:
            return Vectors.concatenate(self._parts)
        if self._table is None:
            return None
        places = {key: row for row, key in enumerate(id_keys(self._table.candidate_id)) if key is not None}
        at = np.array([places.get(key, -1) if key is not None else -1 for key in self._keys], dtype=np.intp)
        values = np.zeros((len(at), self._table.size), dtype=np.int8)
        values[at >= 0] = self._table.to_numpy()[at[at >= 0]]
        if len(at) and not (at >= 0).any():
            raise ValueError(f"{self._arguments.vectors} has vectors of other candidates: no id is among the inputs")
        flags = np.zeros(len(at), dtype=np.uint32)
        return Vectors(values, flags, np.array(self._keys, dtype=object), np.arange(len(at)), self._table.model)

    def finish(self) -> tuple[NDArray[np.int64], NDArray[np.float32], Columns]:
        """Return the rows of the look-alikes (n, k), -1 for none, their likeness, and the columns kind and novelty."""
        from space2vec.vectors import cluster
        from space2vec.vectors.exact import inverse_norms, nearest

        n = len(self._keys)
        rows, likeness = np.empty((n, 0), dtype=np.int64), np.empty((n, 0), dtype=np.float32)
        vectors = self._vectors()
        columns: Columns = {}
        if vectors is not None:
            values = vectors.to_numpy()
            likeness, rows = nearest([(values, inverse_norms(values))], values, _ALIKE + 1)
            # The candidate itself goes to the end, which is cut off.
            order = np.argsort(rows == np.arange(n)[:, None], axis=1, kind="stable")[:, :_ALIKE]
            likeness, rows = np.take_along_axis(likeness, order, axis=1), np.take_along_axis(rows, order, axis=1)
            rows[rows == np.arange(n)[:, None]] = -1
            if self._kinds is None and importlib.util.find_spec("sklearn") is not None:
                columns["kind"] = cluster(vectors).kind
        if self._kinds is not None:
            kinds, novelty = self._kinds
            columns["kind"] = np.array([kinds.get(key) for key in self._keys], dtype=object)
            columns["novelty"] = np.array([novelty.get(key, np.nan) for key in self._keys])
        return rows, likeness, columns


def _read_kinds(path: Path) -> tuple[dict[str | None, str], dict[str | None, float]]:
    """Read the kind and the novelty of each candidate, by its id, from a table of ``space2vec cluster``."""
    import pyarrow as pa

    from space2vec.errors import ReadError
    from space2vec.reading.parquet import damage_as_read_errors, open_parquet

    wanted = {"candidate_id": (pa.int64(), pa.string()), "kind": (pa.string(),), "novelty": (pa.float32(),)}
    with open_parquet(path) as file, damage_as_read_errors(path, "damaged"):
        schema = file.schema_arrow
        if any(schema.names.count(name) != 1 or schema.field(name).type not in some for name, some in wanted.items()):
            raise ReadError(f"{path}: no kinds: space2vec cluster writes them as kinds.parquet")
        table = file.read(list(wanted))
    keys = table.column("candidate_id").cast(pa.string()).to_pylist()
    kinds, novelty = table.column("kind").to_pylist(), table.column("novelty").to_pylist()
    return (
        {key: kind for key, kind in zip(keys, kinds, strict=True) if key is not None and kind is not None},
        {key: value for key, value in zip(keys, novelty, strict=True) if key is not None and value is not None},
    )
