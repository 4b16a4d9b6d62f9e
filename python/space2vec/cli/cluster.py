"""``space2vec cluster``: find the kinds of a night's candidates, outliers first, and what is unlike all before."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.cli.common import Problems, check_no_input, check_picture, positive, table_metadata
from space2vec.cli.printing import print_line
from space2vec.cli.vector_files import add_stamps, read_all_vectors, stamps_of, write_rows
from space2vec.data.ids import id_keys
from space2vec.errors import OutputError
from space2vec.errors.text import NAME, one_line

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps
    from space2vec.data.vectors import Vectors
    from space2vec.vectors import Kind, Kinds

__all__ = ["register"]

#: The formats of the tables.
_FORMATS = ("parquet", "csv")
#: The files of the folder; what else it holds is not of this command.
_OWN = re.compile(
    r"(kinds|summary)\.(parquet|csv|csv\.json)|prototypes\.json|(outliers|novel|kind-[0-9]{3}[\w-]*)\.png"
)
#: Candidates in a picture: the most typical and the least typical of a kind; outliers, and what is new.
_TYPICAL, _EDGE, _ALONE = 12, 6, 36
#: Kinds that are printed.
_SHOWN = 20


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Divide the candidates of a night into kinds that look alike, by their vectors; write a table of them, "
        "outliers first, a summary, and a picture of each kind. Kinds keep their names from night to night; with an "
        "index of earlier nights, the table says what is unlike all before."
    )
    parser.add_argument(
        "vectors", nargs="+", metavar="VECTORS", help="tables of vectors (.parquet), as space2vec embed writes them"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="the folder of the results; earlier ones are replaced"
    )
    parser.add_argument(
        "--method",
        choices=("kmeans", "hdbscan"),
        default="kmeans",
        help="kmeans divides the night into a number of kinds, hdbscan finds dense places and leaves the rest as "
        "outliers (default: kmeans)",
    )
    parser.add_argument(
        "--kinds", type=positive, metavar="N", help="the number of kinds of kmeans (default: by the size of the night)"
    )
    parser.add_argument(
        "--smallest", type=positive, metavar="N", help="the fewest candidates of a kind (default: 5, hdbscan more)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of kmeans (default: 0)")
    parser.add_argument(
        "--prototypes",
        metavar="FILE.json",
        help="the kinds of earlier nights, by which kinds keep their names; it is made or written anew with this night "
        "(default: prototypes.json in the folder)",
    )
    parser.add_argument(
        "--index", metavar="INDEX", help="an index of earlier nights, to measure what is unlike all before"
    )
    add_stamps(parser)
    parser.add_argument("--format", choices=_FORMATS, default="parquet", help="of the tables (default: parquet)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.data.atomic_file import name_in_errors
    from space2vec.vectors import Index, Prototypes, cluster

    problems = Problems()
    folder = Path(arguments.output)
    if arguments.stamps:
        check_picture(str(folder.parent / "kinds.png"))
    _check_folder(folder)
    place = folder / "prototypes.json" if arguments.prototypes is None else Path(arguments.prototypes)
    check_no_input([place], [*arguments.vectors, *arguments.stamps])
    before = Prototypes.read(place) if place.exists() else None
    earlier = None if arguments.index is None else Index(arguments.index)
    vectors, further = _first_of_each(read_all_vectors(arguments.vectors))
    kinds = cluster(
        vectors,
        method=arguments.method,
        kinds=arguments.kinds,
        smallest=arguments.smallest,
        prototypes=before,
        earlier=earlier,
        seed=arguments.seed,
    )
    with name_in_errors("write", folder):
        folder.mkdir(exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    _write_tables(kinds, folder, arguments)
    assert kinds.prototypes is not None
    kinds.prototypes.write(place)
    _print(kinds)
    if further:
        print_line(f"further rows of the same candidates, left out: {further}")
    if before is not None and before.has_counted(vectors):
        print_line(f"{place} has counted these candidates already; they are not counted again")
    if arguments.stamps:
        shown = np.concatenate([*(rows for _, blocks in _pictures(kinds) for rows in blocks.values())])
        keys = id_keys(kinds.candidate_id)
        stamps = stamps_of({key for row in shown.tolist() if (key := keys[row])}, arguments.stamps, problems)
        print_line(_draw(kinds, stamps, folder))
    print_line(f"tables{' and pictures' if arguments.stamps else ''} in {folder}, the kinds of all nights in {place}")
    return problems.finish()


def _first_of_each(vectors: Vectors) -> tuple[Vectors, int]:
    """Return one row of each candidate, the first with a vector if there is one, and the number of the other rows."""
    keys, has_vector = id_keys(vectors.candidate_id), vectors.has_vector
    seen: set[str] = set()
    kept = np.ones(len(vectors), dtype=np.bool_)
    for row in np.argsort(~has_vector, kind="stable").tolist():
        key = keys[row]
        if key is not None:
            kept[row] = key not in seen
            seen.add(key)
    return (vectors, 0) if kept.all() else (vectors.rows(np.flatnonzero(kept)), int((~kept).sum()))


def _check_folder(folder: Path) -> None:
    """Raise an OutputError if the folder holds anything but results of this command."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder} is no folder")
    others = [file.name for file in folder.iterdir() if not _OWN.fullmatch(file.name)]
    if others:
        raise OutputError(
            f"{folder} holds other files than kinds ({one_line(min(others), NAME)}); move them or name a new folder"
        )


