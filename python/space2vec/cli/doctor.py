"""``space2vec doctor``: show what this installation can do."""

from __future__ import annotations

import argparse

from space2vec.cli.printing import print_line

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Show what this installation can do: backend, instruction set, GPU, optional packages and models."
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.backends import kernels
    from space2vec.doctor import report
    from space2vec.errors import BackendError

    for name, value in report():
        print_line(f"{name + ':':<16} {value}")
    try:
        kernels.active()
    except BackendError:
        return 1
    return 0
