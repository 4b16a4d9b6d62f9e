"""For scikit-learn users: stamp features as a step of a Pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from space2vec import registry
from space2vec.data.stamps import Stamps
from space2vec.registry import Convention, FeatureSet

__all__ = ["StampFeatures"]


class StampFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn stamps into feature columns.

    Parameters
    ----------
    set : {"autoscan-stamp", "autoscan"}, optional
        The columns, see :data:`space2vec.registry.FEATURE_SETS`.
    convention : {"code", "paper"}, optional
        As in :func:`space2vec.features`.
    threads : int, optional
        Threads to use; one a usable core by default.
    """

    def __init__(
        self, set: FeatureSet = "autoscan-stamp", convention: Convention = "code", threads: int | None = None
    ) -> None:
        self.set = set
        self.convention = convention
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> StampFeatures:  # noqa: N803 (scikit-learn's name)
        """Learn nothing; check the name of the set.

        Raises
        ------
        ValueError
            If there is no such set.
        """
        registry.feature_set(self.set)
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:  # noqa: N803 (scikit-learn's name)
        """Return the features (n, k) of stamps: a Stamps, or an array (n, 3, height, width).

        Rows that cannot be measured are NaN.
        """
        from space2vec.compute import features

        stamps = X if isinstance(X, Stamps) else Stamps(X)
        return features(stamps, set=self.set, convention=self.convention, threads=self.threads).values

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns (k,)."""
        return np.array(registry.feature_set(self.set), dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True
