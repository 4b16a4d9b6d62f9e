"""The kernels on data that lie on a device: results stay there, in the caller's library, on the caller's stream.

Nothing here waits for the device but what reads flags back, once they are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec.cuda.device_array import DeviceArray
from space2vec.cuda.event import follow
from space2vec.cuda.extension import active, told
from space2vec.cuda.inputs import beside
from space2vec.cuda.view import View, view
from space2vec.flags import UNSCORABLE
from space2vec.pixels import lies_on_device
from space2vec.registry import RECIPES, stamp_columns
from space2vec.stamps import CHANNELS

if TYPE_CHECKING:
    from space2vec.recipe import Recipe
    from space2vec.scoring import Needs
    from space2vec.stamps import Stamps

__all__ = ["features", "forest_table", "given", "later", "normalise", "predict", "prepare", "recipe_calls", "score"]

#: Flags that are read back from the device when they are looked at.
Flags = Callable[[], NDArray[np.uint32]]


def given(stamps: Stamps) -> tuple[View, tuple[Any, ...]]:
    """Return the pixels of stamps on a device, and the stamps as the compiled module takes them.

    Where the planes begin, their sizes and centres are copied to the device once for each Stamps, which then waits for
    its stream; whoever changes these arrays in place makes new Stamps of them.
    """
    pixels = stamps.there
    assert pixels is not None
    arrays = (stamps.offset, stamps.shape, stamps.centre)
    if stamps._geometry is None or any(a is not b for a, b in zip(stamps._geometry[0], arrays, strict=True)):
        there = [DeviceArray.of_host(array, ordinal=pixels.ordinal, stream=pixels.stream) for array in arrays]
        stamps._geometry = (arrays, there)
    offset, shape, centre = (array.address for array in stamps._geometry[1])
    level = math.nan if stamps.saturation is None else stamps.saturation
    # Of stamps without any plane nothing is read, but the kernels take no null pointer.
    return pixels, (pixels.address or offset, pixels.shape[0], offset, shape, centre, len(stamps), level)


def features(stamps: Stamps, sets: int, paper: bool) -> tuple[View, Flags]:
    """Return the stamp features (n, k) of the sets, and their flags (n,)."""
    values, flags = _measured(stamps, sets, paper)
    values.filled()
    return values, later(flags)


def _measured(stamps: Stamps, sets: int, paper: bool) -> tuple[View, View]:
    """Begin to measure stamps; return where their features (n, k) and flags (n,) will be."""
    pixels, batch = given(stamps)
    stream = pixels.stream
    values = pixels.empty((len(stamps), len(stamp_columns(sets))))
    flags = pixels.empty((len(stamps),), np.int32)
    if len(stamps):
        with told(pixels.ordinal):
            active(pixels.ordinal).features(pixels.ordinal, stream, batch, sets, paper, values.address, flags.address)
    return values, flags


def score(engine: Any, needs: Needs, stamps: Stamps) -> tuple[View, Flags]:
    """Return P(real) (n,) of stamps by a forest of the compiled module, NaN where a row is refused, and their flags.

    What is known of the stamps on the host, flags and columns of the catalogue, is copied there first, and waited for.
    """
    pixels, batch = given(stamps)
    raised = stamps.flags.astype(np.int32) if stamps.flags.any() else None
    known = [None if array is None else pixels.like(array) for array in (raised, beside(needs, stamps))]
    measure = needs.measure
    assert measure is not None
    values, flags = _measured(stamps, measure.sets, measure.convention == "paper")
    n, width = values.shape
    out = pixels.empty((n,))
    if n:
        places = [0 if there is None else there.address for there in known]
        with told(pixels.ordinal):
            table = forest_table(needs, (values.address, width, n, flags.address), places, batch)
            engine.score(pixels.stream, table, out.address)
    out.filled()
    return out, later(flags, values, *(there for there in known if there is not None))


def forest_table(
    needs: Needs, measured: tuple[int, int, int, int], known: Sequence[int], batch: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Return a table as a forest of the compiled module takes it.

    Parameters
    ----------
    needs : Needs
        What the forest takes.
    measured : tuple of int
        Where the features are, how many a row and of how many rows, and where their flags are.
    known : sequence of int
        Where the flags of the reader and the columns of the catalogue are; 0 where there are none.
    batch : tuple
        The stamps, as the compiled module takes them.
    """
    raised, catalogue = known
    return *measured, raised, batch[2], UNSCORABLE, catalogue, len(needs.catalogue), needs.rests_on_catalogue


