"""The optional packages: what each is for, which version is here, and how to get one that is not."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

__all__ = ["OPTIONAL", "Package", "how_to_get", "installed", "need"]


@dataclass(frozen=True, slots=True)
class Package:
    """A package that space2vec does without until somebody asks for what it does.

    Attributes
    ----------
    module : str
        What is imported.
    package : str
        What pip installs. Others that offer the same module count as well (``onnxruntime-gpu``, ``cupy-cuda12x``).
    purpose : str
        What it is for.
    extra : str
        The extra of this package that brings it; empty where none does.
    """

    module: str
    package: str
    purpose: str
    extra: str = ""


#: All of them, by module.
OPTIONAL: dict[str, Package] = {
    one.module: one
    for one in (
        Package(
            "onnxruntime",
            "onnxruntime",
            "running networks in floating point, where SPACE2VEC_RUNTIME asks for it",
            "onnx",
        ),
        Package("matplotlib", "matplotlib", "mosaics, curves and distributions", "plot"),
        Package("PIL", "pillow", "GIF stamps", "plot"),
        Package("sklearn", "scikit-learn", "training forests, and taking them over", "train"),
        Package("numba", "numba", "the Numba backend", "numba"),
        Package("galsim", "galsim", "the simulator's engine galsim", "sim"),
        Package("torch", "torch", "training networks, and running those without integers", "torch"),
        Package("onnx", "onnx", "writing networks as ONNX", "torch"),
        Package("onnxscript", "onnxscript", "writing networks as ONNX", "torch"),
        Package("cupy", "cupy-cuda13x", "arrays on a GPU without PyTorch", "cuda"),
        Package("lightgbm", "lightgbm", "boosted trees, which reproduce compares with"),
        Package("pandas", "pandas", "results as pandas tables"),
    )
}


def installed(module: str) -> str | None:
    """Return the version of an optional package, or nothing where it is not installed."""
    if importlib.util.find_spec(module) is None:
        return None
    from importlib import metadata

    try:
        return metadata.version(OPTIONAL[module].package)
    except metadata.PackageNotFoundError:  # another package brings the module
        packages = metadata.packages_distributions().get(module, [])
        return f"{metadata.version(packages[0])} ({packages[0]})" if packages else "of unknown version"


def how_to_get(module: str) -> str:
    """Return the command that installs an optional package: for who has the sources, and for who has not."""
    one = OPTIONAL[module]
    plain = f"pip install {one.package}"
    return f"pip install '.[{one.extra}]' in the folder of space2vec's sources, or {plain}" if one.extra else plain


def need(module: str, what: str, error: type[Exception] = ImportError) -> None:
    """See that an optional package is installed, for something that needs it.

    Parameters
    ----------
    module : str
        A name of :data:`OPTIONAL`.
    what : str
        What needs it, to begin the message with: ``"a picture needs matplotlib"``.
    error : type, optional
        What to raise.

    Raises
    ------
    ImportError
        Or `error`, if it is not installed; the message says how to get it.
    """
    if importlib.util.find_spec(module) is None:
        raise error(f"{what}: {how_to_get(module)}")
