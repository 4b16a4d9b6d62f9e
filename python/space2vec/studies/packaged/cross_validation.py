r"""Train ``stampnet`` on five folds of objects, by one recipe or several, so that every real alert is scored unseen.

    python -m space2vec.studies.packaged.cross_validation --data FOLDER --output FOLDER [--recipe today hardened]
    python -m benchmarks.accuracy.yardsticks --data FOLDER --against today --title "five folds" \
        --scores today=FOLDER/today hardened=FOLDER/hardened

A fold is two networks, as the packaged one is: a master of all columns, and ``stampnet``, half of whose targets are
the master's opinion. ``FOLDER/RECIPE/fold_0.safetensors`` is there when fold 0 is done. The same command goes on
where it was stopped: finished folds are skipped, and an unfinished network resumes after its last epoch.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.models.network import Network
from space2vec.studies.object_folds import FOLDS, train_and_test_rows
from space2vec.studies.packaged.alerts import all_alerts
from space2vec.studies.packaged.learning import RECIPES, LearningRecipe
from space2vec.studies.packaged.networks import EPOCHS, train_with_master
from space2vec.training.teacher import StampScorer

__all__ = ["main", "train_fold"]


def train_fold(
    recipe: LearningRecipe,
    alerts: LabelledStamps,
    weights: Path | StampScorer,
    folder: Path,
    *,
    fold: int = 0,
    epochs: int = EPOCHS,
    share: float = 1.0,
    threads: int | None = None,
    progress: Callable[[dict[str, float]], object] | None = None,
) -> Network:
    """Train the network of a fold, or go on with it, and keep it as ``folder/fold_N.safetensors``.

    Parameters
    ----------
    recipe : LearningRecipe
        What it learns from.
    alerts : LabelledStamps
        The alerts of the other folds.
    weights : Path or callable
        The published weights of braai.
    folder : Path
        The folder of the recipe.
    fold : int, optional
        The number of the fold, which is also the seed of the rows that are made of the alerts.
    epochs, threads, progress
        As for :func:`space2vec.training.train_network`.
    share : float, optional
        Of the rows that are made beside the alerts.

    Raises
    ------
    ImportError
        If PyTorch is absent.
    OutputError
        If the folder holds an unfinished network of other settings or rows.
    """
    finished = folder / f"fold_{fold}.safetensors"
    if finished.is_file():
        return Network.load(finished)
    network = train_with_master(
        recipe.rows(alerts, weights, seed=1000 * (fold + 1), share=share),
        recipe,
        epochs=epochs,
        folder=folder / f"fold_{fold}",
        threads=threads,
        progress=progress,
        name=f"stampnet, {recipe.name}, fold {fold}",
        training={"data": f"{len(alerts)} real ZTF alerts of the folds other than {fold}, and what was made of them"},
    )
    network.save(finished)
    return network


def main(argv: Sequence[str] | None = None) -> int:
    """Train the folds; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    folder = os.environ.get("SPACE2VEC_DATA")
    parser.add_argument("--data", type=Path, default=folder, required=folder is None, help="the data folder")
    parser.add_argument("--output", type=Path, required=True, help="the folder for models and unfinished runs")
    parser.add_argument("--recipe", nargs="+", choices=tuple(RECIPES), default=tuple(RECIPES))
    parser.add_argument("--folds", nargs="+", type=int, choices=range(FOLDS), default=list(range(FOLDS)), metavar="N")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--share", type=float, default=1.0, help="of the rows made beside the alerts (default: 1)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads to train with (default: all)")
    arguments = parser.parse_args(argv)
    import torch

    torch.set_num_threads(arguments.threads)
    alerts = all_alerts(Path(arguments.data))
    began = time.monotonic()

    def progress(metrics: dict[str, float]) -> None:
        values = {name: round(value, 4) for name, value in metrics.items()}
        print(f"{time.monotonic() - began:.0f} s {values}", file=sys.stderr, flush=True)

    # All recipes of a fold before the next fold: they can be compared as soon as one is done.
    for number, fold in train_and_test_rows(alerts.group, arguments.folds):
        for name in arguments.recipe:
            print(f"{time.monotonic() - began:.0f} s {name}, fold {number}", file=sys.stderr, flush=True)
            train_fold(
                RECIPES[name],
                alerts[fold.train],
                Path(arguments.data) / "braai" / "braai_d6_m9.npz",
                arguments.output / name,
                fold=number,
                epochs=arguments.epochs,
                share=arguments.share,
                threads=arguments.threads,
                progress=progress,
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
