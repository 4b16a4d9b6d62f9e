"""``space2vec similar``: find the candidates of an index that look most like another one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space2vec.cli.common import Problems, check_no_input, check_picture, positive, table_metadata
from space2vec.cli.printing import print_line
from space2vec.cli.vector_files import add_stamps, read_all_vectors, stamps_of, write_rows
from space2vec.data.ids import id_keys

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps
    from space2vec.vectors import Neighbours

__all__ = ["register"]

#: The most candidates whose look-alikes are printed or drawn.
_SHOWN = 12


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Find the candidates of an index that look most like one of it, or like those of a table of vectors: their "
        "ids, and the likeness, the cosine of the angle between the two vectors."
    )
    parser.add_argument(
        "query",
        metavar="CANDID|FILE",
        help="the id of a candidate of the index, or a table of vectors (.parquet) of others",
    )
    parser.add_argument("--index", required=True, metavar="INDEX", help="an index that space2vec index build has made")
    parser.add_argument("-k", type=positive, default=20, metavar="K", help="how many to find for each (default: 20)")
    parser.add_argument(
        "--probes",
        type=positive,
        metavar="N",
        help="lists to open in a large index: more find more and take longer (default: one of 64)",
    )
    parser.add_argument(
        "-o", "--output", metavar="TABLE", help="write all of them as a table, of any format that score writes"
    )
    parser.add_argument("--mosaic", metavar="FILE.png", help="draw the candidate and its look-alikes; needs --stamps")
    add_stamps(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.vectors import Index
    from space2vec.writing.places import check_table_writable

    problems = Problems()
    if arguments.mosaic:
        check_picture(arguments.mosaic)
        if not arguments.stamps:
            raise ValueError("--mosaic needs --stamps, which says where the stamps are")
    if arguments.output:
        check_table_writable(Path(arguments.output))
    check_no_input([arguments.output, arguments.mosaic], [arguments.query, *arguments.stamps])
    index = Index(arguments.index)
    try:
        if Path(arguments.query).is_file():
            found = index.search(read_all_vectors([arguments.query]), arguments.k, probes=arguments.probes)
        else:
            found = index.similar(arguments.query, arguments.k, probes=arguments.probes)
    except KeyError as error:
        raise ValueError(f"{error.args[0]}, and there is no such file") from None
    _print(found)
    if arguments.output:
        table = found.to_arrow()
        note = table_metadata(rows=len(table), model=index.model, index=str(index.folder), k=arguments.k)
        write_rows(Path(arguments.output), table, note)
        print_line(f"{len(table)} look-alikes in {arguments.output}")
    if arguments.mosaic:
        wanted = {key for key in (*id_keys(found.query_id[:_SHOWN]), *found.candidate_id[:_SHOWN].ravel()) if key}
        print_line(draw(found, stamps_of(wanted, arguments.stamps, problems), arguments.mosaic))
    return problems.finish()


def _print(found: Neighbours) -> None:
    """Print the look-alikes of the first candidates."""
    for query, key in enumerate(id_keys(found.query_id[:_SHOWN])):
        print_line(f"look-alikes of {key or 'a candidate without an id'}:")
        if (found.row[query] < 0).all():
            print_line("  none: it has no vector, or the index no other")
        for likeness, candidate, name, flags in zip(
            found.likeness[query], found.candidate_id[query], found.object_id[query], found.flags[query], strict=True
        ):
            if not np.isnan(likeness):
                print_line(f"  {likeness:.4f}  {candidate or 'no id'}  {name or ''}  {flags}".rstrip())
    if len(found) > _SHOWN:
        print_line(f"... and of {len(found) - _SHOWN} further candidates; -o writes all")


def draw(found: Neighbours, stamps: Stamps | None, path: str) -> str:
    """Draw candidates with their look-alikes, and return a message."""
    from space2vec.plot import draw_blocks

    if stamps is None:
        return "no mosaic: the inputs of --stamps hold none of these candidates"
    rows = {key: row for row, key in enumerate(id_keys(stamps.candidate_id)) if key is not None}
    notes = [""] * len(stamps)
    order: list[int] = []
    blocks = {}
    for query, key in enumerate(id_keys(found.query_id[:_SHOWN])):
        own = [rows[key]] if key in rows else []
        pairs = zip(found.candidate_id[query], found.likeness[query], strict=True)
        like = [(rows[name], value) for name, value in pairs if name in rows]
        # A candidate may be like several others: each block has entries of its own.
        begin = len(order)
        order += [*own, *(row for row, _ in like)]
        notes[begin:] = [*["the candidate"] * len(own), *(f"likeness {value:.3f}" for _, value in like)]
        blocks[f"look-alikes of {key}"] = np.arange(begin, len(order))
    draw_blocks(stamps[np.array(order, dtype=np.intp)], blocks, notes=notes, path=path)
    return f"mosaic in {path}"
