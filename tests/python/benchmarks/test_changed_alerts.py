"""Alerts that are changed for the yardsticks: each is scored by the model of its fold, and keeps its label."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.accuracy import changed_alerts
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.studies.object_folds import FOLDS, object_folds


@pytest.fixture(scope="module")
def alerts() -> LabelledStamps:
    night = s2v.simulate(60, seed=5)
    names = np.array([f"object {k}" for k in range(60)])
    kind = np.where(night.labels == 1, "known real", "alert")
    teacher = np.where(night.labels == 1, 0.95, 0.05)
    teacher[:5] = 0.5  # of which nothing is known unless the object is known to be real
    return LabelledStamps(night.stamps, night.labels, kind, group=names, teacher=teacher)


def test_a_changed_stamp_comes_from_the_alert_that_is_named() -> None:
    pixels = np.tile(np.arange(7, dtype=np.float32)[:, None, None, None] + 1.0, (1, 3, 41, 41))
    rows = LabelledStamps(s2v.Stamps(pixels), np.ones(7), np.full(7, "alert"))
    for title, how in changed_alerts.CHANGES.items():
        if "scale" in title:
            continue
        parts, origin = changed_alerts._changed_parts([rows[:4], rows[4:]], how, 2)
        assert [len(part) for part in parts] == [8, 6]
        assert origin.tolist() == [0, 1, 2, 3] * 2 + [4, 5, 6] * 2
        planes = [part.plane(row, "difference") for part in parts for row in range(len(part))]
        known = [(k + 1, plane) for k, plane in zip(origin, planes, strict=True) if np.isfinite(plane).any()]
        assert known
        for value, plane in known:
            area = np.nanmax(plane) / value  # of a wider pixel, with the light of all it covers
            assert 1.0 <= area < 1.6**2 + 1e-3 if "wider" in title else area == pytest.approx(1.0)


def test_every_change_and_night_is_measured_by_the_models_of_the_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alerts: LabelledStamps, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(changed_alerts, "all_alerts", lambda data: alerts)
    of_fold = object_folds(alerts.group)
    assert set(of_fold.tolist()) == set(range(FOLDS))
    for name, model in (("one", "forest"), ("other", "stampnet")):
        (tmp_path / name).mkdir()
        for number in range(FOLDS):
            s2v.load(model).save(tmp_path / name / f"fold_{number}.safetensors")
    scores = [f"{name}={tmp_path / name}" for name in ("one", "other")]
    out = tmp_path / "record.json"
    arguments = ["--scores", *scores, "--against", "one", "--repeats", "2", "--simulated", "10", "--bootstrap", "20"]
    assert changed_alerts.main([*arguments, "--json", str(out)]) == 0
    results = json.loads(out.read_text())["changed alerts"]["results"]
    assert list(results) == [*changed_alerts.CHANGES, *changed_alerts._NIGHTS]
    sure = int((np.isin(np.arange(60), np.arange(5), invert=True) | (alerts.label == 1)).sum())
    for title in changed_alerts.CHANGES:
        assert results[title]["alerts"] == 2 * sure
        assert results[title]["objects"] == sure
        assert set(results[title]["models"]) == {"one", "other"}
    for title in changed_alerts._NIGHTS:
        assert results[title]["alerts"] == 10 * 3 * FOLDS
        assert results[title]["sure real"] + results[title]["sure bogus"] == 10 * 3 * FOLDS
    # The forest takes no note of how stamps are turned.
    turned = results["turned or mirrored alerts"]["models"]["one"]["AUC where braai is sure"]["value"]
    assert turned > 0.9
    assert "alerts cut off at an edge" in capsys.readouterr().out
