"""Results and stamps as sequences: rows, slices, masks, columns, loops, what they look like, and other libraries."""

import sys

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from space2vec.data.flags import bits
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.row_index import row_index
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.registry import FLAGS

N = 7
COLUMNS = {
    "ra": [1.5, np.nan, 3.0, 4.0, 5.0, 6.0, 7.0],
    "fid": np.ma.array(range(N), mask=[0, 1, 0, 0, 0, 0, 0]),
    "name": np.array(["a", None, "<c>", "d", "e", "f", "g"], dtype=object),
}


def example_scores(n=N, **options):
    rows = range(n)
    return Scores(
        np.array([np.nan if row == 1 else row / 8 for row in rows], dtype=np.float32),
        np.array([bits(["padded", "saturated"]) if row == 2 else 0 for row in rows], dtype=np.uint32),
        np.array([f"ZTF{row}" for row in rows], dtype=object),
        np.array([-1 if row == 1 else row for row in rows]),
        "stampnet 0123",
        **{"columns": {name: values[:n] for name, values in COLUMNS.items()}, **options},
    )


def example_features(n=N):
    scores = example_scores(n)
    values = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    return Features(
        values, ("AMP", "GAUSS"), scores.flags, scores.object_id, scores.candidate_id, columns=scores.columns
    )


def example_stamps(n=N):
    pixels = np.random.default_rng(2).normal(size=(n, 3, 31, 31)).astype(np.float32)
    return Stamps(pixels, columns={"ra": np.arange(n) / 2})


MASK = np.array([True, False, True, False, False, False, True])
CHOICES = [
    (slice(2, 5), [2, 3, 4]),
    (slice(None, None, -2), [6, 4, 2, 0]),
    (slice(0, 0), []),
    (MASK, [0, 2, 6]),
    (MASK.tolist(), [0, 2, 6]),
    (np.ma.array(MASK, mask=[0, 0, 1, 0, 0, 0, 0]), [0, 6]),
    ([0, -1, 3, 3], [0, 6, 3, 3]),
    (np.array([5, 1], dtype=np.uint8), [5, 1]),
    ([], []),
    (range(1, 3), [1, 2]),
]
KINDS = {"scores": example_scores, "features": example_features, "stamps": example_stamps}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "expected"), CHOICES)
def test_some_rows(kind, rows, expected):
    whole = KINDS[kind]()
    part = whole[rows]
    assert type(part) is type(whole)
    assert len(part) == len(expected)
    for name in ("object_id", "candidate_id", "flags"):
        assert getattr(part, name).tolist() == getattr(whole, name)[expected].tolist()
    assert list(part.columns) == list(whole.columns)
    for name, values in part.columns.items():
        assert values.tolist() == pytest.approx(whole.columns[name][expected].tolist(), nan_ok=True)
        assert type(values) is type(whole.columns[name])
    if kind == "scores":
        assert np.array_equal(part.score, whole.score[expected], equal_nan=True)
        assert (part.model, part.device) == (whole.model, whole.device)
    elif kind == "features":
        assert np.array_equal(part.values, whole.values[expected])
        assert part.names == whole.names
    else:
        assert [part.plane(row, "science")[0, 0] for row in range(len(part))] == whole.pixels[
            expected, 0, 0, 0
        ].tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        (N, IndexError, "there is no row 7: there are 7"),
        (-N - 1, IndexError, "there is no row -8"),
        ([0, 9], IndexError, "there is no row 9"),
        ([True, False], IndexError, "a mask must have one value for each of 7 rows; given 2"),
        (
            [0.5, 1.5],
            TypeError,
            "rows are chosen by a slice, a mask, a row number or several; given list of dtype float64",
        ),
        (np.zeros((N, 2), bool), TypeError, r"shape \(7, 2\)"),
        (None, TypeError, "given NoneType"),
        ((0, 1), TypeError, "along one axis"),
        (True, TypeError, "given bool"),
        (1.0, TypeError, "given float"),
    ],
)
def test_rows_that_are_not_there(kind, rows, error, words):
    with pytest.raises(error, match=words):
        KINDS[kind]()[rows]


def test_row_index_takes_what_numpy_takes():
    assert row_index(np.int8(-1), 5) == 4
    assert row_index(np.array(2), 5) == 2
    assert isinstance(row_index(np.int64(1), 5), int)


def test_a_row_of_scores():
    scores = example_scores()
    row = scores[2]
    assert row == {
        "object_id": "ZTF2", "candidate_id": 2, "score": 0.25, "flags": ["padded", "saturated"],
        "ra": 3.0, "fid": 2, "name": "<c>",
    }  # fmt: skip
    assert {type(value) for value in row.values()} == {str, int, float, list}
    unknown = scores[1]
    assert [unknown[name] for name in ("candidate_id", "fid", "name")] == [None] * 3
    assert np.isnan([unknown["score"], unknown["ra"]]).all()
    assert scores[-1]["candidate_id"] == 6


