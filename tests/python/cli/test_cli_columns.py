"""Fields of packets beside the results: which, what they are called, and that they are those of the packets."""

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from astropy.table import Table

from helpers.packets import CUTOUTS, avro_bytes, fits_bytes, planes
from space2vec.cli import main
from space2vec.cli.columns_option import PacketColumns
from space2vec.data.columns import check_columns, is_unknown
from space2vec.reading.packet_columns import RUBIN_COLUMNS, ZTF_COLUMNS
from space2vec.writing import SUFFIXES

OWN = ["object_id", "candidate_id", "score", "flags"]


_RECORD = {
    "type": "record",
    "name": "diaSource",
    "fields": [
        {"name": "diaObjectId", "type": "long"},
        *({"name": name, "type": "double"} for name in ("ra", "dec", "midpointMjdTai")),
        {"name": "snr", "type": ["null", "float"]},
        {"name": "band", "type": "string"},
        {"name": "rb", "type": "string"},
    ],
}
RUBIN = {
    "type": "record",
    "name": "lsst",
    "fields": [
        {"name": "diaSourceId", "type": "long"},
        {"name": "diaSource", "type": _RECORD},
        *({"name": name, "type": ["null", "bytes"]} for name in CUTOUTS),
    ],
}


def rubin_alert(number):
    source = {"diaObjectId": number, "ra": 200.0 + number, "dec": -5.25, "midpointMjdTai": 60000.5, "band": "i"}
    source |= {"snr": None if number % 2 else 7.5, "rb": "text"}
    pixels = {name: fits_bytes(plane) for name, plane in zip(CUTOUTS, planes(number, (30, 30)), strict=True)}
    return {"diaSourceId": 900 + number, "diaSource": source, **pixels}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    assert main(["simulate", "-n", "20", "-o", str(folder / "ztf"), "--seed", "8"]) == 0
    (folder / "rubin").mkdir()
    (folder / "rubin" / "a.avro").write_bytes(avro_bytes([rubin_alert(k) for k in range(3)], schema=RUBIN))
    return folder


def packets(folder):
    records = []
    for path in sorted(folder.glob("*.avro")):
        with path.open("rb") as file:
            records += fastavro.reader(file)
    return {record.get("candid", record.get("diaSourceId")): record for record in records}


def value_of(packet, path):
    for part in path.split("."):
        packet = packet.get(part) if isinstance(packet, dict) else None
    return packet


def score(night, out, *more, command="score"):
    return main([command, str(night), "-o", str(out), "--threads", "1", *more])


@pytest.mark.parametrize("command", ["score", "features"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_columns_are_those_of_the_packets(night, tmp_path, command, suffix):
    fields = "ra,candidate.dec,fid,isdiffpos,candidate.ssnamenr,objectId,jd,candid"
    assert score(night / "ztf", tmp_path / f"out{suffix}", "--columns", fields, command=command) == 0
    if suffix in (".parquet", ".csv"):
        options = pa.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
        out = tmp_path / f"out{suffix}"
        table = pq.read_table(out) if suffix == ".parquet" else pa.csv.read_csv(out, convert_options=options)
        columns = {name: table[name].to_pylist() for name in table.column_names}
    else:
        table = Table.read(
            tmp_path / f"out{suffix}", format={".fits": "fits", ".ecsv": "ascii.ecsv", ".vot": "votable"}[suffix]
        )
        table.convert_bytestring_to_unicode()
        columns = {name: table[name].tolist() for name in table.colnames}
    assert list(columns)[-9:] == ["flags", "ra", "dec", "fid", "isdiffpos", "ssnamenr", "objectId", "jd", "candid"]
    known = packets(night / "ztf")
    for name, path in {
        "ra": "candidate.ra", "dec": "candidate.dec", "fid": "candidate.fid", "isdiffpos": "candidate.isdiffpos",
        "objectId": "objectId", "jd": "candidate.jd", "candid": "candid",
    }.items():  # fmt: skip
        expected = [value_of(known[row], path) for row in columns["candidate_id"]]
        assert columns[name] == expected, name
    names = [value_of(known[row], "candidate.ssnamenr") for row in columns["candidate_id"]]
    assert [value or None for value in columns["ssnamenr"]] == names


def test_the_default_columns(night, tmp_path, capsys):
    assert score(night / "ztf", tmp_path / "out.parquet") == 0
    names = pq.read_schema(tmp_path / "out.parquet").names
    assert names[:4] == OWN
    assert set(names[4:]) <= set(ZTF_COLUMNS)
    assert {"ra", "dec", "jd", "fid", "magpsf"} <= set(names), "what packets are silent of is left out"
    assert "nothing is known of" not in capsys.readouterr().out
    assert score(night / "ztf", tmp_path / "none.parquet", "--columns", "none") == 0
    assert pq.read_schema(tmp_path / "none.parquet").names == OWN
    assert score(night / "ztf", tmp_path / "more.parquet", "--columns", "default,candidate.nid") == 0
    assert pq.read_schema(tmp_path / "more.parquet").names == [*names, "nid"]


def test_columns_of_two_surveys(night, tmp_path):
    found = []
    for rows in ("1", "4", "100"):
        out = tmp_path / f"{rows}.parquet"
        assert score(night, out, "--part-rows", rows, "--columns", "default,rb,candidate.rb") == 0
        found.append(out.read_bytes())
    assert len(set(found)) == 1, "the types do not depend on the parts"
    table = pq.read_table(out)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    of_rubin = [name in (900, 901, 902) for name in columns["candidate_id"]]
    assert sum(of_rubin) == 3
    assert table["ra"].null_count == 0
    assert [ra for ra, there in zip(columns["ra"], of_rubin, strict=True) if there] == [200.0, 201.0, 202.0]
    assert [band for band, there in zip(columns["band"], of_rubin, strict=True) if there] == ["i"] * 3
    assert [snr for snr, there in zip(columns["snr"], of_rubin, strict=True) if there] == [7.5, None, 7.5]
    assert [jd is None for jd in columns["jd"]] == of_rubin
    assert [mjd is not None for mjd in columns["midpointMjdTai"]] == of_rubin
    assert table["rb"].type == pa.string(), "a field that is text in one survey is text"
    assert [rb for rb, there in zip(columns["rb"], of_rubin, strict=True) if there] == ["text"] * 3


def test_stamps_without_packets_have_no_columns(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(3, 3, 31, 31)))
    assert score(tmp_path / "a.npy", tmp_path / "out.parquet") == 0
    assert pq.read_schema(tmp_path / "out.parquet").names == OWN
    assert score(tmp_path / "a.npy", tmp_path / "ra.parquet", "--columns", "ra,jd") in (0, 2)
    assert score(tmp_path / "a.npy", tmp_path / "x.parquet", "--columns", "candidate.x") == 2
    assert "no alert packets, so there are no columns candidate.x of them" in capsys.readouterr().err
    assert not (tmp_path / "x.parquet").exists()


def test_columns_of_a_table_of_features(night, tmp_path, capsys):
    assert score(night / "ztf", tmp_path / "features.csv", command="features") == 0
    assert score(tmp_path / "features.csv", tmp_path / "out.csv", "--model", "autoscan") == 0
    assert score(tmp_path / "features.csv", tmp_path / "ra.csv", "--model", "autoscan", "--columns", "ra") == 2
    assert "--columns names fields of alert packets; the input is a table of features" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["ra,,dec", "ra,candidate.", ".ra", "none,ra", ","])
