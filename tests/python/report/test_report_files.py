"""The files of a report: what they hold, decoded by a plain transcription, and what is refused."""

from __future__ import annotations

import argparse
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from helpers.tiny_models import vector_models
from space2vec.cli import main
from space2vec.cli.report_vectors import NightVectors
from space2vec.data.flags import bits
from space2vec.data.tables import Scores
from space2vec.errors import OutputError
from space2vec.models import load
from space2vec.report import NightProblem, NightReport, night, write_report
from space2vec.report.pixels import CodedStamps, encode_plane
from space2vec.vectors import Vectors

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'\\\u2028\n"


def table_of(folder: Path) -> dict[str, Any]:
    """Return the object that data/night.js passes to the page."""
    text = (folder / "data" / "night.js").read_text(encoding="ascii")
    inside = re.fullmatch(r"s2vNight\((.*)\);\n", text, re.DOTALL)
    assert inside is not None
    contents: dict[str, Any] = json.loads(inside[1])
    return contents


def stamps_of(folder: Path, number: int) -> tuple[dict[str, Any], NDArray[np.int8]]:
    """Return what the planes of a file are, and their codes, as JavaScript would read them."""
    raw = (folder / "data" / f"stamps-{number}.js").read_bytes()
    start = raw.index(b',"', raw.index(b'"centres"'))
    head = json.loads(raw[raw.index(b"{") : start])
    text = raw[start + 2 : raw.rindex(b'"')]
    assert b"\n" not in text
    assert b"\r" not in text
    plain = re.sub(rb"\\(.)", lambda found: {b"n": b"\n", b"r": b"\r"}.get(found[1], found[1]), text, flags=re.DOTALL)
    return head, np.frombuffer(zlib.decompress(plain), dtype=np.int8)


def scores_of(n: int, **others: Any) -> Scores:
    """Return scores that rise from 0 to 1."""
    ids = others.pop("candidate_id", np.arange(n))
    score = np.linspace(0, 1, n, dtype=np.float32)
    objects = np.array([f"o{k}" for k in range(n)], dtype=object)
    return Scores(score, np.zeros(n, dtype=np.uint32), objects, ids, "model", **others)


def test_codes_follow_the_formula() -> None:
    random = np.random.default_rng(3)
    plane = random.normal(100, 5, (63, 61)).astype(np.float32)
    plane[10:14, 20:24] += 4000
    plane[0, :7] = np.nan
    plane[1, 1] = np.inf
    steps, scale = encode_plane(plane)
    known = plane[np.isfinite(plane)].astype(np.float64)
    median = np.median(known)
    noise = 1.4826 * np.median(np.abs(known - median))
    assert scale.as_list() == [63, 61, float(f"{median:.7g}"), float(f"{noise:.7g}")]
    assert (steps[~np.isfinite(plane)] == -128).all()
    back = median + noise * np.sinh(steps[np.isfinite(plane)] / 4)
    # Half a step: an eighth of the noise near the sky, an eighth of the difference for bright pixels.
    assert (np.abs(back - known) <= 0.134 * np.hypot(noise, known - median)).all()


@pytest.mark.parametrize(
    ("plane", "noise"), [(np.zeros((5, 5)), 1.0), (np.eye(9) * 50, 0.5), (np.full((3, 3), np.nan), 1)]
)
def test_planes_without_noise(plane: NDArray[np.float64], noise: float) -> None:
    steps, scale = encode_plane(plane.astype(np.float32))
    assert scale.noise == noise
    assert np.isnan(plane).all() == (steps == -128).all()


