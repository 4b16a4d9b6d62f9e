"""Where a command writes its tables, its errors table and its messages: files, standard output, standard error."""

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
    """The files of an output: its table, and the table of errors."""

    table: Path
    errors: Path
    #: Whether the table is written to a temporary folder and copied to standard output at the end.
    streamed: bool = False
    #: Whether the table of errors is kept.
    errors_kept: bool = True

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace, stack: ExitStack) -> OutputPlaces:
        """Return the places that -o and --errors name; `stack` removes the temporary folder, if there is one."""
        if arguments.output != _STANDARD_OUTPUT:
            output = Path(arguments.output)
            errors = arguments.errors or output.with_name(f"{output.stem}.errors{output.suffix}")
            return cls(output, Path(errors))
        if arguments.resume:
            raise ValueError("an output to standard output cannot be resumed: --resume needs -o with a file")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="space2vec-")))
        errors = arguments.errors or folder / "errors.csv"
        return cls(folder / "table.csv", Path(errors), streamed=True, errors_kept=arguments.errors is not None)

    @property
    def name(self) -> str:
        """The name of the place of the table, for messages."""
        return "standard output" if self.streamed else str(self.table)

    def print_message(self, text: str) -> None:
        """Print a line to standard output, or to standard error if the table goes to standard output."""
        print(one_line(text), file=sys.stderr if self.streamed else sys.stdout)

    def copy_to_standard_output(self) -> None:
        """Copy the finished table to standard output if -o says so."""
        if not self.streamed:
            return
        if sys.stdout.isatty():
            # A terminal would obey control codes in an id, so they are escaped; files and pipes get the table as it is.
            with self.table.open(encoding="utf-8", newline="\n") as rows:
                for row in rows:
                    sys.stdout.write(f"{one_line(row.removesuffix(chr(10)), len(row) * 10 + 20)}\n")
        else:
            with self.table.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.flush()

    def errors_summary(self, reasons: Counter[str]) -> str:
        """Return the line of the summary on the table of errors, from the number of rows of each reason."""
        counted = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        if not self.errors_kept:
            return f"{reasons.total()} errors: {counted}; --errors FILE writes them down" if reasons else "no errors"
        if not reasons:
            return f"no errors: {self.errors} is empty"
        return f"{reasons.total()} errors in {self.errors}: {counted}"
