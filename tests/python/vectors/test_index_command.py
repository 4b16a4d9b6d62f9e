"""The commands index and similar: what they write and print, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.vectors import Vectors

N = 30


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a simulated night, and its vectors in two tables."""
    folder = tmp_path_factory.mktemp("night")
    assert main(["simulate", "-n", str(N), "-o", str(folder / "alerts"), "--seed", "3"]) == 0
    stamps = s2v.read(str(folder / "alerts"))
    values = s2v.features(stamps, set="s2v").host_values()
    ranks = np.argsort(np.argsort(np.nan_to_num(values), axis=0), axis=0)
    vector = (ranks * 8 - 4 * N).astype(np.int8)
    vector[4] = 0
    table = Vectors(vector, stamps.flags, stamps.object_id, stamps.candidate_id, "features 1")
    pq.write_table(table[:20].to_arrow(), folder / "a.parquet")
    pq.write_table(table[15:].to_arrow(), folder / "b.parquet")
    other = Vectors(vector[:, :5], stamps.flags, stamps.object_id, stamps.candidate_id, "other 2")
    pq.write_table(other.to_arrow(), folder / "other.parquet")
    return folder


@pytest.fixture
def index(night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return an index of the first table."""
    assert main(["index", "build", str(night / "a.parquet"), "-o", str(tmp_path / "index")]) == 0
    said = capsys.readouterr().out
    assert "a.parquet: 19 added, 1 without a vector left out" in said
    assert "19 vectors in" in said
    return tmp_path / "index"


def test_build_and_add(night: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "add", str(index), str(night / "b.parquet"), str(night / "a.parquet")]) == 0
    said = capsys.readouterr().out
    assert "b.parquet: 10 added, 5 known already left out" in said
    assert "29 vectors in" in said
    whole = [str(night / "a.parquet"), str(night / "b.parquet")]
    assert main(["index", "build", *whole, "-o", str(tmp_path / "other")]) == 0
    assert (
        s2v.Index(tmp_path / "other").vectors(slice(None)).vector == s2v.Index(index).vectors(slice(None)).vector
    ).all()
    assert main(["index", "build", *whole, "-o", str(index)]) == 2
    assert "holds an index already" in capsys.readouterr().err
    assert main(["index", "add", str(index), str(night / "other.parquet")]) == 2
    assert "they cannot be compared" in capsys.readouterr().err
    assert main(["index", "add", str(tmp_path / "nowhere"), str(night / "a.parquet")]) == 2
    assert "no index; space2vec index build makes one" in capsys.readouterr().err
    assert main(["index", "build", str(night / "alerts"), "-o", str(tmp_path / "third")]) == 2
    assert not (tmp_path / "third").exists()


def test_similar(night: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    wanted = s2v.Index(index)
    name = wanted.vectors([3]).candidate_id[0]
    found = wanted.similar(name, 5)
    picture, table = tmp_path / "alike.png", tmp_path / "alike.csv"
    words = ["similar", str(name), "--index", str(index), "-k", "5", "-o", str(table)]
    assert main([*words, "--mosaic", str(picture), "--stamps", str(night / "alerts")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"look-alikes of {name}:"
    assert [line.split()[1] for line in said[1:6]] == found.candidate_id[0].tolist()
    assert [float(line.split()[0]) for line in said[1:6]] == pytest.approx(found.likeness[0], abs=5e-5)
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = table.read_text().splitlines()
    assert lines[0].replace('"', "").split(",")[:4] == ["query_id", "rank", "candidate_id", "object_id"]
    assert len(lines) == 6
    assert main(["similar", str(night / "b.parquet"), "--index", str(index), "-o", str(tmp_path / "all.parquet")]) == 0
    said = capsys.readouterr().out
    assert "and of 3 further candidates" in said
    rows = pq.read_table(tmp_path / "all.parquet")
    queries = rows.column("query_id").to_pylist()
    assert rows.column("rank").to_pylist().count(1) == 15
    assert all(a != b for a, b in zip(queries, rows.column("candidate_id").to_pylist(), strict=True))


def test_what_similar_refuses(night: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(s2v.Index(index).vectors([3]).candidate_id[0])
    words = ["similar", name, "--index", str(index)]
    for more, message in (
        (["--mosaic", str(tmp_path / "a.png")], "--mosaic needs --stamps"),
        (["-o", str(tmp_path / "a.txt")], "the suffix must be one of"),
        (["-k", "0"], "0 is not above 0"),
    ):
        assert main([*words, *more]) == 2
        assert message in capsys.readouterr().err
    assert main(["similar", "12345", "--index", str(index)]) == 2
    assert "no candidate 12345, and there is no such file" in capsys.readouterr().err
    assert main(["similar", str(night / "other.parquet"), "--index", str(index)]) == 2
    assert "cannot be compared" in capsys.readouterr().err
    query = str(night / "b.parquet")
    assert main(["similar", query, "--index", str(index), "-o", query]) == 2
    assert "it is an input" in capsys.readouterr().err


def test_a_mosaic_of_candidates_whose_stamps_are_elsewhere(
    night: Path, index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    assert main(["simulate", "-n", "5", "-o", str(tmp_path / "others"), "--seed", "9"]) == 0
    empty = tmp_path / "empty.npy"
    np.save(empty, np.zeros((2, 3, 9, 9), np.float32))
    name = str(s2v.Index(index).vectors([3]).candidate_id[0])
    picture = str(tmp_path / "alike.png")
    words = ["similar", name, "--index", str(index), "--mosaic", picture]
    capsys.readouterr()
    assert main([*words, "--stamps", str(empty)]) == 0
    assert "no mosaic: the inputs of --stamps hold none of these candidates" in capsys.readouterr().out
    assert not Path(picture).exists()
