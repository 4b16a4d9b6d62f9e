"""A network in integers, with 8-bit weights: sums of integers do not depend on their order, so all machines agree.

Planes become 8-bit integers, which pass convolutions (3x3, stride 2, ReLU) and a mean over each ring around the centre.
Columns become 16-bit integers. The first hidden layer sums both. The sum of the last layer, times a scale, is the logit
of a score, or its sums are scaled to the numbers of a vector. ``docs/integer-networks.md`` defines the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ModelError
from space2vec.plans.derived_columns import applicable_rules

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, Json
    from space2vec.model_files.header import Header

__all__ = [
    "HIDDEN_MOST",
    "MARK",
    "MOST",
    "PREFIX",
    "RING",
    "STEP",
    "VALUE",
    "VECTOR_MOST",
    "VERSION",
    "IntegerNetwork",
    "NetworkInputs",
    "Rings",
    "SplitTensors",
]
__all__ += ["header_with_integers", "pixel_rings", "split_integers", "vector_length"]

#: The prefix of the names of its tensors in a model file, which also holds the float weights.
PREFIX = "integer."
#: The version of the arithmetic.
VERSION = 1
#: The largest activation of a convolution, and of a hidden layer.
MOST, HIDDEN_MOST = 255, 32767
#: The integers for 1 in a scaled column, for the mark of an undefined value, and for one bin of an encoding.
VALUE, MARK, STEP = 3276, 3276, 4095
#: The most pixels of a ring. The mean of a ring is stored times this number, which makes it exact.
RING = 8
#: The largest magnitude of a number of a vector.
VECTOR_MOST = 127
#: The largest integer of a scaled column, which also bounds a mark.
_FARTHEST = 10 * VALUE
#: The limits of the kernels: planes, side of the maps that a convolution sees, convolutions, side of the maps whose
#: rings are averaged, hidden layers, outputs of a layer.
_MOST_PLANES, _LARGEST_MAP, _MOST_CONVOLUTIONS, _LARGEST_RINGS, _MOST_HIDDEN, _MOST_OUTPUTS = 32, 129, 6, 31, 8, 1024
#: The most multiplications per candidate in convolutions, and the most bins of the encoding of a column.
_MOST_PRODUCTS, _MOST_BINS = 1 << 28, 256
_LEAST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class NetworkInputs:
    """The sizes of the inputs of a network; 0 for an input that it does not take.

    Attributes
    ----------
    channels : int
        Number of planes.
    side : int
        Height and width of a plane, pixels.
    columns : int
        Number of columns, derived ones included.
    bins : int
        Bins of the encoding of a column.
    """

    channels: int = 0
    side: int = 0
    columns: int = 0
    bins: int = 0

    @property
    def width(self) -> int:
        """Number of integers that the columns of a row become: values, marks of undefined values, encodings."""
        return self.columns * (2 + self.bins)


class Rings(NamedTuple):
    """The ring of each pixel (side, side), and the number of pixels of each ring (rings,)."""

    ring: NDArray[np.int64]
    sizes: NDArray[np.int64]


class SplitTensors(NamedTuple):
    """The tensors of a model file: the integer network, if the file holds one, and the float weights."""

    integers: IntegerNetwork | None
    weights: dict[str, AnyArray]


def pixel_rings(side: int) -> Rings:
    """Divide the pixels of a map (side, side) into rings around its centre.

    A ring consists of those pixels that rotations by 90 degrees and reflections about the centre map onto one another.
    Rings are numbered from the centre outwards.
    """
    away = np.abs(np.arange(side) - side // 2)
    low, high = np.minimum.outer(away, away), np.maximum.outer(away, away)
    ring = np.unique((high * side + low).ravel(), return_inverse=True)[1].reshape(side, side).astype(np.int64)
    return Rings(ring, np.bincount(ring.ravel()))


@dataclass(frozen=True, slots=True, eq=False)
class IntegerNetwork:
    """A network in integers that has been checked: no sum can overflow, whatever the input.

    Attributes
    ----------
    tensors : mapping of str to ndarray
        The tensors by name, without the prefix that they have in a file (docs/model-files.md).
    inputs : NetworkInputs
        The sizes of the inputs.
    vector : int, default 0
        How many numbers the vector has that the network gives of a candidate; 0 if it gives a score.

    Raises
    ------
    ValueError
        If a tensor is missing, unknown, of another type or shape or out of range, or a sum could overflow.
    """

    tensors: Mapping[str, AnyArray]
    inputs: NetworkInputs
    vector: int = 0

    def __post_init__(self) -> None:
        _Checks(dict(self.tensors), self.inputs, self.vector).run()

    def to_file(self) -> dict[str, AnyArray]:
        """Return the tensors with the names that they have in a model file."""
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
        """Number of multiplications per candidate, without those that rescale sums."""
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
    """Return the header of a model that holds an integer network, or none.

    Raises
    ------
    ModelError
        If the inputs of the integer network, or the length of its vectors, are not those of the architecture.
    """
    if integers is None:
        return replace(header, integer=None)
    try:
        how = header.architecture or {}
        fits, gives = integers.inputs == _inputs_of(how), integers.vector == vector_length(how)
    except (KeyError, ValueError):
        fits = gives = False
    if not fits:
        raise ModelError(f"its integers take {integers.inputs}, which is not what its architecture takes")
    if not gives:
        raise ModelError(f"its integers give vectors of {integers.vector} numbers, and its architecture others")
    return replace(header, integer={"version": VERSION})


def split_integers(header: Header, tensors: Mapping[str, AnyArray]) -> SplitTensors:
    """Split the tensors of a model file into the integer network and the float weights.

    Raises
    ------
    ModelError
        If the integers are of another version, damaged, or not those of the architecture in the header.
    """
    integer = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith(PREFIX)}
    if header.integer is None:
        if integer:
            raise ModelError("it holds integers of which its header says nothing")
        return SplitTensors(None, others)
    if header.integer.get("version") != VERSION:
        raise ModelError(
            f"its integers are of version {header.integer.get('version')!r}; this version of space2vec reads {VERSION}"
        )
    try:
        how = header.architecture or {}
        return SplitTensors(IntegerNetwork(integer, _inputs_of(how), vector_length(how)), others)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"its integers are damaged ({error})") from error


def _inputs_of(how: Mapping[str, Json]) -> NetworkInputs:
    """Return the inputs of the integer network of an architecture."""
    settings = how["settings"]
    if how["name"] in ("stampnet", "vectornet"):
        return NetworkInputs(*(_whole(settings, name) for name in ("channels", "side", "features")))
    if how["name"] == "tablenet":
        names = settings["names"]
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise ValueError("the names of the columns are no texts")
        return NetworkInputs(columns=len(names) + len(applicable_rules(names)), bins=_whole(settings, "bins"))
    raise ValueError(f"a network {how['name']} is none of integers")


def vector_length(how: Mapping[str, Json]) -> int:
    """Return how many numbers the vectors of an architecture have; 0 for one that gives scores.

    Parameters
    ----------
    how : mapping
        The architecture in the header of a model file.

    Raises
    ------
    KeyError, ValueError
        If it gives vectors and does not say of which length, or of one that is not from 1 to 1024.
    """
    if how.get("name") != "vectornet":
        return 0
    length = _whole(how["settings"], "vector")
    if not 1 <= length <= _MOST_OUTPUTS:
        raise ValueError(f"vectors of {length} numbers; there may be 1 to {_MOST_OUTPUTS}")
    return length


def _whole(settings: Mapping[str, Json], name: str) -> int:
    """Return a setting that must be a whole number, 0 or more."""
    if type(settings[name]) is not int or settings[name] < 0:
        raise ValueError(f"the setting {name} is no whole number")
    return int(settings[name])


class _Checks:
    """The checks of an integer network; each tensor is removed from ``tensors`` when it is checked."""

    def __init__(self, tensors: dict[str, AnyArray], inputs: NetworkInputs, vector: int) -> None:
        self._tensors, self._inputs, self._vector = tensors, inputs, vector

    def run(self) -> None:
        """Check all tensors; ValueError says what is wrong."""
        inputs, total = self._inputs, np.zeros(0)
        if inputs.channels:
            weight = self._convolutions()
            total = np.zeros(len(weight))
            multiplier = self._take("hidden0.planes_multiplier", np.int32, (len(weight),), 0)
            total += self._check_sums("of_planes", RING * MOST * _largest_sums(weight)) * multiplier
        if inputs.bins > _MOST_BINS:
            raise ValueError(f"{inputs.bins} bins a column; there may be {_MOST_BINS}")
        if inputs.columns:
            weight = self._take("of_features.weight", np.int8, (len(total) or None, inputs.width))
            size = np.repeat([_FARTHEST, STEP], [2 * inputs.columns, inputs.columns * inputs.bins])
            multiplier = self._take("hidden0.features_multiplier", np.int32, (len(weight),), 0)
            largest = np.abs(weight.astype(np.float64)) @ size
            total = total if len(total) else np.zeros(len(weight))
            total = total + self._check_sums("of_features", largest) * multiplier
        if not len(total):
            raise ValueError("it takes neither planes nor columns")
        self._check_shift("hidden0", total)
        layer, width = 1, len(total)
        while f"hidden{layer}.weight" in self._tensors:
            name = f"hidden{layer}"
            if layer == _MOST_HIDDEN:
                raise ValueError(f"more than {_MOST_HIDDEN} hidden layers")
            layer, width = layer + 1, self._check_later(name, None, width)
        if self._vector:
            if not self._inputs.channels:
                raise ValueError("it takes no planes, and gives vectors")
            self._check_later("vector", self._vector, width)
        else:
            self._check_score(width)
        if self._tensors:
            raise ValueError(f"unknown tensors {', '.join(sorted(self._tensors))}")

    def _check_later(self, name: str, outputs: int | None, width: int) -> int:
        """Check a layer on the activations of another; return its outputs."""
        weight = self._take(f"{name}.weight", np.int8, (outputs, width))
        multiplier = self._take(f"{name}.multiplier", np.int32, (len(weight),), 0)
        self._check_shift(name, self._check_sums(name, HIDDEN_MOST * _largest_sums(weight)) * multiplier)
        return len(weight)

    def _check_score(self, width: int) -> None:
        """Check the last layer of a network that gives a score."""
        weight = self._take("out.weight", np.int8, (width,))
        bias = self._take("out.bias", np.int64, (1,))
        self._check_sums("out", HIDDEN_MOST * _largest_sums(weight[None]))
        if abs(int(bias[0])) >= 2**62:
            raise ValueError("out.bias is out of range")
        self._take("out.scale", np.float32, (1,), _LEAST, _LARGEST)

    def _convolutions(self) -> NDArray[np.int8]:
        """Check the scales of planes and the convolutions; return the weights of the ring means that they give."""
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
            self._check_sums(name, MOST * _largest_sums(weight) + np.abs(bias.astype(np.float64)))
            layer += 1
        if not layer or side % 2 == 0 or side > _LARGEST_RINGS:
            raise ValueError(f"{layer} convolutions leave maps of {side}x{side}; there must be one, and an odd side")
        return self._take("of_planes.weight", np.int8, (None, channels * len(pixel_rings(side)[1])))

    def _take(
        self,
        name: str,
        kind: type[np.generic],
        shape: tuple[int | None, ...],
        low: float | None = None,
        high: float | None = None,
    ) -> AnyArray:
        """Check and return a tensor of a type, a shape (None is any length above 0) and a range of values."""
        if name not in self._tensors:
            raise ValueError(f"the tensor {name} is missing")
        tensor = self._tensors.pop(name)
        fits = tensor.ndim == len(shape) and all(
            size == length if length is not None else size > 0 for size, length in zip(tensor.shape, shape, strict=True)
        )
        if tensor.dtype != kind or not fits:
            lengths = ", ".join("any" if length is None else str(length) for length in shape)
            raise ValueError(f"{name} is {tensor.dtype} {tensor.shape}; it must be {np.dtype(kind)} ({lengths})")
        if (low is not None and not (tensor >= low).all()) or (high is not None and not (tensor <= high).all()):
            raise ValueError(f"{name} is out of range")
        if kind is np.int8 and tensor.ndim > 1 and len(tensor) > _MOST_OUTPUTS:
            raise ValueError(f"{name} has {len(tensor)} outputs; at most {_MOST_OUTPUTS}")
        if kind is np.int8 and (tensor == -128).any():
            raise ValueError(f"{name} is out of range")
        return tensor

    @staticmethod
    def _check_sums(name: str, largest: NDArray[np.float64]) -> NDArray[np.float64]:
        """Check that the largest sums fit 32 bits, and return them."""
        if (largest >= 2.0**31).any():
            raise ValueError(f"a sum of {name} could overflow")
        return largest

    def _check_shift(self, name: str, largest: NDArray[np.float64]) -> None:
        """Check the bias and the shift of a hidden layer, and that its largest sums fit 64 bits before the shift."""
        bias = self._take(f"{name}.bias", np.int64, (len(largest),))
        shift = self._take(f"{name}.shift", np.uint8, (1,), 0, 62)
        # Doubles are rounded, so sums within a millionth of the limit are refused too.
        if (largest + np.abs(bias.astype(np.float64)) + 2.0 ** int(shift[0]) >= 2.0**63 * (1.0 - 1e-6)).any():
            raise ValueError(f"a sum of {name} could overflow")


def _largest_sums(weight: AnyArray) -> NDArray[np.float64]:
    """Return the largest sum of each output (outputs,) for inputs from -1 to 1: the sum of its absolute weights."""
    return np.asarray(np.abs(weight.astype(np.float64)).reshape(len(weight), -1).sum(axis=1))
