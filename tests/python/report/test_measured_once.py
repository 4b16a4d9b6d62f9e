"""A review measures the features of a night once: for the scores, and for the choice of what to label."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from helpers import tiny_models
from space2vec.backends.host import Host
from space2vec.cli import main
from space2vec.data.tables import Features
from space2vec.registry import feature_set
from space2vec.report.review import ReviewServer
from space2vec.report.selection import measured_already, most_useful

N = 24


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of simulated alerts and a file that is none."""
    folder = tmp_path_factory.mktemp("night") / "alerts"
    assert main(["simulate", "-n", str(N), "-o", str(folder), "--seed", "4"]) == 0
    (folder / "damaged.avro").write_bytes(b"this is not Avro")
    return folder


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the rows that are measured: alone, by a score, or as the inputs of a model."""
    counts: Counter[str] = Counter()
    features, score, inputs = Host.features, Host.score, Host._inputs_of_stamps

    def count_features(self, stamps, *rest):
        counts["features"] += len(stamps)
        return features(self, stamps, *rest)

    def count_score(self, model, source, *rest):
        counts["score"] += len(source)
        return score(self, model, source, *rest)

    def count_inputs(engine, needs, stamps, workers):
        counts["inputs"] += len(stamps)
        return inputs(engine, needs, stamps, workers)

    monkeypatch.setattr(Host, "features", count_features)
    monkeypatch.setattr(Host, "score", count_score)
    monkeypatch.setattr(Host, "_inputs_of_stamps", staticmethod(count_inputs))
    return counts


@pytest.fixture
def review(night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a review that ends at once, and gives the table of its pages."""
    pages: list[dict] = []

    def serve(server: ReviewServer) -> None:
        script = (server.folder / "data" / "night.js").read_bytes()
        pages.append(json.loads(script.removeprefix(b"s2vNight(").removesuffix(b");\n")))
        raise KeyboardInterrupt

    monkeypatch.setattr(ReviewServer, "serve_forever", serve)

    def run(model: str, source: Path = night) -> dict:
        words = ["--labels", str(tmp_path / "labels.csv"), "--model", model, "--vectors", "none", "--threads", "1"]
        assert main(["review", str(source), *words]) == 0
        return pages.pop()

    return run


@pytest.mark.parametrize("name", ["default", "forest", "stampnet-fast", "autoscan"])
def test_features_are_measured_once(name: str, night: Path, review, measured: Counter[str]) -> None:
    page = review(name)
    counts = Counter(measured)
    model, stamps = s2v.load(name), s2v.read(night, strict=False)
    scores = model.score(stamps, threads=1)
    doubt = 0
    if name == "stampnet-fast":  # its second network looks at the rows in doubt
        doubt = int(np.count_nonzero(~np.isnan(scores.score) & (scores.flags & s2v.flags.bits("scored_early") == 0)))
    # autoScan's features are others than those in which candidates are compared.
    assert counts == Counter(inputs=N + 1 + doubt, **({"features": N + 1} if name == "autoscan" else {}))
    # What is suggested, and the scores of the pages, are what they would be if all were measured for itself.
    values = s2v.features(stamps, set="s2v", threads=1)
    first = model if model.first is None else model.first
    known = [column for column in values.names if column in first.feature_names] or values.names
    assert page["suggested"] == most_useful(scores.score, values.select(tuple(known))).tolist()
    if name == "forest":
        assert page["suggested"] == most_useful(scores.score, values.host_values()).tolist()
    shown = np.array([np.nan if value is None else value for value in page["score"]], np.float32)
    np.testing.assert_allclose(shown, scores.score, rtol=1e-5)


def test_a_report_measures_once_too(night: Path, tmp_path: Path, measured: Counter[str]) -> None:
    assert main(["report", str(night), "-o", str(tmp_path / "pages"), "--vectors", "none", "--threads", "1"]) == 1
    assert measured == Counter(score=N + 1)


def test_a_table_of_features_is_not_measured(tmp_path: Path, night: Path, review, measured: Counter[str]) -> None:
    table = tmp_path / "features.parquet"
    assert main(["features", str(night), "-o", str(table), "--set", "all", "--threads", "1"]) == 1
    measured.clear()
    page = review("forest", table)
    assert measured == Counter(score=N + 1)
    assert len(page["suggested"]) == N


def test_few_features_are_not_enough() -> None:
    names = feature_set("s2v")
    enough, few = (Features(np.ones((2, k), np.float32), names[:k]) for k in (25, 24))
    assert measured_already(few) is None
    assert measured_already(Features(np.ones((2, 2), np.float32), ("L1", "MAG"))) is None
    kept = measured_already(enough)
    assert kept is not None
    assert kept.shape == (2, 25)


@pytest.mark.parametrize("name", ["stampnet", "forest", "stampnet-fast", "tablenet", "autoscan", "planes"])
def test_scores_with_columns_are_the_scores(name: str, night: Path, tmp_path: Path) -> None:
    if name == "planes":
        (tmp_path / "planes.safetensors").write_bytes(tiny_models.models()["planes"])
    model = s2v.load(tmp_path / "planes.safetensors" if name == "planes" else name)
    stamps = s2v.read(night, strict=False)
    odd = s2v.Stamps([
        [np.ones((21, 21), np.float32), None, np.ones((21, 21), np.float32)],
        [None, None, np.eye(21, dtype=np.float32)],
        [np.full((21, 21), np.nan, np.float32)] * 3,
    ])  # fmt: skip
    for some in (stamps, odd, stamps[:0]):
        wanted = model.score(some, threads=1)
        scores, columns = model.score_with_columns(some, threads=1)
        np.testing.assert_array_equal(scores.score.view(np.uint32), wanted.score.view(np.uint32))
        assert scores.flags.tolist() == wanted.flags.tolist() == columns.flags.tolist()
        assert (scores.model, scores.candidate_id.tolist()) == (wanted.model, wanted.candidate_id.tolist())
        first = model if model.first is None else model.first
        assert columns.names == first.feature_names
        known = first.inputs(some, threads=1).columns
        np.testing.assert_array_equal(columns.values, np.empty((len(some), 0)) if known is None else known)
    with pytest.raises(TypeError, match=r"must be space2vec\.Stamps"):
        model.score_with_columns(s2v.features(stamps, set="all"))
