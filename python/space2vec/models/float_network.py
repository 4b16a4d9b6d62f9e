"""The weights of a trained network in float64, as quantisation takes them: layers in order, normalisation merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from space2vec.architectures.stampnet import StampTrunk
from space2vec.architectures.tablenet import TableNet
from space2vec.model_files.integer_network import NetworkInputs

__all__ = ["FloatNetwork", "Layer", "float_network"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layer:
    """A linear layer or a convolution: weights (outputs, ...) and biases (outputs,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class FloatNetwork:
    """The weights of a network in float64, with batch normalisation merged into the convolutions.

    The first hidden layer sums what it makes of the features (`features_weight`), of the ring means of the convolved
    planes (`planes_weight`), and its bias (`hidden_bias`); `linears` are the layers after it, of which the last gives a
    logit or, with `gives_vectors`, a vector.
    """

    inputs: NetworkInputs
    features_weight: Array
    hidden_bias: Array
    linears: list[Layer]
    convolutions: list[Layer] = field(default_factory=list)
    planes_weight: Array | None = None
    reach: Array | None = None
    gives_vectors: bool = False

    def arrays(self) -> Iterator[Array]:
        """Yield all weights and biases."""
        yield from (self.features_weight, self.hidden_bias)
        yield from () if self.planes_weight is None else (self.planes_weight,)
        for layer in (*self.convolutions, *self.linears):
            yield from (layer.weight, layer.bias)


def float_network(module: nn.Module) -> FloatNetwork:
    """Copy the weights of a network to float64; ValueError if it is of a class that cannot be quantised."""
    if isinstance(module, StampTrunk):
        settings, layers = module.settings, [*module.convolutions]
        return FloatNetwork(
            NetworkInputs(settings["channels"], settings["side"], settings["features"]),
            _array(module.of_features.weight),
            _array(module.of_planes.bias) + _array(module.of_features.bias),
            _linears(module.head),
            [_merge_normalisation(conv, norm) for conv, norm in zip(layers[0::3], layers[1::3], strict=True)],
            _array(module.of_planes.weight),
            np.array(settings["reach"]) if "reach" in settings else None,
            "vector" in settings,
        )
    if isinstance(module, TableNet):
        first, *linears = _linears(module.layers)
        inputs = NetworkInputs(columns=module.derived.width, bins=module.settings["bins"])
        return FloatNetwork(inputs, first.weight, first.bias, linears)
    known = "only stampnet, vectornet and tablenet can"
    raise ValueError(f"a {type(module).__name__} cannot be turned into integers: {known}")


def _linears(layers: nn.Sequential) -> list[Layer]:
    """Return the linear layers in a sequence of layers."""
    return [Layer(_array(layer.weight), _array(layer.bias)) for layer in layers if isinstance(layer, nn.Linear)]


def _merge_normalisation(conv: nn.Module, norm: nn.Module) -> Layer:
    """Return the convolution that equals a convolution followed by batch normalisation."""
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    assert norm.running_mean is not None
    gain = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    return Layer(_array(conv.weight) * gain[:, None, None, None], _array(norm.bias) - _array(norm.running_mean) * gain)


def _array(tensor: Tensor) -> Array:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
