"""Effects of features and pixels: sums that are exact, a tree by hand, stamps that are changed by hand, refusals."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers import cascades, tiny_models
from space2vec import model_files
from space2vec.errors import ModelError
from space2vec.model_files.calibration import Calibration
from space2vec.model_files.header import Header
from space2vec.model_files.trees import TrainingRows, Trees
from space2vec.models.load import packaged

CALIBRATION = Calibration((0.0, 0.5, 1.0), (0.1, 0.3, 0.9))


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(24, seed=5).stamps


def by_hand(share: list[float] | None, fill: list[float] | None = None) -> s2v.Forest:
    """A tree: left of x <= 1 a leaf of 0.2, right of it y <= 5 chooses 0.9 or 0.4; NaN of x goes right, of y left."""
    trees = Trees(
        np.array([0, 5]),
        np.array([2, 0, 2, 0, 0], np.int32),
        np.array([0, 0, 1, 0, 0], np.int16),
        np.array([0, 0, 1, 0, 0], np.uint8),
        np.array([1.0, 0.2, 5.0, 0.9, 0.4], np.float32),
    )
    kept = TrainingRows(None if share is None else np.array(share, np.float32))
    values = None if fill is None else np.array(fill, np.float32)
    return s2v.Forest(trees, Header("forest", "by hand", ("x", "y", "unused")), values, kept)


def table(*rows: tuple[float, float, float]) -> s2v.Features:
    values = np.array(rows, np.float32)
    return s2v.Features(values, ("x", "y", "unused"), np.zeros(len(rows), np.uint32))


SHARES = [0.5, 0.2, 0.75, 0.9, 0.4]


@pytest.mark.parametrize(
    ("row", "x", "y", "score"),
    [
        ((1.0, 9.0, 7.0), -0.3, 0.0, 0.2),
        ((1.5, 5.0, 7.0), 0.25, 0.15, 0.9),
        ((1.5, 5.5, 7.0), 0.25, -0.35, 0.4),
        ((math.nan, math.nan, 7.0), 0.25, 0.15, 0.9),
    ],
)
def test_a_tree_made_by_hand(row: tuple[float, float, float], x: float, y: float, score: float) -> None:
    found = s2v.explain(by_hand(SHARES), table(row))
    assert found.score == pytest.approx(score)
    assert found.baseline == 0.5
    assert (found["x"].effect, found["y"].effect) == pytest.approx((x, y))
    assert found["unused"].effect == 0
    assert found.pixels is None
    assert found.notes == ()
    with pytest.raises(KeyError):
        found["z"]


def test_a_fill_value_takes_the_place_of_an_undefined_one() -> None:
    found = s2v.explain(by_hand(SHARES, fill=[0.0, 0.0, 0.0]), table((math.nan, 1, 1)))
    assert found.score == pytest.approx(0.2)
    assert found["x"].effect == pytest.approx(-0.3)
    assert math.isnan(found["x"].value)


def test_a_forest_without_training_rows_counts_branches_alike_and_says_so() -> None:
    found = s2v.explain(by_hand(None), table((1.5, 5.0, 0.0)))
    assert found.baseline == pytest.approx((0.2 + (0.9 + 0.4) / 2) / 2)
    assert found["x"].effect == pytest.approx(0.65 - 0.425)
    assert found["y"].effect == pytest.approx(0.9 - 0.65)
    assert "both branches count alike" in found.notes[0]
    assert found["x"].usual is None


@pytest.mark.parametrize("share", [[0.5], [0.5, 0.2, 7.0, 0.9, 0.4], [0.5, 0.2, math.nan, 0.9, 0.4]])
def test_damaged_values_of_nodes_are_refused(share: list[float]) -> None:
    with pytest.raises(ModelError, match="cannot be explained: node_value"):
        s2v.explain(by_hand(share), table((1, 1, 1)))


@pytest.mark.parametrize("name", ["forest", "autoscan"])
def test_effects_of_the_packaged_forests_sum_to_the_score(name: str, night: s2v.Stamps) -> None:
    model = s2v.load(name)
    rng = np.random.default_rng(1)
    values = rng.normal(size=(200, len(model.feature_names))).astype(np.float32) * 10
    values[rng.random(values.shape) < 0.2] = np.nan
    source = s2v.Features(values, model.feature_names, np.zeros(200, np.uint32))
    expected = model.score(source)
    many = s2v.explain(model, source, slice(None))
    for row, found in enumerate(many):
        total = found.baseline + sum(effect.effect for effect in found.features)
        assert abs(total - float(expected.score[row])) < 1e-7
        assert found.before_calibration == pytest.approx(total, abs=1e-12)
        assert found.notes == ()
    assert [abs(x.effect) for x in many[0].features] == sorted((abs(x.effect) for x in many[0].features), reverse=True)
    usual = many[0][model.feature_names[0]].usual
    assert usual is not None
    assert usual.low <= usual.median <= usual.high
    if name == "forest":
        assert s2v.explain(name, night, 3, pixels=False).score == model.score(night).score[3]


def test_calibration_changes_the_score_and_not_the_effects() -> None:
    plain = by_hand(SHARES)
    found = s2v.explain(plain.calibrated(CALIBRATION), table((1.5, 5.0, 0.0)))
    assert found.before_calibration == pytest.approx(0.9)
    assert found.score == pytest.approx(float(CALIBRATION([0.9])[0]))
    assert found["x"].effect == s2v.explain(plain, table((1.5, 5.0, 0.0)))["x"].effect


def test_the_id_of_a_forest_does_not_depend_on_what_it_keeps_of_its_training_rows(tmp_path: Path) -> None:
    with_rows, without = by_hand(SHARES).with_usual_values(np.ones((4, 3), np.float32)), by_hand(None)
    assert with_rows.digest == without.digest
    with_rows.save(tmp_path / "kept.safetensors")
    again = s2v.Forest.load(tmp_path / "kept.safetensors")
    assert again.training_rows.node_value is not None
    assert again.training_rows.quantiles is not None
    np.testing.assert_array_equal(again.training_rows.node_value, np.float32(SHARES))
    assert s2v.explain(again, table((1, 1, 1)))["y"].usual == (1.0, 0.0, 1.0, 1.0)
    assert again.score(table((1.5, 5.0, 0.0))).score[0] == np.float32(0.9)


def test_a_forest_from_scikit_learn_keeps_the_shares_of_its_nodes() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 3)).astype(np.float32)
    y = (x[:, 0] + 0.3 * rng.normal(size=300) > 0).astype(int)
    model = ensemble.RandomForestClassifier(7, max_leaf_nodes=20, random_state=0).fit(x, y)
    forest = s2v.Forest.from_sklearn(model, feature_names=("x", "y", "unused"))
    share = forest.training_rows.node_value
    assert share is not None
    leaf = forest.trees.right == 0
    np.testing.assert_array_equal(share[leaf], forest.trees.value[leaf])
    roots = [tree.tree_.value[0, 0] for tree in model.estimators_]
    np.testing.assert_allclose(share[forest.trees.tree_start[:-1]], [r[1] / r.sum() for r in roots], rtol=1e-6)


def test_the_usual_values_of_training_rows_leave_out_what_is_undefined() -> None:
    x = np.array([[0, np.nan], [1, np.nan], [np.inf, np.nan], [2, np.nan]], np.float32)
    low, middle, high = TrainingRows.usual(x).reshape(2, 3)[0]
    assert (middle, low < 1 < high) == (1.0, True)
    assert np.isnan(TrainingRows.usual(x)[3:]).all()


def test_a_feature_of_a_network_is_replaced_by_its_median(night: s2v.Stamps) -> None:
    model = s2v.load("stampnet")
    found = s2v.explain(model, night, 7, pixels=False)
    inputs = model.inputs(night[7])
    assert inputs.planes is not None
    assert inputs.columns is not None
    median = model_files.read(packaged()["stampnet"])[1]["scale.median"]
    for position, name in enumerate(model.feature_names):
        columns = inputs.columns.copy()
        columns[0, position] = median[position]
        expected = found.score - float(model.predict(inputs.planes, columns)[0])
        assert found[name].effect == expected
        assert found[name].usual.median == median[position]
    assert found.baseline is None
    assert found.score == model.score(night).score[7]


def test_a_network_of_a_table_is_explained_by_its_columns() -> None:
    model = s2v.load("tablenet")
    values = np.random.default_rng(0).normal(size=(3, 38)).astype(np.float32)
    source = s2v.Features(values, model.feature_names, np.zeros(3, np.uint32))
    found = s2v.explain(model, source, 1)
    changed = values[1:2].copy()
    usual = found["GAUSS"].usual
    assert usual is not None
    changed[0, model.feature_names.index("GAUSS")] = usual.median
    assert found["GAUSS"].effect == found.score - float(model.predict(changed)[0])
    assert len(found.features) == 38


@pytest.mark.parametrize("name", ["stampnet", "forest"])
def test_hidden_patches_are_scored_as_stamps_that_are_changed_by_hand(name: str, night: s2v.Stamps) -> None:
    model = s2v.load(name)
    found = s2v.explain(model, night, 2, patch=5)
    assert found.pixels is not None
    for channel, patch in found.pixels.strongest.items():
        planes = night[2].pixels.copy()
        position = night.channels.index(channel)
        plane = planes[0, position]
        square = (slice(patch.row - 2, patch.row + 3), slice(patch.column - 2, patch.column + 3))
        plane[square] = np.median(plane)
        catalogue = {key: values[2:3] for key, values in night.catalogue.items()}
        by_hand = s2v.Stamps(planes, channels=night.channels, catalogue=catalogue, centre=night.centre[2:3])
        assert patch.score == model.score(by_hand).score[0]
        assert patch.effect == found.score - patch.score


def tiny_forest(folder: Path, *columns: str) -> s2v.Forest:
    (folder / "tiny.safetensors").write_bytes(tiny_models.forest(columns, seed=4))
    return s2v.Forest.load(folder / "tiny.safetensors")


def test_a_map_is_the_mean_over_the_patches_that_cover_a_pixel(night: s2v.Stamps, tmp_path: Path) -> None:
    model = tiny_forest(tmp_path, "snr_2")
    apart, across = (s2v.explain(model, night, 0, patch=patch).pixels for patch in (3, 5))
    assert apart is not None
    assert across is not None
    assert list(apart.maps) == ["difference"], "the only plane that the feature is measured on"
    best, effects = apart.strongest["difference"], apart.maps["difference"]
    assert best.effect != 0
    square = (slice(best.row - 1, best.row + 2), slice(best.column - 1, best.column + 2))
    assert (effects[square] == np.float32(best.effect)).all()
    row, column = night.centre[0].tolist()
    assert np.isnan(effects[:, : column - 26]).all(), "pixels that the features do not look at"
    assert np.isfinite(effects[row - 24 : row + 25, column - 24 : column + 25]).all()
    # Patches of 5 pixels every 3 overlap in rows and columns of 2: there the map has values that no patch has alone.
    assert len(np.unique(across.maps["difference"])) > len(np.unique(effects))


def test_planes_and_features_that_a_model_does_not_use_have_no_effect(night: s2v.Stamps, tmp_path: Path) -> None:
    model = tiny_forest(tmp_path, "snr_2", "peak_snr", "MAG")
    assert model.needs.planes == ("difference",)
    trees = dataclasses.replace(model.trees, feature=np.zeros_like(model.trees.feature))
    one_sided = s2v.Forest(trees, model.header)
    found = s2v.explain(one_sided, night, 0, pixels=False)
    assert found["peak_snr"].effect == found["MAG"].effect == 0
    assert found["snr_2"].effect != 0


@pytest.mark.parametrize(("doubt", "decided"), [((0.0, 1.0), 2), ((0.999999, 1.0), 1)])
@pytest.mark.parametrize("calibration", [None, CALIBRATION])
def test_of_a_cascade_the_network_that_decided_is_explained(
    doubt: tuple[float, float], decided: int, calibration: Calibration | None, night: s2v.Stamps
) -> None:
    cascade, *networks = cascades.parts(doubt)
    whole, plain = cascade.calibrated(calibration), networks[decided - 1].calibrated(calibration)
    found, alone = (s2v.explain(model, night, 4) for model in (whole, plain))
    assert found.decided_by == plain.name
    assert ("scored_early" in found.flags) == (decided == 1)
    assert found.score == alone.score == whole.score(night).score[4]
    assert [x.to_dict() for x in found.features] == [x.to_dict() for x in alone.features]
    assert found.pixels is not None
    assert alone.pixels is not None
    assert found.pixels.strongest == alone.pixels.strongest


def test_missing_pixels_stay_missing_and_a_missing_plane_has_no_map(night: s2v.Stamps) -> None:
    planes = night[1].pixels.copy()
    planes[0, 2, 20:25, 20:25] = np.nan
    science, _, difference = planes[0]
    stamps = s2v.Stamps([{"science": science, "template": None, "difference": difference}])
    found = s2v.explain("stampnet", stamps)
    assert found.pixels is not None
    assert set(found.pixels.maps) == {"science", "difference"}
    assert "missing" in found.flags


def test_an_explanation_is_json(night: s2v.Stamps) -> None:
    found = s2v.explain("default", night, 0)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["candidate_id"] == str(night.candidate_id[0])
    assert len(plain["features"]) == 54
    assert np.shape(plain["pixels"]["maps"]["science"]) == night.plane(0, "science").shape
    assert dataclasses.is_dataclass(found)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.score = 1.0  # type: ignore[misc]


def test_several_rows_are_explained_as_each_alone(night: s2v.Stamps) -> None:
    several = s2v.explain("forest", night, [3, -1], pixels=False)
    assert [x.to_dict() for x in several] == [
        s2v.explain("forest", night, row, pixels=False).to_dict() for row in (3, len(night) - 1)
    ]


def test_what_cannot_be_explained_is_refused(night: s2v.Stamps) -> None:
    flat = s2v.Stamps(np.zeros((1, 3, 63, 63), np.float32), candidate_id=["zero"])
    with pytest.raises(ValueError, match=r"candidate zero has no score to explain: constant \(every usable pixel"):
        s2v.explain("default", flat)
    with pytest.raises(ValueError, match="there are 24 candidates: row says which"):
        s2v.explain("default", night)
    with pytest.raises(IndexError, match="no row 24"):
        s2v.explain("default", night, 24)
    with pytest.raises(TypeError, match="Stamps or Features; given ndarray"):
        s2v.explain("default", np.zeros((1, 3, 63, 63)), 0)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="odd number of pixels; given 4"):
        s2v.explain("default", night, 0, patch=4)
    with pytest.raises(ModelError, match="takes stamps"):
        s2v.explain("default", s2v.features(night), 0)
    with pytest.raises(ModelError, match="unknown model 'nobody'"):
        s2v.explain("nobody", night, 0)


def test_a_module_of_ones_own_has_pixels_and_no_features(night: s2v.Stamps) -> None:
    torch = pytest.importorskip("torch")

    class Own(torch.nn.Module):  # type: ignore[name-defined, misc]
        def forward(self, planes: Any, features: Any) -> Any:
            return planes[:, 2].amax(dim=(1, 2)) / 4 + 0.0 * features[:, 0].nan_to_num()

    network = s2v.Network.from_module(Own(), like=s2v.load("stampnet"))
    found = s2v.explain(network, night, 0)
    assert found.features == ()
    assert "a module of your own keeps no median" in found.notes[0]
    assert found.pixels is not None
    assert found.pixels.strongest["template"].effect == 0


def test_a_model_of_vectors_has_no_score_to_explain(night: s2v.Stamps, tmp_path: Path) -> None:
    path = tmp_path / "vectors.safetensors"
    path.write_bytes(tiny_models.vector_models()["vectors"])
    with pytest.raises(ModelError, match="vectors, not scores"):
        s2v.explain(path, night, 0)
