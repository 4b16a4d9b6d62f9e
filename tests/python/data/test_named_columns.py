"""Named columns go by their names, masked and absent values are NaN: for forests, networks, stamps and evaluation."""

import numpy as np
import pyarrow as pa
import pytest

import space2vec as s2v
from space2vec import evaluation
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.named_columns import stack_columns
from space2vec.data.numeric import as_numbers, masked_to_nan
from space2vec.data.tables import Features
from space2vec.errors import ModelError

NAMES = tuple(list(s2v.registry.FEATURES)[:6])
X = np.random.default_rng(0).normal(size=(200, 6))
Y = (X[:, 0] > 0).astype(int)


@pytest.fixture(scope="module")
def forest():
    ensemble = pytest.importorskip("sklearn.ensemble")
    model = ensemble.RandomForestClassifier(10, random_state=0).fit(X, Y)
    return s2v.Forest.from_sklearn(model, feature_names=NAMES)


def astropy_table(columns):
    return pytest.importorskip("astropy.table").Table(columns)


def structured(columns):
    array = np.empty(
        len(next(iter(columns.values()))), dtype=[(name, values.dtype) for name, values in columns.items()]
    )
    for name, values in columns.items():
        array[name] = values
    return array


def library(name):
    return lambda columns: pytest.importorskip(name).DataFrame(columns)


