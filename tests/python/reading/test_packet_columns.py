"""Further columns of packets: any path, without loss, from Avro, Parquet and messages, beside stamps and features."""

import io

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from helpers.packets import CUTOUTS, SCHEMA, avro_bytes, fits_bytes, packet, planes
from space2vec.errors import ReadError
from space2vec.plans.features import FeaturePlan
from space2vec.reading import (
    RUBIN_COLUMNS,
    ZTF_COLUMNS,
    batches,
    default_columns,
    read,
    read_messages,
)
from space2vec.registry import AUTOSCAN

_EXTRA = {
    "type": "record",
    "name": "extra",
    "fields": [
        {"name": "count", "type": ["null", "long"]},
        {"name": "rate", "type": ["null", "double"]},
        {"name": "name", "type": ["null", "string"]},
        {"name": "flag", "type": ["null", "boolean"]},
        {"name": "kind", "type": {"type": "enum", "name": "kinds", "symbols": ["SN", "AGN"]}},
        {"name": "mixed", "type": ["null", "long", "string", "double"]},
        {"name": "list", "type": {"type": "array", "items": "int"}},
        {
            "name": "inner",
            "type": ["null", {"type": "record", "name": "inner", "fields": [{"name": "deep", "type": "int"}]}],
        },
    ],
}
RICH = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "extra", "type": ["null", _EXTRA]}]}
PATHS = (
    "extra.count", "extra.rate", "extra.name", "extra.flag", "extra.kind", "extra.mixed", "extra.inner.deep", "magpsf",
    "candidate.fid", "objectId",
)  # fmt: skip


def rich_alert(number):
    alert = packet(number, planes(number, (21, 21)))
    if number % 5 == 4:
        return alert | {"extra": None}
    extra = {
        "count": [2**62 + number, None, -1][number % 3],
        "rate": [number / 7, None][number % 2],
        "name": [f"n{number}", "", None, "é"][number % 4],
        "flag": [True, False, None][number % 3],
        "kind": ["SN", "AGN"][number % 2],
        "mixed": [None, number, f"m{number}", number + 0.5][number % 4],
        "list": [1, 2],
        "inner": [None, {"deep": number}][number % 2],
    }
    return alert | {"extra": extra}


def wanted(alerts, path):
    """Return the values at a path, by plain Python."""
    path = {"magpsf": "candidate.magpsf"}.get(path, path)
    values = []
    for alert in alerts:
        value = alert
        for step in path.split("."):
            value = None if value is None else value[step]
        values.append(value)
    return values


def assert_columns(columns, alerts, paths=PATHS):
    assert tuple(columns) == paths
    for path in paths:
        want, got = wanted(alerts, path), columns[path]
        assert got.shape == (len(alerts),)
        if any(isinstance(value, str) for value in want):
            assert got.dtype == object
            assert got.tolist() == [None if value is None else str(value) for value in want]
        elif any(isinstance(value, float) for value in want):
            assert got.dtype == np.float64
            expected = [np.nan if value is None else value for value in want]
            if path == "magpsf":
                expected = np.float32(expected)
            assert np.array_equal(got, expected, equal_nan=True)
        else:
            assert isinstance(got, np.ma.MaskedArray)
            assert got.dtype == np.int64
            assert got.tolist() == [None if value is None else int(value) for value in want]


@pytest.mark.parametrize("block", [1, 20_000, 1 << 30])
@pytest.mark.parametrize("batch", [1, 7, 100])
def test_values_of_every_type(tmp_path, block, batch):
    alerts = [rich_alert(number) for number in range(40)]
    (tmp_path / "x.avro").write_bytes(avro_bytes(alerts, "deflate", RICH, block))
    assert_columns(read(tmp_path / "x.avro", columns=PATHS).columns, alerts)
    first = 0
    for part in batches(tmp_path / "x.avro", batch=batch, columns=PATHS, threads=2):
        assert tuple(part.rows.columns) == PATHS
        for path, values in part.rows.columns.items():
            # A batch in which all is silent has the type of the schema all the same.
            whole = read(tmp_path / "x.avro", columns=[path]).columns[path]
            assert values.dtype == whole.dtype
        first += len(part.rows)
    assert first == 40


