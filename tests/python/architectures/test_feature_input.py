"""Feature columns for networks: scaled by the training rows, tails drawn in, gaps marked."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from space2vec.architectures.feature_input import FeatureInput  # noqa: E402 (needs PyTorch)


def fitted(x: np.ndarray) -> FeatureInput:
    layer = FeatureInput(x.shape[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer.fit_features(x)
    return layer


def values(layer: FeatureInput, x: np.ndarray) -> np.ndarray:
    return np.asarray(layer(torch.from_numpy(x.astype(np.float32))))


def heavy_tailed(n: int = 500) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.column_stack([1e5 * rng.standard_cauchy(n), rng.normal(3.0, 1e-4, n), rng.poisson(0.05, n)])


def test_columns_come_out_centred_and_of_unit_deviation_whatever_their_scale() -> None:
    x = heavy_tailed()
    z = values(fitted(x), x)[:, :3]
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=2e-3)
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=2e-2)
    assert np.abs(z).max() <= 10.0


def test_the_order_within_a_column_is_kept() -> None:
    x = heavy_tailed()
    z = values(fitted(x), x)
    assert (np.diff(z[np.argsort(x[:, 0], kind="stable"), 0]) >= 0).all()


def test_a_gap_is_the_mean_and_marked_where_training_had_gaps() -> None:
    x = heavy_tailed()
    x[::7, 0] = np.nan
    layer = fitted(x)
    z = values(layer, np.full((1, 3), np.nan))
    np.testing.assert_array_equal(z, [[0, 0, 0, 1, 0, 0]])
    np.testing.assert_array_equal(values(layer, x)[:, 3], np.isnan(x[:, 0]))


def test_what_is_infinite_or_far_out_stays_finite() -> None:
    layer = fitted(heavy_tailed())
    z = values(layer, np.array([[np.inf, -np.inf, 1e38], [-1e38, 0.0, 0.0]]))
    assert np.isfinite(z).all()
    assert (z[0, 0], z[0, 1]) == (10.0, -10.0)


def test_columns_without_values_or_with_one_value_are_only_centred() -> None:
    x = np.column_stack([np.full(9, np.nan), np.full(9, 5.0)])
    layer = fitted(x)
    np.testing.assert_array_equal(values(layer, x), np.tile([0, 0, 1, 0], (9, 1)))
    z = values(layer, np.array([[0.0, 6.0]]))
    np.testing.assert_allclose(z, [[0.0, np.arcsinh(1.0), 0.0, 0.0]], rtol=1e-6)


def test_the_scales_travel_in_the_state() -> None:
    x = heavy_tailed()
    copy = FeatureInput(3)
    copy.load_state_dict(fitted(x).state_dict())
    np.testing.assert_array_equal(values(copy, x), values(fitted(x), x))


@pytest.mark.parametrize("shape", [(0, 3), (4, 2), (3,)])
def test_rows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(n, 3\)"):
        FeatureInput(3).fit_features(np.zeros(shape))
