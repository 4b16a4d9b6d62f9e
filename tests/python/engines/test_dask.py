"""Scores in Dask and LSDB: those of the command line, whatever the partitions, empty ones included."""

import numpy as np
import pyarrow as pa
import pytest

import space2vec as s2v
from helpers.damaged_alerts import damaged_alerts, same_scores, scores_by_command_line

pandas = pytest.importorskip("pandas", reason="Dask needs pandas, which is not installed")

import space2vec.dask as engine  # noqa: E402


@pytest.fixture(scope="module")
def table():
    return damaged_alerts()


@pytest.fixture(scope="module")
def expected(table, tmp_path_factory):
    return scores_by_command_line(table, tmp_path_factory.mktemp("night"))


def as_frame(table, kind):
    return table.to_pandas(types_mapper=pandas.ArrowDtype) if kind == "arrow" else table.to_pandas()


def as_table(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.mark.parametrize("kind", ["arrow", "objects"])
def test_a_partition_is_scored(table, expected, kind):
    frame = as_frame(table, kind)
    frame.index = np.arange(100, 100 + len(frame))
    got = engine.score_partition(frame, passthrough=["schemavsn"])
    assert got.index.tolist() == frame.index.tolist()
    assert list(got.columns) == [*s2v.Scores.arrow_schema().names, "schemavsn"]
    assert same_scores(as_table(got), expected)
    assert got["schemavsn"].dtype == frame["schemavsn"].dtype
    assert got["model"].unique().tolist() == [s2v.load("default").id]


@pytest.mark.parametrize("kind", ["arrow", "objects"])
def test_types_do_not_depend_on_rows(table, kind):
    frame = as_frame(table, kind)
    types = engine.meta(frame, passthrough=["candid"]).dtypes
    assert len(engine.meta(frame)) == 0
    for part in (frame, frame.iloc[:0], frame.iloc[10:11]):
        assert engine.score_partition(part, passthrough=["candid"]).dtypes.tolist() == types.tolist()
    assert types["candidate_id"] == pandas.ArrowDtype(pa.int64())


def test_ids_of_objects_are_text(table):
    frame = as_frame(table, "objects")
    frame["candid"] = [str(number) for number in frame["candid"]]
    frame["candid"] = frame["candid"].astype(object)
    for part in (frame, frame.iloc[:0], frame.iloc[:3]):
        got = engine.score_partition(part)
        assert got["candidate_id"].dtype == pandas.ArrowDtype(pa.string())
        assert got["candidate_id"].tolist() == part["candid"].tolist()


def test_what_cannot_be_is_refused(table):
    frame = as_frame(table, "arrow")
    with pytest.raises(ValueError, match="no column 'nosuch' to go along"):
        engine.score_partition(frame, passthrough=["nosuch"])
    with pytest.raises(ValueError, match="columns model of its own"):
        engine.meta(frame, passthrough=["model"])


@pytest.mark.parametrize("model", ["default", "sent"])
@pytest.mark.parametrize("partitions", [1, 3, 7])
def test_dask_gives_what_the_command_line_gives(table, expected, partitions, model):
    dd = pytest.importorskip("dask.dataframe", reason="Dask is not installed")
    frame = dd.from_pandas(as_frame(table, "arrow"), npartitions=partitions)
    chosen = s2v.load("default") if model == "sent" else model
    result = engine.score(frame, chosen, passthrough=["schemavsn"])
    got = result.compute(scheduler="synchronous")
    assert got.dtypes.tolist() == result.dtypes.tolist()
    assert same_scores(as_table(got), expected)
    few = engine.score(frame[frame["candid"] == 10**17 + 5], chosen).compute(scheduler="synchronous")
    assert few["candidate_id"].tolist() == [10**17 + 5]


def test_an_lsdb_catalogue_is_scored(table, expected):
    lsdb = pytest.importorskip("lsdb", reason="LSDB is not installed")
    place = np.random.default_rng(3)
    frame = as_frame(table.drop_columns(["prv_candidates"]), "arrow")
    frame["ra"], frame["dec"] = place.uniform(0, 360, len(frame)), place.uniform(-80, 80, len(frame))
    catalogue = lsdb.from_dataframe(
        frame, ra_column="ra", dec_column="dec", lowest_order=0, highest_order=3, partition_rows=8
    )
    result = engine.score(catalogue, passthrough=["schemavsn"])
    got = result.compute()
    assert same_scores(as_table(got[s2v.Scores.arrow_schema().names]), expected)
    assert sorted(got["ra"]) == sorted(frame["ra"])
    assert (got["schemavsn"] == "3.3").all()
    few = engine.score(catalogue.query("candid == 100000000000000005"))  # most partitions are empty
    assert few.compute()["candidate_id"].tolist() == [10**17 + 5]
