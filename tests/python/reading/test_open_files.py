"""Open binary files as inputs: what they hold is read as a file would be."""

import gzip
import io
import tarfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from helpers.packets import avro_bytes, fits_bytes, packet, planes
from space2vec import read
from space2vec.errors import ReadError
from space2vec.reading import batches, files, read_messages


class Stream:
    """Whatever has `read`, such as the body of an answer of a web server."""

    def __init__(self, content):
        self._content = content

    def read(self):
        content, self._content = self._content, b""
        return content


def contents():
    """Return what files of each format hold."""
    alerts = [packet(k) for k in range(3)]
    avro = avro_bytes(alerts)
    archive, table, array, arrays = (io.BytesIO() for _ in range(4))
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("a.avro")
        member.size = len(avro)
        tar.addfile(member, io.BytesIO(avro))
    rows = [{name: value for name, value in alert.items() if name != "prv_candidates"} for alert in alerts]
    parquet.write_table(pa.Table.from_pylist(rows), table)
    pixels = np.stack([planes(k) for k in range(3)])
    np.save(array, pixels)
    np.savez(arrays, pixels=pixels)
    return {
        "avro": avro,
        "avro.gz": gzip.compress(avro),
        "tar": archive.getvalue(),
        "parquet": table.getvalue(),
        "npy": array.getvalue(),
        "npz": arrays.getvalue(),
    }


@pytest.mark.parametrize("kind", ["avro", "avro.gz", "tar", "parquet", "npy", "npz"])
@pytest.mark.parametrize("wrap", [io.BytesIO, Stream])
def test_every_format(kind, wrap):
    content = contents()[kind]
    stamps = read(wrap(content))
    assert len(stamps) == 3
    for row in range(3):
        assert np.array_equal(stamps.plane(row, "difference"), planes(row)[2])
    parts = list(batches([wrap(content), wrap(content)], batch=2))
    assert [len(part.rows) for part in parts] == [2, 1, 2, 1]
    assert [part.position.source for part in parts] == [0, 0, 1, 1]
    assert {part.files_total for part in parts} == {2}


def test_fits_images():
    for content in (fits_bytes(planes(0)[0]), gzip.compress(fits_bytes(planes(0)[0]))):
        stamps = read(io.BytesIO(content), channels=["difference"])
        assert np.array_equal(stamps.plane(0, "difference"), planes(0)[0])


def test_open_files_beside_names(tmp_path):
    (tmp_path / "a.avro").write_bytes(avro_bytes([packet(0)]))
    (tmp_path / "b.avro").write_bytes(avro_bytes([packet(1)]))
    with (tmp_path / "b.avro").open("rb") as opened:
        stamps = read([tmp_path / "a.avro", opened, io.BytesIO(avro_bytes([packet(2)])), tmp_path / "a.avro"])
    assert stamps.candidate_id.tolist() == [10**17, 10**17 + 1, 10**17 + 2]
    with (tmp_path / "b.avro").open("rb") as opened:
        assert list(files([opened, io.BytesIO(b"")])) == [str(tmp_path / "b.avro"), "file object 1"]


def test_damage_names_the_file(tmp_path):
    problems = []
    (tmp_path / "cut.avro").write_bytes(avro_bytes([packet(k) for k in range(2)])[:-900])
    with (tmp_path / "cut.avro").open("rb") as opened:
        stamps = read([opened, io.BytesIO(b"xyz"), io.BytesIO(b"")], strict=False, problems=problems)
    assert len(stamps) == 4
    assert [problem.path for problem in problems] == [str(tmp_path / "cut.avro"), "file object 1", "file object 2"]
    assert [problem.reason for problem in problems] == ["truncated", "foreign_file", "empty_file"]
    with pytest.raises(ReadError, match="file object 0"):
        read(io.BytesIO(b"xyz"))
    table = io.BytesIO()
    parquet.write_table(pa.table({"a": [1.0]}), table)
    with pytest.raises(ReadError, match="no alerts: the table has none of cutoutScience"):
        read(io.BytesIO(table.getvalue()))


def test_what_is_no_open_binary_file(tmp_path):
    with pytest.raises(TypeError, match="it gives str: open it in mode 'rb'"):
        read(io.StringIO("text"))
    with pytest.raises(TypeError, match="an input must be a path or an open binary file; given int"):
        read([7])
    with pytest.raises(TypeError, match="message 1 is str"):
        read_messages([b"", "text"])
    with pytest.raises(TypeError, match="given int"):
        read_messages([7])
    with pytest.raises(TypeError, match="message 0 is str"):
        read_messages("text")


def test_columns_and_messages_of_open_files():
    content = avro_bytes([packet(k) for k in range(3)])
    assert read(io.BytesIO(content), columns=["fid"]).columns["fid"].tolist() == [2] * 3
    stamps = read_messages([io.BytesIO(avro_bytes([packet(5)])), avro_bytes([packet(6)]), bytearray(b"") or b""])
    assert stamps.candidate_id.tolist() == [10**17 + 5, 10**17 + 6, -1]
    for alone in (avro_bytes([packet(5)]), io.BytesIO(avro_bytes([packet(5)])), Stream(avro_bytes([packet(5)]))):
        assert read_messages(alone).candidate_id.tolist() == [10**17 + 5]
