"""Build the packaged models: ``make models``, or ``python -m space2vec.studies.packaged.build --help``."""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from space2vec.model_files.needs import Needs
from space2vec.models.custom_module import next_version
from space2vec.models.load import Model, load, packaged
from space2vec.models.network import Network
from space2vec.studies.packaged.cascade import build_stampnet_fast
from space2vec.studies.packaged.forests import build_autoscan, build_forest
from space2vec.studies.packaged.networks import build_stampnet, build_tablenet
from space2vec.studies.packaged.vectors import build_vectornet

__all__ = ["BUILDERS", "main", "with_version"]


def _print_metrics(metrics: dict[str, float]) -> None:
    """Print the metrics of an epoch."""
    print({name: round(value, 4) for name, value in metrics.items()}, file=sys.stderr, flush=True)


def _stampnet(output: Path) -> Network:
    """Return ``stampnet``, which scores what ``stampnet-fast`` doubts: of the output folder, else as packaged."""
    built = output / "stampnet.safetensors"
    return Network.load(built if built.exists() else packaged()["stampnet"])


#: The function that builds each model, of the data folder, the number of threads and the folder of models built before.
BUILDERS: dict[str, Callable[[Path, int, Path], Model]] = {
    "autoscan": lambda data, threads, _: build_autoscan(data, threads),
    "forest": lambda data, threads, _: build_forest(data, threads),
    "stampnet": lambda data, threads, _: build_stampnet(data, threads, _print_metrics),
    "stampnet-fast": lambda data, threads, output: build_stampnet_fast(
        data, _stampnet(output), threads, _print_metrics
    ),
    "tablenet": lambda data, threads, _: build_tablenet(data, _print_metrics),
    "vectornet": lambda data, threads, _: build_vectornet(data, threads, _print_metrics),
}


def with_version(model: Model, name: str) -> Model:
    """Return a model that was built anew, called by the next version of the packaged one if it gives other scores."""
    if name not in packaged():
        return model
    before = load(name)
    new = copy.copy(model)
    new.header = replace(model.header, name=before.name if before.digest == model.digest else next_version(before.name))
    new.needs = Needs.of(new.header)
    return new


def main(argv: Sequence[str] | None = None) -> int:
    """Build the models; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m space2vec.studies.packaged.build", description="Build the packaged models."
    )
    folder = os.environ.get("SPACE2VEC_DATA")
    parser.add_argument("--data", type=Path, default=folder, required=folder is None, help="the data folder")
    parser.add_argument("--output", type=Path, required=True, help="the folder for the model files")
    parser.add_argument("--only", nargs="+", choices=tuple(BUILDERS), default=tuple(BUILDERS), metavar="NAME")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads to train with (default: all)")
    arguments = parser.parse_args(argv)
    for name in sorted(arguments.only, key=tuple(BUILDERS).index):
        model = BUILDERS[name](Path(arguments.data), arguments.threads, arguments.output)
        model = with_version(model, name)
        path = arguments.output / f"{name}.safetensors"
        model.save(path)
        print(f"{path}: {model!r}, {path.stat().st_size / 1e6:.2f} MB")
        for what, figures in model.header.metrics.items():
            print(f"  {what}: {figures}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
