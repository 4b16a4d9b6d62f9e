"""Files that mean harm cost a flagged row each: good rows beside them keep their scores, and memory stays bounded."""

import gzip
import io

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import hostile
from helpers.packets import avro_bytes, packet
from hostile.avro import alert_schema, container, number, record
from hostile.making import raw_deflate
from hostile.night import complaints
from space2vec import evaluation, load, read
from space2vec.cli import main
from space2vec.data.flags import names
from space2vec.data.ids import printable
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.errors import ReadError
from space2vec.reading import Limits, batches, read_labels, read_scores


def test_a_night_with_hostile_files(tmp_path):
    assert not complaints(hostile.quick(hostile.STAMPS), tmp_path, 60)


def test_tables_with_hostile_ones_beside(tmp_path):
    assert not complaints(hostile.quick(hostile.TABLES), tmp_path, 300, tables=True)


@pytest.mark.parametrize("name", sorted(hostile.quick(hostile.STAMPS)))
def test_a_hostile_file_through_python(tmp_path, name):
    made = tuple(printable(str(path)) for path in hostile.STAMPS[name](tmp_path))
    (tmp_path / "zz_good.avro").write_bytes(avro_bytes([packet(k) for k in range(3)]))
    problems = []
    rows = read(tmp_path, strict=False, problems=problems)
    good = [rows.object_id.tolist().index(f"ZTF18test{k:03d}") for k in range(3)]
    assert not rows.flags[good].any()
    assert any(problem.path.startswith(made) for problem in problems)
    assert all(str(problem).isprintable() for problem in problems)
    given = [one for batch in batches(tmp_path) for one in batch.rows.object_id.tolist()]
    assert given == rows.object_id.tolist()


def test_long_ids_cost_their_rows(tmp_path):
    good = record(b"good", number(1))
    (tmp_path / "x.avro").write_bytes(container(alert_schema(), [(3, good + record(b"x" * 1025, number(2)) + good)]))
    problems = []
    stamps = read(tmp_path / "x.avro", strict=False, problems=problems)
    assert stamps.object_id.tolist() == ["good", "x", "good"]
    assert stamps.candidate_id.tolist() == [1, 2, 1]
    assert names(int(stamps.flags[1])) == ["bad_stamp"]
    (told,) = [problem for problem in problems if problem.of_file]
    assert told.message.startswith("an id of 1025 bytes; --limit id_bytes=N")
    allowed = read(tmp_path / "x.avro", strict=False, limits=Limits(id_bytes=1025))
    assert allowed.object_id[1] == "x" * 1025
    with pytest.raises(ReadError, match="an id of 1025 bytes"):
        read(tmp_path / "x.avro")


def test_long_ids_of_arrays_and_tables(tmp_path):
    pixels = np.random.default_rng(0).normal(size=(3, 3, 9, 9)).astype(np.float32)
    np.savez(tmp_path / "x.npz", pixels=pixels, object_id=np.array(["a", "é" * 600, "c"]))
    stamps = read(tmp_path / "x.npz", strict=False)
    assert stamps.object_id.tolist() == ["a", "x", "c"]
    assert [names(int(flags)) for flags in stamps.flags] == [[], ["bad_stamp"], []]
    table = pa.table({"candid": ["7", "8" * 2000, "9"], "cutoutScience": [b"x"] * 3, "objectId": ["a", "b", "c"]})
    parquet.write_table(table, tmp_path / "x.parquet")
    problems = []
    alerts = read(tmp_path / "x.parquet", strict=False, problems=problems)
    assert alerts.candidate_id.tolist()[::2] == ["7", "9"]
    assert alerts.candidate_id[1] is None
    assert any("an id of" in problem.message for problem in problems)


def test_batches_are_bounded_by_the_bytes_of_their_pixels(tmp_path):
    pixels = np.random.default_rng(0).normal(size=(20, 3, 50, 50)).astype(np.float32)
    file = io.BytesIO()
    np.save(file, pixels)
    (tmp_path / "x.npy").write_bytes(file.getvalue())
    (tmp_path / "x.avro").write_bytes(avro_bytes([packet(k) for k in range(20)]))
    for name, most in (("x.npy", 3 * 30_000), ("x.avro", 3 * 4 * 63 * 63 * 4)):
        parts = [part.rows for part in batches(tmp_path / name, limits=Limits(batch_bytes=most))]
        assert max(len(part) for part in parts) in (3, 4)
        assert sum(len(part) for part in parts) == 20
    assert [len(part.rows) for part in batches(tmp_path / "x.avro", limits=Limits(batch_bytes=1))] == [1] * 20


def test_rows_stand_in_proportion_to_bytes(tmp_path):
    packed = raw_deflate(5000 * record(), 0)
    (tmp_path / "x.avro").write_bytes(container(alert_schema(), [(5000, packed)] * 2, "deflate"))
    with pytest.raises(ReadError, match="more rows than 10 in a file as small"):
        read(tmp_path / "x.avro", limits=Limits(free_rows=10, free_bytes=1 << 20))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_binary()])
