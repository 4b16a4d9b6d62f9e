"""Forests: random forests of scikit-learn's kind, scored natively."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec import backend, modelfile, registry
from space2vec import device as devices
from space2vec.errors import ModelError
from space2vec.numeric import as_numbers, by_name
from space2vec.pixels import lies_on_device
from space2vec.registry import Convention
from space2vec.scoring import Inputs, Needs, check_version, set_of
from space2vec.stamps import Stamps
from space2vec.table import Features, Scores
from space2vec.trees import Trees

if TYPE_CHECKING:
    from typing import Self

    from space2vec.calibration import Calibration
    from space2vec.cuda.pipeline import Pipeline
    from space2vec.cuda.slots import Slot

__all__ = ["Forest"]

_DTYPES = {
    "tree_start": np.int64,
    "right": np.int32,
    "feature": np.int16,
    "missing_left": np.uint8,
    "value": np.float32,
}


def _as_rows(x: Any, names: Sequence[str]) -> NDArray[np.float32]:
    """View or convert to float32 (n, columns) in C order, as scikit-learn does; named columns go by their names."""
    array = as_numbers(by_name(x, names), "x")
    if array.ndim != 2 or array.shape[1] != len(names):
        raise ValueError(f"x must have shape (n, {len(names)}); given {array.shape}")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(array, dtype=np.float32)


def _nodes(trees: Trees) -> tuple[NDArray[Any], ...]:
    """Return the trees as every backend takes them."""
    left, right = trees.children()
    feature = trees.feature.astype(np.int32)
    return trees.tree_start, left, right, feature, trees.value, trees.missing_left, trees.value


class Forest:
    """A random forest: P(real) is the mean over its trees, by its calibration if it has one.

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
        If these are no trees on the columns that the header names, or it is the header of another kind of model.
    """

    kind: Literal["forest"] = "forest"

    def __init__(self, trees: Trees, header: modelfile.Header, fill: NDArray[np.float32] | None = None) -> None:
        k = len(header.feature_names)
        if header.recipe is not None or header.architecture is not None:
            raise ModelError("a forest takes features alone, and its header names a recipe or an architecture")
        if fill is not None and (fill.shape != (k,) or np.isinf(fill).any()):
            raise ModelError(f"fill must be {k} finite numbers or NaN; given shape {fill.shape}")
        try:
            trees.check(k)
        except ValueError as error:
            raise ModelError(f"these are no trees: {error}") from error
        self._trees = trees
        self._fill = fill
        self.header = header
        self._engines: dict[str, Any] = {}

    @classmethod
    def from_sklearn(
        cls,
        model: Any,
        *,
        feature_names: Sequence[str] | None = None,
        real_class: Any = 1,
        name: str = "forest",
        convention: Convention | None = None,
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

    @cached_property
    def file(self) -> bytes:
        """The bytes of its model file, which backends make their model of."""
        return modelfile.encoded(self.header, self._tensors())

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

    @cached_property
    def id(self) -> str:
        """The name and twelve digits that change with any threshold, leaf, fill value, column or calibration."""
        digest = hashlib.sha256("\n".join((self.header.convention, *self.feature_names)).encode())
        for name, tensor in self._tensors().items():
            digest.update(name.encode() + np.ascontiguousarray(tensor).tobytes())
        if self.header.calibration is not None:
            digest.update(self.header.calibration.digest)
        return f"{self.name} {digest.hexdigest()[:12]}"

    def calibrated(self, calibration: Calibration | None, metrics: Mapping[str, Any] | None = None) -> Self:
        """Return a forest of the same trees whose scores go through a table, or, without one, as the trees give them.

        Parameters
        ----------
        calibration : space2vec.calibration.Calibration or None
            The table.
        metrics : mapping, optional
            What was measured of the scores with it, for the model file; see
            :meth:`space2vec.modelfile.Header.calibrated`.
        """
        header = self.header.calibrated(calibration, None if metrics is None else dict(metrics))
        return type(self)(self._trees, header, self._fill)

    def __len__(self) -> int:
        """Return the number of trees."""
        return len(self._trees)

    def __repr__(self) -> str:
        size = f"trees={len(self)}, nodes={len(self._trees.right)}, features={len(self.feature_names)}"
        return f"Forest({self.name!r}, {size}{', calibrated' if self.header.calibration else ''})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_engines": {}}

    @cached_property
    def needs(self) -> Needs:
        """What it takes."""
        return Needs.of(self.header)

    def _on(self, where: str) -> Any:
        """Return the trees as the kernels of a device have them; those of ``"cpu"`` are the backend's in use."""
        if where not in self._engines:
            nodes, k = _nodes(self._trees), len(self.feature_names)
            table = self.header.calibration
            knots = None if table is None else table.knots
            if where == "cpu":
                self._engines[where] = backend.active().Forest(*nodes, k, self._fill, calibration=knots)
            else:
                from space2vec.cuda.extension import active, told

                number = devices.ordinal(where)
                with told(number):
                    self._engines[where] = active(number).Forest(
                        number, *nodes, k, self._fill, self.needs.device_columns, calibration=knots
                    )
        return self._engines[where]

    def predict(
        self, x: ArrayLike | Features | Mapping[str, ArrayLike], *, threads: int | None = None
    ) -> NDArray[np.float32]:
        """Return P(real) of feature rows, computed where they lie.

        Parameters
        ----------
        x : array_like (n, k), or table
            The features in the order of ``feature_names``, of any real dtype and strides; converted to float32, masked
            values to NaN. An array on a CUDA device is taken where it lies; PyTorch and CuPy convert it there. Named
            columns (a mapping, a structured array, a table of Arrow, pandas, Polars or Astropy, Features) are taken by
            their names, in whatever order they are.
        threads : int, optional
            Threads to use, on the host; one a usable core by default.

        Returns
        -------
        ndarray of float32 (n,)
            On the device of x, in its library.

        Raises
        ------
        TypeError
            If x is not of a real dtype, or lies on a device that cannot be used.
        ValueError
            If x has another number of columns, or names for them of which some are missing or none of the forest's;
            Features may have further ones.
        """
        if lies_on_device(x):
            return cast("NDArray[np.float32]", self._predict_in_place(x))
        rows = _as_rows(x, self.feature_names)
        out = np.empty(len(rows), dtype=np.float32)
        workers = backend.thread_count(threads)
        if len(rows):
            self._on("cpu").predict(rows, out, workers)
        return out

    def _predict_in_place(self, x: Any) -> Any:
        from space2vec.cuda import kernels
        from space2vec.cuda.view import view

        given = view(x, "x")
        if len(given.shape) != 2 or given.shape[1] != len(self.feature_names):
            raise ValueError(f"x must have shape (n, {len(self.feature_names)}); given {given.shape}")
        rows = given.made_plain("x")
        return kernels.predict(self._on(rows.device), rows).owner

    def _predict_on(self, slot: Slot, inputs: Inputs) -> NDArray[np.float32]:
        """Return P(real) of rows of the host, on a slot's stream."""
        rows = inputs.features
        assert rows is not None
        out = np.empty(0, np.float32)
        if len(rows):
            x = slot.upload("rows", rows)
            score = slot.device("score", 4 * len(rows))
            self._on(f"cuda:{slot.ordinal}").predict(slot.stream, x, len(rows), score)
            out = slot.download("score", score, (len(rows),), np.float32)
            slot.wait()
        return out.copy()

    def score(self, source: Stamps | Features, *, threads: int | None = None, device: str = "auto") -> Scores:
        """Score candidates.

        Parameters
        ----------
        source : Stamps or Features
            Stamps, whose features are computed as the model needs them; or a table with the model's columns.
        threads : int, optional
            Threads to use; one a usable core by default.
        device : {"auto", "cpu", "cuda", "cuda:N"}, optional
            Where to compute: where the stamps lie by default. The scores are the same to the bit.

        Returns
        -------
        Scores
            One row a candidate. A row that a flag forbids to score, or without a single column that the model needs
            (flag ``missing``), is NaN. A row that lacks all columns of the catalogue, where these are most of the
            model's, is scored under the flag ``missing``. Those of stamps on a device lie there, in their library;
            only to copy flags and columns of the catalogue there, if there are any, the device is waited for.

        Raises
        ------
        TypeError
            If the source is neither.
        ModelError
            If the source cannot give the columns that the model needs.
        BackendError
            If the device is not there.
        """
        where = devices.follow(device, source)
        if where != "cpu":
            if isinstance(source, Stamps) and source.device != "cpu":
                return self._score_in_place(source)
            with self.pipeline(where) as pipeline:
                return next(pipeline.run([source]))
        self.needs.see_units(source, stacklevel=2)
        inputs = self.needs.inputs(source, threads)
        assert inputs.features is not None
        return inputs.scores(self.predict(inputs.features, threads=threads), self.id, where)

    def _score_in_place(self, stamps: Stamps) -> Scores:
        from space2vec.cuda import kernels

        self.needs.check(stamps)
        score, flags = kernels.score(self._on(stamps.device), self.needs, stamps)
        ids = stamps.object_id, stamps.candidate_id
        return Scores(score.owner, flags, *ids, self.id, stamps.device, columns=stamps.columns)

    def pipeline(self, device: str) -> Pipeline[Any, Scores]:
        """Return a pipeline that scores batches of stamps or features on a CUDA device.

        Raises
        ------
        BackendError
            If the device is not there.
        """
        from space2vec.cuda.pipeline import Pipeline
        from space2vec.cuda.work import ForestWork

        where = devices.resolve(device)
        work = ForestWork(self.needs, self._predict_on, self.id, where, self._on)
        return Pipeline(work, devices.ordinal(where))
