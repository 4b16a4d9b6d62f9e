"""Scores of Arrow batches: a row in, a row out, the bits of the same alerts in a file, however they are divided."""

import pickle

import numpy as np
import pyarrow as pa
import pytest

import space2vec as s2v
from helpers.damaged_alerts import damaged_alerts, same_scores, scores_by_command_line
from space2vec.errors import ReadError

ROWS = 40


@pytest.fixture(scope="module")
def table():
    return damaged_alerts(ROWS)


@pytest.fixture(scope="module")
def by_command_line(table, tmp_path_factory):
    """Return what the command line writes of a file of the rows, by model."""
    folder = tmp_path_factory.mktemp("night")
    return {model: scores_by_command_line(table, folder, model) for model in ("default", "forest", "autoscan")}


@pytest.mark.parametrize("size", [1, 7, ROWS])
@pytest.mark.parametrize("name", ["default", "forest", "autoscan"])
def test_scores_are_those_of_the_command_line(table, by_command_line, name, size):
    model, expected = s2v.load(name), by_command_line[name]
    problems = []
    parts = [model.score_arrow(part, threads=1, problems=problems) for part in table.to_batches(max_chunksize=size)]
    got = pa.Table.from_batches(parts)
    assert got.schema == s2v.Scores.arrow_schema()
    assert got.num_rows == ROWS
    assert got["candidate_id"].to_pylist() == expected["candidate_id"].to_pylist()
    assert same_scores(got, expected)
    assert got["model"].unique().to_pylist() == [model.id]
    assert np.isnan(got["score"]).sum() >= 4
    assert problems


def test_one_call_takes_a_whole_table(table, by_command_line):
    problems = []
    whole = s2v.load("default").score_arrow(table, problems=problems)
    assert isinstance(whole, pa.RecordBatch)
    assert whole["flags"].to_pylist() == by_command_line["default"]["flags"].to_pylist()
    assert {problem.row for problem in problems} >= {4, 9, 17, 18}
    assert all(problem.row == problem.record for problem in problems)


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        (pa.array(range(1, ROWS + 1), pa.int32()), pa.int64()),
        (pa.array(range(1, ROWS + 1), pa.uint32()), pa.int64()),
        (pa.array(range(1, ROWS + 1), pa.uint64()), pa.string()),
        (pa.array([str(row) for row in range(1, ROWS + 1)]), pa.string()),
        (pa.array([f"x{row}" for row in range(1, ROWS + 1)]), pa.string()),
    ],
)
def test_ids_of_every_batch_have_the_type_of_the_table(table, ids, kind):
    """Text that looks like a number in one batch and not in another is text in both."""
    model = s2v.load("default")
    other = table.drop_columns(["candid", "candidate"]).append_column("candid", ids)
    parts = [model.score_arrow(part) for part in other.to_batches(max_chunksize=13)]
    assert {part.schema.field("candidate_id").type for part in parts} == {kind}
    assert (
        pa.Table.from_batches(parts)["candidate_id"].cast(pa.string()).to_pylist() == ids.cast(pa.string()).to_pylist()
    )
    assert model.score_arrow(other[:0]).schema.field("candidate_id").type == kind


def test_no_rows_have_the_schema(table):
    batch = s2v.load("default").score_arrow(table[:0])
    assert batch.num_rows == 0
    assert batch.schema == s2v.Scores.arrow_schema()


def test_a_model_that_pickles_gives_the_same(table):
    model = s2v.load("default")
    assert pickle.loads(pickle.dumps(model)).score_arrow(table[:4]).equals(model.score_arrow(table[:4]))


def test_what_cannot_be_scored_is_refused(table):
    model = s2v.load("default")
    with pytest.raises(TypeError, match="given list"):
        model.score_arrow([1])
    with pytest.raises(ReadError, match="none of the columns is a cutout"):
        model.score_arrow(table.select(["candid"]))


def test_batches_of_scores_have_one_schema():
    text = s2v.Scores(np.float32([0.5]), np.uint32([0]), np.array(["a"], object), np.array(["7x"], object), "m 1")
    assert text.to_batch().schema == s2v.Scores.arrow_schema(text_ids=True)
    with pytest.raises(ValueError, match="are text"):
        text.to_batch(text_ids=False)
    number = s2v.Scores(np.float32([0.5]), np.uint32([2]), np.array(["a"], object), np.array([-1]), "m 1")
    assert number.to_batch(text_ids=True)["candidate_id"].to_pylist() == [None]
    assert number.to_batch().to_pylist() == [
        {"object_id": "a", "candidate_id": None, "score": 0.5, "flags": number.flag_names(0), "model": "m 1"}
    ]
