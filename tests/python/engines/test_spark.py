"""Scores in Spark: those of the command line, whatever the partitions and batches."""

import os
import shutil
import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import space2vec as s2v
from helpers.damaged_alerts import OFF_CENTRE, damaged_alerts, same_scores, scores_by_command_line
from space2vec.errors import ModelError, ReadError

pytest.importorskip("pyspark", reason="PySpark is not installed")
if shutil.which("java") is None:
    pytest.skip("Spark needs Java, which is not installed", allow_module_level=True)

import space2vec.spark as engine


@pytest.fixture(scope="module")
def session():
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.sql.execution.arrow.maxRecordsPerBatch", "6")
            .getOrCreate()
        )
        yield session
        session.stop()


@pytest.fixture(scope="module")
def table():
    return damaged_alerts()


@pytest.fixture(scope="module")
def night(table, tmp_path_factory):
    """Return a folder of Parquet files of the alerts, and what the command line makes of them."""
    folder = tmp_path_factory.mktemp("night")
    expected = scores_by_command_line(table, folder)
    (folder / "alerts").mkdir()
    for begin in range(0, 40, 16):
        parquet.write_table(table[begin : begin + 16], folder / "alerts" / f"part{begin}.parquet")
    return folder / "alerts", expected


def as_table(frame):
    return pa.Table.from_batches(frame.toArrow().to_batches())


@pytest.mark.parametrize("partitions", [1, 5])
def test_spark_gives_what_the_command_line_gives(session, table, night, partitions):
    folder, expected = night
    frame = session.read.parquet(str(folder)).repartition(partitions)
    got = as_table(engine.score(frame, passthrough=["schemavsn", "candidate"]))
    assert same_scores(got, expected)
    assert got.column_names == [*s2v.Scores.arrow_schema().names, "schemavsn", "candidate"]
    magnitudes = {row["candidate"]["candid"]: row["candidate"]["magpsf"] for row in got.to_pylist()}
    assert magnitudes == {row["candid"]: row["magpsf"] for row in table["candidate"].to_pylist()}


def test_a_model_is_sent_and_a_catalogue_is_read(session, table, night, tmp_path):
    """The model looks at fields of the candidate, of which workers get no more than these."""
    frame = session.read.parquet(str(night[0]))
    got = as_table(engine.score(frame, s2v.load("autoscan")))
    assert same_scores(got, scores_by_command_line(table, tmp_path, "autoscan"))


def test_no_rows_give_none(session, night):
    frame = session.read.parquet(str(night[0]))
    assert engine.score(frame.limit(0)).count() == 0


def test_ids_of_text_stay_text(session, night):
    frame = session.read.parquet(str(night[0])).drop("candidate")
    got = engine.score(frame.withColumn("candid", frame["candid"].cast("string")))
    assert got.schema["candidate_id"].dataType.simpleString() == "string"
    assert sorted(row.candidate_id for row in got.select("candidate_id").collect()) == [
        str(10**17 + row) for row in range(40)
    ]


@pytest.mark.parametrize("suffix", ["", ".stampData"])
def test_a_udf_scores_as_the_modules_of_fink_do(session, night, suffix):
    folder, expected = night
    frame = session.read.parquet(str(folder))
    names = [f"cutout{plane}{suffix}" for plane in ("Science", "Template", "Difference")]
    rows = frame.withColumn("rb", engine.real_bogus(*names)).select("candid", "rb").collect()
    got = np.float32([row.rb for row in sorted(rows)])
    centred = np.arange(len(got)) != OFF_CENTRE  # which cutouts alone do not tell
    assert np.array_equal(got[centred].view(np.uint32), np.asarray(expected["score"])[centred].view(np.uint32))


def test_the_ddl_is_that_of_the_scores(session, night):
    frame = session.read.parquet(str(night[0]))
    scorer = engine.BatchScorer()
    own = frame.mapInArrow(scorer.batches, engine.ddl())
    assert own.schema == engine.score(frame).schema
    assert same_scores(as_table(own), night[1])


def test_what_cannot_be_is_refused_by_the_driver(session, night):
    frame = session.read.parquet(str(night[0]))
    with pytest.raises(ModelError, match="unknown model"):
        engine.score(frame, "nosuch")
    with pytest.raises(ReadError, match="none of the columns is a cutout"):
        engine.score(frame.select("candid"))
    with pytest.raises(ValueError, match="no column 'nosuch' to go along"):
        engine.score(frame, passthrough=["nosuch"])
