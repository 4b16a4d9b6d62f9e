"""The forest: scikit-learn's own leaves, what is refused, and rows that cannot be scored."""

from __future__ import annotations

import dataclasses
import importlib.util
import pickle
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from space2vec import registry
from space2vec.data import flags
from space2vec.errors import BackendError, ModelError
from space2vec.model_files.trees import Trees

pytest.importorskip("sklearn")

from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

NAMES = tuple(f"column_{k}" for k in range(6))
LEAF_STEP = 2.0**-20


def rows(n: int, seed: int, missing: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(NAMES))).astype(np.float32)
    y = ((x[:, 0] > 0) ^ (x[:, 1] + 0.5 * rng.normal(size=n) > 0.3)).astype(int)
    x[rng.random(x.shape) < missing] = np.nan
    return x, y


@pytest.fixture(params=["native", "numba"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    module = {"native": "space2vec._core", "numba": "numba"}[request.param]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the {request.param} backend needs {module}, which is not installed")
    monkeypatch.setenv("SPACE2VEC_BACKEND", request.param)
    return str(request.param)


MODELS = {
    "random forest": lambda: RandomForestClassifier(30, max_features=3, random_state=1),
    "extra trees": lambda: ExtraTreesClassifier(20, random_state=1),
    "tree": lambda: DecisionTreeClassifier(random_state=1),
    "best first": lambda: RandomForestClassifier(10, max_leaf_nodes=40, random_state=1),
    "stump": lambda: RandomForestClassifier(9, max_depth=1, random_state=1),
    "weighted": lambda: RandomForestClassifier(10, class_weight="balanced", random_state=1),
}


def leaves_of(forest: s2v.Forest, tree: int, x: np.ndarray) -> np.ndarray:
    """The leaf that each row reaches in one tree: the tree alone, its leaves' values replaced by their numbers."""
    trees = forest.trees
    part = slice(int(trees.tree_start[tree]), int(trees.tree_start[tree + 1]))
    leaf = trees.right[part] == 0
    numbered = np.where(leaf, np.arange(len(leaf)) * LEAF_STEP, trees.value[part]).astype(np.float32)
    start = np.array([0, len(leaf)])
    alone = Trees(start, trees.right[part], trees.feature[part], trees.missing_left[part], numbered)
    return np.round(s2v.Forest(alone, forest.header, forest.fill).predict(x) / LEAF_STEP).astype(int)


@pytest.mark.parametrize("kind", [kind for kind in MODELS if kind != "best first"])
def test_leaves_and_probabilities_are_scikit_learns(kind: str, backend: str) -> None:
    x, y = rows(2000, seed=1)
    unseen, _ = rows(1003, seed=2)
    model = MODELS[kind]().fit(x, y)
    # The hardest rows: a value on a threshold of the model, or next to it.
    trees = getattr(model, "estimators_", [model])
    threshold = trees[0].tree_.threshold[trees[0].tree_.feature >= 0].astype(np.float32)
    threshold = threshold[np.isfinite(threshold)]  # an infinite one sends all but NaN one way
    hard = np.repeat(np.concatenate([threshold, np.nextafter(threshold, np.float32(9))])[:, None], 6, axis=1)
    unseen = np.concatenate([unseen, hard])
    forest = s2v.Forest.from_sklearn(model, feature_names=NAMES)
    expected = model.apply(unseen).reshape(len(unseen), -1)
    for tree in range(len(forest)):
        assert (leaves_of(forest, tree, unseen) == expected[:, tree]).all()
    np.testing.assert_allclose(forest.predict(unseen), model.predict_proba(unseen)[:, 1], rtol=0, atol=6e-8)


def test_best_first_trees_are_put_in_order(backend: str) -> None:
    x, y = rows(2000, seed=1)
    model = MODELS["best first"]().fit(x, y)
    left = model.estimators_[0].tree_.children_left
    assert (left[left >= 0] != np.flatnonzero(left >= 0) + 1).any(), "the test needs a tree that is not depth first"
    forest = s2v.Forest.from_sklearn(model, feature_names=NAMES)
    np.testing.assert_allclose(forest.predict(x), model.predict_proba(x)[:, 1], rtol=0, atol=6e-8)


@pytest.mark.parametrize(
    "imputer",
    [SimpleImputer(strategy="median"), SimpleImputer(), SimpleImputer(strategy="constant", fill_value=-3.0)],
    ids=["median", "mean", "constant"],
)
def test_pipeline_with_imputer(imputer: SimpleImputer, backend: str) -> None:
    x, y = rows(1500, seed=3)
    model = make_pipeline(imputer, RandomForestClassifier(20, random_state=0)).fit(x, y)
    forest = s2v.Forest.from_sklearn(model, feature_names=NAMES)
    assert forest.header.imputation == imputer.strategy
    unseen, _ = rows(500, seed=4, missing=0.4)
    np.testing.assert_allclose(forest.predict(unseen), model.predict_proba(unseen)[:, 1], rtol=0, atol=6e-8)


def test_backends_agree_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("space2vec._core", "numba"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"comparing backends needs {module}, which is not installed")
    x, y = rows(3000, seed=5)
    model = make_pipeline(SimpleImputer(), RandomForestClassifier(37, random_state=0)).fit(x, y)
    unseen, _ = rows(2011, seed=6, missing=0.3)
    results = []
    for name in ("native", "numba"):
        monkeypatch.setenv("SPACE2VEC_BACKEND", name)
        forest = s2v.Forest.from_sklearn(model, feature_names=NAMES)
        results += [forest.predict(unseen, threads=threads).view(np.uint32) for threads in (1, 2)]
        results.append(np.concatenate([forest.predict(row[None]) for row in unseen]).view(np.uint32))
    for result in results[1:]:
        assert (result == results[0]).all()


def test_any_real_dtype_order_and_stride(backend: str) -> None:
    x, y = rows(300, seed=7, missing=0)
    forest = s2v.Forest.from_sklearn(RandomForestClassifier(5, random_state=0).fit(x, y), feature_names=NAMES)
    expected = forest.predict(x)
    wide = np.zeros((300, 12), dtype=np.float32)
    wide[:, ::2] = x
    for same in (x.astype(">f4"), x.astype(np.float64), np.asfortranarray(x), wide[:, ::2], x[::-1][::-1], x.tolist()):
        assert (forest.predict(same) == expected).all()
    assert (forest.predict(x.astype(np.float16)) == forest.predict(x.astype(np.float16).astype(np.float32))).all()
    assert forest.predict(np.zeros((4, 6), dtype=np.int16)).dtype == np.float32
    masked = np.ma.MaskedArray(x, mask=np.zeros_like(x, dtype=bool))
    masked[:, 2] = np.ma.masked
    holes = x.copy()
    holes[:, 2] = np.nan
    assert (forest.predict(masked) == forest.predict(holes)).all()
    assert forest.predict(np.empty((0, 6))).shape == (0,)


def test_wrong_rows_are_refused() -> None:
    x, y = rows(100, seed=7)
    forest = s2v.Forest.from_sklearn(DecisionTreeClassifier().fit(x, y), feature_names=NAMES)
    with pytest.raises(ValueError, match=r"shape \(n, 6\); given \(100, 5\)"):
        forest.predict(x[:, :5])
    with pytest.raises(ValueError, match=r"given \(6,\)"):
        forest.predict(x[0])
    with pytest.raises(TypeError, match="complex64"):
        forest.predict(x.astype(np.complex64))
    with pytest.raises(ValueError, match="threads must be at least 1"):
        forest.predict(x, threads=0)


def test_real_class_by_label() -> None:
    x, y = rows(400, seed=8)
    model = RandomForestClassifier(5, random_state=0).fit(x, np.where(y == 1, "real", "bogus"))
    forest = s2v.Forest.from_sklearn(model, feature_names=NAMES, real_class="real")
    np.testing.assert_allclose(forest.predict(x), model.predict_proba(x)[:, 1], rtol=0, atol=6e-8)
    with pytest.raises(ModelError, match=r"classes \['bogus', 'real'\]; real_class=1"):
        s2v.Forest.from_sklearn(model, feature_names=NAMES)


def fitted(model: Any, **columns: Any) -> Any:
    x, y = rows(200, seed=9, missing=0)
    for name, value in columns.items():
        x[:, NAMES.index(name)] = value
    return model.fit(x, y)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: fitted(GradientBoostingClassifier(n_estimators=2)), "a GradientBoostingClassifier; accepted"),
        (lambda: fitted(make_pipeline(StandardScaler(), DecisionTreeClassifier())), "a step StandardScaler; accepted"),
        (lambda: fitted(make_pipeline(SimpleImputer(), DummyClassifier())), "cannot take a DummyClassifier"),
        (lambda: Pipeline([("nothing", "passthrough")]), "empty Pipeline"),
        (lambda: fitted(make_pipeline(SimpleImputer(add_indicator=True), DecisionTreeClassifier())), "adds columns"),
        (lambda: fitted(make_pipeline(SimpleImputer(missing_values=-1), DecisionTreeClassifier())), "must replace NaN"),
        (
            lambda: fitted(make_pipeline(SimpleImputer(), DecisionTreeClassifier()), column_2=np.nan),
            "NaN throughout in training: column_2",
        ),
        (lambda: 3, "cannot take a int"),
    ],
)
@pytest.mark.filterwarnings("ignore:Skipping features")
def test_other_models_are_refused(model: Any, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        s2v.Forest.from_sklearn(model(), feature_names=NAMES)


def test_names_must_fit() -> None:
    model = fitted(DecisionTreeClassifier())
    with pytest.raises(ModelError, match="give feature_names"):
        s2v.Forest.from_sklearn(model)
    for names in (NAMES[:5], NAMES[:5] + NAMES[:1]):
        with pytest.raises(ModelError, match="the model takes 6 columns"):
            s2v.Forest.from_sklearn(model, feature_names=names)


DAMAGE = {
    "a cycle of length one": ("right", 0, 0),
    "a child outside": ("right", 0, 10**6),
    "a negative offset": ("right", 0, -1),
    "a child shared with the left": ("right", 0, 1),
    "a column outside": ("feature", 0, 6),
    "a negative column": ("feature", 0, -1),
    "a NaN threshold": ("value", 0, np.nan),
    "a leaf above 1": ("value", -1, 1.5),
    "a NaN leaf": ("value", -1, np.nan),
    "trees that overlap": ("tree_start", 1, 0),
    "a tree beyond the nodes": ("tree_start", -1, 10**7),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_trees_are_refused(damage: str) -> None:
    field, at, value = DAMAGE[damage]
    model = fitted(RandomForestClassifier(3, random_state=0))
    forest = s2v.Forest.from_sklearn(model, feature_names=NAMES)
    column = getattr(forest.trees, field).copy()
    column[at] = value
    with pytest.raises(ModelError, match="these are no trees"):
        s2v.Forest(dataclasses.replace(forest.trees, **{field: column}), forest.header)


def autoscan_forest() -> s2v.Forest:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 18))
    model = RandomForestClassifier(5, random_state=0).fit(x, x[:, 0] > 0)
    return s2v.Forest.from_sklearn(model, feature_names=registry.AUTOSCAN_STAMP, real_class=True)


