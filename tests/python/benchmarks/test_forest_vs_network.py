"""The benchmark of forest against network: its parts on few rows, and what it says of real alerts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.studies.trainable_models import TrainingEffort

pytest.importorskip("sklearn")

from benchmarks.accuracy import accuracy_pictures, alert_folds, candidate_cost, pixel_sets, result_cache

QUICK = TrainingEffort(trees=8, members=2, rounds=10, epochs=1)


def alerts(n: int = 60) -> LabelledStamps:
    rng = np.random.default_rng(0)
    stamps = Stamps(
        rng.normal(100, 5, (n, 3, 21, 21)).astype(np.float32),
        object_id=[f"ZTF{k // 2:03d}" for k in range(n)],
    )
    label = (np.arange(n) % 3 > 0).astype(np.int8)
    kind = np.where(label == 0, "alert", np.where(np.arange(n) < 30, "asteroid", "transient"))
    return LabelledStamps(stamps, label, kind, teacher=label * 0.8 + 0.1)


def test_what_passes_at_the_threshold_of_the_fpr() -> None:
    rows = alerts()
    score = np.where(rows.label == 1, 0.9, 0.2).astype(np.float32)
    low = np.flatnonzero(rows.kind == "asteroid")[:5]
    score[low] = 0.1
    found = alert_folds.passing_shares(score, rows, 50)
    # No bogus row may pass: one of twenty would be 5 %.
    assert found["threshold"] == pytest.approx(0.9)
    count = int((rows.kind == "asteroid").sum())
    assert (found["asteroid"]["alerts"], found["asteroid"]["passing"]) == (count, count - 5)
    assert found["transient"]["share"] == [1.0, 1.0, 1.0]
    share, low_end, high_end = found["all"]["share"]
    assert low_end < share < high_end
    assert share == pytest.approx(1 - 5 / 40, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "transient"),
    [
        ("SN Ic", True), ("(TNS) SN IIn", True), ("(SIMBAD) Supernova", True), ("TDE-H-He", True), ("SLSN-I", True),
        ("(SIMBAD) Candidate_SN*", False), ("SN candidate", False), ("Seyfert_2", False), ("None", False), ("", False),
        ("Unknown", False), ("(TNS) Other", False),
    ],
)  # fmt: skip
def test_classified_transients_are_told_from_candidates(text: str, transient: bool) -> None:
    assert bool(alert_folds._TRANSIENT.match(text)) is transient


def test_shares_that_go_wrong_by_kind() -> None:
    rows = alerts(300)
    score = {"good": rows.label.astype(np.float64), "bad": np.full(300, 0.5)}
    found = pixel_sets.by_kind(score, rows)
    assert set(found) == {"alert", "asteroid", "transient"} - {k for k in ("asteroid",) if (rows.kind == k).sum() < 20}
    assert {entry["good"] for entry in found.values()} == {0.0}
    assert found["alert"]["bad"] == 1.0
    assert found["transient"]["bad"] == 0.0


def test_arrays_are_kept_under_what_they_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = result_cache.ResultCache(tmp_path)
    calls = []

    def make() -> np.ndarray:
        calls.append(1)
        return np.arange(3, dtype=np.float32)

    for depends in ({"seed": 0}, {"seed": 0}, {"seed": 1}):
        np.testing.assert_array_equal(store.get("a name", depends, make), [0, 1, 2])
    assert len(calls) == 2
    package = tmp_path / "space2vec"
    for name in ("studies/trainable_models.py", "training/forest.py", "training/loop.py", "architectures/stampnet.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(name)
    monkeypatch.setattr(result_cache.space2vec, "__file__", str(package / "__init__.py"))
    needs = ("sklearn", "lightgbm", "torch")
    for name, changed in (
        ("studies/trainable_models.py", needs),
        ("training/forest.py", ("sklearn", "torch")),
        ("architectures/stampnet.py", ("torch",)),
    ):
        before = {need: result_cache.code_digest(need) for need in needs}
        (package / name).write_text("other settings")
        assert tuple(need for need in needs if result_cache.code_digest(need) != before[need]) == changed
    result_cache.ResultCache(None).get("a name", {"seed": 0}, make)
    assert len(calls) == 3


def test_models_take_turns_on_the_processor() -> None:
    def busy(seconds: float) -> None:
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    runs = {"short": (lambda: busy(0.002), 10), "long": (lambda: busy(0.006), 10)}
    found = candidate_cost.measure_costs(runs, rounds=3)
    assert found["short"][1] == pytest.approx(200, rel=0.5)
    assert found["long"][1] > 2 * found["short"][1]


def test_pixels_are_trained_tested_timed_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_sets, "TIMED", 64)
    rows = pixel_sets.simulated(100, ("ztf", "des"), 3)
    assert len(set(rows.group)) == 200
    store = result_cache.ResultCache(tmp_path / "kept")
    sets = {"ztf and des": (rows, "some stamps"), "more": (pixel_sets.simulated(100, ("ztf",), 9), "others")}
    records, trained = pixel_sets.run(sets, QUICK, 20, ["forest", "lightgbm"], store)
    assert list(records) == list(sets)
    assert records["more"]["data"] == "others"
    assert len({one["train"] for one in records.values()}) == 1
    record = records["ztf and des"]
    assert list(trained) == ["forest"] == list(record["models"])
    assert 180 < record["train"] <= 210
    assert 40 < record["test"] <= 80
    assert record["models"]["forest"]["real"] + record["models"]["forest"]["bogus"] == record["test"]
    whole, own = (record["cost"]["forest"][what][1] for what in ("end to end", "after preparation"))
    assert whole > own > 0
    assert len(list((tmp_path / "kept").glob("pixels_forest_*.safetensors"))) == 1
    monkeypatch.setattr(pixel_sets.trainable_models, "train_pixels", lambda *arguments: pytest.fail("trained again"))
    again, _ = pixel_sets.run(sets, QUICK, 20, ["forest"], store)
    assert again["ztf and des"]["models"] == record["models"]
    json.dumps(record)
    accuracy_pictures.accuracy_against_cost({"simulated": record}, tmp_path / "cost.png")
    picture = pytest.importorskip("PIL.Image").open(tmp_path / "cost.png")
    assert picture.mode == "P"
    assert len(picture.convert("RGB").getcolors(1 << 20)) > 5


def test_alerts_are_scored_by_models_that_have_not_seen_their_object(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = alerts()
    simulated = replace(rows[:4], group=np.array(["simulated 0", "simulated 1", "simulated 2", "simulated 3"]))
    seen: list[tuple[set[str], set[str], float]] = []

    class Model:
        def __init__(self, learned: set[str], teacher: float) -> None:
            self.learned, self.teacher = learned, teacher

        def score(self, stamps: Stamps) -> object:
            seen.append((self.learned, set(stamps.object_id), self.teacher))
            rng = np.random.default_rng(len(seen))
            return type("Scores", (), {"score": rng.random(len(stamps)).astype(np.float32)})

    def train(name: str, learned: LabelledStamps, effort: TrainingEffort, *, teacher: float = 0.0) -> Model:
        taught = ~np.isin(learned.group, rows.group) if teacher else np.zeros(len(learned), np.bool_)
        assert (learned.teacher[taught] == 0.75).all()
        assert taught.any() == (teacher > 0.0)
        return Model(set(learned.group), teacher)

    def derived(real: LabelledStamps, weights: Path, *, seed: int, shares: dict[str, int]) -> LabelledStamps:
        assert shares == {"variants": 5}
        return real[: shares["variants"]]

    monkeypatch.setattr(alert_folds.trainable_models, "train_pixels", train)
    monkeypatch.setattr(alert_folds, "stampnet_rows", derived)
    weights: list[Path] = []

    def braai(path: Path, threads: int) -> Callable[[Stamps], np.ndarray]:
        weights.append(path)
        return lambda stamps: np.full(len(stamps), 0.75, np.float32)

    monkeypatch.setattr(alert_folds, "braai_scorer", braai)
    real_alerts = alert_folds.Alerts(rows, np.linspace(0, 1, 60), np.arange(60) < 40)
    record, scores = alert_folds.run(real_alerts, tmp_path, simulated, {"variants": 5}, QUICK, 3, 20, ["forest"])
    assert set(scores) == {"rb", "braai, stamps turned", "forest", "forest, simulation alone"}
    assert weights == [tmp_path]
    assert (scores["braai, stamps turned"] == 0.75).all()
    for learned, tested, teacher in seen[:3]:
        assert learned.isdisjoint(tested)
        assert "simulated 0" in learned
        assert teacher == 1.0
    assert seen[3][0] == set(simulated.group)
    assert not np.isnan(scores["forest"]).any()
    assert record["night"]["models"]["rb"]["real"] + record["night"]["models"]["rb"]["bogus"] == 40


def test_real_alerts_are_read_once_each(data: Path) -> None:
    if not (data / "ztf" / "brokers.csv").exists():
        pytest.skip(f"real alerts missing: {data / 'ztf'}")
    real_alerts = alert_folds.read(data)
    assert len(set(real_alerts.rows.stamps.candidate_id.astype(str))) == len(real_alerts.rows) > 900
    assert real_alerts.night.sum() == 511
    assert (real_alerts.rows.label == (real_alerts.rows.teacher > 0.5)).all()
    real = real_alerts.rows.kind != "alert"
    assert 40 < real.sum() < 200
    # braai agrees on nearly all that is real by construction: they are what they are said to be.
    assert real_alerts.rows.teacher[real].min() > 0.5
    agreement = s2v.evaluation.evaluate(real_alerts.rb, real_alerts.rows.label, bootstrap=0)
    assert 0.85 < agreement["auc"] < 0.95
