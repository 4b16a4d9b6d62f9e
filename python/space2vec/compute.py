"""The public functions that compute features of stamps, prepare their planes, and normalise planes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from space2vec.backends import choose, whole_images
from space2vec.data.arrays import image_array
from space2vec.data.detections import Detections
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.plans.features import FeaturePlan
from space2vec.plans.recipe import Prepared, Recipe
from space2vec.plans.steps import Normalised, Steps, chain
from space2vec.registry import Convention, FeatureSet, RecipeName, feature_set

if TYPE_CHECKING:
    from space2vec.data.types import LibraryArray

__all__ = ["features", "normalise", "prepare"]


def features(
    stamps: Stamps | Detections,
    *,
    set: FeatureSet = "autoscan",
    convention: Convention = "code",
    threads: int | None = None,
    device: str = "auto",
) -> Features:
    """Measure the features of stamps.

    Parameters
    ----------
    stamps : Stamps or Detections
        The candidates: stamps, or detections in whole images (:func:`space2vec.locate`), which are measured there.
    set : {"autoscan", "autoscan-stamp", "s2v", "stamp", "all"}, optional
        The set of features (docs/features.md). ``autoscan``: the 38 columns of Goldstein et al. (2015, AJ 150, 82)
        under their public names, NaN where the stamps have no such catalogue column. ``autoscan-stamp``: the eighteen
        of them that are measured on pixels. ``s2v``: 49 features measured on pixels, in units of the noise and of the
        PSF, of a triplet or of a difference alone. ``stamp``: the eighteen and ``s2v``. ``all``: the 38 and ``s2v``.
    convention : {"code", "paper"}
        Whether autoScan's released code or its paper defines a feature that they define differently.
    threads : int, optional
        Number of threads on the host; one per usable core by default.
    device : {"auto", "cpu", "cuda", "cuda:N"}, optional
        The device that computes; by default the one that holds the stamps. ``"cuda"`` copies stamps in host memory to a
        device, and their features back. Values are the same to the bit on every device.

    Returns
    -------
    Features
        Values (n, k) of float32, names and flags. An undefined value (0/0, x/0, no usable pixel) is NaN. The features
        of stamps on a device are on that device, in an array of the same library.

    Raises
    ------
    TypeError
        If ``stamps`` are neither :class:`Stamps` nor :class:`Detections`.
    ValueError
        If the set or the convention is unknown, or ``threads`` is below 1.
    BackendError
        If no backend can run on this machine, or the device cannot be used.

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
    plan = FeaturePlan(names, convention)
    if isinstance(stamps, Detections):
        return whole_images.measure(stamps, plan, threads, device)
    return choose(device, _check_stamps(stamps)).features(stamps, plan, threads)


def prepare(stamps: Stamps, recipe: Recipe | RecipeName, *, threads: int | None = None) -> Prepared:
    """Prepare the planes of stamps by a recipe, as networks need them, on the device that holds the stamps.

    Parameters
    ----------
    stamps : Stamps
        The candidates; they are not changed.
    recipe : Recipe or str
        The recipe, or its name.
    threads : int, optional
        Number of threads on the host; one per usable core by default.

    Returns
    -------
    Prepared
        Planes (n, channel, height, width) of float32, flags, and the recipe.

    Raises
    ------
    TypeError
        If ``stamps`` are not :class:`Stamps`; on a device, if the recipe has several chains and the library of the
        pixels is neither PyTorch nor CuPy.
    ValueError
        If the recipe is unknown, or ``threads`` is below 1.
    BackendError
        If no backend can run on this machine.

    Examples
    --------
    >>> stamps = s2v.simulate(20, seed=2).stamps
    >>> s2v.prepare(stamps, "braai").planes.shape
    (20, 3, 63, 63)
    """
    recipe = recipe if isinstance(recipe, Recipe) else Recipe(recipe)
    return choose("auto", _check_stamps(stamps)).prepare(stamps, recipe, threads)


def normalise(
    array: LibraryArray,
    steps: Steps,
    *,
    mask: ArrayLike | None = None,
    fill: float = math.nan,
    threads: int | None = None,
) -> Normalised:
    """Normalise planes, each by its own pixels, on the device that holds them.

    Parameters
    ----------
    array : array_like (..., height, width)
        Planes of any real dtype, byte order and strides (NumPy, or anything with DLPack); they are not changed. Masked
        pixels of a masked array are left out. On a CUDA device (CuPy, PyTorch, ...), planes (n, height, width) of
        float32 are read without a copy; PyTorch and CuPy copy any others on the device.
    steps : str, tuple or sequence
        The normaliser, or a chain of them, as for :func:`space2vec.plans.steps.chain`: ``"median-mad"``, or
        ``("median-mad", ("asinh", {"softening": 0.1}))``. They are described in docs/normalisers.md.
    mask : array_like of bool (..., height, width), optional
        True where a pixel is left out; it is broadcast to the array. For an array on a device, the mask is on the same
        device, in the same shape and in C order.
    fill : float, optional
        The value of pixels that are masked, NaN or infinite; NaN by default. Such pixels enter no statistic.
    threads : int, optional
        Number of threads; one per usable core by default.

    Returns
    -------
    Normalised
        Planes of the same shape in float32, flags, and the steps. A plane that has no usable pixel, or whose scale is
        0, is NaN and has the flag ``constant`` or ``zero_scale``.

    Raises
    ------
    TypeError
        If the array or the mask is of another type, or they are on different devices.
    ValueError
        If a step is unknown, the array has fewer than two axes or no pixels, or the mask does not fit the array.
    BackendError
        If no backend can run on this machine.

    Examples
    --------
    >>> s2v.normalise([[1.0, 2.0], [3.0, 5.0]], "min-max").planes
    array([[0.  , 0.25],
           [0.5 , 1.  ]], dtype=float32)
    >>> chained = s2v.normalise(np.eye(5), ("median-mad", ("asinh", {"softening": 0.5})))
    """
    chained = chain(steps)
    try:
        level = float(fill)
    except (TypeError, ValueError):
        raise TypeError(f"fill must be a number; given {fill!r}") from None
    array = image_array(array, "array")
    return choose("auto", array).normalise(array, mask, chained, level, threads)


def _check_stamps(stamps: object) -> Stamps:
    """Return stamps; TypeError for anything else."""
    if not isinstance(stamps, Stamps):
        raise TypeError(f"stamps must be space2vec.Stamps; given {type(stamps).__name__}. Wrap arrays in Stamps(...)")
    return stamps
