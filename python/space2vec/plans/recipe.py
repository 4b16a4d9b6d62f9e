"""Recipes: how pixels are prepared for a model."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data import flags as flag_bits
from space2vec.data.channels import CHANNELS, channel_positions
from space2vec.errors.text import NAME, one_line
from space2vec.plans.steps import Steps, chain
from space2vec.registry import NORMALISERS, RECIPES, RecipeEntry, RecipeName, Step

if TYPE_CHECKING:
    from space2vec.data.types import Json, LibraryArray

__all__ = ["Prepared", "Recipe"]


class Prepared(flag_bits.Flagged):
    """Prepared planes, ready for a model.

    Parameters
    ----------
    planes : ndarray of float32 (n, channel, height, width)
        The prepared pixels, an array of the stamps' library on their device. A row that cannot be prepared is all NaN.
    flags : ndarray of uint32 (n,)
        The flags of each row, see :mod:`space2vec.data.flags`; on the host, copied there when they are first read.
    recipe : Recipe
        The recipe; its ``channels`` name the channel axis, once for each chain of steps.
    """

    def __init__(self, planes: LibraryArray, flags: flag_bits.FlagSource, recipe: Recipe) -> None:
        super().__init__(flags)
        self.planes: NDArray[np.float32] = planes
        self.recipe = recipe


def _plain(steps: Sequence[Step]) -> list[dict[str, Json]]:
    """Return a chain of steps in the form that JSON stores."""
    return [
        {"name": step.name, "version": NORMALISERS[step.name].version, "parameters": step.parameters} for step in steps
    ]


def _describe(step: Step) -> str:
    """Return a step as text, such as ``asinh(softening=0.1)``."""
    values = ", ".join(f"{name}={value:g}" for name, value in step.parameters.items())
    return f"{step.name}({values})" if values else step.name


#: The largest square that a recipe of steps may cut.
_LARGEST_SQUARE = 4096


class Recipe:
    """A way to prepare stamps, identified by name and version; :meth:`of` makes one from normalisers.

    Parameters
    ----------
    name : str
        A name of :data:`space2vec.registry.RECIPES`.
    version : int, optional
        The required version, as stated in a model file; the current one by default.

    Raises
    ------
    ValueError
        If no recipe has that name and version.

    Examples
    --------
    >>> s2v.Recipe("braai").shape
    (3, 63, 63)
    >>> s2v.Recipe.of("mine", steps=("sigma-clip", "asinh"), side=51, channels=("difference",)).shape
    (1, 51, 51)
    """

    def __init__(self, name: RecipeName, version: int | None = None) -> None:
        if name not in RECIPES:
            raise ValueError(f"unknown recipe {name!r}; known recipes: {', '.join(RECIPES)}")
        if version not in (None, RECIPES[name].version):
            raise ValueError(f"recipe {name!r} has version {RECIPES[name].version} here; version {version} was asked")
        self._entry: RecipeEntry = RECIPES[name]

    @classmethod
    def of(
        cls,
        name: str,
        *,
        steps: Steps,
        further: Sequence[Steps] = (),
        side: int = 63,
        channels: Sequence[str] = CHANNELS,
        version: int = 1,
    ) -> Recipe:
        """Make a recipe from normalisers.

        A square is cut with the candidate at ``(side // 2, side // 2)``, and each plane is normalised by its own
        pixels. Null pixels (1e-30), pixels that are not finite and pixels outside the stamp are excluded from all
        statistics and become 0. A row is refused if a plane is constant or a step would divide by zero.

        Parameters
        ----------
        name : str
            A name that no recipe of the registry has.
        steps : str, tuple or sequence
            The normalisers of each plane, in a form of :func:`space2vec.plans.steps.chain`.
        further : sequence, optional
            More chains. Each of them adds all planes once more at the end of the channel axis of the output.
        side : int, optional
            Height and width of the output.
        channels : sequence of str, optional
            The planes along the channel axis of the output, in order.
        version : int, optional
            The version, at least 1, which is stored with the name.

        Raises
        ------
        TypeError
            If the name, the side or the version is of another type.
        ValueError
            If a recipe of the registry has the name, or a step, a channel, the side or the version is not valid.
        """
        if not isinstance(name, str):
            raise TypeError(f"name must be a str; given {name!r}")
        if not name or name in RECIPES:
            raise ValueError(
                f"name {name!r} is {'that of a recipe of the registry' if name else 'empty'}; give another"
            )
        number, pixels = operator.index(version), operator.index(side)
        if number < 1:
            raise ValueError(f"version must be at least 1; given {number}")
        if not 1 <= pixels <= _LARGEST_SQUARE:
            raise ValueError(f"side must be from 1 to {_LARGEST_SQUARE}; given {pixels}")
        chains = [chain(one) for one in (steps, *further)]
        planes = tuple(CHANNELS[position] for position in channel_positions(channels))
        normalisation = "; beside it ".join(", ".join(_describe(step) for step in steps) for steps in chains)
        definition = f"{pixels}x{pixels} around the candidate; {normalisation}; masked, bad and outside the stamp -> 0"
        recipe = cls.__new__(cls)
        recipe._entry = RecipeEntry(
            name, number, planes, pixels, pixels, definition, "", steps=chains[0], further=tuple(chains[1:])
        )
        return recipe

    @classmethod
    def from_plain(cls, plain: Mapping[str, Json]) -> Recipe:
        """Make a recipe from the result of :meth:`to_plain`, as read from JSON.

        Raises
        ------
        ValueError
            If it is damaged, or this package has another version of the recipe or of a normaliser.
        """
        try:
            name, version = plain["name"], plain["version"]
            if "steps" not in plain:
                return cls(name, version)
            chains = [plain["steps"], *plain.get("further", ())]
            for step in itertools.chain(*chains):
                here = NORMALISERS[step["name"]].version if step["name"] in NORMALISERS else step["version"]
                if step["version"] != here:
                    raise ValueError(f"normaliser {step['name']!r} has version {here} here, not {step['version']}")
            steps, *further = ([(step["name"], step["parameters"]) for step in one] for one in chains)
            side, channels = plain["side"], plain["channels"]
            return cls.of(name, steps=steps, further=further, side=side, channels=channels, version=version)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no recipe: {error!r}") from error

    def to_plain(self) -> dict[str, Json]:
        """Return name and version, and the steps unless the registry has the recipe, in a form that JSON stores."""
        entry = self._entry
        plain: dict[str, Json] = {"name": entry.name, "version": entry.version}
        if entry.name not in RECIPES:
            plain |= {"side": entry.height, "channels": list(entry.channels), "steps": _plain(entry.steps)}
        if entry.further:
            plain["further"] = [_plain(one) for one in entry.further]
        return plain

    def of_planes(self, channels: Sequence[str]) -> Recipe:
        """Return a recipe for some of the planes, which prepares each of them as this recipe does.

        Raises
        ------
        ValueError
            If the recipe lacks a channel, or does not prepare each plane by its own pixels.
        """
        unknown = [channel for channel in channels if channel not in self.channels]
        if unknown or not self.steps:
            why = f"has no plane {', '.join(unknown)}" if unknown else "does not prepare planes one by one"
            raise ValueError(f"recipe {self.name!r} {why}")
        name, side = f"{self.name} of {', '.join(channels)}", self._entry.height
        further = self._entry.further
        return Recipe.of(name, steps=self.steps, further=further, side=side, channels=channels, version=self.version)

    @property
    def name(self) -> str:
        """The name."""
        return self._entry.name

    @property
    def version(self) -> int:
        """The version."""
        return self._entry.version

    @property
    def channels(self) -> tuple[str, ...]:
        """The planes along the channel axis of the output, in order."""
        return self._entry.channels

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (channel, height, width) of one prepared triplet."""
        return self.views * len(self._entry.channels), self._entry.height, self._entry.width

    @property
    def views(self) -> int:
        """The number of times that the output has each plane: once for each chain of steps."""
        return 1 + len(self._entry.further)

    @property
    def definition(self) -> str:
        """A description of how pixels are prepared."""
        return self._entry.definition

    @property
    def steps(self) -> tuple[Step, ...]:
        """The normalisers of the first chain; empty for a recipe that is not made of normalisers."""
        return self._entry.steps

    @property
    def chains(self) -> tuple[tuple[Step, ...], ...]:
        """The chains of normalisers, each of which prepares all planes once; empty as for :attr:`steps`."""
        return (self.steps, *self._entry.further) if self.steps else ()

    def __repr__(self) -> str:
        return f"Recipe({one_line(repr(self.name), NAME)}, version={self.version})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self._entry == other._entry

    def __hash__(self) -> int:
        return hash(self._entry)