def test_score_of_a_table_keeps_rows_and_flags() -> None:
    forest = autoscan_forest()
    values = np.random.default_rng(1).normal(size=(5, 18)).astype(np.float32)
    values[3] = np.nan
    values[4, :17] = np.nan
    given = np.array([0, flags.bits("nan_pixels"), flags.bits("constant"), 0, 0], dtype=np.uint32)
    ids = np.array([f"object {i}" for i in range(5)], dtype=object)
    # The table may have further columns, in another order.
    names = ("further", *reversed(registry.AUTOSCAN_STAMP))
    table = s2v.Features(np.column_stack([np.zeros(5), values[:, ::-1]]).astype(np.float32), names, given, ids)
    scores = forest.score(table)
    assert (scores.score[[0, 1, 4]] == forest.predict(values)[[0, 1, 4]]).all()
    assert np.isnan(scores.score[[2, 3]]).all()
    assert [scores.flag_names(row) for row in range(5)] == [[], ["nan_pixels"], ["constant"], ["missing"], []]
    assert scores.object_id.tolist() == ids.tolist()
    assert scores.device == "cpu"
    assert scores.model == forest.id
    assert given[3] == 0, "the table's own flags must not change"


def test_score_says_which_columns_a_table_lacks() -> None:
    table = s2v.Features(np.zeros((2, 17), dtype=np.float32), registry.AUTOSCAN_STAMP[:-1])
    with pytest.raises(ModelError, match=f"lacks: {registry.AUTOSCAN_STAMP[-1]}"):
        autoscan_forest().score(table)


