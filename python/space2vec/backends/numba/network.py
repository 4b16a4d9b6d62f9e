"""A network in integers, as in ``cpp/kernel/network.hpp``: sums of integers have no order, so the bits are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.backends.numba.derived_columns import add_derived_columns
from space2vec.backends.numba.math import NAN, ZERO, absolute, exponential, is_finite
from space2vec.backends.numba.network_columns import encode_columns
from space2vec.backends.numba.network_planes import (
    ZERO_BYTE,
    average_rings,
    convolve,
    quantise_planes,
    shift_rounded,
    within,
)
from space2vec.backends.numba.team import jit
from space2vec.model_files.integer_network import HIDDEN_MOST, VECTOR_MOST, IntegerNetwork, pixel_rings

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = ["Network"]


@jit
def _multiply(
    x: NDArray[np.int64], weight: NDArray[np.int8], multiplier: NDArray[np.int32], total: NDArray[np.int64]
) -> None:
    """Add the sums of a layer, each times its multiplier."""
    for o in range(len(weight)):
        own = np.int64(0)
        for i in range(len(x)):
            own += np.int64(weight[o, i]) * x[i]
        total[o] += own * np.int64(multiplier[o])


@jit
def _activate(total: NDArray[np.int64], shift: int) -> None:
    for o in range(len(total)):
        total[o] = within(shift_rounded(total[o], shift), 0, HIDDEN_MOST)


@jit
def _clamp(total: NDArray[np.int64], shift: int, out: NDArray[np.int8]) -> None:
    """Write the sums of the last layer as a vector."""
    for o in range(len(total)):
        out[o] = within(shift_rounded(total[o], shift), -VECTOR_MOST, VECTOR_MOST)


@jit
def _sigmoid(logit: np.float32, temperature: np.float32) -> np.float32:
    """Return the sigmoid of a logit, divided by the temperature first."""
    x = logit / temperature
    e = exponential(-np.float64(absolute(x)))
    return np.float32(e / (1.0 + e)) if x < ZERO else np.float32(1.0 / (1.0 + e))


@jit
def _are_finite(planes: NDArray[np.float32]) -> bool:
    good = True
    for value in planes.flat:
        good = good and is_finite(value)
    return good


class Network:
    """An integer network in Numba, the twin of the library's network.

    Parameters
    ----------
    integers : IntegerNetwork
        The network.
    columns : mapping of str to ndarray
        The scales of columns, float32: ``median``, ``spread``, ``mean``, ``deviation``, ``lacking`` (k,), and, if
        columns are encoded, ``low`` and ``size`` (k, bins). Empty if the network takes no columns.
    places : ndarray of int64 (rules, 4)
        The derived columns, see :func:`space2vec.plans.derived_columns.applicable_rules`.
    temperature : float
        The number by which logits are divided.
    """

    def __init__(
        self,
        integers: IntegerNetwork,
        columns: Mapping[str, NDArray[np.float32]],
        places: NDArray[np.int64],
        temperature: float,
    ) -> None:
        self._inputs, self._tensors, self._places = integers.inputs, integers.tensors, places
        k = self._inputs.columns
        scales = [columns[name] for name in ("median", "spread", "mean", "deviation", "lacking")] if k else []
        none = np.zeros((k, 0), dtype=np.float32)
        self._columns = (*scales, columns.get("low", none), columns.get("size", none))
        self._temperature = np.float32(temperature)
        self._convolutions = [self._layer(f"conv{n}") for n in range(integers.convolutions)]
        self._hidden = [self._layer(f"hidden{n}") for n in range(1, integers.hidden)]
        #: The integers of a vector; 0 if the network gives scores.
        self.vector = integers.vector

    def _layer(self, name: str) -> tuple[AnyArray, ...]:
        return tuple(
            self._tensors[f"{name}.{what}"]
            for what in ("weight", "bias", "shift", "multiplier")
        )  # fmt: skip

    def score_rows(
        self, planes: NDArray[np.float32] | None, columns: NDArray[np.float32] | None, out: NDArray[np.float32]
    ) -> None:
        """Write P(real) (n,) of planes (n, channel, side, side) and columns (n, k), either of which may be None.

        A row with a pixel that is not finite gets NaN.
        """
        for row in range(len(out)):
            own = None if planes is None else planes[row]
            if own is not None and not _are_finite(own):
                out[row] = NAN
                continue
            out[row] = _sigmoid(self._logit(own, None if columns is None else columns[row]), self._temperature)

    def embed_rows(
        self, planes: NDArray[np.float32] | None, columns: NDArray[np.float32] | None, out: NDArray[np.int8]
    ) -> None:
        """Write the vectors (n, k) of planes and columns as for :meth:`score_rows`.

        A row with a pixel that is not finite gets zeros.
        """
        weight, bias, shift, multiplier = self._layer("vector")
        for row in range(len(out)):
            own = None if planes is None else planes[row]
            if own is not None and not _are_finite(own):
                out[row] = 0
                continue
            total = bias.copy()
            _multiply(self._last_hidden(own, None if columns is None else columns[row]), weight, multiplier, total)
            _clamp(total, int(shift[0]), out[row])

    def _logit(self, planes: NDArray[np.float32] | None, features: NDArray[np.float32] | None) -> np.float32:
        tensors = self._tensors
        last = tensors["out.bias"].copy()
        values = self._last_hidden(planes, features)
        _multiply(values, tensors["out.weight"][None], np.ones(1, dtype=np.int32), last)
        return np.float32(np.float32(last[0]) * tensors["out.scale"][0])

    def _last_hidden(
        self, planes: NDArray[np.float32] | None, features: NDArray[np.float32] | None
    ) -> NDArray[np.int64]:
        """Return the activations of the last hidden layer for one row."""
        tensors = self._tensors
        total = tensors["hidden0.bias"].copy()
        if planes is not None:
            _multiply(self._rings(planes), tensors["of_planes.weight"], tensors["hidden0.planes_multiplier"], total)
        if features is not None:
            _multiply(
                self._integers(features), tensors["of_features.weight"], tensors["hidden0.features_multiplier"], total
            )
        _activate(total, int(tensors["hidden0.shift"][0]))
        for weight, bias, shift, multiplier in self._hidden:
            values, total = total, bias.copy()
            _multiply(values, weight, multiplier, total)
            _activate(total, int(shift[0]))
        return np.asarray(total)

    def _rings(self, planes: NDArray[np.float32]) -> NDArray[np.int64]:
        maps, zero = np.zeros_like(planes, dtype=np.int64), ZERO_BYTE
        quantise_planes(planes, self._tensors["planes.scale"], maps)
        for weight, bias, shift, multiplier in self._convolutions:
            half = (len(maps[0]) - 1) // 2 + 1
            smaller = np.empty((len(weight), half, half), dtype=np.int64)
            convolve(maps, zero, weight, bias, shift, multiplier, smaller)
            maps, zero = smaller, 0
        ring, sizes = pixel_rings(len(maps[0]))
        means = np.empty(len(maps) * len(sizes), dtype=np.int64)
        average_rings(maps, ring, sizes, means)
        return means

    def _integers(self, features: NDArray[np.float32]) -> NDArray[np.int64]:
        row = features
        if len(self._places):
            row = np.empty(self._inputs.columns, dtype=np.float32)
            add_derived_columns(np.ascontiguousarray(features), self._places, row)
        numbers = np.empty(self._inputs.width, dtype=np.int64)
        median, spread, mean, deviation, lacking, low, size = self._columns
        encode_columns(row, median, spread, mean, deviation, lacking, low, size, numbers)
        return numbers
