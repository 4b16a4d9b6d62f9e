"""Alerts out of Arrow tables: every shape in which brokers and engines hold cutouts; packets in Avro are the oracle."""

import gzip

import numpy as np
import pyarrow as pa
import pytest

import space2vec as s2v
from helpers.packets import CUTOUTS, avro_bytes, fits_bytes, packet, planes
from space2vec.data import flags
from space2vec.data.stamps import CHANNELS
from space2vec.errors import ReadError
from space2vec.reading import Limits
from space2vec.reading.arrow_table import as_table

ROWS = 12


@pytest.fixture(scope="module")
def alerts():
    made = [packet(row) for row in range(ROWS)]
    made[2] = packet(2, cutoutTemplate=None)
    made[3] = packet(3, cutoutScience=b"rubbish", cutoutDifference=gzip.compress(fits_bytes(planes(3)[2]))[:900])
    made[5] = packet(5, cutoutScience=None, cutoutTemplate=None, cutoutDifference=None)
    return made


@pytest.fixture(scope="module")
def expected(alerts, tmp_path_factory):
    file = tmp_path_factory.mktemp("night") / "night.avro"
    file.write_bytes(avro_bytes(alerts))
    return s2v.read(file, columns=["candidate.magpsf"])


def as_records(alerts):
    return pa.Table.from_pylist(alerts)


def renamed(alerts):
    """Return a table as Fink's science portal gives it."""
    return pa.table(
        {
            "i:objectId": [alert["objectId"] for alert in alerts],
            "i:candid": [alert["candid"] for alert in alerts],
            **{f"i:{name}": [a["candidate"][name] for a in alerts] for name in ("magpsf", "sigmapsf", "distnr", "fid")},
            **{f"i:{name}": [alert["candidate"][name] for alert in alerts] for name in ("xpos", "ypos")},
            **{f"b:{name}_stampData": [(alert[name] or {}).get("stampData") for alert in alerts] for name in CUTOUTS},
        }
    )


def flat(kind):
    def made(alerts):
        table = as_records(alerts)
        for name in CUTOUTS:
            cells = pa.array([(alert[name] or {}).get("stampData") for alert in alerts], kind)
            table = table.set_column(table.column_names.index(name), name, cells)
        return table

    return made


def in_dictionaries(alerts):
    table = flat(pa.binary())(alerts)
    for name in CUTOUTS:
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    return table


def in_chunks(alerts):
    whole = as_records(alerts)
    return pa.concat_tables([whole[:1], whole[:0], whole[1:7], as_records(alerts[7:])])


def a_slice(alerts):
    return as_records([packet(99), *alerts, packet(98)]).slice(1, len(alerts))


def one_batch(alerts):
    return as_records(alerts).to_batches()[0]


def a_sliced_batch(alerts):
    whole = flat(pa.large_binary())([packet(99), packet(97, cutoutTemplate=None), *alerts, packet(98)])
    return whole.combine_chunks().to_batches()[0].slice(2, len(alerts))


def a_stream(alerts):
    return as_records(alerts).to_reader(max_chunksize=5)


def with_null_records(alerts):
    """Null records over bytes that are still there."""
    table = as_records(alerts)
    for name in CUTOUTS:
        fields = pa.array([(alert[name] or {"stampData": b"hidden"})["stampData"] for alert in alerts])
        absent = pa.array([alert[name] is None for alert in alerts])
        cells = pa.StructArray.from_arrays([fields], ["stampData"], mask=absent)
        table = table.set_column(table.column_names.index(name), name, cells)
    return table


