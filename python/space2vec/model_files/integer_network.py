"""A network in integers: 8-bit weights and activations, whose sums have no order and so the same bits everywhere.

Planes become bytes, pass convolutions (3x3, stride 2, ReLU) and the means of rings; columns become 16-bit numbers; both
join in the first hidden layer, and the last layer's sum, times a scale, is the logit. ``docs/integer_networks.md``
states the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ModelError
from space2vec.plans.derived_columns import derived_places

if TYPE_CHECKING:
    from space2vec.model_files.header import Header

__all__ = [
    "HIDDEN_MOST",
    "MARK",
    "MOST",
    "PREFIX",
    "RING",
    "STEP",
    "VALUE",
    "VERSION",
    "IntegerNetwork",
    "NetworkInputs",
]
__all__ += ["header_with_integers", "rings_of", "split_integers"]

#: What the names of its tensors begin with in a model file, beside the float weights.
PREFIX = "integer."
VERSION = 1
#: The largest activation of a convolution, and of a hidden layer.
MOST, HIDDEN_MOST = 255, 32767
#: One unit of a scaled column, of a mark of a missing value, and a whole bin of an encoding, as integers.
VALUE, MARK, STEP = 3276, 3276, 4095
#: The largest ring; the mean of a ring is held times this, which is exact.
RING = 8
#: How far a scaled column reaches; what a mark is taken for where sums are bounded.
_FARTHEST = 10 * VALUE
#: What the kernels have room for: planes, the side of what a convolution sees, convolutions, the side of the maps that
#: rings are taken of, hidden layers, outputs of a layer.
_MOST_PLANES, _LARGEST_MAP, _MOST_CONVOLUTIONS, _LARGEST_RINGS, _MOST_HIDDEN, _MOST_OUTPUTS = 32, 129, 6, 31, 8, 1024
#: Multiplications of a candidate by convolutions, and bins of a column's encoding, at most.
_MOST_PRODUCTS, _MOST_BINS = 1 << 28, 256
_LEAST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class NetworkInputs:
    """What a network takes; 0 where it takes none."""

    #: Planes, and pixels along a side.
    channels: int = 0
    side: int = 0
    #: Columns, with those that are derived; and bins of the encoding of one.
    columns: int = 0
    bins: int = 0

    @property
    def width(self) -> int:
        """Number of integers that columns become: values, marks of missing ones, encodings."""
        return self.columns * (2 + self.bins)


def rings_of(side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ring of each pixel (side, side), and the pixels of each ring.

    A ring is what turns and flips about the middle bring onto one another; rings are numbered from the middle.
    """
    away = np.abs(np.arange(side) - side // 2)
    low, high = np.minimum.outer(away, away), np.maximum.outer(away, away)
    ring = np.unique((high * side + low).ravel(), return_inverse=True)[1].reshape(side, side).astype(np.int64)
    return ring, np.bincount(ring.ravel())


@dataclass(frozen=True, slots=True, eq=False)
class IntegerNetwork:
    """The integers of a network, checked: no sum of any input can overflow.

    The tensors are by name, without the prefix that they have in a file. One that is missing, superfluous, of another
    type or shape or out of range, and a sum that could overflow, raise a ValueError.
    """

    tensors: Mapping[str, NDArray[Any]]
    inputs: NetworkInputs

    def __post_init__(self) -> None:
        _Check(dict(self.tensors), self.inputs).run()

    def to_file(self) -> dict[str, NDArray[Any]]:
        """Return the tensors under the names that they have in a model file."""
        return {PREFIX + name: tensor for name, tensor in self.tensors.items()}

    @property
    def convolutions(self) -> int:
        """Number of convolutions."""
        return sum(name.startswith("conv") and name.endswith(".weight") for name in self.tensors)

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return sum(name.startswith("hidden") and name.endswith(".shift") for name in self.tensors)

    @property
    def multiplications(self) -> int:
        """Multiplications of a candidate, those by requantisation aside."""
        total, side = 0, self.inputs.side
        for layer in range(self.convolutions):
            side = (side - 1) // 2 + 1
            total += self.tensors[f"conv{layer}.weight"].size * side * side
        return total + sum(
            tensor.size
            for name, tensor in self.tensors.items()
            if tensor.dtype == np.int8 and not name.startswith("conv")
        )


def header_with_integers(header: Header, integers: IntegerNetwork | None) -> Header:
    """Return the header of a model that holds these integers, or none; a ModelError says that they do not fit it."""
    if integers is None:
        return replace(header, integer=None)
    try:
        fits = integers.inputs == _inputs_of(header.architecture or {})
    except (KeyError, ValueError):
        fits = False
    if not fits:
        raise ModelError(f"its integers take {integers.inputs}, which is not what its architecture takes")
    return replace(header, integer={"version": VERSION})


def split_integers(
    header: Header, tensors: Mapping[str, NDArray[Any]]
) -> tuple[IntegerNetwork | None, dict[str, NDArray[Any]]]:
    """Return the integers that a model file holds, None where it says that it holds none, and the other tensors.

    A ModelError says that they are of another version, or no network of that architecture.
    """
    own = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(PREFIX)}
    if header.integer is None:
        if own:
            raise ModelError("it holds integers of which its header says nothing")
        return None, others
    if header.integer.get("version") != VERSION:
        raise ModelError(
            f"its integers are of version {header.integer.get('version')!r}; this version of space2vec reads {VERSION}"
        )
    try:
        return IntegerNetwork(own, _inputs_of(header.architecture or {})), others
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"its integers are damaged ({error})") from error


