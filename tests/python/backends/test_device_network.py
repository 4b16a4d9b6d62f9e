"""Networks of floats on a device: PyTorch runs them on what the kernels prepared there; tried on the host as one."""

from __future__ import annotations

import contextlib
import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from space2vec.errors import BackendError

torch = pytest.importorskip("torch", reason="PyTorch is missing: torch")
tiny_networks = pytest.importorskip("helpers.tiny_networks")

from space2vec.backends.cuda import float_network  # noqa: E402
from space2vec.data.device import DeviceArray  # noqa: E402

pytestmark = pytest.mark.usefixtures("known")


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(150, seed=7).stamps


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> host_device.HostDevice:
    """Let PyTorch take the host for a device: its tensors over the device's memory are those of the host."""
    module = host_device.make(monkeypatch)
    module.taken = []

    def as_tensor(address: int, shape: tuple[int, ...], dtype: Any, ordinal: int) -> Any:
        module.taken.append(address)
        return torch.from_numpy(module.at(address, shape, dtype))

    def on_stream(device: str, stream: int) -> Any:
        module._run(stream)  # what was begun there is done before PyTorch's work, as on a device
        return contextlib.nullcontext()

    kind = float_network.FloatNetwork

    class OnHost(kind):
        def __init__(self, network: s2v.Network, device: str, kernels: Any) -> None:
            kind.__init__(self, network, "cpu", kernels)

    monkeypatch.setattr(float_network, "as_tensor", as_tensor)
    monkeypatch.setattr(float_network, "on_stream", on_stream)
    monkeypatch.setattr(float_network, "FloatNetwork", OnHost)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    return module


def close(scores: s2v.Scores, expected: s2v.Scores) -> bool:
    """Tell whether scores are those of the CPU but for rounding, and flags the same."""
    np.testing.assert_allclose(np.asarray(scores), expected.score, rtol=0, atol=1e-5)
    return np.array_equal(scores.flags, expected.flags)


def lacking(stamps: s2v.Stamps) -> s2v.Stamps:
    """Return stamps some of which have no template, and one no difference."""
    some = stamps[:]
    some.offset = some.offset.copy()
    some.offset[3:9, 1] = -1
    some.offset[11, 2] = -1
    return some


