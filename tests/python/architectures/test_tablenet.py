"""tablenet: what it derives of columns, how it encodes them, and how trees teach it without telling what they know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec import registry
from space2vec.training.folds import out_of_fold, split_folds

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from space2vec.architectures.derived_columns import DerivedColumns  # noqa: E402 (needs PyTorch)
from space2vec.architectures.tablenet import PiecewiseLinear, TableNet  # noqa: E402
from space2vec.training import distill  # noqa: E402
from space2vec.training.distill import interpolated_rows  # noqa: E402
from space2vec.training.loop import FitSettings  # noqa: E402

NAMES = ("MAG", "SNR", "A_IMAGE", "B_IMAGE", "MAG_REF")
DISTILLATION = distill.DistillSettings(folds=3, rounds=1, interpolated=3, iterations=20)
FITTING = FitSettings(epochs=6, batch=64, learning_rate=5e-3, average=0.98)
SETTINGS = {"hidden": [16], "bins": 4}


def rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of which the product of two columns tells the label, and gaps in a third."""
    rng = np.random.default_rng(seed)
    x = np.exp(rng.normal(size=(n, len(NAMES)))).astype(np.float32)
    y = (np.log(x[:, 2] * x[:, 3]) + 0.2 * rng.normal(size=n) > 0).astype(int)
    x[rng.random(n) < 0.2, 4] = np.nan
    return x, y


def train(n: int = 400, **given: object) -> s2v.Network:
    x, y = rows(n)
    return distill.train_tablenet(
        x, y, NAMES, settings=SETTINGS, distill_settings=DISTILLATION, fit_settings=FITTING, **given
    )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def network() -> s2v.Network:
    return train()


def test_derived_columns_are_named_and_undefined_where_their_parts_are() -> None:
    layer = DerivedColumns(NAMES)
    x = torch.tensor([[20.0, 10.0, 3.0, 2.0, 18.0], [20.0, 0.0, 3.0, 2.0, torch.nan]])
    found = layer(x).numpy()
    assert found.shape == (2, layer.width)
    np.testing.assert_array_equal(found[:, :5], x.numpy())
    # MAG_REF - MAG, the area, the noise as a magnitude, the host's signal to noise.
    np.testing.assert_allclose(found[0, 5:], [-2.0, 6.0, 22.5, -4.5], rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(found[1, 5:]), [True, False, True, True])


def test_columns_of_other_surveys_have_nothing_derived() -> None:
    layer = DerivedColumns(("a", "b"))
    x = torch.ones(3, 2)
    assert layer.width == 2
    assert layer(x) is x
    assert DerivedColumns(registry.AUTOSCAN).width > len(registry.AUTOSCAN)


def test_the_encoding_rises_bin_by_bin() -> None:
    layer = PiecewiseLinear(2, 4)
    x = torch.stack([torch.linspace(0.0, 4.0, 101), torch.arange(101) % 2], dim=1)
    layer.fit(x, torch.zeros(101, 2, dtype=torch.bool))
    code = layer(torch.tensor([[2.5, 0.0], [-9.0, 1.0], [9.0, 9.0]])).reshape(3, 2, 4).numpy()
    np.testing.assert_allclose(code[:, 0], [[1, 1, 0.5, 0], [0, 0, 0, 0], [1, 1, 1, 1]], atol=1e-6)
    # A column of two values has one bin.
    np.testing.assert_array_equal(code[:, 1], [[0, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]])


def test_gaps_and_what_is_far_out_get_scores_of_their_own() -> None:
    x, _ = rows(200)
    net = TableNet(names=NAMES, **SETTINGS)
    net.fit_features(x)
    net.eval()
    x = np.repeat(x[:1], 4, axis=0)
    x[1, 4], x[2, 0], x[3] = np.nan, np.inf, np.nan
    with torch.no_grad():
        found = net(torch.from_numpy(x)).numpy()
    assert np.isfinite(found).all()
    assert len(np.unique(found)) == 4


