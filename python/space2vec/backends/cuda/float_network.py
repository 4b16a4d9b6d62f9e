"""Networks of floats on a device: PyTorch runs them, on what the kernels prepare and measure there."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from space2vec.data.device import dlpack

if TYPE_CHECKING:
    from torch import Tensor

    from space2vec.backends.interfaces import Network

__all__ = ["FloatNetwork", "apply_calibration", "as_tensor", "full_float32", "on_stream"]

#: Rows that the network is given at a time.
_ROWS = 1024
#: What each part of the scratch is aligned to, in bytes.
_LINE = 64


def as_tensor(address: int, shape: tuple[int, ...], dtype: DTypeLike, ordinal: int) -> Tensor:
    """Return a tensor over memory of a device, without a copy; it is somebody else's."""
    from torch.utils.dlpack import from_dlpack

    tensor: Tensor = from_dlpack(dlpack.lend(None, address, shape, np.dtype(dtype), ordinal))
    return tensor


def on_stream(device: str, stream: int) -> Any:
    """Return a context in which PyTorch works on a stream of a device; 0 is the legacy default stream."""
    import torch

    if stream == 0:
        return torch.cuda.stream(torch.cuda.default_stream(device))
    return torch.cuda.stream(torch.cuda.ExternalStream(stream, device=device))  # type: ignore[no-untyped-call]


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


class FloatNetwork:
    """A network in float32 on a device, called as a model of the compiled module is: with addresses, on a stream.

    Parameters
    ----------
    network : Network
        The network; its module stays where it is.
    device : str
        A device of PyTorch.
    kernels : space2vec._cuda.Model
        The same network there, which prepares, measures and judges.
    """

    def __init__(self, network: Network, device: str, kernels: Any) -> None:
        import torch

        self._device, self._ordinal, self._kernels = device, int(device.partition(":")[2] or 0), kernels
        self._module = copy.deepcopy(network.module).to(device)
        self._temperature = network.header.temperature
        self._shapes = network.shapes
        table = network.header.calibration
        knots = () if table is None else table.knots
        self._knots = [torch.tensor(column, dtype=torch.float64, device=device) for column in knots]

    def _parts(self, rows: int) -> list[int]:
        """Return the bytes of what the kernels need, of planes, columns, and which rows are scored."""
        each = [4 * math.prod(self._shapes[what]) if what in self._shapes else 0 for what in ("planes", "features")]
        return [-(-size // _LINE) * _LINE for size in (self._kernels.scratch(rows), *(n * rows for n in each), rows)]

    def scratch(self, rows: int) -> int:
        """Return the bytes of memory that :meth:`score` takes for so many rows at a time."""
        return sum(self._parts(min(rows, _ROWS)))

    def score(
        self, stream: int, stamps: Any, raised: int, catalogue: int, scratch: int, rows: int, score: int, flags: int
    ) -> None:
        """Begin to score stamps, as the compiled module's model does."""
        step = min(rows, _ROWS)
        needed, of_planes, of_columns, _ = self._parts(step)
        planes = scratch + needed
        columns, scored = planes + of_planes, planes + of_planes + of_columns
        for begin in range(0, stamps.n, step):
            n = min(step, stamps.n - begin)
            # Of three planes where they begin, their heights and widths, and a row and a column.
            where = stamps.offset + 24 * begin, stamps.shape + 24 * begin, stamps.centre + 8 * begin
            some = type(stamps)(stamps.pixels, stamps.pixel_count, *where, n, stamps.saturation)
            known = raised and raised + 4 * begin, catalogue and catalogue + 80 * begin
            given = planes if of_planes else 0, columns if of_columns else 0
            self._kernels.inputs(stream, some, *known, scratch, step, *given, flags + 4 * begin, scored)
            self.predict(stream, *given, n, score + 4 * begin)
            with on_stream(self._device, stream):
                refused = self._tensor(scored, (n,), np.uint8) == 0
                self._tensor(score + 4 * begin, (n,)).masked_fill_(refused, math.nan)

    def score_columns(self, stream: int, columns: int, raised: int, n: int, score: int, flags: int) -> None:
        """Begin to score rows of a table, as the compiled module's model does."""
        self.predict(stream, 0, columns, n, score)
        self._kernels.judge_columns(stream, columns, raised, n, score, flags)

    def predict(self, stream: int, planes: int, columns: int, n: int, score: int) -> None:
        """Begin to give P(real) of what the network takes, as the compiled module's model does."""
        import torch

        with on_stream(self._device, stream), torch.inference_mode(), full_float32():
            given = [
                self._tensor(address, (n, *shape))
                for address, shape in zip([at for at in (planes, columns) if at], self._shapes.values(), strict=True)
            ]
            out = self._tensor(score, (n,))
            for begin in range(0, n, _ROWS):
                rows = slice(begin, begin + _ROWS)
                out[rows].copy_(apply_calibration(self._knots, self._scored([values[rows] for values in given])))

    def _tensor(self, address: int, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Tensor:
        return as_tensor(address, shape, dtype, self._ordinal)

    def _scored(self, given: list[Tensor]) -> Tensor:
        """Return P(real) (n,), NaN where a pixel of a row is not finite."""
        import torch

        score = torch.sigmoid(self._module(*given) / self._temperature)
        for values in given:
            if values.ndim == 4:  # what a network makes of a row that is not finite may look like a score
                score = score.masked_fill(~torch.isfinite(values).flatten(1).all(dim=1), math.nan)
        return score


def apply_calibration(knots: Sequence[Tensor], score: Tensor) -> Tensor:
    """Return the probabilities of scores (n,): operation by operation as in ``cpp/kernel/calibration.hpp``.

    Parameters
    ----------
    knots : sequence of Tensor
        The columns of a calibration's table, in float64; of none, the scores stay as they are.
    score : Tensor
        The scores.
    """
    import torch

    if not knots:
        return score
    x, y = knots
    given = score.double()
    last = len(x) - 1
    knot = (torch.searchsorted(x, given.contiguous(), right=True) - 1).clamp_(0, last)
    end = (knot + 1).clamp_(max=last)
    begin, low, high = x[knot], y[knot], y[end]
    along = (given - begin) * (high - low)
    value = torch.minimum(low + along / (x[end] - begin), high)
    flat = (given <= begin) | (knot == last)
    return torch.where(torch.isnan(given), given, torch.where(flat, low, value)).float()
