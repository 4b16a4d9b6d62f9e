"""Networks on a device: the planes are taken where the kernels left them; tried on a device that is the host."""

from __future__ import annotations

import contextlib
import gc
from pathlib import Path
from typing import Any

import host_device
import numpy as np
import pytest

import space2vec as s2v
from space2vec.errors import BackendError

torch = pytest.importorskip("torch", reason="PyTorch is missing: torch")
tiny_networks = pytest.importorskip("tiny_networks")

from space2vec.cuda import DeviceArray, device_inputs, half_network, torch_planes  # noqa: E402
from space2vec.cuda.half_network import TOLERANCE, HalfNetwork  # noqa: E402

pytestmark = pytest.mark.usefixtures("known")


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(150, seed=7).stamps


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> host_device.HostDevice:
    """Let PyTorch take the host for a device: its tensors over the device's memory are those of the host."""
    made = host_device.make(monkeypatch)
    taken: list[int] = []

    def as_tensor(lying: torch_planes.Lying, ordinal: int) -> Any:
        taken.append(lying.address)
        return torch.from_numpy(made.at(lying.address, lying.shape, lying.dtype))

    made.taken = taken
    monkeypatch.setattr(torch_planes, "as_tensor", as_tensor)

    def on_stream(ordinal: int, stream: int) -> Any:
        made._run(stream)  # what was begun there is done before PyTorch's work, as on a device
        return contextlib.nullcontext()

    monkeypatch.setattr(torch_planes, "on_stream", on_stream)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    kind = half_network.HalfNetwork

    def on_host(module: Any, temperature: float, device: str, *how: Any) -> HalfNetwork:
        return kind(module, temperature, "cpu", *how)

    monkeypatch.setattr(half_network, "HalfNetwork", on_host)
    return made


