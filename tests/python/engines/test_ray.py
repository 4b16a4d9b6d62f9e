"""Scores in Ray Data: those of the command line, whatever the blocks."""

import os
import sys

import pyarrow as pa
import pytest

import space2vec as s2v
from helpers.damaged_alerts import damaged_alerts, same_scores, scores_by_command_line
from space2vec.errors import ModelError

ray = pytest.importorskip("ray", reason="Ray is not installed")

import space2vec.ray as engine  # noqa: E402


@pytest.fixture(scope="module")
def cluster():
    paths = os.pathsep.join(filter(None, sys.path))
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": {"PYTHONPATH": paths}})
    yield
    ray.shutdown()


@pytest.mark.parametrize(("model", "blocks"), [("default", 1), ("sent", 4)])
def test_ray_gives_what_the_command_line_gives(cluster, tmp_path, model, blocks):
    table = damaged_alerts()
    cut = [table[begin : begin + len(table) // blocks] for begin in range(0, len(table), len(table) // blocks)]
    dataset = ray.data.from_arrow([*cut, table[:0]])
    chosen = s2v.load("default") if model == "sent" else model
    scored = engine.score(dataset, chosen, passthrough=["schemavsn"], batch_size=7)
    got = pa.concat_tables(batch for batch in scored.iter_batches(batch_format="pyarrow") if batch.num_rows)
    assert same_scores(got, scores_by_command_line(table, tmp_path))
    assert got.column_names == [*s2v.Scores.arrow_schema().names, "schemavsn"]


def test_a_block_without_columns_has_no_rows():
    assert engine.Scorer()(pa.table({})).num_rows == 0


def test_what_cannot_be_is_refused_at_once(cluster):
    dataset = ray.data.from_arrow(damaged_alerts())
    with pytest.raises(ModelError, match="unknown model"):
        engine.score(dataset, "nosuch")
    with pytest.raises(ValueError, match="of its own"):
        engine.score(dataset, passthrough=["flags"])
