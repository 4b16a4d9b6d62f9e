"""The study that trains ``vectornet``: what is learned from, what is held out, and that a kind left out is not seen."""

from __future__ import annotations

import numpy as np
import pytest

import space2vec as s2v
from space2vec.studies.packaged import vectors

torch = pytest.importorskip("torch")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every part small."""
    monkeypatch.setattr(vectors, "_BLOCKS", (("ztf", 11, 40), ("des", 31, 20), ("ztf", 12, 2)))
    monkeypatch.setattr(vectors, "_HARD", {"ztf": (51, 4)})
    monkeypatch.setattr(vectors, "_REPEATED", {"rubin": (42, 3)})
    monkeypatch.setattr(vectors, "_HELD_OUT", {"ztf": (901, 20)})
    monkeypatch.setattr(vectors, "_NIGHT", (911, 15))
    monkeypatch.setattr(vectors, "_NIGHTLY", 15)
    monkeypatch.setattr(vectors, "_HELD_OUT_OBJECTS", {"ztf": (941, 2)})
    vectors._ready.cache_clear()


def test_every_usual_kind_is_drawn_and_what_is_kept_is_drawn_once(small: None, tmp_path) -> None:
    rows = vectors.training_rows(tmp_path)
    assert len(rows) == 40 + 20 + 2 + 4 + 9
    assert set(rows.kind[-13:-9].tolist()) <= set(vectors.HARD_KINDS)
    assert len(np.unique(rows.group.astype(str))) == 66 + 3
    assert len(vectors.USUAL_KINDS) == 18
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = vectors.training_rows(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    np.testing.assert_array_equal(again.stamps.buffer, rows.stamps.buffer)
    np.testing.assert_array_equal(vectors.training_rows().kind, rows.kind)
    assert len(vectors.training_rows(tmp_path, quick=True)) == 40 + 4


def test_nothing_is_both_learned_from_and_held_out(small: None) -> None:
    sets = vectors.held_out_sets()
    assert {name: len(rows) for name, rows in sets.items()} == {"ztf": 20, "night": 15, "repeated": 4}
    learned = vectors.training_rows()
    for rows in sets.values():
        assert not set(rows.group.tolist()) & set(learned.group.tolist())
    assert len(np.unique(sets["repeated"].group.astype(str))) == 2


def test_a_network_without_a_kind_has_seen_none_of_it(small: None, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    seen = []

    def train(ready, settings, **how):
        seen.append((ready, settings, how))
        return s2v.load("stampnet")

    monkeypatch.setattr(vectors, "train_vectornet", train)
    monkeypatch.setattr(vectors, "measure_vectors", lambda *_: {"measured": 1.0})
    alerts = vectors.simulated_kinds(5, "ztf", 77)
    alerts.kind[:] = "alert"
    monkeypatch.setattr(vectors, "all_alerts", lambda data: alerts)
    kinds = [*vectors.KINDS]
    kind = next(kind for kind in vectors.USUAL_KINDS if kind in vectors.training_rows(quick=True).kind)
    for quick in (True, False):
        vectors.build_vectornet(tmp_path, 1, left_out=kind, quick=quick)
        whole_network = vectors.build_vectornet(tmp_path, 1, quick=quick)
    assert whole_network.header.metrics == {"measured": 1.0}
    without, every, whole_without, whole = (ready.kind for ready, _, _ in seen)
    assert kinds.index(kind) in every
    assert whole.tolist().count(-1) == 5
    assert without.tolist() == [number for number in every if number != kinds.index(kind)]
    assert whole_without.tolist() == [number for number in whole if number not in (-1, kinds.index(kind))]
    assert seen[0][1].epochs < seen[2][1].epochs
    assert seen[0][2]["training"]["left out"] == kind
    assert "5 real ZTF alerts" in seen[3][2]["training"]["data"]


def test_a_small_network_is_trained_and_embeds(small: None, tmp_path) -> None:
    from space2vec.models.network import Network
    from space2vec.training.loop import FitSettings

    ready = vectors._ready(tmp_path, 1, None, True)
    network = vectors.train_vectornet(ready, FitSettings(epochs=1, batch=32), training={"data": "a few"})
    assert network.header.architecture["name"] == "vectornet"
    assert network.header.optional == ("template",)
    assert network.header.training["data"] == "a few"
    network.save(tmp_path / "v.safetensors")
    rows = vectors.training_rows(quick=True)
    found = Network.load(tmp_path / "v.safetensors").embed(rows.stamps, threads=1)
    assert found.to_numpy().shape == (len(rows), 64)
    assert found.has_vector.sum() > 0.9 * len(rows)
    assert np.abs(found.to_numpy().astype(int)).max() > 60


def test_a_network_says_what_was_measured_of_it(small: None, tmp_path) -> None:
    class Fixed:
        def embed(self, stamps, **_):
            n = len(stamps)
            values = np.random.default_rng(0).integers(-9, 9, (n, 4)).astype(np.int8)
            return s2v.Vectors(values, np.zeros(n, np.uint32), np.arange(n), np.arange(n), "a model")

    found = vectors.measure_vectors(Fixed(), None, 1)
    assert set(found) == {
        "same kind among the ten nearest, held-out simulated candidates, mean over kinds",
        "another alert of the object among the ten nearest, held-out simulated objects",
    }
    shares, again = found.values()
    assert all(0.0 <= share <= 1.0 for share in (*shares.values(), again))


def test_a_kind_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    with pytest.raises(SystemExit):
        vectors.main(["--data", str(tmp_path), "--output", str(tmp_path / "x"), "--left-out", "comet"])
    assert "invalid choice: 'comet'" in capsys.readouterr().err
