"""Fine-tuning: what comes from the network to start from, what stays frozen, and what is checked before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors import ModelError, OutputError
from space2vec.models.custom_module import next_version

torch = pytest.importorskip("torch")

from space2vec.training import network as training_network  # noqa: E402
from space2vec.training import train_network  # noqa: E402
from space2vec.training.cross_fit import deal_folds  # noqa: E402
from space2vec.training.loop import FitSettings, best_temperature  # noqa: E402
from space2vec.training.tuning import freeze, tuning_settings  # noqa: E402
from space2vec.training.unlabelled import WEIGHT, with_opinions  # noqa: E402

SHORT = replace(tuning_settings(40), epochs=1)


@pytest.fixture(scope="module")
def few() -> LabelledStamps:
    night = s2v.simulate(40, survey="rubin", seed=5)
    return LabelledStamps(night.stamps, night.labels, night.kinds)


@pytest.fixture(scope="module")
def start() -> s2v.Network:
    network = s2v.load("stampnet")
    assert isinstance(network, s2v.Network)
    return network


def weights(network: s2v.Network) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in network.module.state_dict().items()}


def test_frozen_stages_keep_every_weight_and_the_rest_is_fitted(few: LabelledStamps, start: s2v.Network) -> None:
    tuned = train_network(few, start=start, fit_settings=SHORT, threads=1)
    before, after = weights(start), weights(tuned)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert not {name for name in changed if name.startswith(("convolutions.", "scale."))}
    assert all(name.startswith(("of_planes.", "of_features.", "head.")) for name in changed)
    assert tuned.name == next_version(s2v.load("stampnet").name)
    assert tuned.integers is not None
    assert tuned.feature_names == start.feature_names
    assert tuned.header.recipe == start.header.recipe
    assert tuned.header.training["from"] == start.id
    assert tuned.header.training["frozen"] == ["convolutions"]
    told = tuned.header.training
    assert (told["rows"], told["validation"], told["folds"]) == (40, 40, 4), "all rows are learned from, and tested"
    assert "fitted to the other 3 of 4 folds" in tuned.header.metrics["validation labels"]
    assert set(tuned.header.metrics["validation before"]) == set(tuned.header.metrics["validation"])
    whole = train_network(few, start=start, frozen=[], fit_settings=SHORT, threads=1)
    assert any(
        not np.array_equal(tensor, before[name])
        for name, tensor in weights(whole).items()
        if name.startswith("convolutions.")
    )


def test_few_rows_are_all_learned_from_and_stop_nothing(
    few: LabelledStamps, start: s2v.Network, tmp_path: Path
) -> None:
    """The last epoch counts, however the loss of so few rows may look; a quarter of more rows is held out."""
    seen: list[dict[str, float]] = []
    how: dict[str, Any] = {"start": start, "threads": 1, "fit_settings": replace(SHORT, epochs=2, patience=1)}
    tuned = train_network(few, **how, folder=tmp_path / "run", progress=seen.append)
    own = [metrics for metrics in seen if "fold" not in metrics]
    assert [metrics["epoch"] for metrics in own] == [0, 1]
    assert [(metrics["fold"], metrics["epoch"]) for metrics in seen[2:]] == [
        (k, e) for k in (1, 2, 3, 4) for e in range(2)
    ]
    assert not any("validation_loss" in metrics for metrics in seen)
    again = train_network(few, **how, folder=tmp_path / "run", resume=True)
    assert again.id == tuned.id
    with pytest.raises(ValueError, match="folds must be 2 or more, or 0 for none, and go without validation; given 1"):
        train_network(few, **how, folds=1)


def test_without_folds_nothing_is_calibrated_and_measured(few: LabelledStamps, start: s2v.Network) -> None:
    seen: list[dict[str, float]] = []
    tuned = train_network(few, start=start, folds=0, fit_settings=SHORT, threads=1, progress=seen.append)
    assert len(seen) == 1
    assert (tuned.header.temperature, tuned.header.metrics, tuned.header.training["folds"]) == (1.0, {}, 0)
    held = train_network(few, start=start, validation=few[:20], fit_settings=SHORT, threads=1)
    assert "folds" not in held.header.training
    assert held.header.training["validation"] == 20


def test_rows_are_cross_fitted_from_nothing_where_that_is_asked_for(few: LabelledStamps) -> None:
    small = {"width": [16, 16, 16], "hidden": 16, "dropout": 0.0}
    how: dict[str, Any] = {"settings": small, "features": "s2v", "threads": 1, "fit_settings": FitSettings(epochs=1)}
    network = train_network(few, **how, folds=2)
    assert (network.header.training["folds"], network.header.training["rows"]) == (2, 40)
    assert "validation" in network.header.metrics
    held = train_network(few, **how)
    assert held.header.training["validation"] == 4, "a tenth of each class"
    with pytest.raises(ValueError, match="go without validation"):
        train_network(few, **how, folds=2, validation=few)


def test_candidates_without_a_label_teach_what_a_first_network_says_of_them(
    few: LabelledStamps, start: s2v.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[tuple[LabelledStamps, np.ndarray, LabelledStamps]] = []

    def join(rows: LabelledStamps, teacher: float, others: s2v.Stamps, score: np.ndarray) -> LabelledStamps:
        both = with_opinions(rows, teacher, others, score)
        joined.append((rows, score, both))
        return both

    monkeypatch.setattr(training_network, "with_opinions", join)
    others = s2v.simulate(25, survey="rubin", seed=6).stamps
    blank = s2v.Stamps.concatenate([others, s2v.Stamps([[None, None, None]])])
    seen: list[dict[str, float]] = []
    how: dict[str, Any] = {"start": start, "fit_settings": SHORT, "threads": 1}
    tuned = train_network(few, **how, unlabelled=blank, folds=2, progress=seen.append)
    assert tuned.header.training["unlabelled"] == 25, "what cannot be scored teaches nothing"
    assert [("labels alone" in metrics, metrics.get("fold")) for metrics in seen] == [
        (True, None), (False, None), (True, 1.0), (False, 1.0), (True, 2.0), (False, 2.0),
    ]  # fmt: skip
    assert sorted(len(rows) for rows, _, _ in joined)[-1] == 40
    for rows, score, both in joined:
        assert len(both) == len(rows) + 25
        np.testing.assert_array_equal(both.teacher[: len(rows)], rows.label)
        np.testing.assert_allclose(both.teacher[len(rows) :], score, rtol=1e-6)
        np.testing.assert_array_equal(both.label[len(rows) :], score > 0.5)
        assert set(both.weight[len(rows) :].tolist()) == {WEIGHT}
    # The first network of a fold has not seen the labels of the fold.
    assert {tuple(rows.stamps.candidate_id.tolist()) for rows, _, _ in joined[1:]} == {
        tuple(few.stamps.candidate_id[deal_folds(few.group, few.label, 2, SHORT.seed + 7919) != k].tolist())
        for k in range(2)
    }
    # The first network is the one that the labels alone give; integers round its scores.
    alone = train_network(few, **how, folds=0)
    assert np.median(np.abs(joined[0][1] - alone.score(others).score)) < 0.005
    assert "unlabelled" not in alone.header.training
    assert not np.array_equal(tuned.score(few.stamps).score, alone.score(few.stamps).score)


def test_targets_beside_opinions_are_those_of_the_labels_and_the_teacher(few: LabelledStamps) -> None:
    taught = replace(few, teacher=np.where(np.arange(40) % 2, 0.25, np.nan).astype(np.float32))
    both = with_opinions(taught, 0.5, few.stamps[:2], np.array([0.9, 0.2]))
    expected = np.where(np.arange(40) % 2, 0.5 * few.label + 0.125, few.label)
    np.testing.assert_allclose(both.teacher, [*expected, 0.9, 0.2], rtol=1e-6)
    assert both.label[40:].tolist() == [1, 0]


def test_a_run_goes_on_with_the_same_candidates_without_a_label(
    few: LabelledStamps, start: s2v.Network, tmp_path: Path
) -> None:
    night = s2v.simulate(20, survey="rubin", seed=6).stamps
    how: dict[str, Any] = {"start": start, "fit_settings": SHORT, "threads": 1, "folds": 0, "folder": tmp_path / "run"}
    whole = train_network(few, **how, unlabelled=night)
    assert train_network(few, **how, unlabelled=night, resume=True).id == whole.id
    with pytest.raises(OutputError, match="data digest"):
        train_network(few, **how, unlabelled=night[:19], resume=True)


def test_a_quarter_of_many_rows_is_held_out(
    few: LabelledStamps, start: s2v.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_network, "CROSS_FITTED", 40)
    seen: list[dict[str, float]] = []
    tuned = train_network(few, start=start, fit_settings=SHORT, threads=1, progress=seen.append)
    assert 0.1 * len(few) < tuned.header.training["validation"] < 0.45 * len(few)
    assert [metrics.keys() >= {"validation_loss"} for metrics in seen] == [True]


@pytest.mark.parametrize("seed", range(3))
def test_folds_hold_whole_objects_and_about_as_many_of_each_class(seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = (np.arange(60) % 3 == 0).astype(int)
    rows = np.sort(rng.integers(0, 60, 300))
    rows = np.concatenate([np.arange(60), rows])
    fold = deal_folds(np.char.add("object ", rows.astype(str)), label[rows], 4, seed)
    of_object = {row: set(fold[rows == row].tolist()) for row in range(60)}
    assert all(len(folds) == 1 for folds in of_object.values())
    for kind, count in ((1, 20), (0, 40)):
        objects = [next(iter(of_object[row])) for row in range(60) if label[row] == kind]
        assert np.bincount(objects, minlength=4).tolist() == [count // 4] * 4
    assert set(np.bincount(deal_folds(list("abcde"), [1, 1, 0, 0, 0], 4)).tolist()) == {1, 2}
    other = deal_folds(np.char.add("object ", rows.astype(str)), label[rows], 4, seed + 1)
    assert not np.array_equal(fold, other)
    with pytest.raises(ValueError, match="two real objects are needed at least"):
        deal_folds(list("aabbc"), [1, 1, 0, 0, 0], 4)


def test_a_cascade_starts_from_its_second_network(few: LabelledStamps) -> None:
    cascade = s2v.load("stampnet-fast")
    assert isinstance(cascade, s2v.Network)
    tuned = train_network(few, start=cascade, fit_settings=SHORT, threads=1, name="mine")
    assert tuned.first is None
    assert tuned.header.doubt is None
    assert tuned.name == "mine"
    assert tuned.header.training["from"] == cascade.second.id


def test_what_does_not_go_with_a_start_is_refused(few: LabelledStamps, start: s2v.Network) -> None:
    with pytest.raises(ValueError, match="to start from decides its architecture, features: leave that out"):
        train_network(few, start=start, architecture="braai", features="s2v")
    with pytest.raises(ValueError, match="has no stage 'eyes'; its stages are convolutions, pool, scale"):
        train_network(few, start=start, frozen=["eyes"])
    with pytest.raises(ValueError, match="without one they are random"):
        train_network(few, frozen=["head"])
    module = torch.nn.Sequential(torch.nn.Linear(2, 1))
    with pytest.raises(ValueError, match="nothing is left to fit"):
        freeze(module, ["0"])


def test_what_the_end_needs_is_checked_before_the_first_epoch(
    few: LabelledStamps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_epoch(*_: object) -> None:
        raise AssertionError("an epoch has begun")

    monkeypatch.setattr(training_network, "fit", no_epoch)
    (tmp_path / "run" / "model.safetensors").mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=r"model\.safetensors: it is a folder"):
        train_network(few, folder=tmp_path / "run")
    with pytest.raises(ModelError, match="a name holds a NUL or is longer"):
        train_network(few, name="x" * 300)
    with pytest.raises(TypeError, match="not JSON serializable"):
        train_network(few, training={"night": object()})
    flat = s2v.Stamps([(np.zeros((41, 41), np.float32),) * 3] * 20)
    unfit = LabelledStamps.concatenate(
        [few[few.label == 1], LabelledStamps(flat, np.zeros(20, np.int8), np.full(20, "flat"))]
    )
    with pytest.raises(ValueError, match="rows to learn from that can be scored are of one class"):
        train_network(unfit, validation=few)

    def fails(*_: object) -> None:
        raise ValueError("no integers of that")

    monkeypatch.setattr(training_network, "quantise", fails)
    with pytest.raises(ValueError, match="no integers of that"):
        train_network(few)


def test_a_run_is_resumed_with_more_epochs_and_says_so(few: LabelledStamps, tmp_path: Path) -> None:
    small = {"width": [16, 16, 16], "hidden": 16, "dropout": 0.0}
    fit_settings = FitSettings(epochs=1, batch=32)
    how: dict[str, Any] = {"settings": small, "features": "s2v", "threads": 1, "folder": tmp_path / "run"}
    train_network(few, **how, fit_settings=fit_settings)
    epochs: list[float] = []
    longer = train_network(
        few, **how, fit_settings=replace(fit_settings, epochs=3, patience=3), resume=True,
        progress=lambda metrics: epochs.append(metrics["epoch"]),
    )  # fmt: skip
    assert epochs == [1, 2]
    assert longer.header.training["fit"]["epochs"] == 3
    assert longer.header.training["epochs of earlier runs"] == [1]
    again = train_network(few, **how, fit_settings=replace(fit_settings, epochs=3), resume=True)
    assert again.id == longer.id
    assert again.header.training["epochs of earlier runs"] == [1]
    with pytest.raises(OutputError, match=r"had other settings: fit\.epochs 3, now 2"):
        train_network(few, **how, fit_settings=replace(fit_settings, epochs=2), resume=True)
    with pytest.raises(OutputError, match=r"fit\.batch 32, now 16"):
        train_network(few, **how, fit_settings=replace(fit_settings, epochs=4, batch=16), resume=True)


def test_few_rows_do_not_make_a_temperature_extreme() -> None:
    logit, target, weight = np.array([3.0, -3.0]), np.array([1.0, 0.0]), np.ones(2)
    free, held = best_temperature(logit, target, weight), best_temperature(logit, target, weight, 0.3)
    assert free == 0.2, "separated rows ask for the sharpest scores that there are"
    assert 0.8 < held < 1.0
    many = [np.tile(values, 3000) for values in (np.array([2.0, -2.0, 2.0]), np.array([1.0, 0.0, 0.0]), np.ones(3))]
    assert abs(best_temperature(*many) / best_temperature(*many, 0.3) - 1.0) < 0.02