def _inputs_of(how: Mapping[str, Any]) -> NetworkInputs:
    """Return what a network of an architecture takes as integers."""
    settings = how["settings"]
    if how["name"] == "stampnet":
        return NetworkInputs(*(_whole(settings, name) for name in ("channels", "side", "features")))
    if how["name"] == "tablenet":
        names = settings["names"]
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise ValueError("the names of the columns are no texts")
        return NetworkInputs(columns=len(names) + len(derived_places(names)), bins=_whole(settings, "bins"))
    raise ValueError(f"a network {how['name']} is none of integers")


def _whole(settings: Mapping[str, Any], name: str) -> int:
    if type(settings[name]) is not int or settings[name] < 0:
        raise ValueError(f"the setting {name} is no whole number")
    return int(settings[name])


class _Check:
    """The checks of a network; ``tensors`` loses those that were seen."""

    def __init__(self, tensors: dict[str, NDArray[Any]], inputs: NetworkInputs) -> None:
        self._tensors, self._inputs = tensors, inputs

    def run(self) -> None:
        inputs, total = self._inputs, np.zeros(0)
        if inputs.channels:
            of_planes = self._planes()
            total = np.zeros(len(of_planes))
            multiplier = self._take("hidden0.planes_multiplier", np.int32, (len(of_planes),), 0)
            total += self._sums("of_planes", RING * MOST * _reach(of_planes)) * multiplier
        if inputs.bins > _MOST_BINS:
            raise ValueError(f"{inputs.bins} bins a column; there may be {_MOST_BINS}")
        if inputs.columns:
            weight = self._take("of_features.weight", np.int8, (len(total) or None, inputs.width))
            size = np.repeat([_FARTHEST, STEP], [2 * inputs.columns, inputs.columns * inputs.bins])
            multiplier = self._take("hidden0.features_multiplier", np.int32, (len(weight),), 0)
            reach = np.abs(weight.astype(np.float64)) @ size
            total = (total if len(total) else np.zeros(len(weight))) + self._sums("of_features", reach) * multiplier
        if not len(total):
            raise ValueError("it takes neither planes nor columns")
        self._shifted("hidden0", total)
        layer, width = 1, len(total)
        while f"hidden{layer}.weight" in self._tensors:
            name = f"hidden{layer}"
            if layer == _MOST_HIDDEN:
                raise ValueError(f"more than {_MOST_HIDDEN} hidden layers")
            weight = self._take(f"{name}.weight", np.int8, (None, width))
            multiplier = self._take(f"{name}.multiplier", np.int32, (len(weight),), 0)
            self._shifted(name, self._sums(name, HIDDEN_MOST * _reach(weight)) * multiplier)
            layer, width = layer + 1, len(weight)
        weight = self._take("out.weight", np.int8, (width,))
        bias = self._take("out.bias", np.int64, (1,))
        self._sums("out", HIDDEN_MOST * _reach(weight[None]))
        if abs(int(bias[0])) >= 2**62:
            raise ValueError("out.bias is out of range")
        self._take("out.scale", np.float32, (1,), _LEAST, _LARGEST)
        if self._tensors:
            raise ValueError(f"unknown tensors {', '.join(sorted(self._tensors))}")

    def _planes(self) -> NDArray[np.int8]:
        """Check the scales and convolutions; return the weights of what they see."""
        channels, side = self._inputs.channels, self._inputs.side
        self._take("planes.scale", np.float32, (channels,), _LEAST, _LARGEST)
        layer = products = 0
        if channels > _MOST_PLANES or side > _LARGEST_MAP:
            raise ValueError(f"it takes {channels} planes of {side}x{side}; at most {_MOST_PLANES} of {_LARGEST_MAP}")
        while f"conv{layer}.weight" in self._tensors:
            name = f"conv{layer}"
            if layer == _MOST_CONVOLUTIONS or side < 3 or side % 2 == 0:
                raise ValueError(f"{name} sees maps of {side}x{side}; there may be {_MOST_CONVOLUTIONS}, of odd sides")
            weight = self._take(f"{name}.weight", np.int8, (None, channels, 3, 3))
            channels, side = len(weight), (side - 1) // 2 + 1
            products += weight.size * side * side
            if products > _MOST_PRODUCTS:
                raise ValueError(f"more than {_MOST_PRODUCTS} multiplications a candidate")
            bias = self._take(f"{name}.bias", np.int32, (channels,))
            self._take(f"{name}.shift", np.uint8, (channels,), 0, 31)
            self._take(f"{name}.multiplier", np.int16, (channels,), 1 << 14, (1 << 15) - 1)
            self._sums(name, MOST * _reach(weight) + np.abs(bias.astype(np.float64)))
            layer += 1
        if not layer or side % 2 == 0 or side > _LARGEST_RINGS:
            raise ValueError(f"{layer} convolutions leave maps of {side}x{side}; there must be one, and an odd side")
        return self._take("of_planes.weight", np.int8, (None, channels * len(rings_of(side)[1])))

    def _take(
        self,
        name: str,
        kind: type[np.generic],
        shape: tuple[int | None, ...],
        low: float | None = None,
        high: float | None = None,
    ) -> NDArray[Any]:
        """Return a tensor that is there, of a type and shape (None: of any length above 0), and in range."""
        if name not in self._tensors:
            raise ValueError(f"the tensor {name} is missing")
        tensor = self._tensors.pop(name)
        fits = tensor.ndim == len(shape) and all(
            size == wanted if wanted is not None else size > 0 for size, wanted in zip(tensor.shape, shape, strict=True)
        )
        if tensor.dtype != kind or not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"{name} is {tensor.dtype} {tensor.shape}; it must be {np.dtype(kind)} ({wanted})")
        if (low is not None and not (tensor >= low).all()) or (high is not None and not (tensor <= high).all()):
            raise ValueError(f"{name} is out of range")
        if kind is np.int8 and tensor.ndim > 1 and len(tensor) > _MOST_OUTPUTS:
            raise ValueError(f"{name} has {len(tensor)} outputs; at most {_MOST_OUTPUTS}")
        if kind is np.int8 and (tensor == -128).any():
            raise ValueError(f"{name} is out of range")
        return tensor

    @staticmethod
    def _sums(name: str, reach: NDArray[np.float64]) -> NDArray[np.float64]:
        """See that sums of 32 bits suffice."""
        if (reach >= 2.0**31).any():
            raise ValueError(f"a sum of {name} could overflow")
        return reach

    def _shifted(self, name: str, reach: NDArray[np.float64]) -> None:
        """Check bias and shift of a hidden layer, and that 64 bits suffice for what is shifted."""
        bias = self._take(f"{name}.bias", np.int64, (len(reach),))
        shift = self._take(f"{name}.shift", np.uint8, (1,), 0, 62)
        # Doubles round: what comes within a millionth of the limit counts as beyond it.
        if (reach + np.abs(bias.astype(np.float64)) + 2.0 ** int(shift[0]) >= 2.0**63 * (1.0 - 1e-6)).any():
            raise ValueError(f"a sum of {name} could overflow")


def _reach(weight: NDArray[Any]) -> NDArray[np.float64]:
    """Return the sum of the sizes of the weights of each output."""
    return np.asarray(np.abs(weight.astype(np.float64)).reshape(len(weight), -1).sum(axis=1))
