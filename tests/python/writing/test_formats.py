"""Output formats: what is in a table comes back from each, whatever types its parts have."""

import json
import tracemalloc
import warnings
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from astropy.table import Table

from space2vec.data.flags import bits
from space2vec.data.tables import Scores
from space2vec.reading.notes import read_note
from space2vec.registry import FLAGS
from space2vec.writing import SUFFIXES, Chunk, Output
from space2vec.writing.input_record import InputRecord

BIG = 2**63 + 5
#: Columns of consecutive batches, of changing types.
BATCHES = [
    {"candidate_id": [1, 2, -1], "ra": [10.5, np.nan, 359.99], "fid": [1, 2, None], "name": ["a", None, "b"]},
    {"candidate_id": [2**62, 5, 6], "ra": [np.inf, -1e-300, 0.1], "fid": [None] * 3, "name": ["<&>\"'|", "x,y", "a b"]},
    {"candidate_id": ["007", None, str(BIG)], "ra": [1.0] * 3, "fid": [3, -5, 2**60], "name": ["q", "007", "n/a"]},
]
IDS = ["1", "2", None, str(2**62), "5", "6", "007", None, str(BIG)]


def scores(columns, flags=0):
    columns = dict(columns)
    ids = columns.pop("candidate_id")
    text = any(isinstance(value, str) for value in ids)
    ids = np.array(ids, dtype=object if text else np.int64)
    n = len(ids)
    return Scores(
        np.linspace(0.1, 0.9, n, dtype=np.float32), np.full(n, flags, np.uint32),
        np.array([f"object {row}" for row in range(n)], dtype=object), ids, "model 0123",
        columns={name: np.array(cells, dtype=object) for name, cells in columns.items()},
    )  # fmt: skip


def write(folder, suffix, batches, part_rows=3, **options):
    (folder / "input").write_bytes(b"x")
    path = folder / f"table{suffix}"
    settings = {"options": {}, "note": {"version": "1.2.3", "model": "it's & <b> 0123"}, **options}
    with Output(
        path, folder / f"errors{suffix}", inputs=InputRecord([folder / "input"]), part_rows=part_rows, **settings
    ) as out:
        for batch in batches:
            table = batch.to_arrow()
            errors = pa.table({"row": pa.array([], pa.int64()), "candidate_id": table["candidate_id"].slice(0, 0)})
            out.add(Chunk(table, errors, (0, 0, out.rows + len(table)), {}))
        out.finish(lambda: Chunk(scores(BATCHES[0]).to_arrow().slice(0, 0), errors.slice(0, 0), (0,), {}))
    return path