@pytest.mark.parametrize("name", list(tiny_networks.KINDS))
def test_scores_are_those_of_the_cpu(
    name: str, module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny_networks.make(name, night, **({"optional": ["template"]} if name == "Tiny" else {}))
    source = night[:]
    source.offset = source.offset.copy()
    source.offset[3:9, 1] = -1  # no template
    source.offset[11, 2] = -1  # no difference
    expected = network.score(source)
    for kind, bound in (("float32", 1e-6), ("float16", TOLERANCE), ("bfloat16", 0.02)):
        monkeypatch.setenv("SPACE2VEC_PRECISION", kind)
        scores = network.score(source, device="cuda")
        np.testing.assert_allclose(scores.score, expected.score, rtol=0, atol=bound)
        assert np.array_equal(scores.flags, expected.flags)
        assert scores.device == "cuda:0"
    if name == "Tiny":
        assert np.isnan(expected.score[11])
        assert not np.isnan(expected.score[3:9]).any()
    assert bool(module.taken) == ("planes" in network.takes), "planes are taken where they lie"
    monkeypatch.setenv("SPACE2VEC_DEVICE_MEMORY", "4M")
    np.testing.assert_allclose(network.score(source, device="cuda").score, expected.score, rtol=0, atol=0.02)
    monkeypatch.setenv("SPACE2VEC_PRECISION", "float8")
    with pytest.raises(BackendError, match="SPACE2VEC_PRECISION is 'float8'; accepted are float16, bfloat16, float32"):
        network.score(source, device="cuda")


def sound(n: int) -> s2v.Stamps:
    """Return stamps with all their planes, some of which cannot be scored."""
    pixels = np.random.default_rng(1).normal(100, 5, size=(n, 3, 31, 31)).astype(np.float32)
    pixels[:, 2] = pixels[:, 0] - pixels[:, 1]
    pixels[3] = 7.0
    pixels[5, 2] = np.nan
    pixels[6, 1, 3, 3] = np.inf
    return s2v.Stamps(pixels)


@pytest.mark.parametrize("name", list(tiny_networks.KINDS))
@pytest.mark.parametrize("library", ["space2vec", "interface"])
def test_stamps_on_a_device_are_scored_there(
    name: str, library: str, module: host_device.HostDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACE2VEC_PRECISION", "float32")
    monkeypatch.setattr(half_network, "SIZES", (4, 16))
    monkeypatch.setattr(device_inputs, "SIZES", (4, 16))
    here = sound(50)
    network = tiny_networks.make(name, here)
    expected = network.score(here)
    stream = module.stream_create(0)
    there = here.to_device()
    if library == "interface":
        there = s2v.Stamps(host_device.OnDevice(module, here.pixels, stream=stream))
    streams = list(module.queues)
    with monkeypatch.context() as patch:
        patch.setattr(module, "stream_create", None)
        patch.setattr(network, "pipeline", None)
        scores = network.score(there)
    assert isinstance(scores.score, DeviceArray)
    assert list(module.queues) == streams
    assert scores.score.stream == (stream if library == "interface" else 0)
    got = np.asarray(scores)
    np.testing.assert_allclose(got, expected.score, rtol=0, atol=1e-6)
    assert np.array_equal(np.isnan(got), np.isnan(expected.score))
    assert np.isnan(got[[3, 5]]).all()
    assert np.array_equal(scores.flags, expected.flags)
    assert scores.device == "cuda:0"
    assert len(network.score(there[:0])) == 0
    there.flags = there.flags.copy()
    there.flags[20] = s2v.flags.bits("bad_stamp")  # which the kernels do not know
    assert np.flatnonzero(np.isnan(network.score(there)) != np.isnan(got)).tolist() == [20]
    there.centre = there.centre.copy()
    there.centre[21] = -5
    here.centre = there.centre
    scores, expected = network.score(there), network.score(here)
    assert np.array_equal(scores.flags & ~there.flags, expected.flags)
    del scores, there
    gc.collect()
    assert module.held == {}


def test_rows_without_a_feature_on_a_device(module: host_device.HostDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    here = sound(30)
    monkeypatch.setattr(tiny_networks, "COLUMNS", ("difference_a", "difference_b", "kurtosis", "centroid_offset"))
    network = tiny_networks.make("TinyTable", here)
    expected = network.score(here)
    scores = network.score(here.to_device())
    assert np.array_equal(scores.flags, expected.flags)
    silent = (scores.flags & np.uint32(s2v.flags.UNSCORABLE)) == s2v.flags.bits("missing")
    assert 0 < np.count_nonzero(silent) < np.count_nonzero(np.isnan(expected.score)) < 30
    assert np.array_equal(np.isnan(np.asarray(scores)), np.isnan(expected.score))


def test_recipes_of_several_chains_on_a_device(module: host_device.HostDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE2VEC_PRECISION", "float32")
    monkeypatch.setattr(tiny_networks, "RECIPE", s2v.Recipe.of("two", steps="l2", further=["asinh"], side=21))
    net = tiny_networks.TinyPlanes(6)
    network = s2v.Network(net, tiny_networks.header_of("TinyPlanes", net.settings))
    here = sound(20)
    expected, scores = network.score(here), network.score(here.to_device())
    np.testing.assert_allclose(np.asarray(scores), expected.score, rtol=0, atol=1e-6)
    assert np.array_equal(scores.flags, expected.flags)


@pytest.mark.parametrize("name", ["stampnet", "Tiny"])
def test_stamps_on_a_device_that_lack_a_plane(
    name: str, module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACE2VEC_PRECISION", "float32")
    network = s2v.load(name) if name == "stampnet" else tiny_networks.make(name, night, optional=["template"])
    some = night[:40]
    some.offset = some.offset.copy()
    some.offset[3:9, 1] = -1  # no template
    some.offset[11, 2] = -1  # no difference
    for source in (some, s2v.Stamps(night[:5].pixels[:, [0, 2]], channels=("science", "difference"))):
        expected, scores = network.score(source), network.score(source.to_device())
        np.testing.assert_allclose(np.asarray(scores), expected.score, rtol=0, atol=1e-5)
        assert np.array_equal(scores.flags, expected.flags)
        assert np.isfinite(expected.score).sum() >= len(source) - 1


def test_the_packaged_network_keeps_its_tolerance(night: s2v.Stamps) -> None:
    model = s2v.load("stampnet")
    given = [tensor.numpy() for tensor in model.tensors(night)]
    exact = HalfNetwork(model.module, model.header.temperature, "cpu", "float32").on_host(given)
    half = HalfNetwork(model.module, model.header.temperature, "cpu", "float16").on_host(given)
    np.testing.assert_allclose(exact, model.predict(*given), rtol=0, atol=1e-5)
    np.testing.assert_allclose(half, exact, rtol=0, atol=TOLERANCE)
    assert not np.array_equal(half, exact)


def test_what_leaves_the_range_of_float16_is_scored_in_float32(night: s2v.Stamps) -> None:
    network = tiny_networks.make("TinyPlanes", night)
    planes = np.random.default_rng(0).normal(size=(6, 3, 21, 21)).astype(np.float32)
    planes[1] *= 1e6
    planes[2, 0, 0, 0] = np.nan
    planes[3, 1, 2, 3] = np.inf
    exact = network.predict(planes)
    half = HalfNetwork(network.module, network.header.temperature, "cpu", "float16").on_host([planes])
    assert np.array_equal(np.isnan(half), [False, False, True, True, False, False])
    np.testing.assert_allclose(half, exact, rtol=0, atol=TOLERANCE)


def test_float32_is_not_tf32(night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_networks.make("TinyPlanes", night)
    products, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    seen: list[tuple[bool, bool]] = []
    module = type(network.module)
    forward = module.forward

    def watched(self: Any, *given: Any) -> Any:
        seen.append((products.allow_tf32, cudnn.allow_tf32))
        return forward(self, *given)

    monkeypatch.setattr(module, "forward", watched)
    planes = np.random.default_rng(0).normal(size=(3, 3, 21, 21)).astype(np.float32)
    planes[1] *= 1e6
    before = products.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    products.allow_tf32 = cudnn.benchmark = True
    try:
        HalfNetwork(network.module, 1.0, "cpu", "float32").on_host([planes])
        HalfNetwork(network.module, 1.0, "cpu", "float16").on_host([planes])
        assert (products.allow_tf32, cudnn.allow_tf32, cudnn.benchmark) == (True, before[1], True), "set back"
    finally:
        products.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before
    assert seen == [(False, False), (True, before[1]), (False, False)], "the row that leaves the range is the last"


def test_rows_in_more_than_one_block(night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_network, "SIZES", (4, 16))
    network = tiny_networks.make("Tiny", night)
    given = [tensor.numpy() for tensor in network.tensors(night[:50])]
    half = HalfNetwork(network.module, network.header.temperature, "cpu", "float16").on_host(given)
    np.testing.assert_allclose(half, network.predict(*given), rtol=0, atol=TOLERANCE)


def test_the_command_line(
    module: host_device.HostDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from space2vec.cli import common, main

    monkeypatch.setattr(common, "DEVICE_BATCH", 5)
    night = tmp_path / "night"
    assert main(["simulate", "-n", "40", "-o", str(night), "--seed", "2"]) == 0
    files = {device: tmp_path / f"{device}.csv" for device in ("cpu", "cuda")}
    for device, out in files.items():
        assert main(["score", str(night), "-o", str(out), "--device", device]) == 0
    assert module.taken
    assert "on cuda:0; scores in" in capsys.readouterr().out
    cpu, cuda = ([line.split(",") for line in out.read_text().splitlines()] for out in files.values())
    assert [row[:2] for row in cpu] == [row[:2] for row in cuda]
    near = [abs(float(a[2]) - float(b[2])) for a, b in zip(cpu[1:], cuda[1:], strict=True) if a[2] and b[2]]
    assert len(near) >= 30
    assert max(near) <= TOLERANCE
    # Scores of two precisions are never joined.
    out, rows = tmp_path / "lost.csv", ["--part-rows", "16"]
    module.lose_after = 3 * len(module.calls) // 4
    assert main(["score", str(night), "-o", str(out), "--device", "cuda", *rows]) == 2
    assert "are kept; the same command with --resume goes on" in capsys.readouterr().err
    module.lose_after = None
    assert main(["score", str(night), "-o", str(out), "--device", "cpu", "--resume", *rows]) == 2
    assert "it was begun with precision float16, and now precision is None" in capsys.readouterr().err
    assert main(["score", str(night), "-o", str(out), "--device", "cuda", "--resume", *rows]) == 0
    assert out.read_bytes() == files["cuda"].read_bytes()