def test_columns_of_tables(tmp_path):
    alerts = [rich_alert(number) for number in range(30)]
    for alert in alerts:
        if alert["extra"]:
            alert["extra"] |= {"mixed": None}
    rows = [{name: value for name, value in alert.items() if name != "prv_candidates"} for alert in alerts]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet", row_group_size=11)
    paths = tuple(path for path in PATHS if path != "extra.mixed")
    columns = read(tmp_path / "x.parquet", columns=paths).columns
    columns["magpsf"] = columns["magpsf"].astype(np.float32).astype(np.float64)
    assert_columns(columns, alerts, paths)


def test_types_that_only_tables_have(tmp_path):
    times = pa.array(np.array(["2024-01-02T03:04:05", "NaT"], dtype="datetime64[ms]"))
    table = pa.table(
        {
            "objectId": ["ZTF18abcdefg"] * 2,
            "cutoutDifference": [fits_bytes(planes(0)[0])] * 2,
            "big": pa.array([2**64 - 1, 1], pa.uint64()),
            "small": pa.array([2**32, None], pa.uint64()),
            "half": pa.array([1.5, None], pa.float32()),
            "sum": pa.array([None, 12], pa.decimal128(9, 2)),
            "time": times,
            "bytes": pa.array([b"a\xff", None]),
            "name": pa.array(["x", None]).dictionary_encode(),
            "none": pa.nulls(2),
            "list": [[1], [2]],
        }
    )
    parquet.write_table(table, tmp_path / "x.parquet")
    names = ["big", "small", "half", "sum", "time", "bytes", "name", "none"]
    columns = read(tmp_path / "x.parquet", columns=names).columns
    assert columns["big"].tolist() == [str(2**64 - 1), "1"]
    assert columns["small"].tolist() == [2**32, None]
    assert columns["half"].tolist()[:1] == [1.5]
    assert columns["sum"].tolist()[1:] == [12.0]
    assert columns["time"].tolist()[0].startswith("2024-01-02")
    assert columns["time"].tolist()[1] is None
    assert columns["bytes"].tolist() == ["a\\xff", None]
    assert columns["name"].tolist() == ["x", None]
    assert np.isnan(columns["none"]).all()
    with pytest.raises(ReadError, match=r"no packet has 'list'"):
        read(tmp_path / "x.parquet", columns=["list"])


def test_short_names_and_names_of_other_packets(tmp_path):
    (tmp_path / "a.avro").write_bytes(avro_bytes([packet(0)]))
    columns = read(tmp_path / "a.avro", columns=["fid", "FID", "candidate.fid", "i:fid", "object_id"]).columns
    assert [values.tolist() for values in columns.values()] == [[2]] * 4 + [["ZTF18test000"]]
    flat = {
        "i:objectId": "ZTF18abcdefg",
        "i:fid": 3,
        "d:class": "SN",
        "b:cutoutDifference_stampData": fits_bytes(planes(0)[0]),
    }
    parquet.write_table(pa.Table.from_pylist([flat]), tmp_path / "b.parquet")
    columns = read(tmp_path / "b.parquet", columns=["fid", "candidate.fid", "class", "objectId"]).columns
    assert [values.tolist() for values in columns.values()] == [[3], [3], ["SN"], ["ZTF18abcdefg"]]


def test_columns_of_messages():
    alerts = [rich_alert(number) for number in range(12)]
    held = []
    for alert in alerts:
        file = io.BytesIO()
        fastavro.schemaless_writer(file, fastavro.parse_schema(RICH), alert)
        held.append(b"\0\0\0\0\7" + file.getvalue())
    assert_columns(read_messages(held, {7: RICH}, columns=PATHS).columns, alerts)
    with pytest.raises(ReadError, match=r"no packet has 'extra\.cnt'; near it are extra\.count"):
        read_messages(held, {7: RICH}, columns=["extra.cnt"])
    # A message that cannot be read has no values.
    columns = read_messages([held[0], held[1][:-900]], {7: RICH}, columns=["extra.count", "objectId"]).columns
    assert columns["extra.count"].tolist() == [2**62, None]
    assert columns["objectId"].tolist() == ["ZTF18test000", None]


