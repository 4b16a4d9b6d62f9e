"""Rows joined by id: one to one or refused; ids belong to their input; labels in a table stay with their row."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from helpers.packets import fits_bytes
from space2vec.cli import main
from space2vec.data import flags
from space2vec.data.channels import CHANNELS
from space2vec.data.ids import as_ids, id_keys
from space2vec.data.row_pairs import Side, pair_rows
from space2vec.errors import ReadError
from space2vec.evaluation import compare_files, evaluate_files, join
from space2vec.reading import read

# The join itself


def test_pairs_are_those_of_a_plain_search():
    rng = np.random.default_rng(0)
    left, right = (rng.permutation(200)[:120].tolist() for _ in range(2))
    left[5], left[9], right[3] = None, -1, None
    pairs = pair_rows(Side(as_ids(left), "a"), Side(as_ids([str(one) if one else None for one in right]), "b"))
    expected = [
        (row, other)
        for row, key in enumerate(id_keys(as_ids(left)))
        for other, one in enumerate(right)
        if key is not None and one and str(one) == key
    ]
    assert list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)) == expected
    assert (pairs.unmatched_left, pairs.unmatched_right) == (120 - len(expected), 120 - len(expected))


def test_a_join_that_is_not_one_to_one_names_the_ids():
    ids = as_ids(["a", "b", "a", "c", "c", "d", "d", "e", "e", "lonely", "lonely", None, None])
    with pytest.raises(ReadError) as caught:
        pair_rows(Side(as_ids(["a", "b", "c", "d", "e"]), "labels.csv"), Side(ids, "scores.csv"))
    assert str(caught.value) == (
        "scores.csv: candidate a occurs more than once (rows 0, 2), and so do 3 more (c, d, e); rows cannot be joined "
        "one to one with labels.csv"
    )
    pairs = pair_rows(Side(as_ids(["b", "x"]), "labels.csv"), Side(ids, "scores.csv"))
    assert (pairs.left.tolist(), pairs.right.tolist(), pairs.unmatched_right) == ([0], [1], 12)


# Files of scores and labels


def test_scores_and_labels_join_by_text(tmp_path):
    (tmp_path / "s.csv").write_text("candidate_id,score\n007,0.9\n7,0.2\n0x1F,0.3\n99999999999999999999,0.7\n,0.1\n")
    (tmp_path / "l.csv").write_text("candidate_id,label\n7,0\n99999999999999999999,1\n31,1\n007,1\n,0\n")
    rows = join(tmp_path / "s.csv", tmp_path / "l.csv")
    assert (rows.score.tolist(), rows.label.tolist()) == ([0.9, 0.2, 0.7], [1, 0, 1])
    assert rows.ids.tolist() == rows.group.tolist() == ["007", "7", "99999999999999999999"]
    assert (rows.unmatched_scores, rows.unmatched_labels) == (2, 2)
    text = pa.table({"candidate_id": ["007", "7", "x"], "score": [0.9, 0.2, 0.3]})
    pq.write_table(text, tmp_path / "s.parquet")
    assert join(tmp_path / "s.parquet", tmp_path / "l.csv").score.tolist() == [0.9, 0.2]


@pytest.mark.parametrize("labels", ["1,1\n2,0\n1,0\n", "1,1\n2,0\n1,1\n", "1,\n2,0\n1,1\n"])
def test_labels_that_name_a_candidate_twice_are_refused(tmp_path, labels):
    (tmp_path / "s.csv").write_text("candidate_id,score\n1,0.5\n2,0.6\n")
    (tmp_path / "l.csv").write_text("candidate_id,label\n" + labels)
    for call in (join, evaluate_files):
        with pytest.raises(ReadError, match=r"l\.csv: candidate 1 occurs more than once \(rows 0, 2\)"):
            call(tmp_path / "s.csv", tmp_path / "l.csv")
    with pytest.raises(ReadError, match="more than once"):
        compare_files(tmp_path / "s.csv", tmp_path / "s.csv", tmp_path / "l.csv")
    assert main(["evaluate", str(tmp_path / "s.csv"), "--labels", str(tmp_path / "l.csv")]) == 2


def test_two_columns_of_labels_must_agree(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("ID,label,OBJECT_TYPE\n1,1,0\n2,0,1\n3,,1\n4,1,\n")
    np.testing.assert_array_equal(s2v.reading.read_labels(path).real, [1, 0, np.nan, 1])
    path.write_text("ID,label,OBJECT_TYPE\n1,1,0\n2,0,0\n3,1,1\n")
    with pytest.raises(ReadError, match="contradict each other in 2 of 3 rows, first in row 1: both are 0"):
        s2v.reading.read_labels(path)


def test_objects_that_are_not_known_are_no_group(tmp_path):
    (tmp_path / "s.csv").write_text("object_id,candidate_id,score\n,1,0.5\n,2,0.6\na,3,0.7\na,4,0.1\n")
    (tmp_path / "l.csv").write_text("candidate_id,label\n1,1\n2,0\n3,1\n4,0\n")
    assert join(tmp_path / "s.csv", tmp_path / "l.csv").group.tolist() == ["1", "2", "a", "a"]


def test_damaged_lines_of_scores_and_labels_are_told(tmp_path, capsys):
    (tmp_path / "s.csv").write_text("candidate_id,score\n1,0.9\n2,0.2\n3\n4,high\n5,0.8\n")
    (tmp_path / "l.csv").write_text("candidate_id,label\n1,1\n2,0\n4,1\n5,--\n6,1,1\n")
    command = ["evaluate", str(tmp_path / "s.csv"), "--labels", str(tmp_path / "l.csv"), "--bootstrap", "0"]
    assert main(command) == 1
    said = capsys.readouterr()
    assert "2 real, 1 bogus" in said.out
    for told in ("line 4 has 1 values", "'high', which is no number", "'--', which is no label", "line 6 has 3 values"):
        assert said.err.count(told) == 1


# Training


def table(path, ids, label, seed, *, name="ID"):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(label), 2)) + 3 * np.array(label)[:, None]
    columns = {} if ids is None else {name: ids}
    columns |= {"AMP": values[:, 0], "GAUSS": values[:, 1]}
    columns |= {"label": label}
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return values


@pytest.fixture
def trainer(tmp_path, capsys):
    pytest.importorskip("sklearn")

    def train(*arguments):
        model = tmp_path / "m.safetensors"
        code = main(["train", "forest", *map(str, arguments), "-o", str(model), "--trees", "3", "--folds", "0"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return train


@pytest.mark.parametrize("ids", [None, list(range(40))])
def test_labels_in_the_tables_stay_with_their_rows(tmp_path, trainer, ids):
    table(tmp_path / "a.csv", ids, [1] * 20 + [0] * 20, 0)
    table(tmp_path / "b.csv", ids, [0] * 30 + [1] * 10, 1)
    heads = set()
    for order in (("a", "b"), ("b", "a")):
        code, said, _ = trainer(*(tmp_path / f"{name}.csv" for name in order))
        assert code == 0
        assert "80 rows: 80 usable, 0 without a label" in said
        heads.add(said.splitlines()[0])
    assert len(heads) == 1
    forest = s2v.load(tmp_path / "m.safetensors")
    rows = np.concatenate([np.asarray(read(tmp_path / f"{name}.csv")) for name in "ab"])
    truth = np.array([1] * 20 + [0] * 20 + [0] * 30 + [1] * 10)
    assert ((forest.predict(rows) > 0.5) == truth).mean() > 0.9


def test_damaged_lines_do_not_shift_labels(tmp_path, trainer):
    table(tmp_path / "a.csv", None, [1, 0] * 20, 0)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    lines.insert(5, "1")
    lines[10] = lines[10].rsplit(",", 1)[0] + ",--"
    (tmp_path / "a.csv").write_text("\n".join(lines))
    code, said, err = trainer(tmp_path / "a.csv")
    assert code == 1
    assert "41 rows: 39 usable, 2 without a label" in said
    assert "line 6 has 1 values" in err
    assert "which is no label" in err
    forest = s2v.load(tmp_path / "m.safetensors")
    values = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=11)
    assert ((forest.predict(values[:, :2]) > 0.5) == values[:, 2]).mean() > 0.9


@pytest.mark.parametrize("own", [True, False])
def test_labels_of_another_file_are_refused_where_inputs_share_ids(tmp_path, trainer, own):
    for seed, name in enumerate("ab"):
        pixels = np.random.default_rng(seed).normal(size=(20, 3, 21, 21)).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", pixels=pixels, **({"candidate_id": np.arange(20)} if own else {}))
    inputs = [tmp_path / "a.npz", tmp_path / "b.npz"]
    rows = "".join(f"{k},{k % 2}\n" for k in range(20))
    (tmp_path / "l.csv").write_text("candidate_id,label\n" + rows)
    for order in itertools.permutations(inputs):
        code, said, err = trainer(*order, "--labels", tmp_path / "l.csv")
        assert code == 2
        if own:
            assert "candidate 0 occurs more than once" in err
            assert str(inputs[0]) in err
            assert str(inputs[1]) in err
        else:
            assert "look like " in err
            assert "a:0" in err or "b:0" in err
    assert trainer(inputs[0], "--labels", tmp_path / "l.csv")[0] == 0
    both = "".join(f"{name}:{k},{k % 2}\n" for name in "ab" for k in range(20))
    (tmp_path / "l.csv").write_text("candidate_id,label\n" + both)
    code, said, _ = trainer(*inputs, "--labels", tmp_path / "l.csv")
    assert (code, "40 rows: 40 usable, 0 without" in said) == ((0, True) if not own else (2, False))


def test_labels_without_ids_go_with_one_input_that_has_none(tmp_path, trainer):
    table(tmp_path / "a.csv", None, [1, 0] * 10, 0)
    table(tmp_path / "b.csv", list(range(1, 21)), [1, 0] * 10, 0)
    (tmp_path / "l.csv").write_text("label\n" + "0\n1\n" * 10)
    assert trainer(tmp_path / "a.csv", "--labels", tmp_path / "l.csv")[0] == 0
    for inputs in (["b.csv"], ["a.csv", "b.csv"]):
        code, _, err = trainer(*(tmp_path / name for name in inputs), "--labels", tmp_path / "l.csv")
        assert code == 2
        assert "has no ids of candidates" in err
    (tmp_path / "l.csv").write_text("label\n0\n1\n")
    assert trainer(tmp_path / "a.csv", "--labels", tmp_path / "l.csv")[0] == 2


def test_labels_that_name_no_row_are_told(tmp_path, trainer):
    table(tmp_path / "a.csv", list(range(20)), [1, 0] * 10, 0)
    (tmp_path / "l.csv").write_text("ID,label\n0,1\n1,0\n50,1\n51,1\n7,1\n")
    code, said, _ = trainer(tmp_path / "a.csv", "--labels", tmp_path / "l.csv")
    assert code == 0
    assert "20 rows: 3 usable, 17 without a label" in said
    assert "2 labels of" in said


# DES stamps


def write_des(folder, number, level, only=("srch", "temp", "diff")):
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(("srch", "temp", "diff")):
        if name in only:
            plane = np.arange(51 * 51, dtype=np.float32).reshape(51, 51) + 10 * level + k
            (folder / f"{name}{number}.fits").write_bytes(fits_bytes(plane))


def levels(stamps):
    """Return which level each plane was written with, and -1 where it is missing."""
    planes = [[stamps.plane(row, name) for name in CHANNELS] for row in range(len(stamps))]
    return [[-1 if one is None else (one[0, 0] - k) / 10 for k, one in enumerate(row)] for row in planes]


def test_planes_of_two_folders_are_never_one_candidate(tmp_path):
    write_des(tmp_path / "a", 7, 1, ("srch", "diff"))
    write_des(tmp_path / "b", 7, 2)
    write_des(tmp_path / "b", "007", 3)
    write_des(tmp_path / "b", 8, 4, ("temp",))
    stamps = read(tmp_path)
    found = dict(zip(stamps.candidate_id.tolist(), levels(stamps), strict=True))
    assert found == {"a/7": [1, -1, 1], "b/7": [2, 2, 2], "007": [3, 3, 3], "8": [-1, 4, -1]}
    assert stamps.object_id.tolist() == stamps.candidate_id.tolist()
    missing = [flags.names(int(bits)) == ["missing"] for bits in stamps.flags]
    assert missing == [-1 in found[one] for one in stamps.candidate_id]


def test_des_tables_say_what_is_of_their_folder(tmp_path):
    for k, name in enumerate("ab"):
        write_des(tmp_path / name, 7, k)
        write_des(tmp_path / name, 10 + k, k)
        (tmp_path / name / "t.csv").write_text(f"ID,MAG\n7,{20 + k}\n{10 + k},{22 + k}\n")
    (tmp_path / "more.csv").write_text("ID,SNR\n10,5\n11,6\n")
    stamps = read(tmp_path)
    found = {
        one: [float(stamps.catalogue[name][row]) for name in ("MAG", "SNR")]
        for row, one in enumerate(stamps.candidate_id)
    }
    assert found["a/7"][0] == 20
    assert found["b/7"][0] == 21
    assert found["10"] == [22, 5]
    assert found["11"] == [23, 6]
    (tmp_path / "more.csv").write_text("ID,SNR\n7,5\n")
    with pytest.raises(
        ReadError, match=r"more\.csv of the stamps has one row of ID 7, which is a candidate of .*a and of .*b"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ID,MAG\n7,20\n7,21\n", "ID 7 occurs more than once"),
        ("ID,MAG\n7,20\n8,21\n8,22\n", None),
    ],
)
def test_a_des_table_names_a_candidate_once(tmp_path, text, told):
    write_des(tmp_path, 7, 1)
    (tmp_path / "t.csv").write_text(text)
    if told is None:
        assert read(tmp_path).catalogue["MAG"].tolist() == [20]
        return
    with pytest.raises(ReadError, match=told):
        read(tmp_path)


def test_des_tables_complete_and_contradict_each_other(tmp_path):
    write_des(tmp_path, 7, 1)
    (tmp_path / "1.csv").write_text("ID,MAG\n7,20\n")
    (tmp_path / "2.csv").write_text("ID,MAG,SNR\n7,20,5\n")
    stamps = read(tmp_path)
    assert (stamps.catalogue["MAG"].tolist(), stamps.catalogue["SNR"].tolist()) == ([20], [5])
    (tmp_path / "2.csv").write_text("ID,MAG,SNR\n7,21,5\n")
    write_des(tmp_path, 8, 1)
    (tmp_path / "1.csv").write_text("ID,MAG\n7,20\n8,19\n")
    (tmp_path / "3.csv").write_text("ID,MAG\n7,20\n")
    problems = []
    stamps = read(tmp_path, problems=problems)
    assert np.array_equal(stamps.catalogue["MAG"], np.float32([np.nan, 19]), equal_nan=True)
    assert np.array_equal(stamps.catalogue["SNR"], np.float32([5, np.nan]), equal_nan=True)
    assert [flags.names(int(one)) for one in stamps.flags] == [["bad_cell"], []]
    (told,) = problems
    assert told.message == "the tables 1.csv and 2.csv of the stamps contradict each other on MAG of ID 7"
    assert (told.row, told.object_id, told.of_file) == (0, "7", False)


@pytest.mark.parametrize(
    "content",
    [
        "ID,MAG\n7\n8\n".encode("utf-16"),
        b"\0\1\2",
        b"",
        b"ID,MAG\n",
        b"ID,MAG,MAG\n7,20,21\n",
        b"ID,MAG\n7\n8,1,2\n",
        None,
    ],
)
def test_a_des_table_that_cannot_be_read_costs_a_line(tmp_path, capsys, content):
    write_des(tmp_path / "in", 7, 1)
    (tmp_path / "in" / "good.csv").write_text("ID,SNR\n7,5\n")
    bad = tmp_path / "in" / "bad.csv"
    bad.symlink_to("nowhere.csv") if content is None else bad.write_bytes(content)
    problems = []
    stamps = read(tmp_path / "in", strict=False, problems=problems)
    assert stamps.object_id.tolist() == ["7"]
    assert stamps.catalogue["SNR"].tolist() == [5]
    assert not stamps.flags.any()
    assert [problem.path for problem in problems] == [str(bad)]
    assert problems[0].of_file
    with pytest.raises(ReadError, match=r"bad\.csv"):
        read(tmp_path / "in")
    assert main(["score", str(tmp_path / "in"), "-o", str(tmp_path / "o.csv"), "--model", "stampnet"]) == 1
    assert capsys.readouterr().err.count("bad.csv") == 1
    assert not np.isnan(s2v.load("stampnet").score(stamps).score).any()


def test_des_numbers_are_text_and_meet_integers_by_value(tmp_path):
    big = "9" * 20
    for k, number in enumerate(["007", "0012", "12", big, "0"]):
        write_des(tmp_path, number, k)
    (tmp_path / "t.csv").write_text(f"ID,MAG\n7,17\n12,22\n{big},30\n0,1\n")
    stamps = read(tmp_path)
    found = dict(zip(stamps.candidate_id.tolist(), stamps.catalogue["MAG"].tolist(), strict=True))
    assert np.isnan(found.pop("0012"))
    assert found == {"007": 17, "12": 22, big: 30, "0": 1}
    out = tmp_path / "o.csv"
    assert main(["score", str(tmp_path), "-o", str(out), "--model", "autoscan"]) == 0
    assert big in out.read_text()


def test_damage_in_a_des_table_costs_a_cell_or_a_line(tmp_path):
    for k in range(3):
        write_des(tmp_path, k, k)
    (tmp_path / "t.csv").write_text("ID,MAG,SNR\n0,n/a,5\n1,21\n2,22,6\n")
    problems = []
    stamps = read(tmp_path, strict=False, problems=problems)
    assert np.array_equal(stamps.catalogue["MAG"], np.float32([np.nan, np.nan, 22]), equal_nan=True)
    assert np.array_equal(stamps.catalogue["SNR"], np.float32([5, np.nan, 6]), equal_nan=True)
    assert flags.names(int(stamps.flags[0])) == ["bad_cell"]
    assert sorted(problem.message for problem in problems) == [
        "line 2: column MAG holds 'n/a', which is no number",
        "line 3 has 2 values, not 3",
    ]
    with pytest.raises(ReadError, match="line 3 has 2 values"):
        read(tmp_path)
