"""Further columns of candidates: their types, and how they go along from stamps to features, scores and tables."""

import decimal

import numpy as np
import pyarrow as pa
import pytest

import space2vec as s2v
from helpers import host_device
from space2vec.data.columns import as_text, check_columns, concatenate_columns, is_unknown
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores

N = 6
BIG = 2**63 + 11


def columns():
    return {
        "ra": [10.5, np.nan, 12.0, 13.25, 14.0, 359.999],
        "candidate.fid": np.ma.array([1, 2, 3, 1, 2, 3], mask=[0, 1, 0, 0, 0, 0]),
        "name": ["a", None, 'ü|,"\n', "", "e", "007"],
    }


def stamps(n=N, **options):
    pixels = np.random.default_rng(1).normal(size=(n, 3, 31, 31)).astype(np.float32)
    return Stamps(pixels, **{"columns": columns(), **options})


def plain(columns):
    """Columns as Python writes them, None where unknown."""
    return {
        name: [None if absent else value for value, absent in zip(values.tolist(), is_unknown(values), strict=True)]
        for name, values in columns.items()
    }


EXPECTED = {
    "ra": [10.5, None, 12.0, 13.25, 14.0, 359.999],
    "candidate.fid": [1, None, 3, 1, 2, 3],
    "name": ["a", None, 'ü|,"\n', "", "e", "007"],
}


@pytest.mark.parametrize(
    ("values", "dtype", "kept"),
    [
        ([1, 2, 3], np.int64, [1, 2, 3]),
        ([1, None, 3], np.int64, [1, None, 3]),
        ([True, None, False], np.int64, [1, None, 0]),
        (np.array([True, False, True]), np.int64, [1, 0, 1]),
        (np.array([1, 2, 255], dtype=np.uint8), np.int64, [1, 2, 255]),
        (np.array([1, 2, BIG], dtype=np.uint64), object, ["1", "2", str(BIG)]),
        ([1, BIG, None], object, ["1", str(BIG), None]),
        (np.ma.array([1, 2, BIG], mask=[0, 0, 1], dtype=np.uint64), np.int64, [1, 2, None]),
        ([1.5, 2, None], np.float64, [1.5, 2.0, None]),
        ([1.5, 2**53 + 1, None], object, ["1.5", str(2**53 + 1), None]),
        (np.array([1.5, np.nan, 3], dtype=">f4"), np.float64, [1.5, None, 3.0]),
        (np.ma.array([1.5, 2.5, 3.5], mask=[0, 1, 0]), np.float64, [1.5, None, 3.5]),
        (["x", "", None], object, ["x", "", None]),
        (np.array(["x", "yy", "z"]), object, ["x", "yy", "z"]),
        (np.ma.array(["x", "yy", "z"], mask=[1, 0, 0]), object, [None, "yy", "z"]),
        (np.array([b"g", b"r\xff", b""]), object, ["g", "r\\xff", ""]),
        ([b"g", "r", float("nan")], object, ["g", "r", None]),
        ([1, "x", 2.5], object, ["1", "x", "2.5"]),
        (np.array(["2024-01-02", "NaT", "2024-01-04"], dtype="M8[D]"), object, ["2024-01-02", None, "2024-01-04"]),
        ([None, None, None], object, [None, None, None]),
    ],
)
def test_the_types_of_columns(values, dtype, kept):
    if isinstance(values, list):
        values = np.array(values, dtype=object)
    column = check_columns({"x": values}, 3)["x"]
    assert column.dtype == dtype
    assert isinstance(column, np.ma.MaskedArray) == (dtype is np.int64)
    assert plain({"x": column})["x"] == kept
    assert check_columns({"x": column}, 3)["x"] is column


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"x": [1, 2]}, ValueError, r"column 'x' must have one value for each of 3 rows; given \(2,\)"),
        ({"x": np.zeros((3, 2))}, ValueError, r"given \(3, 2\)"),
        ({"x": np.zeros(3, complex)}, TypeError, "column 'x' has dtype complex128"),
        ({"x": np.array([{}, None, 1], dtype=object)}, TypeError, "column 'x' holds dict"),
        ({"x": np.array([decimal.Decimal(1), None, 1], dtype=object)}, TypeError, "column 'x' holds Decimal"),
        ({1: [1, 2, 3]}, TypeError, "name of a column must be text; given 1"),
    ],
)
def test_columns_that_cannot_be(given, error, words):
    with pytest.raises(error, match=words):
        check_columns(given, 3)


def test_missing_values_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"i": pandas.array([1, None], dtype="Int64"), "s": pandas.array(["a", None], "string")})
    assert plain(check_columns(frame, 2)) == {"i": [1, None], "s": ["a", None]}


def joined(*parts):
    lengths = [len(next(iter(part.values()))) for part in parts]
    return plain(concatenate_columns([check_columns(part, n) for part, n in zip(parts, lengths, strict=True)], lengths))


