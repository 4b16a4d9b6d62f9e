"""Describe this installation: backend, instruction set, GPU, optional packages and models."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import NamedTuple

from space2vec.backends import kernels
from space2vec.data.device import extension
from space2vec.errors import BackendError, ModelError, packages
from space2vec.models import runtimes
from space2vec.models.forest import Forest
from space2vec.models.load import load, packaged
from space2vec.registry import library_version

__all__ = ["Fact", "report"]


class Fact(NamedTuple):
    """One fact about this installation."""

    subject: str
    words: str


#: How to build the CUDA backend.
_BUILD = "pip install . -C cmake.define.SPACE2VEC_BUILD_CUDA=ON in the folder of space2vec's sources"

_CODECS = ("null", "deflate", "snappy", "zstandard")


def _backend() -> str:
    """Return which kernels compute on the CPU, and with which instruction set."""
    try:
        chosen = kernels.active()
    except BackendError as error:
        return f"none: {error}"
    if kernels.name() == "native":
        return f"native, instruction set {chosen.isa()}"
    return "numba (the compiled extension is absent, or SPACE2VEC_BACKEND asks for Numba)"


def _decoding() -> str:
    """Return what decompresses gzip, and which Avro codecs can be read."""
    try:
        compiled = kernels.require_extension("reading alerts")
    except BackendError as error:
        return f"none: {error}"
    engine = compiled.inflate_engine()
    if engine is None:
        return f"none: SPACE2VEC_INFLATE is {os.environ.get('SPACE2VEC_INFLATE')!r}, which is unknown or not installed"
    absent = "" if compiled.codec_available("zstandard") else "; no zstandard: it needs libzstd.so.1"
    return f"gzip by {engine}; Avro codecs {', '.join(c for c in _CODECS if compiled.codec_available(c))}{absent}"


def _cuda() -> str:
    """Return whether the CUDA backend was built, and the devices that it can use."""
    if not extension.is_built():
        return f"not built: {extension.unavailable_reason()}; device='cuda' raises. With nvcc: {_BUILD}"
    build = f"built with CUDA {extension.versions().get('runtime', '?')}"
    found = [
        f"cuda:{number} is {device['name']}, compute capability {device['compute_capability']}, "
        f"{device['memory'] / 2**30:.0f} GiB"
        for number, device in enumerate(extension.devices())
    ]
    if not found:
        return f"{build}, not present: {extension.unavailable_reason().split('but ')[-1]}; device='cuda' raises"
    return f"{build}, driver {extension.versions().get('driver', '?')}: {'; '.join(found)}"


def _networks() -> str:
    """Return what runs networks."""
    try:
        return f"run by {runtimes.runtime_from_environment() or f'the backend {kernels.name()}'}"
    except BackendError as error:
        return f"none: {error}"


def _optional(module: str) -> str:
    """Return the version of an optional package and its purpose, or how to install it."""
    version, purpose = packages.installed_version(module), packages.OPTIONAL[module].purpose
    return f"absent; for {purpose}: {packages.how_to_get(module)}" if version is None else f"{version}, for {purpose}"


def _models() -> list[Fact]:
    """Describe each packaged model."""
    lines = []
    for name, path in packaged().items():
        try:
            model = load(name)
        except (ModelError, BackendError) as error:
            lines.append(Fact(f"model {name}", str(error)))
            continue
        kind = "cascade of networks" if model.first is not None else "network"
        what = f"{len(model)} trees" if isinstance(model, Forest) else f"{kind} of {' and '.join(model.takes)}"
        if model.vector:
            what += f", vectors of {model.vector} integers"
        size = f"{path.stat().st_size / 1e6:.1f} MB"
        lines.append(Fact(f"model {name}", f"{what}, {len(model.feature_names)} columns, {size}, id {model.id}"))
    return lines or [Fact("models", "none packaged: run `make models`")]


def report() -> list[Fact]:
    """Describe this installation, one fact after the other."""
    facts = [
        ("space2vec", library_version()),
        ("python", f"{platform.python_version()} ({sys.executable}), NumPy {metadata.version('numpy')}"),
        ("machine", f"{platform.system()} {platform.machine()}"),
        ("backend", _backend()),
        ("decoding", _decoding()),
        ("threads", f"{kernels.thread_count(None)} usable cores"),
        ("cuda", _cuda()),
        *((one.package, _optional(module)) for module, one in packages.OPTIONAL.items()),
        ("networks", _networks()),
        *_models(),
    ]
    return [Fact(*fact) for fact in facts]
