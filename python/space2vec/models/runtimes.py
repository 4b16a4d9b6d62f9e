"""What runs a network in floating point on the host: PyTorch, or ONNX Runtime on a graph that PyTorch makes.

``SPACE2VEC_RUNTIME`` (``torch`` or ``onnxruntime``) has every network run so; without it, only those without integers
are, by PyTorch.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.threads import stopping_pool
from space2vec.errors import BackendError
from space2vec.errors.packages import need

if TYPE_CHECKING:
    from torch import nn

    from space2vec.backends.interfaces import Network

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

#: Rows that a network is given at a time: enough to drown the cost of a call, few enough for a core's cache; fewer of
#: so many pixels that these would fill it.
_CHUNK, _PIXELS = 64, 1 << 20

RUNTIMES = ("onnxruntime", "torch")

_Arrays: TypeAlias = Sequence[NDArray[np.float32]]
_Result = TypeVar("_Result")


class Runtime(Protocol):
    """What runs a network, on one thread a call."""

    def __call__(self, inputs: _Arrays) -> NDArray[np.float32]:
        """Return P(real) (n,) of the rows of the inputs."""

    def one_thread(self) -> contextlib.AbstractContextManager[None]:
        """Keep each call within the block to the thread that makes it."""


def runtime_from_environment() -> str | None:
    """Return the runtime that ``SPACE2VEC_RUNTIME`` names, if it is set; a BackendError says that it cannot be had."""
    name = os.environ.get("SPACE2VEC_RUNTIME", "")
    if name not in ("", *RUNTIMES):
        raise BackendError(f"SPACE2VEC_RUNTIME is {name!r}; accepted are {' and '.join(RUNTIMES)}")
    if name:
        need(name, f"SPACE2VEC_RUNTIME is {name}, which is not installed", BackendError)
    return name or None


def runtime_for(model: str, floats: bool) -> str | None:
    """Return the runtime of a network in floating point; None where backends run its integers.

    A network that has `floats` alone has no integers. If what is to run it is not installed, a BackendError names the
    model.
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
    """Return what runs a network, by its ``runtime``."""
    if network.runtime == "torch":
        return TorchRuntime(network.module, network.header.temperature)
    from space2vec.models.onnx_graph import make_graph

    return OnnxRuntime(make_graph(network), tuple(network.shapes))


class OnnxRuntime:
    """A network, the bytes of an ONNX file with inputs of these names, run by ONNX Runtime on the CPU."""

    def __init__(self, graph: bytes, names: Sequence[str]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._session: Any = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"], enable_fallback=0)
        self._names = tuple(names)

    def __call__(self, inputs: _Arrays) -> NDArray[np.float32]:
        """Return P(real) (n,) of the rows of the inputs."""
        score: NDArray[np.float32] = self._session.run(["score"], dict(zip(self._names, inputs, strict=True)))[0]
        return score

    def one_thread(self) -> contextlib.AbstractContextManager[None]:
        """Do nothing: the session has no threads of its own."""
        return contextlib.nullcontext()


class _Blocks:
    """The blocks in which PyTorch has one thread a call: how many are open, and the number of threads before them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open = 0
        self.threads = 1


_blocks = _Blocks()


class TorchRuntime:
    """A network, a module that gives logits (n,), run by PyTorch on the CPU; a temperature divides the logits."""

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
        """Set PyTorch to one thread a call, for the whole process; the last block to end sets it back."""
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
    """Return P(real) (n,) of the inputs (n, ...) that a network takes, NaN where the planes of a row are not finite.

    The result does not depend on the threads.
    """
    n, pixels = len(inputs[0]), sum(math.prod(given.shape[1:]) for given in inputs)
    chunk = min(_CHUNK, max(1, _PIXELS // max(pixels, 1)))
    out = np.empty(n, dtype=np.float32)

    def one(start: int) -> None:
        rows = slice(start, start + chunk)
        part = [given[rows] for given in inputs]
        out[rows] = runtime(part)
        for given in part:
            if given.ndim == 4:  # what a network makes of a row that is not finite may look like a score
                out[rows][_not_finite(given.reshape(len(given), -1))] = np.nan

    with runtime.one_thread():
        _spread(one, range(0, n, chunk), threads)
    return out


def _spread(work: Callable[[int], _Result], items: Sequence[int], threads: int) -> list[_Result]:
    """Return the results of the work on every item in order, done on several threads where there are several items."""
    workers = min(threads, len(items))
    if workers < 2:
        return [work(item) for item in items]
    with stopping_pool(workers) as pool:
        return list(pool.map(work, items))


def _not_finite(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return which rows (n, k) hold NaN or an infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        doubtful = np.flatnonzero(~np.isfinite(rows.sum(axis=1)))  # a sum may be infinite though no value is
    return doubtful[~np.isfinite(rows[doubtful]).all(axis=1)]
