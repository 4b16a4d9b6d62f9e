"""Data that lie on a device: taken, computed and given back there; tried on a device that is the host."""

from __future__ import annotations

import ast
import gc
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from helpers.device_tables import alike, stump
from space2vec.data.channels import CHANNELS
from space2vec.data.device import DeviceArray, dlpack, extension
from space2vec.data.device.view import to_host, view
from space2vec.errors import BackendError


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> host_device.HostDevice:
    return host_device.make(monkeypatch)


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(40, seed=3).stamps


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).normal(100, 5, size=(6, 3, 51, 51)).astype(np.float32)


def test_why_there_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not extension.is_built()
    assert extension.unavailable_reason() == "this build has no CUDA backend"
    with pytest.raises(BackendError, match="device 'cuda:0' is not available: this build has no CUDA backend"):
        DeviceArray((2,))
    host_device.make(monkeypatch, count=0, why="there is no NVIDIA driver")
    assert extension.is_built()
    assert extension.unavailable_reason() == "this build has a CUDA backend, but there is no NVIDIA driver"
    host_device.make(monkeypatch, count=2)
    assert (extension.unavailable_reason(1), extension.unavailable_reason(2)) == (
        "", "there is no device 2: this machine has 2, counted from 0",
    )  # fmt: skip
    assert extension.versions() == {"runtime": "13.0", "driver": "13.1"}


def test_doctor_tells_built_from_present(monkeypatch: pytest.MonkeyPatch) -> None:
    from space2vec.doctor import report

    def told() -> str:
        return dict(report())["cuda"]

    assert told().startswith(
        "not built: this build has no CUDA backend; device='cuda' raises. With nvcc: pip install ."
    )
    host_device.make(monkeypatch, count=0, why="no NVIDIA driver")
    assert told() == "built with CUDA 13.0, not present: no NVIDIA driver; device='cuda' raises"
    host_device.make(monkeypatch, memory=80 << 30)
    assert told() == ("built with CUDA 13.0, driver 13.1: cuda:0 is a host in disguise, compute capability 9.0, 80 GiB")