def test_a_loop_over_results_gives_row_after_row():
    for table in (example_scores(), example_features()):
        rows = list(table)
        assert len(rows) == N
        for number, row in enumerate(rows):
            assert str(row) == str(table[number])


def test_columns_by_name():
    scores, features = example_scores(), example_features()
    assert scores["score"] is scores.score
    assert features["GAUSS"].tolist() == features.values[:, 1].tolist()
    for table in (scores, features):
        assert table["name"].tolist() == COLUMNS["name"].tolist()
        assert table["object_id"] is table.object_id
        assert table["flags"].tolist() == table.flags.tolist()
        with pytest.raises(KeyError, match=r"no (column|feature) 'nothing'; the table has .*name"):
            table["nothing"]


def test_a_candidate_of_stamps():
    stamps = example_stamps()
    one = stamps[3]
    assert isinstance(one, Stamps)
    assert (len(one), one.object_id.tolist(), one.columns["ra"].tolist()) == (1, ["3"], [1.5])
    assert np.array_equal(one.plane("science"), stamps.plane(3, "science"))
    assert np.shares_memory(one.plane("science"), stamps.buffer)
    assert np.array_equal(stamps[-1].plane("diff"), stamps.plane(N - 1, "difference"))
    with pytest.raises(TypeError, match=r"of 7 candidates, plane takes the row and the channel"):
        stamps.plane("science")
    with pytest.raises(TypeError, match="plane takes the name of a channel"):
        stamps.plane(3)
    rows = list(stamps)
    assert [row.object_id[0] for row in rows] == [str(number) for number in range(N)]
    assert np.array_equal(np.concatenate([row.pixels for row in rows]), stamps.pixels)
    assert np.array_equal(Stamps.concatenate(rows).pixels, stamps.pixels)


def test_stamps_are_an_array_of_their_pixels_and_no_pixels_themselves():
    stamps = example_stamps()
    assert np.array_equal(np.asarray(stamps[2:4]), stamps.pixels[2:4])
    assert np.asarray(stamps[2], dtype=np.float64).shape == (1, 3, 31, 31)
    for wrong in (stamps, list(stamps)):
        with pytest.raises(TypeError, match=r"these are Stamps already; Stamps\.concatenate joins several"):
            Stamps(wrong)


def test_rows_of_labelled_stamps():
    night = s2v.simulate(5, seed=1)
    labelled = LabelledStamps(night.stamps, night.labels, night.kinds)
    assert labelled[-1].label.tolist() == [night.labels[-1]]
    assert [len(row) for row in labelled] == [1] * 5
    assert labelled[[True, False, False, False, True]].kind.tolist() == [night.kinds[0], night.kinds[4]]
    with pytest.raises(IndexError, match="a mask must have one value"):
        labelled[[True]]


def test_results_on_a_device_in_slices(monkeypatch):
    host_device.make(monkeypatch)
    stamps = example_stamps()
    there = stamps.to_device()
    scores = s2v.load("forest").score(there)
    expected = s2v.load("forest").score(stamps)
    for part, host in (
        (scores[2:5], expected[2:5]),
        (scores[MASK], expected[MASK]),
        (scores[[1, 0]], expected[[1, 0]]),
    ):
        assert np.array_equal(part.score, host.score, equal_nan=True)
    assert str(scores[3]) == str(expected[3])
    assert [str(row) for row in scores] == [str(row) for row in expected]
    assert repr(scores).splitlines()[1:] == repr(expected).splitlines()[1:]
    assert np.array_equal(there[3].to_host().plane("science"), stamps.plane(3, "science"))
    table = s2v.features(there)
    assert np.array_equal(table[3:5].values, s2v.features(stamps)[3:5].values, equal_nan=True)


def test_what_scores_look_like():
    assert repr(example_scores()).splitlines() == [
        "Scores: 7 rows, 6 scored by stampnet 0123 on cpu",
        "object_id  candidate_id  score  flags              ra  fid  name",
        "ZTF0                  0      0                    1.5    0  a",
        "ZTF1                 --    nan                    nan   --  --",
        "ZTF2                  2   0.25  padded|saturated    3    2  <c>",
        "ZTF3                  3  0.375                      4    3  d",
        "ZTF4                  4    0.5                      5    4  e",
        "ZTF5                  5  0.625                      6    5  f",
        "ZTF6                  6   0.75                      7    6  g",
    ]


