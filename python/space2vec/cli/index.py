"""``space2vec index``: make an index of vectors, and add nights to it."""

from __future__ import annotations

import argparse
from pathlib import Path

from space2vec.cli.common import positive
from space2vec.cli.printing import print_line

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the commands build and add, and their options."""
    parser.description = (
        "Keep the vectors of many nights in a folder, in which space2vec similar finds the candidates that look most "
        "like another, and space2vec cluster those that are unlike all before."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    build = commands.add_parser("build", help="make an index", description="Make an index of tables of vectors.")
    _add_vectors(build)
    build.add_argument("-o", "--output", required=True, metavar="INDEX", help="the folder of the index, a new one")
    build.add_argument(
        "--exact-below",
        type=positive,
        default=1_000_000,
        metavar="N",
        help="below so many vectors a search compares with all of them; from then on it opens lists of neighbouring "
        "vectors, which needs faiss (default: 1000000)",
    )
    build.set_defaults(run=_build)
    add = commands.add_parser(
        "add",
        help="add nights to an index",
        description="Add tables of vectors to an index. A candidate that is in it already is left out.",
    )
    add.add_argument("index", metavar="INDEX", help="the folder of the index")
    _add_vectors(add)
    add.set_defaults(run=_add)


def _add_vectors(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "vectors", nargs="+", metavar="VECTORS", help="tables of vectors (.parquet), as space2vec embed writes them"
    )


def _build(arguments: argparse.Namespace) -> int:
    """Make an index of the first table, and add the others."""
    from space2vec.reading.vectors import read_vectors
    from space2vec.vectors import Index

    first = read_vectors(arguments.vectors[0])
    index = Index.build(first[:0], arguments.output, exact_below=arguments.exact_below)
    print_line(f"{arguments.vectors[0]}: {index.add(first)}")
    return _add_tables(index.folder, arguments.vectors[1:])


def _add(arguments: argparse.Namespace) -> int:
    """Add tables to an index."""
    return _add_tables(arguments.index, arguments.vectors)


def _add_tables(folder: str | Path, tables: list[str]) -> int:
    from space2vec.reading.vectors import read_vectors
    from space2vec.vectors import Index

    index = Index(folder)
    for table in tables:
        print_line(f"{table}: {index.add(read_vectors(table))}")
    how = "a search compares with all of them" if index.is_exact else "a search opens lists of them"
    print_line(f"{len(index)} vectors in {index.folder}; {how}")
    return 0
