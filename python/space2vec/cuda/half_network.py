"""A network on a device in half precision: planes in channels-last order, and CUDA graphs for batches of fixed size.

Convolutions and products run in float16 (or bfloat16), what else there is in float32, as PyTorch's autocast decides.
Scores differ from those of float32 by :data:`TOLERANCE` at most for the packaged models in float16; bfloat16 has three
bits less, and no such promise. A calibration stretches the difference where it is steep.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import BackendError
from space2vec.runtimes import full_float32

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from space2vec.calibration import Calibration

__all__ = ["PRECISIONS", "SIZES", "TOLERANCE", "HalfNetwork", "precision"]

#: How far a score in float16 may be from that in float32.
TOLERANCE = 2e-3
#: What ``SPACE2VEC_PRECISION`` may be; the first is what it is by default.
PRECISIONS = ("float16", "bfloat16", "float32")
#: The sizes of the batches for which a graph is kept; what is left of the rows is padded to the next of them.
SIZES = (256, 1024, 4096)


def precision() -> str:
    """Return the precision of networks on a device.

    Raises
    ------
    BackendError
        If ``SPACE2VEC_PRECISION`` names none.
    """
    name = os.environ.get("SPACE2VEC_PRECISION") or PRECISIONS[0]
    if name not in PRECISIONS:
        raise BackendError(f"SPACE2VEC_PRECISION is {name!r}; accepted are {', '.join(PRECISIONS)}")
    return name


class HalfNetwork:
    """A copy of a network on a device.

    Parameters
    ----------
    module : nn.Module
        The network, which gives logits (n,); it stays where it is.
    temperature : float
        What the logits are divided by.
    device : str
        A device of PyTorch. On ``"cpu"`` there are no graphs; the arithmetic is the same in kind.
    kind : str, optional
        One of :data:`PRECISIONS`.
    calibration : Calibration, optional
        The table that the scores go through.
    """

    def __init__(
        self,
        module: nn.Module,
        temperature: float,
        device: str,
        kind: str = PRECISIONS[0],
        calibration: Calibration | None = None,
    ) -> None:
        import torch

        self._device = torch.device(device)
        self._dtype: torch.dtype = getattr(torch, kind)
        self._half = self._dtype != torch.float32
        self._module = copy.deepcopy(module).eval().to(self._device)
        self._module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._temperature = temperature
        self._calibration = calibration
        self._table: tuple[Tensor, Tensor] | None = None
        self._replays: dict[int, Callable[[Sequence[Tensor]], Tensor]] = {}
        self._graphs = self._device.type == "cuda"
        self._turn = threading.Lock()
        self._last: Any = None

    def __call__(self, inputs: Sequence[Any]) -> Tensor:
        """Return P(real) (n,) as float32 on the device, on the current stream; NaN where a plane is not finite.

        Parameters
        ----------
        inputs : sequence of array or tensor of float32 (n, ...)
            What the network takes, in order, on the host or on the device.
        """
        import torch

        with torch.inference_mode():
            return self._calibrated(
                self._scored([torch.as_tensor(values, device=self._device) for values in inputs])[0]
            )

    def exact(self, inputs: Sequence[Any]) -> Tensor:
        """Return P(real) (n,) as a call does, once it is there.

        A row whose pixels or products leave the range of float16 is scored again in float32.
        """
        import torch

        with torch.inference_mode():
            given = [torch.as_tensor(values, device=self._device) for values in inputs]
            out, finite = self._scored(given)
            rows = (torch.isnan(out) & finite).nonzero().flatten() if self._half else ()
            if len(rows):
                with full_float32():
                    logits = self._module(*(_layout(values[rows]) for values in given)).float()
                out[rows] = torch.sigmoid(logits / self._temperature)
            return self._calibrated(out)

    def on_host(self, inputs: Sequence[Any]) -> NDArray[np.float32]:
        """Return what :meth:`exact` gives on the host."""
        score: NDArray[np.float32] = self.exact(inputs).numpy(force=True)
        return score

    def _scored(self, given: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return P(real) (n,), and the rows whose planes are finite."""
        import torch

        n = len(given[0])
        out, finite = torch.empty(n, device=self._device), torch.ones(n, dtype=torch.bool, device=self._device)
        with self._alone():
            for begin in range(0, n, SIZES[-1]):
                part = [values[begin : begin + SIZES[-1]] for values in given]
                out[begin : begin + SIZES[-1]] = torch.sigmoid(self._logits(part) / self._temperature)
        for values in given:
            if values.ndim == 4:  # what a network makes of a row that is not finite may look like a score
                finite &= torch.isfinite(values).flatten(1).all(dim=1)
        return out.masked_fill_(~finite, float("nan")), finite

    def _calibrated(self, score: Tensor) -> Tensor:
        """Return the probabilities of scores (n,): operation by operation as in ``cpp/kernel/calibration.hpp``."""
        import torch

        if self._calibration is None:
            return score
        if self._table is None:
            x, y = (torch.tensor(column, device=self._device).double() for column in self._calibration.knots)
            self._table = x, y
        x, y = self._table
        given = score.double()
        last = len(x) - 1
        knot = (torch.searchsorted(x, given.contiguous(), right=True) - 1).clamp_(0, last)
        end = (knot + 1).clamp_(max=last)
        begin, low, high = x[knot], y[knot], y[end]
        along = (given - begin) * (high - low)
        value = torch.minimum(low + along / (x[end] - begin), high)
        flat = (given <= begin) | (knot == last)
        return torch.where(torch.isnan(given), given, torch.where(flat, low, value)).float()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads and streams from a graph's buffers until what is begun in the block is done with them."""
        import torch

        with self._turn:
            if not self._graphs:
                yield
                return
            current = torch.cuda.current_stream(self._device)
            if self._last is not None:
                current.wait_event(self._last)
            yield
            self._last = current.record_event()

    def _logits(self, part: Sequence[Tensor]) -> Tensor:
        n = len(part[0])
        if not self._graphs:
            return self._forward([self._held(values) for values in part])
        size = next(size for size in SIZES if size >= n)
        if size not in self._replays:
            self._replays[size] = self._captured(size, part)
        return self._replays[size](part)[:n]

    def _held(self, values: Tensor) -> Tensor:
        """Return an input in the layout and the precision in which the network takes it: planes in half."""
        import torch

        if values.ndim != 4:
            return values
        return values.to(dtype=self._dtype, memory_format=torch.channels_last)

    def _forward(self, held: Sequence[Tensor]) -> Tensor:
        import torch

        # The cache of cast weights does not survive a graph: inside one, the casts are part of it.
        exact = contextlib.nullcontext() if self._half else full_float32()
        with exact, torch.autocast(self._device.type, self._dtype, enabled=self._half, cache_enabled=not self._graphs):
            logits: Tensor = self._module(*held)
        return logits.float()

    def _captured(self, size: int, like: Sequence[Tensor]) -> Callable[[Sequence[Tensor]], Tensor]:
        """Return what runs a batch of one size by a CUDA graph; where none can be captured, step by step."""
        import torch

        with torch.cuda.device(self._device):
            held = [self._held(torch.zeros(size, *values.shape[1:], device=self._device)) for values in like]
            current, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
            side.wait_stream(current)
            graph: Any = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.stream(side):
                    for _ in range(3):  # what libraries choose at their first calls is not to be captured
                        self._forward(held)
                current.wait_stream(side)
                # Other threads may ask for memory of the device meanwhile.
                with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
                    logits = self._forward(held)
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:
                first = str(error).splitlines()[0]
                warnings.warn(f"the network runs without a CUDA graph: {first}", RuntimeWarning, stacklevel=2)
                self._graphs = False
                return lambda part: self._forward([self._held(values) for values in part])

        def replay(part: Sequence[Tensor]) -> Tensor:
            for values, given in zip(held, part, strict=True):
                values[: len(given)].copy_(given)
            graph.replay()
            return logits

        return replay


def _layout(values: Tensor) -> Tensor:
    import torch

    return values.contiguous(memory_format=torch.channels_last) if values.ndim == 4 else values