def test_files_hold_the_stamps_in_order(tmp_path: Path) -> None:
    stamps = s2v.simulate(35, seed=4).stamps
    with NightReport(tmp_path / "night") as report:
        report.add(stamps[:7], s2v.load("default").score(stamps[:7]))
        report.add(stamps[7:], s2v.load("default").score(stamps[7:]))
        assert len(report) == 35
        page = report.finish()
    assert page == tmp_path / "night" / "index.html"
    assert sorted(file.name for file in (tmp_path / "night" / "data").iterdir()) == [
        "night.js", "stamps-0.js", "stamps-1.js", "stamps-2.js",
    ]  # fmt: skip
    for number in range(3):
        head, codes = stamps_of(tmp_path / "night", number)
        rows = range(16 * number, min(16 * (number + 1), 35))
        expected = [CodedStamps.of_row(stamps, row) for row in rows]
        assert head["centres"] == stamps.centre[rows.start : rows.stop].tolist()
        assert head["planes"] == [[None if s is None else s.as_list() for s in row.scales] for row in expected]
        assert codes.tobytes() == b"".join(row.pixels for row in expected)
    table = table_of(tmp_path / "night")
    assert table["candidate"] == [str(value) for value in stamps.candidate_id]
    np.testing.assert_allclose(table["score"], s2v.load("default").score(stamps).score, rtol=1e-5)


def test_rows_without_stamps_scores_or_ids(tmp_path: Path) -> None:
    stamps = s2v.Stamps([[np.ones((5, 7), np.float32), None, None], [None] * 3], candidate_id=["", "b"])
    scores = Scores(
        np.array([0.25, np.nan], np.float32), np.array([0, bits("missing")], np.uint32),
        np.array([None, "o"], dtype=object), np.array([None, "b"], dtype=object), "model",
        columns={"ra": np.array([np.nan, 12.0]), "big": np.array([1 << 60, 3]), "word": np.array([None, "x"], object),
                 "no": np.array([np.nan, np.nan]), "far": np.array([np.inf, 1.0])},
    )  # fmt: skip
    write_report(stamps, scores, tmp_path / "night")
    table = table_of(tmp_path / "night")
    assert table["score"] == [0.25, None]
    assert table["candidate"] == [None, "b"]
    assert table["object"] == [None, "o"]
    assert {column["name"]: column["values"] for column in table["columns"]} == {
        "ra": [None, 12.0], "big": [str(1 << 60), "3"], "word": [None, "x"], "far": ["inf", 1.0],
    }  # fmt: skip
    head, codes = stamps_of(tmp_path / "night", 0)
    assert head["planes"] == [[[5, 7, 1.0, 1.0], None, None], [None, None, None]]
    assert codes.tolist() == [0] * 35


def test_markup_in_texts_stays_text(tmp_path: Path) -> None:
    stamps = s2v.Stamps([[np.ones((3, 3), np.float32), None, None]], candidate_id=[HOSTILE])
    scores = scores_of(
        1, candidate_id=np.array([HOSTILE], dtype=object), columns={HOSTILE: np.array(["\ud800"], object)}
    )
    write_report(stamps, scores, tmp_path / "night", title=HOSTILE)
    table = table_of(tmp_path / "night")
    assert table["candidate"] == [HOSTILE]
    assert table["title"] == HOSTILE
    assert table["columns"] == [{"name": HOSTILE, "numeric": False, "values": ["?"]}]
    assert HOSTILE not in (tmp_path / "night" / "index.html").read_text()
    # The page makes text alone: nothing of it parses markup or runs text as code.
    for file in (tmp_path / "night").glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", file.read_text()
        )


