"""``space2vec train``: labelled candidates to a model."""

from __future__ import annotations

from typing import Any

from space2vec.cli import train_forest, train_network, train_tablenet

__all__ = ["register"]


def register(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("train", help="train a model", description="Train a model and write its file.")
    kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True)
    train_forest.register(kinds)
    train_network.register(kinds)
    train_tablenet.register(kinds)
