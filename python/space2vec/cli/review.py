"""``space2vec review``: label a night in a browser, the most useful candidates first."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from space2vec.cli.common import Problems, add_compute_options, check_no_input
from space2vec.cli.printing import print_line
from space2vec.cli.report import add_report_options, write_night

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
    number = int(text)
    if not 0 <= number < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is no port")
    return number


def run(arguments: argparse.Namespace) -> int:
    """Run the command until it is interrupted."""
    from space2vec.reading import files, find
    from space2vec.report.review import LabelFile, ReviewServer
    from space2vec.writing.places import check_writable

    place = Path(arguments.labels)
    if place.suffix.lower() != ".csv":
        raise ValueError(f"cannot write {place}: the suffix of a file of labels is .csv")
    check_writable(place)
    arguments.inputs = find(arguments.inputs)
    check_no_input([place], files(arguments.inputs))
    labels = LabelFile(place, _read(place))
    problems = Problems(strict=arguments.strict)
    with tempfile.TemporaryDirectory(prefix="space2vec-review-") as folder:
        night = write_night(arguments, Path(folder) / "night", problems, labels=labels.labels)
        problems.finish()
        with ReviewServer(night.page.parent, labels, night.candidates, arguments.port) as server:
            print_line(f"{len(labels.labels)} labels in {place}")
            print_line(f"review at {server.address} (Ctrl-C ends it)")
            sys.stdout.flush()
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print_line(f"{len(labels.labels)} labels in {place}")
    return 0


def _read(place: Path) -> dict[str, str]:
    """Return the labels of an existing file; a file that does not exist holds none."""
    from space2vec.data.ids import id_keys
    from space2vec.reading.labels import read_labels

    if not place.exists() or not place.stat().st_size or place.read_bytes().strip() == b"candidate_id,label":
        return {}
    table = read_labels(place)
    if table.candidate_id is None:
        raise ValueError(f"{place} has no column candidate_id")
    words = np.where(np.isnan(table.real), "unsure", np.where(table.real > 0, "real", "bogus"))
    keys = id_keys(table.candidate_id)
    return {key: word for key, word in zip(keys, words.tolist(), strict=True) if key is not None}