def test_an_earlier_report_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    stamps = s2v.simulate(40, seed=5).stamps
    scores = s2v.load("default").score(stamps)
    write_report(stamps, scores, tmp_path / "night")
    write_report(stamps[:3], scores[:3], tmp_path / "night")
    assert sorted(file.name for file in (tmp_path / "night" / "data").iterdir()) == ["night.js", "stamps-0.js"]
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match="other files than a report"):
        write_report(stamps, scores, tmp_path / "papers")
    with pytest.raises(OutputError, match="no folder"):
        write_report(stamps, scores, tmp_path / "papers" / "thesis.tex")
    (tmp_path / "night" / "labels.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"other files than a report \(labels\.csv\)"):
        write_report(stamps, scores, tmp_path / "night")
    (tmp_path / "night" / "labels.csv").rename(tmp_path / "night" / "data" / "mine.js")
    with pytest.raises(OutputError, match=r"data/mine\.js"):
        write_report(stamps, scores, tmp_path / "night")
    (tmp_path / "night" / "data" / "mine.js").unlink()
    (tmp_path / "link").symlink_to(tmp_path / "night")
    with pytest.raises(OutputError, match="no folder"):
        write_report(stamps, scores, tmp_path / "link")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link", "night", "papers"]


def test_a_report_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    stamps = s2v.simulate(5, seed=5).stamps
    scores = s2v.load("default").score(stamps)
    write_report(stamps, scores, tmp_path / "night", title="first")
    with pytest.raises(ValueError, match="one score for each of 5 stamps"), NightReport(tmp_path / "night") as report:
        report.add(stamps, scores[:2])
    with NightReport(tmp_path / "night") as report:
        report.add(stamps, scores)  # and it ends before finish()
    assert table_of(tmp_path / "night")["title"] == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["night"]
    with pytest.raises(ValueError, match="threshold"):
        NightReport(tmp_path / "other", threshold=2)


def test_what_a_killed_report_has_left_is_removed(tmp_path: Path) -> None:
    left, other = tmp_path / ".night.0123456789ab.part", tmp_path / ".night.other.part"
    for folder in (left, other):
        (folder / "data").mkdir(parents=True)
    with NightReport(tmp_path / "night") as report, NightReport(tmp_path / "night") as second:
        assert not left.exists()
        second.finish()
        report.finish()  # the folder of a report that is being written is no leftover
    assert sorted(file.name for file in tmp_path.iterdir()) == [".night.other.part", "night"]


def test_an_empty_night(tmp_path: Path) -> None:
    with NightReport(tmp_path / "night") as report:
        report.finish()
    assert table_of(tmp_path / "night")["candidate"] == []


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "-n", "30", "-o", str(tmp_path / "alerts"), "--seed", "3"]) == 0
    damaged = next((tmp_path / "alerts").rglob("*.avro"))
    damaged.write_bytes(damaged.read_bytes()[:2000])
    capsys.readouterr()
    out = tmp_path / "night"
    assert main(["report", str(tmp_path / "alerts"), "-o", str(out), "--threshold", "0.7", "--title", "A night"]) == 1
    said = capsys.readouterr().out
    table = table_of(out)
    assert table["title"] == "A night"
    assert table["threshold"] == 0.7
    assert {"ra", "dec", "magpsf"} <= {column["name"] for column in table["columns"]}
    scored = [score for score in table["score"] if score is not None]
    real = sum(score >= 0.7 for score in scored)
    lost = len(table["score"]) - len(scored)
    assert lost >= 1
    assert f"{len(table['score'])} candidates: {real} real and {len(scored) - real} bogus" in said
    assert f"{lost} without a score" in said
    rows = s2v.load("default").score(s2v.read(str(tmp_path / "alerts"), strict=False))
    np.testing.assert_allclose([np.nan if s is None else s for s in table["score"]], rows.score, rtol=1e-5)
    assert main(["report", str(tmp_path / "alerts"), "-o", str(tmp_path / "alerts")]) == 2
    assert "other files than a report" in capsys.readouterr().err


def test_problems_are_listed_by_the_row_of_the_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night, "_PROBLEMS", 3)
    with NightReport(tmp_path / "r") as report:
        report.add(
            None, scores_of(4), [NightProblem(1, "a", "truncated", "bytes end"), NightProblem(3, "", "missing", "")]
        )
        report.add(
            None, scores_of(2), [NightProblem(0, HOSTILE, "foreign_file", HOSTILE), NightProblem(1, "d", "e", "f")]
        )
        report.finish()
    found = table_of(tmp_path / "r")
    assert found["problems"] == [
        [1, "a", "truncated", "bytes end"], [3, "", "missing", ""], [4, HOSTILE, "foreign_file", HOSTILE],
    ]  # fmt: skip
    assert found["problemCount"] == 4


