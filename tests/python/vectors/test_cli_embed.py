"""``space2vec embed`` and ``score --vectors``: every row, resumed runs, the same bits, what cannot be done."""

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from helpers import host_device
from space2vec.cli import main
from space2vec.data.flags import bits
from space2vec.reading import find
from space2vec.reading.notes import read_note


def run(command, night, out, model, *more):
    option = "--model" if command == "embed" else "--vector-model"
    return main([command, str(night), "-o", str(out), "--threads", "1", option, str(model), *more])


def same(one, other):
    assert np.array_equal(one.vector, other.vector)
    assert one.flags.tolist() == other.flags.tolist()
    assert one.candidate_id.tolist() == other.candidate_id.tolist()
    assert one.object_id.tolist() == other.object_id.tolist()
    assert list(one.columns) == list(other.columns)
    assert one.model == other.model


def test_a_night(night, vector_file, tmp_path, capsys):
    out = tmp_path / "vectors.parquet"
    assert run("embed", night, out, vector_file) == 1, "one file is damaged"
    said = capsys.readouterr().out
    network = s2v.load(vector_file)
    assert "31 rows: 30 embedded, 1 not embedded" in said
    assert f"model {network.id}; vectors in {out}" in said
    vectors = s2v.read_vectors(out)
    wanted = network.embed(s2v.read(night, strict=False))
    assert np.array_equal(vectors.vector, wanted.vector)
    assert vectors.flags.tolist() == wanted.flags.tolist()
    assert "ra" in vectors.columns
    note = read_note(out)
    assert (note["command"], note["model"], note["rows"]) == ("embed", network.id, 31)
    description = pq.read_schema(out).field("vector").metadata[b"description"].decode()
    assert description.startswith("64 integers from -127 to 127 by the model ")
    errors = pq.read_table(tmp_path / "vectors.errors.parquet")
    assert errors["reason"].to_pylist() == ["foreign_file"]
    lost = np.flatnonzero(~vectors.has_vector)
    assert len(lost) == 1
    assert vectors.flags[lost[0]] & bits("bad_stamp")


def test_an_interrupted_run_goes_on(night, vector_file, tmp_path, monkeypatch, capsys):
    whole, out = tmp_path / "whole.parquet", tmp_path / "vectors.parquet"
    assert run("embed", night, whole, vector_file, "--part-rows", "8") == 1
    from space2vec.writing.output import Output

    add, calls = Output.add, []

    def add_two(self, chunk):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(chunk)
        add(self, chunk)

    monkeypatch.setattr(Output, "add", add_two)
    assert run("embed", night, out, vector_file, "--part-rows", "8") == 130
    assert not out.exists()
    monkeypatch.setattr(Output, "add", add)
    assert run("embed", night, out, vector_file, "--part-rows", "8") == 2
    assert "--resume goes on from there" in capsys.readouterr().err
    assert run("embed", night, out, vector_file, "--part-rows", "8", "--resume") == 1
    assert "continuing after 16 rows" in capsys.readouterr().err
    assert out.read_bytes() == whole.read_bytes()
    assert run("embed", night, out, vector_file, "--part-rows", "8", "--resume") == 1
    assert "is complete already" in capsys.readouterr().out


def test_scores_and_vectors_in_one_pass(night, vector_file, tmp_path, capsys):
    alone = tmp_path / "alone.parquet"
    assert run("embed", night, alone, vector_file) == 1
    plain = tmp_path / "plain.parquet"
    assert main(["score", str(night), "-o", str(plain)]) == 1
    scores, vectors = tmp_path / "scores.parquet", tmp_path / "vectors.parquet"
    assert run("score", night, scores, vector_file, "--vectors", str(vectors), "--threshold", "0.5") == 1
    assert f"vectors of the model {s2v.load(vector_file).id} in {vectors}" in capsys.readouterr().out
    same(s2v.read_vectors(vectors), s2v.read_vectors(alone))
    one, other = pq.read_table(scores), pq.read_table(plain)
    assert repr(one.drop_columns("decision").to_pydict()) == repr(other.to_pydict())
    note = read_note(vectors)
    assert note["model"] == s2v.load(vector_file).id
    assert read_note(scores)["model"] == s2v.load("default").id
    # A run without vectors, and one of another model, is another run.
    assert main(["score", str(night), "-o", str(scores), "--resume", "--threshold", "0.5"]) == 2
    assert "from another run" in capsys.readouterr().err
    again = run("score", night, scores, vector_file, "--vectors", str(vectors), "--threshold", "0.5", "--resume")
    assert again == 1
    assert "is complete already" in capsys.readouterr().out


def test_on_a_device(night, vector_file, tmp_path, monkeypatch):
    for place in ("cpu", "cuda"):
        if place == "cuda":
            host_device.make(monkeypatch)
        more = ["--device", place]
        beside = ["--vectors", str(tmp_path / f"{place}.beside.parquet")]
        assert run("embed", night, tmp_path / f"{place}.parquet", vector_file, *more) == 1
        assert run("score", night, tmp_path / f"{place}.scores.parquet", vector_file, *more, *beside) == 1
    same(*(s2v.read_vectors(tmp_path / f"{place}.parquet") for place in ("cpu", "cuda")))
    same(*(s2v.read_vectors(tmp_path / f"{place}.beside.parquet") for place in ("cpu", "cuda")))
    one, other = (pq.read_table(tmp_path / f"{place}.scores.parquet").to_pydict() for place in ("cpu", "cuda"))
    assert repr(one) == repr(other)


