"""Packets of other cameras and brokers: whose an alert is decides its candidate's place and what its numbers mean."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from helpers.packets import CUTOUTS, SCHEMA, avro_bytes, fits_bytes, packet, planes
from space2vec import read
from space2vec.data.stamps import CHANNELS
from space2vec.reading import batches, catalogue

#: The columns that rest on ZTF's pixel scale or its numbers of filters.
ZTF_ALONE = {"BAND", "GFLUX", "MAGDIFF", "MAGLIM", "MAG_REF", "MAG_REF_ERR", "NN_DIST_RENORM"}
EDGE = {"xpos": 19.2, "ypos": 800.0}


def schema_of(camera, *more):
    """Return ZTF's schema under another camera's name, or as a broker's writer calls its types, with further fields."""
    text = json.dumps({**SCHEMA, "fields": [*SCHEMA["fields"], *more]})
    if camera:
        return json.loads(text.replace('"ztf"', f'"{camera}"').replace('"ztf.', f'"{camera}.'))
    return json.loads(text.replace('"namespace": "ztf", ', "").replace('"ztf.', '"')) | {"name": "topLevelRecord"}


def edge_alert(object_id="ZTF18abcdefg", publisher=None, shape=(63, 50)):
    alert = packet(3, planes(3, shape), EDGE) | {"objectId": object_id}
    return alert if publisher is None else alert | {"publisher": publisher}


@pytest.mark.parametrize(
    ("camera", "object_id", "publisher", "ztf"),
    [
        ("ztf", "ZTF18abcdefg", None, True),
        ("ztf", "17", None, True),
        ("ztf", "ZTF18abcdefg", "ZTF (www.ztf.caltech.edu)", True),
        ("", "ZTF18abcdefg", "Fink", True),
        ("", "ZTF18abcdefg", None, True),
        ("", "17", "ZTF (www.ztf.caltech.edu)", True),
        ("", "17", "Fink", False),
        ("", "", None, False),
        ("ztf", "PGIR19aaaaab", None, False),
        ("ztf", "WNTR24awati", "ZTF", False),
        ("ztf", "ZTF18abcdefg", "WINTER-mirar", False),
        ("winter", "17", None, False),
        ("decam", "ZTF18abcdefg", None, False),
        ("growth", "ZTF18abcdefg", None, False),
        ("zuds", "ZTF18abcdefg", None, False),
    ],
)
def test_the_edge_of_a_readout_channel_is_ztfs_alone(tmp_path, camera, object_id, publisher, ztf):
    more = [] if publisher is None else [{"name": "publisher", "type": "string"}]
    schema = schema_of(camera, *more)
    alert = edge_alert(object_id, publisher)
    (tmp_path / "x.avro").write_bytes(avro_bytes([alert], schema=schema))
    stamps = read(tmp_path / "x.avro")
    assert stamps.centre.tolist() == [[31, 18 if ztf else 25]]
    silent = {name for name, values in stamps.catalogue.items() if np.isnan(values).all()}
    assert (silent >= ZTF_ALONE) is (not ztf)
    assert stamps.catalogue["MAG"] == pytest.approx([18.5])
    assert stamps.catalogue["SNR"] == pytest.approx([10.857362])
    # The same in a table.
    row = {name: value for name, value in alert.items() if name != "prv_candidates"}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "x.parquet")
    table = read(tmp_path / "x.parquet")
    # A table has no name of its own: object and publisher alone tell.
    known = (object_id.startswith("ZTF1") and publisher != "WINTER-mirar") or publisher == "ZTF (www.ztf.caltech.edu)"
    assert table.centre.tolist() == [[31, 18 if known else 25]]


