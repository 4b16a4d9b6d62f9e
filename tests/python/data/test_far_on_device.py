"""On a CUDA device: pixels beyond the first 2^31 of a buffer, and beyond 2^31 bytes of a result."""

from __future__ import annotations

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.device import DeviceArray, extension
from space2vec.data.device.view import to_host

pytestmark = pytest.mark.device

SIDE, ROWS = 51, 40
#: Triplets of which the last ones lie beyond 2^31 pixels.
MANY = (1 << 31) // (3 * SIDE * SIDE) + ROWS + 2


def free() -> int:
    """Return the bytes of the device's memory that nobody has."""
    return int(extension.active().properties(0)["free"])


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    triplets = np.random.default_rng(4).normal(200, 8, (ROWS, 3, SIDE, SIDE)).astype(np.float32)
    triplets[:, 2] = triplets[:, 0] - triplets[:, 1]
    triplets[3] = np.nan
    return triplets


@pytest.fixture(scope="module")
def far(pixels: np.ndarray) -> DeviceArray:
    """Return many triplets, all zero but for the last ones."""
    size = 4 * MANY * 3 * SIDE * SIDE
    if free() < size + (2 << 30):
        pytest.skip(f"not run: {size / 1e9:.1f} GB are needed, {free() / 1e9:.1f} GB of the device are free")
    array = DeviceArray((MANY, 3, SIDE, SIDE))
    module = extension.active()
    module.fill_bytes(0, 0, array.address, 0, array.nbytes)
    last = array.address + array.nbytes - pixels.nbytes
    module.copy(0, 0, last, pixels.ctypes.data, pixels.nbytes, "to_device")
    module.stream_wait(0, 0)
    return array


@pytest.mark.parametrize("what", ["stamp", "braai", "forest", "stampnet"])
def test_stamps_that_lie_far(what: str, far: DeviceArray, pixels: np.ndarray) -> None:
    there, here = s2v.Stamps(far)[-ROWS:], s2v.Stamps(pixels)
    assert there.offset.max() > 1 << 31
    if what == "stamp":
        got, expected = s2v.features(there, set=what), s2v.features(here, set=what)
        values, wanted = got.values, expected.values
    elif what == "braai":
        got, expected = s2v.prepare(there, what), s2v.prepare(here, what)
        values, wanted = got.planes, expected.planes
    else:
        model = s2v.load(what)
        got, expected = model.score(there), model.score(here)
        values, wanted = got.score, expected.score
    assert to_host(values).tobytes() == wanted.tobytes()
    assert np.array_equal(got.flags, expected.flags)


def test_planes_that_lie_far(far: DeviceArray, pixels: np.ndarray) -> None:
    if free() < far.nbytes + (2 << 30):
        pytest.skip(f"not run: {far.nbytes / 1e9:.1f} GB more are needed, {free() / 1e9:.1f} GB are free")
    result = s2v.normalise(far, "asinh")
    wanted = s2v.normalise(pixels, "asinh")
    last = np.empty_like(pixels)
    module = extension.active()
    module.stream_wait(0, 0)
    module.copy(
        0, 0, last.ctypes.data, result.planes.address + result.planes.nbytes - last.nbytes, last.nbytes, "to_host"
    )  # fmt: skip
    module.stream_wait(0, 0)
    assert last.tobytes() == wanted.planes.tobytes()
    assert np.array_equal(result.flags[-ROWS:], wanted.flags)
