"""Optional packages: the purpose of each, the installed version, and how to install it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

__all__ = ["OPTIONAL", "Package", "how_to_get", "installed_version", "need"]


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is needed for one purpose only, and need not be installed.

    Attributes
    ----------
    module : str
        The name of the module to import.
    package : str
        The name for pip. Packages that provide the same module (``onnxruntime-gpu``, ``cupy-cuda12x``) count as well.
    purpose : str
        Its purpose.
    extra : str
        The extra of space2vec that installs it; empty if there is none.
    """

    module: str
    package: str
    purpose: str
    extra: str = ""


#: The optional packages by module.
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
        Package("faiss", "faiss-cpu", "indexes of a million vectors or more", "vectors"),
        Package("numba", "numba", "the Numba backend", "numba"),
        Package("galsim", "galsim", "the simulator's engine galsim", "sim"),
        Package("torch", "torch", "training networks, and running those without integers", "torch"),
        Package("onnx", "onnx", "writing networks as ONNX", "torch"),
        Package("onnxscript", "onnxscript", "writing networks as ONNX", "torch"),
        Package("cupy", "cupy-cuda13x", "arrays on a GPU without PyTorch", "cuda"),
        Package("lightgbm", "lightgbm", "boosted trees, which reproduce compares with"),
        Package("pyspark", "pyspark[sql]", "scores in Spark", "spark"),
        Package("dask", "dask[dataframe]", "scores in Dask and LSDB", "dask"),
        Package("ray", "ray[data]", "scores in Ray", "ray"),
        Package("confluent_kafka", "confluent-kafka", "scores of a stream of alerts from Kafka", "kafka"),
        Package("pandas", "pandas", "results as pandas tables"),
    )
}


def installed_version(module: str) -> str | None:
    """Return the version of an optional package, or ``None`` if it is not installed."""
    if importlib.util.find_spec(module) is None:
        return None
    from importlib import metadata

    try:
        return metadata.version(OPTIONAL[module].package.partition("[")[0])
    except metadata.PackageNotFoundError:  # another package brings the module
        packages = metadata.packages_distributions().get(module, [])
        return f"{metadata.version(packages[0])} ({packages[0]})" if packages else "of unknown version"


def how_to_get(module: str) -> str:
    """Return the command that installs an optional package, from space2vec's sources or without them."""
    one = OPTIONAL[module]
    # Shells may take brackets for a pattern.
    plain = f"pip install '{one.package}'" if "[" in one.package else f"pip install {one.package}"
    return f"pip install '.[{one.extra}]' in the folder of space2vec's sources, or {plain}" if one.extra else plain


def need(module: str, what: str, error: type[Exception] = ImportError) -> None:
    """Raise an error if an optional package is not installed.

    Parameters
    ----------
    module : str
        A name of :data:`OPTIONAL`.
    what : str
        The begin of the message, which says what needs it: ``"a picture needs matplotlib"``.
    error : type, optional
        The type of the error.

    Raises
    ------
    ImportError
        Or `error`, if the package is not installed; the message says how to install it.
    """
    if importlib.util.find_spec(module) is None:
        raise error(f"{what}: {how_to_get(module)}")