@pytest.mark.parametrize(("asked", "bulk", "got"), [
    ("auto", False, "cpu"), ("auto", True, "cuda:0"), ("cpu", True, "cpu"), ("cuda", False, "cuda:0"),
    ("cuda:1", False, "cuda:1"),
])  # fmt: skip
def test_the_device_that_is_asked_for(asked: str, bulk: bool, got: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from space2vec.backends import choice

    host_device.make(monkeypatch, count=2)
    assert choice.usable_device(asked, bulk=bulk) == got
    with pytest.raises(BackendError, match="'cuda:2' is not available: there is no device 2: this machine has 2"):
        choice.usable_device("cuda:2")
    with pytest.raises(ValueError, match="unknown device 'cuda:x'; known: auto, cpu, cuda, cuda:N"):
        choice.usable_device("cuda:x")


def test_an_array_of_the_device(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    array = DeviceArray.of_host(pixels)
    assert (array.shape, array.dtype, array.device, array.ndim) == (pixels.shape, np.float32, "cuda:0", 4)
    assert np.array_equal(array.to_host(), pixels)
    assert array.__cuda_array_interface__["stream"] == 1
    with pytest.raises(TypeError, match=r"lies on cuda:0; to_host\(\) copies it"):
        np.asarray(array)
    lent = dlpack.BorrowedArray(array.__dlpack__())
    assert (lent.shape, lent.dtype, lent.address, lent.ordinal) == (pixels.shape, np.float32, array.address, 0)
    held = dict(module.held)
    del array
    gc.collect()
    assert module.held == held, "what is lent out lives on"
    del lent
    gc.collect()
    assert module.held == {}
    DeviceArray((3,)).__dlpack__()  # which nobody takes over
    gc.collect()
    assert module.held == {}


def test_what_is_lent_outlives_the_module() -> None:
    """Borrowers that give back at the interpreter's end, when modules have lost their names."""
    code = """if True:
        import builtins
        import numpy as np
        from space2vec.data.device import dlpack

        def made():
            return dlpack.lend(object(), 4096, (2,), np.dtype(np.float32), 0)

        builtins.late = [made(), dlpack.BorrowedArray(made())]
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_lent_is_ready_on_the_borrowers_stream(module: host_device.HostDevice) -> None:
    ours, theirs = module.stream_create(0), module.stream_create(0)
    array = DeviceArray((4,), stream=ours)
    module.fill_bytes(0, ours, array.address, 0, 16)
    array.__dlpack__(stream=theirs)
    module.stream_wait(0, theirs)
    assert np.array_equal(module.at(array.address, (4,), np.float32), np.zeros(4))


@pytest.mark.parametrize("how", ["interface", "dlpack", "own"])
def test_features_and_recipes_of_stamps_on_a_device(
    how: str, module: host_device.HostDevice, pixels: np.ndarray
) -> None:
    given: Any = DeviceArray.of_host(pixels)
    if how != "own":
        given = host_device.OnDevice(module, pixels, dlpack=how == "dlpack")
    there, here = s2v.Stamps(given, saturation=110.0), s2v.Stamps(pixels, saturation=110.0)
    assert there.device == "cuda:0"
    assert "device='cuda:0'" in repr(there)
    for name in ("autoscan-stamp", "s2v", "stamp", "autoscan", "all"):
        table, expected = s2v.features(there, set=name), s2v.features(here, set=name)
        assert isinstance(table.values, DeviceArray)
        assert table.values.to_host().tobytes() == expected.values.tobytes()
        assert np.array_equal(table.flags, expected.flags)
        assert np.array_equal(table[table.names[0]], expected[table.names[0]], equal_nan=True)
    paper = s2v.features(there, set="autoscan-stamp", convention="paper")
    expected = s2v.features(here, set="autoscan-stamp", convention="paper")
    assert np.asarray(paper).tobytes() == expected.values.tobytes()
    own = s2v.Recipe.of("own", steps=("median-mad", "asinh"), channels=("difference",), side=21)
    both = s2v.Recipe.of("both", steps="l2", further=["asinh"], side=21)
    for recipe in ("braai", own, both):
        prepared, wanted = s2v.prepare(there, recipe), s2v.prepare(here, recipe)
        assert isinstance(prepared.planes, DeviceArray)
        assert to_host(prepared.planes).tobytes() == wanted.planes.tobytes()
        assert np.array_equal(prepared.flags, wanted.flags)
    assert np.array_equal(there.to_host().buffer, pixels.reshape(-1))
    with pytest.raises(TypeError, match="the pixels lie on cuda:0; to_host"):
        _ = there.pixels
    part = s2v.features(there[1::2], set="stamp")
    assert np.asarray(part).tobytes() == s2v.features(here[1::2], set="stamp").values.tobytes()


def test_stamps_that_are_moved(module: host_device.HostDevice, night: s2v.Stamps) -> None:
    there = night.to_device("cuda")
    assert there.to_device("cuda:0") is there
    assert there.to_host().device == "cpu"
    assert alike(s2v.features(there), s2v.features(night))
    with pytest.raises(TypeError, match=r"batches on cuda:0 cannot be joined.* use to_host"):
        s2v.Stamps.concatenate([there, night])
    with pytest.raises(BackendError, match="the stamps lie on cuda:0, and device 'cpu' was asked for"):
        s2v.features(there, device="cpu")
    there.centre = there.centre + 1
    night = night[:]
    night.centre = there.centre
    assert alike(s2v.features(there), s2v.features(night)), "what the kernels are told is not stale"


def test_planes_that_need_no_copy(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    for part, channels in ((pixels[::2], CHANNELS), (pixels[:, 1:], ("template", "difference"))):
        given = host_device.OnDevice(module, part)
        copied = module.copied
        there = s2v.Stamps(given, channels=channels)
        assert module.copied == copied
        assert there.device_pixels is not None
        assert there.device_pixels.address == given.__cuda_array_interface__["data"][0]
        here = s2v.Stamps(part, channels=channels)
        assert np.asarray(s2v.features(there, set="s2v")).tobytes() == s2v.features(here, set="s2v").values.tobytes()


def test_what_is_refused(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    for other in (pixels.astype(np.float64), pixels[:, :, :, ::2]):
        with pytest.raises(TypeError, match="the kernels take float32 in C order there, and only arrays of PyTorch"):
            s2v.Stamps(host_device.OnDevice(module, other))
    with pytest.raises(TypeError, match="dtype complex64"):
        s2v.Stamps(host_device.OnDevice(module, pixels.astype(np.complex64)))
    with pytest.raises(ValueError, match=r"pixels must have shape \(n, 3, height, width\)"):
        s2v.Stamps(host_device.OnDevice(module, pixels[:, :2]))
    masked = host_device.OnDevice(module, pixels)
    masked.__cuda_array_interface__["mask"] = object()
    with pytest.raises(TypeError, match="pixels is masked on its device"):
        s2v.Stamps(masked)
    with pytest.raises(TypeError, match="the science plane of candidate 0 lies on a device"):
        s2v.Stamps([[host_device.OnDevice(module, pixels[0, 0])] * 3])
    foreign = host_device.OnDevice(module, pixels, dlpack=True)
    foreign.__dlpack_device__ = lambda: (10, 0)
    with pytest.raises(TypeError, match="a device of DLPack's kind 10; accepted are the host and CUDA devices"):
        s2v.Stamps(foreign)
    module.count, module.why = 0, "there is no NVIDIA driver"
    with pytest.raises(TypeError, match="lies on a device; this build has a CUDA backend, but there is no NVIDIA"):
        s2v.Stamps(host_device.OnDevice(module, pixels))


def test_normalisers(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    steps = ("median-mad", ("asinh", {"softening": 0.5}))
    hidden = pixels > 105
    plain = pixels.reshape(-1, 51, 51)
    for given, mask in (
        (pixels, None), (pixels, hidden), (plain, None), (plain[:, 5:40, 7:50], None), (plain[::3], None),
        (plain[0], None), (plain[:0], None),
    ):  # fmt: skip
        there = None if mask is None else host_device.OnDevice(module, mask)
        result = s2v.normalise(host_device.OnDevice(module, given), steps, mask=there, fill=0.0)
        wanted = s2v.normalise(given, steps, mask=mask, fill=0.0)
        assert to_host(result.planes).tobytes() == wanted.planes.tobytes()
        assert result.planes.shape == wanted.planes.shape
        assert np.array_equal(result.flags, wanted.flags)
        assert result.flags.shape == wanted.flags.shape
    on_device, where = host_device.OnDevice(module, pixels), host_device.OnDevice(module, hidden)
    with pytest.raises(TypeError, match="array lies on cuda:0 and mask on the host"):
        s2v.normalise(on_device, steps, mask=hidden)
    with pytest.raises(TypeError, match="array lies on the host and mask on a device"):
        s2v.normalise(pixels, steps, mask=where)
    with pytest.raises(TypeError, match="mask must be of bool"):
        s2v.normalise(on_device, steps, mask=on_device)
    with pytest.raises(ValueError, match="mask on a device must have the array's shape"):
        s2v.normalise(on_device, steps, mask=host_device.OnDevice(module, hidden[:1]))


def test_a_forest(module: host_device.HostDevice, night: s2v.Stamps) -> None:
    forest, x = stump(), s2v.features(night, set="autoscan-stamp").values
    result = forest.predict(DeviceArray.of_host(x))
    assert isinstance(result, DeviceArray)
    assert result.to_host().tobytes() == forest.predict(x).tobytes()
    assert len(np.unique(result.to_host())) > 1
    with pytest.raises(ValueError, match=r"x must have shape \(n, 18\)"):
        forest.predict(DeviceArray.of_host(x[:, :5]))
    there, expected = night.to_device(), forest.score(night)
    scores = forest.score(there)
    assert isinstance(scores.score, DeviceArray)
    assert scores.device == "cuda:0"
    assert np.asarray(scores).tobytes() == expected.score.tobytes()
    assert alike(scores, expected)
    assert forest.score(night, device="cuda").score.tobytes() == expected.score.tobytes()
    assert forest.score(s2v.features(night), device="cuda").score.tobytes() == expected.score.tobytes()


def test_the_callers_stream_is_used(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    stream = module.stream_create(0)
    array = host_device.OnDevice(module, pixels, stream=stream)
    table = s2v.features(s2v.Stamps(array), set="s2v")
    assert table.values.stream == stream
    assert module.queues[stream], "nothing has waited yet"
    assert np.isnan(module.at(table.values.address, table.values.shape, np.float32)).all()
    assert np.asarray(table).tobytes() == s2v.features(s2v.Stamps(pixels), set="s2v").values.tobytes()
    by_dlpack = host_device.OnDevice(module, pixels, dlpack=True)
    view(by_dlpack, "pixels")
    assert by_dlpack.given == [1], "it is asked for on the legacy default stream"


def test_a_stream_that_is_gone_before_results_are_read(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    expected = s2v.features(s2v.Stamps(pixels), set="autoscan-stamp")
    module.queues[2] = []
    stream = module.stream_create(0)
    table = s2v.features(s2v.Stamps(host_device.OnDevice(module, pixels, stream=stream)), set="autoscan-stamp")
    score = stump().predict(table.values)
    module.stream_wait(0, stream)
    module.stream_destroy(0, stream)
    assert np.array_equal(table.flags, expected.flags)
    assert table.values.to_host().tobytes() == expected.values.tobytes()
    assert dlpack.BorrowedArray(score.__dlpack__(stream=2)).address == score.address
    assert score.to_host().tobytes() == stump().predict(expected.values).tobytes()
    del table, score
    gc.collect()
    assert list(module.queues) == [0, 2], "streams to read on are given back"
    assert module.events == {}


def test_a_mask_on_another_stream(module: host_device.HostDevice, pixels: np.ndarray) -> None:
    hidden, streams = pixels > 105, [module.stream_create(0) for _ in range(2)]
    mask = DeviceArray(hidden.shape, np.bool_, stream=streams[1])
    source = module.put(hidden.nbytes)
    module.at(source, hidden.shape, np.bool_)[:] = hidden
    module.copy(0, streams[1], mask.address, source, hidden.nbytes, "on_device")
    result = s2v.normalise(host_device.OnDevice(module, pixels, stream=streams[0]), "l2", mask=mask)
    assert module.queues[streams[1]], "nothing has waited yet"
    assert to_host(result.planes).tobytes() == s2v.normalise(pixels, "l2", mask=hidden).planes.tobytes()


def test_arrays_of_cupy(monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray) -> None:
    module = host_device.make(monkeypatch, eager=True)
    cupy = host_device.fake_cupy(monkeypatch, module)
    recipe = s2v.Recipe.of("both", steps="l2", further=["asinh"], side=21)
    spoilt = pixels.copy()
    spoilt[2] = 7.0
    for values in (spoilt, spoilt.astype(np.float64), spoilt[:, :, ::-1, ::2]):
        there, here = s2v.Stamps(cupy.asarray(values)), s2v.Stamps(values)
        table = s2v.features(there, set="stamp")
        assert isinstance(table.values, cupy.ndarray)
        assert np.asarray(table).tobytes() == s2v.features(here, set="stamp").values.tobytes()
        for how in (recipe, "braai"):
            result, wanted = s2v.prepare(there, how), s2v.prepare(here, how)
            assert isinstance(result.planes, cupy.ndarray)
            np.testing.assert_array_equal(result.planes.get(), wanted.planes)
            assert np.array_equal(result.flags, wanted.flags)
    scores = stump().score(there)
    assert isinstance(scores.score, cupy.ndarray)
    assert isinstance(stump().predict(cupy.asarray(np.zeros((3, 18)))), cupy.ndarray)
    assert set(cupy.devices) == {0}


def test_axes_of_arrays_of_cupy(monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray) -> None:
    module = host_device.make(monkeypatch, eager=True)
    cupy = host_device.fake_cupy(monkeypatch, module)
    want = np.asarray(s2v.features(s2v.Stamps(pixels)))
    with pytest.warns(UserWarning, match="channels last"):
        there = s2v.Stamps(cupy.asarray(np.moveaxis(pixels, 1, -1)))
    assert there.device == "cuda:0"
    assert np.asarray(s2v.features(there)).tobytes() == want.tobytes()
    for given, channels, rows in (
        (pixels[:, 2], ["difference"], pixels[:, 2:]),
        (pixels[0], CHANNELS, pixels[:1]),
    ):
        there = s2v.Stamps(cupy.asarray(given), channels=channels)
        assert there.device == "cuda:0"
        assert there.to_host().pixels.tobytes() == rows.tobytes()


def test_the_stand_in_has_the_functions_of_the_module(module: host_device.HostDevice) -> None:
    """As ``_cuda.pyi`` declares them: the same names, and as many parameters."""
    stub = ast.parse((Path(s2v.__file__).parent / "_cuda.pyi").read_text(encoding="utf-8"))
    known = 0
    for entry in stub.body:
        if isinstance(entry, ast.FunctionDef):
            assert len(inspect.signature(getattr(module, entry.name)).parameters) == len(entry.args.args), entry.name
            known += 1
        elif isinstance(entry, ast.ClassDef):
            known += 1
            theirs = getattr(module, entry.name)
            for method in entry.body:
                if not isinstance(method, ast.FunctionDef):
                    continue
                if method.decorator_list:  # a property
                    assert method.name in theirs.__dataclass_fields__, f"{entry.name}.{method.name}"
                elif method.name != "__init__" or entry.name != "Model":
                    parameters = inspect.signature(getattr(theirs, method.name)).parameters
                    assert len(parameters) == len(method.args.args), f"{entry.name}.{method.name}"
    assert known > 20
