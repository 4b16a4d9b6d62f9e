"""``space2vec train network``: data sets to a run folder with a model."""

from __future__ import annotations

import argparse
from pathlib import Path

from space2vec.cli.common import positive
from space2vec.cli.printing import print_line, print_lines, print_progress

__all__ = ["register", "tell_epoch"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from space2vec.registry import FEATURE_SETS

    parser.description = (
        "Train a network on data sets (space2vec simulate --format dataset) and write a run folder: "
        "settings.json, metrics.json, curves.png and model.safetensors. Needs PyTorch."
    )
    parser.add_argument("inputs", nargs="+", metavar="DATASET", help="a data set: a folder with a manifest.json")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="the run folder")
    parser.add_argument("--architecture", default="stampnet", metavar="NAME", help="default: stampnet")
    parser.add_argument("--set", choices=tuple(FEATURE_SETS), default="stamp", help="features beside the planes")
    parser.add_argument(
        "--validation", metavar="DATASET", help="to stop early and calibrate with (default: a tenth of the objects)"
    )
    parser.add_argument(
        "--teacher", type=float, default=0.0, metavar="SHARE", help="how much the teacher's score is of the target"
    )
    parser.add_argument("--epochs", type=positive, default=30)
    parser.add_argument("--batch", type=positive, default=128, metavar="ROWS")
    parser.add_argument("--learning-rate", type=float, default=3e-3, metavar="RATE", help="at its highest")
    parser.add_argument("--patience", type=positive, default=8, metavar="EPOCHS", help="without a gain, to the end")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", default="cpu", help="a device of PyTorch, such as cpu or cuda")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name", help="the model's name (default: that of the architecture)")
    parser.add_argument("--threads", type=positive, metavar="N", help="threads to use (default: one a usable core)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    parser.set_defaults(run=run)


def tell_epoch(metrics: dict[str, float]) -> None:
    """Show an epoch."""
    auc = f", AUC {metrics['validation_auc']:.4f}" if "validation_auc" in metrics else ""
    print_progress(
        f"epoch {metrics['epoch'] + 1:.0f}: loss {metrics['loss']:.4f}, "
        f"validation loss {metrics['validation_loss']:.4f}{auc}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if not 0.0 <= arguments.teacher <= 1.0:
        raise ValueError(f"--teacher must lie between 0 and 1; given {arguments.teacher}")
    from space2vec.dataset import read_dataset
    from space2vec.labelled import LabelledStamps
    from space2vec.training import train_network

    rows = LabelledStamps.concatenate([read_dataset(folder) for folder in arguments.inputs])
    checked = None if arguments.validation is None else read_dataset(arguments.validation)
    print_lines(f"{rows!r}")

    from space2vec.training.loop import Course

    network = train_network(
        rows,
        architecture=arguments.architecture,
        features=arguments.set,
        teacher=arguments.teacher,
        validation=checked,
        course=Course(
            epochs=arguments.epochs,
            batch=arguments.batch,
            learning_rate=arguments.learning_rate,
            patience=arguments.patience,
            seed=arguments.seed,
            precision=arguments.precision,
            device=arguments.device,
        ),
        folder=arguments.output,
        resume=arguments.resume,
        progress=tell_epoch,
        threads=arguments.threads,
        name=arguments.name,
        training={"data": [Path(name).name for name in arguments.inputs]},
    )
    print_line(f"{network!r} in {Path(arguments.output) / 'model.safetensors'}")
    for name, value in network.header.metrics["validation"].items():
        print_line(f"{name:<20}{value:>9.4f}")
    return 0
