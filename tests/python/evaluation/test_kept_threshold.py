"""Thresholds that keep an operating point when a model takes the place of another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from space2vec.cli import main
from space2vec.evaluation import keep_threshold


def rates(score: np.ndarray, real: np.ndarray, threshold: float) -> tuple[float, float]:
    """Count both error rates by their definitions."""
    passes = np.array([bool(value >= threshold) for value in score])
    return float((~passes[real]).mean()), float(passes[~real].mean())


@pytest.mark.parametrize("seed", range(8))
def test_rates_are_those_of_the_definition_and_no_better_threshold_keeps_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    real = rng.random(200) < 0.4
    old = np.clip(0.3 * real + 0.7 * rng.random(200), 0, 1).round(2)
    new = np.clip(0.5 * real + 0.5 * rng.random(200), 0, 1).round(2) ** 2
    new[rng.random(200) < 0.03] = np.nan
    threshold = float(rng.choice([0.3, 0.5, 0.77]))
    kept = keep_threshold(new, old, real, threshold)
    assert (kept.old.mdr, kept.old.fpr) == pytest.approx(rates(old, real, threshold))
    for point in (kept.same_mdr, kept.same_fpr):
        assert (point.mdr, point.fpr) == pytest.approx(rates(new, real, point.threshold))
    assert kept.same_mdr.mdr <= kept.old.mdr + 1e-9
    assert kept.same_fpr.fpr <= kept.old.fpr + 1e-9
    levels = [*np.unique(new[~np.isnan(new)]).tolist(), np.inf]
    at = [rates(new, real, level) for level in levels]
    assert kept.same_mdr.fpr == pytest.approx(min((fpr for mdr, fpr in at if mdr <= kept.old.mdr + 1e-9), default=1.0))
    assert kept.same_fpr.mdr == pytest.approx(min(mdr for mdr, fpr in at if fpr <= kept.old.fpr + 1e-9))


def test_scores_that_reach_no_such_rate() -> None:
    kept = keep_threshold([np.nan, 0.2, 0.9, 0.9], [0.9, 0.8, 0.1, 0.2], [1, 1, 0, 0], 0.5)
    assert kept.same_mdr.threshold == -np.inf
    assert "the same MDR at threshold none" in str(kept)
    assert kept.to_dict()["same_mdr"]["threshold"] is None
    assert kept.same_fpr.mdr == 1.0


def test_the_command_prints_the_line_for_release_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = range(1, 7)
    files = {"new": [0.1, 0.2, 0.3, 0.6, 0.7, 0.8], "old": [0.2, 0.1, 0.6, 0.4, 0.8, 0.9]}
    for name, scores in files.items():
        lines = "".join(f"{key},{score}\n" for key, score in zip(ids, scores, strict=True))
        (tmp_path / f"{name}.csv").write_text(f"candidate_id,score\n{lines}")
    labels = "".join(f"{key},{int(key > 3)}\n" for key in ids)
    (tmp_path / "truth.csv").write_text(f"candidate_id,label\n{labels}")
    new, old, truth, figures = (str(tmp_path / name) for name in ("new.csv", "old.csv", "truth.csv", "figures.json"))
    command = ["evaluate", new, old, "--labels", truth, "--bootstrap", "5", "--json", figures]
    assert main([*command, "--old-threshold", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "new in place of old: the old threshold 0.5 gives MDR 33.33%, FPR 33.33%" in said
    assert "the same MDR at threshold" in said
    kept = json.loads(Path(figures).read_text())["old"]["kept threshold"]
    assert 0.6 < kept["same_mdr"]["threshold"] <= 0.7
    assert (kept["same_mdr"]["fpr"], kept["same_fpr"]["mdr"]) == (0.0, 0.0)
    assert 0.2 < kept["same_fpr"]["threshold"] <= 0.3
    assert main(["evaluate", new, "--labels", truth, "--old-threshold", "0.5"]) == 2
    assert "--old-threshold needs the scores of the old model" in capsys.readouterr().err
    assert main([*command, "--old-threshold", "1.5"]) == 2
