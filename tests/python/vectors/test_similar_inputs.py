"""``space2vec similar FILE``: alerts, stamps and folders are embedded; tables of vectors are taken as they are."""

import contextlib
import io
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from helpers import host_device, tiny_models
from helpers.damaged_alerts import damaged_alerts
from space2vec.cli import main

K = 4


@pytest.fixture(scope="module")
def index(night, vector_file, tmp_path_factory):
    """Return an index of the first 20 candidates of the night by the small network."""
    stamps = s2v.read(night, strict=False)
    vectors = s2v.load(vector_file).embed(stamps[:20])
    return s2v.Index.build(vectors, tmp_path_factory.mktemp("similar") / "index")


@pytest.fixture
def similar(index, vector_file, tmp_path):
    """Return the command: it takes a query and options, and returns its exit status and its table."""

    def run(query, *more, model=vector_file, out=None):
        place = out or tmp_path / "found.parquet"
        place.unlink(missing_ok=True)
        words = ["similar", str(query), "--index", str(index.folder), "-k", str(K), "-o", str(place), "--threads", "1"]
        status = main([*words, *(["--model", str(model)] if model else []), *more])
        return status, pq.read_table(place) if place.exists() and place.suffix == ".parquet" else None

    return run


def expected(index, vector_file, stamps):
    """Return the table of the look-alikes of stamps, which are embedded in Python."""
    return index.search(s2v.load(vector_file).embed(stamps), K).to_arrow()


def same(table, wanted):
    assert table.replace_schema_metadata().equals(wanted), (table, wanted)


def test_a_folder_of_alerts_as_the_table_that_embed_makes_of_it(night, index, vector_file, similar, tmp_path, capsys):
    status, table = similar(night)
    assert status == 1, "one file is damaged"
    said, told = capsys.readouterr()
    assert "damaged.avro" in told
    assert said.count("look-alikes of ") == 12
    assert "... and of 19 further candidates; -o writes all" in said
    assert f"{30 * K} look-alikes in " in said
    assert "1 of 31 candidates have no vector" in said
    vectors = tmp_path / "vectors.parquet"
    assert main(["embed", str(night), "-o", str(vectors), "--model", str(vector_file), "--threads", "1"]) == 1
    status, of_vectors = similar(vectors, model=None)
    assert status == 0
    same(table, of_vectors.replace_schema_metadata())
    same(table, expected(index, vector_file, s2v.read(night, strict=False)))
    # The damaged file has a row, which says what it is and why there is nothing like it.
    lost = [row for row in table.to_pylist() if row["rank"] is None]
    assert [(row["query_object_id"], row["query_flags"]) for row in lost] == [("damaged", ["bad_stamp"])]
    assert [lost[0][name] for name in ("query_id", "candidate_id", "object_id", "likeness")] == [None] * 4
    assert lost[0]["flags"] == []
    assert len(table) == 30 * K + 1


def test_an_alert_is_found_as_its_id_is(night, index, similar, capsys):
    name = index.vectors([3]).candidate_id[0]
    file = next(path for path in night.glob("*.avro") if str(name) in path.name or _holds(path, name))
    said = []
    for query in (name, file):
        assert similar(query)[0] == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0].startswith(f"look-alikes of {name}:\n")


def _holds(path, name):
    return path.name != "damaged.avro" and s2v.read(path).candidate_id.tolist() == [name]


@contextlib.contextmanager
def standard_input(path):
    """Make a file the standard input of this process."""
    kept = os.dup(0)
    with path.open("rb") as file:
        os.dup2(file.fileno(), 0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@pytest.mark.parametrize("kind", ["glob", "parquet", "npy", "npz", "fits"])
def test_each_kind_of_input(kind, night, index, vector_file, similar, tmp_path):
    planes = np.random.default_rng(5).normal(size=(3, 3, 63, 63)).astype(np.float32)
    query, status, options, channels = tmp_path / f"query.{kind}", 0, [], None
    if kind == "glob":
        query = f"{night}/*[0-9].avro"
    elif kind == "parquet":
        pq.write_table(damaged_alerts(), query)
        status = 1
    elif kind == "npy":
        np.save(query, planes)
    elif kind == "npz":
        np.savez(query, pixels=planes, candidate_id=np.array([7, 8, 9]))
    else:
        fits = pytest.importorskip("astropy.io.fits")
        fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(plane) for plane in planes[0])]).writeto(query)
        channels = ("science", "template", "difference")
        options = ["--channels", ",".join(channels)]
    got, table = similar(query, *options)
    assert got == status
    same(table, expected(index, vector_file, s2v.read(query, strict=False, channels=channels)))


