"""What runs a network: ONNX Runtime or PyTorch, whichever is there.

``SPACE2VEC_RUNTIME`` (``onnxruntime`` or ``torch``) chooses one; without it, ONNX Runtime where it is installed.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import BackendError, ModelError
from space2vec.extras import how_to_get, need

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "CHUNK",
    "RUNTIMES",
    "OnnxRuntime",
    "Runtime",
    "TorchRuntime",
    "asked",
    "block",
    "chosen",
    "full_float32",
    "run",
    "spread",
]

#: Rows that a network is given at a time: enough to drown the cost of a call, few enough for a core's cache.
CHUNK = 64
#: The same on a GPU, where every call and copy has its price.
_DEVICE_CHUNK = 4096
#: Chunks that a worker prepares at a time, at most.
_CHUNKS_A_BLOCK = 4

#: The runtimes, the preferred first.
RUNTIMES = ("onnxruntime", "torch")

_Arrays: TypeAlias = Sequence[NDArray[np.float32]]
_Result = TypeVar("_Result")


class Runtime(Protocol):
    """What runs a network, on one thread a call, and the rows that it is given in one."""

    name: str
    chunk: int

    def __call__(self, inputs: _Arrays) -> NDArray[np.float32]:
        """Return P(real) (n,) of the rows of the inputs."""

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Keep each call within the block to the thread that makes it."""


def asked() -> str | None:
    """Return the runtime that ``SPACE2VEC_RUNTIME`` names, if it is set.

    Raises
    ------
    BackendError
        If it names none, or one that is not installed.
    """
    name = os.environ.get("SPACE2VEC_RUNTIME", "")
    if name not in ("", *RUNTIMES):
        raise BackendError(f"SPACE2VEC_RUNTIME is {name!r}; accepted are {' and '.join(RUNTIMES)}")
    if name:
        need(name, f"SPACE2VEC_RUNTIME is {name}, which is not installed", BackendError)
    return name or None


def chosen(model: str | None = None) -> str:
    """Return the runtime for a model file, or for any.

    Raises
    ------
    BackendError
        If none is installed; the message names the model and what to install.
    """
    name = asked() or next((name for name in RUNTIMES if importlib.util.find_spec(name) is not None), None)
    if name is None:
        whose = "networks need" if model is None else f"the model {model!r} needs"
        raise BackendError(f"{whose} ONNX Runtime or PyTorch: {how_to_get('onnxruntime')}")
    return name


class OnnxRuntime:
    """A network run by ONNX Runtime on the CPU.

    Parameters
    ----------
    graph : bytes
        The ONNX file.
    shapes : dict of str to tuple of int
        The inputs that it must have, in order, and their shape a row.

    Raises
    ------
    ModelError
        If it is none, or has other inputs.
    """

    name = "onnxruntime"
    chunk = CHUNK

    def __init__(self, graph: bytes, shapes: dict[str, tuple[int, ...]]) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session: Any = onnxruntime.InferenceSession(
                graph, options, ["CPUExecutionProvider"], enable_fallback=0
            )
            given = {entry.name: tuple(entry.shape[1:]) for entry in self._session.get_inputs()}
            outputs = [entry.name for entry in self._session.get_outputs()]
            #: What the graph says of itself.
            self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        except Exception as error:  # its own errors have no common base
            raise ModelError(
                f"its ONNX graph is damaged, or too new for this ONNX Runtime ({_first_line(error)})"
            ) from error
        if given != shapes or outputs != ["score"]:
            raise ModelError(f"its ONNX graph takes {given} and gives {outputs}; the header says {shapes}")
        self._names = tuple(shapes)

    def __call__(self, inputs: _Arrays) -> NDArray[np.float32]:
        """Return P(real) (n,) of the rows of the inputs."""
        try:
            score: NDArray[np.float32] = self._session.run(["score"], dict(zip(self._names, inputs, strict=True)))[0]
        except Exception as error:  # its own errors have no common base
            raise ModelError(f"its ONNX graph cannot be run ({_first_line(error)})") from error
        return score

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Do nothing: the session has no threads of its own."""
        return contextlib.nullcontext()


class _Blocks:
    """The blocks in which PyTorch has one thread a call: how many are open, and the number of threads before them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open = 0
        self.threads = 1


_blocks = _Blocks()


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Keep PyTorch's float32 on a GPU to float32: no products or convolutions in TF32, which has 10 bits of fraction.

    These settings are the whole process's; they are set back at the end of the block.
    """
    import torch

    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    allowed = products.allow_tf32
    with cudnn.flags(
        enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
    ):
        products.allow_tf32 = False
        try:
            yield
        finally:
            products.allow_tf32 = allowed


class TorchRuntime:
    """A network run by PyTorch.

    Parameters
    ----------
    module : nn.Module
        The network, which gives logits (n,).
    temperature : float
        What the logits are divided by.
    device : str, optional
        A device of PyTorch; the module stays where it is, a copy is moved.
    """

    name = "torch"

    def __init__(self, module: nn.Module, temperature: float, device: str = "cpu") -> None:
        self._module = module if device == "cpu" else copy.deepcopy(module).to(device)
        self._temperature = temperature
        self._device = device
        self.chunk = CHUNK if device == "cpu" else _DEVICE_CHUNK

    def __call__(self, inputs: _Arrays) -> NDArray[np.float32]:
        """Return P(real) (n,) of the rows of the inputs."""
        import torch

        with torch.inference_mode(), contextlib.nullcontext() if self._device == "cpu" else full_float32():
            logits = self._module(*(torch.tensor(given, device=self._device) for given in inputs))
            score: NDArray[np.float32] = torch.sigmoid(logits / self._temperature).numpy(force=True)
        return score

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
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
    """Return P(real) (n,), NaN where the planes of a row are not finite.

    Parameters
    ----------
    runtime : Runtime
        What runs the network.
    inputs : sequence of ndarray of float32 (n, ...)
        What the network takes, in order.
    threads : int
        Threads to use; the result does not depend on it.
    """
    n = len(inputs[0])
    out = np.empty(n, dtype=np.float32)

    def one(start: int) -> None:
        rows = slice(start, start + runtime.chunk)
        part = [given[rows] for given in inputs]
        out[rows] = runtime(part)
        for given in part:
            if given.ndim == 4:  # what a network makes of a row that is not finite may look like a score
                out[rows][_not_finite(given.reshape(len(given), -1))] = np.nan

    with runtime.alone():
        spread(one, range(0, n, runtime.chunk), threads)
    return out


def block(n: int, workers: int) -> int:
    """Return how many of n rows a worker takes at a time: whole chunks, few enough for every worker to have some."""
    chunks = -(-n // (CHUNK * workers))
    return CHUNK * min(chunks, _CHUNKS_A_BLOCK)


def spread(work: Callable[[int], _Result], items: Sequence[int], threads: int) -> list[_Result]:
    """Return the results of the work on every item in order, done on several threads where there are several items."""
    workers = min(threads, len(items))
    if workers < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))


def _not_finite(rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return which rows (n, k) hold NaN or an infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        doubtful = np.flatnonzero(~np.isfinite(rows.sum(axis=1)))  # a sum may be infinite though no value is
    return doubtful[~np.isfinite(rows[doubtful]).all(axis=1)]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
