"""Measure features of stamps as a step of a scikit-learn Pipeline."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from space2vec import registry
from space2vec.data.stamps import Stamps
from space2vec.registry import Convention, FeatureSet

__all__ = ["StampFeatures"]


class StampFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn transformer that measures the features of stamps.

    Parameters
    ----------
    set : str, optional
        The set of features, see :data:`space2vec.registry.FEATURE_SETS`.
    convention : {"code", "paper"}, optional
        The definition where autoScan's code and paper disagree, as in :func:`space2vec.features`.
    threads : int, optional
        Number of threads; by default one for each usable core.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from space2vec.sklearn import StampFeatures
    >>> night = s2v.simulate(60, seed=2)
    >>> classifier = make_pipeline(StampFeatures(), RandomForestClassifier(10)).fit(night.stamps, night.labels)
    """

    def __init__(
        self, set: FeatureSet = "autoscan-stamp", convention: Convention = "code", threads: int | None = None
    ) -> None:
        self.set = set
        self.convention = convention
        self.threads = threads

    def fit(self, X: object, y: object = None) -> StampFeatures:  # noqa: N803 (scikit-learn's name)
        """Check the name of the set; there is nothing to learn.

        Raises
        ------
        ValueError
            If there is no such set of features.
        """
        registry.feature_set(self.set)
        return self

    def transform(self, X: Stamps | ArrayLike) -> NDArray[np.float32]:  # noqa: N803 (scikit-learn's name)
        """Measure the features of stamps.

        Parameters
        ----------
        X : Stamps or array_like (n, 3, height, width)
            The candidates.

        Returns
        -------
        ndarray of float32 (n, k)
            NaN where a feature cannot be measured.
        """
        from space2vec.compute import features

        stamps = X if isinstance(X, Stamps) else Stamps(X)
        return features(stamps, set=self.set, convention=self.convention, threads=self.threads).values

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of the features (k,)."""
        return np.array(registry.feature_set(self.set), dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True