def test_columns_go_along_with_features(tmp_path):
    alerts = [rich_alert(number) for number in range(9)]
    (tmp_path / "x.avro").write_bytes(avro_bytes(alerts, schema=RICH))
    parts = list(batches(tmp_path / "x.avro", batch=4, columns=PATHS, measure=FeaturePlan(AUTOSCAN)))
    assert [len(part.rows) for part in parts] == [4, 4, 1]
    got = [value for part in parts for value in part.rows.columns["extra.kind"].tolist()]
    assert got == wanted(alerts, "extra.kind")
    plain = read(tmp_path / "x.avro").catalogue
    rows = read(tmp_path / "x.avro", columns=PATHS)
    assert all(np.array_equal(values, rows.catalogue[name], equal_nan=True) for name, values in plain.items())


def test_a_path_of_no_packet_is_told_with_what_comes_near(tmp_path):
    (tmp_path / "x.avro").write_bytes(avro_bytes([packet(0)]))
    for path, near in (
        ("candidate.magpfs", "candidate.magpsf"),
        ("cand.magpsf", "candidate.magpsf"),
        ("sigmapsff", "candidate.sigmapsf"),
        ("objectid.x", "objectId"),
    ):
        with pytest.raises(ReadError, match=rf"no packet has '{path}'; near it are .*{near}"):
            read(tmp_path / "x.avro", columns=["fid", path])
        with pytest.raises(ReadError, match=f"no packet has '{path}'"):
            next(batches(tmp_path / "x.avro", columns=[path]))
    with pytest.raises(
        ReadError, match=r"no packet has 'zzzz'; there are schemavsn, objectId, candid, candidate\.candid"
    ):
        read(tmp_path / "x.avro", columns=["zzzz"])
    # Records and lists are no values.
    for path in ("candidate", "prv_candidates", "prv_candidates.fid"):
        with pytest.raises(ReadError, match=f"no packet has '{path}'"):
            read(tmp_path / "x.avro", columns=[path])
    for wrong, words in ((["."], "is empty"), ([""], "is empty")):
        with pytest.raises(ValueError, match=words):
            read(tmp_path / "x.avro", columns=wrong)
    with pytest.raises(TypeError, match="given int"):
        read(tmp_path / "x.avro", columns=[7])


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("batch", [1, 1000])
def test_a_path_of_some_packets_is_silent_in_the_others(tmp_path, order, batch):
    (tmp_path / "a.avro").write_bytes(avro_bytes([packet(k) for k in range(3)]))
    (tmp_path / "b.avro").write_bytes(avro_bytes([rich_alert(k) for k in range(3)], schema=RICH))
    files = [tmp_path / f"{name}.avro" for name in order]
    paths = ["extra.count", "extra.rate", "extra.kind", "fid"]
    columns = read(files, columns=paths).columns
    there = slice(3, 6) if order[0] == "a" else slice(0, 3)
    alerts = [rich_alert(k) for k in range(3)]
    assert columns["extra.count"][there].tolist() == wanted(alerts, "extra.count")
    assert columns["extra.kind"][there].tolist() == wanted(alerts, "extra.kind")
    assert columns["fid"].tolist() == [2] * 6
    silent = slice(0, 3) if order[0] == "a" else slice(3, 6)
    assert columns["extra.count"][silent].tolist() == [None] * 3
    assert columns["extra.kind"][silent].tolist() == [None] * 3
    assert np.isnan(columns["extra.rate"][silent]).all()
    parts = list(batches(files, batch=batch, columns=paths))
    assert all(tuple(part.rows.columns) == tuple(paths) for part in parts)
    with pytest.raises(ReadError, match=r"no packet has 'extra\.rat'"):
        list(batches(files, batch=batch, columns=["extra.rat"]))


