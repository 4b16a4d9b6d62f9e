"""``space2vec review``: label a night in a browser, the most useful candidates first."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space2vec.cli.common import Problems, add_compute_options, check_no_input
from space2vec.cli.printing import print_line
from space2vec.cli.report import add_report_options, write_night
from space2vec.errors.text import NAME, one_line

if TYPE_CHECKING:
    from space2vec.report.review import LabelFile, ReviewServer

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Score candidates and show them in a browser of this machine, the pages being those of space2vec report; write "
        "every label into a file as it is made, for space2vec train --labels."
    )
    add_report_options(parser)
    parser.add_argument(
        "--labels",
        required=True,
        metavar="FILE.csv",
        help="the file of labels: candidate_id and label (real, bogus, unsure); an existing one is continued",
    )
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="the port (default: any that is free)")
    add_compute_options(parser)
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    """Parse a port, for argparse."""
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is no port")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Run the command until it is interrupted."""
    from space2vec.reading import files, find
    from space2vec.report.review import LabelFile
    from space2vec.writing.places import check_writable

    place = Path(arguments.labels)
    if place.suffix.lower() != ".csv":
        raise ValueError(f"cannot write {place}: the suffix of a file of labels is .csv")
    check_writable(place)
    if arguments.title is None and arguments.inputs[0] != "-":
        arguments.title = Path(arguments.inputs[0]).absolute().name
    arguments.inputs = find(arguments.inputs)
    check_no_input([place], files(arguments.inputs))
    problems = Problems(strict=arguments.strict)
    with (
        closing(LabelFile(place, _read(place))) as labels,
        tempfile.TemporaryDirectory(prefix="space2vec-review-") as folder,
        _open_server(Path(folder) / "night", labels, arguments.port) as server,
    ):
        night = write_night(arguments, server.folder, problems, labels=labels.labels)
        problems.finish()
        server.candidates = night.candidates
        strange = len(labels.labels.keys() - night.candidates)
        others = f", {strange} of them of candidates that the night does not have" if strange else ""
        print_line(f"{len(labels.labels)} labels in {place}{others}")
        print_line(f"review at {server.address} (Ctrl-C ends it)")
        sys.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print_line(f"{len(labels.labels)} labels in {place}")
    return 0


def _open_server(folder: Path, labels: LabelFile, port: int) -> ReviewServer:
    """Take the port before anything is scored."""
    from space2vec.report.review import ReviewServer

    try:
        return ReviewServer(folder, labels, frozenset(), port)
    except OSError as error:
        raise ValueError(f"port {port} cannot be used ({error.strerror}); --port names another") from None


def _read(place: Path) -> dict[str, str]:
    """Return the labels of an existing file; a file that does not exist holds none."""
    from space2vec.data.ids import id_keys
    from space2vec.reading.labels import read_labels
    from space2vec.reading.table_file import table_columns

    if not place.exists() or not place.stat().st_size or place.read_bytes().strip() == b"candidate_id,label":
        return {}
    if table_columns(place) != ["candidate_id", "label"]:
        raise ValueError(f"{place} has other columns than candidate_id and label, and would lose them: name a new file")
    table = read_labels(place)
    assert table.candidate_id is not None
    words = np.where(np.isnan(table.real), "unsure", np.where(table.real > 0, "real", "bogus"))
    labels: dict[str, str] = {}
    for key, word in zip(id_keys(table.candidate_id), words.tolist(), strict=True):
        if key is not None and labels.setdefault(key, word) != word:
            raise ValueError(f"{place}: candidate {one_line(key, NAME)} has two labels, {labels[key]} and {word}")
    return labels
