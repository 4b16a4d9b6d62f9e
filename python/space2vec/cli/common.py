"""Options that several commands share, and the loop over batches that shows progress and problems."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.cli.own_module import add_module
from space2vec.cli.printing import print_notice
from space2vec.cli.progress import Progress
from space2vec.data.channels import channel_positions
from space2vec.errors import ReadError
from space2vec.errors.packages import need
from space2vec.registry import library_version

if TYPE_CHECKING:
    from space2vec.data.types import Argument, Json
    from space2vec.reading import AnyBatch, Limits, Problem

__all__ = [
    "Problems",
    "add_compute_options",
    "add_device",
    "add_inputs",
    "add_limits",
    "add_model",
    "add_reading_options",
    "add_threads",
    "check_no_input",
    "check_picture",
    "limits_of",
    "options_of",
    "positive",
    "probability",
    "read_batches",
    "table_metadata",
]

#: Suffixes of pictures.
_PICTURES = (".png", ".pdf", ".svg", ".jpg")
#: Number of problems that are printed one by one.
_SHOWN = 10

_INPUT = (
    "a file, folder or glob: ZTF or Rubin Avro, Parquet, tar(.gz) of Avro, a DES stamp folder, FITS, .npy/.npz, "
    "or a feature table (.csv, .parquet); - for standard input"
)


def positive(text: str) -> int:
    """Parse a whole number above 0, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def probability(text: str) -> float:
    """Parse a number from 0 to 1, such as a threshold of scores, for argparse."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie from 0 to 1")
    return value


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument INPUT and the options that say how to read it."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=_INPUT)
    add_reading_options(parser)


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how to read inputs."""
    parser.add_argument(
        "--schema",
        action="append",
        default=[],
        type=_schema,
        metavar="NUMBER=FILE",
        help="the schema (JSON) of bare Avro messages whose header has this number; the types that it names may be in "
        "other files of the same folder; may be given several times",
    )
    add_limits(parser)
    parser.add_argument(
        "--channels",
        type=_channels,
        metavar="NAME,NAME,...",
        help="the planes, in order, of .npy, .npz and FITS files that do not name them: science, template or "
        "difference (default: all three if a file has three planes, difference if it has one)",
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add --model and --module; :func:`space2vec.cli.own_module.load_model` loads what they name."""
    parser.add_argument(
        "--model",
        default="default",
        metavar="NAME|FILE",
        help="a packaged model, a model file (.safetensors), or the folder of a training run",
    )
    add_module(parser)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add --limit."""
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        type=_limit,
        metavar="NAME=NUMBER",
        help="raise a limit on the memory that one file may take: id_bytes, batch_bytes, free_rows, free_bytes; may be "
        "given several times",
    )


def limits_of(arguments: argparse.Namespace) -> Limits:
    """Return the limits on what one file may take, as changed by --limit."""
    from space2vec.reading import Limits

    return Limits(**dict(arguments.limit))


def _limit(text: str) -> tuple[str, int]:
    """Parse NAME=NUMBER, for argparse."""
    from space2vec.reading import Limits

    name, _, number = text.partition("=")
    try:
        Limits(**{name: int(number)})
    except (TypeError, ValueError):
        known = ", ".join(Limits.__dataclass_fields__)
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER, with a name out of {known}") from None
    return name, int(number)


def _channels(text: str) -> tuple[str, ...]:
    """Parse names of planes separated by commas, for argparse."""
    names = tuple(name.strip() for name in text.split(","))
    try:
        channel_positions(names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return names


def _schema(text: str) -> tuple[int, str]:
    """Parse NUMBER=FILE and read the schema from the file, for argparse."""
    number, equals, file = text.partition("=")
    if not equals or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not NUMBER=FILE")
    from space2vec.reading.schemas import read_schema

    try:
        return int(number), read_schema(file)
    except ReadError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {file} ({error})") from None


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device",
        type=_device,
        default="auto",
        metavar="auto|cpu|cuda",
        help="where to compute: cpu, a CUDA device (cuda; cuda:1 is the second), or auto: a CUDA device if there is "
        "one that can run everything, otherwise the CPU (default: auto)",
    )


