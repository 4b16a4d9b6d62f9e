"""What a network takes of stamps that lie on a device, made and scored there."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from space2vec.cuda import kernels, torch_planes
from space2vec.cuda.extension import active, told
from space2vec.cuda.half_network import SIZES
from space2vec.cuda.inputs import device_columns
from space2vec.cuda.libraries import TORCH
from space2vec.flags import UNSCORABLE, bits
from space2vec.registry import stamp_columns
from space2vec.table import Scores

if TYPE_CHECKING:
    import torch

    from space2vec.cuda.half_network import HalfNetwork
    from space2vec.cuda.view import View
    from space2vec.scoring import Needs
    from space2vec.stamps import Stamps

__all__ = ["DeviceInputs", "score_in_place"]


class DeviceInputs:
    """What a network takes of stamps on a device, some at a time, in memory of the stamps' library.

    Parameters
    ----------
    needs : Needs
        What it takes.
    pixels : View
        The pixels of the stamps.
    rows : int
        The most stamps at a time.
    """

    def __init__(self, needs: Needs, pixels: View, rows: int) -> None:
        self._needs, self._pixels = needs, pixels
        self._module = active(pixels.ordinal)
        recipe, measure = needs.recipe, needs.measure
        #: The calls that make the planes and the features: name, arguments, shape of a row.
        calls: list[tuple[str, tuple[Any, ...], tuple[int, ...]]] = []
        if recipe is not None:
            shape = (recipe.shape[0] // recipe.views, *recipe.shape[1:])
            calls += [(name, arguments, shape) for name, arguments in kernels.recipe_calls(recipe)]
        if measure is not None:
            paper, columns = measure.convention == "paper", len(stamp_columns(measure.sets))
            calls.append(("features", (measure.sets, paper), (columns,)))
        self._calls = [
            (name, arguments, pixels.empty((rows, *shape)), pixels.empty((rows,), np.int32))
            for name, arguments, shape in calls
        ]

    def begin(self, there: tuple[Any, ...]) -> None:
        """Begin to prepare and to measure stamps, as the compiled module takes them."""
        ordinal, stream = self._pixels.ordinal, self._pixels.stream
        for name, arguments, made, raised in self._calls:
            getattr(self._module, name)(ordinal, stream, there, *arguments, made.address, raised.address)

    def tensors(self, n: int) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
        """Return what the network is given of n rows, their flags, and which are refused."""
        import torch

        made = [_tensor(there, 0, n) for _, _, there, _ in self._calls]
        raised = functools.reduce(torch.bitwise_or, [_tensor(there, 0, n) for *_, there in self._calls])
        refused = (raised & UNSCORABLE) != 0
        planes, given = [values for values in made if values.ndim == 4], []
        if planes:
            given.append(planes[0] if len(planes) == 1 else TORCH.beside(planes))
        columns = device_columns(self._needs)
        if columns is not None:
            table = made[-1][:, torch.as_tensor(columns, device=made[-1].device, dtype=torch.int64)]
            given.append(table)
            if not planes:
                silent = torch.isnan(table).all(dim=1)
                raised = torch.where(silent & ~refused, raised | bits("missing"), raised)
                refused = refused | silent
        return given, raised, refused


def score_in_place(network: HalfNetwork, needs: Needs, stamps: Stamps, model: str) -> Scores:
    """Return the scores of stamps on a device, in their library, on the caller's stream.

    What the kernels prepare and measure goes to the network where it lies, :data:`half_network.SIZES` [-1] rows at a
    time. The device is waited for to see which of them leave the range of float16.

    Parameters
    ----------
    network : HalfNetwork
        The network on their device.
    needs : Needs
        What it takes.
    stamps : Stamps
        The candidates; for the model they are :func:`simple <space2vec.cuda.inputs.simple>`.
    model : str
        The model's id.
    """
    pixels, batch = kernels.given(stamps)
    score, flags = pixels.empty((len(stamps),)), pixels.empty((len(stamps),), np.int32)
    chunk = min(len(stamps), SIZES[-1])
    with told(pixels.ordinal):
        inputs = DeviceInputs(needs, pixels, chunk)
        for begin in range(0, len(stamps), SIZES[-1]):
            n = min(chunk, len(stamps) - begin)
            inputs.begin(_rows_from(batch, begin, n))
            with torch_planes.on_stream(pixels.ordinal, pixels.stream):
                given, raised, refused = inputs.tensors(n)
                made = network.exact(given).masked_fill(refused, float("nan"))
                _tensor(score, begin, n).copy_(made)
                _tensor(flags, begin, n).copy_(raised)
        score.filled()
        read = kernels.later(flags)
    ids = stamps.object_id, stamps.candidate_id
    return Scores(score.owner, read, *ids, model, stamps.device, columns=stamps.columns)


def _rows_from(batch: tuple[Any, ...], begin: int, n: int) -> tuple[Any, ...]:
    """Return n rows of stamps as the compiled module takes them."""
    pixels, count, offset, shape, centre, _, level = batch
    # Of three planes where they begin, their heights and widths, and a row and a column.
    return pixels, count, offset + 24 * begin, shape + 24 * begin, centre + 8 * begin, n, level


def _tensor(there: View, begin: int, n: int) -> torch.Tensor:
    """Return n rows of an array in C order as a tensor over its memory."""
    begins = there.address + begin * there.dtype.itemsize * math.prod(there.shape[1:])
    return torch_planes.as_tensor(torch_planes.Lying(begins, (n, *there.shape[1:]), there.dtype), there.ordinal)
