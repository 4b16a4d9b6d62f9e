"""The compiled CUDA module, and why it or a device cannot be used: not built, no driver, no device."""

from __future__ import annotations

import contextlib
import importlib
import math
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from space2vec.errors import BackendError, DeviceLostError

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = [
    "FoundDevice",
    "active",
    "devices",
    "find_device",
    "is_built",
    "ordinal",
    "out_of_memory",
    "raise_translated",
    "translate_errors",
    "unavailable_reason",
    "versions",
]

_MODULE = "space2vec._cuda"

#: Texts of CUDA errors, as PyTorch quotes them, after which nothing runs on the device in this process.
_LOST = re.compile(
    r"illegal (memory access|address|instruction)|launch fail|launch timed out|ECC|device-side assert"
    r"|misaligned address|hardware stack|invalid program counter|busy or unavailable"
)


class _LoadedModule(NamedTuple):
    """The compiled module, or the reason why there is none."""

    module: ModuleType | None
    reason: str


def _load() -> _LoadedModule:
    """Return the module, or ``None`` and the reason."""
    try:
        return _LoadedModule(importlib.import_module(_MODULE), "")
    except ModuleNotFoundError as error:
        if error.name != _MODULE:
            raise
        return _LoadedModule(None, "this build has no CUDA backend")
    except ImportError as error:
        return _LoadedModule(None, f"this build's CUDA backend cannot be loaded ({error})")


def is_built() -> bool:
    """Return whether this build has a CUDA backend, whether or not there is a device."""
    return _load().module is not None


def unavailable_reason(ordinal: int = 0) -> str:
    """Return the reason why a device cannot be used, or an empty text if it can."""
    module, why = _load()
    if module is None:
        return why
    count, reason = module.available()
    if count == 0:
        return f"this build has a CUDA backend, but {reason}"
    if not 0 <= ordinal < count:
        return f"there is no device {ordinal}: this machine has {count}, counted from 0"
    return ""


def active(ordinal: int = 0) -> ModuleType:
    """Return the compiled module.

    Raises
    ------
    BackendError
        If the device cannot be used; the message says why.
    """
    if reason := unavailable_reason(ordinal):
        raise BackendError(f"device 'cuda:{ordinal}' is not available: {reason}; use 'cpu' or 'auto'")
    module = _load().module
    assert module is not None
    return module


def devices() -> list[dict[str, Json]]:
    """Return the properties of each device: name, compute capability, memory, and so on."""
    module, _ = _load()
    return [] if module is None else [dict(module.properties(k)) for k in range(module.available()[0])]


def versions() -> dict[str, str]:
    """Return the versions of the linked CUDA ``runtime`` and of the ``driver``, as far as known."""
    module, _ = _load()
    numbers = {} if module is None else module.versions()
    return {name: _version(number) for name, number in numbers.items() if number}


def _version(number: int) -> str:
    """Format CUDA's version number 13020 as 13.2."""
    return f"{number // 1000}.{math.floor(number % 1000 / 10)}"


def out_of_memory(error: Exception) -> bool:
    """Return whether an error means that PyTorch, or a CUDA library it calls, ran out of device memory."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    # cuBLAS and cuDNN say it in an error of their own, the runtime in one of CUDA's.
    return isinstance(error, RuntimeError) and re.search("out of memory|ALLOC_FAILED", str(error)) is not None


def raise_translated(error: Exception, ordinal: int) -> None:
    """Raise the package's error for a lost device or a failed CUDA call; return for any other error.

    Raises
    ------
    DeviceLostError
        If the device no longer answers.
    BackendError
        If a CUDA call failed for another reason than lack of memory.
    """
    module = sys.modules.get(_MODULE)
    if module is None or isinstance(error, module.OutOfDeviceMemory):
        return
    if isinstance(error, module.DeviceLost):
        raise DeviceLostError(f"device 'cuda:{ordinal}' was lost: {error}") from error
    if isinstance(error, module.CudaError):
        raise BackendError(f"device 'cuda:{ordinal}' failed: {error}") from error
    if isinstance(error, RuntimeError) and str(error).startswith("CUDA error") and not out_of_memory(error):
        first = str(error).splitlines()[0]  # PyTorch's words; what follows is advice
        if _LOST.search(first):
            raise DeviceLostError(f"device 'cuda:{ordinal}' was lost: {first}") from error
        raise BackendError(f"device 'cuda:{ordinal}' failed: {first}") from error


@contextlib.contextmanager
def translate_errors(ordinal: int) -> Iterator[None]:
    """Run a block, and translate its errors by :func:`raise_translated`."""
    try:
        yield
    except Exception as error:
        raise_translated(error, ordinal)
        raise


def ordinal(device: str) -> int:
    """Return the number of a CUDA device by its name; ``"cuda"`` is the first.

    Raises
    ------
    ValueError
        If it is the name of none.
    """
    found = re.fullmatch(r"cuda(?::(\d{1,4}))?", device)
    if found is None:
        raise ValueError(f"unknown device {device!r}; known: auto, cpu, cuda, cuda:N")
    return int(found[1] or 0)


class FoundDevice(NamedTuple):
    """A device by its number, and the reason why it cannot be used; the reason is empty if it can."""

    ordinal: int
    reason: str


def find_device(device: str) -> FoundDevice:
    """Look up a CUDA device by name, the first one for ``"auto"``, and whether it can be used.

    Raises
    ------
    ValueError
        If it is the name of none.
    """
    number = 0 if device == "auto" else ordinal(device)
    return FoundDevice(number, unavailable_reason(number))