def test_what_long_and_wide_tables_look_like():
    n = 1000
    scores = example_scores(1)
    long = Scores.concatenate([scores] * n)
    lines = repr(long).splitlines()
    assert lines[0] == "Scores: 1000 rows, 1000 scored by stampnet 0123 on cpu"
    assert len(lines) == 2 + 11
    assert lines[7].split() == ["..."] * 7
    wide = s2v.features(example_stamps(2), set="all")
    head = repr(wide).splitlines()[1].split()
    assert head[:3] == ["object_id", "candidate_id", wide.names[0]]
    assert "..." in head
    assert head[-2:] == ["flags", "ra"]
    assert max(map(len, repr(wide).splitlines())) < 250
    assert repr(example_scores()[:0]).splitlines()[0] == "Scores: 0 rows, 0 scored by stampnet 0123 on cpu"
    odd = example_scores(1, columns={"x": ["\x1b[31m" + "y" * 50]})
    assert "  \\x1b[31myyyyyyy ... yyyyyyyy" in repr(odd)


def test_what_results_look_like_in_a_notebook():
    text = example_scores()._repr_html_()
    assert "<td>&lt;c&gt;</td>" in text
    assert "<th>candidate_id</th>" in text
    assert text.count("<tr>") == N + 1
    assert "AMP" in example_features()._repr_html_()


def test_tables_of_other_libraries_say_what_made_them():
    scores = example_scores()
    meaning = f"flags & 4: padded: {FLAGS['padded'].meaning}"
    assert scores.metadata == {"version": s2v.__version__, "model": "stampnet 0123"}
    table = scores.to_astropy()
    assert table.meta["model"] == "stampnet 0123"
    assert meaning in table.meta["comments"]
    assert len(table.meta["comments"]) == 2
    note = scores.to_arrow().schema.metadata[b"space2vec"].decode()
    assert '"model": "stampnet 0123"' in note
    assert FLAGS["saturated"].meaning in note
    assert example_features().metadata == {"version": s2v.__version__}


def test_to_pandas():
    pandas = pytest.importorskip("pandas")
    frame = example_scores().to_pandas()
    assert list(frame) == ["object_id", "candidate_id", "score", "flags", "ra", "fid", "name"]
    assert str(frame["candidate_id"].dtype) == str(frame["fid"].dtype) == "Int64"
    assert frame["candidate_id"].isna().tolist() == frame["name"].isna().tolist() == [row == 1 for row in range(N)]
    assert frame["flags"].tolist()[1:3] == ["", "padded|saturated"]
    assert frame["score"].dtype == np.float32
    assert frame.attrs == {"version": s2v.__version__, "model": "stampnet 0123"}
    whole = example_scores()[[0, 2]].to_pandas()
    assert whole["candidate_id"].dtype == whole["fid"].dtype == np.int64
    text = Features(np.ones((2, 1)), ("AMP",), candidate_id=["007", None]).to_pandas()
    assert text["candidate_id"].tolist()[0] == "007"
    assert pandas.isna(text["candidate_id"][1])
    assert text["AMP"].tolist() == [1, 1]


def test_to_pandas_without_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_pandas needs pandas: pip install pandas"):
        example_scores().to_pandas()


def test_a_mosaic_of_some_rows(tmp_path):
    pytest.importorskip("matplotlib")
    stamps, scores = example_stamps(), example_scores()

    def captions(figure):
        return [axes.get_title("left") for part in figure.subfigs for axes in part.axes if axes.get_title("left")]

    def mosaic(*arguments, **options):
        return captions(s2v.plot.mosaic(*arguments, **options))

    assert len(mosaic(stamps[:5], scores[:5], select="best")) == 4, "one of the five has no score"

    assert "P(real) 0.250  padded, saturated" in mosaic(stamps[2], scores[2], select="best")[0]
    assert mosaic(stamps[2]) == mosaic(stamps[2:3])
    assert "P(real) 0.500" in mosaic(stamps[[4]], 0.5, select="best")[0]
    with pytest.raises(ValueError, match="one value for each of 5 stamps"):
        mosaic(stamps[:5], scores[2])
    with pytest.raises(
        ValueError, match="of other candidates than the stamps: row 0 is 4 in the scores and 0 in the stamps"
    ):
        mosaic(stamps[:5], scores[4::-1])
    assert mosaic(stamps[:5], scores[4::-1].score, select="best"), "scores alone go by their order"


def test_rows_chosen_by_arrays_of_arrow():
    pa = pytest.importorskip("pyarrow")
    for table in (example_scores(), example_features(), example_stamps()):
        assert table[pa.array(MASK)].candidate_id.tolist() == table[MASK].candidate_id.tolist()
        assert table[pa.array([5, 1])].candidate_id.tolist() == table[[5, 1]].candidate_id.tolist()