def test_long_texts_of_parquet_cost_their_rows_as_those_of_avro(tmp_path, kind):
    alerts = [{**packet(k), "note": text} for k, text in enumerate(["a", "b" * 65537, None, "c" * 65536])]
    table = pa.Table.from_pylist(alerts)
    place = table.schema.get_field_index("note")
    table = table.set_column(place, "note", table["note"].cast(kind))
    parquet.write_table(table, tmp_path / "x.parquet")
    problems = []
    stamps = read(tmp_path / "x.parquet", strict=False, columns=["note"], problems=problems)
    assert stamps.columns["note"].tolist() == ["a", None, None, "c" * 65536]
    assert [names(int(flags)) for flags in stamps.flags] == [[], ["bad_stamp"], [], []]
    (told,) = problems
    assert str(told) == f"{tmp_path}/x.parquet, record 1: a text of 65537 bytes"
    assert (told.row, told.object_id) == (1, "ZTF18test001")
    assert not read(tmp_path / "x.parquet").flags.any()
    for model in ("stampnet", "forest"):
        parts = list(batches(tmp_path / "x.parquet", columns=["note"], model=load(model)))
        scores = np.concatenate(
            [
                load(model).score(part.rows).score if isinstance(part.rows, Stamps | Features) else part.rows.score
                for part in parts
            ]
        )
        assert np.isnan(scores).tolist() == [False, True, False, False]


def test_labels_and_scores_have_the_limits_of_all_tables(tmp_path):
    rows = 30_000
    pa_table = pa.table({"label": [1] * rows, "score": [0.5] * rows})
    parquet.write_table(pa_table, tmp_path / "many.parquet")
    for reader in (read_labels, read_scores):
        with pytest.raises(ReadError, match="30000 rows in"):
            reader(tmp_path / "many.parquet")
    limits = Limits(free_rows=rows)
    assert len(read_labels(tmp_path / "many.parquet", limits=limits).real) == rows
    assert len(read_scores(tmp_path / "many.parquet", limits=limits).score) == rows


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_long_id_of_a_label_costs_its_row(tmp_path, suffix):
    ids = ["a", "x" * 3000, "é" * 600, "d"]
    table = pa.table({"candidate_id": ids, "label": [1, 0, 1, 0], "score": [0.9, 0.1, 0.8, 0.2]})
    path = tmp_path / f"t.{suffix}"
    parquet.write_table(table, path) if suffix == "parquet" else csv.write_csv(table, path)
    problems = []
    labels = read_labels(path, problems=problems)
    assert labels.candidate_id.tolist() == ["a", None, None, "d"]
    assert np.array_equal(labels.real, [1, np.nan, np.nan, 0], equal_nan=True)
    assert [(problem.row, problem.reason) for problem in problems] == [(1, "too_large"), (2, "too_large")]
    with pytest.raises(ReadError, match=r"an id of \d+ bytes; --limit id_bytes=N"):
        read_scores(path)
    wide = Limits(id_bytes=3000)
    assert read_scores(path, limits=wide).candidate_id.tolist() == ids
    found = evaluation.join(path, path, problems=[])
    assert found.ids.tolist() == ["a", "d"]
    assert evaluation.join(path, path, limits=wide).ids.tolist() == ids
    assert main(["evaluate", str(path), "--labels", str(path), "--bootstrap", "10", "--limit", "id_bytes=3000"]) == 0
    assert main(["evaluate", str(path), "--labels", str(path), "--bootstrap", "10"]) == 1


def test_limits_are_positive():
    with pytest.raises(ValueError, match="the limit id_bytes must be at least 1; given 0"):
        Limits(id_bytes=0)


@pytest.mark.parametrize("threads", [1, 3])
def test_small_blocks_are_granted_what_they_use(tmp_path, threads):
    one = [(1, record(b"good", number(1)))]
    (tmp_path / "x.avro").write_bytes(container(alert_schema(), 2000 * one))
    (tmp_path / "y.avro").write_bytes(container(alert_schema(), [(1, raw_deflate(one[0][1], 0))] * 2000, "deflate"))
    for name in "xy":
        stamps = read(tmp_path / f"{name}.avro", threads=threads)
        assert stamps.object_id.tolist() == 2000 * ["good"]


def test_what_a_file_unpacks_to_is_the_same_with_any_threads(tmp_path):
    # Blocks of one alert whose cutouts unpack to 4 MB each.
    large = gzip.compress(bytes(4 << 20), 9)
    block = raw_deflate(record(b"large", number(1), large), 0)
    (tmp_path / "x.avro").write_bytes(container(alert_schema(), [(1, block)] * 60, "deflate"))
    told = []
    for threads in (1, 2, 5):
        problems = []
        limits = Limits(free_bytes=64 << 20)
        read(tmp_path / "x.avro", strict=False, problems=problems, threads=threads, limits=limits)
        told.append([(problem.row, problem.reason) for problem in problems])
    assert told[0] == told[1] == told[2]
    assert {reason for _, reason in told[0]} >= {"too_large"}
    first = min(row for row, reason in told[0] if reason == "too_large")
    size = (tmp_path / "x.avro").stat().st_size
    assert 4 <= first <= (64 + size / 1024) / 12 + 1
