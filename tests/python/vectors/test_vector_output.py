"""Tables of vectors in every format, and beside another table in the same run: parts, resume, damage."""

import warnings
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse

import space2vec as s2v
from space2vec.data.flags import bits
from space2vec.errors import OutputError
from space2vec.reading.notes import read_note
from space2vec.writing import SUFFIXES, Chunk, Output, VectorTable
from space2vec.writing.input_record import InputRecord

SIZE = 5
NOTE = {"version": "1.2.3", "model": "scorer 0123"}


def vectors_of(begin, n):
    rng = np.random.default_rng(begin)
    vector = rng.integers(-127, 128, (n, SIZE)).astype(np.int8)
    ids = np.arange(begin, begin + n)
    names = np.array([f"ZTF{row}" for row in ids], dtype=object)
    flags = np.full(n, bits(["padded", "saturated"]), np.uint32)
    return s2v.Vectors(vector, flags, names, ids, "vectornet 4567", columns={"ra": ids / 2})


def no_errors(table):
    return pa.table({"row": pa.array([], pa.int64()), "candidate_id": table["candidate_id"].slice(0, 0)})


def chunk(begin, n, *, both=False):
    own = vectors_of(begin, n)
    table = own.to_arrow()
    main = table.drop_columns(["vector"]) if both else table
    return Chunk(main, no_errors(table), (0, 0, begin + n), {}, table if both else None)


def output(folder, suffix=".parquet", *, both=False, how="begin", part_rows=4):
    source = folder / "input"
    if not source.exists():
        source.write_bytes(b"x")
    beside = VectorTable(folder / f"vectors{suffix}", {"model": "vectornet 4567"}) if both else None
    return Output(
        folder / f"table{suffix}", folder / f"errors{suffix}", options={}, note=NOTE, inputs=InputRecord([source]),
        part_rows=part_rows, how=how, vectors=beside, descriptions={"vector": "five integers"},
    )  # fmt: skip


def vectors_in(path):
    """Return the vectors (n, 5) as others read them."""
    if path.suffix == ".parquet":
        return np.array(pq.read_table(path)["vector"].to_pylist())
    if path.suffix == ".fits":
        with fits.open(path) as file:
            return np.array(file[1].data["vector"])
    if path.suffix == ".vot":
        with warnings.catch_warnings(action="error"):
            return np.array(parse(path).get_first_table().array["vector"])
    skip = sum(line.startswith("#") for line in path.read_text().splitlines())
    table = pyarrow.csv.read_csv(path, read_options=pyarrow.csv.ReadOptions(skip_rows=skip))
    return np.array([[int(number) for number in cell.split()] for cell in table["vector"].to_pylist()])


def interrupt_after(out, part):
    with out:
        out.add(part)
        raise KeyboardInterrupt


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_vectors_come_back_from_every_format(tmp_path, suffix):
    with output(tmp_path, suffix) as out:
        for begin, n in ((0, 3), (3, 6), (9, 2)):
            out.add(chunk(begin, n))
        out.finish(lambda: chunk(0, 0))
    wanted = np.concatenate([vectors_of(begin, n).vector for begin, n in ((0, 3), (3, 6), (9, 2))])
    assert np.array_equal(vectors_in(tmp_path / f"table{suffix}"), wanted)
    assert read_note(tmp_path / f"table{suffix}")["rows"] == 11


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_of_no_vectors(tmp_path, suffix):
    with output(tmp_path, suffix) as out:
        out.finish(lambda: chunk(0, 0))
    assert read_note(tmp_path / f"table{suffix}")["rows"] == 0


