"""Quantisation: a trained network is turned into one of 8-bit integers, with scales measured on calibration rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from space2vec.architectures.stampnet import StampTrunk
from space2vec.architectures.tablenet import TableNet
from space2vec.model_files.integer_network import (
    HIDDEN_MOST,
    MARK,
    MOST,
    RING,
    STEP,
    VALUE,
    IntegerNetwork,
    NetworkInputs,
    pixel_rings,
)
from space2vec.models.float_network import FloatNetwork, float_network
from space2vec.models.rounding import round_weights

__all__ = ["CALIBRATION_ROWS", "can_quantise", "quantise"]

Array = NDArray[np.float64]

#: Number of rows on which scales are measured.
CALIBRATION_ROWS = 2048
#: The largest integer of a pixel represents a value that no pixel exceeds in this share of the rows. Some rows hold
#: filler values instead of pixels.
_UNCLIPPED_ROWS = 0.98
#: The largest integer of a channel represents one of these quantiles of its activations.
_QUANTILES = (0.999, 0.9995, 0.9998, 0.9999, 0.99995, 1.0)
#: Number of activations on which the quantile is chosen.
_QUANTILE_SAMPLES = 20000
#: The integer 32767 represents this many times the largest hidden activation of the calibration rows.
_HEADROOM = 2.0
#: Bits of the largest multiplier of a hidden layer.
_MULTIPLIER_BITS = 30
#: The largest integer of an element of a vector.
_VECTOR_MOST = 127
#: The largest bias of a convolution: bias and sum together must fit 32 bits.
_MOST_BIAS = 2.0**29


class _FloatSums(NamedTuple):
    """The sums of every layer of the float network before the ReLU, which the integers have to reproduce.

    `convolutions` are maps (n, channel, side, side); `hidden` are arrays (n, outputs), with the logits (n, 1) or the
    vectors last.
    """

    convolutions: list[Tensor]
    hidden: list[Array]


class _IntegerSums(NamedTuple):
    """Integer sums (n, outputs), what 1 represents in each output (outputs,), and the name of their multiplier."""

    multiplier: str
    sums: Array
    scale: Array


def can_quantise(module: nn.Module) -> bool:
    """Return whether a network is one that :func:`quantise` takes: `StampNet`, `VectorNet` or `TableNet`."""
    return isinstance(module, (StampTrunk, TableNet))


def quantise(module: nn.Module, inputs: Sequence[ArrayLike]) -> IntegerNetwork:
    """Turn a trained network into one of integers, whose scores or vectors are the same to the bit on every machine.

    Weights and the activations of convolutions become 8-bit integers, with a scale for each channel. Activations above
    a high quantile are clipped. The error of a rounded weight is compensated by weights that are rounded after it
    (:func:`space2vec.models.rounding.round_weights`), and the mean error that remains by the biases.

    Parameters
    ----------
    module : StampNet, VectorNet or TableNet
        The trained network; it must be in eval mode, and is not changed.
    inputs : sequence of array_like
        The inputs of the network for calibration rows: planes (n, channel, side, side), features (n, k), or both in
        this order. The rows should be like those that the network will score, but none of those that it is tested on.

    Returns
    -------
    IntegerNetwork

    Raises
    ------
    ValueError
        If the network is of another class, a weight is not finite, or no calibration row is finite.
    """
    network = float_network(module)
    if not all(np.isfinite(array).all() for array in network.arrays()):
        raise ValueError("a weight of the network is not finite")
    arrays = [np.asarray(rows, dtype=np.float32) for rows in inputs]
    columns, planes = _integer_columns(module, arrays[-1]), arrays[0] if network.inputs.channels else None
    good = np.ones(len(columns), dtype=np.bool_) if planes is None else np.isfinite(planes).all(axis=(1, 2, 3))
    if not good.any():
        raise ValueError("no row to calibrate with is finite")
    quantiser = _Quantiser(network, None if planes is None else torch.from_numpy(planes[good]), columns[good])
    tensors = quantiser.tensors()
    return IntegerNetwork(tensors, network.inputs, len(tensors["vector.weight"]) if network.gives_vectors else 0)


def _integer_columns(module: nn.Module, features: NDArray[np.float32]) -> Array:
    """Convert features (n, k) to the integer columns (n, width) that an integer network takes, as float64.

    The columns are the scaled values, the marks of undefined values, and, for `TableNet`, the encoded bins.
    """
    x = torch.from_numpy(features)
    with torch.no_grad():
        if isinstance(module, TableNet):
            rows = module.derived(x)
            scaled, k = module.scaled(rows), rows.shape[1]
            encoded = module.encoded(scaled[:, :k])
        else:
            assert isinstance(module, StampTrunk)
            scaled, k = module.scale(x), x.shape[1]
            encoded = scaled[:, :0]
    parts = ((scaled[:, :k], VALUE), (scaled[:, k:], MARK), (encoded, STEP))
    return np.concatenate([np.floor(part.double().numpy() * unit + 0.5) for part, unit in parts], axis=1)


class _Quantiser:
    """Turns a float network into integers layer by layer, with the outputs of both on calibration rows at hand."""

    def __init__(self, network: FloatNetwork, planes: Tensor | None, columns: Array) -> None:
        self._network, self._planes, self._columns = network, planes, columns
        if planes is not None:
            largest = planes.abs().amax((2, 3)).numpy()
            measured = np.maximum(np.quantile(largest, _UNCLIPPED_ROWS, axis=0), 1e-6)
            self._reach = measured if network.reach is None else network.reach
            farthest = _tensor(self._reach)[:, None, None]
            # Both networks get clipped planes: biases must not try to compensate for what clipping changes.
            self._planes = planes.clamp(-farthest, farthest)
        self._float_sums = self._run_float()

    def _run_float(self) -> _FloatSums:
        """Run the float network on the calibration rows."""
        network = self._network
        convolved: list[Tensor] = []
        first = np.zeros((1, 1)) + network.hidden_bias
        if self._planes is not None:
            maps = self._planes
            for layer in network.convolutions:
                convolved.append(_convolve(maps, layer.weight, 0.0) + _tensor(layer.bias)[:, None, None])
                maps = convolved[-1].relu()
            assert network.planes_weight is not None
            first = first + _ring_means(maps) @ network.planes_weight.T
        first = first + self._columns @ (network.features_weight / _units(network.inputs)).T
        hidden = [first]
        for layer in network.linears:
            hidden.append(np.maximum(hidden[-1], 0.0) @ layer.weight.T + layer.bias)
        return _FloatSums(convolved, hidden)

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Quantise all layers, and return the tensors of the integer network by name (docs/model-files.md)."""
        network = self._network
        tensors: dict[str, NDArray[np.generic]] = {}
        sums: list[_IntegerSums] = []
        if self._planes is not None:
            rings, units = self._quantise_convolutions(tensors)
            assert network.planes_weight is not None
            weight, scale = round_weights(network.planes_weight * units, _covariance(rings))
            tensors["of_planes.weight"] = weight
            sums.append(_IntegerSums("planes_multiplier", rings @ weight.T.astype(np.float64), scale))
        weight, scale = round_weights(network.features_weight / _units(network.inputs), _covariance(self._columns))
        tensors["of_features.weight"] = weight
        sums.append(_IntegerSums("features_multiplier", self._columns @ weight.T.astype(np.float64), scale))
        first, *hidden, last = self._float_sums.hidden
        *layers, out = network.linears
        values, unit = self._finish_hidden("hidden0", sums, first, tensors)
        for number, (layer, target) in enumerate(zip(layers, hidden, strict=True), 1):
            weight, scale = round_weights(layer.weight * unit, _covariance(values))
            tensors[f"hidden{number}.weight"] = weight
            sums = [_IntegerSums("multiplier", values @ weight.T.astype(np.float64), scale)]
            values, unit = self._finish_hidden(f"hidden{number}", sums, target, tensors)
        weight, scale = round_weights(out.weight * unit, _covariance(values))
        total = values @ weight.T.astype(np.float64)
        if network.gives_vectors:
            tensors["vector.weight"] = weight
            largest = float(_largest_represented(_float32(np.abs(last).reshape(1, -1)), _VECTOR_MOST)[0])
            self._rescale("vector", [_IntegerSums("multiplier", total, scale)], last, largest / _VECTOR_MOST, tensors)
            return tensors
        bias = int(np.rint((last[:, 0] - total[:, 0] * scale[0]).mean() / scale[0]))
        tensors["out.weight"] = weight[0]
        tensors["out.bias"] = np.array([bias], dtype=np.int64)
        tensors["out.scale"] = scale.astype(np.float32)
        return tensors

    def _quantise_convolutions(self, tensors: dict[str, NDArray[np.generic]]) -> tuple[Array, Array]:
        """Quantise the convolutions, and add their tensors to `tensors`.

        Returned are the integer ring means (n, channel * rings) of the last maps, and what the integer 1 represents in
        each of them.
        """
        assert self._planes is not None
        scale = 127.0 / self._reach
        tensors["planes.scale"] = scale.astype(np.float32)
        maps = ((self._planes * _tensor(scale)[:, None, None]).clamp(-127, 127) + 128.5).floor()
        unit: Array = 1.0 / scale
        convolutions = zip(self._network.convolutions, self._float_sums.convolutions, strict=True)
        for number, (layer, target) in enumerate(convolutions):
            pad = 0.0 if number else 128.0
            flat = (layer.weight * unit[:, None, None]).reshape(len(layer.weight), -1)
            weight, step = round_weights(flat, _covariance(_patches(maps, pad)), np.abs(layer.bias) / _MOST_BIAS)
            weight = weight.reshape(layer.weight.shape)
            sums = _convolve(maps, weight.astype(np.float64), pad)
            bias = np.rint(_channel_means(target) / step - _channel_means(sums))
            positive = target.relu().transpose(0, 1).flatten(1).numpy()
            most = _largest_represented(positive, MOST)
            # A multiplier has at most 15 bits and is shifted to the right, so that it stays below 1/64.
            unit = np.maximum(most / MOST, step * 64.0 * (1.0 + 1e-6))
            multiplier, shift = _multiplier(step / unit)
            name = f"conv{number}"
            tensors |= {
                f"{name}.weight": weight, f"{name}.bias": bias.astype(np.int32),
                f"{name}.shift": shift, f"{name}.multiplier": multiplier,
            }  # fmt: skip
            factor = _tensor(multiplier * 2.0 ** -(21.0 + shift))
            total = (sums + _tensor(bias)[:, None, None]) * factor[:, None, None]
            maps = (total + 0.5).floor().clamp(0, MOST)
        rings = RING * _ring_means(maps)
        return rings, np.repeat(unit / RING, rings.shape[1] // len(unit))

    def _finish_hidden(
        self, name: str, sums: list[_IntegerSums], target: Array, tensors: dict[str, NDArray[np.generic]]
    ) -> tuple[Array, float]:
        """Rescale the sums of a hidden layer, and add what that needs to `tensors`.

        `target` (n, outputs) are the sums of the float network. Returned are the integer activations (n, outputs), and
        what the integer 1 represents in them.
        """
        unit = _HEADROOM * max(float(target.max()), 1e-3 * float(np.abs(target).max()), 1e-6) / HIDDEN_MOST
        total = self._rescale(name, sums, target, unit, tensors)
        return np.clip(np.floor(total + 0.5), 0, HIDDEN_MOST), unit

    @staticmethod
    def _rescale(
        name: str, sums: list[_IntegerSums], target: Array, unit: float, tensors: dict[str, NDArray[np.generic]]
    ) -> Array:
        """Choose multipliers, biases and the shift with which sums become integers, of which 1 represents `unit`.

        They are added to `tensors`. Returned are the integers (n, outputs) before they are rounded and clipped.
        """
        largest = max(float(part.scale.max()) for part in sums) / unit
        shift = min(max(_MULTIPLIER_BITS - math.ceil(math.log2(largest)), 0), 62)
        total = np.zeros((1, 1))
        for part in sums:
            multiplier = np.rint(part.scale / unit * 2.0**shift).astype(np.int32)
            tensors[f"{name}.{part.multiplier}"] = multiplier
            total = total + part.sums * (multiplier * 2.0**-shift)
        bias = (target / unit - total).mean(axis=0)
        tensors[f"{name}.bias"] = np.rint(bias * 2.0**shift).astype(np.int64)
        tensors[f"{name}.shift"] = np.array([shift], dtype=np.uint8)
        return np.asarray(total + bias)


def _units(inputs: NetworkInputs) -> Array:
    """Return the factors (width,) by which integer columns are larger than the columns of the float network."""
    counts = [inputs.columns, inputs.columns, inputs.columns * inputs.bins]
    return np.repeat([float(VALUE), float(MARK), float(STEP)], counts)


def _tensor(values: NDArray[np.generic]) -> Tensor:
    """Return an array as a tensor of float32."""
    return torch.from_numpy(_float32(values))


def _float32(values: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def _convolve(maps: Tensor, weight: Array, pad: float) -> Tensor:
    """Convolve maps (n, channel, side, side) with a stride of 2, padded by one pixel of the value `pad`."""
    return functional.conv2d(functional.pad(maps, (1, 1, 1, 1), value=pad), _tensor(weight), stride=2)


def _channel_means(maps: Tensor) -> Array:
    """Return the mean (channel,) of each channel of maps over all rows and pixels."""
    return np.asarray(maps.mean((0, 2, 3)).double().numpy())


def _patches(maps: Tensor, pad: float) -> Array:
    """Return windows of 3 x 3 pixels (m, channels * 9) that a convolution sees in about 256 of the rows."""
    some = functional.pad(maps[:: max(len(maps) // 256, 1)], (1, 1, 1, 1), value=pad)
    return np.asarray(functional.unfold(some, 3, stride=2).transpose(1, 2).flatten(0, 1).double().numpy())


def _covariance(values: Array) -> Array:
    """Return the covariance (k, k) of values (n, k); it is 0 if there is a single row."""
    away = values - values.mean(axis=0)
    return np.asarray(away.T @ away / len(away))


def _ring_means(maps: Tensor) -> Array:
    """Return the mean of each ring around the centre (n, channel * rings) of maps (n, channel, side, side)."""
    ring, sizes = pixel_rings(maps.shape[-1])
    share = np.zeros((ring.size, len(sizes)))
    share[np.arange(ring.size), ring.ravel()] = 1.0
    means = maps.flatten(2).double().numpy() @ (share / sizes)
    return np.asarray(means.reshape(len(maps), -1))


def _multiplier(factor: Array) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Approximate factors below 1/64 by m 2^-(p + 21); return m, which has 15 bits, and the shift p."""
    shift = np.clip(np.floor(-np.log2(factor * 64.0)), 0, 31)
    multiplier = np.rint(factor * 2.0 ** (21.0 + shift))
    # Rounding may reach the next power of two.
    over = (multiplier >= 1 << 15) & (shift > 0)
    shift = shift - over
    multiplier = np.clip(np.rint(factor * 2.0 ** (21.0 + shift)), 1 << 14, (1 << 15) - 1)
    return multiplier.astype(np.int16), shift.astype(np.uint8)


def _largest_represented(values: NDArray[np.float32], steps: int) -> Array:
    """Choose the value (channels,) that the largest integer, `steps`, represents in each channel.

    `values` (channels, k) are activations, 0 or more. Of several quantiles of them the one is chosen with which the
    squared error of rounding and clipping is smallest.
    """
    some = values[:, :: max(values.shape[1] // _QUANTILE_SAMPLES, 1)]
    farthest, best = np.full(len(values), np.nan), np.full(len(values), np.inf)
    for share in _QUANTILES:
        reach = np.maximum(np.quantile(values, share, axis=1), 1e-6)
        unit = (reach / steps)[:, None]
        error = ((np.clip(np.rint(some / unit), 0, steps) * unit - some) ** 2).mean(axis=1)
        farthest, best = np.where(error < best, reach, farthest), np.minimum(best, error)
    return farthest
