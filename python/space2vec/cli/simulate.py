"""``space2vec simulate``: alerts in ZTF's packet schema, with the truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from space2vec.cli.common import positive

__all__ = ["register"]


def register(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "simulate",
        help="simulate alerts",
        description="Write simulated alerts in ZTF's packet schema, and truth.csv beside them.",
    )
    parser.add_argument("-n", "--number", type=positive, default=1000, metavar="N", help="alerts (default: 1000)")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where to; made if it is not there")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same alerts")
    parser.add_argument("--real", type=float, default=0.5, metavar="SHARE", help="share of real ones (default: 0.5)")
    parser.add_argument("--size", type=positive, default=63, metavar="PIXELS", help="side of a stamp (default: 63)")
    parser.add_argument("--codec", choices=("null", "deflate", "snappy"), default="null", help="of the Avro blocks")
    parser.add_argument("--per-file", type=positive, default=1, metavar="N", help="alerts a file (default: 1)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.progress import Progress
    from space2vec.simulation import simulate, write_packets

    folder = Path(arguments.output)
    if (folder / "truth.csv").is_file():
        raise ValueError(f"{folder} holds a simulated night already, with its truth.csv; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with Progress("simulate", "alerts") as progress:
        night = simulate(
            arguments.number,
            seed=arguments.seed,
            size=arguments.size,
            real_fraction=arguments.real,
            progress=progress.update,
        )
    files = write_packets(night, folder, codec=arguments.codec, per_file=arguments.per_file)
    real = int(night.labels.sum())
    print(f"{len(night)} alerts ({real} real, {len(night) - real} bogus) in {len(files)} files in {folder}")
    print(f"truth in {folder / 'truth.csv'}")
    return 0
