"""Progress with a rate: a bar on a terminal, plain lines elsewhere; and the summary at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from space2vec import flags as flag_bits
from space2vec.registry import FLAGS

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

__all__ = ["Progress", "Tally"]

#: Seconds between plain lines.
_EVERY = 5.0


class Progress:
    """Show how far long work is, on standard error.

    Parameters
    ----------
    what : str
        What is being done.
    unit : str
        What is counted, in the plural.
    stream : text stream, optional
        Where to show it; standard error by default.
    """

    def __init__(self, what: str, unit: str = "rows", stream: TextIO | None = None) -> None:
        self._what, self._unit = what, unit
        self._stream = sys.stderr if stream is None else stream
        self._bar: Any = None
        self._done = 0
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def update(self, rows: int, files_done: int = 0, files_total: int = 0) -> None:
        """Count further rows, and say how many files are done."""
        self._done += rows
        if self._stream.isatty():
            self._draw(files_done, files_total)
        elif time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            files = f", {files_done} of {files_total} files" if files_total > 1 else ""
            print(f"{self._what}: {self._done} {self._unit}{files}, {self.rate:.0f} {self._unit}/s", file=self._stream)
            self._stream.flush()

    @property
    def rate(self) -> float:
        """Rows a second so far."""
        return self._done / max(time.monotonic() - self._start, 1e-9)

    def _draw(self, files_done: int, files_total: int) -> None:
        from tqdm import tqdm

        if self._bar is None:
            shape = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} files{postfix}"
            counted = "{desc} {postfix}"
            self._bar = tqdm(
                desc=self._what,
                total=files_total if files_total > 1 else None,
                file=self._stream,
                bar_format=shape if files_total > 1 else counted,
                leave=False,
            )
        self._bar.n = files_done
        self._bar.set_postfix_str(f"{self._done} {self._unit}, {self.rate:.0f} {self._unit}/s")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


class Tally:
    """Count rows by what became of them, for the summary."""

    def __init__(self) -> None:
        self.rows = 0
        self.done = 0
        self.flagged: Counter[str] = Counter()
        self._earlier = 0
        self._start = time.monotonic()

    def add(self, flags: NDArray[np.uint32], done: int) -> None:
        """Count the rows of one batch, ``done`` of which have a result."""
        self.rows += len(flags)
        self.done += done
        self.flagged.update(flag_bits.count(flags))

    def take_over(self, rows: int, done: int, flagged: Mapping[str, int]) -> None:
        """Count the rows of an earlier run, which do not count for the rate of this one."""
        self.rows += rows
        self.done += done
        self.flagged.update(flagged)
        self._earlier += rows

    def summary(self, verb: str) -> str:
        """Return the summary: rows, how many are done, flags by name with their meaning, rate."""
        seconds = time.monotonic() - self._start
        lines = [f"{self.rows} rows: {self.done} {verb}, {self.rows - self.done} not {verb}"]
        width = max((len(name) for name in self.flagged), default=0)
        digits = max((len(str(count)) for count in self.flagged.values()), default=0)
        # In the order of the registry, every flag with what it means.
        lines += [
            f"  {flag.name:<{width}}  {self.flagged[flag.name]:>{digits}}  {flag.meaning}"
            for flag in FLAGS.values()
            if flag.name in self.flagged
        ]
        lines.append(f"{seconds:.1f} s, {(self.rows - self._earlier) / max(seconds, 1e-9):.0f} rows/s")
        return "\n".join(lines)
