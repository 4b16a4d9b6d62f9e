"""``space2vec info``: show the card of a model."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from space2vec.cli.own_module import add_module, load_model
from space2vec.cli.printing import print_lines

if TYPE_CHECKING:
    from space2vec.models.card import Speed
    from space2vec.models.model import Model

__all__ = ["measure_speed", "register"]

#: Candidates that are scored to measure the speed, and the rounds, of which the fastest counts.
_CANDIDATES, _ROUNDS = 512, 5


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Show the card of a model, as Markdown: what it takes, what it was trained on, for which surveys, on which "
        "figures, its limits, its size and its speed on this machine."
    )
    parser.add_argument("model", metavar="MODEL", help="a packaged model, a model file or a run folder")
    parser.add_argument("--no-speed", action="store_true", help="do not measure the speed")
    add_module(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.models.card import model_card, notes_of

    model = load_model(arguments)
    notes = notes_of(model)
    speed = None if arguments.no_speed else measure_speed(model)
    print_lines(model_card(model, notes=notes, speed=speed).rstrip("\n"))
    return 0


def measure_speed(model: Model) -> Speed | None:
    """Measure the processor time of simulated candidates on one thread; None if the model cannot take stamps."""
    from space2vec.bench.machine import processor
    from space2vec.errors import ModelError
    from space2vec.models.card import Speed
    from space2vec.simulation import simulate

    stamps = simulate(_CANDIDATES, seed=0).stamps
    taken = []
    try:
        for _ in range(_ROUNDS):
            begin = time.process_time()
            if model.vector:
                model.embed(stamps, threads=1, device="cpu")
            else:
                model.score(stamps, threads=1, device="cpu")
            taken.append(time.process_time() - begin)
    except ModelError:  # it takes a table
        return None
    return Speed(round(min(taken) / _CANDIDATES * 1e6, 1), processor())
