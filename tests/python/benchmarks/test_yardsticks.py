"""The yardsticks: their figures against a plain transcription, their strata, and the folds of objects."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.accuracy import alert_strata, yardsticks
from benchmarks.accuracy.yardstick_figures import AGREEMENT, ERRORS, PASS, Truth, figures, measure, paired
from space2vec.errors import ReadError
from space2vec.evaluation import evaluate
from space2vec.studies import object_folds

Rng = np.random.Generator


def drawn(rng: Rng, n: int = 400) -> tuple[np.ndarray, Truth]:
    """Scores with ties and some NaN, and what is known of their rows."""
    kind = rng.choice(["known", "real", "both", "bogus", "doubt"], n)
    known, real = np.isin(kind, ("known", "both")), np.isin(kind, ("real", "both"))
    score = np.round(np.clip(rng.normal(np.where(kind == "bogus", 0.3, 0.7), 0.2), 0.0, 1.0), 2)
    score[rng.random(n) < 0.02] = np.nan
    strata = {"left": rng.random(n) < 0.4, "few": np.arange(n) < 6}
    return score, Truth(known, real, kind == "bogus", rng.integers(0, 150, n).astype(np.str_), strata)


def plainly(score: np.ndarray, truth: Truth) -> dict[str, float]:
    """The figures of rows that count once each, as slowly as they are defined."""
    values = np.where(np.isnan(score), -np.inf, score)
    thresholds = np.unique(np.append(values, np.inf))

    def share(rows: np.ndarray, threshold: float) -> float:
        return float(np.mean(values[rows] >= threshold))

    strict = min(t for t in thresholds if share(truth.sure_bogus, t) <= 0.025)
    loose = max(t for t in thresholds if 1.0 - share(truth.sure_real, t) <= 0.04 + 1e-12)
    wins = [
        (a > b) + 0.5 * (a == b) for a in values[truth.sure_real].tolist() for b in values[truth.sure_bogus].tolist()
    ]
    left = truth.strata["left"]
    return {
        PASS: share(truth.known, strict),
        ERRORS: share(truth.sure_bogus, loose),
        AGREEMENT: float(np.mean(wins)),
        "FPR: left": share(truth.sure_bogus & left, loose),
        "MDR: left": 1.0 - share(truth.sure_real & left, loose),
        "known real that pass: left": share(truth.known & left, strict),
    }


@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_their_definition_for_every_resample(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, truth = drawn(rng)
    counts = rng.integers(0, 3, (3, len(score)))
    counts[0] = 1
    found = figures(score, truth, counts.astype(np.float64))
    for draw, times in enumerate(counts):
        rows = np.repeat(np.arange(len(score)), times)
        for name, value in plainly(score[rows], truth[rows]).items():
            assert found[name][draw] == pytest.approx(value, abs=1e-12), (name, draw)


def test_figures_agree_with_those_of_the_package() -> None:
    score, truth = drawn(np.random.default_rng(9))
    found = figures(score, truth, np.ones((1, len(score))))
    known, sure = truth.known | truth.sure_bogus, truth.sure_real | truth.sure_bogus
    of_known = evaluate(score[known], truth.known[known], bootstrap=0)
    of_sure = evaluate(score[sure], truth.sure_real[sure], bootstrap=0)
    assert found[PASS][0] == pytest.approx(1.0 - of_known["mdr at fpr 2.5%"])
    assert found[ERRORS][0] == pytest.approx(of_sure["fpr at mdr 4%"])
    assert found[AGREEMENT][0] == pytest.approx(of_sure["auc"])


def test_intervals_hold_the_figure_and_a_share_of_nothing_allows_something() -> None:
    score, truth = drawn(np.random.default_rng(3))
    found = measure({"m": score, "perfect": truth.known + 0.0 + truth.sure_real}, truth, bootstrap=200)
    for figure in (PASS, ERRORS, AGREEMENT, "FPR: left"):
        cell = found["m"][figure]
        assert cell["low"] <= cell["value"] <= cell["high"]
        assert cell["low"] < cell["high"]
    nothing = found["perfect"][ERRORS]
    objects = len(np.unique(truth.group[truth.sure_bogus]))
    assert nothing["value"] == nothing["low"] == 0.0
    assert nothing["high"] == pytest.approx(1.0 - 0.025 ** (1.0 / objects), abs=1e-5)
    assert found["m"]["FPR: few"]["value"] is None, "too few rows for a share"
    assert found["m"]["FPR: left"]["bogus"] == (truth.sure_bogus & truth.strata["left"]).sum()
    assert found["m"]["FPR: left"]["real"] == 0


def test_a_model_does_not_differ_from_itself_and_a_better_one_does() -> None:
    score, truth = drawn(np.random.default_rng(4), 800)
    score = np.nan_to_num(score, nan=0.5)
    same = paired(score, score, truth, bootstrap=100)
    assert all(cell["value"] == cell["low"] == cell["high"] == 0.0 and cell["p"] == 1.0 for cell in same.values())
    better = np.where(truth.sure_bogus, 0.5 * score, score)
    found = paired(better, score, truth, bootstrap=300)[ERRORS]
    assert found["value"] < 0.0
    assert found["high"] < 0.0
    assert found["p"] < 0.05


def test_rows_of_one_class_alone_cannot_be_measured() -> None:
    score, truth = drawn(np.random.default_rng(5))
    with pytest.raises(ValueError, match="known real"):
        measure({"m": score}, replace(truth, known=np.zeros(len(score), dtype=bool)), bootstrap=2)


def test_strata_are_those_of_the_pixels() -> None:
    rng = np.random.default_rng(6)
    pixels = rng.normal(size=(6, 3, 63, 63)).astype(np.float32)
    pixels[1, 2, 31 + 5, 31 - 5] = np.nan  # near the core
    pixels[2, 0, 3, 60] = -3.4e38  # elsewhere, and no light
    pixels[3, :, :20] = np.nan  # outside the detector
    for k in range(8):
        pixels[4, 1, 5 + 7 * k, 40] = 500.0
    planes = [list(stamp) for stamp in pixels]
    planes[5] = [plane[:, :40] for plane in planes[5]]
    stamps = s2v.Stamps(planes, centre=np.full((6, 2), 31), catalogue={"SNR": np.array([5, 8, 14.9, 15, 100, np.nan])})
    found = {name: np.flatnonzero(rows).tolist() for name, rows in alert_strata.strata_of(stamps).items()}
    assert found[alert_strata.CLEAN] == [0, 4]
    assert found[alert_strata.NAN_CORE] == [1]
    assert found["NaN elsewhere"] == [2, 3]
    assert found[alert_strata.EDGE] == [3, 5]
    assert found["sources in the template 6 to 21"] == [4]
    assert [found[f"SNR {name}"] for name in ("below 8", "8 to 15", "15 or more")] == [[0], [1, 2], [3, 4]]
    assert not any(rows for name, rows in found.items() if name.startswith("FWHM")), "the catalogue gives no width"


def test_small_whole_stamps_are_not_at_an_edge_and_empty_ones_are_missing() -> None:
    planes = np.zeros((2, 3, 31, 31), np.float32)
    planes[1] = np.nan
    found = alert_strata.strata_of(s2v.Stamps(planes))
    assert found[alert_strata.CLEAN].tolist() == [True, False]
    assert found[alert_strata.NAN_CORE].tolist() == [False, True]


def test_folds_depend_on_the_object_alone_and_stay() -> None:
    names = [f"ZTF18a{k:06d}" for k in range(5000)]
    folds = object_folds.object_folds(names)
    assert folds[:10].tolist() == [object_folds.object_folds([name])[0] for name in names[:10]]
    assert np.bincount(folds, minlength=5).min() / 5000 > 0.18
    # Written down once: a change of these would give every model other folds.
    assert object_folds.object_folds(["ZTF18abgkjhy", "ZTF18aawdnqe", "ZTF20aaelulu"]).tolist() == [4, 1, 0]
    seen = [(number, len(fold.train), len(fold.test)) for number, fold in object_folds.train_and_test_rows(names)]
    assert [number for number, *_ in seen] == list(range(5))
    assert all(train + test == 5000 for _, train, test in seen)
    assert sum(test for *_, test in seen) == 5000


def test_nameless_objects_are_in_the_fold_of_their_place() -> None:
    ra, dec = [10.0012, 10.0049, 370.0012, 10.0112], [-5.0012, -5.0088, -5.0012, -5.0012]
    folds = object_folds.object_folds([""] * 4, ra, dec)
    assert folds[0] == folds[1] == folds[2]
    assert len(set(object_folds.object_folds([""] * 50, np.linspace(0, 300, 50), np.zeros(50)).tolist())) == 5
    assert object_folds.object_folds(["a", ""], [np.nan, 1.0], [np.nan, 2.0])[0] == object_folds.object_folds(["a"])[0]
    with pytest.raises(ValueError, match="neither an object's name nor a position"):
        object_folds.object_folds(["a", ""])
    with pytest.raises(ValueError, match="one value for each"):
        object_folds.object_folds(["a", ""], [1.0], [1.0])
    with pytest.raises(ValueError, match="from 0 to 4"):
        list(object_folds.train_and_test_rows(["a"], [5]))


def test_scores_come_from_models_files_and_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night = s2v.simulate(30, seed=4)
    rows = s2v.training.dataset.LabelledStamps(night.stamps, night.labels, night.kinds, teacher=night.labels)
    forest = s2v.load("forest")
    expected = forest.score(rows.stamps).score
    np.testing.assert_array_equal(yardsticks.scores_of("forest", rows), expected)
    np.testing.assert_array_equal(yardsticks.scores_of("braai", rows), rows.teacher)
    table = tmp_path / "scores.csv"
    ids = rows.stamps.candidate_id.tolist()
    table.write_text("candidate_id,score\n" + "".join(f"{k},{v!r}\n" for k, v in zip(ids[5:], range(25), strict=True)))
    found = yardsticks.scores_of(str(table), rows)
    assert np.isnan(found[:5]).all()
    assert found[5:].tolist() == list(range(25))
    (tmp_path / "others.csv").write_text("candidate_id,score\n1,0.5\n")
    with pytest.raises(ReadError, match="scores none of the 30 alerts"):
        yardsticks.scores_of(str(tmp_path / "others.csv"), rows)
    folder = tmp_path / "folds"
    folder.mkdir()
    forest.save(folder / "fold_0.safetensors")
    with pytest.raises(ReadError, match=r"no fold_1\.safetensors"):
        yardsticks.scores_of(str(folder), rows)
    for number in range(1, 5):
        forest.save(folder / f"fold_{number}.safetensors")
    np.testing.assert_array_equal(yardsticks.scores_of(str(folder), rows), expected)


def test_the_script_measures_the_real_alerts(data: Path, tmp_path: Path) -> None:
    if not (data / "ztf" / "more").is_dir():
        pytest.skip("real data missing: ztf/more")
    out = tmp_path / "y.json"
    arguments = ["--data", str(data), "--scores", "forest=forest", "braai=braai", "--against", "braai"]
    assert yardsticks.main([*arguments, "--bootstrap", "20", "--json", str(out)]) == 0
    record = json.loads(out.read_text())["packaged models"]["results"]["all"]
    assert record["known real"] > 80
    assert record["sure bogus"] > 100
    assert record["models"]["braai"][ERRORS]["value"] == 0.0
    assert set(record["against"]["braai"]) == {"forest"}
