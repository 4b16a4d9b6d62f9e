"""The module ``space2vec._cuda`` where there is no device: it can be imported, and says in words why nothing runs."""

import ctypes
import importlib
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import tiny_models
from space2vec import registry

#: A build that is not installed, as CI makes one.
BUILT = os.environ.get("SPACE2VEC_CUDA_MODULE")


def load():
    """Return the module as installed, or as built by CI; None where this build has none."""
    if BUILT:
        spec = importlib.util.spec_from_file_location("space2vec._cuda", BUILT)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    try:
        return importlib.import_module("space2vec._cuda")
    except ModuleNotFoundError:
        return None


cuda = load()
pytestmark = pytest.mark.skipif(cuda is None, reason="not run: this build has no CUDA backend")
needs_no_device = pytest.mark.skipif(cuda is not None and cuda.available()[0] > 0, reason="there is a device here")
needs_device = pytest.mark.skipif(cuda is not None and cuda.available()[0] == 0, reason="not run: no CUDA device")

FILES = tiny_models.models()


def stamps(n=1, **other):
    """Return stamps at addresses that no call looks at before it has a device."""
    addresses = {"pixels": 256, "pixel_count": 10, "offset": 256, "shape": 256, "centre": 256}
    return cuda.Stamps(**{**addresses, "n": n, "saturation": float("nan"), **other})


def planes(n=1, **other):
    """Return planes at such addresses."""
    sizes = {"height": 5, "width": 5, "plane_stride": 25, "row_stride": 5}
    return cuda.Planes(**{"pixels": 256, "mask": 0, "n": n, **sizes, **other})


def compose(channels=(2, 0), chains=(((2, []),),), side=31, what=None):
    cuda.compose(0, 0, what or stamps(), side, list(channels), [list(chain) for chain in chains], 256, 256)


def normalise(steps=((2, []),), what=None, out=256, flags=256):
    cuda.normalise(0, 0, what or planes(), list(steps), 0.0, out, flags)


def test_the_package_does_not_import_it():
    code = "import sys, space2vec; sys.exit('space2vec._cuda' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_available_says_how_many_or_why_not():
    devices, why = cuda.available()
    assert devices >= 0
    assert (why == "") == (devices > 0)
    assert devices > 0 or "driver" in why


def test_versions():
    versions = cuda.versions()
    assert versions["runtime"] >= 12000
    if versions["driver"] == 0:
        assert cuda.available() == (0, "no NVIDIA driver")


def test_exceptions():
    assert issubclass(cuda.OutOfDeviceMemory, MemoryError)
    assert issubclass(cuda.DeviceLost, RuntimeError)
    assert issubclass(cuda.CudaError, RuntimeError)
    assert not issubclass(cuda.CudaError, cuda.DeviceLost)


def test_stamps_and_planes_keep_what_they_are_of():
    of = stamps(7, centre=0, saturation=60000.0)
    assert (of.pixels, of.pixel_count, of.offset, of.shape, of.centre, of.n) == (256, 10, 256, 256, 0, 7)
    assert of.saturation == 60000.0
    of = planes(3, mask=512)
    assert (of.pixels, of.mask, of.n, of.height, of.width) == (256, 512, 3, 5, 5)
    assert (of.plane_stride, of.row_stride) == (25, 5)


CALLS = {
    "properties": lambda: cuda.properties(0),
    "features": lambda: cuda.features(0, 0, stamps(), 3, False, 256, 256),
    "prepare": lambda: cuda.prepare(0, 0, stamps(), "braai", 256, 256),
    "compose": compose,
    "compose by four chains": lambda: compose(chains=[[(2, [])]] * 4),
    "normalise": normalise,
    **{f"model, {name}": lambda file=file: cuda.Model(0, file) for name, file in FILES.items()},
    "allocate": lambda: cuda.allocate(0, 0, 100),
    "pinned": lambda: cuda.pinned(0, 100),
    "stream that is captured": lambda: cuda.stream_captured(0, 0),
    "device that is waited for": lambda: cuda.device_wait(0),
    "copy": lambda: cuda.copy(0, 0, 256, 256, 10, "to_device"),
    "stream": lambda: cuda.stream_create(0),
    "event": lambda: cuda.event_create(0),
}


@needs_no_device
@pytest.mark.parametrize("call", CALLS)
def test_what_needs_a_device_says_so(call):
    with pytest.raises(cuda.CudaError, match="cudaError"):
        CALLS[call]()