def test_lists_that_are_none(night, tmp_path, capsys, text):
    assert score(night / "ztf", tmp_path / "out.csv", "--columns", text) == 2
    assert "is not a list of fields separated by commas" in capsys.readouterr().err


def test_a_field_that_no_packet_has(night, tmp_path, capsys):
    assert score(night / "ztf", tmp_path / "out.csv", "--columns", "candidate.magpfs") == 2
    assert "no packet has 'candidate.magpfs'; near it are candidate.magpsf" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_field_of_which_nothing_is_known(night, tmp_path, capsys):
    assert score(night / "ztf", tmp_path / "out.csv", "--columns", "candidate.ssnamenr,diaSource.ra") == 0
    said = capsys.readouterr().out
    names = (tmp_path / "out.csv").read_text().splitlines()[0]
    assert names == '"object_id","candidate_id","score","flags","ssnamenr","ra"'
    assert "nothing is known of" in said


def test_other_columns_are_another_run(night, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert score(night / "ztf", out, "--columns", "ra") == 0
    assert score(night / "ztf", out, "--columns", "ra", "--resume") == 0
    assert score(night / "ztf", out, "--columns", "ra,dec", "--resume") == 2
    assert "made with columns ra, and now with columns ra,dec" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        (["ra", "candidate.dec"], {"ra": "ra", "dec": "candidate.dec"}),
        (["candidate.ra", "diaSource.ra"], {"candidate.ra": "candidate.ra", "diaSource.ra": "diaSource.ra"}),
        (["ra", "candidate.ra", "ra"], {"ra": "ra", "candidate.ra": "candidate.ra"}),
        (["candidate.score", "flags"], {"candidate.score": "candidate.score", "packet.flags": "flags"}),
        ([], {}),
    ],
)
def test_what_columns_are_called(wanted, paths):
    columns = PacketColumns.of(wanted, OWN)
    assert columns.paths == paths
    assert list(columns.paths) == list(paths)
    assert not columns.optional
    read = check_columns({path: [1, 2] for path in paths.values()}, 2)
    assert {name: values.tolist() for name, values in columns.select(read, 2).items()} == {
        name: [1, 2] for name in paths
    }
    assert all(is_unknown(values).all() for values in columns.select({}, 2).values())


def test_what_is_asked_for_is_not_optional():
    columns = PacketColumns.of(["default", "rb", "candidate.drb"], OWN)
    assert "rb" not in columns.optional
    assert "ra" in columns.optional
    assert columns.paths["drb"] == "drb"
    assert columns.paths["candidate.drb"] == "candidate.drb"
    assert PacketColumns.of(None, OWN).optional == {*ZTF_COLUMNS, *RUBIN_COLUMNS}