@pytest.mark.parametrize("name", list(tiny_networks.KINDS))
def test_scores_are_those_of_the_cpu(
    name: str, module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(float_network, "_ROWS", 40)
    network = tiny_networks.make(name, night, **({"optional": ["template"]} if name == "Tiny" else {}))
    assert network.runtime == "torch"
    source = lacking(night)
    expected = network.score(source)
    assert np.isfinite(expected.score).sum() > 100
    for there in (network.score(source, device="cuda"), network.score(source.to_device())):
        assert close(there, expected)
        assert there.device == "cuda:0"
    assert module.taken, "what the kernels wrote is taken where it lies"
    assert "score" not in module.calls
    if name == "Tiny":
        assert np.isnan(expected.score[11])
        assert not np.isnan(expected.score[3:9]).any()
    monkeypatch.setenv("SPACE2VEC_DEVICE_MEMORY", "4M")
    assert close(network.score(source, device="cuda"), expected)
    module.most = 0
    with network.pipeline("cuda") as through:
        parts = list(through.run(source[k : k + 50] for k in range(0, len(source), 50)))
    assert close(s2v.Scores.concatenate(parts), expected)
    assert 0 < module.most <= 4 << 20


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
    monkeypatch.setattr(float_network, "_ROWS", 16)
    here = sound(50)
    network = tiny_networks.make(name, here)
    stream = module.stream_create(0)
    there = here.to_device()
    if library == "interface":
        there = s2v.Stamps(host_device.OnDevice(module, here.pixels, stream=stream))
    streams = list(module.queues)
    with monkeypatch.context() as patch:
        patch.setattr(module, "stream_create", None)
        scores = network.score(there)
    assert isinstance(scores.score, DeviceArray)
    assert list(module.queues) == streams
    assert scores.score.stream == (stream if library == "interface" else 0)
    assert close(scores, network.score(here))
    got = np.asarray(scores)
    assert np.isnan(got[[3, 5]]).all()
    assert len(network.score(there[:0])) == 0
    for stamps in (there, here):
        stamps.flags = stamps.flags.copy()
        stamps.flags[20] = s2v.flags.bits("bad_stamp")  # which the kernels do not know
        stamps.centre = stamps.centre.copy()
        stamps.centre[21] = -5
    scores = network.score(there)
    assert close(scores, network.score(here))
    assert np.isnan(np.asarray(scores)[20])
    del scores, there, stamps
    gc.collect()
    assert module.held == {}


def test_tables(module: host_device.HostDevice, night: s2v.Stamps) -> None:
    network = tiny_networks.make("TinyTable", night)
    table = s2v.features(night, set="stamp")
    table.values[5] = np.nan
    table.flags[6] = s2v.flags.bits("bad_stamp")
    expected = network.score(table)
    assert np.isnan(expected.score[[5, 6]]).all()
    assert close(network.score(table, device="cuda"), expected)
    assert "check_columns" in module.calls


@pytest.mark.parametrize("name", list(tiny_networks.KINDS))
def test_prepared_rows(name: str, module: host_device.HostDevice, night: s2v.Stamps) -> None:
    network = tiny_networks.make(name, night)
    given = [array.copy() for array in network.inputs(night).arrays]
    for array in given:
        if array.ndim == 4:
            array[2, 0, 0, 0], array[3, -1, -1, -1] = np.nan, np.inf
    expected = network.predict(*given)
    there = [DeviceArray.of_host(array) for array in given]
    np.testing.assert_allclose(network.predict(*there).to_host(), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(network.predict(*given, device="cuda"), expected, rtol=0, atol=1e-5)
    assert np.isnan(expected[2:4]).all() == ("planes" in network.takes)
    if len(given) > 1:
        with pytest.raises(TypeError, match="lies on the host and another input on a device"):
            network.predict(there[0], given[1])


def test_a_calibration_on_a_device(module: host_device.HostDevice, night: s2v.Stamps) -> None:
    from parity import suite

    network = tiny_networks.make("TinyPlanes", night)
    calibrated = network.calibrated(suite.calibration())
    score = DeviceArray.of_host(calibrated.predict(*network.inputs(night).arrays))
    there = calibrated.predict(*(DeviceArray.of_host(array) for array in network.inputs(night).arrays)).to_host()
    np.testing.assert_allclose(there, score.to_host(), rtol=0, atol=1e-5)
    raw = network.score(night, device="cuda")
    mapped = suite.calibration()(raw.score)
    assert calibrated.score(night, device="cuda").score.tobytes() == mapped.tobytes(), "operation by operation"


def test_a_runtime_that_is_asked_for(
    module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``SPACE2VEC_RUNTIME`` has a network with integers run in floats on a device, too."""
    integers = s2v.load("stampnet").score(night)
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "torch")
    network = s2v.load("stampnet")
    expected = network.score(night)
    assert close(network.score(night, device="cuda"), expected)
    assert close(network.score(lacking(night[:40]).to_device()), network.score(lacking(night[:40])))
    assert not np.array_equal(expected.score, integers.score, equal_nan=True)


def test_float32_is_not_tf32(
    module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny_networks.make("TinyPlanes", night)
    products, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    seen: list[tuple[bool, bool]] = []
    kind = type(network.module)
    forward = kind.forward

    def watched(self: Any, *given: Any) -> Any:
        seen.append((products.allow_tf32, cudnn.allow_tf32))
        return forward(self, *given)

    monkeypatch.setattr(kind, "forward", watched)
    before = products.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    products.allow_tf32 = cudnn.benchmark = True
    try:
        network.score(night[:5], device="cuda")
        assert (products.allow_tf32, cudnn.allow_tf32, cudnn.benchmark) == (True, before[1], True), "set back"
    finally:
        products.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before
    assert seen == [(False, False)]


def test_pytorch_without_the_device(
    module: host_device.HostDevice, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = tiny_networks.make("TinyPlanes", night)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendError, match="sees no CUDA device"):
        network.score(night, device="cuda")


def test_the_command_line(
    module: host_device.HostDevice, tmp_path: Path, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from space2vec.cli import main
    from space2vec.reading import options

    monkeypatch.setattr(options, "ROWS", 5)
    folder, file = tmp_path / "night", tmp_path / "tiny.safetensors"
    tiny_networks.make("Tiny", night).save(file)
    assert main(["simulate", "-n", "40", "-o", str(folder), "--seed", "2"]) == 0
    files = {device: tmp_path / f"{device}.csv" for device in ("cpu", "cuda")}
    for device, out in files.items():
        command = ["score", str(folder), "--model", str(file), "-o", str(out), "--device", device]
        assert main(command) == 0
    assert module.taken
    assert "on cuda:0; scores in" in capsys.readouterr().out
    cpu, cuda = ([line.split(",") for line in out.read_text().splitlines()] for out in files.values())
    assert [row[:2] for row in cpu] == [row[:2] for row in cuda]
    near = [abs(float(a[2]) - float(b[2])) for a, b in zip(cpu[1:], cuda[1:], strict=True) if a[2] and b[2]]
    assert len(near) >= 30
    assert max(near) <= 1e-5
