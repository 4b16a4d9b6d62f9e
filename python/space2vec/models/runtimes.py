"""Runtimes, which run a network in floating point on the host: PyTorch, or ONNX Runtime on a graph of PyTorch's.

If the environment variable ``SPACE2VEC_RUNTIME`` is ``torch`` or ``onnxruntime``, that runtime runs every network.
Otherwise PyTorch runs networks that have no integers, and backends run all others.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.threads import stopping_pool
from space2vec.errors import BackendError
from space2vec.errors.packages import need

if TYPE_CHECKING:
    from torch import nn

    from space2vec.backends.interfaces import Network
    from space2vec.data.types import Untyped

__all__ = [
    "RUNTIMES",
    "OnnxRuntime",
    "Runtime",
    "TorchRuntime",
    "make_runtime",
    "run",
    "runtime_for",
    "runtime_from_environment",
]

#: Rows that a network scores at a time: enough that the cost of a call does not matter, few enough for a core's cache.
#: There are fewer if their inputs have more numbers than `_PIXELS`.
_CHUNK, _PIXELS = 64, 1 << 20

#: The names of the runtimes.
RUNTIMES = ("onnxruntime", "torch")

_Arrays: TypeAlias = Sequence[NDArray[np.float32]]
_Result = TypeVar("_Result")


class Runtime(Protocol):
    """A function that runs a network in floating point, on one thread per call."""

    def __call__(self, inputs: _Arrays) -> NDArray[np.float32]:
        """Return P(real) (n,) of the rows of the inputs."""

    def one_thread(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which each call uses only the thread that makes it."""


def runtime_from_environment() -> str | None:
    """Return the runtime that ``SPACE2VEC_RUNTIME`` names, or None if it is not set.

    Raises
    ------
    BackendError
        If the variable has another value, or the runtime is not installed.
    """
    name = os.environ.get("SPACE2VEC_RUNTIME", "")
    if name not in ("", *RUNTIMES):
        raise BackendError(f"SPACE2VEC_RUNTIME is {name!r}; accepted are {' and '.join(RUNTIMES)}")
    if name:
        need(name, f"SPACE2VEC_RUNTIME is {name}, which is not installed", BackendError)
    return name or None


def runtime_for(model: str, floats: bool) -> str | None:
    """Return the runtime of a network, or None if backends run its integers.

    Parameters
    ----------
    model : str
        The name of the model, for error messages.
    floats : bool
        Whether the network has no integers.

    Raises
    ------
    BackendError
        If the runtime is not installed.
    """
    name = runtime_from_environment()
    if name is None and floats:
        need(
            "torch",
            f"the model {model!r} is in floating point, and PyTorch, which runs it, is absent",
            BackendError,
        )
        return "torch"
    return name


def make_runtime(network: Network) -> Runtime:
    """Make the runtime of a network, which its attribute ``runtime`` names."""
    if network.runtime == "torch":
        return TorchRuntime(network.frozen_module, network.header.temperature)
    from space2vec.models.onnx_graph import make_graph

    return OnnxRuntime(make_graph(network), tuple(network.shapes))


class OnnxRuntime:
    """ONNX Runtime on the CPU, with the graph of one network.

    Parameters
    ----------
    graph : bytes
        The bytes of an ONNX file.
    names : sequence of str
        The names of its inputs, in order.
    """

    def __init__(self, graph: bytes, names: Sequence[str]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._session: Untyped = onnxruntime.InferenceSession(
            graph, options, ["CPUExecutionProvider"], enable_fallback=0
        )
        self._names = tuple(names)

    def __call__(self, inputs: _Arrays) -> NDArray[np.float32]:
        """Return P(real) (n,) of the rows of the inputs."""
        score: NDArray[np.float32] = self._session.run(["score"], dict(zip(self._names, inputs, strict=True)))[0]
        return score

    def one_thread(self) -> contextlib.AbstractContextManager[None]:
        """Do nothing: the session has no threads of its own."""
        return contextlib.nullcontext()


class _Blocks:
    """The number of open blocks in which PyTorch uses one thread, and the number of threads before them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open = 0
        self.threads = 1


_blocks = _Blocks()


class TorchRuntime:
    """PyTorch on the CPU, with one network.

    Parameters
    ----------
    module : torch.nn.Module
        The network, which returns logits (n,).
    temperature : float
        The number by which logits are divided.
    """

    def __init__(self, module: nn.Module, temperature: float) -> None:
        self._module, self._temperature = module, temperature

    def __call__(self, inputs: _Arrays) -> NDArray[np.float32]:
        """Return P(real) (n,) of the rows of the inputs."""
        import torch

        with torch.inference_mode():
            logits = self._module(*(torch.tensor(array) for array in inputs))
            score: NDArray[np.float32] = torch.sigmoid(logits / self._temperature).numpy(force=True)
        return score

    @contextlib.contextmanager
    def one_thread(self) -> Iterator[None]:
        """Let PyTorch use one thread per call in the whole process; the last block that ends restores the number."""
        import torch

        with _blocks.lock:
            if _blocks.open == 0:
                _blocks.threads = torch.get_num_threads()
            _blocks.open += 1
        torch.set_num_threads(1)
        try:
            yield
        finally:
            with _blocks.lock:
                _blocks.open -= 1
                if _blocks.open == 0:
                    torch.set_num_threads(_blocks.threads)


def run(runtime: Runtime, inputs: _Arrays, threads: int) -> NDArray[np.float32]:
    """Return P(real) (n,) from the inputs (n, ...) of a network; NaN for a row with a pixel that is not finite.

    The result does not depend on the number of threads.
    """
    n, pixels = len(inputs[0]), sum(math.prod(array.shape[1:]) for array in inputs)
    chunk = min(_CHUNK, max(1, _PIXELS // max(pixels, 1)))
    out = np.empty(n, dtype=np.float32)

    def run_chunk(start: int) -> None:
        rows = slice(start, start + chunk)
        part = [array[rows] for array in inputs]
        out[rows] = runtime(part)
        for array in part:
            if array.ndim == 4:  # the network may return a finite number for pixels that are not finite
                out[rows][_not_finite(array.reshape(len(array), -1))] = np.nan

    with runtime.one_thread():
        _map(run_chunk, range(0, n, chunk), threads)
    return out


def _map(work: Callable[[int], _Result], items: Sequence[int], threads: int) -> list[_Result]:
    """Do the work on every item, with several threads if there are several items, and return the results in order."""
    workers = min(threads, len(items))
    if workers < 2:
        return [work(item) for item in items]
    with stopping_pool(workers) as pool:
        return list(pool.map(work, items))


def _not_finite(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the numbers of those rows (n, k) that contain NaN or an infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        suspects = np.flatnonzero(~np.isfinite(rows.sum(axis=1)))  # a sum may overflow although all values are finite
    return suspects[~np.isfinite(rows[suspects]).all(axis=1)]
