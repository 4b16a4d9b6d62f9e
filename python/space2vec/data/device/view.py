"""Arrays on a device as their library shows them: taken over without a copy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.data.device import dlpack
from space2vec.data.device.array import UNKNOWN, Library, library_of
from space2vec.data.device.extension import active, trouble

__all__ = ["View", "to_host", "view"]

_FLOAT = np.dtype(np.float32)
#: The first version of ``__cuda_array_interface__`` that says the stream.
_WITH_STREAM = 3


@dataclass(frozen=True, slots=True)
class View:
    """An array on a device.

    Attributes
    ----------
    address : int
        Its first element.
    shape, strides : tuple of int
        Its shape, and the bytes from one element to the next along each axis.
    dtype : numpy.dtype
        The type of its elements.
    ordinal : int
        The number of the device.
    library : Library
        The library that it is of.
    owner : object
        What keeps the memory.
    told : int
        The stream that the array says it is worked on; 0 is the legacy default stream.
    """

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype[Any]
    ordinal: int
    library: Library
    owner: Any
    told: int = 0

    @property
    def device(self) -> str:
        """Where it lies: ``"cuda:0"``."""
        return f"cuda:{self.ordinal}"

    @property
    def stream(self) -> int:
        """The caller's stream, as it is now."""
        return self.library.stream(self.ordinal, self.told)

    @property
    def plain(self) -> bool:
        """Whether it is float32 in C order."""
        return self.dtype == _FLOAT and self.packed(len(self.shape))

    def packed(self, axes: int) -> bool:
        """Tell whether the last axes lie in C order without gaps."""
        step = self.dtype.itemsize
        for size, stride in list(zip(self.shape, self.strides, strict=True))[::-1][:axes]:
            if size != 1 and stride != step:
                return 0 in self.shape
            step *= size
        return True

    def made_plain(self, what: str) -> View:
        """Return float32 in C order: itself, or a copy that its library makes on the device.

        Raises
        ------
        TypeError
            If it is not of real numbers, or its library is none that is known to convert.
        """
        if self.plain:
            return self
        if self.dtype.kind not in "fiu":
            raise TypeError(f"{what} has dtype {self.dtype}; accepted are real floating point and integer dtypes")
        copy = self.library.plain(self.owner, _FLOAT)
        if copy is None:
            raise TypeError(
                f"{what} on {self.device} has dtype {self.dtype} and strides {self.strides}: the kernels take float32 "
                "in C order there, and only arrays of PyTorch and CuPy are converted; convert it by its own library"
            )
        return replace(view(copy, what), library=self.library)

    def planes(self, what: str) -> tuple[View, NDArray[np.int64]]:
        """Return the pixels as one run of float32 on the device, and where in it each plane begins.

        Planes that lie without gaps in themselves stay where they are, however they lie to one another (every second
        candidate, or some of the channels); others are copied as :meth:`made_plain` does.

        Raises
        ------
        TypeError
            As :meth:`made_plain`.
        """
        given = self
        if not (self.dtype == _FLOAT and self.packed(2) and all(s >= 0 and s % 4 == 0 for s in self.strides)):
            given = self.made_plain(what)
        outer = given.shape[:-2]
        starts = np.zeros(outer, dtype=np.int64)
        for axis, (size, stride) in enumerate(zip(outer, given.strides, strict=False)):
            steps = np.arange(size, dtype=np.int64) * (stride // 4)
            starts += steps.reshape((size, *(1,) * (len(outer) - 1 - axis)))
        height, width = given.shape[-2:]
        count = int(starts.max()) + height * width if starts.size else 0
        return replace(given, shape=(count,), strides=(4,)), starts

    def to_host(self) -> NDArray[Any]:
        """Return a copy of an array in C order on the host, once the work on the caller's stream is done."""
        out = np.empty(self.shape, self.dtype)
        module, stream = active(self.ordinal), self.stream
        if out.nbytes:
            module.copy(self.ordinal, stream, out.ctypes.data, self.address, out.nbytes, "to_host")
        module.stream_wait(self.ordinal, stream)
        return out


def view(values: Any, what: str) -> View:
    """Look at an array of a CUDA device.

    Parameters
    ----------
    values : CuPy array, Torch tensor, or anything with ``__cuda_array_interface__`` or ``__dlpack__``
        The array. Where it does not say on which device it lies, the driver is asked; where it does not say on which
        stream it is filled (a version of the interface below 3), ``__dlpack__`` is asked, or the device waited for.
    what : str
        What to call it in errors.

    Raises
    ------
    TypeError
        If it lies on a device of another kind or one that cannot be used here, is masked, does not say where it lies,
        or its elements do not lie at multiples of their size.
    """
    library = library_of(values)
    if hasattr(values, "detach"):  # a tensor of PyTorch
        values = values.detach()
        if str(values.dtype) == "torch.bfloat16":  # which NumPy, and so the interface, does not have
            values = values.float()
    if hasattr(values, "__dlpack_device__"):
        kind, ordinal = (int(part) for part in values.__dlpack_device__())
    else:
        kind, ordinal = _place((_described(values, what) or {"data": (0,)})["data"][0] or 0, what)
    if kind in dlpack.HOST:
        raise TypeError(f"{what} lies in memory of the host: give it as an array of the host")
    if kind not in (dlpack.CUDA, dlpack.CUDA_MANAGED):
        raise TypeError(f"{what} lies on a device of DLPack's kind {kind}; accepted are the host and CUDA devices")
    if reason := trouble(ordinal):
        raise TypeError(f"{what} lies on a device; {reason}: copy it to the host first")
    described = _described(values, what)
    unsaid = library is UNKNOWN and (described or {}).get("version", 0) < _WITH_STREAM
    if described is None or (unsaid and hasattr(values, "__dlpack__")):
        return _aligned(_lent(values, what, library), what)
    if unsaid:
        active(ordinal).device_wait(ordinal)  # any stream may be filling it
    if described.get("mask") is not None:
        raise TypeError(f"{what} is masked on its device: fill what is masked with NaN, and give the filled array")
    dtype, shape = np.dtype(described["typestr"]), tuple(int(size) for size in described["shape"])
    strides = described.get("strides") or dlpack.contiguous_strides(shape, dtype.itemsize)
    stream = described.get("stream") or 0
    steps, address = tuple(int(step) for step in strides), int(described["data"][0] or 0)
    return _aligned(View(address, shape, steps, dtype, ordinal, library, values, 0 if stream == 1 else stream), what)


def _described(values: Any, what: str) -> dict[str, Any] | None:
    """Return what an array says of itself by ``__cuda_array_interface__``, if it does; all of it must be there."""
    try:
        described: dict[str, Any] = values.__cuda_array_interface__
    except (AttributeError, TypeError, RuntimeError):  # of a type that the interface does not have, such as bfloat16
        return None
    if missing := [name for name in ("shape", "typestr", "data") if name not in described]:
        raise TypeError(f"{what} lies on a device, and its __cuda_array_interface__ has no {' and no '.join(missing)}")
    return described


def _lent(values: Any, what: str, library: Library) -> View:
    """Take an array over by DLPack, ready on the legacy default stream, on which we then work."""
    try:
        lent = dlpack.Lent(values.__dlpack__(stream=1))
    except (BufferError, TypeError, RuntimeError) as error:
        raise TypeError(f"{what} cannot be taken over by DLPack ({error})") from None
    return View(lent.address, lent.shape, lent.strides, lent.dtype, lent.ordinal, library, (values, lent))


def _aligned(there: View, what: str) -> View:
    """Refuse an array whose elements lie where a device cannot read them: the attempt would lose it."""
    step = there.dtype.alignment
    if 0 not in there.shape and (there.address % step or any(stride % step for stride in there.strides)):
        raise TypeError(
            f"{what} on {there.device} begins at {there.address:#x} with strides {there.strides}: a device reads "
            f"{there.dtype} at multiples of {step} bytes alone; copy it by its own library"
        )
    return there


def _place(address: int, what: str) -> tuple[int, int]:
    """Return the kind and number of the device on which an address lies; nothing lies on the first."""
    if reason := trouble():
        raise TypeError(f"{what} lies on a device; {reason}: copy it to the host first")
    kind, ordinal = active().memory_at(address) if address else (dlpack.CUDA, 0)
    return kind, ordinal


def to_host(values: Any) -> NDArray[Any]:
    """Return a result as an array of the host: itself, or a copy."""
    return values if isinstance(values, np.ndarray) else library_of(values).to_host(values)