def test_a_picture_needs_pixels_and_changes_no_bits(night, vector_file, tmp_path):
    pytest.importorskip("matplotlib")
    for name, more in (("plain", []), ("drawn", ["--mosaic", str(tmp_path / "mosaic.png")])):
        vectors = tmp_path / f"{name}.vectors.parquet"
        assert run("score", night, tmp_path / f"{name}.parquet", vector_file, "--vectors", str(vectors), *more) == 1
    same(*(s2v.read_vectors(tmp_path / f"{name}.vectors.parquet") for name in ("plain", "drawn")))


def test_arrays_beside_alerts(vector_file, tmp_path):
    """Stamps that are not alerts are embedded after they were read."""
    planes = np.random.default_rng(1).normal(size=(9, 3, 63, 63)).astype(np.float32)
    np.save(tmp_path / "stamps.npy", planes)
    vectors = tmp_path / "vectors.parquet"
    assert run("score", tmp_path / "stamps.npy", tmp_path / "s.parquet", vector_file, "--vectors", str(vectors)) == 0
    wanted = s2v.load(vector_file).embed(s2v.Stamps(planes))
    assert np.array_equal(s2v.read_vectors(vectors).vector, wanted.vector)
    assert run("embed", tmp_path / "stamps.npy", tmp_path / "e.parquet", vector_file) == 0
    same(s2v.read_vectors(tmp_path / "e.parquet"), s2v.read_vectors(vectors))


def test_no_rows(vector_file, tmp_path):
    np.save(tmp_path / "stamps.npy", np.empty((0, 3, 63, 63), np.float32))
    for command, more in (("embed", []), ("score", ["--vectors", str(tmp_path / "beside.parquet")])):
        assert run(command, tmp_path / "stamps.npy", tmp_path / f"{command}.parquet", vector_file, *more) == 0
    assert s2v.read_vectors(tmp_path / "embed.parquet").vector.shape == (0, 64)
    assert s2v.read_vectors(tmp_path / "beside.parquet").vector.shape == (0, 64)


def test_columns_and_csv(night, vector_file, tmp_path):
    out = tmp_path / "vectors.csv"
    assert run("embed", night, out, vector_file, "--columns", "candidate.jd") == 1
    table = pyarrow.csv.read_csv(out)
    assert table.column_names == ["object_id", "candidate_id", "vector", "flags", "jd"]
    assert len(table["vector"][0].as_py().split()) == 64


def test_vectors_are_no_input_of_a_later_run(night, vector_file, tmp_path):
    for command, out in (("embed", "vectors.parquet"), ("score", "scores.csv")):
        assert run(command, night, tmp_path / out, vector_file) == 1
    np.save(tmp_path / "stamps.npy", np.zeros((1, 3, 63, 63), np.float32))
    assert [path.name for path in find(tmp_path).sources] == ["stamps.npy"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["embed", "--model", "stampnet"],
            "gives scores, not vectors; use score",
        ),
        (["embed", "--model", "starnet"], "unknown model 'starnet'"),
        (["score", "--model", "VECTORS"], "gives vectors, not scores; use embed"),
        (["score", "--vectors", "v.parquet", "--vector-model", "forest"], "gives scores, not vectors; use score"),
        (["report", "--model", "VECTORS"], "gives vectors, not scores; use embed"),
    ],
)
def test_the_wrong_model(night, vector_file, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    given = [str(vector_file) if word == "VECTORS" else word for word in arguments]
    assert main([given[0], str(night), "-o", "out.parquet", *given[1:]]) == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_tables_of_vectors_cannot_be_written_anywhere(night, vector_file, tmp_path, capsys):
    out = tmp_path / "scores.parquet"
    for place, words in (
        (out, "need a file of their own"),
        (tmp_path / "vectors.txt", "the suffix must be one of"),
        (tmp_path / "nowhere" / "vectors.parquet", "there is no folder"),
        (night / "damaged.avro", "it is an input"),
    ):
        assert run("score", night, out, vector_file, "--vectors", str(place)) == 2
        assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_table_of_features_has_no_pixels(vector_file, tmp_path, capsys):
    (tmp_path / "table.csv").write_text("candidate_id,L1\n1,0.5\n")
    assert run("embed", tmp_path / "table.csv", tmp_path / "out.parquet", vector_file) == 2
    assert "which have pixels; given Features" in capsys.readouterr().err


def test_the_card_of_a_network_of_vectors(vector_file, capsys):
    assert main(["info", str(vector_file)]) == 0
    said = capsys.readouterr().out
    assert "| gives | a vector of 64 integers from -127 to 127 |" in said
    assert "microseconds per candidate" in said
