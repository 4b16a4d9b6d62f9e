"""The compiled CUDA module: whether it was built, whether there is a driver and a device, in words."""

from __future__ import annotations

import contextlib
import importlib
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

from space2vec.errors import BackendError, DeviceLostError

__all__ = ["active", "built", "devices", "find", "ordinal", "out_of_memory", "tell", "told", "trouble", "versions"]

_MODULE = "space2vec._cuda"

#: What CUDA says of a failure after which nothing runs on the device in this process, as PyTorch repeats it.
_LOST = re.compile(
    r"illegal (memory access|address|instruction)|launch fail|launch timed out|ECC|device-side assert"
    r"|misaligned address|hardware stack|invalid program counter|busy or unavailable"
)


def _load() -> tuple[Any, str]:
    """Return the module, or why there is none."""
    try:
        return importlib.import_module(_MODULE), ""
    except ModuleNotFoundError as error:
        if error.name != _MODULE:
            raise
        return None, "this build has no CUDA backend"
    except ImportError as error:
        return None, f"this build's CUDA backend cannot be loaded ({error})"


def built() -> bool:
    """Tell whether this build has a CUDA backend, be there a device or not."""
    return _load()[0] is not None


def trouble(ordinal: int = 0) -> str:
    """Return why a device cannot be used, or nothing if it can: not built, no driver, no device."""
    module, why = _load()
    if module is None:
        return why
    count, reason = module.available()
    if count == 0:
        return f"this build has a CUDA backend, but {reason}"
    if not 0 <= ordinal < count:
        return f"there is no device {ordinal}: this machine has {count}, counted from 0"
    return ""


def active(ordinal: int = 0) -> Any:
    """Return the compiled module.

    Raises
    ------
    BackendError
        If the device cannot be used; the message says why.
    """
    if reason := trouble(ordinal):
        raise BackendError(f"device 'cuda:{ordinal}' is not available: {reason}; use 'cpu' or 'auto'")
    return _load()[0]


def devices() -> list[dict[str, Any]]:
    """Return what there is to say of each device: name, compute capability, memory, and so on; none without any."""
    module, _ = _load()
    return [] if module is None else [dict(module.properties(k)) for k in range(module.available()[0])]


def versions() -> dict[str, str]:
    """Return the versions of the CUDA runtime that was built in and of the driver, as far as they are there."""
    module, _ = _load()
    told = {} if module is None else module.versions()
    return {name: _version(number) for name, number in told.items() if number}


def _version(number: int) -> str:
    """Return CUDA's 13020 as 13.2."""
    return f"{number // 1000}.{math.floor(number % 1000 / 10)}"


def out_of_memory(error: Exception) -> bool:
    """Tell whether PyTorch, or a library of CUDA that it calls, had no memory left on a device."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    # cuBLAS and cuDNN say it in an error of their own, the runtime in one of CUDA's.
    return isinstance(error, RuntimeError) and re.search("out of memory|ALLOC_FAILED", str(error)) is not None


def tell(error: Exception, ordinal: int) -> None:
    """Raise a device that is lost, or a CUDA call that failed, as an error of the package; leave other errors alone.

    Raises
    ------
    DeviceLostError
        If the device does not answer any more.
    BackendError
        If CUDA refuses a call; what is out of memory stays what it is.
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
def told(ordinal: int) -> Iterator[None]:
    """Run a block whose errors are told as by :func:`tell`."""
    try:
        yield
    except Exception as error:
        tell(error, ordinal)
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


def find(device: str) -> tuple[int, str]:
    """Return the number of a CUDA device by its name, the first for ``"auto"``, and why kernels cannot run there.

    Raises
    ------
    ValueError
        If it is the name of none.
    """
    number = 0 if device == "auto" else ordinal(device)
    return number, trouble(number)
