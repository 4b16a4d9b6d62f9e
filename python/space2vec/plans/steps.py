"""Normalisers: planes brought to a common scale, by one step or a chain of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec.data import flags as flag_bits
from space2vec.registry import NORMALISERS, Step

__all__ = ["MOST_STEPS", "Normalised", "Steps", "chain", "numbered"]

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
        Flags a plane, see :mod:`space2vec.data.flags`; always on the host, fetched when they are first looked at.
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
