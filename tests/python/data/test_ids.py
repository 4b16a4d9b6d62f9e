"""Ids of candidates: as they are, in batches, tables, files and outputs."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.data import arrow
from space2vec.data.ids import NO_ID, as_ids, concatenate_ids, id_keys, id_texts, parse_ids, printable, text_array
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.training.dataset import split

BEYOND = 2**64 - 1


@pytest.mark.parametrize(
    ("texts", "ids"),
    [
        (["7", "0", "-3", str(2**63 - 1)], [7, 0, -3, 2**63 - 1]),
        (["7", None, ""], [7, NO_ID, NO_ID]),
        (["007", "7"], ["007", "7"]),
        (["0x1F"], ["0x1F"]),
        (["+7", "-0", "7.0", "1_0", "٣"], ["+7", "-0", "7.0", "1_0", "٣"]),
        ([str(2**63), None, "5"], [str(2**63), None, "5"]),
        (["9" * 20, "9" * 5000], ["9" * 20, "9" * 5000]),
        ([], []),
    ],
)
def test_ids_of_text_are_integers_only_where_they_are_written_so(texts, ids):
    got = parse_ids(texts)
    assert got.tolist() == ids
    assert got.dtype == (object if any(isinstance(one, str) for one in ids) else np.int64)


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ([3, 4], [3, 4]),
        (np.array([3, 4], np.uint8), [3, 4]),
        (np.array([BEYOND, 4], np.uint64), [str(BEYOND), "4"]),
        ([2**63, -1, 4], [str(2**63), None, "4"]),
        (["7", "8"], ["7", "8"]),
        (np.array(["a", ""]), ["a", None]),
        (np.array([b"a", b"\xe9"]), ["a", "\\xe9"]),
        ([None, 4], [NO_ID, 4]),
        ([None, "x", 4], [None, "x", "4"]),
        (np.ma.array([3, 4], mask=[0, 1]), [3, NO_ID]),
        (np.ma.array(["a", "b"], mask=[0, 1]), ["a", None]),
        (np.array([1.0, np.nan], object)[1:], [NO_ID]),
        ([], []),
    ],
)
def test_ids_of_any_array(given, ids):
    got = as_ids(given)
    assert got.tolist() == ids
    assert got.dtype in (np.int64, object)


@pytest.mark.parametrize("given", [[1.5], np.ones(2), [True], np.array([1j])])
def test_ids_that_are_none_are_named(given):
    with pytest.raises(TypeError, match=r"candidate_id .*accepted are whole numbers or text"):
        as_ids(given)


def test_joined_ids_are_what_a_reader_of_one_batch_would_have():
    parts = [["1", None], ["002"], ["3", str(BEYOND)]]
    whole = parse_ids([one for part in parts for one in part])
    assert concatenate_ids([parse_ids(part) for part in parts]).tolist() == whole.tolist()
    assert id_keys(whole) == ["1", None, "002", "3", str(BEYOND)]
    assert id_texts(whole).tolist() == ["1", "", "002", "3", str(BEYOND)]
    assert arrow.ids(whole).to_pylist() == ["1", None, "002", "3", str(BEYOND)]
    assert as_ids(id_texts(whole)).tolist() == whole.tolist()


def test_text_that_is_not_utf8_can_be_held():
    assert printable("caf\udce9") == "caf\\xe9"
    assert printable("\ud800x") == "\\ud800x"
    ids = as_ids(["caf\udce9", "b"])
    table = Scores(np.float32([0.5, 0.5]), np.zeros(2, np.uint32), ids, ids, "m").to_arrow()
    assert table["object_id"].to_pylist() == table["candidate_id"].to_pylist() == ["caf\\xe9", "b"]


def test_ids_beyond_int64_are_held_by_every_value():
    ids = np.array([BEYOND, 2**63, 5], np.uint64)
    stamps = s2v.Stamps(np.zeros((3, 3, 9, 9), np.float32), candidate_id=ids)
    table = Features(np.zeros((3, 1)), ("AMP",), candidate_id=ids)
    scores = Scores(np.zeros(3, np.float32), np.zeros(3, np.uint32), stamps.object_id, ids, "m")
    for rows in (stamps, table, scores):
        assert rows.candidate_id.tolist() == [str(BEYOND), str(2**63), "5"]
    assert scores.to_arrow()["candidate_id"].to_pylist() == [str(BEYOND), str(2**63), "5"]
    assert table.to_astropy()["candidate_id"].tolist() == [str(BEYOND), str(2**63), "5"]
    joined = s2v.Stamps.concatenate([stamps, s2v.Stamps(np.zeros((1, 3, 9, 9), np.float32), candidate_id=[7])])
    assert joined.candidate_id.tolist() == [str(BEYOND), str(2**63), "5", "7"]


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("part", [1, 2, 100])
def test_an_output_holds_text_ids_after_integers_however_its_parts_fall(tmp_path, suffix, part):
    np.savez(tmp_path / "a.npz", pixels=np.ones((3, 3, 9, 9)), candidate_id=[5, 6, 7])
    np.savez(tmp_path / "b.npz", pixels=np.ones((2, 3, 9, 9)), candidate_id=["007", "x"])
    np.savez(tmp_path / "c.npz", pixels=np.ones((2, 3, 9, 9)), candidate_id=np.array([BEYOND, 8], np.uint64))
    names = [str(tmp_path / f"{name}.npz") for name in "abc"]
    out = tmp_path / f"out.{suffix}"
    assert main(["score", *names, "-o", str(out), "--model", "autoscan", "--part-rows", str(part)]) == 0
    for path in (out, tmp_path / f"out.errors.{suffix}"):
        if suffix == "parquet":
            table = pq.read_table(path)
        else:
            text = pa.csv.ConvertOptions(column_types={"candidate_id": pa.string()})
            table = pa.csv.read_csv(path, convert_options=text)
        assert table["candidate_id"].to_pylist() == ["5", "6", "7", "007", "x", str(BEYOND), "8"]


@pytest.mark.parametrize("name", ["candId", "id", "Id", "cand_ID", "CANDID", "candidateId", "diaSourceId", "ID"])
@pytest.mark.parametrize("objects", ["object_id", "objectid", "OBJECT_ID", "diaObjectId"])
def test_ids_are_found_under_the_names_that_surveys_write(tmp_path, name, objects):
    """Case and underscores do not count."""
    pq.write_table(pa.table({objects: ["x", "y"], name: [7, 9], "AMP": [1.0, 2.0]}), tmp_path / "t.parquet")
    table = s2v.read_table(tmp_path / "t.parquet")
    assert (table.object_id.tolist(), table.candidate_id.tolist()) == (["x", "y"], [7, 9])
    pixels = np.random.default_rng(0).normal(size=(2, 3, 51, 51))
    np.savez(tmp_path / "s.npz", pixels=pixels, **{objects: np.array(["x", "y"]), name: np.array([7, 9])})
    stamps = s2v.read(tmp_path / "s.npz")
    assert (stamps.object_id.tolist(), stamps.candidate_id.tolist()) == (["x", "y"], [7, 9])


def test_of_several_ids_the_plainest_name_counts_and_others_are_not_looked_at(tmp_path):
    columns = {"id": [0.5, 1.5], "candId": [3, 4], "candid": [5, 6], "AMP": [1.0, 2.0]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    assert s2v.read_table(tmp_path / "t.parquet").candidate_id.tolist() == [5, 6]


def test_scores_and_labels_are_joined_under_these_names(tmp_path):
    ids = list(range(40))
    real = [k % 2 for k in ids]
    pq.write_table(pa.table({"candId": ids, "score": [0.2 + 0.6 * k for k in real]}), tmp_path / "s.parquet")
    pq.write_table(pa.table({"id": ids, "label": real}), tmp_path / "l.parquet")
    found = s2v.evaluation.evaluate_files(tmp_path / "s.parquet", tmp_path / "l.parquet", bootstrap=0)
    assert (found.real, found.bogus, found["auc"]) == (20, 20, 1.0)


def test_one_long_id_costs_no_room_in_other_rows():
    rows = 20_000
    names = [f"ZTF18{k:07d}" for k in range(rows)]
    names[5] = "x" * 1024
    pixels = np.zeros((rows, 1, 1, 1), dtype=np.float32)
    tracemalloc.start()
    stamps = Stamps(pixels, channels=["difference"], object_id=names, candidate_id=names)
    labelled = LabelledStamps(stamps, np.zeros(rows, np.int8), np.full(rows, "real"))
    scores = Scores(pixels[:, 0, 0, 0], np.zeros(rows, np.uint32), stamps.object_id, stamps.candidate_id, "m",
                    columns={"note": names})  # fmt: skip
    table = scores.to_astropy()
    parts = split(labelled.group, (0.5, 0.5), 1)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 4 * 64 * rows * 3
    assert stamps.object_id.tolist() == labelled.group.tolist() == table["object_id"].tolist() == names
    assert table["note"].tolist() == names
    assert sum(map(len, parts)) == rows
    short = LabelledStamps(stamps[6:9], np.zeros(3, np.int8), ["a", "b", "c"])
    assert (short.group.dtype.kind, short.kind.dtype.kind) == ("U", "U")
    both = LabelledStamps.concatenate([short, labelled[4:6]])
    assert both.group.tolist() == [*names[6:9], *names[4:6]]
    assert len(both[:3].group) == 3


@pytest.mark.parametrize(
    "values", [["a", "b"], np.array([1, 2]), np.array([b"a", b"b"]), [], ("a" * 65, "b"), [1, "b"]]
)
def test_text_arrays_hold_what_numpy_makes_of_them(values):
    texts = text_array(values)
    assert texts.tolist() == np.asarray(values).astype(np.str_).tolist()
    assert texts.dtype.kind == ("O" if max(map(len, texts.tolist()), default=0) > 64 else "U")