@pytest.mark.parametrize("side", [31, 41, 61, 62, 63, 64, 81])
def test_a_camera_with_square_cutouts_has_its_candidates_in_the_middle(tmp_path, side):
    schema = schema_of("camera")
    places = [(700.0, 800.0), (12.0, 15.0), (3060.0, 3070.0), (0.4, 0.2), (5000.0, 9000.0)]
    alerts = [
        packet(k, planes(k, (side, side)), {"xpos": x, "ypos": y}) | {"objectId": f"CAM{k}"}
        for k, (x, y) in enumerate(places)
    ]
    (tmp_path / "x.avro").write_bytes(avro_bytes(alerts, schema=schema))
    assert read(tmp_path / "x.avro").centre.tolist() == [[side // 2, side // 2]] * len(places)


@pytest.mark.parametrize("crop", [1, 11, 16])
def test_what_a_broker_crops_on_all_sides_keeps_its_middle(tmp_path, crop):
    alerts = []
    for k, (x, y, shape) in enumerate([(700.0, 800.0, (63, 63)), (19.2, 800.0, (63, 50)), (3060.0, 5.2, (36, 44))]):
        whole = planes(k, shape)
        alerts.append(packet(k, whole[:, crop:-crop, crop:-crop], {"xpos": x, "ypos": y}))
    (tmp_path / "x.avro").write_bytes(avro_bytes(alerts))
    stamps = read(tmp_path / "x.avro")
    for row, (height, width) in enumerate(stamps.shape[:, 0].tolist()):
        if crop > 1 or row == 0:
            assert stamps.centre[row].tolist() == [height // 2, width // 2]


def test_surveys_mix_in_one_file_and_one_batch(tmp_path):
    alerts = [packet(k) | {"objectId": f"{'ZTF18' if k % 2 else 'WNTR24'}abc{k}"} for k in range(6)]
    (tmp_path / "x.avro").write_bytes(avro_bytes(alerts))
    known = read(tmp_path / "x.avro").catalogue
    assert np.isnan(known["BAND"]).tolist() == [True, False] * 3
    assert np.isnan(known["MAGLIM"]).tolist() == [True, False] * 3
    assert not np.isnan(known["MAG"]).any()
    table = pa.Table.from_pylist([{k: v for k, v in alert.items() if k != "prv_candidates"} for alert in alerts])
    parquet.write_table(table, tmp_path / "x.parquet")
    other = read(tmp_path / "x.parquet").catalogue
    assert known.keys() == other.keys()
    for name, values in known.items():
        assert np.array_equal(values, other[name], equal_nan=True), name


def test_what_any_camera_gives_and_what_ztf_alone_does():
    rng = np.random.default_rng(5)
    fields = {name: rng.uniform(1, 20, 50) for name in catalogue.ZTF_FIELDS}
    fields["distnr"][:5] = np.nan
    ztf, other = catalogue.from_ztf(fields), catalogue.from_candidate(fields)
    assert ztf.keys() == other.keys()
    for name, values in other.items():
        if name in ZTF_ALONE:
            assert np.isnan(values).all()
        elif name == "MIN_DISTANCE_TO_EDGE_IN_NEW":
            assert np.array_equal(values, fields["mindtoedge"].astype(np.float32))
        else:
            assert np.array_equal(values, ztf[name], equal_nan=True)


# Names of fields

WINTER = {
    "type": "record",
    "name": "alert",
    "namespace": "winter",
    "fields": [
        {"name": "schemavsn", "type": "string"},
        {"name": "publisher", "type": "string"},
        {"name": "objectid", "type": "string"},
        {"name": "candid", "type": "long"},
        {"name": "candidate", "type": SCHEMA["fields"][3]["type"]},
        *({"name": f"cutout_{channel}", "type": ["null", "bytes"]} for channel in CHANNELS),
    ],
}


def winter_alert(number, shape=(81, 81)):
    made = packet(number, planes(number, shape))
    alert = {"schemavsn": "0.1", "publisher": "WINTER-mirar", "objectid": f"WNTR24abc{number}", "candid": number + 1}
    alert |= {"candidate": made["candidate"] | {"candid": number + 1}}
    return alert | {
        f"cutout_{channel}": made[name]["stampData"] for channel, name in zip(CHANNELS, CUTOUTS, strict=True)
    }


def assert_rows(stamps, rows, shape=(63, 63)):
    assert len(stamps) == rows
    for row in range(rows):
        for k, channel in enumerate(CHANNELS):
            assert np.array_equal(stamps.plane(row, channel), planes(row, shape)[k])


def test_packets_in_snake_case(tmp_path):
    (tmp_path / "w.avro").write_bytes(avro_bytes([winter_alert(k) for k in range(3)], schema=WINTER))
    stamps = read(tmp_path / "w.avro")
    assert_rows(stamps, 3, (81, 81))
    assert stamps.object_id.tolist() == [f"WNTR24abc{k}" for k in range(3)]
    assert stamps.candidate_id.tolist() == [1, 2, 3]
    assert stamps.centre.tolist() == [[40, 40]] * 3
    parquet.write_table(pa.Table.from_pylist([winter_alert(k) for k in range(3)]), tmp_path / "w.parquet")
    table = read(tmp_path / "w.parquet")
    assert_rows(table, 3, (81, 81))
    assert table.object_id.tolist() == stamps.object_id.tolist()
    assert table.candidate_id.tolist() == [1, 2, 3]


@pytest.mark.parametrize("style", ["portal", "underscores", "dots", "snake", "struct"])
def test_tables_in_which_brokers_rename_the_columns(tmp_path, style):
    rows = []
    for k in range(3):
        alert = packet(k, candidate={"xpos": 700.0 + k})
        cutouts = {name: alert[name]["stampData"] for name in CUTOUTS}
        named = {
            "portal": lambda name, inner: f"i:{inner}",
            "underscores": lambda name, inner: f"{name}_{inner}" if name else inner,
            "dots": lambda name, inner: f"{name}.{inner}" if name else inner,
            "snake": lambda name, inner: {"objectId": "object_id"}.get(inner, inner) if not name else f"{name}_{inner}",
        }
        stamp = {
            "portal": "b:{}_stampData", "underscores": "{}_stampData", "dots": "{}.stampData", "snake": "{}",
        }  # fmt: skip
        if style == "struct":
            row = {"objectId": alert["objectId"], "candidate": alert["candidate"]}
            row |= {name: {"stamp_data": data} for name, data in cutouts.items()}
        else:
            name = named[style]
            row = {name("", "objectId"): alert["objectId"], name("", "candid"): alert["candid"]}
            row |= {name("candidate", inner): value for inner, value in alert["candidate"].items() if inner != "candid"}
            for full, data in cutouts.items():
                plain = full.replace("cutout", "cutout_").lower() if style == "snake" else full
                row[stamp[style].format(plain)] = data
        rows.append(row)
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    stamps = read(tmp_path / "t.parquet")
    assert_rows(stamps, 3)
    assert stamps.object_id.tolist() == [f"ZTF18test{k:03d}" for k in range(3)]
    assert stamps.candidate_id.tolist() == [10**17 + k for k in range(3)]
    assert stamps.catalogue["BAND"].tolist() == [2.0] * 3
    assert stamps.catalogue["MIN_DISTANCE_TO_EDGE_IN_NEW"].tolist() == [700.0, 701.0, 702.0]


def test_tables_with_pixels_as_lists(tmp_path):
    rows = []
    for k in range(3):
        pixels = planes(k, (63, 50)).astype(np.float64)
        pixels[:, 0, 0] = np.nan
        row = {"i:objectId": f"ZTF18abcdef{k}", "i:xpos": 19.2, "i:ypos": 800.0}
        for name, plane in zip(CUTOUTS, pixels, strict=True):
            row[f"b:{name}_stampData"] = [[None if np.isnan(v) else v for v in line] for line in plane.tolist()]
        rows.append(row)
    rows[1]["b:cutoutScience_stampData"] = [[1.0, 2.0], [3.0]]
    rows[2]["b:cutoutTemplate_stampData"] = None
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    problems = []
    stamps = read(tmp_path / "t.parquet", problems=problems)
    assert [(problem.row, problem.reason) for problem in problems] == [(1, "not_fits"), (2, "missing_plane")]
    want = planes(0, (63, 50))
    want[:, 0, 0] = np.nan
    for k, channel in enumerate(CHANNELS):
        assert np.array_equal(stamps.plane(0, channel), want[k], equal_nan=True)
    assert stamps.centre.tolist() == [[31, 18]] * 3


def test_rubin_tables_with_prefixes(tmp_path):
    row = {"r:diaSourceId": 77, "r:diaObjectId": 0, "r:ssObjectId": 9, "r:snr": 6.5}
    cards = (("CRPIX1", "14.7"), ("CRPIX2", "12.2"))
    row |= {f"b:{name}": fits_bytes(planes(5, (30, 30))[k], cards=cards) for k, name in enumerate(CUTOUTS)}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "t.parquet")
    stamps = read(tmp_path / "t.parquet")
    assert (stamps.candidate_id.tolist(), stamps.object_id.tolist()) == ([77], ["9"])
    assert stamps.centre.tolist() == [[11, 14]]
    assert stamps.catalogue["SNR"].tolist() == [6.5]


# Ids

ATLAS = {
    "type": "record",
    "name": "atlas.alert",
    "fields": [
        {"name": "objectId", "type": ["string", "long", "double", "null"]},
        {"name": "candid", "type": ["string", "long", "double", "null"]},
        {
            "name": "cutoutScience",
            "type": {"type": "record", "name": "c", "fields": [{"name": "stampData", "type": "bytes"}]},
        },
        {"name": "cutoutDifference", "type": "c"},
    ],
}


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        (["02a59543o0040o_006230", "7", None], ["02a59543o0040o_006230", "7", None]),
        ([5, -5, None], [5, -5, -1]),
        (["5", "0", "-5"], [5, 0, -5]),
        (["007", "0x1F", "5"], ["007", "0x1F", "5"]),
        ([1.5, 2.0, 1e300], ["1.5", "2", repr(1e300)]),
        ([0.1, 1e-7, 123456789012345.75], ["0.1", "1e-07", "123456789012345.75"]),
        ([2.0, float("nan"), 3.0], [2, -1, 3]),
        ([str(2**63 - 1), str(2**63), str(2**64)], [str(2**63 - 1), str(2**63), str(2**64)]),
        (["é", "", "a b"], ["é", None, "a b"]),
    ],
)
@pytest.mark.parametrize("batch", [1, 10])
def test_ids_of_candidates_of_any_kind(tmp_path, given, ids, batch):
    image = {"stampData": fits_bytes(planes(1, (61, 61))[0])}
    alerts = [{"objectId": "a", "candid": one, "cutoutScience": image, "cutoutDifference": image} for one in given]
    (tmp_path / "x.avro").write_bytes(avro_bytes(alerts, schema=ATLAS))
    stamps = read(tmp_path / "x.avro")
    assert stamps.candidate_id.tolist() == ids
    assert stamps.candidate_id.dtype == (object if any(isinstance(one, str) for one in ids) else np.int64)
    parts = [part.rows.candidate_id.tolist() for part in batches(tmp_path / "x.avro", batch=batch)]
    known = [None if one in (None, -1) else str(one) for one in ids]
    assert [None if one in (None, -1) else str(one) for part in parts for one in part] == known
    assert stamps.plane(2, "difference").shape == (61, 61)


def test_ids_of_objects_of_any_kind(tmp_path):
    image = {"stampData": fits_bytes(planes(1, (61, 61))[0])}
    given = ["007", 17, 0, None, 2.5, 3.0, ""]
    alerts = [{"objectId": one, "candid": 1, "cutoutScience": image, "cutoutDifference": image} for one in given]
    (tmp_path / "x.avro").write_bytes(avro_bytes(alerts, schema=ATLAS))
    assert read(tmp_path / "x.avro").object_id.tolist() == ["007", "17", "", "", "2.5", "3", ""]


def test_problems_name_text_ids(tmp_path):
    bad = {"stampData": gzip.compress(b"no image")}
    alerts = [{"objectId": "o", "candid": "t_1", "cutoutScience": bad, "cutoutDifference": bad}]
    (tmp_path / "x.avro").write_bytes(avro_bytes(alerts, schema=ATLAS))
    problems = []
    read(tmp_path / "x.avro", problems=problems)
    assert {(problem.object_id, problem.candidate_id) for problem in problems} == {("o", "t_1")}
