"""DLPack: use arrays of other libraries without a copy, and export ours to them.

The layout is that of dlpack.h, version 0.8 (``DLManagedTensor``), which every library still supports.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

__all__ = ["CUDA", "CUDA_MANAGED", "HOST", "BorrowedArray", "lend"]

#: DLPack's numbers for ordinary and page-locked memory of the host.
HOST = 1, 3
#: DLPack's number for memory of a CUDA device; of managed memory, which devices read too.
CUDA, CUDA_MANAGED = 2, 13

#: The codes of DLPack for kinds of numbers, by NumPy's letter.
_CODES = {"i": 0, "u": 1, "f": 2, "c": 5, "b": 6}

# A capsule keeps the pointer to its name, so that the name must live as long as the process.
_FRESH = ctypes.c_char_p(b"dltensor")
_USED = ctypes.c_char_p(b"used_dltensor")


class _Device(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int32), ("ordinal", ctypes.c_int32))


class _Type(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("dtype", _Type),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))

_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, _Destructor)
_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", ctypes.pythonapi))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_SetName", ctypes.pythonapi))

#: A function of the C API of Python.
_Function: TypeAlias = Callable[[int, ctypes.c_char_p], int]


class BorrowedArray:
    """An array of another library, taken from a DLPack capsule; it is given back when this object is deleted.

    Parameters
    ----------
    capsule : PyCapsule
        The result of ``__dlpack__``.

    Attributes
    ----------
    address : int
        The first element.
    shape, strides : tuple of int
        The shape, and the bytes from one element to the next along each axis.
    dtype : numpy.dtype
        The type of the elements.
    ordinal : int
        The number of the device.

    Raises
    ------
    TypeError
        If it is not an unused DLPack capsule, or NumPy has no such type of elements.
    """

    def __init__(self, capsule: object) -> None:
        self._give_back: Callable[[int], None] | None = None
        if not _valid(id(capsule), _FRESH):
            raise TypeError("its __dlpack__ gives no capsule of DLPack, or one that is used already")
        self._address = _pointer(id(capsule), _FRESH)
        managed = _Managed.from_address(self._address)
        held = managed.tensor
        kinds = {code: letter for letter, code in _CODES.items()}
        try:
            if held.dtype.lanes != 1 or held.dtype.bits % 8:
                raise KeyError(held.dtype.bits)
            self.dtype = np.dtype(f"{kinds[held.dtype.code]}{held.dtype.bits // 8}")
        except (KeyError, TypeError):
            raise TypeError(f"its elements have DLPack's type {held.dtype.code} of {held.dtype.bits} bits") from None
        self.shape = tuple(int(held.shape[axis]) for axis in range(held.ndim))
        if held.strides:
            self.strides = tuple(int(held.strides[axis]) * self.dtype.itemsize for axis in range(held.ndim))
        else:
            self.strides = contiguous_strides(self.shape, self.dtype.itemsize)
        self.address = int(held.data or 0) + int(held.byte_offset)
        self.ordinal = int(held.device.ordinal)
        _rename(id(capsule), _USED)
        if managed.deleter:  # created now, because at the end of the interpreter it cannot be created
            self._give_back = _Deleter(managed.deleter)

    def __del__(self) -> None:
        if self._give_back is not None:
            self._give_back(self._address)


def contiguous_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the strides in bytes of an array in C order."""
    strides = [itemsize]
    for size in shape[:0:-1]:
        strides.insert(0, strides[0] * max(size, 1))
    return tuple(strides[: len(shape)])


#: Exported arrays by the address of their description, kept alive until the consumer gives them back.
_out: dict[int, tuple[object, ...]] = {}


# Consumers may give an array back at the interpreter's end, when this module's names are gone. So the two functions
# have all that they need as defaults, and their C thunks live as long as the process.
def _give_back(address: int, out: dict[int, tuple[object, ...]] = _out) -> None:
    out.pop(address, None)


def _drop_unused(
    capsule: int,
    valid: _Function = _valid,
    pointer: _Function = _pointer,
    fresh: ctypes.c_char_p = _FRESH,
    back: Callable[[int], None] = _give_back,
) -> None:
    if valid(capsule, fresh):  # no consumer has taken it
        back(pointer(capsule, fresh))


_given_back, _unused = _Deleter(_give_back), _Destructor(_drop_unused)
for _thunk in (_given_back, _unused, _FRESH, _USED):
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_thunk))


def lend(owner: object, address: int, shape: tuple[int, ...], dtype: np.dtype[np.generic], ordinal: int) -> object:
    """Make a DLPack capsule for an array in C order on a CUDA device; `owner` stays alive until it is given back.

    Raises
    ------
    BufferError
        If DLPack has no such type of elements.
    """
    if dtype.kind not in _CODES or not dtype.isnative:
        raise BufferError(f"DLPack has no elements of {dtype}")
    sizes = (ctypes.c_int64 * max(len(shape), 1))(*shape)
    strides = contiguous_strides(shape, dtype.itemsize)
    steps = (ctypes.c_int64 * max(len(shape), 1))(*(stride // dtype.itemsize for stride in strides))
    managed = _Managed()
    managed.tensor.data = address
    managed.tensor.device = _Device(CUDA, ordinal)
    managed.tensor.ndim = len(shape)
    managed.tensor.dtype = _Type(_CODES[dtype.kind], 8 * dtype.itemsize, 1)
    managed.tensor.shape = ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))
    managed.tensor.strides = ctypes.cast(steps, ctypes.POINTER(ctypes.c_int64))
    managed.deleter = ctypes.cast(_given_back, ctypes.c_void_p).value
    where = ctypes.addressof(managed)
    _out[where] = (managed, sizes, steps, owner)
    return _new(where, _FRESH, _unused)