LAYOUTS = [
    as_records, renamed, flat(pa.binary()), flat(pa.large_binary()), in_dictionaries, in_chunks, a_slice, one_batch,
    a_sliced_batch, a_stream, with_null_records,
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_rows_are_those_of_packets(alerts, expected, layout):
    problems = []
    stamps = s2v.read_arrow(layout(alerts), columns=["candidate.magpsf"], problems=problems)
    assert stamps.object_id.tolist() == expected.object_id.tolist()
    assert stamps.candidate_id.tolist() == expected.candidate_id.tolist()
    assert stamps.candidate_id.dtype == np.int64
    assert stamps.flags.tolist() == expected.flags.tolist()
    assert stamps.centre.tolist() == expected.centre.tolist()
    assert stamps.catalogue.keys() == expected.catalogue.keys()
    for name, values in expected.catalogue.items():
        assert np.array_equal(stamps.catalogue[name], values, equal_nan=True), name
    assert np.array_equal(stamps.columns["candidate.magpsf"], expected.columns["candidate.magpsf"])
    for row in range(ROWS):
        for channel in CHANNELS:
            plane, own = stamps.plane(row, channel), expected.plane(row, channel)
            assert (plane is None) == (own is None)
            assert plane is None or np.array_equal(plane, own)
    assert {problem.path for problem in problems} == {"table"}
    assert all(problem.record == problem.row and not problem.of_file for problem in problems)
    assert {problem.row: problem.candidate_id for problem in problems} == {k: 10**17 + k for k in (2, 3, 5)}


def test_empty_tables_have_no_rows(alerts):
    for empty in (as_records(alerts)[:0], as_records(alerts).to_batches()[0][:0]):
        stamps = s2v.read_arrow(empty, columns=["candidate.magpsf"])
        assert len(stamps) == 0
        assert list(stamps.columns) == ["candidate.magpsf"]


def test_of_two_columns_of_one_name_the_first_counts(alerts):
    table = as_records(alerts)
    twice = pa.Table.from_arrays([*table.columns, *table[::-1].columns], names=table.column_names * 2)
    assert s2v.read_arrow(twice).candidate_id.tolist() == [alert["candid"] for alert in alerts]


def test_what_cannot_be_read_is_refused(alerts):
    table = as_records(alerts)
    with pytest.raises(TypeError, match=r"pyarrow.Table.*; given dict"):
        s2v.read_arrow({"cutoutScience": [b""]})
    with pytest.raises(ReadError, match="none of the columns is a cutout; accepted are cutoutScience"):
        s2v.read_arrow(table.drop_columns(list(CUTOUTS)))
    with pytest.raises(ReadError, match="are of type int64; accepted are bytes"):
        s2v.read_arrow(pa.table({"cutoutScience": [1]}))
    with pytest.raises(ReadError, match=r"no packet has 'candidate\.magps'; near it are .*candidate\.magpsf"):
        s2v.read_arrow(table, columns=["candidate.magps"])
    with pytest.raises(ReadError, match=r"no packet has 'magps'"):
        s2v.read_arrow(table[:0], columns=["magps"])
    boast = gzip.compress(b"x")[:-4] + (16 << 20).to_bytes(4, "little")
    with pytest.raises(ReadError, match=r"cutouts of the table asks for .*free_bytes"):
        s2v.read_arrow(pa.table({"cutoutScience": [boast] * 20}), limits=Limits(free_bytes=1))


def test_unsound_offsets_are_refused():
    offsets = pa.py_buffer(np.array([0, 5000, 3], dtype=np.int32))
    cells = pa.Array.from_buffers(pa.binary(), 2, [None, offsets, pa.py_buffer(b"abc")])
    with pytest.raises(ReadError, match="the column cutoutScience is no sound Arrow"):
        s2v.read_arrow(pa.table({"cutoutScience": cells}))


def test_an_id_or_a_text_that_is_too_long_costs_its_row(alerts):
    table = as_records(alerts)
    names = [alert["objectId"] for alert in alerts]
    names[7] = "x" * 5000
    notes = ["note"] * ROWS
    notes[8] = "x" * 80_000
    table = table.set_column(table.column_names.index("objectId"), "objectId", pa.array(names))
    table = table.append_column("note", pa.array(notes))
    problems = []
    stamps = s2v.read_arrow(table, columns=["note"], problems=problems)
    assert len(stamps) == ROWS
    assert [flags.names(stamps.flags[row]) for row in (6, 7, 8, 9)] == [[], ["bad_stamp"], ["bad_stamp"], []]
    assert [p.row for p in problems if p.reason == "too_large"] == [7, 8]


def test_text_that_is_no_utf_8_is_read_by_its_codes(alerts):
    table = as_records(alerts)
    names = pa.array([alert["objectId"].encode() for alert in alerts[:-1]] + [b"\xff"]).view(pa.string())
    table = table.set_column(table.column_names.index("objectId"), "objectId", names)
    assert s2v.read_arrow(table).object_id[-1] == "\\xff"


def test_pandas_and_other_streams_are_tables(alerts):
    pandas = pytest.importorskip("pandas")
    table = renamed(alerts)
    frame = table.to_pandas(types_mapper=pandas.ArrowDtype)
    assert as_table(frame).column_names[: len(table.column_names)] == table.column_names
    assert s2v.read_arrow(frame).candidate_id.tolist() == [alert["candid"] for alert in alerts]