def test_rows_that_are_no_packets(tmp_path):
    np.save(tmp_path / "s.npy", planes(0)[None])
    assert np.isnan(read(tmp_path / "s.npy", columns=ZTF_COLUMNS).columns["ra"]).all()
    with pytest.raises(ReadError, match="no alert packets, so there are no columns fid, extra of them"):
        read(tmp_path / "s.npy", columns=["fid", "extra"])
    (tmp_path / "bad.avro").write_bytes(avro_bytes([packet(0)])[:2000])
    (tmp_path / "good.avro").write_bytes(avro_bytes([rich_alert(0)], schema=RICH))
    stamps = read([tmp_path / "bad.avro", tmp_path / "good.avro"], strict=False, columns=["extra.count"])
    assert stamps.columns["extra.count"].tolist() == [None, 2**62]
    parts = list(batches([tmp_path / "s.npy", tmp_path / "good.avro"], columns=["extra.count"]))
    assert [part.rows.columns["extra.count"].tolist() for part in parts[1:]] == [[2**62]]


def test_default_sets(tmp_path):
    (tmp_path / "z.avro").write_bytes(avro_bytes([packet(0)]))
    assert default_columns(tmp_path / "z.avro") == ("fid", "magpsf", "sigmapsf", "distnr")
    rubin = {
        "type": "record",
        "name": "lsst",
        "fields": [
            {"name": "diaSourceId", "type": "long"},
            {
                "name": "diaSource",
                "type": {
                    "type": "record",
                    "name": "diaSource",
                    "fields": [
                        {"name": "ra", "type": "double"},
                        {"name": "snr", "type": "float"},
                        {"name": "band", "type": ["null", "string"]},
                    ],
                },
            },
            *({"name": name, "type": ["null", "bytes"]} for name in CUTOUTS),
        ],
    }
    alert = {"diaSourceId": 7, "diaSource": {"ra": 1.5, "snr": 6.5, "band": "g"}}
    alert |= {name: fits_bytes(planes(5, (30, 30))[0]) for name in CUTOUTS}
    (tmp_path / "r.avro").write_bytes(avro_bytes([alert], schema=rubin))
    assert default_columns(tmp_path / "r.avro") == ("ra", "band", "snr")
    assert default_columns(tmp_path) == ("ra", "fid", "magpsf", "sigmapsf", "distnr", "band", "snr")
    columns = read(tmp_path, columns=default_columns(tmp_path)).columns
    assert columns["band"].tolist() == ["g", None]
    assert columns["fid"].tolist() == [None, 2]
    assert columns["ra"].tolist()[0] == 1.5
    # Of a packet that lacks one of a default set it is no mistake to ask.
    assert set(read(tmp_path / "z.avro", columns=(*ZTF_COLUMNS, *RUBIN_COLUMNS)).columns) == {
        *ZTF_COLUMNS,
        *RUBIN_COLUMNS,
    }
    np.save(tmp_path / "s.npy", planes(0)[None])
    assert default_columns(tmp_path / "s.npy") == ()
    (tmp_path / "t.csv").write_text("object_id,AMP\nx,1\n")
    assert default_columns(tmp_path / "t.csv") == ()


def test_the_night_has_its_columns(data):
    night = sorted((data / "ztf" / "night_20180713").glob("*.avro"))[:40]
    columns = read(night, columns=["ra", "candid", "candidate.pdiffimfilename", "rb", "ssnamenr"]).columns
    for row, file in enumerate(night):
        with file.open("rb") as opened:
            record = next(iter(fastavro.reader(opened)))
        candidate = record["candidate"]
        assert columns["ra"][row] == candidate["ra"]
        assert columns["candid"][row] == record["candid"]
        assert columns["candidate.pdiffimfilename"][row] == candidate["pdiffimfilename"]
        assert columns["rb"][row] == candidate["rb"]
        assert columns["ssnamenr"][row] == candidate["ssnamenr"]