def test_files_that_give_no_score_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged file, and two arrays that are no stamps, which no reader complains of."""
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(folder / "good.npy", s2v.simulate(2, seed=1).stamps[:1].pixels)
    np.save(folder / "numbers.npy", np.arange(90.0).reshape(3, 30))
    np.save(folder / "flat.npy", np.zeros((1, 3, 63, 63), np.float32))
    (folder / "cut.avro").write_bytes(b"Obj\x01")
    assert main(["report", str(folder), "-o", str(tmp_path / "r")]) == 1
    assert "3 without a score (" in capsys.readouterr().out
    problems = {Path(place).name: (row, reason) for row, place, reason, _ in table_of(tmp_path / "r")["problems"]}
    assert {name: reason for name, (_, reason) in problems.items()} == {
        "numbers.npy": "missing", "flat.npy": "constant", "cut.avro": "truncated",
    }  # fmt: skip
    scores = table_of(tmp_path / "r")["score"]
    assert [row for row, score in enumerate(scores) if score is None] == sorted(row for row, _ in problems.values())


def test_look_alikes_and_columns_that_are_known_last(tmp_path: Path) -> None:
    scores = scores_of(3, columns={"kind": np.array(["x", "y", "z"], object), "ra": np.array([1.0, 2.0, 3.0])})
    rows, likeness = np.array([[1, 2], [0, -1], [-1, -1]]), np.array([[0.91239, 0.5], [1, np.nan], [np.nan, np.nan]])
    with NightReport(tmp_path / "night") as report:
        report.add(None, scores)
        for wrong, message in (
            ((rows[:2], likeness[:2]), r"shape \(3, k\)"),
            ((rows, likeness[:, :1]), r"shape \(3, k\)"),
            ((rows + 1, likeness), "a row from 0 to 2"),
            ((rows - 1, likeness), "a row from 0 to 2"),
        ):
            with pytest.raises(ValueError, match=message):
                report.finish(alike=wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="kind"):
            report.finish(columns={"kind": np.array(["a"], object)})
        kinds = np.array(["outlier", None, HOSTILE], dtype=object)
        report.finish(alike=(rows, likeness.astype(np.float32)), columns={"kind": kinds})
    table = table_of(tmp_path / "night")
    assert table["alike"] == {"each": 2, "rows": [1, 2, 0, -1, -1, -1], "likeness": [912, 500, 1000, 0, 0, 0]}
    assert table["hasKinds"] is True
    assert {column["name"]: column["values"] for column in table["columns"]} == {
        "kind": ["outlier", None, HOSTILE], "packet.kind": ["x", "y", "z"], "ra": [1.0, 2.0, 3.0],
    }  # fmt: skip


def vectors_of(night: Path, folder: Path) -> Path:
    """Write vectors of the alerts of a night, by some of their pixels, in another order, and return their table."""
    stamps = s2v.read(str(night), strict=False)
    values = np.zeros((len(stamps), 16), np.int8)
    for row in range(len(stamps)):
        plane = stamps.plane(row, "difference")
        if plane is not None:
            pixels = np.resize(np.nan_to_num(plane), 16)
            values[row] = pixels / np.abs(pixels).max() * 127
    table = Vectors(values, stamps.flags, stamps.object_id, stamps.candidate_id, "mine 1")[::-1]
    pq.write_table(table.to_arrow(), folder / "vectors.parquet")
    return folder / "vectors.parquet"


def test_the_command_with_vectors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    night, out = tmp_path / "alerts", str(tmp_path / "night")
    assert main(["simulate", "-n", "40", "-o", str(night), "--seed", "3"]) == 0
    vectors = vectors_of(night, tmp_path)
    assert main(["report", str(night), "-o", out, "--vectors", str(vectors)]) == 0
    table = table_of(tmp_path / "night")
    held = s2v.read_vectors(vectors)
    index = s2v.Index.build(held, tmp_path / "index")
    for row in (0, 7, 39):
        found = index.similar(table["candidate"][row], 12)
        alike = table["alike"]["rows"][12 * row : 12 * (row + 1)]
        got = table["alike"]["likeness"][12 * row : 12 * (row + 1)]
        np.testing.assert_allclose(got, 1000 * found.likeness[0], atol=0.51)
        assert table["candidate"][alike[0]] == found.candidate_id[0, 0]
        assert row not in alike
    columns = {column["name"]: column["values"] for column in table["columns"]}
    assert all(kind == "outlier" or kind.startswith("kind-") for kind in columns["kind"])
    assert table["hasKinds"] is True
    # Kinds of the command cluster, of which the page shows the novelty too.
    kinds = str(tmp_path / "kinds")
    earlier = s2v.Index.build(held[:20], tmp_path / "earlier")
    assert main(["cluster", str(vectors), "-o", kinds, "--index", str(earlier.folder)]) == 0
    words = ["report", str(night), "-o", out, "--vectors", str(vectors)]
    assert main([*words, "--kinds", f"{kinds}/kinds.parquet"]) == 0
    table = table_of(tmp_path / "night")
    columns = {column["name"]: column["values"] for column in table["columns"]}
    by_id = dict(zip(table["candidate"], zip(columns["kind"], columns["novelty"], strict=True), strict=True))
    rows = pq.read_table(f"{kinds}/kinds.parquet").to_pylist()
    assert by_id == {str(row["candidate_id"]): (row["kind"], pytest.approx(row["novelty"])) for row in rows}
    assert main(["report", str(night), "-o", out, "--vectors", "none"]) == 0
    assert table_of(tmp_path / "night")["alike"] is None
    assert table_of(tmp_path / "night")["hasKinds"] is False
    capsys.readouterr()
    np.save(tmp_path / "stamps.npy", np.zeros((2, 3, 9, 9), np.float32))
    for more, message in (
        (["--vectors", "none", "--kinds", f"{kinds}/kinds.parquet"], "which --vectors none leaves out"),
        (["--vectors", str(night)], "alerts"),
        (["--kinds", str(vectors), "--vectors", str(vectors)], "no kinds: space2vec cluster writes them"),
        (["--kinds", str(tmp_path / "stamps.npy"), "--vectors", str(vectors)], "not a Parquet file"),
    ):
        assert main(["report", str(night), "-o", out, *more]) == 2
        assert message in capsys.readouterr().err
    assert main(["report", str(tmp_path / "stamps.npy"), "-o", out, "--vectors", str(vectors)]) == 2
    assert "has vectors of other candidates" in capsys.readouterr().err


def test_vectors_of_the_packaged_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vectornet.safetensors").write_bytes(vector_models()["vectors of planes"])
    files = {**load.packaged(), "vectornet": tmp_path / "vectornet.safetensors"}
    monkeypatch.setattr(load, "packaged", lambda: files)
    options = argparse.Namespace(vectors=None, kinds=None, threads=1, device="cpu")
    stamps = s2v.simulate(30, seed=3).stamps
    night = NightVectors(options)
    night.add(stamps[:20])
    night.add(stamps[20:])
    rows, likeness, columns = night.finish()
    values = s2v.embed(stamps, model=tmp_path / "vectornet.safetensors").vector.astype(np.float64)
    norms = np.linalg.norm(values, axis=1)
    with np.errstate(invalid="ignore"):
        cosine = values @ values.T / norms / norms[:, None]
    np.fill_diagonal(cosine, -2)
    sound = norms > 0
    assert sound.sum() > 20
    np.testing.assert_allclose(likeness[sound, 0], np.nanmax(cosine[sound], axis=1), atol=1e-5)
    assert (rows[~sound] == -1).all()
    assert len(columns["kind"]) == 30
    # Stamps without the planes that the network looks at, and features, go without.
    single = s2v.Stamps([[None, None, np.ones((9, 9), np.float32)]] * 2)
    for others in (single, s2v.features(stamps, set="s2v")):
        night = NightVectors(options)
        night.add(others)
        rows, _, columns = night.finish()
        assert (rows == -1).all()


def test_a_table_of_features_has_no_stamps(tmp_path: Path) -> None:
    features = s2v.features(s2v.simulate(4, seed=1).stamps, set="all")
    scores = s2v.load("forest").score(features)
    with NightReport(tmp_path / "night") as report:
        report.add(None, scores)
        report.finish()
    assert table_of(tmp_path / "night")["hasStamps"] is False
    assert stamps_of(tmp_path / "night", 0)[0]["planes"] == [[None] * 3] * 4