def test_made_rows_lie_between_a_row_and_its_neighbour() -> None:
    x, _ = rows(100)
    near = np.nan_to_num(x)
    interpolated = interpolated_rows(x, near, NAMES, 6, np.random.default_rng(0))
    assert interpolated.shape == (600, 5)
    assert (np.nanmin(x, axis=0) <= np.nanmin(interpolated, axis=0)).all()
    assert (np.nanmax(interpolated, axis=0) <= np.nanmax(x, axis=0)).all()
    away = np.linalg.norm(np.nan_to_num(interpolated) - np.repeat(near, 6, axis=0), axis=1)
    assert 0 < np.median(away) < np.median(np.linalg.norm(near[:50] - near[50:], axis=1))


def test_it_learns_what_the_rows_tell(network: s2v.Network) -> None:
    x, y = rows(500, seed=1)
    assert s2v.evaluation.evaluate(network.predict(x), y, bootstrap=0)["auc"] > 0.95
    assert network.header.feature_names == NAMES
    assert network.header.training["rows"] == 400
    assert 0.9 < network.header.metrics["teacher out of fold"]["auc"] < 1.0


def test_the_same_seed_gives_the_same_network(network: s2v.Network) -> None:
    x, _ = rows(50, seed=2)
    np.testing.assert_array_equal(network.predict(x), train().predict(x))
    assert (network.predict(x) != train(seed=1).predict(x)).any()


def test_a_file_holds_it(network: s2v.Network, tmp_path: Path) -> None:
    network.save(tmp_path / "tablenet.safetensors")
    x, _ = rows(50, seed=2)
    loaded = s2v.load(str(tmp_path / "tablenet.safetensors"))
    np.testing.assert_allclose(loaded.predict(x), network.predict(x), atol=1e-5)


def test_the_teacher_has_not_seen_what_it_teaches() -> None:
    # Labels that nothing tells: trees that had seen them would know them.
    x, _ = rows(400)
    y = np.random.default_rng(3).integers(0, 2, 400)
    given = distill.train_tablenet(x, y, NAMES, settings=SETTINGS, distill_settings=DISTILLATION, fit_settings=FITTING)
    assert abs(given.header.metrics["teacher out of fold"]["auc"] - 0.5) < 0.1


@pytest.mark.parametrize("names", [NAMES[:-1], (*NAMES, "FLAGS")])
def test_a_name_for_each_column(names: tuple[str, ...]) -> None:
    x, y = rows(20)
    with pytest.raises(ValueError, match="a column for each"):
        distill.train_tablenet(x, y, names)


def test_a_column_without_a_single_value_is_kept() -> None:
    x, y = rows(200)
    x[:, 1] = np.nan
    given = {
        "settings": SETTINGS,
        "distill_settings": DISTILLATION,
        "fit_settings": FitSettings(epochs=1, batch=64),
    }
    assert np.isfinite(distill.train_tablenet(x, y, NAMES, **given).predict(x)).all()
    with pytest.raises(ValueError, match="no row of x has a value in any of the columns MAG, SNR"):
        distill.train_tablenet(np.full_like(x, np.nan), y, NAMES, **given)
    with pytest.raises(ValueError, match=r"3 folds need rows of as many objects \(groups\).*; given 1"):
        distill.train_tablenet(x, y, NAMES, group=np.zeros(200), **given)


def test_out_of_fold_scores_are_of_models_that_have_not_seen_the_row() -> None:
    x = np.arange(60, dtype=np.float32)[:, None]
    y = np.arange(60) % 2
    group = np.arange(60) // 4

    def remembers(learned: np.ndarray) -> object:
        return lambda tested: np.isin(group[tested[:, 0].astype(int)], group[learned])

    assert not out_of_fold(remembers, x, y, group=group, folds=5).any()  # type: ignore[arg-type]
    assert out_of_fold(remembers, x, y, folds=5).any()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 2 and"):
        next(split_folds(y, folds=31))
