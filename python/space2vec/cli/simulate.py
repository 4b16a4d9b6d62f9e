"""``space2vec simulate``: write simulated alerts, or a data set of simulated stamps or of fakes in real stamps."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.cli.common import positive
from space2vec.cli.printing import print_line

if TYPE_CHECKING:
    from space2vec.cli.progress import Progress
    from space2vec.data.labelled_stamps import LabelledStamps
    from space2vec.data.types import Json

__all__ = ["register"]

#: Rows that are simulated, scored and written at a time.
_PART = 1000

_DESCRIPTION = """Write simulated candidates: alerts in ZTF's packet schema and their truth in truth.csv, or a data set
(stamps, truth and a manifest). With --hybrid, a data set of fakes in real stamps and of real bogus candidates."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = _DESCRIPTION
    parser.add_argument("-n", "--number", type=positive, default=1000, metavar="N", help="candidates (default: 1000)")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="folder to write to; created if it does not exist"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same alerts")
    parser.add_argument(
        "--real", type=float, default=0.5, metavar="SHARE", help="share of real candidates (default: 0.5)"
    )
    parser.add_argument(
        "--format", choices=("alerts", "dataset"), help="alerts (the default), or a data set, which --hybrid always is"
    )
    parser.add_argument("--size", type=positive, metavar="PIXELS", help="side of a stamp (default: the survey's)")
    parser.add_argument("--survey", choices=("ztf", "des", "rubin"), help="whose stamps (default: ztf)")
    parser.add_argument(
        "--randomise", type=float, metavar="X", help="how much to widen all observing conditions (default: 0)"
    )
    parser.add_argument("--engine", choices=("numpy", "galsim"), help="what draws stars and galaxies (default: numpy)")
    parser.add_argument(
        "--codec",
        choices=("null", "deflate", "snappy"),
        default="null",
        help="codec of the Avro blocks (default: null)",
    )
    parser.add_argument("--per-file", type=positive, default=1, metavar="N", help="alerts in a file (default: 1)")
    hybrid = parser.add_argument_group("hybrid data")
    hybrid.add_argument("--hybrid", nargs="+", metavar="INPUT", help="real alerts to put fake sources into")
    hybrid.add_argument(
        "--scores", nargs="+", default=[], metavar="TABLE", help="tables of another model's scores of these alerts"
    )
    hybrid.add_argument(
        "--column", default="score", metavar="NAME", help="name of the column of scores (default: score)"
    )
    hybrid.add_argument(
        "--braai",
        metavar="WEIGHTS",
        help="braai's published weights (.npz): the data set gets braai's scores, and --hybrid uses braai to find more "
        "bogus candidates",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    _check(arguments)
    if arguments.hybrid:
        return _write_data_set(arguments, _hybrid_parts(arguments))
    if arguments.format == "dataset":
        return _write_data_set(arguments, partial(_simulated_parts, arguments))
    return _write_alerts(arguments)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse options that do not go together, before any work."""
    of_simulator = {name: getattr(arguments, name) for name in ("survey", "randomise", "engine", "size")}
    if arguments.hybrid:
        if not arguments.scores:
            raise ValueError("--hybrid needs --scores, a table that says which of the alerts are bogus")
        if arguments.format == "alerts":
            raise ValueError("hybrid data have no alert packets; they are written as a data set (--format dataset)")
        refused = [f"--{name}" for name, value in of_simulator.items() if value is not None]
        if refused:
            raise ValueError(f"{', '.join(refused)} cannot be chosen with --hybrid: the stamps are those of the alerts")
        return
    if arguments.scores:
        raise ValueError("--scores goes with --hybrid")
    if arguments.format != "dataset":
        if arguments.survey in ("des", "rubin"):
            raise ValueError(
                f"alerts are written in ZTF's packet schema; candidates of {arguments.survey} need --format dataset"
            )
        if arguments.braai:
            raise ValueError("--braai scores data sets; alerts are scored by space2vec score")


def _settings(arguments: argparse.Namespace) -> dict[str, Json]:
    """Return the arguments of :func:`space2vec.simulate` for the options that were used."""
    options = {name: getattr(arguments, name) for name in ("survey", "randomise", "engine", "size")}
    return {name: value for name, value in options.items() if value is not None} | {"real_fraction": arguments.real}


def _write_alerts(arguments: argparse.Namespace) -> int:
    """Simulate alerts and write them with their truth; return the exit status."""
    from space2vec.cli.progress import Progress
    from space2vec.simulation import simulate, write_packets

    folder = Path(arguments.output)
    if (folder / "truth.csv").is_file():
        raise ValueError(f"{folder} holds a simulated night already, with its truth.csv; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with Progress("simulate", "alerts") as progress:
        night = simulate(arguments.number, seed=arguments.seed, progress=progress.update, **_settings(arguments))
    files = write_packets(night, folder, codec=arguments.codec, per_file=arguments.per_file)
    real = int(night.labels.sum())
    print_line(f"{len(night)} alerts ({real} real, {len(night) - real} bogus) in {len(files)} files in {folder}")
    print_line(f"truth in {folder / 'truth.csv'}")
    return 0


def _write_data_set(arguments: argparse.Namespace, rows: Callable[[Progress], Iterator[LabelledStamps]]) -> int:
    """Write the parts of a data set, with braai's scores if --braai is given; return the exit status."""
    from space2vec.cli.progress import Progress
    from space2vec.training.dataset import write_dataset

    about: dict[str, Json] = {  # ready for JSON
        "made_by": "space2vec simulate --hybrid" if arguments.hybrid else "space2vec simulate",
        "survey": "that of the alerts" if arguments.hybrid else arguments.survey or "ztf",
        "seed": arguments.seed,
        "arguments": {name: value for name, value in vars(arguments).items() if name not in ("run", "output")},
        "teacher": "braai with its published weights" if arguments.braai else "none",
    }
    with Progress("simulate", "stamps") as progress:
        manifest = write_dataset(arguments.output, _add_scores(rows(progress), arguments.braai), about)
    counts = f"{manifest['rows']} stamps ({manifest['real']} real, {manifest['bogus']} bogus)"
    print_line(f"{counts} of {manifest['objects']} objects in {arguments.output}")
    print_line(", ".join(f"{kind} {count}" for kind, count in manifest["kinds"].items()))
    return 0


def _add_scores(parts: Iterator[LabelledStamps], weights: str | None) -> Iterator[LabelledStamps]:
    """Yield the parts with braai's scores; unchanged without its weights."""
    if weights is None:
        yield from parts
        return
    from space2vec.training.teacher import add_teacher_scores, braai_scorer

    score = braai_scorer(weights)
    for part in parts:
        yield add_teacher_scores(part, score)


def _simulated_parts(arguments: argparse.Namespace, progress: Progress) -> Iterator[LabelledStamps]:
    """Simulate part after part; the first has the seed of the command, so that a short data set equals one night."""
    import numpy as np

    from space2vec.data.labelled_stamps import LabelledStamps
    from space2vec.simulation import simulate

    for number, start in enumerate(range(0, arguments.number, _PART)):
        seed = int(np.random.SeedSequence([arguments.seed, number]).generate_state(1)[0]) if number else arguments.seed
        count = min(_PART, arguments.number - start)
        night = simulate(count, seed=seed, progress=progress.update, **_settings(arguments))
        if number:
            # Every call of the simulator numbers its objects from the same start.
            night.stamps.object_id = np.array([f"{name}.{number}" for name in night.stamps.object_id], dtype=object)
        yield LabelledStamps(night.stamps, night.labels, night.kinds)


def _hybrid_parts(arguments: argparse.Namespace) -> Callable[[Progress], Iterator[LabelledStamps]]:
    """Read the alerts, so that their problems are known before the folder is made; return what makes the parts."""
    from space2vec.data.labelled_stamps import LabelledStamps
    from space2vec.simulation.hybrid import hybrid
    from space2vec.simulation.residuals import mine_bogus
    from space2vec.training.teacher import braai_scorer, read_labelled_alerts

    real = read_labelled_alerts(arguments.hybrid, *arguments.scores, column=arguments.column)
    if arguments.braai:
        found = mine_bogus(real, braai_scorer(arguments.braai), seed=arguments.seed)
        real = LabelledStamps.concatenate([real, found])

    def rows(progress: Progress) -> Iterator[LabelledStamps]:
        for start in range(0, arguments.number, _PART):
            yield hybrid(
                real,
                min(_PART, arguments.number - start),
                seed=arguments.seed,
                first=start,
                real_fraction=arguments.real,
                progress=progress.update,
            )

    return rows
