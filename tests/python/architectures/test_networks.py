"""Networks of others: their shape, what they refuse, and braai's published scores."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.errors import ModelError

torch = pytest.importorskip("torch")

from space2vec import architectures  # noqa: E402
from space2vec.architectures import braai  # noqa: E402

#: Side of the planes, and parameters by hand, layer by layer; braai's number is the published one.
PARAMETERS = {
    "braai": (63, 312_081),
    "rubin": (51, 73_569),
    "space2vec2018": (51, 1_702_043),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_network_has_its_parameters_and_gives_a_logit_a_row(name: str) -> None:
    side, parameters = PARAMETERS[name]
    network = architectures.build(name, {}).eval()
    assert network.takes == ("planes",)
    assert network.settings == {"channels": 3, "side": side}
    assert sum(tensor.numel() for tensor in network.parameters()) == parameters
    planes = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3, side, side)).astype(np.float32))
    with torch.no_grad():
        logit = network(planes)
        assert logit.shape == (5,)
        # A row's logit is its own, whatever it comes with.
        torch.testing.assert_close(network(planes[2:3]), logit[2:3])
    assert logit.std() > 0


@pytest.mark.parametrize("name", PARAMETERS)
def test_settings_rebuild_a_network_of_other_planes(name: str) -> None:
    network = architectures.build(name, {"channels": 2, "side": 45}).eval()
    twin = architectures.build(name, network.settings).eval()
    twin.load_state_dict(network.state_dict())
    planes = torch.linspace(-1, 1, 2 * 45 * 45).reshape(1, 2, 45, 45)
    assert torch.equal(network(planes), twin(planes))


def test_planes_that_vanish_are_refused() -> None:
    with pytest.raises(ValueError, match="planes of 9x9 are too small for Rubin"):
        architectures.build("rubin", {"side": 9})
    with pytest.raises(ValueError, match="must be positive; given 0 and 63"):
        architectures.build("braai", {"channels": 0})


def keras_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights in the layout of the published file."""
    rng = np.random.default_rng(seed)
    shapes = {"conv1": (3, 3, 3, 16), "conv2": (3, 3, 16, 16), "conv3": (3, 3, 16, 32), "conv4": (3, 3, 32, 32),
              "fc_1": (1152, 256), "fc_out": (256, 1)}  # fmt: skip
    arrays = {f"{name}.kernel": rng.normal(0, 0.1, shape) for name, shape in shapes.items()}
    arrays |= {f"{name}.bias": rng.normal(0, 0.1, shape[-1]) for name, shape in shapes.items()}
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def by_hand(arrays: dict[str, np.ndarray], x: np.ndarray) -> float:
    """VGG6 on one (63, 63, 3) image, channels last, as Keras has it."""

    def convolve(x: np.ndarray, name: str) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))  # row, column, channel, 3, 3
        return np.maximum(np.einsum("rcihw,hwio->rco", windows, arrays[f"{name}.kernel"]) + arrays[f"{name}.bias"], 0)

    def pool(x: np.ndarray, by: int) -> np.ndarray:
        n = x.shape[0] // by
        return x[: n * by, : n * by].reshape(n, by, n, by, -1).max(axis=(1, 3))

    x = pool(convolve(convolve(x, "conv1"), "conv2"), 2)
    x = pool(convolve(convolve(x, "conv3"), "conv4"), 4).reshape(-1)
    x = np.maximum(x @ arrays["fc_1.kernel"] + arrays["fc_1.bias"], 0)
    return float((x @ arrays["fc_out.kernel"] + arrays["fc_out.bias"])[0])


def test_published_weights_are_those_of_the_channels_last_network(tmp_path: Path) -> None:
    arrays = keras_arrays()
    np.savez(tmp_path / "weights.npz", **arrays)
    network = braai.published(tmp_path / "weights.npz")
    assert not network.training
    planes = np.random.default_rng(1).normal(size=(2, 3, 63, 63)).astype(np.float32)
    with torch.no_grad():
        logit = network(torch.from_numpy(planes)).numpy()
    np.testing.assert_allclose(logit, [by_hand(arrays, x.transpose(1, 2, 0)) for x in planes], rtol=1e-4, atol=1e-4)


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"absent\.npz"):
        braai.published(tmp_path / "absent.npz")
    arrays = keras_arrays()
    np.savez(tmp_path / "less.npz", **{name: array for name, array in arrays.items() if name != "fc_out.bias"})
    with pytest.raises(ModelError, match=r"fc_out\.bias"):
        braai.published(tmp_path / "less.npz")
    np.save(tmp_path / "one.npy", arrays["fc_out.bias"])
    whole = (tmp_path / "less.npz").read_bytes()
    for name, data in (("text.csv", b"ID,score\n"), ("empty.npz", b""), ("cut.npz", whole[:-30]), ("one.npy", None)):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelError, match=rf"{name}: no \.npz file of its arrays$"):
            braai.published(tmp_path / name)
    arrays["conv2.kernel"] = arrays["conv2.kernel"][..., :8]
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(ModelError, match="arrays of other shapes"):
        braai.published(tmp_path / "other.npz")


def test_a_row_that_cannot_be_scored_is_nan_and_the_others_are_their_own(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", **keras_arrays())
    network = braai.published(tmp_path / "weights.npz")
    pixels = np.random.default_rng(2).normal(100, 5, (5, 3, 63, 63)).astype(np.float32)
    pixels[1] = 0
    pixels[3, :, :20] = np.nan
    score = braai.score(network, s2v.Stamps(pixels), batch=2)
    assert np.isnan(score).tolist() == [False, True, False, False, False]
    alone = [braai.score(network, s2v.Stamps(pixels[k : k + 1]))[0] for k in range(5)]
    np.testing.assert_allclose(score, alone, atol=1e-6)


def test_a_norm_beyond_float32_leaves_an_empty_plane(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", **keras_arrays())
    network = braai.published(tmp_path / "weights.npz")
    pixels = np.random.default_rng(3).normal(100, 5, (1, 3, 63, 63)).astype(np.float32)
    pixels[0, 1, 7, 9] = np.finfo(np.float32).min
    prepared = s2v.prepare(s2v.Stamps(pixels), "braai").planes
    prepared[:, 1] = 0
    with torch.no_grad():
        expected = torch.sigmoid(network(torch.from_numpy(prepared))).numpy()
    np.testing.assert_array_equal(braai.score(network, s2v.Stamps(pixels)), expected)


@pytest.mark.parametrize("name", ["night_20180713", "brokers"])
def test_real_alerts_get_the_scores_of_the_tables(data: Path, name: str) -> None:
    weights, table = data / "braai" / "braai_d6_m9.npz", data / "ztf" / f"{name}.csv"
    for path in (weights, table):
        if not path.exists():
            pytest.skip(f"real alerts or braai's weights missing: {path}")
    with table.open(newline="", encoding="utf-8") as file:
        known = {row["candid"]: float(row["braai_d6_m9"]) for row in csv.DictReader(file)}
    stamps = s2v.read(data / "ztf" / name, strict=False)
    score = braai.score(braai.published(weights), stamps)
    told = np.array([known[str(candidate)] for candidate in stamps.candidate_id])
    assert len(told) >= 477
    np.testing.assert_allclose(score, told, atol=1e-4)
