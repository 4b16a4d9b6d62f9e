"""What engines run in their workers, without an engine: models once a process, one schema, columns that go along."""

import pickle

import numpy as np
import pyarrow as pa
import pytest

import space2vec as s2v
from helpers.damaged_alerts import damaged_alerts, same_scores, scores_by_command_line
from space2vec.errors import ModelError, ReadError
from space2vec.models import workers
from space2vec.models.workers import BatchScorer


@pytest.fixture(scope="module")
def table():
    return damaged_alerts()


@pytest.mark.parametrize("size", [1, 9, 40])
def test_batches_are_scored_in_order(table, tmp_path, size):
    scorer = pickle.loads(pickle.dumps(BatchScorer(passthrough=["schemavsn", "candidate"])))
    parts = list(scorer.batches(table.to_batches(max_chunksize=size)))
    assert all(isinstance(part, pa.RecordBatch) for part in parts)
    assert [len(part) for part in parts] == [len(part) for part in table.to_batches(max_chunksize=size)]
    whole = pa.Table.from_batches(parts)
    assert same_scores(whole, scores_by_command_line(table, tmp_path))
    assert whole["candidate"].equals(table["candidate"])
    assert whole.column_names == [*s2v.Scores.arrow_schema().names, "schemavsn", "candidate"]


def test_a_batch_without_rows_has_the_schema(table):
    scorer = BatchScorer(passthrough=["schemavsn"])
    (empty,) = scorer.batches(table[:0].to_batches() or [table.to_batches()[0][:0]])
    assert empty.num_rows == 0
    assert empty.schema == scorer(table[:2]).schema


def test_a_model_is_loaded_once_a_process(tmp_path, monkeypatch):
    file = tmp_path / "mine.safetensors"
    s2v.load("forest").save(file)
    monkeypatch.setattr(workers, "_LOADED", {})
    first = BatchScorer(file).model
    assert pickle.loads(pickle.dumps(BatchScorer(file))).model is first
    assert BatchScorer(str(file)).model is first
    assert BatchScorer("forest").model is BatchScorer("forest").model
    s2v.load("stampnet").save(file)
    assert BatchScorer(file).model.name == s2v.load("stampnet").name


def test_a_model_that_is_sent_is_held_once(table, monkeypatch):
    monkeypatch.setattr(workers, "_LOADED", {})
    sent = pickle.dumps(BatchScorer(s2v.load("forest")))
    first = pickle.loads(sent).model
    assert pickle.loads(sent).model is first
    assert pickle.loads(sent)(table[:3]).equals(BatchScorer("forest")(table[:3]))


def test_only_what_is_looked_at_is_wanted(table):
    names = {steps[0] for steps in BatchScorer("default").columns(table.schema).steps}
    assert "prv_candidates" not in names
    assert {"candid", "objectId", "cutoutScience", "candidate"} <= names
    kept = [name for name in table.column_names if name in names]
    assert same_scores(BatchScorer("autoscan")(table.select(kept)), BatchScorer("autoscan")(table))


def test_what_cannot_be_is_told_at_once(table):
    with pytest.raises(ModelError, match="unknown model 'nosuch'"):
        BatchScorer("nosuch")
    with pytest.raises(ValueError, match="columns flags, score of its own"):
        BatchScorer(passthrough=["score", "flags"])
    with pytest.raises(ValueError, match="no column 'nosuch' to go along; there are schemavsn"):
        BatchScorer(passthrough="nosuch")(table)
    with pytest.raises(ReadError, match="none of the columns is a cutout"):
        BatchScorer()(table.select(["candid"]))


def test_threads_change_nothing(table):
    assert same_scores(BatchScorer(threads=3)(table), BatchScorer()(table))
    assert np.isfinite(BatchScorer()(table)["score"].to_numpy()).sum() > 25