def test_columns_are_joined():
    assert joined({"x": [1, 2]}, {"y": [1.5]}) == {"x": [1, 2, None], "y": [None, None, 1.5]}
    assert joined({"x": [1, 2]}, {"x": ["007"]}) == {"x": ["1", "2", "007"]}
    assert joined({"x": [1.5, np.nan]}, {"x": [3]}) == {"x": ["1.5", None, "3"]}
    assert joined({"x": [np.nan]}, {"x": [3]}, {"x": [None]}) == {"x": [None, 3, None]}, "what is unknown has no type"
    assert joined({"x": [None]}, {"x": [np.nan]}) == {"x": [None, None]}
    assert joined() == {}
    assert concatenate_columns([check_columns({"x": [None]}, 1), {}], [1, 2])["x"].tolist() == [None] * 3


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_how_columns_are_joined_does_not_depend_on_the_cuts(cut):
    cells = [[1], [2.5], ["x"], [None]]
    parts = [check_columns({"x": cell}, 1) for cell in cells]
    whole = concatenate_columns(parts, [1] * 4)
    two = [concatenate_columns(parts[:cut], [1] * cut), concatenate_columns(parts[cut:], [1] * (4 - cut))]
    assert concatenate_columns(two, [cut, 4 - cut])["x"].tolist() == whole["x"].tolist() == ["1", "2.5", "x", None]


def test_as_text():
    for values in columns().values():
        column = check_columns({"x": values}, N)["x"]
        expected = [None if value is None else str(value) for value in plain({"x": column})["x"]]
        assert as_text(column).tolist() == expected
    assert as_text(np.empty(0)).shape == (0,)


def test_stamps_carry_columns():
    batch = stamps()
    assert plain(batch.columns) == EXPECTED
    rows = [4, 1, 1]
    assert plain(batch[rows].columns) == {name: [cells[row] for row in rows] for name, cells in EXPECTED.items()}
    assert plain(batch[2:4].columns) == {name: cells[2:4] for name, cells in EXPECTED.items()}
    other = stamps(2, columns={"name": ["x", "y"], "jd": [1.0, 2.0]})
    both = plain(Stamps.concatenate([batch, other]).columns)
    assert list(both) == ["ra", "candidate.fid", "name", "jd"]
    assert both["ra"] == EXPECTED["ra"] + [None] * 2
    assert both["candidate.fid"] == EXPECTED["candidate.fid"] + [None] * 2
    assert both["name"] == [*EXPECTED["name"], "x", "y"]
    assert both["jd"] == [None] * N + [1.0, 2.0]
    with pytest.raises(ValueError, match="column 'ra' must have one value"):
        stamps(3, columns={"ra": [1.0]})


@pytest.mark.parametrize("name", ["autoscan", "forest", "stampnet", "tablenet"])
def test_models_copy_columns_to_their_scores(name):
    scores = s2v.load(name).score(stamps())
    assert plain(scores.columns) == EXPECTED
    twice = Scores.concatenate([scores, scores])
    assert plain(twice.columns) == {name: cells * 2 for name, cells in EXPECTED.items()}


def test_a_network_that_scores_in_pieces(monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is missing: torch")
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "torch")
    monkeypatch.setattr("space2vec.backends.host._ROWS", 2)
    assert plain(s2v.load("stampnet").score(stamps()).columns) == EXPECTED


def test_columns_of_what_goes_through_a_device(monkeypatch):
    host_device.make(monkeypatch)
    batch = stamps()
    forest = s2v.load("forest")
    for result in (s2v.features(batch, device="cuda"), forest.score(batch, device="cuda")):
        assert plain(result.columns) == EXPECTED
    there = batch.to_device()
    for result in (s2v.features(there), forest.score(there)):
        assert plain(result.columns) == EXPECTED


def test_features_carry_columns():
    table = s2v.features(stamps())
    assert plain(table.columns) == EXPECTED
    assert plain(table.rows(slice(1, 3)).columns) == {name: cells[1:3] for name, cells in EXPECTED.items()}
    more = Features(np.zeros((1, 38), np.float32), table.names, columns={"jd": [5]})
    assert plain(Features.concatenate([table, more], table.names).columns)["jd"] == [None] * N + [5]
    assert plain(s2v.load("autoscan").score(table).columns) == EXPECTED


def test_columns_in_arrow():
    table = s2v.features(stamps()).to_arrow()
    assert {name: table.schema.field(name).type for name in EXPECTED} == {
        "ra": pa.float64(), "candidate.fid": pa.int64(), "name": pa.string(),
    }  # fmt: skip
    assert {name: table[name].to_pylist() for name in EXPECTED} == EXPECTED


def test_columns_in_astropy():
    table = s2v.features(stamps()).to_astropy()
    assert table["ra"].tolist()[2:] == EXPECTED["ra"][2:]
    assert table["candidate.fid"].tolist() == EXPECTED["candidate.fid"]
    assert table["name"].tolist() == EXPECTED["name"]
    assert table["name"].dtype.kind == "U"


def test_a_column_of_the_name_of_a_result_stays_apart():
    scores = s2v.load("autoscan").score(stamps(2, columns={"score": [1, 2], "flags": ["a", None]}))
    in_arrow, in_astropy = scores.to_arrow(), scores.to_astropy()
    assert in_arrow["packet.score"].to_pylist() == in_astropy["packet.score"].tolist() == [1, 2]
    assert in_arrow["packet.flags"].to_pylist() == in_astropy["packet.flags"].tolist() == ["a", None]
    assert in_arrow["score"].type == pa.float32()
    assert in_astropy["flags"].dtype == np.uint32
