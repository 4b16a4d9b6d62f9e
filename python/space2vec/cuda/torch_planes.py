"""Networks on a device: PyTorch takes what the kernels have prepared where it lies, without a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec.cuda import dlpack
from space2vec.cuda.event import follow
from space2vec.cuda.slots import Slot
from space2vec.cuda.view import view
from space2vec.pixels import lies_on_device

if TYPE_CHECKING:
    import torch

    from space2vec.cuda.half_network import HalfNetwork
    from space2vec.cuda.inputs import Inputs
    from space2vec.recipe import Recipe

__all__ = ["Lying", "Planes", "as_tensor", "on_stream", "predict_in_place", "predict_on"]


class Lying:
    """Memory of a device in the words of ``__cuda_array_interface__``; it is somebody else's.

    Parameters
    ----------
    address : int
        The first element.
    shape : tuple of int
        The shape, in C order.
    dtype : dtype, optional
        The type of the elements.
    """

    def __init__(self, address: int, shape: tuple[int, ...], dtype: Any = np.float32) -> None:
        self.address, self.shape, self.dtype = address, shape, np.dtype(dtype)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The array as PyTorch takes it."""
        strides = dlpack.contiguous_strides(self.shape, self.dtype.itemsize)
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, False),
            "strides": strides,
            "version": 2,
        }


def as_tensor(lying: Lying, ordinal: int) -> torch.Tensor:
    """Return a tensor over memory of a device, without a copy."""
    import torch

    return torch.as_tensor(lying, device=f"cuda:{ordinal}")


def on_stream(ordinal: int, stream: int) -> Any:
    """Return a context in which PyTorch works on a stream of a device; 0 is the legacy default stream."""
    import torch

    device = f"cuda:{ordinal}"
    if stream == 0:
        return torch.cuda.stream(torch.cuda.default_stream(device))
    return torch.cuda.stream(torch.cuda.ExternalStream(stream, device=device))  # type: ignore[no-untyped-call]


class Planes:
    """The planes (n, channel, height, width) of a batch on a slot.

    Parameters
    ----------
    slot : Slot
        Where they are; PyTorch works on its stream.
    places : sequence of int
        The addresses of the planes of each chain of the recipe.
    n : int
        The number of rows.
    recipe : Recipe
        What they were prepared by.
    """

    def __init__(self, slot: Slot, places: list[int], n: int, recipe: Recipe) -> None:
        from space2vec.cuda.libraries import TORCH

        self._slot = slot
        shape = (n, recipe.shape[0] // recipe.views, *recipe.shape[1:])
        with on_stream(slot.ordinal, slot.stream):
            parts = [as_tensor(Lying(place, shape), slot.ordinal) for place in places]
            #: The planes as one tensor: the kernels' memory itself where the recipe has one chain.
            self.tensor: torch.Tensor = parts[0] if len(parts) == 1 else TORCH.beside(parts)

    def put(self, rows: NDArray[np.intp], channels: NDArray[np.intp], values: Any) -> None:
        """Set rows to 0, and some of their channels to planes that were prepared without the missing ones."""
        import torch

        device = self.tensor.device
        with on_stream(self._slot.ordinal, self._slot.stream):
            which = torch.as_tensor(rows, device=device)
            self.tensor[which] = 0
            given = torch.as_tensor(values, device=device)
            self.tensor[which[:, None], torch.as_tensor(channels, device=device)] = given


def predict_in_place(
    inputs: Sequence[Any],
    names: Iterable[str],
    check_shapes: Callable[[Sequence[tuple[int, ...]]], None],
    network_on: Callable[[str], HalfNetwork],
) -> torch.Tensor:
    """Return what a network on a device gives for inputs that lie there, on the caller's stream.

    Parameters
    ----------
    inputs : sequence of array
        The inputs.
    names : sequence of str
        What each of them is.
    check_shapes : callable
        Raises where the shapes are not those that the network takes.
    network_on : callable
        Returns the network on a device, by its name.

    Raises
    ------
    TypeError
        If they do not all lie on one device.
    BackendError
        If PyTorch has not that device.
    """
    from space2vec.device import resolve

    views = []
    for given, what in zip(inputs, names, strict=True):
        if not lies_on_device(given):
            raise TypeError(f"{what} lies on the host and another input on a device: give all on one device")
        views.append(view(given, what).made_plain(what))
    places = sorted({there.device for there in views})
    if len(places) > 1:
        raise TypeError(f"the inputs lie on {' and '.join(places)}: give all on one device")
    check_shapes([there.shape for there in views])
    network = network_on(resolve(places[0], "torch"))
    first = views[0]
    for there in views[1:]:
        follow(first.ordinal, first.stream, there.stream)
    with on_stream(first.ordinal, first.stream):
        return network([there.owner for there in views])


def predict_on(network: HalfNetwork, slot: Slot, inputs: Inputs) -> NDArray[np.float32]:
    """Return what a network gives for inputs whose planes are on a slot, on the slot's stream."""
    given = [] if inputs.planes is None else [inputs.planes.tensor]
    if inputs.features is not None:
        given.append(inputs.features)
    with on_stream(slot.ordinal, slot.stream):
        return network.on_host(given)
