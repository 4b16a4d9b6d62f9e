"""The module ``space2vec._cuda`` where there is no device: it can be imported, and says in words why nothing runs."""

import ctypes
import importlib
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

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

NO_STAMPS = (0, 0, 0, 0, 0, 0, float("nan"))
SOME_STAMPS = (256, 10, 256, 256, 256, 1, float("nan"))  # addresses that no call looks at before it has a device
ONE_LEAF = (
    np.array([0, 1], np.int64),
    np.array([-1], np.int32),
    np.array([-1], np.int32),
    np.array([0], np.int32),
    np.array([0.0], np.float32),
    np.array([0], np.uint8),
    np.array([0.5], np.float32),
    3,
    None,
    None,
)


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


CALLS = {
    "properties": lambda: cuda.properties(0),
    "features": lambda: cuda.features(0, 0, SOME_STAMPS, 3, False, 256, 256),
    "prepare": lambda: cuda.prepare(0, 0, SOME_STAMPS, "braai", 256, 256),
    "compose": lambda: cuda.compose(0, 0, SOME_STAMPS, 31, [2, 0], [(2, [])], 256, 256),
    "normalise": lambda: cuda.normalise(0, 0, (256, 0, 1, 5, 5, 0, 0), [(2, [])], 0.0, 256, 256),
    "forest": lambda: cuda.Forest(0, *ONE_LEAF),
    "allocate": lambda: cuda.allocate(0, 100),
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
def test_page_locked_memory_that_is_not_there_is_none():
    allocate, release, context = cuda.page_locked(0)
    assert release
    assert context == 0
    assert ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(allocate)(context, 1 << 20) is None


def test_what_is_wrong_is_refused_before_a_device_is_asked_for():
    with pytest.raises(ValueError, match="sets"):
        cuda.features(0, 0, NO_STAMPS, 4, False, 0, 0)
    with pytest.raises(ValueError, match="null pointer"):
        cuda.features(0, 0, SOME_STAMPS, 3, False, 0, 256)
    with pytest.raises(ValueError, match="unknown recipe"):
        cuda.prepare(0, 0, NO_STAMPS, "Braai", 0, 0)
    with pytest.raises(ValueError, match="channel given twice"):
        cuda.compose(0, 0, NO_STAMPS, 31, [2, 2], [(2, [])], 0, 0)
    with pytest.raises(ValueError, match="kind of a step"):
        cuda.normalise(0, 0, (0, 0, 0, 5, 5, 0, 0), [(99, [])], 0.0, 0, 0)
    with pytest.raises(ValueError, match="to_device, to_host, on_device"):
        cuda.copy(0, 0, 0, 0, 10, "sideways")
    with pytest.raises(ValueError, match="differ in length"):
        cuda.Forest(0, *ONE_LEAF[:1], np.array([-1, -1], np.int32), *ONE_LEAF[2:])
    with pytest.raises(ValueError, match="columns has another length"):
        cuda.Forest(0, *ONE_LEAF[:-1], np.array([0, 1], np.int32))
    with pytest.raises(ValueError, match="column of a feature"):
        cuda.Forest(0, *ONE_LEAF[:-1], np.array([0, -1, 1], np.int32))
