"""Training networks: what is learned, runs that resume, calibration, and the whole way from stamps to a model file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from scipy.optimize import minimize_scalar
from scipy.special import expit

import space2vec as s2v
from oracle import integer_network as oracle
from space2vec.data.channels import CHANNELS
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors import BackendError, OutputError

torch = pytest.importorskip("torch")

from space2vec.architectures import build  # noqa: E402
from space2vec.architectures.stampnet import RingMean  # noqa: E402
from space2vec.training import train_network  # noqa: E402
from space2vec.training.loop import (  # noqa: E402
    FitRows,
    FitSettings,
    best_temperature,
    fast_precision,
    fit,
    logits,
)
from space2vec.training.run_folder import RunFolder  # noqa: E402

SMALL = {"width": [16, 16, 16], "hidden": 16, "dropout": 0.0}
FITTING = FitSettings(epochs=3, batch=32, learning_rate=1e-2)


class Line(torch.nn.Module):
    """One weight a column, and dropout, whose draws a resumed run must repeat."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 1)
        self.norm = torch.nn.BatchNorm1d(3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        dropped = torch.nn.functional.dropout(self.norm(features), 0.2, self.training)
        return self.linear(dropped)[:, 0]


def line(seed: int = 0) -> Line:
    torch.manual_seed(seed)
    return Line()


def epoch_rows(epoch: int, n: int = 400) -> FitRows:
    rng = np.random.default_rng([9, epoch])
    x = rng.normal(size=(n, 3)).astype(np.float32)
    return FitRows((x,), (x[:, 0] > 0.2).astype(np.float32), np.ones(n, np.float32))


@pytest.fixture(scope="module")
def rows() -> LabelledStamps:
    night = s2v.simulate(160, seed=5)
    return LabelledStamps(night.stamps, night.labels, night.kinds)


def test_fit_learns_and_tells_every_epoch() -> None:
    module, told = line(), []
    history = fit(
        module, epoch_rows, epoch_rows(99), FitSettings(epochs=6, batch=32, learning_rate=0.05), progress=told.append
    )
    assert told == history
    assert [epoch["epoch"] for epoch in history] == list(range(6))
    assert history[-1]["validation_auc"] > 0.98
    assert history[-1]["validation_loss"] < 0.6 * history[0]["validation_loss"]
    found = logits(module, epoch_rows(99).inputs)
    best = min(epoch["validation_loss"] for epoch in history)
    own = float(np.mean(np.logaddexp(0, found) - epoch_rows(99).target * found))
    assert own == pytest.approx(best, rel=1e-5), "it ends with the best weights"


def test_learning_rate_rises_and_falls() -> None:
    fit_settings = FitSettings(learning_rate=1.0, warm_up=0.1)
    rates = [fit_settings.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert int(np.argmax(rates)) in (9, 10)
    assert rates[-1] < 1e-3
    assert (np.diff(rates[10:]) < 0).all()


def test_weights_of_the_rows_count() -> None:
    def doubled(epoch: int) -> FitRows:
        plain = epoch_rows(epoch)
        wrong = replace(plain, target=1 - plain.target, weight=plain.weight * 0)
        return FitRows(
            (np.concatenate([plain.inputs[0], wrong.inputs[0]]),),
            np.concatenate([plain.target, wrong.target]),
            np.concatenate([plain.weight, wrong.weight]),
        )

    module = line()
    fit(module, doubled, epoch_rows(99), FitSettings(epochs=4, batch=64, learning_rate=0.05))
    assert (
        s2v.evaluation.evaluate(logits(module, epoch_rows(99).inputs), epoch_rows(99).target, bootstrap=0)["auc"] > 0.95
    )


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    fit_settings = FitSettings(epochs=6, batch=32, learning_rate=0.02)
    whole = line()
    history = fit(whole, epoch_rows, epoch_rows(99), fit_settings, RunFolder(tmp_path / "whole", {"a": 1}))

    class Killed(BaseException):
        pass

    def kill(metrics: dict[str, float]) -> None:
        if metrics["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        fit(line(), epoch_rows, epoch_rows(99), fit_settings, RunFolder(tmp_path / "cut", {"a": 1}), kill)
    resumed = line(seed=77)  # its own weights do not matter
    again = fit(resumed, epoch_rows, epoch_rows(99), fit_settings, RunFolder(tmp_path / "cut", {"a": 1}, resume=True))
    assert again == history
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_it_stops_where_validation_no_longer_gains() -> None:
    rng = np.random.default_rng(0)

    def noise(epoch: int) -> FitRows:
        return FitRows((rng.normal(size=(64, 3)).astype(np.float32),), rng.integers(0, 2, 64).astype(np.float32),
                      np.ones(64, np.float32))  # fmt: skip

    history = fit(line(), noise, noise(0), FitSettings(epochs=200, batch=8, learning_rate=0.1, patience=3))
    losses = [epoch["validation_loss"] for epoch in history]
    assert len(history) < 200
    assert len(losses) - 1 - int(np.argmin(losses)) == 3


def test_a_loss_that_is_not_finite_ends_it() -> None:
    def broken(epoch: int) -> FitRows:
        plain = epoch_rows(epoch)
        return replace(plain, inputs=(plain.inputs[0] * np.float32(np.nan),))

    with pytest.raises(ValueError, match="loss of epoch 0 is not finite"):
        fit(line(), broken, epoch_rows(99), FITTING)


def test_run_folder_refuses_what_is_another_run(tmp_path: Path) -> None:
    settings = {"fit": {"seed": 1, "epochs": 1}, "names": ["a" * 100]}
    fit_settings = FitSettings(epochs=1, batch=64)
    fit(line(), epoch_rows, epoch_rows(99), fit_settings, RunFolder(tmp_path / "run", settings))
    with pytest.raises(OutputError, match="holds a training run already; resume it, or name another folder"):
        RunFolder(tmp_path / "run", settings)
    other = {"fit": {"seed": 2, "epochs": 1}, "names": ["b"]}
    reason = r'had other settings: fit\.seed 1, now 2; names \["a{55}\.\.\., now \["b"\]$'
    with pytest.raises(OutputError, match=reason):
        RunFolder(tmp_path / "run", other, resume=True)
    RunFolder(tmp_path / "run", settings, resume=True)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file: it is a file, where a folder is needed"):
        RunFolder(tmp_path / "file", settings)


def test_a_run_without_a_whole_epoch_is_in_nobodys_way(tmp_path: Path) -> None:
    def broken(epoch: int) -> FitRows:
        raise ValueError("nothing to learn")

    with pytest.raises(ValueError, match="nothing to learn"):
        fit(line(), broken, epoch_rows(99), FITTING, RunFolder(tmp_path, {"seed": 1}))
    for resume in (False, True):
        RunFolder(tmp_path, {"seed": 2}, resume=resume)


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("settings.json", lambda data: data[:5], r"settings\.json is missing, damaged"),
        ("settings.json", lambda data: b"[]", r"settings\.json .* \(it holds no JSON object\)"),
        ("settings.json", None, r"settings\.json .* \(\[Errno 2\] No such file"),
        ("state.safetensors", lambda data: data[:-9], r"state\.safetensors .* \(the file is cut short"),
        ("state.safetensors", lambda data: save({"x": np.zeros(2)}), r"state\.safetensors .* \(it lacks 'module'\)"),
        (
            "state.safetensors",
            lambda data: save({"module/linear.weight": np.zeros(2), "average/x": np.zeros(2)}),
            r"state\.safetensors .* Line: Missing key",
        ),
        ("metrics.json", lambda data: data[:9], r"metrics\.json is missing, damaged"),
        ("metrics.json", lambda data: b'{"epochs": []}', r"metrics\.json .* \(it lacks some of 1 epochs\)"),
        (
            "metrics.json",
            lambda data: b'{"epochs": [{"loss": 1}]}',
            r"metrics\.json .* \(its epochs lack some of epoch",
        ),
    ],
)
def test_a_damaged_run_is_told(tmp_path: Path, file: str, change: Callable[[bytes], bytes] | None, reason: str) -> None:
    fit_settings = FitSettings(epochs=1, batch=64)
    fit(line(), epoch_rows, epoch_rows(99), fit_settings, RunFolder(tmp_path, {"seed": 1}))
    path = tmp_path / file
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    with pytest.raises(OutputError, match=f"cannot resume the run in .*{reason}.*; put it back, or begin anew"):
        fit(line(), epoch_rows, epoch_rows(99), fit_settings, RunFolder(tmp_path, {"seed": 1}, resume=True))


def test_bfloat16_is_fast_only_where_the_processor_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for able, expected in (
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({"avx2": True}, "float32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert fast_precision() == expected
    monkeypatch.undo()
    assert FitSettings(precision=fast_precision()).precision in ("bfloat16", "float32")


def test_course_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        FitSettings(epochs=0)
    with pytest.raises(ValueError, match="unknown precision 'half'; known: float32, bfloat16"):
        FitSettings(precision="half")
    for wrong in ({"learning_rate": -1.0}, {"learning_rate": np.nan}, {"average": 1.0}, {"seed": -1}):
        with pytest.raises(ValueError, match="must"):
            FitSettings(**wrong)
    for device in ("cuda", "abacus"):
        if device == "abacus" or not torch.cuda.is_available():
            with pytest.raises(BackendError, match=f"device '{device}' is not available to PyTorch"):
                fit(line(), epoch_rows, epoch_rows(99), FitSettings(device=device))


def test_temperature_is_that_of_a_minimiser() -> None:
    rng = np.random.default_rng(3)
    logit = rng.normal(0, 4, 4000)
    target = (rng.random(4000) < expit(logit / 2.5)).astype(float)
    weight = rng.uniform(0.1, 1, 4000)
    loss = lambda t: weight @ (np.logaddexp(0, logit / t) - target * logit / t)  # noqa: E731
    assert best_temperature(logit, target, weight) == pytest.approx(
        minimize_scalar(loss, bounds=(0.2, 5), method="bounded").x, rel=0.011
    )


def test_rings_are_those_of_the_symmetries() -> None:
    pool = RingMean(5)
    assert pool.rings == 6
    maps = torch.randn(2, 3, 5, 5)
    plain = pool(maps)
    assert plain.shape == (2, 18)
    for turns in range(4):
        turned = torch.rot90(maps, turns, (2, 3))
        torch.testing.assert_close(pool(turned), plain)
        torch.testing.assert_close(pool(turned.flip(3)), plain)
    one = torch.zeros(1, 1, 5, 5)
    one[0, 0, 2, 2] = 1
    assert sorted(pool(one)[0].tolist()) == [0, 0, 0, 0, 0, 1]


def test_stampnet_keeps_its_grid_odd() -> None:
    with pytest.raises(ValueError, match="side must be 8 m \\+ 1 for 3 convolutions; given 32"):
        build("stampnet", {"features": 2, "side": 32})
    with pytest.raises(ValueError, match="settings of stampnet"):
        build("stampnet", {"columns": 2})
    net = build("stampnet", {"features": 2, "side": 41, "channels": 1})
    assert net(torch.zeros(4, 1, 41, 41), torch.full((4, 2), torch.nan)).shape == (4,)


def test_from_stamps_to_a_model_file(rows: LabelledStamps, tmp_path: Path) -> None:
    settings = {"settings": SMALL, "features": "autoscan-stamp", "fit_settings": FITTING, "threads": 1}
    network = train_network(rows, folder=tmp_path / "run", **settings)
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files >= {"settings.json", "metrics.json", "state.safetensors", "model.safetensors"}
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert len(metrics["epochs"]) == 3
    assert set(metrics["validation"]) == set(s2v.evaluation.METRICS)
    assert metrics["validation labels"] == "the labels of the rows"
    assert network.header.training["rows"] + network.header.training["validation"] == len(rows)
    assert network.header.recipe is not None
    assert network.header.recipe["side"] == 33
    fresh = s2v.simulate(60, seed=6)
    scores = network.score(fresh.stamps)
    loaded = s2v.load(tmp_path / "run" / "model.safetensors").score(fresh.stamps)
    np.testing.assert_allclose(loaded.score, scores.score, atol=1e-5)
    assert s2v.evaluation.evaluate(scores.score, fresh.labels, bootstrap=0)["auc"] > 0.8
    again = train_network(rows, folder=tmp_path / "run", resume=True, **settings)
    assert again.id == network.id
    other = replace(rows, weight=rows.weight * np.where(np.arange(len(rows)) == 3, 2, 1).astype(np.float32))
    with pytest.raises(OutputError, match="had other settings: data digest"):
        train_network(other, folder=tmp_path / "run", resume=True, **settings)


def test_columns_are_chosen_and_the_last_step_makes_integers(rows: LabelledStamps) -> None:
    columns = ("snr_3", "sharpness", "MASKFRAC")
    network = train_network(rows, settings=SMALL, features=columns, fit_settings=replace(FITTING, epochs=1), threads=1)
    assert network.feature_names == columns
    assert network.header.integer == {"version": 1}
    assert network.integers is not None
    assert network.integers.inputs.columns == 3
    assert network.header.architecture is not None
    reach = network.header.architecture["settings"]["reach"]
    np.testing.assert_allclose(network.integers.tensors["planes.scale"], 127.0 / np.array(reach), rtol=1e-6)
    planes, features = (tensor.numpy() for tensor in network.tensors(rows.stamps))
    scale = {name: tensor.numpy() for name, tensor in network.module.scale.state_dict().items()}
    temperature = network.header.temperature
    found = oracle.score(oracle.logit(network.integers.tensors, planes, features, scale), temperature)
    assert np.abs(found - network.predict(planes, features)).max() < 0.03
    other = train_network(rows, architecture="rubin", fit_settings=replace(FITTING, epochs=1), threads=1)
    assert other.integers is None
    with pytest.raises(ValueError, match="no set has the columns snr_3, snr_4"):
        train_network(rows, features=("snr_3", "snr_4"), fit_settings=FITTING)


def test_a_missing_template_is_scored_and_a_missing_difference_is_not(rows: LabelledStamps) -> None:
    network = train_network(rows, settings=SMALL, features="s2v", fit_settings=replace(FITTING, epochs=1), threads=1)
    triplets = [[rows.stamps.plane(row, channel) for channel in CHANNELS] for row in range(6)]
    for row, channel in ((1, 1), (2, 2), (3, 0)):
        triplets[row][channel] = None
    triplets[4] = [np.zeros_like(plane) for plane in triplets[4]]
    scores = network.score(s2v.Stamps(triplets, centre=rows.stamps.centre[:6]))
    np.testing.assert_array_equal(np.isnan(scores.score), [False, False, True, True, True, False])
    assert "missing" in scores.flag_names(1)
    assert "constant" in scores.flag_names(4)


def test_the_teacher_is_mixed_into_the_target(rows: LabelledStamps) -> None:
    taught = replace(rows, teacher=1.0 - rows.label.astype(np.float32))
    fit_settings = replace(FITTING, epochs=4)
    against = train_network(taught, settings=SMALL, features="s2v", teacher=1.0, fit_settings=fit_settings, threads=1)
    assert "the target, 1 of which is the teacher's score" in against.header.metrics["validation labels"]
    fresh = s2v.simulate(60, seed=6)
    assert s2v.evaluation.evaluate(against.score(fresh.stamps).score, fresh.labels, bootstrap=0)["auc"] < 0.3


def test_rows_that_cannot_be_prepared_are_left_out(rows: LabelledStamps) -> None:
    broken = [[rows.stamps.plane(row, channel) for channel in CHANNELS] for row in range(len(rows))]
    flat = np.zeros((63, 63), np.float32)
    flat[:9] = np.random.default_rng(0).normal(size=(9, 63))  # no MAD
    broken[3][1] = flat
    stamps = s2v.Stamps(broken, object_id=rows.stamps.object_id)
    network = train_network(
        LabelledStamps(stamps, rows.label, rows.kind),
        settings=SMALL,
        fit_settings=replace(FITTING, epochs=1),
        threads=1,
    )
    score = network.score(stamps[:5]).score
    np.testing.assert_array_equal(np.isnan(score), [False, False, False, True, False])


def test_what_cannot_be_trained_is_told(rows: LabelledStamps) -> None:
    with pytest.raises(ValueError, match="rows to learn from must be of both classes"):
        train_network(rows[rows.label == 1], fit_settings=FITTING)
    with pytest.raises(ValueError, match="no network of stamps is called 'resnet'; known: stampnet, "):
        train_network(rows, architecture="resnet", fit_settings=FITTING)
    few = LabelledStamps.concatenate([rows[rows.label == label][:2] for label in (0, 1)])
    with pytest.raises(ValueError, match=r"10% of the objects, which are too few: .*\(--validation\)"):
        train_network(few, fit_settings=FITTING)
    with pytest.raises(ValueError, match=r"rows for validation must be of both classes; given 2 rows$"):
        train_network(rows, validation=few[:2], fit_settings=FITTING)
