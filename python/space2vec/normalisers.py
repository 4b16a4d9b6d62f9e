"""Normalisers: planes brought to a common scale, by one step or a chain of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec import backend
from space2vec import flags as flag_bits
from space2vec.pixels import as_plane_array, check_sides, image_array, lies_on_device
from space2vec.registry import NORMALISERS, Step

__all__ = ["MOST_STEPS", "Normalised", "Steps", "chain", "normalise", "numbered"]

#: The longest chain that the kernels take.
MOST_STEPS = 8

#: A normaliser by name, with parameters by name where they are not those of its definition.
OneStep: TypeAlias = "str | Step | tuple[str, Mapping[str, float]]"
#: One step, or several in order.
Steps: TypeAlias = "OneStep | Sequence[OneStep]"


class Normalised(flag_bits.Flagged):
    """Planes on a common scale.

    Parameters
    ----------
    planes : ndarray of float32 (..., height, width)
        The normalised pixels, on the device of the array and in its library; a plane without usable pixels, or with
        nothing to divide by, is NaN throughout.
    flags : ndarray of uint32 (...)
        Flags a plane, see :mod:`space2vec.flags`; always on the host, fetched when they are first looked at.
    steps : tuple of Step
        What was done, in order.
    """

    def __init__(self, planes: Any, flags: flag_bits.Given, steps: tuple[Step, ...]) -> None:
        super().__init__(flags)
        self.planes: NDArray[np.float32] = planes
        self.steps = steps


def _step(given: Any) -> Step:
    """Return a checked step."""
    if isinstance(given, Step):
        if given.name in NORMALISERS and len(given.values) != len(NORMALISERS[given.name].parameters):
            raise ValueError(
                f"a step {given.name!r} has {len(NORMALISERS[given.name].parameters)} parameters; {given!r}"
            )
        return _step((given.name, given.parameters)) if given.name in NORMALISERS else _step(given.name)
    name, parameters = (given, {}) if isinstance(given, str) else given
    if name not in NORMALISERS:
        raise ValueError(f"unknown normaliser {name!r}; known normalisers: {', '.join(NORMALISERS)}")
    known = {entry.name: entry for entry in NORMALISERS[name].parameters}
    for key in parameters:
        if key not in known:
            accepted = f"its parameters are {', '.join(known)}" if known else "it has no parameters"
            raise ValueError(f"normaliser {name!r} has no parameter {key!r}; {accepted}")
    values = []
    for key, entry in known.items():
        value = parameters.get(key, entry.default)
        if not isinstance(value, Real | np.bool_):
            raise TypeError(f"{key} of {name!r} must be a number; given {value!r}")
        number = float(value)
        if not entry.lowest <= number <= entry.highest or (entry.whole and number != math.floor(number)):
            kind = "a whole number" if entry.whole else "a number"
            raise ValueError(
                f"{key} of {name!r} must be {kind} from {entry.lowest:g} to {entry.highest:g}; given {value!r}"
            )
        values.append(number)
    if name == "percentile" and not values[0] < values[1]:
        raise ValueError(f"low of 'percentile' must be below high; given {values[0]:g} and {values[1]:g}")
    return Step(name, tuple(values))


def _is_step(given: Any) -> bool:
    """Tell whether something describes one step."""
    pair = isinstance(given, Sequence) and len(given) == 2 and isinstance(given[1], Mapping)
    return isinstance(given, str | Step) or (pair and isinstance(given[0], str))


def chain(steps: Steps) -> tuple[Step, ...]:
    """Return the steps of a chain, with every parameter.

    Parameters
    ----------
    steps : str, tuple or sequence
        A name of :data:`space2vec.registry.NORMALISERS`, such a name with parameters (``("asinh", {"softening":
        0.1})``), or a sequence of these.

    Raises
    ------
    TypeError
        If a step is neither a name nor a name with parameters, or a parameter is no number.
    ValueError
        If a name or a parameter is unknown, a value is out of range, or there are no steps or too many.
    """
    given: list[Any] = [steps] if _is_step(steps) else list(steps) if isinstance(steps, Sequence) else [steps]
    if not 1 <= len(given) <= MOST_STEPS:
        raise ValueError(f"a chain has 1 to {MOST_STEPS} steps; given {len(given)}")
    for step in given:
        if not _is_step(step):
            raise TypeError(f"a step is a name, or a name and a mapping of parameters; given {step!r}")
    return tuple(_step(step) for step in given)


def numbered(steps: Sequence[Step]) -> list[tuple[int, list[float]]]:
    """Return steps as the kernels take them: the number of the normaliser, and its parameters."""
    order = tuple(NORMALISERS)
    return [(order.index(step.name), list(step.values)) for step in steps]


def normalise(
    array: Any,
    steps: Steps,
    *,
    mask: ArrayLike | None = None,
    fill: float = math.nan,
    threads: int | None = None,
) -> Normalised:
    """Bring planes to a common scale, each by its own pixels, on the device on which they lie.

    Parameters
    ----------
    array : array_like (..., height, width)
        Planes of any real dtype, byte order and strides (NumPy, or anything with DLPack); they are not changed. What a
        masked array masks is left out. On a CUDA device (CuPy, PyTorch, ...), n planes of float32 (n, height, width)
        are read where they lie; PyTorch and CuPy make a copy of others there.
    steps : str, tuple or sequence
        What to do, as :func:`chain` takes it: ``"median-mad"``, or ``("median-mad", ("asinh", {"softening": 0.1}))``.
    mask : array_like of bool (..., height, width), optional
        True where a pixel is left out; it is broadcast to the array. Beside an array on a device it lies there too,
        in the array's shape and C order.
    fill : float, optional
        What a pixel becomes that is masked, NaN or infinite; NaN by default. Such pixels enter no statistic.
    threads : int, optional
        Number of threads; one a usable core by default.

    Returns
    -------
    Normalised
        Planes of the same shape in float32, flags, and the steps. A plane without usable pixels, or with nothing to
        divide by, is NaN throughout and has the flag ``constant`` or ``zero_scale``.

    Raises
    ------
    TypeError
        If the array or the mask is of another type, or one is on a device and the other is not.
    ValueError
        If a step is unknown, the array has fewer than two axes or no pixels, or the mask does not fit.
    BackendError
        If no backend can run here.
    """
    what = chain(steps)
    try:
        level = float(fill)
    except (TypeError, ValueError):
        raise TypeError(f"fill must be a number; given {fill!r}") from None
    array = image_array(array, "array")
    if lies_on_device(array):
        from space2vec.cuda import kernels

        there, read = kernels.normalise(array, mask, numbered(what), level)
        return Normalised(there.owner, read, what)
    left_out: NDArray[np.bool_] | None = None
    if isinstance(array, np.ma.MaskedArray):
        left_out = np.ma.getmaskarray(array) if np.ma.is_masked(array) else None
        array = np.ma.getdata(array)
    pixels = as_plane_array(array, "array")
    if pixels.ndim < 2:
        raise ValueError(f"array must have shape (..., height, width); given {pixels.shape}")
    height, width = pixels.shape[-2:]
    check_sides(height, width, "planes")
    if mask is not None:
        if lies_on_device(mask):
            raise TypeError("array lies on the host and mask on a device: give both on one device")
        given = np.asarray(mask)
        if given.dtype != np.bool_:
            raise TypeError(f"mask must be of bool, True where a pixel is left out; given {given.dtype}")
        try:
            given = np.broadcast_to(given, pixels.shape)
        except ValueError:
            raise ValueError(f"mask has shape {given.shape}, which does not fit {pixels.shape}") from None
        left_out = given if left_out is None else left_out | given
    planes = np.empty(pixels.shape, dtype=np.float32)
    flags = np.zeros(pixels.shape[:-2], dtype=np.uint32)
    n = flags.size
    plane = (n, height, width)
    backend.active().normalise(
        pixels.reshape(plane),
        None if left_out is None else np.ascontiguousarray(left_out).view(np.uint8).reshape(plane),
        numbered(what),
        level,
        planes.reshape(plane),
        flags.reshape(n),
        backend.thread_count(threads),
    )
    return Normalised(planes, flags, what)
