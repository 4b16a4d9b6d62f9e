"""``space2vec reproduce``: repeat a published comparison on a local copy of its public data."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from space2vec.cli.common import options_of, positive, table_metadata
from space2vec.cli.printing import print_line, print_lines, print_notice

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from space2vec.studies import trainable_models

    parser.description = "Repeat a published comparison."
    kinds = parser.add_subparsers(title="data", metavar="DATA", required=True)
    des = kinds.add_parser(
        "des",
        help="the DES autoScan data set",
        description="Train the paper's forest and the networks on one half of the public DES autoScan data set, and "
        "measure them on the other half, with bootstrap intervals and paired tests.",
    )
    defaults = trainable_models.TrainingEffort()
    des.add_argument(
        "folder", metavar="PATH", type=Path, help="the folder with autoscan_features.3.csv and stamps_0.tar ..."
    )
    des.add_argument("--json", metavar="FILE", type=Path, help="also write the figures as JSON")
    des.add_argument("--rows", type=positive, metavar="N", help="rows of the table (default: all)")
    des.add_argument(
        "--stamps",
        type=int,
        default=20_000,
        metavar="N",
        help="candidates whose stamps are used, 0: none (default: 20000)",
    )
    des.add_argument(
        "--train-share", type=float, default=0.5, metavar="SHARE", help="share of the ids to train on (default: 0.5)"
    )
    names = tuple(dict.fromkeys((*trainable_models.COLUMNS, *trainable_models.PIXELS)))
    des.add_argument(
        "--models",
        nargs="+",
        choices=names,
        default=names,
        metavar="NAME",
        help=f"models to train: {', '.join(names)} (default: all)",
    )
    des.add_argument("--trees", type=positive, default=defaults.trees, metavar="N", help="trees of each forest")
    des.add_argument(
        "--members", type=positive, default=defaults.members, metavar="N", help="boosted models to average"
    )
    des.add_argument(
        "--rounds", type=positive, default=defaults.rounds, metavar="N", help="trees of each boosted model"
    )
    des.add_argument(
        "--epochs", type=positive, metavar="N", help="epochs of each network (default: that of its trainer)"
    )
    des.add_argument("--bootstrap", type=positive, default=1000, metavar="N", help="resamples (default: 1000)")
    des.add_argument("--seed", type=int, default=defaults.seed)
    des.add_argument(
        "--threads", type=positive, default=defaults.threads, metavar="N", help="threads to train with (default: 1)"
    )
    des.add_argument("--device", default=defaults.device, help="device of PyTorch to train networks on (default: cpu)")
    des.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.data.atomic_file import write_whole
    from space2vec.studies.des import reproduce_des
    from space2vec.studies.trainable_models import TrainingEffort
    from space2vec.writing.places import check_writable

    if arguments.json:
        check_writable(arguments.json)
    names = ("trees", "members", "rounds", "epochs", "seed", "threads", "device")
    found = reproduce_des(
        arguments.folder,
        effort=TrainingEffort(**options_of(arguments, names)),
        report=print_notice,
        **options_of(arguments, ("rows", "stamps", "train_share", "models", "bootstrap")),
    )
    for what, figures in (("38 columns", found.columns), ("stamps", found.pixels)):
        if figures is not None:
            print_lines(f"{what}: {figures}\n")
    if arguments.json:
        document = table_metadata(**found.to_dict())
        write_whole(arguments.json, (json.dumps(document, indent=1) + "\n").encode())
        print_line(f"figures in {arguments.json}")
    return 1 if "left out" in found.about.get("stamps", {}) else 0