def read(path, text=("candidate_id", "name")):
    """Cells by column as others read them; None for what is absent."""
    suffix = path.suffix
    if suffix in (".parquet", ".csv"):
        options = pyarrow.csv.ConvertOptions(
            strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""],
            column_types=dict.fromkeys(text, pa.string()),
        )  # fmt: skip
        table = pq.read_table(path) if suffix == ".parquet" else pyarrow.csv.read_csv(path, convert_options=options)
        columns = {name: table[name].to_pylist() for name in table.column_names}
        return {
            n: [None if c != c else "|".join(c) if isinstance(c, list) else c for c in v] for n, v in columns.items()
        }
    with warnings.catch_warnings(action="error"):
        table = Table.read(path, format={".fits": "fits", ".ecsv": "ascii.ecsv", ".vot": "votable"}[suffix])
    table.convert_bytestring_to_unicode()
    columns = {name: table[name].tolist() for name in table.colnames}
    return {name: [None if cell == "" or cell != cell else cell for cell in cells] for name, cells in columns.items()}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_everything_comes_back(tmp_path, suffix):
    table = read(write(tmp_path, suffix, [scores(batch, bits(["padded", "saturated"])) for batch in BATCHES]))
    assert list(table) == ["object_id", "candidate_id", "score", "flags", "ra", "fid", "name"]
    assert table["candidate_id"] == IDS
    assert table["object_id"] == [f"object {row}" for row in range(3)] * 3
    assert np.float32(table["score"]).tolist() == np.linspace(0.1, 0.9, 3, dtype=np.float32).tolist() * 3
    assert table["flags"] == ["padded|saturated"] * 9
    assert table["ra"] == [10.5, None, 359.99, np.inf, -1e-300, 0.1, 1.0, 1.0, 1.0]
    assert table["fid"] == [1, 2, None, None, None, None, 3, -5, 2**60]
    assert table["name"] == ["a", None, "b", "<&>\"'|", "x,y", "a b", "q", "007", "n/a"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_types_do_not_depend_on_the_parts(tmp_path, suffix):
    """A column that is unknown at first, then integer, then text or fractional."""
    cells = [[None, None], [None, 3], [2.5, 7.0], [1e22, 0.1], ["x", None]]
    rows = [{"candidate_id": [k, k], "ra": cell, "fid": [1, 2], "name": [None, None]} for k, cell in enumerate(cells)]
    found = []
    for part_rows in (1, 3, 4, 100):
        folder = tmp_path / str(part_rows)
        folder.mkdir()
        found.append(write(folder, suffix, [scores(row) for row in rows], part_rows).read_bytes())
    assert len(set(found)) == 1
    path = tmp_path / "1" / f"table{suffix}"
    assert read(path, ["ra"])["ra"] == [None, None, None, "3", "2.5", "7.0", "1e+22", "0.1", "x", None]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_optional_columns_of_which_nothing_is_known(tmp_path, suffix):
    rows = [{"candidate_id": [k], "ra": [None], "fid": [k], "name": [None if k < 3 else "x"]} for k in range(4)]
    batches = [scores(row) for row in rows]
    table = read(write(tmp_path, suffix, batches[:3], optional=("ra", "fid", "name")))
    assert list(table) == ["object_id", "candidate_id", "score", "flags", "fid"]
    (tmp_path / "more").mkdir()
    assert list(read(write(tmp_path / "more", suffix, batches, optional=("ra", "fid", "name"))))[4:] == ["fid", "name"]
    (tmp_path / "firm").mkdir()
    assert list(read(write(tmp_path / "firm", suffix, batches[:3])))[4:] == ["ra", "fid", "name"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_file_says_what_it_is(tmp_path, suffix):
    path = write(tmp_path, suffix, [scores(BATCHES[0], bits("padded"))], descriptions={"score": "P(real) <&>'"})
    note = read_note(path)
    assert (note["version"], note["model"], note["rows"], note["table"]) == ("1.2.3", "it's & <b> 0123", 3, "table")
    assert note["flags"] == {"padded": FLAGS["padded"].meaning}
    meaning = FLAGS["padded"].meaning
    if suffix == ".parquet":
        schema = pq.read_schema(path)
        assert json.loads(schema.metadata[b"space2vec"]) == note
        assert schema.field("score").metadata[b"description"] == b"P(real) <&>'"
    elif suffix == ".csv":
        beside = json.loads((tmp_path / "table.csv.json").read_bytes())["space2vec"]
        assert beside["descriptions"] == {"score": "P(real) <&>'"}
        assert beside["file"]["bytes"] == path.stat().st_size
    elif suffix == ".fits":
        fits.open(path).verify("exception")
        header = fits.getheader(path, 1)
        assert (header["S2VMODEL"], header["S2VVERS"], header["TCOMM3"]) == (note["model"], "1.2.3", "P(real) <&>'")
        assert "".join(header["COMMENT"]).replace("\n", "") == f"flag padded: {meaning}"
    elif suffix == ".ecsv":
        table = Table.read(path, format="ascii.ecsv")
        assert table.meta["space2vec"]["flags"] == {"padded": meaning}
        assert table["score"].description == "P(real) <&>'"
    else:
        table = parse(path, verify="exception").get_first_table()
        assert f"flag padded: {meaning}" in table.description
        assert "model: it's & <b> 0123" in table.description
        assert table.get_field_by_id_or_name("score").description == "P(real) <&>'"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_rows(tmp_path, suffix):
    table = read(write(tmp_path, suffix, [scores(BATCHES[0])[:0]]))
    assert table == {name: [] for name in ("object_id", "candidate_id", "score", "flags", "ra", "fid", "name")}
    assert read_note(tmp_path / f"table{suffix}")["rows"] == 0


@pytest.mark.parametrize("name", ["Ünï", "a\x00b", "line\nbreak", "tab\tx", "  both  ", "\x1b[31m", "\U0001f30c"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_odd_text(tmp_path, suffix, name):
    batch = scores({"candidate_id": [1, 2], "ra": [1.0, 2.0], "fid": [1, 2], "name": [name, "after"]})
    path = write(tmp_path, suffix, [batch])
    assert read_note(path)["rows"] == 2
    if suffix == ".csv":
        options = pyarrow.csv.ParseOptions(newlines_in_values=True)
        assert pyarrow.csv.read_csv(path, parse_options=options)["name"].to_pylist() == [name, "after"]
    elif suffix == ".parquet":
        assert read(path)["name"] == [name, "after"]
    elif suffix == ".fits":  # printable ASCII, blanks at the end do not count
        escaped = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in name)
        assert read(path)["name"] == [escaped.rstrip(), "after"]
    elif suffix == ".vot":
        first, second = (row[6] for row in rows_of(path))
        assert (first, second) == (name.replace("\x00", "\\x00").replace("\x1b", "\\x1b"), "after")
    else:
        assert [cell.strip() for cell in read(path)["name"]] == [name.strip(), "after"]


def rows_of(path):
    space = "{http://www.ivoa.net/xml/VOTable/v1.3}"
    return [[cell.text for cell in row] for row in ElementTree.parse(path).iter(f"{space}TR")]


def test_the_least_integers_in_fits(tmp_path):
    least, most = -(2**63), 2**63 - 1
    batch = scores({"candidate_id": [1] * 3, "ra": [0.0] * 3, "fid": [None, least, most], "name": ["x"] * 3})
    assert read(write(tmp_path, ".fits", [batch]))["fid"] == [None, least, most]
    assert fits.getheader(tmp_path / "table.fits", 1)["TNULL6"] == -1


def test_one_long_text_takes_the_memory_of_a_few_rows_of_fits(tmp_path):
    rows = 3000
    names = [f"a{row}" for row in range(rows)]
    names[7] = "b" * 20_000  # of 60 MB as a file
    batch = scores({"candidate_id": list(range(rows)), "name": names})
    tracemalloc.start()
    path = write(tmp_path, ".fits", [batch], 10_000)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 40e6
    table = read(path)
    assert table["name"] == names
    assert table["candidate_id"] == list(range(rows))


def test_an_errors_table_has_ids_of_the_type_of_the_table(tmp_path):
    write(tmp_path, ".parquet", [scores(batch) for batch in BATCHES])
    for name in ("table", "errors"):
        assert pq.read_schema(tmp_path / f"{name}.parquet").field("candidate_id").type == pa.string()