def test_standard_input(night, index, vector_file, similar):
    file = next(path for path in night.glob("*.avro") if path.name != "damaged.avro")
    with standard_input(file):
        status, table = similar("-")
    assert status == 0
    same(table, expected(index, vector_file, s2v.read(io.BytesIO(file.read_bytes()))))


def test_damaged_alerts_keep_their_rows(similar, tmp_path, capsys):
    pq.write_table(damaged_alerts(), tmp_path / "alerts.parquet")
    status, table = similar(tmp_path / "alerts.parquet")
    assert status == 1
    queries = set(table.column("query_id").to_pylist())
    assert len(queries) == 40
    lost = [row for row in table.to_pylist() if row["rank"] is None]
    assert lost
    assert all(row["query_flags"] and row["query_id"] for row in lost)
    assert "none: it has no vector, or the index no other; its flags are " in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["text", "cut", "empty"])
def test_a_file_that_cannot_be_read_is_a_flagged_row(damage, night, similar, tmp_path, capsys):
    file = tmp_path / "alert.avro"
    whole = next(path for path in night.glob("*.avro") if path.name != "damaged.avro").read_bytes()
    file.write_bytes({"text": b"this is not Avro", "cut": whole[: len(whole) // 2], "empty": b""}[damage])
    status, table = similar(file)
    assert status == 1
    said, told = capsys.readouterr()
    assert str(file) in told
    row = table.to_pylist()[0]
    assert len(table) == 1
    assert row["rank"] is None
    assert "bad_stamp" in row["query_flags"]
    assert f"look-alikes of {row['query_id'] or row['query_object_id']}:\n  none: it has no vector" in said


def test_no_candidates(similar, tmp_path, capsys):
    np.save(tmp_path / "none.npy", np.empty((0, 3, 63, 63), np.float32))
    status, table = similar(tmp_path / "none.npy")
    assert status == 0
    assert len(table) == 0
    assert "no candidates to compare with" in capsys.readouterr().out


def test_what_it_refuses(night, index, vector_file, similar, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "features.csv").write_text("candidate_id,L1\n1,0.5\n")
    other = tmp_path / "other.safetensors"
    other.write_bytes(tiny_models.vector_models()["vectors of planes"])
    wide = s2v.Vectors(np.ones((2, 5), np.int8), np.zeros(2, np.uint32), *[np.arange(2)] * 2, index.model)
    pq.write_table(wide.to_arrow(), tmp_path / "wide.parquet")
    pq.write_table(pa.table({"vector": [1.0]}), tmp_path / "floats.parquet")
    pq.write_table(wide.to_arrow().drop_columns("vector"), tmp_path / "no_vectors.parquet")
    for query, model, message in (
        (night, "stampnet", f"the model {s2v.load('stampnet').name!r} gives scores, not vectors"),
        (night, other, f"the index holds vectors by {index.model}, and {other} is {s2v.load(other).id}"),
        (night, None, f"the index holds vectors by {index.model}, and vectornet is vectornet "),
        (tmp_path / "folder", vector_file, "holds no file that can be read"),
        (tmp_path / "features.csv", vector_file, "which have pixels; given Features"),
        (tmp_path / "wide.parquet", vector_file, "these are of 5 by"),
        (tmp_path / "floats.parquet", vector_file, "no lists of int8 of one fixed size"),
        (tmp_path / "no_vectors.parquet", vector_file, "no_vectors.parquet"),
        (tmp_path / "nowhere.avro", vector_file, "and there is no such file"),
        (tmp_path / "no*where", vector_file, "matches no file"),
    ):
        status, table = similar(query, model=model)
        said = capsys.readouterr().err
        assert (status, table) == (2, None), said
        assert message in said
    # An output in the folder that is read, by which stamps of a .npy file have their ids.
    np.save(tmp_path / "folder" / "stamps.npy", np.zeros((1, 3, 63, 63), np.float32))
    beside = tmp_path / "folder" / "stamps.csv"
    beside.write_text("candidate_id\n4\n")
    words = ["similar", str(tmp_path / "folder"), "--index", str(index.folder), "--model", str(vector_file)]
    assert main([*words, "-o", str(beside)]) == 2
    assert "stamps.csv: it is an input" in capsys.readouterr().err
    assert beside.read_text() == "candidate_id\n4\n"


def test_the_packaged_network_is_the_default(night, tmp_path, capsys):
    stamps = s2v.read(night, strict=False)
    index = s2v.Index.build(s2v.embed(stamps[:12]), tmp_path / "index")
    out = tmp_path / "found.parquet"
    assert main(["similar", str(night), "--index", str(index.folder), "-k", "3", "-o", str(out)]) == 1
    same(pq.read_table(out), index.search(s2v.embed(stamps), 3).to_arrow())


def test_every_format_holds_what_has_no_look_alikes(similar, night, tmp_path):
    tables = pytest.importorskip("astropy.table")
    wanted = similar(night)[1]
    for suffix in (".csv", ".fits", ".ecsv", ".vot"):
        out = tmp_path / f"found{suffix}"
        assert similar(night, out=out)[0] == 1
        table = tables.Table.read(out)
        assert len(table) == len(wanted)
        rank = np.ma.filled(table["rank"], -1)
        assert rank.tolist() == [-1 if value is None else value for value in wanted.column("rank").to_pylist()]


def test_on_a_device(similar, night, monkeypatch):
    tables = []
    for place in ("cpu", "cuda"):
        if place == "cuda":
            host_device.make(monkeypatch)
        status, table = similar(night, "--device", place)
        assert status == 1
        tables.append(table.replace_schema_metadata())
    same(*tables)


def test_many_candidates_are_searched_in_blocks(similar, night, monkeypatch):
    whole = similar(night)[1]
    sizes = []
    search = s2v.Index.search

    def counted(self, vectors, *rest, **more):
        sizes.append(len(vectors))
        return search(self, vectors, *rest, **more)

    monkeypatch.setattr(s2v.Index, "search", counted)
    monkeypatch.setattr("space2vec.cli.similar._BLOCK", 13)
    same(similar(night)[1], whole.replace_schema_metadata())
    assert sizes == [13, 13, 5]


def test_a_mosaic_shows_the_pixels_of_the_input(index, night, vector_file, similar, tmp_path, monkeypatch):
    """Rows without ids are numbered, and a number may be the id of another candidate of the index."""
    pytest.importorskip("matplotlib")
    alerts = s2v.read(night, strict=False)
    planes = np.stack([np.stack([alerts.plane(row, c) for c in alerts.channels]) for row in (25, 26)])
    np.save(tmp_path / "query.npy", planes)
    drawn = []

    def keep(stamps, blocks, **more):
        drawn.append((stamps, blocks, more["notes"]))

    monkeypatch.setattr("space2vec.plot.draw_blocks", keep)
    assert similar(tmp_path / "query.npy", "--mosaic", str(tmp_path / "alike.png"), "--stamps", str(night))[0] == 1
    stamps, blocks, notes = drawn[0]
    assert list(blocks) == ["look-alikes of 0", "look-alikes of 1"]
    for query, rows in enumerate(blocks.values()):
        assert notes[rows[0]] == "the candidate"
        np.testing.assert_array_equal(stamps.plane(int(rows[0]), "science"), planes[query, 0])
        found = index.search(s2v.load(vector_file).embed(s2v.Stamps(planes)), K).candidate_id[query]
        assert [str(stamps.candidate_id[row]) for row in rows[1:]] == found.tolist()
        for row, name in zip(rows[1:], found, strict=True):
            own = alerts.candidate_id.astype(str).tolist().index(name)
            np.testing.assert_array_equal(stamps.plane(int(row), "science"), alerts.plane(own, "science"))


def test_a_mosaic_of_damaged_alerts(night, similar, tmp_path, capsys):
    """A picture changes no number; a damaged alert is in it as what it is, and what is like nothing gives none."""
    pytest.importorskip("matplotlib")
    pq.write_table(damaged_alerts().slice(8, 2), tmp_path / "alerts.parquet")
    plain = similar(tmp_path / "alerts.parquet")[1]
    picture = tmp_path / "alike.png"
    more = ["--mosaic", str(picture), "--stamps", str(night)]
    status, table = similar(tmp_path / "alerts.parquet", *more)
    said, told = capsys.readouterr()
    assert status == 1, told
    assert f"mosaic in {picture}" in said, told
    same(table, plain.replace_schema_metadata())
    assert picture.read_bytes().startswith(b"\x89PNG")
    picture.unlink()
    assert similar(night / "damaged.avro", *more)[0] == 1
    assert "no mosaic: there are no look-alikes" in capsys.readouterr().out
    assert not picture.exists()
