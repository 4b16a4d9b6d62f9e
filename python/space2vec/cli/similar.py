"""``space2vec similar``: find the candidates of an index that look most like others."""

from __future__ import annotations

import argparse
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space2vec.cli.common import (
    Problems,
    add_compute_options,
    add_reading_options,
    check_no_input,
    check_picture,
    positive,
    read_batches,
    table_metadata,
)
from space2vec.cli.embed import add_vector_model, embed_batches
from space2vec.cli.printing import print_line
from space2vec.cli.vector_files import add_stamps, read_all_vectors, stamps_of, write_rows
from space2vec.data.flags import names
from space2vec.data.ids import id_keys
from space2vec.errors import ModelError

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps
    from space2vec.data.vectors import Vectors
    from space2vec.models.model import Model
    from space2vec.reading.batch import BatchRows
    from space2vec.vectors import Index, Neighbours

__all__ = ["register"]

#: The most candidates whose look-alikes are printed or drawn.
_SHOWN = 12
#: Candidates whose look-alikes are in memory at once.
_BLOCK = 4096


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Find the candidates of an index that look most like one of it, or like others: those of a table of vectors, "
        "or of alerts and stamps, which are embedded first. It gives their ids, and the likeness, the cosine of the "
        "angle between the two vectors."
    )
    parser.add_argument(
        "query",
        metavar="CANDID|FILE",
        help="the id of a candidate of the index; or others: a table of vectors (.parquet), or a file, folder or glob "
        "of alerts or stamps, as for space2vec embed; - for standard input",
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
    add_vector_model(parser, "the network that made the index, to embed alerts and stamps: packaged, or a model file")
    add_reading_options(parser)
    add_compute_options(parser)
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
    vectors, stamps = _find_candidates(arguments, index, problems)
    block = _BLOCK if arguments.output else _SHOWN
    found = (
        index.search(vectors.rows(slice(begin, begin + block)), arguments.k, probes=arguments.probes)
        for begin in range(0, max(1, len(vectors)), block)
    )
    first = next(found)
    _print(first, len(vectors))
    if arguments.output:
        print_line(_write(first, found, vectors, index, arguments))
    if arguments.mosaic:
        print_line(_draw(first, stamps, arguments, problems))
    return problems.finish()


def _find_candidates(arguments: argparse.Namespace, index: Index, problems: Problems) -> tuple[Vectors, Stamps | None]:
    """Return the vectors of the candidates to compare with; if they were read with pixels, the stamps of the first.

    Raises
    ------
    ValueError
        If the index has no such candidate, and there is no such file.
    ModelError
        If another model made the index than the one that would embed them.
    """
    from space2vec.reading.vectors import holds_vectors

    query: str = arguments.query
    if not os.path.exists(query) and query != "-":
        try:
            return index.vectors([index.find(query)]), None
        except KeyError as error:
            if not glob.has_magic(query):
                raise ValueError(f"{error.args[0]}, and there is no such file") from None
    if holds_vectors(query):
        return read_all_vectors([query]), None
    return _embed(arguments, index, problems)


def _embed(arguments: argparse.Namespace, index: Index, problems: Problems) -> tuple[Vectors, Stamps | None]:
    """Embed alerts and stamps by the model of an index."""
    from space2vec.backends import choice
    from space2vec.data.own_pixels import without_other_pixels
    from space2vec.data.stamps import Stamps
    from space2vec.data.vectors import Vectors
    from space2vec.reading import files, find

    model = _load_model(arguments.model, index)
    where = choice.usable_device(arguments.device, bulk=True)
    arguments.inputs = find(arguments.query)
    check_no_input([arguments.output, arguments.mosaic], files(arguments.inputs))
    # A reader that embeds keeps no pixels.
    reader_model = None if arguments.mosaic else model
    first: list[Stamps] = []

    def rows() -> Iterator[BatchRows]:
        missing = _SHOWN if arguments.mosaic else 0
        for batch in read_batches(arguments, "embed", problems, model=reader_model, device=where):
            if missing and isinstance(batch.rows, Stamps):
                first.append(without_other_pixels(batch.rows[:missing]))
                missing -= len(first[-1])
            yield batch.rows

    parts = list(embed_batches(model, rows(), where, arguments.threads))
    if not parts:
        parts = [model.embed(Stamps.concatenate([]))]
    return Vectors.concatenate(parts), Stamps.concatenate(first) if first else None


def _load_model(name: str, index: Index) -> Model:
    """Load the model that embeds candidates for an index; ModelError if another one made the index."""
    from space2vec.models.load import load

    model = load(name)
    model.check_gives_vectors()
    if model.id != index.model:
        raise ModelError(
            f"the index holds vectors by {index.model}, and {name} is {model.id}, whose vectors cannot be compared "
            "with them: name the file of the model that made the index by --model, or make the index anew"
        )
    return model


def _write(
    first: Neighbours, others: Iterator[Neighbours], vectors: Vectors, index: Index, arguments: argparse.Namespace
) -> str:
    """Write the table of all look-alikes, and return a message."""
    import pyarrow as pa

    table = pa.concat_tables([first.to_arrow(), *(found.to_arrow() for found in others)])
    note = table_metadata(rows=len(table), model=index.model, index=str(index.folder), k=arguments.k)
    write_rows(Path(arguments.output), table, note)
    rank = table.column("rank")
    without = int(np.count_nonzero(~vectors.has_vector))
    lost = f"; {without} of {len(vectors)} candidates have no vector" if without else ""
    return f"{len(rank) - rank.null_count} look-alikes in {arguments.output}{lost}"


def _names(found: Neighbours) -> list[str]:
    """Return what each of the first candidates is called: its id, its object, or that it has none."""
    keys, objects = id_keys(found.query_id[:_SHOWN]), found.query_object_id[:_SHOWN].tolist()
    return [key or str(name or "a candidate without an id") for key, name in zip(keys, objects, strict=True)]


def _print(found: Neighbours, candidates: int) -> None:
    """Print the look-alikes of the first candidates."""
    if not candidates:
        print_line("no candidates to compare with")
    for query, name in enumerate(_names(found)):
        print_line(f"look-alikes of {name}:")
        if (found.row[query] < 0).all():
            flags = "|".join(names(int(found.query_flags[query])))
            print_line(f"  none: it has no vector, or the index no other{f'; its flags are {flags}' if flags else ''}")
        for likeness, candidate, name, flags in zip(
            found.likeness[query], found.candidate_id[query], found.object_id[query], found.flags[query], strict=True
        ):
            if not np.isnan(likeness):
                print_line(f"  {likeness:.4f}  {candidate or 'no id'}  {name or ''}  {flags}".rstrip())
    if candidates > _SHOWN:
        print_line(f"... and of {candidates - _SHOWN} further candidates; -o writes all")


def _draw(found: Neighbours, own: Stamps | None, arguments: argparse.Namespace, problems: Problems) -> str:
    """Draw the first candidates with their look-alikes, and return a message.

    The pixels of the candidates are their `own`, row by row; without them, those of the same ids among --stamps.
    """
    from space2vec.data.stamps import Stamps
    from space2vec.plot import draw_blocks

    wanted = {key for key in found.candidate_id[:_SHOWN].ravel() if key}
    if not wanted:
        return "no mosaic: there are no look-alikes"
    if own is None:
        wanted.update(key for key in id_keys(found.query_id[:_SHOWN]) if key)
    alike = stamps_of(wanted, arguments.stamps, problems)
    if alike is None:
        return "no mosaic: the inputs of --stamps hold none of these candidates"
    rows = {key: row for row, key in enumerate(id_keys(alike.candidate_id)) if key is not None}
    stamps = alike if own is None else Stamps.concatenate([alike, own])
    notes: list[str] = []
    order: list[int] = []
    blocks = {}
    for query, (key, name) in enumerate(zip(id_keys(found.query_id[:_SHOWN]), _names(found), strict=True)):
        begin = len(order)
        if own is not None:
            order.append(len(alike) + query)
        elif key in rows:
            order.append(rows[key])
        notes += ["the candidate"] * (len(order) - begin)
        # A candidate may be like several others: each block has entries of its own.
        for other, likeness in zip(found.candidate_id[query], found.likeness[query], strict=True):
            if other in rows:
                order.append(rows[other])
                notes.append(f"likeness {likeness:.3f}")
        title = f"look-alikes of {name}"
        blocks[title if title not in blocks else f"{title} (row {query})"] = np.arange(begin, len(order))
    draw_blocks(stamps[np.array(order, dtype=np.intp)], blocks, notes=notes, path=arguments.mosaic)
    return f"mosaic in {arguments.mosaic}"