KINDS = {
    "dict": dict,
    "structured": structured,
    "recarray": lambda columns: structured(columns).view(np.recarray),
    "arrow": pa.table,
    "batch": lambda columns: pa.RecordBatch.from_pydict({name: pa.array(values) for name, values in columns.items()}),
    "astropy": astropy_table,
    "pandas": library("pandas"),
    "polars": library("polars"),
    "features": lambda columns: Features(np.stack(list(columns.values()), axis=1), tuple(columns)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_named_columns_in_any_order_are_those_of_their_names(forest, kind):
    expected = forest.predict(X)
    for order in (range(6), range(5, -1, -1), (3, 1, 5, 0, 2, 4)):
        table = KINDS[kind]({NAMES[k]: X[:, k] for k in order})
        np.testing.assert_array_equal(forest.predict(table), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_are_missing_or_foreign_are_named(forest, kind):
    columns = {name: X[:, k] for k, name in enumerate(NAMES)}
    lacking = {name: values for name, values in columns.items() if name != NAMES[2]}
    with pytest.raises(ValueError, match=f"x lacks {NAMES[2]}; its columns are to be {NAMES[0]}"):
        forest.predict(KINDS[kind](lacking))
    foreign = columns | {"other": X[:, 0]}
    if kind == "features":
        np.testing.assert_array_equal(forest.predict(KINDS[kind](foreign)), forest.predict(X))
        return
    with pytest.raises(ValueError, match="x has other; its columns are to be"):
        forest.predict(KINDS[kind](foreign))
    with pytest.raises(ValueError, match=f"x lacks {NAMES[2]} and has other"):
        forest.predict(KINDS[kind](lacking | {"other": X[:, 0]}))


def test_columns_without_names_go_by_their_order(forest):
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(forest.predict(pandas.DataFrame(X)), forest.predict(X))
    with pytest.raises(ValueError, match="names for some of its columns"):
        forest.predict(pandas.DataFrame(X, columns=[*NAMES[:5], 7]))
    with pytest.raises(ValueError, match="more than once"):
        forest.predict(pandas.DataFrame(X, columns=[*NAMES[:5], NAMES[0]]))


def test_columns_of_one_name_are_refused(forest):
    arrays = [pa.array(X[:, 0])] * 7
    with pytest.raises(ValueError, match=f"the column {NAMES[0]} more than once"):
        forest.predict(pa.Table.from_arrays(arrays, [*NAMES, NAMES[0]]))


def with_gaps():
    """Return integers with gaps in them, and what a forest is to see of them."""
    values = np.arange(4 * 6).reshape(4, 6)
    gaps = np.eye(4, 6, dtype=bool)
    return values, gaps, np.where(gaps, np.nan, values)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, np.float32, np.float64, np.bool_])
def test_masked_values_are_nan(forest, dtype):
    values, gaps, plain = with_gaps()
    values = values.astype(dtype)
    plain = np.where(gaps, np.nan, values.astype(float))
    masked = np.ma.array(values, mask=gaps)
    expected = forest.predict(plain)
    np.testing.assert_array_equal(forest.predict(masked), expected)
    columns = {name: masked[:, k] for k, name in enumerate(NAMES)}
    np.testing.assert_array_equal(forest.predict(columns), expected)
    np.testing.assert_array_equal(forest.predict(astropy_table(columns)), expected)
    np.testing.assert_array_equal(Features(masked, NAMES).values, plain.astype(np.float32))
    np.testing.assert_array_equal(masked_to_nan(masked), plain)


def test_absent_values_of_tables_are_nan(forest):
    values, gaps, plain = with_gaps()
    expected = forest.predict(plain)
    lists = {
        name: [None if gap else int(value) for value, gap in zip(values[:, k], gaps[:, k], strict=True)]
        for k, name in enumerate(NAMES)
    }
    np.testing.assert_array_equal(forest.predict(pa.table(lists)), expected)
    np.testing.assert_array_equal(forest.predict(lists), expected)
    np.testing.assert_array_equal(forest.predict(np.array(list(lists.values()), dtype=object).T), expected)


def test_absent_values_of_pandas_and_polars_are_nan(forest):
    values, gaps, plain = with_gaps()
    lists = {
        name: [None if gap else int(value) for value, gap in zip(values[:, k], gaps[:, k], strict=True)]
        for k, name in enumerate(NAMES)
    }
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(forest.predict(pandas.DataFrame(lists, dtype="Int64")), forest.predict(plain))
    polars = pytest.importorskip("polars")
    np.testing.assert_array_equal(forest.predict(polars.DataFrame(lists)), forest.predict(plain))


@pytest.mark.parametrize(
    "column", [["a"] * 4, [b"x"] * 4, [[1.0]] * 4, np.ones(4, complex), np.array(["2020"] * 4, "M8")]
)
def test_columns_that_are_no_numbers_are_named(forest, column):
    columns = {name: np.ones(4) for name in NAMES} | {NAMES[3]: column}
    with pytest.raises((TypeError, ValueError), match=f"column {NAMES[3]} of x has dtype|one value a row"):
        forest.predict(columns)


def test_columns_must_have_as_many_rows():
    with pytest.raises(ValueError, match="as many rows each"):
        stack_columns({"a": [1, 2], "b": [1]}, ("a", "b"))
    assert stack_columns({}, ()).shape == (0, 0)
    array = np.ones((2, 2))
    assert stack_columns(array, ("a", "b")) is array
    with pytest.raises(TypeError, match="x has dtype <U1; accepted are real dtypes"):
        as_numbers(["a"], "x")


def test_networks_take_features_by_name():
    pytest.importorskip("torch")
    network = s2v.load("tablenet")
    names = network.feature_names
    rows = np.random.default_rng(1).normal(size=(5, len(names))).astype(np.float32)
    expected = network.predict(rows)
    table = pa.table({name: rows[:, names.index(name)] for name in reversed(names)})
    np.testing.assert_array_equal(network.predict(table), expected)
    with pytest.raises(ValueError, match=f"features lacks {names[0]}"):
        network.predict(table.drop_columns([names[0]]))


def test_training_takes_the_columns_that_it_is_to(forest):
    from space2vec import training

    table = pa.table({"ID": np.arange(200), **{name: X[:, NAMES.index(name)] for name in reversed(NAMES)}})
    settings = {"trees": 5, "n_jobs": 1}
    expected = training.train_forest(X, Y, NAMES, **settings).predict(X)
    np.testing.assert_array_equal(training.train_forest(table, Y, NAMES, **settings).predict(X), expected)
    with pytest.raises(ValueError, match="x lacks nothing_such"):
        training.train_forest(table, Y, (*NAMES, "nothing_such"), **settings)


def test_a_model_that_knows_its_columns_is_not_told_another_order():
    pandas, ensemble = pytest.importorskip("pandas"), pytest.importorskip("sklearn.ensemble")
    model = ensemble.RandomForestClassifier(3, random_state=0).fit(pandas.DataFrame(X, columns=NAMES), Y)
    with pytest.raises(ModelError, match="another order"):
        s2v.Forest.from_sklearn(model, feature_names=NAMES[::-1])
    assert s2v.Forest.from_sklearn(model).feature_names == NAMES


def test_masked_columns_of_stamps_labels_and_scores():
    masked = np.ma.array([1, 2, 3, 4], mask=[0, 0, 1, 0])
    stamps = s2v.Stamps(np.zeros((4, 3, 9, 9)), catalogue={"FLAGS": masked}, candidate_id=masked)
    np.testing.assert_array_equal(stamps.catalogue["FLAGS"], np.float32([1, 2, np.nan, 4]))
    assert stamps.candidate_id.tolist() == [1, 2, -1, 4]
    shares = np.ma.array([0.5, 0.25, 9.0, 1.0], mask=[0, 0, 1, 0])
    rows = LabelledStamps(stamps, np.array([1, 0, 1, 0]), np.array(list("abcd")), teacher=shares)
    np.testing.assert_array_equal(rows.teacher, np.float32([0.5, 0.25, np.nan, 1]))
    result = evaluation.evaluate(np.ma.array([0.9, 0.2, 0.99, 0.1], mask=[0, 0, 1, 0]), [1, 0, 1, 0], bootstrap=0)
    assert (result.unscored_real, result["mdr@0.5"]) == (1, 0.5)