def add_compute_options(parser: argparse.ArgumentParser) -> None:
    """Add --device and --threads."""
    add_device(parser)
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument(
        "--threads", type=positive, default=None, metavar="N", help="threads to use (default: one for each usable core)"
    )


def _device(text: str) -> str:
    """Parse the name of a device, for argparse; whether the device exists is checked later."""
    from space2vec.data.device.extension import ordinal

    try:
        if text not in ("auto", "cpu"):
            ordinal(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


class Problems:
    """Print the first problems of files and records at once, and count all of them.

    Parameters
    ----------
    strict : bool
        Whether the first problem stops the command, as a ReadError.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.count = 0
        self._strict = strict

    def report(self, problem: Problem) -> None:
        """Count a problem, and print it if it is among the first."""
        if self._strict:
            offset = "" if problem.offset is None else f", byte {problem.offset}"
            raise ReadError(f"{problem} ({problem.reason}{offset}); --strict stops here")
        self.count += 1
        if self.count <= _SHOWN:
            print_notice(problem)

    def finish(self) -> int:
        """Print how many problems were not printed; return the exit status."""
        if self.count > _SHOWN:
            print_notice(f"... and {self.count - _SHOWN} further problems")
        return 1 if self.count else 0


def read_batches(
    arguments: argparse.Namespace, what: str, problems: Problems, **options: Argument
) -> Iterator[AnyBatch]:
    """Yield the inputs batch by batch, and show progress and problems on standard error.

    Parameters
    ----------
    arguments : argparse.Namespace
        The options of :func:`add_inputs`, and ``threads``.
    what : str
        What is being done, for the line of progress.
    problems : Problems
        Counts and prints the problems.
    **options
        Handed to :func:`space2vec.reading.batches`, which says their types.
    """
    from space2vec.reading import batches

    with Progress(what) as progress:
        for part in batches(
            arguments.inputs,
            threads=arguments.threads,
            schemas=dict(arguments.schema),
            channels=arguments.channels,
            limits=limits_of(arguments),
            **options,
        ):
            for problem in part.problems:
                problems.report(problem)
            yield part
            progress.update(len(part.rows), part.files_done, part.files_total)


def check_picture(path: str) -> None:
    """Raise, before any work is done, if a picture cannot be drawn or written.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    ValueError
        If the suffix is not that of a picture.
    """
    from space2vec.writing.places import check_writable

    need("matplotlib", "a picture needs matplotlib")
    place = Path(path)
    if place.suffix.lower() not in _PICTURES:
        raise ValueError(f"cannot write {place}: the suffix of a picture is one of {', '.join(_PICTURES)}")
    check_writable(place)


def check_no_input(outputs: Iterable[str | Path | None], inputs: Iterable[str | Path]) -> None:
    """Raise a ValueError if an output would overwrite an input, under whatever name."""
    existing: dict[tuple[int, int], Path] = {}
    for place in (Path(path) for path in outputs if path):
        with suppress(OSError):  # a file that does not exist yet is no input
            existing[_identity(place)] = place
    for path in inputs if existing else ():
        with suppress(OSError):
            if (same := existing.get(_identity(path))) is not None:
                raise ValueError(f"cannot write {same}: it is an input")


def _identity(path: str | Path) -> tuple[int, int]:
    """Return the device and inode of a file, which are the same for all its names."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def options_of(arguments: argparse.Namespace, names: Iterable[str]) -> dict[str, Argument]:
    """Return the options of these names as keyword arguments; argparse gives their values no static type."""
    return {name: getattr(arguments, name) for name in names}


def table_metadata(**entries: Json) -> dict[str, Json]:
    """Return the metadata of an output, ready for JSON: the version that wrote it, and the given entries."""
    return {"version": library_version(), **entries}
