"""Where a command writes its tables and what it says: into files, or through standard output."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from space2vec.errors.text import one_line

__all__ = ["OutputPlaces"]

_STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True)
class OutputPlaces:
    """The files of a table and of its errors."""

    table: Path
    errors: Path
    #: Whether the table is in a temporary folder, and goes to standard output at the end.
    streamed: bool = False
    #: Whether the table of errors stays.
    errors_kept: bool = True

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, stack: ExitStack) -> OutputPlaces:
        """Return the place that -o and --errors name; the stack removes what is temporary."""
        if arguments.output != _STANDARD_OUTPUT:
            output = Path(arguments.output)
            errors = arguments.errors or output.with_name(f"{output.stem}.errors{output.suffix}")
            return cls(output, Path(errors))
        if arguments.resume:
            raise ValueError("what went to standard output cannot be resumed: --resume needs -o with a file")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="space2vec-")))
        errors = arguments.errors or folder / "errors.csv"
        return cls(folder / "table.csv", Path(errors), streamed=True, errors_kept=arguments.errors is not None)

    @property
    def name(self) -> str:
        """What to call the place of the table."""
        return "standard output" if self.streamed else str(self.table)

    def say(self, text: str) -> None:
        """Print a message, to standard error if the table goes to standard output."""
        print(one_line(text), file=sys.stderr if self.streamed else sys.stdout)

    def end(self) -> None:
        """Write a finished table to standard output, if that is where it goes."""
        if not self.streamed:
            return
        if sys.stdout.isatty():
            # A terminal does what control codes in an id say; files and pipes get the table as it is.
            with self.table.open(encoding="utf-8", newline="\n") as rows:
                for row in rows:
                    sys.stdout.write(f"{one_line(row.removesuffix(chr(10)), len(row) * 10 + 20)}\n")
        else:
            with self.table.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()

    def errors_summary(self, reasons: Counter[str]) -> str:
        """Return what is to be said of the table of errors, given its reasons."""
        counted = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        if not self.errors_kept:
            return f"{reasons.total()} errors: {counted}; --errors FILE writes them down" if reasons else "no errors"
        if not reasons:
            return f"no errors: {self.errors} is empty"
        return f"{reasons.total()} errors in {self.errors}: {counted}"
