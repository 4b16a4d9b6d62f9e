"""Compilation by Numba: the cache of compiled functions on the disk, and messages while Numba compiles."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numba

from space2vec.errors import Space2vecWarning

if TYPE_CHECKING:
    from space2vec.data.types import Untyped

__all__ = ["compile_and_cache", "tell_while_compiling"]

#: Seconds of compilation after which a message is printed.
_PATIENCE = 1.5


def compile_and_cache(function: Callable[..., object], **options: Untyped) -> Untyped:
    """Return a function that Numba compiles at its first call, and that later processes load from the disk.

    The cache is in the package's folder, in Numba's folder of the user or, if neither can be written, in a private
    folder among the temporary files. If there is none of these, each process compiles anew, and a warning says so. A
    change of any file of this package of kernels makes the cache invalid.
    """
    try:
        return _cached_jit(function, options)
    except RuntimeError:  # neither the package's folder nor that of the user can be written
        folder = _private_folder()
    if folder is None:
        _warn_once(
            "Numba has no folder to keep what it compiles: each process compiles anew. NUMBA_CACHE_DIR names one"
        )
        return numba.njit(**options)(function)
    settings: Untyped = numba.config
    previous = settings.CACHE_DIR
    settings.CACHE_DIR = str(folder)  # Numba reads it when a function is decorated
    try:
        return _cached_jit(function, options)
    finally:
        settings.CACHE_DIR = previous


def _cached_jit(function: Callable[..., object], options: dict[str, Untyped]) -> Untyped:
    """Return a function that Numba compiles and caches; RuntimeError if no folder can be written."""
    dispatcher: Untyped = numba.njit(cache=True, **options)(function)
    # Numba checks only the function's own file for changes, but inlines functions of others. It offers no other way to
    # add these to the check than its private names.
    index = dispatcher._cache._cache_file
    index._source_stamp = (index._source_stamp, _sources())
    return dispatcher


@cache
def _sources() -> str:
    """Return a digest of all files that the compiled code depends on."""
    folder = Path(__file__).parent
    package = folder.parent.parent
    files = [*sorted(folder.glob("*.py")), package / "registry.json", package / "model_files" / "integer_network.py"]
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(file.name.encode() + b"\0" + hashlib.blake2b(file.read_bytes()).digest())
    return digest.hexdigest()


def _private_folder() -> Path | None:
    """Return a temporary folder that only this user can write, or None; files in it are loaded as code."""
    try:
        folder = Path(tempfile.gettempdir(), f"space2vec-numba-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    private = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
    return folder if private else None


def _warn_once(text: str) -> None:
    """Warn once in a process, although every function is a reason to warn."""
    if text not in _warned:
        _warned.add(text)
        warnings.warn(text, Space2vecWarning, stacklevel=2)


_warned: set[str] = set()


@contextmanager
def tell_while_compiling() -> Iterator[None]:
    """Print to standard error that Numba compiles, and afterwards for how long, if a block takes more than a moment."""
    began = time.monotonic()
    timer = threading.Timer(_PATIENCE, _print, ["Numba compiles the kernels, which may take minutes"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    took = time.monotonic() - began
    if took > _PATIENCE:
        _print(f"Numba has compiled the kernels in {took:.0f} s")


def _print(text: str) -> None:
    print(f"space2vec: {text}", file=sys.stderr, flush=True)
