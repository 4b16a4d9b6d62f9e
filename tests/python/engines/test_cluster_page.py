"""The recipes of docs/cluster.md, each where its engine is installed: the rows that come are those of the night."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import space2vec as s2v
from helpers.damaged_alerts import OFF_CENTRE, damaged_alerts, same_scores, scores_by_command_line

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "cluster.md").read_text(encoding="utf-8")
#: The code of each section.
RECIPES = {
    title: "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    for title, text in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}


@pytest.fixture(scope="module")
def table():
    return damaged_alerts()


@pytest.fixture
def night(table, tmp_path, monkeypatch):
    """Stand where the recipes look for their night; return what the command line makes of it."""
    monkeypatch.chdir(tmp_path)
    parquet.write_table(table, "night.parquet")
    place = np.random.default_rng(3)
    flat = table.drop_columns(["prv_candidates"])
    flat = flat.append_column("ra", pa.array(place.uniform(0, 360, len(flat))))
    parquet.write_table(flat.append_column("dec", pa.array(place.uniform(-80, 80, len(flat)))),
                        "night_with_positions.parquet")  # fmt: skip
    return scores_by_command_line(table, tmp_path)


def run(title):
    names = {"parquet": parquet}
    exec(compile(RECIPES[title], f"cluster.md, {title}", "exec"), names)
    return names


def test_every_section_with_code_is_tried():
    assert {title for title, code in RECIPES.items() if code} == {"PyArrow alone", "Spark", "Dask", "LSDB", "Ray"}


def test_by_hand(night):
    scored = run("PyArrow alone")["scored"]
    assert scored.schema == s2v.Scores.arrow_schema()
    assert same_scores(scored, night)


def test_spark(night, monkeypatch):
    pytest.importorskip("pyspark", reason="PySpark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    names = run("Spark")
    try:
        good = [row["candidate_id"] for row in night.to_pylist() if row["score"] > 0.9]
        assert sorted(parquet.read_table("scored.parquet")["candidate_id"].to_pylist()) == sorted(good)
        got = {row.candid: row.rb for row in names["with_score"].select("candid", "rb").collect()}
        expected = dict(zip(night["candidate_id"].to_pylist(), night["score"].to_pylist(), strict=True))
        del expected[10**17 + OFF_CENTRE]  # which cutouts alone do not tell
        assert all(got[one] == expected[one] or np.isnan(expected[one]) for one in expected)
    finally:
        names["spark"].stop()


def test_dask(night):
    pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    run("Dask")
    assert same_scores(parquet.read_table("scored_by_dask"), night)


def test_lsdb(night):
    pytest.importorskip("lsdb", reason="LSDB is not installed")
    bogus = run("LSDB")["bogus"]
    expected = [row["candidate_id"] for row in night.to_pylist() if row["score"] < 0.1]
    assert sorted(bogus["candidate_id"]) == sorted(expected)


def test_ray(night):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        run("Ray")
    finally:
        ray.shutdown()
    assert same_scores(parquet.read_table("scored_by_ray"), night)
