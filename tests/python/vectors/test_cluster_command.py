"""The command cluster: its tables, pictures and names of kinds, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.vectors import Vectors

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two simulated nights, their vectors, and an index of the first."""
    folder = tmp_path_factory.mktemp("nights")
    for name, seed in (("monday", "3"), ("tuesday", "4")):
        assert main(["simulate", "-n", "80", "-o", str(folder / name), "--seed", seed]) == 0
        stamps = s2v.read(str(folder / name))
        random = np.random.default_rng(1)
        centres = random.normal(0, 40, (4, 32))
        group = np.arange(80) % 3
        vector = np.rint(centres[group] + np.random.default_rng(int(seed)).normal(0, 4, (80, 32)))
        vector[7] = np.rint(centres[3])  # an outlier
        vector[8] = 0
        table = Vectors(
            np.clip(vector, -127, 127).astype(np.int8), stamps.flags, stamps.object_id, stamps.candidate_id, "mine 1"
        )
        pq.write_table(table.to_arrow(), folder / f"{name}.parquet")
    s2v.Index.build(s2v.read_vectors(folder / "monday.parquet")[10:], folder / "index")
    return folder


def test_a_night_and_the_next(night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    prototypes = tmp_path / "prototypes.json"
    words = ["--kinds", "3", "--prototypes", str(prototypes)]
    stamps = ["--stamps", str(night / "monday"), "--stamps", str(night / "tuesday")]
    out = tmp_path / "kinds"
    assert main(["cluster", str(night / "monday.parquet"), "-o", str(out), *words, *stamps]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("outlier: ")
    assert "without a vector, in no kind: 1" in said
    assert "earlier night" not in " ".join(said)
    rows = pq.read_table(out / "kinds.parquet")
    vectors = s2v.read_vectors(night / "monday.parquet")
    assert len(rows) == 80
    assert rows.column("candidate_id")[0].as_py() == vectors.candidate_id[7]
    assert rows.column("kind").to_pylist()[0] == "outlier"
    assert rows.column("kind").to_pylist()[-1] is None
    summary = pq.read_table(out / "summary.parquet")
    assert summary.column("kind").to_pylist()[0] == "outlier"
    assert sum(summary.column("candidates").to_pylist()) == 79
    names = sorted(file.name for file in out.iterdir())
    assert names[0].startswith("kind-001-kind-")
    assert [name for name in names if name[:5] != "kind-"] == ["kinds.parquet", "outliers.png", "summary.parquet"]
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in names if name.endswith("png"))
    entries = json.loads(prototypes.read_text())
    entries["kinds"][0]["name"] = "../<b>moving</b>"
    prototypes.write_text(json.dumps(entries))
    assert main(
        ["cluster", str(night / "tuesday.parquet"), "-o", str(out), *words, *stamps, "--format", "csv",
         "--index", str(night / "index")]
    ) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "../<b>moving</b>: " in said
    assert "not on an earlier night" not in said
    assert "unlike all before (novelty above 0." in said
    names = sorted(file.name for file in out.iterdir())
    assert [name for name in names if name.endswith("parquet")] == []
    assert {"kinds.csv", "kinds.csv.json", "summary.csv", "novel.png"} <= set(names)
    assert any(name.endswith("-_b_moving_b_.png") for name in names)
    again = (out / "kinds.csv").read_text()
    old = json.loads(prototypes.read_text())
    old["kinds"] = [{**old["kinds"][0], "centre": [-x for x in old["kinds"][0]["centre"]], "nights": 5}]
    (tmp_path / "old.json").write_text(json.dumps(old))
    assert main(
        ["cluster", str(night / "tuesday.parquet"), "-o", str(tmp_path / "new"), "--kinds", "3", "--prototypes",
         str(tmp_path / "old.json")]
    ) == 0  # fmt: skip
    assert capsys.readouterr().out.count("not on an earlier night") == 3
    assert main(["cluster", str(night / "tuesday.parquet"), "-o", str(out), "--kinds", "3", "--format", "csv"]) == 0
    assert not list(out.glob("*.png"))  # pictures of the run before would be of other kinds
    assert (out / "prototypes.json").exists()
    assert (out / "kinds.csv").read_text() != again


def test_what_is_refused(night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = str(night / "monday.parquet")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("mine")
    (tmp_path / "prototypes.json").write_text("{}")
    for more, message in (
        ([vectors, "-o", str(tmp_path / "papers")], r"holds other files than kinds (thesis.tex)"),
        ([vectors, "-o", str(tmp_path / "papers" / "thesis.tex")], "is no folder"),
        ([vectors, "-o", str(tmp_path / "a"), "--prototypes", vectors], "it is an input"),
        ([vectors, "-o", str(tmp_path / "a"), "--prototypes", str(tmp_path / "prototypes.json")], "no prototypes"),
        ([vectors, "-o", str(tmp_path / "a"), "--index", str(tmp_path)], "no index"),
        ([vectors, "-o", str(tmp_path / "a"), "--kinds", "0"], "0 is not above 0"),
        ([vectors, "-o", str(tmp_path / "a"), "--method", "hdbscan", "--kinds", "3"], "is for kmeans"),
        ([str(night / "monday"), "-o", str(tmp_path / "a")], "monday"),
    ):
        assert main(["cluster", *more]) == 2
        assert message in capsys.readouterr().err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["papers", "prototypes.json"]
    assert (tmp_path / "papers" / "thesis.tex").read_text() == "mine"


def test_a_night_twice(night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cluster", str(night / "monday.parquet"), "--kinds", "3", "-o", str(tmp_path / "kinds")]
    written = []
    for _ in range(2):
        assert main(words) == 0
        written.append([(tmp_path / "kinds" / name).read_bytes() for name in ("kinds.parquet", "prototypes.json")])
    assert written[0] == written[1]
    said = capsys.readouterr().out
    assert said.count("prototypes.json has counted these candidates already; they are not counted again") == 1


def test_candidates_in_several_tables(night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row with a vector goes before one without, whichever comes first."""
    monday = s2v.read_vectors(night / "monday.parquet")
    part = monday[:9]
    part.vector = part.vector.copy()
    part.vector[8], part.vector[2] = 5, 0
    pq.write_table(part.to_arrow(), tmp_path / "part.parquet")
    tables = [tmp_path / "part.parquet", night / "monday.parquet", night / "monday.parquet"]
    out = tmp_path / "kinds"
    assert main(["cluster", *map(str, tables), "--kinds", "3", "-o", str(out)]) == 0
    assert "further rows of the same candidates, left out: 89" in capsys.readouterr().out
    rows = pq.read_table(out / "kinds.parquet")
    assert sorted(rows.column("candidate_id").to_pylist()) == sorted(monday.candidate_id.tolist())
    assert None not in rows.column("kind").to_pylist()


def test_a_night_of_one_candidate(night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(s2v.read_vectors(night / "monday.parquet")[:1].to_arrow(), tmp_path / "one.parquet")
    words = ["cluster", str(tmp_path / "one.parquet"), "-o", str(tmp_path / "kinds"), "--format", "csv"]
    assert main([*words, "--index", str(night / "index")]) == 0
    assert "outlier: 1 (100.0 %), median distance -\n" in capsys.readouterr().out
    row = csv_row(tmp_path / "kinds" / "kinds.csv")
    assert (row["kind"], row["distance"]) == ("outlier", "nan")
    assert csv_row(tmp_path / "kinds" / "summary.csv")["median_distance"] == "nan"


def csv_row(path: Path) -> dict[str, str]:
    """Return the only row of a table."""
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    return row