def test_score_of_stamps() -> None:
    rng = np.random.default_rng(2)
    pixels = rng.normal(size=(4, 3, 51, 51)).astype(np.float32)
    pixels[2, 2] = 7.0
    stamps = s2v.Stamps(pixels)
    forest = autoscan_forest()
    scores = forest.score(stamps)
    expected = forest.predict(s2v.features(stamps, set="autoscan-stamp").values)
    assert (scores.score[[0, 1, 3]] == expected[[0, 1, 3]]).all()
    assert np.isnan(scores.score[2])
    assert scores.flag_names(2) == ["constant"]
    assert len(forest.score(stamps[:0])) == 0
    custom = s2v.Forest.from_sklearn(fitted(DecisionTreeClassifier()), feature_names=NAMES)
    with pytest.raises(ModelError, match="columns that stamps do not give: column_0"):
        custom.score(stamps)


def test_stamp_features_in_a_pipeline() -> None:
    from space2vec.sklearn import StampFeatures

    rng = np.random.default_rng(3)
    stamps = s2v.Stamps(rng.normal(size=(40, 3, 51, 51)))
    y = np.arange(40) % 2
    model = make_pipeline(StampFeatures(convention="paper"), SimpleImputer(), RandomForestClassifier(5)).fit(stamps, y)
    forest = s2v.Forest.from_sklearn(model)
    assert forest.feature_names == registry.AUTOSCAN_STAMP
    assert forest.header.convention == "paper"
    np.testing.assert_allclose(forest.score(stamps).score, model.predict_proba(stamps)[:, 1], rtol=0, atol=6e-8)
    with pytest.raises(ValueError, match="unknown feature set"):
        StampFeatures(set="other").fit(stamps)


def test_device() -> None:
    table = s2v.Features(np.zeros((1, 18), dtype=np.float32), registry.AUTOSCAN_STAMP)
    with pytest.raises(BackendError, match="no CUDA backend"):
        autoscan_forest().score(table, device="cuda")
    with pytest.raises(ValueError, match="unknown device 'tpu'; known: auto, cpu, cuda"):
        autoscan_forest().score(table, device="tpu")


def test_pickle_of_a_forest_in_memory_scores_the_same() -> None:
    x, _ = rows(50, seed=10)
    forest = s2v.Forest.from_sklearn(fitted(RandomForestClassifier(3, random_state=0)), feature_names=NAMES)
    expected = forest.predict(x)
    assert (pickle.loads(pickle.dumps(forest)).predict(x) == expected).all()