def _write_tables(kinds: Kinds, folder: Path, arguments: argparse.Namespace) -> None:
    """Write the table of the candidates, outliers first, and that of the kinds."""
    import pyarrow as pa

    for other in (folder / f"{name}.{suffix}" for name in ("kinds", "summary") for suffix in (*_FORMATS, "csv.json")):
        other.unlink(missing_ok=True)
    table = kinds[kinds.order()].to_arrow()
    note = table_metadata(model=kinds.model, method=arguments.method, rows=len(table))
    if not np.isnan(kinds.novel_above):
        note["novel_above"] = round(kinds.novel_above, 6)
    write_rows(folder / f"kinds.{arguments.format}", table, note)
    groups = kinds.groups
    summary = pa.table(
        {
            "kind": pa.array([group.name for group in groups], pa.string()),
            "candidates": pa.array([len(group) for group in groups], pa.int64()),
            "share": pa.array([len(group) / max(1, len(kinds)) for group in groups], pa.float64()),
            "median_distance": pa.array([group.distance for group in groups], pa.float64()),
            "novel": pa.array([len(np.intersect1d(group.rows, kinds.novel)) for group in groups], pa.int64()),
            "new": pa.array([group.is_new for group in groups], pa.bool_()),
        }
    )
    write_rows(folder / f"summary.{arguments.format}", summary, {**note, "rows": len(summary)})


def _three_decimals(distance: float) -> str:
    """Return a distance as it is printed; a night without kinds has none."""
    return "-" if np.isnan(distance) else f"{distance:.3f}"


def _numbers(kinds: Kinds, group: Kind) -> str:
    """Return a kind and its numbers in a few words."""
    share = 100 * len(group) / max(1, len(kinds))
    # On the first night all are new, which says nothing.
    first = kinds.prototypes is None or set(kinds.prototypes.nights) == {1}
    new = ", not on an earlier night" if group.is_new and not first else ""
    return f"{group.name}: {len(group)} ({share:.1f} %), median distance {_three_decimals(group.distance)}{new}"


def _print(kinds: Kinds) -> None:
    """Print the numbers of the kinds, and of what is new."""
    groups = kinds.groups
    for group in groups[:_SHOWN]:
        print_line(_numbers(kinds, group))
    if len(groups) > _SHOWN:
        print_line(f"... and {len(groups) - _SHOWN} larger kinds")
    without = int((kinds.kind == None).sum())  # noqa: E711 - elementwise
    if without:
        print_line(f"without a vector, in no kind: {without}")
    if not np.isnan(kinds.novel_above):
        print_line(f"unlike all before (novelty above {kinds.novel_above:.3f}): {len(kinds.novel)}")


def _pictures(kinds: Kinds) -> list[tuple[str, dict[str, NDArray[np.intp]]]]:
    """Return the name of each picture, and its blocks: titles and rows."""
    from space2vec.vectors.prototypes import OUTLIER

    pictures: list[tuple[str, dict[str, NDArray[np.intp]]]] = []
    number = 0
    for group in kinds.groups:
        words = _numbers(kinds, group)
        if group.name == OUTLIER:
            pictures.append(("outliers.png", {f"{words}: the farthest from all kinds": group.rows[:_ALONE]}))
            continue
        number += 1
        edge = max(_TYPICAL, len(group) - _EDGE)
        blocks = {words: group.rows[:_TYPICAL], "the least typical": group.rows[edge:][::-1]}
        slug = re.sub(r"[^A-Za-z0-9_-]+", "_", group.name)[:60]
        pictures.append((f"kind-{number:03d}-{slug}.png", blocks))
    if len(kinds.novel):
        title = f"unlike all before: the first of {len(kinds.novel)}"
        pictures.append(("novel.png", {title: kinds.novel[:_ALONE]}))
    return pictures


def _draw(kinds: Kinds, stamps: Stamps | None, folder: Path) -> str:
    """Draw the pictures, and return a message."""
    from space2vec.plot import draw_blocks

    if stamps is None:
        return "no pictures: the inputs of --stamps hold none of these candidates"
    places = {key: place for place, key in enumerate(id_keys(stamps.candidate_id)) if key is not None}
    keys, drawn = id_keys(kinds.candidate_id), 0
    for name, blocks in _pictures(kinds):
        rows = [row for index in blocks.values() for row in index.tolist() if keys[row] in places]
        if not rows:
            continue
        at = {row: place for place, row in enumerate(rows)}
        chosen = stamps[np.array([places[str(keys[row])] for row in rows])]
        here = {
            title: np.array([at[row] for row in index.tolist() if row in at], dtype=np.intp)
            for title, index in blocks.items()
        }
        notes = [_note(kinds, row) for row in rows]
        draw_blocks(chosen, here, notes=notes, flags_of=kinds.flags[rows], path=folder / name)
        drawn += 1
    return f"{drawn} pictures"


def _note(kinds: Kinds, row: int) -> str:
    novelty = "" if np.isnan(kinds.novelty[row]) else f"  novelty {kinds.novelty[row]:.3f}"
    return f"distance {_three_decimals(float(kinds.distance[row]))}{novelty}"