@needs_no_device
def test_what_is_given_back_without_a_device_is_no_error():
    cuda.release(0, 4096, [], True)
    cuda.release_pinned(0, 4096)
    cuda.event_destroy(0, 4096)
    cuda.stream_destroy(0, 4096)


@needs_no_device
def test_page_locked_memory_that_is_not_there_is_none():
    allocate, release, context = cuda.page_locked(0)
    assert release
    assert context == 0
    assert ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(allocate)(context, 1 << 20) is None


REFUSED = {
    "sets": ("^sets$", lambda: cuda.features(0, 0, stamps(0), 4, False, 0, 0)),
    "values": ("null pointer", lambda: cuda.features(0, 0, stamps(), 3, False, 0, 256)),
    "flags": ("null pointer", lambda: cuda.features(0, 0, stamps(), 3, False, 256, 0)),
    "offset": ("null pointer", lambda: cuda.features(0, 0, stamps(offset=0), 3, False, 256, 256)),
    "shape": ("null pointer", lambda: cuda.prepare(0, 0, stamps(shape=0), "braai", 256, 256)),
    "pixels": (
        "pixels of the stamps is a null pointer",
        lambda: cuda.prepare(0, 0, stamps(pixels=0), "braai", 256, 256),
    ),
    "n": ("n of the stamps is negative", lambda: compose(what=stamps(-1))),
    "n beyond 31 bits": ("n of the stamps is beyond", lambda: compose(what=stamps(1 << 31))),
    "pixel_count": ("pixel_count of the stamps is negative", lambda: compose(what=stamps(pixel_count=-1))),
    "recipe": ('there is no recipe "Braai"', lambda: cuda.prepare(0, 0, stamps(0), "Braai", 0, 0)),
    "channel twice": ("has a channel twice", lambda: compose([2, 2])),
    "channel": ("a channel of a composition is not 0, 1 or 2", lambda: compose([3])),
    "no channel": ("one to three channels", lambda: compose([])),
    "side": ("positive side", lambda: compose(side=0)),
    "large side": ("the side of a composition is from 1", lambda: compose(side=1 << 13)),
    "no chain": ("^views$", lambda: compose(chains=[])),
    "five chains": ("^views$", lambda: compose(chains=[[(2, [])]] * 5)),
    "empty chain": ("a chain has from 1 to 8 steps", lambda: compose(chains=[[(2, [])], []])),
    "step of the last chain": ("kind of a step", lambda: compose(chains=[[(2, [])], [(2, []), (99, [])]])),
    "parameters": ("too many parameters", lambda: compose(chains=[[(2, [0.0] * 99)]])),
    "step": ("kind of a step", lambda: normalise([(99, [])], planes(0), 0, 0)),
    "no step": ("a chain has from 1 to 8 steps", lambda: normalise([])),
    "parameter": ("a parameter of a step is out of its range", lambda: normalise([(4, [-1.0])])),
    "height": ("the height or width of the planes is not from 1", lambda: normalise(what=planes(height=0))),
    "planes": ("null pointer", lambda: normalise(what=planes(pixels=0))),
    "out": ("null pointer", lambda: normalise(out=0)),
    "flags of planes": ("null pointer", lambda: normalise(flags=0)),
    "number of planes": ("n of the planes is negative", lambda: normalise(what=planes(-1))),
    "pixels off a multiple": ("multiple", lambda: cuda.features(0, 0, stamps(pixels=258), 3, False, 256, 256)),
    "offset off a multiple": ("multiple", lambda: cuda.prepare(0, 0, stamps(offset=260), "braai", 256, 256)),
    "centre off a multiple": ("multiple", lambda: compose(what=stamps(centre=257))),
    "values off a multiple": ("multiple", lambda: cuda.features(0, 0, stamps(), 3, False, 257, 256)),
    "planes off a multiple": ("multiple", lambda: normalise(what=planes(pixels=255))),
    "flags off a multiple": ("multiple", lambda: normalise(flags=254)),
    "kind of copy": ("to_device, to_host, on_device", lambda: cuda.copy(0, 0, 0, 0, 10, "sideways")),
    "empty file": ("Model: shorter than", lambda: cuda.Model(0, b"")),
    "file cut": ("Model: the file is cut short", lambda: cuda.Model(0, FILES["planes"][:-9])),
    "another file": ("Model: the header is longer than the file", lambda: cuda.Model(0, b"SIMPLE  =" * 20)),
    "forest of another version": (
        "Model: it was trained on another version",
        lambda: cuda.Model(0, tiny_models.with_header(FILES["forest"], feature_version=0)),
    ),
    "child outside its tree": (
        "Model: a child lies outside its tree",
        lambda: cuda.Model(0, tiny_models.changed(FILES["forest"], right=np.full(63, 2, np.int32))),
    ),
    "weight of -128": (
        "Model: integer network: a weight of the output is -128",
        lambda: cuda.Model(
            0, tiny_models.changed(FILES["planes"], **{"integer.out.weight": np.full(16, -128, np.int8)})
        ),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_is_refused_before_a_device_is_asked_for(what):
    words, call = REFUSED[what]
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("given", [(0,) * 7, None, 256])
def test_stamps_and_planes_are_objects(given):
    with pytest.raises(TypeError):
        cuda.features(0, 0, given, 3, False, 256, 256)
    with pytest.raises(TypeError):
        cuda.normalise(0, 0, given, [(2, [])], 0.0, 256, 256)


@pytest.mark.parametrize("file", [bytearray(FILES["forest"]), "forest", None])
def test_a_model_is_of_bytes(file):
    with pytest.raises(TypeError):
        cuda.Model(0, file)


@needs_device
def test_what_a_model_refuses_before_its_work_begins():
    """Addresses of 256 would end the context, were they looked at."""
    network, table = cuda.Model(0, FILES["planes"]), cuda.Model(0, FILES["forest"])
    floats = cuda.Model(0, tiny_models.of_floats(registry.S2V[:2]))
    foreign = cuda.Model(0, tiny_models.forest(("L1", "seeing")))
    assert network.scratch(0) == network.scratch(-1) == 0 < network.scratch(1) <= network.scratch(100)
    for words, call in (
        ("rows at a time", lambda: network.score(0, stamps(), 0, 0, 256, 0, 256, 256)),
        ("rows at a time", lambda: network.inputs(0, stamps(), 0, 0, 256, -1, 256, 256, 256, 256)),
        ("^scratch$", lambda: network.score(0, stamps(), 0, 0, 0, 1, 256, 256)),
        ("^scratch$", lambda: network.score(0, stamps(), 0, 0, 257, 1, 256, 256)),
        ("multiple", lambda: network.score(0, stamps(), 0, 0, 256, 1, 257, 256)),
        ("multiple", lambda: network.score(0, stamps(), 258, 0, 256, 1, 256, 256)),
        ("null pointer", lambda: network.score(0, stamps(), 0, 0, 256, 1, 0, 256)),
        ("null pointer", lambda: network.score(0, stamps(), 0, 0, 256, 1, 256, 0)),
        ("null pointer", lambda: network.score(0, stamps(offset=0), 0, 0, 256, 1, 256, 256)),
        ("null pointer", lambda: network.inputs(0, stamps(), 0, 0, 256, 1, 0, 256, 256, 256)),
        ("null pointer", lambda: network.inputs(0, stamps(), 0, 0, 256, 1, 256, 256, 256, 0)),
        ("n of the stamps is negative", lambda: network.score(0, stamps(-1), 0, 0, 256, 1, 256, 256)),
        ("takes planes", lambda: network.score_columns(0, 256, 0, 1, 256, 256)),
        ("takes planes", lambda: network.check_columns(0, 256, 0, 1, 256, 256)),
        ("null pointer", lambda: network.predict(0, 0, 256, 1, 256)),
        ("null pointer", lambda: table.predict(0, 0, 0, 1, 256)),
        ("null pointer", lambda: table.predict(0, 0, 256, 1, 0)),
        ("null pointer", lambda: table.score_columns(0, 0, 0, 1, 256, 256)),
        ("null pointer", lambda: table.score_columns(0, 256, 0, 1, 256, 0)),
        ("null pointer", lambda: table.check_columns(0, 256, 0, 1, 0, 256)),
        ("^n$", lambda: table.score_columns(0, 256, 0, -1, 256, 256)),
        ("^n$", lambda: table.predict(0, 0, 256, 1 << 31, 256)),
        ("no integers", lambda: floats.score(0, stamps(), 0, 0, 256, 1, 256, 256)),
        ("no integers", lambda: floats.predict(0, 0, 256, 1, 256)),
        ("no integers", lambda: floats.score_columns(0, 256, 0, 1, 256, 256)),
        ("columns that stamps do not give", lambda: foreign.score(0, stamps(), 0, 0, 256, 1, 256, 256)),
        ("columns that stamps do not give", lambda: foreign.inputs(0, stamps(), 0, 0, 256, 1, 0, 256, 256, 256)),
    ):
        with pytest.raises(ValueError, match=words):
            call()
