"""Normalisers: chains of steps that bring planes to a common scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from space2vec.data import flags as flag_bits
from space2vec.registry import NORMALISERS, Step

if TYPE_CHECKING:
    from space2vec.data.types import LibraryArray

__all__ = ["MOST_STEPS", "Normalised", "Steps", "chain", "numbered_steps"]

#: The largest number of steps in a chain.
MOST_STEPS = 8

#: A normaliser by name, with those parameters that differ from the defaults of its definition.
OneStep: TypeAlias = "str | Step | tuple[str, Mapping[str, float]]"
#: One step, or several in order.
Steps: TypeAlias = "OneStep | Sequence[OneStep]"


class Normalised(flag_bits.Flagged):
    """Planes on a common scale.

    Parameters
    ----------
    planes : ndarray of float32 (..., height, width)
        The normalised pixels, an array of the input's library on its device. A plane without usable pixels, or one that
        a step would divide by zero, is all NaN.
    flags : ndarray of uint32 (...)
        The flags of each plane, see :mod:`space2vec.data.flags`; on the host, copied there when they are first read.
    steps : tuple of Step
        The steps, in order.
    """

    def __init__(self, planes: LibraryArray, flags: flag_bits.FlagSource, steps: tuple[Step, ...]) -> None:
        super().__init__(flags)
        self.planes: NDArray[np.float32] = planes
        self.steps = steps


def _check_step(step: OneStep) -> Step:
    """Check one step, and return it with all parameters."""
    if isinstance(step, Step):
        if step.name in NORMALISERS and len(step.values) != len(NORMALISERS[step.name].parameters):
            raise ValueError(f"a step {step.name!r} has {len(NORMALISERS[step.name].parameters)} parameters; {step!r}")
        return _check_step((step.name, step.parameters)) if step.name in NORMALISERS else _check_step(step.name)
    name, parameters = (step, {}) if isinstance(step, str) else step
    if name not in NORMALISERS:
        raise ValueError(f"unknown normaliser {name!r}; known normalisers: {', '.join(NORMALISERS)}")
    known = {entry.name: entry for entry in NORMALISERS[name].parameters}
    for key in parameters:
        if key not in known:
            accepted = f"its parameters are {', '.join(known)}" if known else "it has no parameters"
            raise ValueError(f"normaliser {name!r} has no parameter {key!r}; {accepted}")
    values: list[float] = []
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


def _is_step(value: object) -> TypeGuard[OneStep]:
    """Return whether an object describes one step rather than a sequence of them."""
    if isinstance(value, str | Step):
        return True
    return (
        isinstance(value, Sequence) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], Mapping)
    )


def chain(steps: Steps) -> tuple[Step, ...]:
    """Check the steps of a chain, and return them with all parameters.

    Parameters
    ----------
    steps : str, tuple or sequence
        A name of :data:`space2vec.registry.NORMALISERS`, such a name with parameters (``("asinh", {"softening":
        0.1})``), or a sequence of these.

    Raises
    ------
    TypeError
        If a step is neither a name nor a name with parameters, or a parameter is not a number.
    ValueError
        If a name or a parameter is unknown, a value is out of range, or there are no steps or too many.
    """
    several: list[object] = [steps] if _is_step(steps) else list(steps) if isinstance(steps, Sequence) else [steps]
    if not 1 <= len(several) <= MOST_STEPS:
        raise ValueError(f"a chain has 1 to {MOST_STEPS} steps; given {len(several)}")
    named: list[OneStep] = []
    for step in several:
        if not _is_step(step):
            raise TypeError(f"a step is a name, or a name and a mapping of parameters; given {step!r}")
        named.append(step)
    return tuple(_check_step(step) for step in named)


def numbered_steps(steps: Sequence[Step]) -> list[tuple[int, list[float]]]:
    """Return steps in the form of the kernels: the number of the normaliser, and its parameters."""
    order = tuple(NORMALISERS)
    return [(order.index(step.name), list(step.values)) for step in steps]
