"""The command line: ``space2vec COMMAND ...``.

Exit status: 0 when all is well, 1 when some input could not be read (its rows are flagged, and in the errors table) or,
from ``doctor``, when nothing can compute, 2 when the command could not run or not go on, 130 and 143 when it was
interrupted or terminated. With ``SPACE2VEC_TRACEBACK`` set, an error shows where it came from.
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
from typing import Any, NoReturn

from space2vec.cli.printing import print_line, print_notice
from space2vec.errors import Space2vecError, Space2vecWarning
from space2vec.errors.text import lines, one_line
from space2vec.registry import library_version

__all__ = ["main"]

#: The commands and what each does. A module of the name adds its options, imported only where that command is run.
_COMMANDS = {
    "score": "score candidates",
    "features": "extract features",
    "train": "train a model",
    "evaluate": "measure scores against labels",
    "calibrate": "make a model whose scores are probabilities",
    "reproduce": "compare forest and networks on public data",
    "simulate": "simulate alerts and data sets",
    "export": "write a network as an ONNX file",
    "bench": "measure the stages on this machine, CPU against GPU",
    "doctor": "say what this installation can do",
}

#: Options that print a folder, in the package, and exit.
_FOLDERS = (
    ("--cmake-dir", "lib/cmake/space2vec", "print the folder of the CMake package, for C and C++"),
    ("--pkgconfig-dir", "lib/pkgconfig", "print the folder of space2vec.pc, for C and C++"),
)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors quote arguments as they can be shown."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and exit."""
        super().error(one_line(message))


class _PrintFolder(argparse.Action):
    """Print a folder of this installation that the build of a program in C or C++ asks for, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it; an installation from which nothing can be linked is an error."""
        folder = Path(__file__).resolve().parents[1] / str(self.const)
        if not folder.is_dir():
            parser.error("this installation carries no library for C and C++; one from a wheel does")
        print_line(folder)
        parser.exit()


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for the command that the arguments name, and what the others are."""
    parser = _Parser(prog="space2vec", description="Image stamps of transient candidates to scores.")
    parser.add_argument("--version", action="version", version=f"space2vec {library_version()}")
    for option, folder, what in _FOLDERS:
        parser.add_argument(option, action=_PrintFolder, nargs=0, const=folder, help=what)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, what in _COMMANDS.items():
        command = commands.add_parser(name, help=what)
        if name == asked:
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
    _print_any_name()
    try:
        with _stoppable(), warnings.catch_warnings():
            _show_our_warnings_in_a_line()
            try:
                words = sys.argv[1:] if argv is None else argv
                arguments = _parser(words).parse_args(words)
            except SystemExit as stop:  # argparse has said why; --help and --version stop with 0
                return stop.code if isinstance(stop.code, int) else 2
            status = int(arguments.run(arguments))
            sys.stdout.flush()  # what cannot be written is to be told here
            return status
    except BrokenPipeError:
        _print_no_more()  # the reader of our output has gone
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


def _print_any_name() -> None:
    """Let what standard output cannot hold, such as the bytes of a file name, be printed by its codes."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _show_our_warnings_in_a_line() -> None:
    """Print the package's own warnings as other problems are, each text once; those of others stay as they are."""
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, Space2vecWarning):
            print_notice(message)
        else:
            # Astropy's warnings, for one, quote cards of FITS headers.
            words = str(message)
            others(message if words.isprintable() else lines(words), category, *where, **more)

    warnings.showwarning = show
    warnings.simplefilter("default", Space2vecWarning)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM end the command as an exception does, so that nothing half-written is left."""

    def stop(*_: object) -> None:
        raise _Terminated

    # Only the main thread may set handlers; a handler that somebody has set, or has turned off, stays.
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _comes_from_interrupt(error: BaseException | None) -> bool:
    """Tell whether an error is what a package that was being imported made of an interrupt."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


class _Terminated(BaseException):
    """SIGTERM has come."""


def _print_error(error: BaseException, what: str) -> None:
    """Say what ended the command, and what was noted on the way (how to go on)."""
    for line in (what, *getattr(error, "__notes__", ())):
        print_notice(line)


def _cannot_print() -> bool:
    """Tell whether nothing can be printed, by an empty line; then nothing further is tried."""
    try:
        print(flush=True)
    except OSError:
        _print_no_more()
        return True
    return False


def _print_no_more() -> None:
    """Keep the interpreter from complaining when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _error_text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        file = error.filename or ("standard output" if _cannot_print() else None)
        return f"{file}: {error.strerror}" if file else error.strerror
    if isinstance(error, MemoryError):
        return "there is not enough memory"
    return str(error) or type(error).__name__
