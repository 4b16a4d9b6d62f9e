"""Progress with a rate: a bar on a terminal, plain lines elsewhere; and the summary at the end."""

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

#: The flag that tells how a model worked, and of nothing that is wrong.
_EARLY = "scored_early"
#: A flag of this share of the rows, out of at least so many, tells of the input and not of a row.
_SHARE_OF_MANY, _ROWS_OF_MANY = 0.25, 50
#: Seconds between plain lines.
_EVERY = 5.0


class Progress:
    """Show how far long work is, on a stream: standard error by default. The unit is counted, and in the plural."""

    def __init__(self, what: str, unit: str = "rows", stream: TextIO | None = None) -> None:
        self._what, self._unit = one_line(what, NAME), unit
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
            several = files_total > 1
            shape = (
                "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} files{postfix}" if several else "{desc} {postfix}"
            )
            total = files_total if several else None
            self._bar = tqdm(desc=self._what, total=total, file=self._stream, bar_format=shape, leave=False)
        self._bar.n = files_done
        self._bar.set_postfix_str(f"{self._done} {self._unit}, {self.rate:.0f} {self._unit}/s")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def count_rows(flags: NDArray[np.uint32], done: NDArray[np.bool_]) -> dict[str, Counter[str]]:
    """Count rows (n,): those that have a result, and the flags of these and, as far as they refuse them, of others."""
    refusing = flags[~done]
    forbidding = refusing & np.uint32(flag_bits.UNSCORABLE)
    return {
        "done": Counter(rows=int(np.count_nonzero(done))),
        "flags": Counter(flag_bits.count(flags[done])),
        "refused": Counter(flag_bits.count(np.where(forbidding == 0, refusing, forbidding))),
    }


def summary(verb: str, rows: int, counts: Mapping[str, Counter[str]], seconds: float, earlier: int = 0) -> str:
    """Return the summary: rows, how many are done, what is unusual about them, rate without the rows of earlier runs.

    The counts are the sums of :func:`count_rows`. Flags that refuse rows come first, then those of rows with a result,
    each with its count, its share of all rows and its meaning. Flags that many rows with a result have are named in one
    line.
    """
    done, flagged, refused = counts["done"]["rows"], counts["flags"], counts["refused"]
    lines = [f"{rows} rows: {done} {verb}, {rows - done} not {verb}"]
    least = _SHARE_OF_MANY * rows if rows >= _ROWS_OF_MANY else rows + 1
    usual = [name for name in FLAGS if flagged[name] >= least and name != _EARLY]
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
        lines.append(f"{verb} early: {_share(early, rows)}, which needed no other planes")
    lines.append(f"{seconds:.1f} s, {(rows - earlier) / max(seconds, 1e-9):.0f} rows/s")
    return "\n".join(lines)


def _share(count: int, rows: int) -> str:
    share = 100 * count / rows
    return "<0.1 %" if share < 0.1 else f"{share:.1f} %"
