"""``space2vec explain``: show which features and which pixels moved the score of a candidate."""

from __future__ import annotations

import argparse
import difflib
import heapq
import json
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.cli.common import (
    Problems,
    add_inputs,
    add_model,
    add_threads,
    check_no_input,
    check_picture,
    positive,
    read_batches,
)
from space2vec.cli.own_module import load_scorer
from space2vec.cli.printing import print_line, print_notice
from space2vec.errors.text import NAME, one_line

if TYPE_CHECKING:
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features

__all__ = ["register"]

#: The most ids that an error names, and those among which the most similar ones are looked for.
_NAMED, _COMPARED = 3, 200


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Show which features and which pixels moved the score of a candidate: in words, as a picture, and as JSON."
    )
    parser.add_argument(
        "candidate",
        metavar="CANDID|ROW",
        help="the candidate: its id, the id of an object that has no other candidate there, or the number of its row "
        "in the input, from 0",
    )
    add_inputs(parser)
    add_model(parser)
    parser.add_argument("-o", "--output", metavar="FILE.png", help="a picture: .png, .pdf, .svg or .jpg")
    parser.add_argument("--json", metavar="FILE", help="all effects as JSON, the maps of the planes included")
    parser.add_argument(
        "--patch", type=_odd, default=5, metavar="N", help="side of the patches that are hidden, pixels (default: 5)"
    )
    add_threads(parser)
    parser.set_defaults(run=run)


def _odd(text: str) -> int:
    """Parse an odd number above 0, for argparse."""
    number = positive(text)
    if number % 2 == 0:
        raise argparse.ArgumentTypeError(f"{text} is even: a patch has a pixel in its middle")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec.data.atomic_file import write_whole
    from space2vec.data.stamps import Stamps
    from space2vec.explanation import explain
    from space2vec.explanation.text import describe
    from space2vec.plot import explanation
    from space2vec.reading import files, find
    from space2vec.writing.places import check_writable

    arguments.inputs = find(arguments.inputs)
    check_no_input([arguments.output, arguments.json], files(arguments.inputs))
    if arguments.output:
        check_picture(arguments.output)
    if arguments.json:
        check_writable(Path(arguments.json))
    model = load_scorer(arguments)
    problems = Problems()
    one = _find_candidate(arguments, problems)
    explained = explain(model, one, patch=arguments.patch, threads=arguments.threads)
    for line in describe(explained):
        print_line(line)
    if arguments.json:
        write_whole(arguments.json, json.dumps(explained.to_dict(), allow_nan=False).encode() + b"\n")
    if arguments.output:
        explanation(explained, one if isinstance(one, Stamps) else None, path=arguments.output)
        print_line(f"picture in {arguments.output}")
    return problems.finish()


def _find_candidate(arguments: argparse.Namespace, problems: Problems) -> Stamps | Features:
    """Return the candidate that is wanted, one row.

    The id of a candidate comes before that of an object, and this before the number of a row.

    Raises
    ------
    ValueError
        If there is none, with the most similar ids, or an object has several.
    """
    from space2vec.data.ids import id_keys
    from space2vec.data.own_pixels import without_other_pixels
    from space2vec.data.stamps import Stamps
    from space2vec.data.tables import Features

    wanted: str = arguments.candidate
    number = int(wanted) if wanted.isdecimal() else -1
    by_number: Stamps | Features | None = None
    by_object: Stamps | Features | None = None
    of_object: list[str] = []
    similar: list[str] = []
    count = 0
    for batch in read_batches(arguments, "explain", problems):
        rows = batch.rows
        assert isinstance(rows, (Stamps, Features))

        def select(row: int, rows: Stamps | Features = rows) -> Stamps | Features:
            part = rows[row : row + 1]
            return without_other_pixels(part) if isinstance(part, Stamps) else part

        candidates, objects = id_keys(rows.candidate_id), id_keys(rows.object_id)
        if wanted in candidates:
            return select(candidates.index(wanted))
        for row, name in enumerate(objects):
            if name == wanted:
                by_object = by_object or select(row)
                of_object.append(candidates[row] or f"row {count + row}")
        if 0 <= number - count < len(rows):
            by_number = select(number - count)
        count += len(rows)
        known = {name for name in (*candidates, *objects) if name is not None}
        similar = heapq.nlargest(_COMPARED, known.union(similar), key=lambda name: _same_start(wanted, name))
    if len(of_object) > 1:
        named = ", ".join(one_line(name, NAME) for name in of_object[:_NAMED])
        more = ", ..." if len(of_object) > _NAMED else ""
        raise ValueError(
            f"the object {one_line(wanted, NAME)} has {len(of_object)} candidates: name one of {named}{more}"
        )
    found = by_object or by_number
    if found is None:
        problems.finish()
        near = difflib.get_close_matches(wanted, similar, _NAMED)
        named = f"; similar ids are {', '.join(one_line(name, NAME) for name in near)}" if near else ""
        raise ValueError(f"the {count} rows of the input have no candidate {one_line(repr(wanted), NAME)}{named}")
    if found is by_number:
        print_notice(f"no candidate or object has the id {wanted}: this is row {wanted}, counted from 0")
    return found


def _same_start(wanted: str, name: str) -> int:
    """Return how many characters two ids have in common at their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(wanted, name, strict=False)))
