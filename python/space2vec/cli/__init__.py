"""The command line: ``space2vec COMMAND ...``.

The exit status is 0 when all is well; 1 when some input could not be read (its rows are flagged and listed in the
table of errors) or, from ``doctor``, when no backend can compute; 2 when the command could not start or not continue;
130 when it was interrupted and 143 when it was terminated. If ``SPACE2VEC_TRACEBACK`` is set, an error prints its
traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

from space2vec.cli.printing import print_line, print_notice
from space2vec.errors import Space2vecError, Space2vecWarning
from space2vec.errors.text import lines, one_line
from space2vec.registry import library_version

__all__ = ["main"]

#: The commands, and what each does. The module of the same name adds the options; only that of the command that runs is
#: imported.
_COMMANDS = {
    "score": "score candidates",
    "report": "write a night as pages for a browser",
    "review": "label a night in a browser",
    "explain": "show what moved the score of a candidate",
    "features": "extract features",
    "embed": "turn candidates into vectors",
    "index": "make an index of vectors, or add a night to it",
    "similar": "find the candidates that look most like another",
    "cluster": "find the kinds of a night, and what is new",
    "stream": "score alerts as they arrive from Kafka",
    "train": "train a model",
    "evaluate": "measure scores against labels",
    "calibrate": "make a model whose scores are probabilities",
    "reproduce": "compare forest and networks on public data",
    "simulate": "simulate alerts and data sets",
    "info": "show the card of a model",
    "export": "write a model as an ONNX file",
    "bench": "measure the stages on this machine, CPU against GPU",
    "doctor": "show what this installation can do",
}

#: Options that print a folder of the package and exit.
_FOLDERS = (
    ("--cmake-dir", "lib/cmake/space2vec", "print the folder of the CMake package, for C and C++"),
    ("--pkgconfig-dir", "lib/pkgconfig", "print the folder of space2vec.pc, for C and C++"),
)


class _Parser(argparse.ArgumentParser):
    """A parser whose error messages are safe to print, whatever the arguments hold."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit with status 2."""
        super().error(one_line(message))


class _PrintFolder(argparse.Action):
    """Print a folder of this installation that the build of a C or C++ program needs, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the folder; an installation without it is an error."""
        folder = Path(__file__).resolve().parents[1] / str(self.const)
        if not folder.is_dir():
            parser.error("this installation carries no library for C and C++; one from a wheel does")
        print_line(folder)
        parser.exit()


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser with all options of the command that the arguments name, and one line for each other command."""
    parser = _Parser(prog="space2vec", description="Image stamps of transient candidates to scores.")
    parser.add_argument("--version", action="version", version=f"space2vec {library_version()}")
    for option, folder, what in _FOLDERS:
        parser.add_argument(option, action=_PrintFolder, nargs=0, const=folder, help=what)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, what in _COMMANDS.items():
        command = commands.add_parser(name, help=what)
        if name == named:
            importlib.import_module(f"space2vec.cli.{name}").register(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit status.
    """
    _escape_unencodable_output()
    try:
        with _raise_on_sigterm(), warnings.catch_warnings():
            _print_own_warnings_in_one_line()
            try:
                words = sys.argv[1:] if argv is None else argv
                arguments = _parser(words).parse_args(words)
            except SystemExit as stop:  # argparse has printed the reason; --help and --version exit with 0
                return stop.code if isinstance(stop.code, int) else 2
            status = int(arguments.run(arguments))
            sys.stdout.flush()  # so that a failure to write is reported by this function
            return status
    except BrokenPipeError:
        _discard_output()  # the reader of the output has closed it
        return 2
    except (Space2vecError, ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        if os.environ.get("SPACE2VEC_TRACEBACK"):
            raise
        if _comes_from_interrupt(error):
            _print_error(error, "interrupted")
            return 130
        _print_error(error, _error_text(error))
        return 2
    except KeyboardInterrupt as stop:
        _print_error(stop, "interrupted")
        return 130
    except _Terminated as stop:
        _print_error(stop, "terminated")
        return 128 + signal.SIGTERM


def _escape_unencodable_output() -> None:
    """Print what the encoding of standard output lacks, such as raw bytes of a file name, as escape codes."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _print_own_warnings_in_one_line() -> None:
    """Print a warning of this package like any other problem, each text once; leave those of other packages alone."""
    others = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, Space2vecWarning):
            print_notice(message)
        else:
            # A warning may quote a file: Astropy's, for example, quote cards of FITS headers.
            words = str(message)
            others(message if words.isprintable() else lines(words), category, filename, lineno, file, line)

    warnings.showwarning = show
    warnings.simplefilter("default", Space2vecWarning)


@contextlib.contextmanager
def _raise_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that the command ends in order and leaves no half-written file."""

    def stop(*_: object) -> None:
        raise _Terminated

    # Only the main thread may set handlers. A handler that the caller has set, or has disabled, stays.
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _comes_from_interrupt(error: BaseException | None) -> bool:
    """Return whether an interrupt caused an error, as where a package catches it while it is being imported."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


class _Terminated(BaseException):
    """Raised where SIGTERM arrives."""


def _print_error(error: BaseException, what: str) -> None:
    """Print why the command ended, and the notes of the error, such as how to resume."""
    for line in (what, *getattr(error, "__notes__", ())):
        print_notice(line)


def _output_is_broken() -> bool:
    """Tell, by printing an empty line, whether standard output fails; if it does, discard what follows."""
    try:
        print(flush=True)
    except OSError:
        _discard_output()
        return True
    return False


def _discard_output() -> None:
    """Send standard output to nowhere, so that the interpreter's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _error_text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        file = error.filename or ("standard output" if _output_is_broken() else None)
        return f"{file}: {error.strerror}" if file else error.strerror
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return str(error) or type(error).__name__
