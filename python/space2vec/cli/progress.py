"""Show the progress of long work (a bar on a terminal, plain lines elsewhere), and summarise it at the end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from space2vec.data import flags as flag_bits
from space2vec.errors.text import NAME, one_line
from space2vec.registry import FLAGS

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

__all__ = ["Progress", "count_rows", "summary"]

#: This flag says that a cascade needed only its first network; nothing is wrong with the row.
_EARLY = "scored_early"
#: A flag on this share of the rows or more, of at least so many rows, is a property of the input, not of single rows.
_SHARE_OF_MANY, _ROWS_OF_MANY = 0.25, 50
#: Seconds between plain lines.
_EVERY = 5.0


class Progress:
    """Show how many rows are done, and how many a second.

    Parameters
    ----------
    what : str
        What is being done.
    unit : str, optional
        What is counted, in the plural.
    stream : text file, optional
        Standard error by default.
    """

    def __init__(self, what: str, unit: str = "rows", stream: TextIO | None = None) -> None:
        self._what, self._unit = one_line(what, NAME), unit
        self._stream = sys.stderr if stream is None else stream
        self._bar: Any = None  # a bar of tqdm, which has no types and is imported where it draws
        self._done = 0
        self._start = self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def update(self, rows: int, files_done: int = 0, files_total: int = 0, note: str = "") -> None:
        """Add to the rows that are done, and show them with the number of finished files and a note."""
        self._done += rows
        if self._stream.isatty():
            self._draw(files_done, files_total, note)
        elif time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            files = f", {files_done} of {files_total} files" if files_total > 1 else ""
            print(f"{self._what}: {self._done} {self._unit}{files}, {self._rate(note)}", file=self._stream)
            self._stream.flush()

    @property
    def rate(self) -> float:
        """Rows a second so far."""
        return self._done / max(time.monotonic() - self._start, 1e-9)

    def _rate(self, note: str) -> str:
        return f"{self.rate:.0f} {self._unit}/s{note and ', '}{note}"

    def _draw(self, files_done: int, files_total: int, note: str) -> None:
        from tqdm import tqdm

        if self._bar is None:
            several = files_total > 1
            shape = (
                "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} files{postfix}" if several else "{desc} {postfix}"
            )
            total = files_total if several else None
            self._bar = tqdm(desc=self._what, total=total, file=self._stream, bar_format=shape, leave=False)
        self._bar.n = files_done
        self._bar.set_postfix_str(f"{self._done} {self._unit}, {self._rate(note)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def count_rows(flags: NDArray[np.uint32], done: NDArray[np.bool_]) -> dict[str, Counter[str]]:
    """Count the rows of a batch for the summary.

    Parameters
    ----------
    flags : ndarray of uint32 (n,)
        The flags of each row.
    done : ndarray of bool (n,)
        Whether the row has a result.

    Returns
    -------
    dict of str to Counter
        ``done``: the rows with a result. ``flags``: how often each flag is on such a row. ``refused``: how often each
        flag is the reason that a row has none.
    """
    refusing = flags[~done]
    forbidding = refusing & np.uint32(flag_bits.UNSCORABLE)
    return {
        "done": Counter(rows=int(np.count_nonzero(done))),
        "flags": Counter(flag_bits.count(flags[done])),
        "refused": Counter(flag_bits.count(np.where(forbidding == 0, refusing, forbidding))),
    }


def summary(verb: str, rows: int, counts: Mapping[str, Counter[str]], seconds: float, earlier: int = 0) -> str:
    """Summarise a run in words: how many rows have a result, what is unusual about them, and the rate.

    Flags of rows without a result come first, then flags of rows with one, each with its count, its share of all rows
    and its meaning. Flags that are on many rows with a result are named in one line, unless they mark stamps that
    models do not know.

    Parameters
    ----------
    verb : str
        What the run does to a row, such as ``"scored"``.
    rows : int
        All rows, those of earlier runs of the same output included.
    counts : mapping of str to Counter
        Sums of :func:`count_rows` over the batches.
    seconds : float
        How long this run took.
    earlier : int, optional
        Rows of earlier runs, which do not count for the rate.
    """
    done, flagged, refused = counts["done"]["rows"], counts["flags"], counts["refused"]
    lines = [f"{rows} rows: {done} {verb}, {rows - done} not {verb}"]
    least = _SHARE_OF_MANY * rows if rows >= _ROWS_OF_MANY else rows + 1
    usual = [name for name, flag in FLAGS.items() if flag.familiar and flagged[name] >= least and name != _EARLY]
    unusual = Counter({name: count for name, count in flagged.items() if name not in (*usual, _EARLY)})
    width = max(map(len, [*refused, *unusual]), default=0)
    digits = max(map(len, map(str, [*refused.values(), *unusual.values()])), default=0)
    for title, shown in ((f"not {verb}:", refused), (f"{verb}, with a flag:", unusual)):
        if shown:
            lines.append(title)
        lines += [
            f"  {name:<{width}}  {shown[name]:>{digits}}  {_share(shown[name], rows):>6}  {flag.meaning}"
            for name, flag in FLAGS.items()
            if shown[name]
        ]
    if usual:
        lines.append(f"on many rows: {', '.join(f'{name} ({_share(flagged[name], rows)})' for name in usual)}")
    if early := flagged[_EARLY]:
        lines.append(f"{verb} early: {_share(early, rows)}, by the first network of a cascade alone")
    lines.append(f"{seconds:.1f} s, {(rows - earlier) / max(seconds, 1e-9):.0f} rows/s")
    return "\n".join(lines)


def _share(count: int, rows: int) -> str:
    """Return a share of the rows in per cent, as text."""
    share = 100 * count / rows
    return "<0.1 %" if share < 0.1 else f"{share:.1f} %"