def recipe_calls(recipe: Recipe) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the calls of the compiled module that a recipe is, one a chain: name, and arguments before the planes."""
    from space2vec.normalisers import numbered

    if recipe.name in RECIPES:
        return [("prepare", (recipe.name,))]
    order = [CHANNELS.index(channel) for channel in recipe.channels]
    return [("compose", (recipe.shape[1], order, numbered(steps))) for steps in recipe.chains]


def prepare(stamps: Stamps, recipe: Recipe) -> tuple[View, Flags]:
    """Return the planes (n, channel, height, width) of a recipe, and their flags (n,).

    Raises
    ------
    TypeError
        If the recipe has several chains, and the pixels are in a library that is not known to put them together.
    """
    pixels, batch = given(stamps)
    stream, n = pixels.stream, len(stamps)
    if recipe.views > 1 and pixels.library.name == "space2vec":
        raise TypeError(
            f"recipe {recipe.name!r} has {recipe.views} chains, whose planes PyTorch or CuPy put together on a device: "
            "give stamps that are an array of one of these"
        )
    parts: list[View] = []
    raised: list[View] = []
    for name, arguments in recipe_calls(recipe):
        planes = pixels.empty((n, recipe.shape[0] // recipe.views, *recipe.shape[1:]))
        flags = pixels.empty((n,), np.int32)
        if n:
            with told(pixels.ordinal):
                call = getattr(active(pixels.ordinal), name)
                call(pixels.ordinal, stream, batch, *arguments, planes.address, flags.address)
        planes.filled()
        parts.append(planes)
        raised.append(flags)
    reads = [later(flags) for flags in raised]
    whole = parts[0] if len(parts) == 1 else view(pixels.library.beside([part.owner for part in parts]), "planes")
    return whole, reads[0] if len(reads) == 1 else lambda: np.bitwise_or.reduce([read() for read in reads])


def normalise(
    array: Any, mask: Any, steps: Sequence[tuple[int, list[float]]], fill: float
) -> tuple[View, Callable[[], NDArray[np.uint32]]]:
    """Return planes (..., height, width) normalised, and their flags (...).

    Planes whose rows follow each other with gaps, as in a crop, are read where they lie.

    Raises
    ------
    TypeError, ValueError
        If the mask does not lie beside the array, or is of another type or shape.
    """
    pixels = view(array, "array")
    if len(pixels.shape) < 2:
        raise ValueError(f"array must have shape (..., height, width); given {pixels.shape}")
    hidden = None if mask is None else _mask(mask, pixels)
    height, width = pixels.shape[-2:]
    outer = pixels.shape[:-2]
    n = math.prod(outer)
    strided = len(outer) <= 1 and pixels.dtype == np.float32 and pixels.strides[-1] == 4
    if not strided or any(stride < 0 or stride % 4 for stride in pixels.strides) or pixels.strides[-2] < 4 * width:
        pixels = pixels.made_plain("array")
    row = pixels.strides[-2] // 4
    plane = pixels.strides[-3] // 4 if len(outer) == 1 else height * row
    stream = pixels.stream
    out, flags = pixels.empty((*outer, height, width)), pixels.empty((n,), np.int32)
    planes = (pixels.address, 0 if hidden is None else hidden.address, n, height, width, plane, row)
    if n:
        with told(pixels.ordinal):
            module = active(pixels.ordinal)
            if hidden is not None:
                follow(pixels.ordinal, stream, hidden.stream)
            module.normalise(pixels.ordinal, stream, planes, list(steps), fill, out.address, flags.address)
    out.filled()
    read = later(flags)
    return out, lambda: read().reshape(outer)


def _mask(mask: Any, pixels: View) -> View:
    """Return a mask (..., height, width) that lies beside the pixels."""
    if not lies_on_device(mask):
        raise TypeError(f"array lies on {pixels.device} and mask on the host: give both on one device")
    hidden = view(mask, "mask")
    if hidden.ordinal != pixels.ordinal:
        raise TypeError(f"array lies on {pixels.device} and mask on {hidden.device}: give both on one device")
    if hidden.dtype != np.bool_:
        raise TypeError(f"mask must be of bool, True where a pixel is left out; given {hidden.dtype}")
    if hidden.shape != pixels.shape or not hidden.packed(len(hidden.shape)):
        raise ValueError(
            f"mask on a device must have the array's shape {pixels.shape}, in C order; given {hidden.shape} with "
            f"strides {hidden.strides}"
        )
    return hidden


def predict(engine: Any, x: View) -> View:
    """Return P(real) (n,) of rows (n, k) by a forest of the compiled module that is on their device."""
    out = x.empty((x.shape[0],))
    if x.shape[0]:
        with told(x.ordinal):
            engine.predict(x.stream, x.address, x.shape[0], out.address)
    out.filled()
    return out


def later(flags: View, *kept: View) -> Flags:
    """Return what reads flags back, when they are looked at; the caller's stream may be gone by then.

    Until then it keeps arrays of ours that the work takes: to give their memory back is to wait for the device.
    """
    filled = flags.filled()
    ours = tuple(array for array in kept if isinstance(array.owner, DeviceArray))

    def read(_: tuple[View, ...] = ours) -> NDArray[np.uint32]:
        with told(flags.ordinal):
            return filled.read(flags.address, flags.shape, np.uint32)

    return read
