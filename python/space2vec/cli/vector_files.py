"""What commands on vectors share: their tables, and the stamps of a few candidates for a picture."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.cli.common import Problems, read_batches
from space2vec.data.ids import id_keys

if TYPE_CHECKING:
    import pyarrow

    from space2vec.data.stamps import Stamps
    from space2vec.data.types import Json
    from space2vec.data.vectors import Vectors

__all__ = ["add_stamps", "read_all_vectors", "stamps_of", "write_rows"]


def add_stamps(parser: argparse.ArgumentParser) -> None:
    """Add --stamps."""
    parser.add_argument(
        "--stamps",
        action="append",
        default=[],
        metavar="INPUT",
        help="where the stamps of the pictures are: files, folders or globs as for space2vec score; may be given "
        "several times",
    )


def read_all_vectors(paths: Sequence[str]) -> Vectors:
    """Read tables of vectors, all of one model, as one."""
    from space2vec.data.vectors import Vectors
    from space2vec.reading.vectors import read_vectors

    tables = [read_vectors(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        if table.model != tables[0].model or table.size != tables[0].size:
            raise ValueError(
                f"vectors of two models: {paths[0]} is of {tables[0].model or 'no named model'}, {path} of "
                f"{table.model or 'no named model'}"
            )
    return Vectors.concatenate(tables)


def stamps_of(wanted: Collection[str], inputs: Sequence[str], problems: Problems) -> Stamps | None:
    """Read inputs and return the stamps of the wanted candidates, by id, or ``None`` if there are none.

    A candidate that occurs several times is returned once.
    """
    from space2vec.data.own_pixels import without_other_pixels
    from space2vec.data.stamps import Stamps
    from space2vec.reading import find

    options = argparse.Namespace(inputs=find(list(inputs)), schema=[], channels=None, limit=[], threads=None)
    missing = set(wanted)
    found: list[Stamps] = []
    for batch in read_batches(options, "stamps", problems):
        if not isinstance(batch.rows, Stamps):
            continue
        rows = []
        for row, key in enumerate(id_keys(batch.rows.candidate_id)):
            if key in missing:
                missing.discard(key)
                rows.append(row)
        if rows:
            found.append(without_other_pixels(batch.rows[rows]))
    return Stamps.concatenate(found) if found else None


def write_rows(path: Path, table: pyarrow.Table, note: dict[str, Json]) -> None:
    """Write a table in the format of its suffix, as a whole."""
    from space2vec.data.atomic_file import AtomicFile, write_whole
    from space2vec.reading.notes import note_file
    from space2vec.writing.formats import write_table
    from space2vec.writing.tables import concatenate_tables

    with AtomicFile(path) as file:
        beside = write_table(file, concatenate_tables(lambda: [table]), note, {})
        file.close()
        file.appear()
    place = note_file(path)
    if beside is not None and place is not None:
        write_whole(place, beside)
