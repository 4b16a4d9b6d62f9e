"""Random forests, made from scikit-learn's."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from space2vec import backends, model_files, registry
from space2vec.errors import ModelError
from space2vec.errors.text import NAME, one_line
from space2vec.model_files.needs import smallest_feature_set
from space2vec.model_files.trees import TrainingRows, Trees
from space2vec.models.model import Model
from space2vec.registry import Convention

if TYPE_CHECKING:
    from typing import Self

    from space2vec.backends.host import ModelInputs
    from space2vec.data.stamps import Stamps
    from space2vec.data.types import AnyArray, Json, Untyped

__all__ = ["Forest"]

#: The tensors of a forest in its file, and their types.
_DTYPES = {
    "tree_start": np.int64,
    "right": np.int32,
    "feature": np.int16,
    "missing_left": np.uint8,
    "value": np.float32,
}
#: The prefix of the tensors of :class:`TrainingRows`.
_TRAINING = "training."


class Forest(Model):
    """A random forest: P(real) is the mean over its trees, calibrated if the model has a calibration.

    :meth:`from_sklearn` and :meth:`load` make one. A forest never changes, so that threads can share it.

    Parameters
    ----------
    trees : Trees
        The trees.
    header : space2vec.model_files.header.Header
        The description of the model.
    fill : ndarray of float32 (k,), optional
        The value that replaces NaN in each column; without it, trees choose a side for NaN.
    training_rows : TrainingRows, optional
        What it keeps of the rows that it was trained on, for explanations.

    Attributes
    ----------
    trees : Trees
        The trees; they must not be changed.
    fill : ndarray of float32 (k,) or None
        The value that replaces NaN in each column.
    training_rows : TrainingRows
        What it keeps of the rows that it was trained on.

    Raises
    ------
    ModelError
        If these are not trees on the columns of the header, or the header is that of another kind of model.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> night = s2v.simulate(60, seed=2)
    >>> table = s2v.features(night.stamps, set="s2v")
    >>> fitted = RandomForestClassifier(10, random_state=0).fit(table.values, night.labels)
    >>> forest = s2v.Forest.from_sklearn(fitted, feature_names=table.names)
    >>> forest.score(night.stamps).score.shape
    (60,)
    """

    kind: ClassVar[Literal["forest"]] = "forest"
    input_names: ClassVar[Mapping[str, str]] = {"features": "x"}

    def __init__(
        self,
        trees: Trees,
        header: model_files.Header,
        fill: NDArray[np.float32] | None = None,
        training_rows: TrainingRows | None = None,
    ) -> None:
        super().__init__(header)
        k = len(header.feature_names)
        if header.recipe is not None or header.architecture is not None:
            raise ModelError("a forest takes features alone, and its header names a recipe or an architecture")
        if fill is not None and (fill.shape != (k,) or np.isinf(fill).any()):
            raise ModelError(f"fill must be {k} finite numbers or NaN; given shape {fill.shape}")
        try:
            trees.check(k)
        except ValueError as error:
            raise ModelError(f"these are no trees: {error}") from error
        self.trees = trees
        self.fill = fill
        self.training_rows = TrainingRows() if training_rows is None else training_rows

    @classmethod
    def from_sklearn(
        cls,
        model: Untyped,
        *,
        feature_names: Sequence[str] | None = None,
        real_class: object = 1,
        name: str = "forest",
        convention: Convention | None = None,
        training: Mapping[str, Json] | None = None,
        metrics: Mapping[str, Json] | None = None,
    ) -> Self:
        """Convert a fitted scikit-learn forest.

        Every row of float32 reaches the same leaves as in scikit-learn, also where a value is NaN. The probability of a
        leaf is rounded to float32.

        Parameters
        ----------
        model : estimator
            A RandomForestClassifier, ExtraTreesClassifier, DecisionTreeClassifier or ExtraTreeClassifier, or a
            Pipeline of one of them after a SimpleImputer and, before that, a
            :class:`space2vec.sklearn.StampFeatures`.
        feature_names : sequence of str, optional
            The columns in order; by default the names that the model was fitted with.
        real_class : optional
            The class of real candidates, whose probability is the score.
        name : str, optional
            The model's name.
        convention : {"code", "paper"}, optional
            The convention of the features that it was trained on; by default that of StampFeatures, or ``"code"``.
        training, metrics : mapping of str to JSON values, optional
            Entries of the model file about the training data and about measured metrics.

        Raises
        ------
        ModelError
            If the model is of another kind, or the class or the columns do not fit it; the message says what is
            accepted.
        """
        from space2vec.models.sklearn_import import read_forest

        parts = read_forest(model, feature_names, real_class)
        header = model_files.Header(
            kind=cls.kind,
            name=name,
            feature_names=parts.names,
            feature_set=smallest_feature_set(parts.names),
            feature_version=registry.FEATURES_VERSION,
            convention=convention or parts.convention,
            imputation=parts.imputation,
            training=dict(training or {}),
            metrics=dict(metrics or {}),
        )
        return cls(parts.trees, header, parts.fill, TrainingRows(parts.node_value))

    @property
    def node_values(self) -> NDArray[np.float64]:
        """P(real) of the training rows that reached each node (nodes,).

        If the file does not have it, both branches of a split count alike.

        Raises
        ------
        ModelError
            If the values in the file are damaged.
        """
        kept = self._kept()
        inner = self.trees.even_values() if kept.node_value is None else kept.node_value
        return np.where(self.trees.right == 0, self.trees.value, inner).astype(np.float64)

    @property
    def usual_values(self) -> NDArray[np.float64] | None:
        """The central 68 % and between them the median of each column's training rows (k, 3); None if not known.

        Raises
        ------
        ModelError
            If the values in the file are damaged.
        """
        quantiles = self._kept().quantiles
        return None if quantiles is None else quantiles.astype(np.float64).reshape(-1, 3)

    def _kept(self) -> TrainingRows:
        """Check what it keeps of its training rows, which no score needs, and return it."""
        try:
            self.training_rows.check(len(self.trees.value), len(self.feature_names))
        except ValueError as error:
            raise ModelError(f"the model {self.name!r} cannot be explained: {error}") from error
        return self.training_rows

    def with_usual_values(self, x: NDArray[np.float32]) -> Self:
        """Return the same forest with the usual values of its columns, which explanations show beside a candidate's.

        Parameters
        ----------
        x : ndarray of float32 (n, k)
            The rows that it was trained on.
        """
        forest = copy.copy(self)
        forest.training_rows = replace(self.training_rows, quantiles=TrainingRows.usual(x))
        return forest

    @classmethod
    def _of_tensors(cls, header: model_files.Header, tensors: dict[str, AnyArray]) -> Self:
        for name, dtype in (*_DTYPES.items(), ("fill", np.float32)):
            if name not in tensors and name != "fill":
                raise ModelError(f"tensor {name} is missing")
            if name in tensors and (tensors[name].ndim != 1 or tensors[name].dtype != dtype):
                raise ModelError(f"tensor {name} must be 1-D {np.dtype(dtype).name}; it is {tensors[name].dtype.name}")
        kept = TrainingRows(*(tensors.get(_TRAINING + entry.name) for entry in fields(TrainingRows)))
        return cls(Trees(*(tensors[name] for name in _DTYPES)), header, tensors.get("fill"), kept)

    def _tensors(self) -> dict[str, AnyArray]:
        tensors: dict[str, AnyArray] = {name: getattr(self.trees, name) for name in _DTYPES}
        kept = {_TRAINING + entry.name: getattr(self.training_rows, entry.name) for entry in fields(TrainingRows)}
        tensors |= {name: values for name, values in {"fill": self.fill, **kept}.items() if values is not None}
        return tensors

    def inputs(self, stamps: Stamps, *, threads: int | None = None) -> ModelInputs:
        """Return the columns of the forest for stamps on the host, the flags, and which stamps can be scored.

        Parameters
        ----------
        stamps : Stamps
            The candidates.
        threads : int, optional
            Number of threads; one per usable core by default.

        Raises
        ------
        TypeError
            If these are not stamps, or their pixels are on a device.
        ModelError
            If they lack planes or columns that the forest needs.
        """
        return backends.on_host().inputs_of_model(self, stamps, threads)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the forest as an ONNX file, see :func:`space2vec.models.onnx_forest.forest_graph`.

        Raises
        ------
        ImportError
            If onnx is not installed.
        OSError
            If it cannot be written.
        """
        from space2vec.data.atomic_file import write_whole
        from space2vec.models.onnx_forest import forest_graph

        write_whole(path, forest_graph(self.trees, self.fill, self.header, self.id))

    def __len__(self) -> int:
        """Return the number of trees."""
        return len(self.trees)

    def __repr__(self) -> str:
        size = f"trees={len(self)}, nodes={len(self.trees.right)}, features={len(self.feature_names)}"
        return f"Forest({one_line(repr(self.name), NAME)}, {size}{', calibrated' if self.header.calibration else ''})"
