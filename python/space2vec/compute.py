"""What is computed of stamps and planes: features, prepared planes, planes on a common scale."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import ArrayLike

from space2vec.backends import choose
from space2vec.data.arrays import image_array
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.plans.features import Measure
from space2vec.plans.recipe import Prepared, Recipe
from space2vec.plans.steps import Normalised, Steps, chain
from space2vec.registry import Convention, FeatureSet, RecipeName, feature_set

__all__ = ["features", "normalise", "prepare"]


def features(
    stamps: Stamps,
    *,
    set: FeatureSet = "autoscan",
    convention: Convention = "code",
    threads: int | None = None,
    device: str = "auto",
) -> Features:
    """Extract the features of a set.

    Parameters
    ----------
    stamps : Stamps
        The candidates.
    set : {"autoscan", "autoscan-stamp", "s2v", "stamp", "all"}, optional
        ``autoscan``: the 38 columns of Goldstein et al. 2015 (AJ 150, 82) under their public names, NaN where the
        catalogue is silent. ``autoscan-stamp``: the eighteen of them that come from the pixels. ``s2v``: features
        from the pixels alone, in units of the noise and of the PSF, of a triplet or of a difference alone.
        ``stamp``: the eighteen and ``s2v``. ``all``: the 38 and ``s2v``. See docs/features.md.
    convention : {"code", "paper"}
        Where autoScan's released code and its paper disagree, whose definition is used.
    threads : int, optional
        Number of threads, on the host; one a usable core by default.
    device : {"auto", "cpu", "cuda", "cuda:N"}, optional
        Where to compute: where the stamps lie by default. ``"cuda"`` takes stamps of the host to a device and their
        features back. The values are the same to the bit.

    Returns
    -------
    Features
        Values (n, k) float32, names and flags. What is undefined (0/0, x/0, no usable pixel) is NaN. Those of stamps on
        a device lie there, in their library; a set that has catalogue columns is put together on the host in between.

    Raises
    ------
    TypeError
        If ``stamps`` are no :class:`Stamps`.
    ValueError
        If the set or the convention is unknown, or ``threads`` is not positive.
    BackendError
        If no backend can run here, or not on that device.

    Examples
    --------
    >>> stamps = s2v.simulate(20, seed=2).stamps
    >>> table = s2v.features(stamps, set="s2v")
    >>> table.values.shape
    (20, 49)
    >>> table.names[:3]
    ('polarity', 'peak_snr', 'snr_2')
    """
    names = feature_set(set)
    if convention not in ("code", "paper"):
        raise ValueError(f"unknown convention {convention!r}; accepted are 'code' and 'paper'")
    return choose(device, _checked(stamps)).features(stamps, Measure(names, convention), threads)


def prepare(stamps: Stamps, recipe: Recipe | RecipeName, *, threads: int | None = None) -> Prepared:
    """Prepare stamps by a recipe, on the device on which they lie.

    Parameters
    ----------
    stamps : Stamps
        The candidates; they are not changed.
    recipe : Recipe or str
        The recipe, or its name.
    threads : int, optional
        Number of threads, on the host; one a usable core by default.

    Returns
    -------
    Prepared
        Planes (n, channel, height, width) float32, flags, and the recipe.

    Raises
    ------
    TypeError
        If ``stamps`` are no :class:`Stamps`; on a device, if the recipe has several chains and the library of the
        pixels is neither PyTorch nor CuPy.
    ValueError
        If the recipe is unknown or ``threads`` is not positive.
    BackendError
        If no backend can run here.

    Examples
    --------
    >>> stamps = s2v.simulate(20, seed=2).stamps
    >>> s2v.prepare(stamps, "braai").planes.shape
    (20, 3, 63, 63)
    """
    how = recipe if isinstance(recipe, Recipe) else Recipe(recipe)
    return choose("auto", _checked(stamps)).prepare(stamps, how, threads)


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

    Examples
    --------
    >>> s2v.normalise([[1.0, 2.0], [3.0, 5.0]], "min-max").planes
    array([[0.  , 0.25],
           [0.5 , 1.  ]], dtype=float32)
    >>> chained = s2v.normalise(np.eye(5), ("median-mad", ("asinh", {"softening": 0.5})))
    """
    what = chain(steps)
    try:
        level = float(fill)
    except (TypeError, ValueError):
        raise TypeError(f"fill must be a number; given {fill!r}") from None
    array = image_array(array, "array")
    planes, flags = choose("auto", array).normalise(array, mask, what, level, threads)
    return Normalised(planes, flags, what)


def _checked(stamps: Any) -> Stamps:
    """Return stamps, and refuse anything else."""
    if not isinstance(stamps, Stamps):
        raise TypeError(f"stamps must be space2vec.Stamps; given {type(stamps).__name__}. Wrap arrays in Stamps(...)")
    return stamps
