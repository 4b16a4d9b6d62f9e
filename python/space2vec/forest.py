"""Forests: random forests of scikit-learn's kind, scored natively."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec import backend, modelfile, registry
from space2vec import device as devices
from space2vec.errors import ModelError
from space2vec.scoring import Needs, check_version, set_of
from space2vec.stamps import Stamps
from space2vec.table import Features, Scores
from space2vec.trees import Trees

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Forest"]

_DTYPES = {
    "tree_start": np.int64,
    "right": np.int32,
    "feature": np.int16,
    "missing_left": np.uint8,
    "value": np.float32,
}


def _as_rows(x: ArrayLike, columns: int) -> NDArray[np.float32]:
    """View or convert to float32 (n, columns) in C order, as scikit-learn does."""
    array = np.ma.filled(x, np.nan) if isinstance(x, np.ma.MaskedArray) else np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"x has dtype {array.dtype}; accepted are real dtypes")
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"x must have shape (n, {columns}); given {array.shape}")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _engine(trees: Trees, columns: int, fill: NDArray[np.float32] | None) -> Any:
    """Hand the trees to the backend in use; what comes back has ``predict(x, out, threads)``."""
    left, right = trees.children()
    return backend.active().Forest(
        trees.tree_start, left, right, trees.feature.astype(np.int32), trees.value, trees.missing_left, trees.value,
        columns, fill,
    )  # fmt: skip


class Forest:
    """A random forest: P(real) is the mean over its trees.

    Made by :meth:`from_sklearn` or :meth:`load`. It never changes, and threads may share it.

    Parameters
    ----------
    trees : Trees
        The trees.
    header : space2vec.modelfile.Header
        What the model is.
    fill : ndarray of float32 (k,), optional
        What replaces NaN in each column before the trees see it.

    Raises
    ------
    ModelError
        If these are no trees on the columns that the header names.
    """

    kind: Literal["forest"] = "forest"

    def __init__(self, trees: Trees, header: modelfile.Header, fill: NDArray[np.float32] | None = None) -> None:
        k = len(header.feature_names)
        if fill is not None and (fill.shape != (k,) or np.isinf(fill).any()):
            raise ModelError(f"fill must be {k} finite numbers or NaN; given shape {fill.shape}")
        try:
            trees.check(k)
        except ValueError as error:
            raise ModelError(f"these are no trees: {error}") from error
        self._trees = trees
        self._fill = fill
        self.header = header
        self._engine: Any = None

    @classmethod
    def from_sklearn(
        cls,
        model: Any,
        *,
        feature_names: Sequence[str] | None = None,
        real_class: Any = 1,
        name: str = "forest",
        convention: modelfile.Convention | None = None,
        training: Mapping[str, Any] | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> Self:
        """Take over a fitted scikit-learn forest.

        The leaves are scikit-learn's own for every float32 input, NaN included; a leaf's probability is rounded to
        float32.

        Parameters
        ----------
        model : estimator
            A RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier or ExtraTreeClassifier, or a
            Pipeline of one of them after a SimpleImputer and, before that, a
            :class:`space2vec.sklearn.StampFeatures`.
        feature_names : sequence of str, optional
            The columns in order; those that the model was fitted with by default.
        real_class : optional
            The class whose probability is the score.
        name : str, optional
            The model's name.
        convention : {"code", "paper"}, optional
            The convention of the stamp features it was trained on; that of StampFeatures, or ``"code"``, by default.
        training, metrics : mapping, optional
            What to say in the model file of its training data and of figures measured; plain JSON values.

        Raises
        ------
        ModelError
            If the model is of another kind, or classes or columns do not fit; the message says what is accepted.
        """
        from space2vec.sklearn_forest import take_apart

        parts = take_apart(model, feature_names, real_class)
        header = modelfile.Header(
            kind=cls.kind,
            name=name,
            feature_names=parts.names,
            feature_set=set_of(parts.names),
            feature_version=registry.FEATURES_VERSION,
            convention=convention or parts.convention,
            imputation=parts.imputation,
            training=dict(training or {}),
            metrics=dict(metrics or {}),
        )
        return cls(parts.trees, header, parts.fill)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model file.

        Raises
        ------
        ModelError
            If the file is absent, damaged, of another kind, or made for other definitions of the features.
        """
        return cls.of_file(path, *modelfile.read(path))

    @classmethod
    def of_file(cls, path: str | os.PathLike[str], header: modelfile.Header, tensors: dict[str, NDArray[Any]]) -> Self:
        """Return the model that a file holds, as :func:`space2vec.modelfile.read` gave it.

        Raises
        ------
        ModelError
            As :meth:`load`.
        """
        try:
            return cls._from_file(header, tensors)
        except ModelError as error:
            raise ModelError(f"cannot load the model {path}: {error}") from error

    @classmethod
    def _from_file(cls, header: modelfile.Header, tensors: dict[str, NDArray[Any]]) -> Self:
        if header.kind != cls.kind:
            raise ModelError(f"it is of kind {header.kind!r}, not {cls.kind!r}")
        check_version(header)
        for name, dtype in (*_DTYPES.items(), ("fill", np.float32)):
            if name not in tensors and name != "fill":
                raise ModelError(f"tensor {name} is missing")
            if name in tensors and (tensors[name].ndim != 1 or tensors[name].dtype != dtype):
                raise ModelError(f"tensor {name} must be 1-D {np.dtype(dtype).name}; it is {tensors[name].dtype.name}")
        return cls(Trees(*(tensors[name] for name in _DTYPES)), header, tensors.get("fill"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as safetensors; an existing file is replaced only once the new one is whole.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        from space2vec import __version__

        header = self.header if self.header.library else replace(self.header, library=__version__)
        modelfile.write(path, header, self._tensors())

    def _tensors(self) -> dict[str, NDArray[Any]]:
        tensors: dict[str, NDArray[Any]] = {name: getattr(self._trees, name) for name in _DTYPES}
        return tensors if self._fill is None else {**tensors, "fill": self._fill}

    @property
    def name(self) -> str:
        """The model's name."""
        return self.header.name

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns that the forest takes, in order."""
        return self.header.feature_names

    @property
    def id(self) -> str:
        """The name and twelve digits that change with any threshold, leaf, fill value or column."""
        digest = hashlib.sha256("\n".join((self.header.convention, *self.feature_names)).encode())
        for name, tensor in self._tensors().items():
            digest.update(name.encode() + np.ascontiguousarray(tensor).tobytes())
        return f"{self.name} {digest.hexdigest()[:12]}"

    def __len__(self) -> int:
        """Return the number of trees."""
        return len(self._trees)

    def __repr__(self) -> str:
        size = f"trees={len(self)}, nodes={len(self._trees.right)}, features={len(self.feature_names)}"
        return f"Forest({self.name!r}, {size})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_engine": None}

    def predict(self, x: ArrayLike, *, threads: int | None = None) -> NDArray[np.float32]:
        """Return P(real) of feature rows.

        Parameters
        ----------
        x : array_like (n, k)
            The features in the order of ``feature_names``, of any real dtype and strides; converted to float32.
        threads : int, optional
            Threads to use; one a usable core by default.

        Returns
        -------
        ndarray of float32 (n,)

        Raises
        ------
        TypeError
            If x is not of a real dtype.
        ValueError
            If x has another number of columns.
        """
        rows = _as_rows(x, len(self.feature_names))
        out = np.empty(len(rows), dtype=np.float32)
        workers = backend.thread_count(threads)
        if len(rows):
            if self._engine is None:
                self._engine = _engine(self._trees, len(self.feature_names), self._fill)
            self._engine.predict(rows, out, workers)
        return out

    def score(self, source: Stamps | Features, *, threads: int | None = None, device: str = "auto") -> Scores:
        """Score candidates.

        Parameters
        ----------
        source : Stamps or Features
            Stamps, whose features are computed as the model needs them; or a table with the model's columns.
        threads : int, optional
            Threads to use; one a usable core by default.
        device : {"auto", "cpu", "cuda"}, optional
            Where to compute.

        Returns
        -------
        Scores
            One row a candidate. A row that a flag forbids to score, or without a single column that the model needs
            (flag ``missing``), is NaN. A row that lacks all columns of the catalogue, where these are most of the
            model's, is scored under the flag ``missing``.

        Raises
        ------
        TypeError
            If the source is neither.
        ModelError
            If the source cannot give the columns that the model needs.
        BackendError
            If the device is not there.
        """
        where = devices.resolve(device)
        inputs = Needs.of(self.header).inputs(source, threads)
        assert inputs.features is not None
        return inputs.scores(self.predict(inputs.features, threads=threads), self.id, where)