def test_what_a_format_says_of_the_column(tmp_path):
    for suffix in (".fits", ".vot", ".parquet"):
        with output(tmp_path, suffix) as out:
            out.add(chunk(0, 3))
            out.finish(lambda: chunk(0, 0))
    assert fits.getheader(tmp_path / "table.fits", 1)["TFORM3"] == "5I"
    fields = ElementTree.parse(tmp_path / "table.vot").getroot().iter("{http://www.ivoa.net/xml/VOTable/v1.3}FIELD")
    described = {field.get("name"): (field.get("datatype"), field.get("arraysize")) for field in fields}
    assert described["vector"] == ("short", "5")
    assert described["flags"] == ("unicodeChar", "*")
    field = pq.read_schema(tmp_path / "table.parquet").field("vector")
    assert field.type == pa.list_(pa.int8(), SIZE)
    assert field.metadata[b"description"] == b"five integers"


def test_read_vectors_takes_what_was_written(tmp_path):
    with output(tmp_path) as out:
        out.add(chunk(0, 7))
        out.finish(lambda: chunk(0, 0))
    back, wanted = s2v.read_vectors(tmp_path / "table.parquet"), vectors_of(0, 7)
    assert np.array_equal(back.vector, wanted.vector)
    assert back.flags.tolist() == wanted.flags.tolist()
    assert back.object_id.tolist() == wanted.object_id.tolist()
    assert back.columns["ra"].tolist() == wanted.columns["ra"].tolist()


def test_two_tables_of_one_run(tmp_path):
    with output(tmp_path, both=True) as out:
        for begin, n in ((0, 3), (3, 6)):
            out.add(chunk(begin, n, both=True))
        out.finish(lambda: chunk(0, 0, both=True))
    assert not (tmp_path / "table.parquet.parts").exists()
    table, beside = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("table", "vectors"))
    assert table["candidate_id"].to_pylist() == beside["candidate_id"].to_pylist() == list(range(9))
    assert "vector" not in table.column_names
    assert s2v.read_vectors(tmp_path / "vectors.parquet").model == "vectornet 4567"
    assert read_note(tmp_path / "table.parquet")["model"] == "scorer 0123"
    assert read_note(tmp_path / "vectors.parquet")["table"] == "vectors"


def test_both_tables_go_on_after_an_interruption(tmp_path):
    (tmp_path / "whole").mkdir()
    chunks = [(0, 5), (5, 4), (9, 2)]
    with output(tmp_path / "whole", both=True) as out:
        for each in chunks:
            out.add(chunk(*each, both=True))
        out.finish(lambda: chunk(0, 0, both=True))
    with pytest.raises(KeyboardInterrupt):
        interrupt_after(output(tmp_path, both=True), chunk(*chunks[0], both=True))
    assert not (tmp_path / "vectors.parquet").exists()
    with output(tmp_path, both=True, how="resume") as out:
        assert out.position == (0, 0, 5)
        for each in chunks[1:]:
            out.add(chunk(*each, both=True))
        out.finish(lambda: chunk(0, 0, both=True))
    for name in ("table", "vectors"):
        whole, resumed = (pq.read_table(folder / f"{name}.parquet") for folder in (tmp_path / "whole", tmp_path))
        assert whole.equals(resumed)
    with output(tmp_path, both=True, how="resume") as out:
        assert out.complete


def test_a_run_that_lost_its_vectors_is_not_complete(tmp_path):
    with output(tmp_path, both=True) as out:
        out.add(chunk(0, 5, both=True))
        out.finish(lambda: chunk(0, 0, both=True))
    (tmp_path / "vectors.parquet").unlink()
    with (
        pytest.raises(OutputError, match=r"is there, but not .*vectors\.parquet"),
        output(tmp_path, both=True, how="resume"),
    ):
        pass


@pytest.mark.parametrize("name", ["table.parquet", "errors.parquet"])
def test_vectors_need_a_file_of_their_own(tmp_path, name):
    (tmp_path / "input").write_bytes(b"x")
    with pytest.raises(ValueError, match="a file of their own"):
        Output(
            tmp_path / "table.parquet", tmp_path / "errors.parquet", options={}, note=NOTE,
            inputs=InputRecord([tmp_path / "input"]), part_rows=4, vectors=VectorTable(tmp_path / name, {}),
        )  # fmt: skip
