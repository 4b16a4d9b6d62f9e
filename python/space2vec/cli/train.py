"""``space2vec train``: labelled candidates to a model."""

from __future__ import annotations

import argparse

from space2vec.cli import train_forest, train_network, train_tablenet

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = "Train a model and write its file."
    kinds = parser.add_subparsers(title="kinds", metavar="KIND", required=True)
    train_forest.register(kinds.add_parser("forest", help="a random forest on features"))
    train_network.register(kinds.add_parser("network", help="a network on stamps"))
    train_tablenet.register(kinds.add_parser("tablenet", help="a network on features"))
