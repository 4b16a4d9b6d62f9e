"""Where Numba keeps what it has compiled, and what is said while it compiles."""

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
from typing import Any

import numba

from space2vec.errors import Space2vecWarning

__all__ = ["compiled", "tell_while_compiling"]

#: Seconds after which somebody wonders what is going on.
_PATIENCE = 1.5


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Return a function that Numba compiles at its first call, and keeps on the disk for the next process.

    It is kept beside the package, in Numba's folder of the user or, where neither can be written, in a folder of the
    user's own among the temporary files; nowhere, where there is none, which a warning says. What was compiled is
    dropped once any file of this folder has changed.
    """
    try:
        return _kept(function, options)
    except RuntimeError:  # neither the package's folder nor that of the user can be written
        folder = _temporary()
    if folder is None:
        _say_once("Numba has no folder to keep what it compiles: each process compiles anew. NUMBA_CACHE_DIR names one")
        return numba.njit(**options)(function)
    settings: Any = numba.config
    was = settings.CACHE_DIR
    settings.CACHE_DIR = str(folder)  # Numba asks for it when it decorates
    try:
        return _kept(function, options)
    finally:
        settings.CACHE_DIR = was


def _kept(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    dispatcher: Any = numba.njit(cache=True, **options)(function)
    # Numba looks at the function's own file alone, and inlines what lies in others.
    index = dispatcher._cache._cache_file
    index._source_stamp = (index._source_stamp, _sources())
    return dispatcher


@cache
def _sources() -> str:
    """Return a digest of all that goes into the compiled code."""
    folder = Path(__file__).parent
    package = folder.parent.parent
    files = [*sorted(folder.glob("*.py")), package / "registry.json", package / "model_files" / "integer_network.py"]
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        digest.update(file.name.encode() + b"\0" + hashlib.blake2b(file.read_bytes()).digest())
    return digest.hexdigest()


def _temporary() -> Path | None:
    """Return a folder that only this user can write, or nothing: what lies in it is loaded as code."""
    try:
        folder = Path(tempfile.gettempdir(), f"space2vec-numba-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if ours else None


def _say_once(text: str) -> None:
    """Warn, however many functions give the occasion."""
    if text not in _said:
        _said.add(text)
        warnings.warn(text, Space2vecWarning, stacklevel=2)


_said: set[str] = set()


@contextmanager
def tell_while_compiling() -> Iterator[None]:
    """Say on standard error what goes on in a block that may compile, and for how long, where that takes time."""
    began = time.monotonic()
    timer = threading.Timer(_PATIENCE, _tell, ["Numba compiles the kernels, which may take minutes"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    took = time.monotonic() - began
    if took > _PATIENCE:
        _tell(f"Numba has compiled the kernels in {took:.0f} s")


def _tell(text: str) -> None:
    print(f"space2vec: {text}", file=sys.stderr, flush=True)
