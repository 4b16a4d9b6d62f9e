"""A trained network as integers: 8-bit weights and activations whose scales are measured on calibration rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from space2vec.architectures.stampnet import StampNet
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
    rings_of,
)
from space2vec.training.rounding import round_weights

__all__ = ["CALIBRATION_ROWS", "can_quantise", "quantise"]

Array = NDArray[np.float64]

#: Rows that scales are measured on.
CALIBRATION_ROWS = 2048
#: Share of the rows all of whose pixels a byte reaches: some rows hold fillers instead of pixels.
_ROWS_WITHIN = 0.98
#: Shares of the activations of a channel that a byte may reach, and how many of them the choice looks at.
_REACHES = (0.999, 0.9995, 0.9998, 0.9999, 0.99995, 1.0)
_LOOKED_AT = 20000
#: How far beyond the largest hidden activation of the calibration rows 32767 lies.
_ROOM = 2.0
#: Bits of the largest multiplier of a hidden layer.
_MULTIPLIER_BITS = 30
#: The largest bias of a convolution, of 32 bits with the sum beside it.
_MOST_BIAS = 2.0**29


@dataclass(frozen=True, slots=True)
class _Layer:
    """Weights (outputs, ...) and biases (outputs,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class _Chain:
    """The parts of a network in float64, batch normalisation folded in; `linears` are those behind the first."""

    inputs: NetworkInputs
    of_features: Array
    joined: Array
    linears: list[_Layer]
    convolutions: list[_Layer] = field(default_factory=list)
    of_planes: Array | None = None
    reach: Array | None = None

    def numbers(self) -> Iterator[Array]:
        """Yield all weights."""
        yield from (self.of_features, self.joined)
        yield from () if self.of_planes is None else (self.of_planes,)
        for layer in (*self.convolutions, *self.linears):
            yield from (layer.weight, layer.bias)


def can_quantise(module: nn.Module) -> bool:
    """Tell whether a network has the structure that is run in integers."""
    return isinstance(module, (StampNet, TableNet))


def quantise(module: nn.Module, inputs: Sequence[ArrayLike]) -> IntegerNetwork:
    """Turn a trained network into integers, by what it makes of calibration rows.

    Weights have a scale a channel, and so have the activations of convolutions; what lies beyond a high percentile is
    clipped. What rounding does to a weight is made good by weights that are rounded after it (Frantar et al. 2023,
    arXiv:2210.17323), and what is left in the mean by the biases.

    Parameters
    ----------
    module : StampNet or TableNet
        In eval mode; it is not changed.
    inputs : sequence of array_like
        What the network takes, in order: planes (n, channel, side, side), features (n, k), of rows like those that it
        will be given, but of none that it is to be measured on.

    Returns
    -------
    IntegerNetwork

    Raises
    ------
    ValueError
        If the network has another structure, or a weight or all rows are not finite.
    """
    chain = _chain(module)
    if not all(np.isfinite(part).all() for part in chain.numbers()):
        raise ValueError("a weight of the network is not finite")
    given = [np.asarray(rows, dtype=np.float32) for rows in inputs]
    columns, planes = _integers(module, given[-1]), given[0] if chain.inputs.channels else None
    good = np.ones(len(columns), dtype=np.bool_) if planes is None else np.isfinite(planes).all(axis=(1, 2, 3))
    if not good.any():
        raise ValueError("no row to calibrate with is finite")
    build = _Build(chain, None if planes is None else torch.from_numpy(planes[good]), columns[good])
    return IntegerNetwork(build.run(), chain.inputs)


def _chain(module: nn.Module) -> _Chain:
    """Take a network apart."""
    if isinstance(module, StampNet):
        settings, layers = module.settings, [*module.convolutions]
        return _Chain(
            NetworkInputs(settings["channels"], settings["side"], settings["features"]),
            _array(module.of_features.weight),
            _array(module.of_planes.bias) + _array(module.of_features.bias),
            _linears(module.head),
            [_folded(conv, norm) for conv, norm in zip(layers[0::3], layers[1::3], strict=True)],
            _array(module.of_planes.weight),
            np.array(settings["reach"]) if "reach" in settings else None,
        )
    if isinstance(module, TableNet):
        first, *linears = _linears(module.layers)
        inputs = NetworkInputs(columns=module.derived.width, bins=module.settings["bins"])
        return _Chain(inputs, first.weight, first.bias, linears)
    raise ValueError(f"a {type(module).__name__} cannot be turned into integers: only stampnet and tablenet can")


def _linears(layers: nn.Sequential) -> list[_Layer]:
    return [_Layer(_array(layer.weight), _array(layer.bias)) for layer in layers if isinstance(layer, nn.Linear)]


def _folded(conv: nn.Module, norm: nn.Module) -> _Layer:
    """Return a convolution with the batch normalisation behind it."""
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    assert norm.running_mean is not None
    gain = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    return _Layer(_array(conv.weight) * gain[:, None, None, None], _array(norm.bias) - _array(norm.running_mean) * gain)


def _array(tensor: Tensor) -> Array:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _integers(module: nn.Module, features: NDArray[np.float32]) -> Array:
    """Return the columns (n, k) of rows as the integers (n, width) that the network is given."""
    x = torch.from_numpy(features)
    with torch.no_grad():
        if isinstance(module, TableNet):
            rows = module.derived(x)
            scaled, k = module.scaled(rows), rows.shape[1]
            encoded = module.encoded(scaled[:, :k])
        else:
            assert isinstance(module, StampNet)
            scaled, k = module.scale(x), x.shape[1]
            encoded = scaled[:, :0]
    parts = ((scaled[:, :k], VALUE), (scaled[:, k:], MARK), (encoded, STEP))
    return np.concatenate([np.floor(part.double().numpy() * unit + 0.5) for part, unit in parts], axis=1)


class _Build:
    """Layer after layer: what the float network has there, what the integers have, and the tensors."""

    def __init__(self, chain: _Chain, planes: Tensor | None, columns: Array) -> None:
        self._chain, self._planes, self._columns = chain, planes, columns
        if planes is not None:
            largest = planes.abs().amax((2, 3)).numpy()
            own = np.maximum(np.quantile(largest, _ROWS_WITHIN, axis=0), 1e-6)
            self._reach = own if chain.reach is None else chain.reach
            farthest = _tensor(self._reach)[:, None, None]
            # What the integers cannot see is no error of theirs that a bias could mend.
            self._planes = planes.clamp(-farthest, farthest)
        self._sums, self._wanted = self._run_float()

    def _run_float(self) -> tuple[list[Tensor], list[Array]]:
        """Return the sums of the convolutions, and of the layers behind them, the logits (n, 1) last."""
        chain = self._chain
        seen: list[Tensor] = []
        joined = np.zeros((1, 1)) + chain.joined
        if self._planes is not None:
            maps = self._planes
            for layer in chain.convolutions:
                seen.append(_convolve(maps, layer.weight, 0.0) + _tensor(layer.bias)[:, None, None])
                maps = seen[-1].relu()
            assert chain.of_planes is not None
            joined = joined + _ring_means(maps) @ chain.of_planes.T
        joined = joined + self._columns @ (chain.of_features / _units(chain.inputs)).T
        values = [joined]
        for layer in chain.linears:
            values.append(np.maximum(values[-1], 0.0) @ layer.weight.T + layer.bias)
        return seen, values

    def run(self) -> dict[str, NDArray[np.generic]]:
        """Return the tensors."""
        chain = self._chain
        tensors: dict[str, NDArray[np.generic]] = {}
        sums: list[tuple[str, Array, Array]] = []  # name, its integer sums, what one of them stands for
        if self._planes is not None:
            rings, units = self._convolved(tensors)
            assert chain.of_planes is not None
            weight, scale = round_weights(chain.of_planes * units, _covariance(rings))
            tensors["of_planes.weight"] = weight
            sums.append(("planes_multiplier", rings @ weight.T.astype(np.float64), scale))
        weight, scale = round_weights(chain.of_features / _units(chain.inputs), _covariance(self._columns))
        tensors["of_features.weight"] = weight
        sums.append(("features_multiplier", self._columns @ weight.T.astype(np.float64), scale))
        joined, *hidden, logit = self._wanted
        *layers, out = chain.linears
        values, unit = self._shifted("hidden0", sums, joined, tensors)
        for number, (layer, wanted) in enumerate(zip(layers, hidden, strict=True), 1):
            weight, scale = round_weights(layer.weight * unit, _covariance(values))
            tensors[f"hidden{number}.weight"] = weight
            sums = [("multiplier", values @ weight.T.astype(np.float64), scale)]
            values, unit = self._shifted(f"hidden{number}", sums, wanted, tensors)
        weight, scale = round_weights(out.weight * unit, _covariance(values))
        total = values @ weight[0].astype(np.float64)
        bias = int(np.rint((logit[:, 0] - total * scale[0]).mean() / scale[0]))
        tensors["out.weight"] = weight[0]
        tensors["out.bias"] = np.array([bias], dtype=np.int64)
        tensors["out.scale"] = scale.astype(np.float32)
        return tensors

    def _convolved(self, tensors: dict[str, NDArray[np.generic]]) -> tuple[Array, Array]:
        """Make the convolutions; return the means of the rings (n, channel * rings), and what 1 of each stands for."""
        assert self._planes is not None
        scale = 127.0 / self._reach
        tensors["planes.scale"] = scale.astype(np.float32)
        maps = ((self._planes * _tensor(scale)[:, None, None]).clamp(-127, 127) + 128.5).floor()
        unit: Array = 1.0 / scale
        for number, (layer, wanted) in enumerate(zip(self._chain.convolutions, self._sums, strict=True)):
            pad = 0.0 if number else 128.0
            flat = (layer.weight * unit[:, None, None]).reshape(len(layer.weight), -1)
            weight, step = round_weights(flat, _covariance(_patches(maps, pad)), np.abs(layer.bias) / _MOST_BIAS)
            weight = weight.reshape(layer.weight.shape)
            sums = _convolve(maps, weight.astype(np.float64), pad)
            bias = np.rint(_means(wanted) / step - _means(sums))
            positive = wanted.relu().transpose(0, 1).flatten(1).numpy()
            most = _farthest(positive, MOST)
            # The multiplier has no more than 15 bits and a shift to the right.
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

    def _shifted(
        self,
        name: str,
        sums: list[tuple[str, Array, Array]],
        wanted: Array,
        tensors: dict[str, NDArray[np.generic]],
    ) -> tuple[Array, float]:
        """Make the multipliers, biases and the shift of a hidden layer; return its values, and what 1 stands for."""
        unit = _ROOM * max(float(wanted.max()), 1e-3 * float(np.abs(wanted).max()), 1e-6) / HIDDEN_MOST
        largest = max(float(scale.max()) for _, _, scale in sums) / unit
        shift = min(max(_MULTIPLIER_BITS - math.ceil(math.log2(largest)), 0), 62)
        total = np.zeros((1, 1))
        for what, values, scale in sums:
            multiplier = np.rint(scale / unit * 2.0**shift).astype(np.int32)
            tensors[f"{name}.{what}"] = multiplier
            total = total + values * (multiplier * 2.0**-shift)
        bias = (wanted / unit - total).mean(axis=0)
        tensors[f"{name}.bias"] = np.rint(bias * 2.0**shift).astype(np.int64)
        tensors[f"{name}.shift"] = np.array([shift], dtype=np.uint8)
        return np.clip(np.floor(total + bias + 0.5), 0, HIDDEN_MOST), unit


def _units(inputs: NetworkInputs) -> Array:
    """Return what the integers of the columns (width,) are divided by to be what the float network is given."""
    counts = [inputs.columns, inputs.columns, inputs.columns * inputs.bins]
    return np.repeat([float(VALUE), float(MARK), float(STEP)], counts)


def _tensor(values: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _convolve(maps: Tensor, weight: Array, pad: float) -> Tensor:
    """Return the convolution of maps, with `pad` around them."""
    return functional.conv2d(functional.pad(maps, (1, 1, 1, 1), value=pad), _tensor(weight), stride=2)


def _means(maps: Tensor) -> Array:
    """Return the mean of each channel."""
    return np.asarray(maps.mean((0, 2, 3)).double().numpy())


def _patches(maps: Tensor, pad: float) -> Array:
    """Return what the weights of a convolution are multiplied with (n, channels * 9), of some of the rows."""
    some = functional.pad(maps[:: max(len(maps) // 256, 1)], (1, 1, 1, 1), value=pad)
    return np.asarray(functional.unfold(some, 3, stride=2).transpose(1, 2).flatten(0, 1).double().numpy())


def _covariance(values: Array) -> Array:
    """Return the covariance (k, k) of values (n, k); 0 of a single row."""
    away = values - values.mean(axis=0)
    return np.asarray(away.T @ away / len(away))


def _ring_means(maps: Tensor) -> Array:
    """Return the means of the rings (n, channel * rings) of maps (n, channel, side, side)."""
    ring, sizes = rings_of(maps.shape[-1])
    share = np.zeros((ring.size, len(sizes)))
    share[np.arange(ring.size), ring.ravel()] = 1.0
    means = maps.flatten(2).double().numpy() @ (share / sizes)
    return np.asarray(means.reshape(len(maps), -1))


def _multiplier(factor: Array) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Return m (15 bits) and p for which m 2^-(p + 21) is about a factor below 1/64."""
    shift = np.clip(np.floor(-np.log2(factor * 64.0)), 0, 31)
    multiplier = np.rint(factor * 2.0 ** (21.0 + shift))
    # Rounding may reach the next power of two.
    over = (multiplier >= 1 << 15) & (shift > 0)
    shift = shift - over
    multiplier = np.clip(np.rint(factor * 2.0 ** (21.0 + shift)), 1 << 14, (1 << 15) - 1)
    return multiplier.astype(np.int16), shift.astype(np.uint8)


def _farthest(values: NDArray[np.float32], steps: int) -> Array:
    """Return how far the integers of each channel reach, of its values (channels, k), all of 0 or more.

    That share of them is taken which, with so many steps, has the smallest squared error of rounding and clipping.
    """
    some = values[:, :: max(values.shape[1] // _LOOKED_AT, 1)]
    farthest, best = np.full(len(values), np.nan), np.full(len(values), np.inf)
    for share in _REACHES:
        reach = np.maximum(np.quantile(values, share, axis=1), 1e-6)
        unit = (reach / steps)[:, None]
        error = ((np.clip(np.rint(some / unit), 0, steps) * unit - some) ** 2).mean(axis=1)
        farthest, best = np.where(error < best, reach, farthest), np.minimum(best, error)
    return farthest
