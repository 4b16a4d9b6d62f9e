"""Networks in floating point on a device: PyTorch runs them on planes and features that the kernels compute there."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from space2vec.data.device import dlpack

if TYPE_CHECKING:
    from torch import Tensor

    import space2vec._cuda as _cuda
    from space2vec.backends.interfaces import Network

__all__ = ["FloatNetwork", "apply_calibration", "as_tensor", "full_float32", "on_stream"]

#: The most rows that the network scores at a time.
_ROWS = 1024
#: Each part of the scratch memory begins at a multiple of this number of bytes.
_LINE = 64


class _Scratch(NamedTuple):
    """The bytes of the parts of the scratch memory: for the kernels, planes, columns, and which rows are scored."""

    kernels: int
    planes: int
    columns: int
    scored: int


def as_tensor(address: int, shape: tuple[int, ...], dtype: DTypeLike, ordinal: int) -> Tensor:
    """Return a tensor over device memory without a copy; the caller keeps the memory allocated."""
    from torch.utils.dlpack import from_dlpack

    tensor: Tensor = from_dlpack(dlpack.lend(None, address, shape, np.dtype(dtype), ordinal))
    return tensor


def on_stream(device: str, stream: int) -> AbstractContextManager[object]:
    """Return a context in which PyTorch uses a stream of a device; 0 is the legacy default stream."""
    import torch

    if stream == 0:
        return torch.cuda.stream(torch.cuda.default_stream(device))
    return torch.cuda.stream(torch.cuda.ExternalStream(stream, device=device))  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Let PyTorch compute products and convolutions of float32 in full precision, not in TF32, which has 10 bits.

    The settings are those of the whole process; they are restored at the end of the block.
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


class FloatNetwork:
    """A network in float32 on a device, with the methods of a model of the compiled module.

    Arguments are device addresses, and work is begun on a stream, as there.

    Parameters
    ----------
    network : Network
        The network; its module is copied to the device.
    device : str
        The name of the device in PyTorch.
    kernels : space2vec._cuda.Model
        The same network in the compiled module, which prepares planes, measures features and raises flags.
    """

    def __init__(self, network: Network, device: str, kernels: _cuda.Model) -> None:
        import torch

        self._device, self._ordinal, self._kernels = device, int(device.partition(":")[2] or 0), kernels
        self._module = copy.deepcopy(network.frozen_module).to(device)
        self._temperature = network.header.temperature
        self._shapes = network.shapes
        table = network.header.calibration
        knots = () if table is None else table.knots
        self._knots = [torch.tensor(column, dtype=torch.float64, device=device) for column in knots]

    def _scratch_sizes(self, rows: int) -> _Scratch:
        """Return the sizes of the parts of the scratch memory for a number of rows."""
        each = [4 * math.prod(self._shapes[key]) if key in self._shapes else 0 for key in ("planes", "features")]
        sizes = (self._kernels.scratch(rows), *(n * rows for n in each), rows)
        return _Scratch(*(-(-size // _LINE) * _LINE for size in sizes))

    def scratch(self, rows: int) -> int:
        """Return the bytes of scratch memory that :meth:`score` needs to score `rows` rows at a time."""
        return sum(self._scratch_sizes(min(rows, _ROWS)))

    def score(
        self,
        stream: int,
        stamps: _cuda.Stamps,
        raised: int,
        catalogue: int,
        scratch: int,
        rows: int,
        score: int,
        flags: int,
    ) -> None:
        """Begin to score stamps, as the model of the compiled module does."""
        step = min(rows, _ROWS)
        sizes = self._scratch_sizes(step)
        planes = scratch + sizes.kernels
        columns, scored = planes + sizes.planes, planes + sizes.planes + sizes.columns
        for begin in range(0, stamps.n, step):
            n = min(step, stamps.n - begin)
            # A row has three offsets of 8 bytes, three heights and widths of 4 bytes each, and a centre of 8 bytes.
            geometry = stamps.offset + 24 * begin, stamps.shape + 24 * begin, stamps.centre + 8 * begin
            part = type(stamps)(stamps.pixels, stamps.pixel_count, *geometry, n, stamps.saturation)
            known = raised and raised + 4 * begin, catalogue and catalogue + 80 * begin
            inputs = planes if sizes.planes else 0, columns if sizes.columns else 0
            self._kernels.inputs(stream, part, *known, scratch, step, *inputs, flags + 4 * begin, scored)
            self.predict(stream, *inputs, n, score + 4 * begin)
            with on_stream(self._device, stream):
                refused = self._tensor(scored, (n,), np.uint8) == 0
                self._tensor(score + 4 * begin, (n,)).masked_fill_(refused, math.nan)

    def score_columns(self, stream: int, columns: int, raised: int, n: int, score: int, flags: int) -> None:
        """Begin to score rows of a table, as the model of the compiled module does."""
        self.predict(stream, 0, columns, n, score)
        self._kernels.check_columns(stream, columns, raised, n, score, flags)

    def predict(self, stream: int, planes: int, columns: int, n: int, score: int) -> None:
        """Begin to compute P(real) from the inputs of the network, as the model of the compiled module does."""
        import torch

        with on_stream(self._device, stream), torch.inference_mode(), full_float32():
            addresses = [address for address in (planes, columns) if address]
            inputs = [
                self._tensor(address, (n, *shape))
                for address, shape in zip(addresses, self._shapes.values(), strict=True)
            ]
            out = self._tensor(score, (n,))
            for begin in range(0, n, _ROWS):
                rows = slice(begin, begin + _ROWS)
                out[rows].copy_(apply_calibration(self._knots, self._run([values[rows] for values in inputs])))

    def _tensor(self, address: int, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Tensor:
        return as_tensor(address, shape, dtype, self._ordinal)

    def _run(self, inputs: list[Tensor]) -> Tensor:
        """Return P(real) (n,) without calibration; NaN for a row with a pixel that is not finite."""
        import torch

        score = torch.sigmoid(self._module(*inputs) / self._temperature)
        for values in inputs:
            if values.ndim == 4:  # the network may return a finite number for pixels that are not finite
                score = score.masked_fill(~torch.isfinite(values).flatten(1).all(dim=1), math.nan)
        return score


def apply_calibration(knots: Sequence[Tensor], score: Tensor) -> Tensor:
    """Calibrate scores (n,), with the same operations in the same order as ``cpp/kernel/calibration.hpp``.

    Parameters
    ----------
    knots : sequence of Tensor
        The columns x and y of a calibration's table, in float64; if empty, the scores are returned.
    score : Tensor
        The scores of the model.
    """
    import torch

    if not knots:
        return score
    x, y = knots
    double = score.double()
    last = len(x) - 1
    knot = (torch.searchsorted(x, double.contiguous(), right=True) - 1).clamp_(0, last)
    end = (knot + 1).clamp_(max=last)
    begin, low, high = x[knot], y[knot], y[end]
    along = (double - begin) * (high - low)
    value = torch.minimum(low + along / (x[end] - begin), high)
    flat = (double <= begin) | (knot == last)
    return torch.where(torch.isnan(double), double, torch.where(flat, low, value)).float()
