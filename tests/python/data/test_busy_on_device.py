"""On a CUDA device: arrays that their library still computes when they are given, and work that is captured."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.device import DeviceArray
from space2vec.data.device.view import to_host
from space2vec.errors import BackendError

pytestmark = pytest.mark.device

#: Of the matrices whose products keep a stream busy.
SIDE = 4096
PRODUCTS = 30


def torch_device() -> Any:
    torch = pytest.importorskip("torch", reason="not run: no PyTorch")
    if not torch.cuda.is_available():
        pytest.skip("not run: this PyTorch has no CUDA")
    return torch


def by_torch(pixels: np.ndarray) -> tuple[Any, Any]:
    torch = torch_device()
    stream = torch.cuda.Stream()
    torch.cuda.set_stream(stream)
    try:
        busy = torch.ones(SIDE, SIDE, device="cuda")
        copied = torch.zeros(pixels.shape, device="cuda")
        given = torch.from_numpy(pixels).to("cuda")
        for _ in range(PRODUCTS):
            busy = busy @ busy * (1 / SIDE)
        copied += given + 0 * busy[0, 0]
        return copied, stream
    except BaseException:
        torch.cuda.set_stream(torch.cuda.default_stream())
        raise


def by_cupy(pixels: np.ndarray) -> tuple[Any, Any]:
    cupy = pytest.importorskip("cupy", reason="not run: no CuPy")
    stream = cupy.cuda.Stream(non_blocking=True)
    stream.use()
    busy = cupy.ones((SIDE, SIDE), np.float32)
    copied, given = cupy.zeros(pixels.shape, np.float32), cupy.asarray(pixels)
    for _ in range(PRODUCTS):
        busy = busy @ busy * np.float32(1 / SIDE)
    copied += given + 0 * busy[0, 0]
    return copied, stream


def by_jax(pixels: np.ndarray) -> tuple[Any, Any]:
    jax = pytest.importorskip("jax", reason="not run: no JAX")
    if jax.default_backend() != "gpu":
        pytest.skip(f"not run: this JAX computes on {jax.default_backend()}")
    jnp = jax.numpy
    given, busy = jnp.asarray(pixels), jnp.ones((SIDE, SIDE), jnp.float32)

    @jax.jit
    def late(given: Any, busy: Any) -> Any:
        busy = jax.lax.fori_loop(0, PRODUCTS, lambda _, one: one @ one * (1 / SIDE), busy)
        return given + 0 * busy[0, 0]

    late(given, busy).block_until_ready()  # compiled
    return late(given, busy), None


def by_numba(pixels: np.ndarray) -> tuple[Any, Any]:
    cuda = pytest.importorskip("numba.cuda", reason="not run: no Numba")
    if not cuda.is_available():
        pytest.skip("not run: this Numba has no CUDA")

    @cuda.jit
    def late(given: Any, copied: Any, rounds: int) -> None:
        at = cuda.grid(1)
        if at < given.size:
            x = given[at]
            for _ in range(rounds):
                x = -x
            copied[at] = x

    stream = cuda.stream()
    given, copied = (
        cuda.to_device(pixels.reshape(-1), stream=stream),
        cuda.device_array(pixels.size, np.float32, stream=stream),
    )
    blocks = -(-pixels.size // 256)
    late[blocks, 256, stream](given, copied, 2)  # compiled
    late[blocks, 256, stream](given, copied, 2_000_000)
    return copied.reshape(pixels.shape), stream


LIBRARIES: dict[str, Callable[[np.ndarray], tuple[Any, Any]]] = {
    "torch": by_torch, "cupy": by_cupy, "jax": by_jax, "numba": by_numba,
}  # fmt: skip


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    triplets = np.random.default_rng(4).normal(200, 8, (100, 3, 51, 51)).astype(np.float32)
    triplets[:, 2] = triplets[:, 0] - triplets[:, 1]
    return triplets


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_still_computed(library: str, pixels: np.ndarray) -> None:
    expected = s2v.features(s2v.Stamps(pixels), set="stamp")
    model = s2v.load("forest")
    wanted = model.score(s2v.Stamps(pixels))
    model.score(s2v.Stamps(DeviceArray.of_host(pixels)))  # the model is there
    kept = None
    try:
        array, kept = LIBRARIES[library](pixels)
        stamps = s2v.Stamps(array)
        table, scores = s2v.features(stamps, set="stamp"), model.score(stamps)
        assert to_host(table.values).tobytes() == expected.values.tobytes()
        assert to_host(scores.score).tobytes() == wanted.score.tobytes()
        assert np.array_equal(table.flags, expected.flags)
    finally:
        if library == "torch" and kept is not None:
            torch_device().cuda.set_stream(torch_device().cuda.default_stream())
        if library == "cupy" and kept is not None:
            pytest.importorskip("cupy").cuda.Stream.null.use()


def test_a_mask_of_jax(pixels: np.ndarray) -> None:
    jax = pytest.importorskip("jax", reason="not run: no JAX")
    if jax.default_backend() != "gpu":
        pytest.skip(f"not run: this JAX computes on {jax.default_backend()}")
    hidden = pixels > 205
    result = s2v.normalise(jax.numpy.asarray(pixels), "l2", mask=jax.numpy.asarray(hidden))
    assert to_host(result.planes).tobytes() == s2v.normalise(pixels, "l2", mask=hidden).planes.tobytes()


def test_a_graph_that_is_captured_stays_whole(pixels: np.ndarray) -> None:
    torch = torch_device()
    given = torch.from_numpy(pixels).to("cuda")
    stamps = s2v.Stamps(given)
    s2v.features(stamps, set="s2v")
    graph, doubled = torch.cuda.CUDAGraph(), torch.zeros_like(given)
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        torch.mul(given, 2, out=doubled)
        with pytest.raises(BackendError, match="is being captured into a CUDA graph"):
            s2v.features(stamps, set="s2v")
    graph.replay()
    torch.cuda.synchronize()
    assert np.array_equal(doubled.cpu().numpy(), 2 * pixels)


def test_a_graph_that_another_thread_captures(pixels: np.ndarray) -> None:
    """In the default mode, which forbids all threads to allocate and to wait; or so the driver says."""
    torch = torch_device()
    given = torch.from_numpy(pixels).to("cuda")
    expected = s2v.features(s2v.Stamps(pixels), set="s2v", device="cpu").values
    graph, doubled = torch.cuda.CUDAGraph(), torch.zeros_like(given)
    torch.cuda.synchronize()
    results: list[np.ndarray] = []

    def work() -> None:
        results.append(s2v.features(s2v.Stamps(pixels), set="s2v", device="cuda").values)
        s2v.load("tablenet").score(s2v.Stamps(pixels), device="cuda")  # a model is copied

    with torch.cuda.graph(graph, capture_error_mode="global"):
        torch.mul(given, 2, out=doubled)
        other = threading.Thread(target=work)
        other.start()
        other.join()
    graph.replay()
    torch.cuda.synchronize()
    assert [values.tobytes() for values in results] == [expected.tobytes()]
    assert np.array_equal(doubled.cpu().numpy(), 2 * pixels)


def test_memory_goes_round_without_waiting(pixels: np.ndarray) -> None:
    """Results that nobody looks at give their memory to the next ones while the device is still at work."""
    stamps, expected = s2v.Stamps(DeviceArray.of_host(pixels)), s2v.features(s2v.Stamps(pixels), set="stamp")
    for _ in range(200):
        s2v.features(stamps, set="stamp")
        s2v.load("stampnet").score(stamps)
    assert to_host(s2v.features(stamps, set="stamp").values).tobytes() == expected.values.tobytes()
