"""The events of a running stream: the points that a batch passes, counts and lag, and notices for the user."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from space2vec.data import flags as flag_bits
from space2vec.data.arrays import on_host
from space2vec.stream.messages import Offsets, ScoredMessages, Stored

__all__ = ["POINTS", "Counts", "Events", "Watch"]

#: The points that every batch passes, in order; tests crash a stream at each of them.
POINTS = ("read", "scored", "produced", "flushed", "offsets sent", "committed")
#: Takes the name of a point, and how many batches have passed it before.
Watch = Callable[[str, int], None]


@dataclass
class Counts:
    """The counts of a stream so far. Its tables are replaced, not changed, because another thread serves them.

    Attributes
    ----------
    rows : int
        Messages that are scored.
    stored : int
        Those whose scores are in the output.
    unread : int
        Messages that hold no alert that can be read.
    scored : int
        Messages with a score.
    flags, refused : Counter
        How often each flag is on a row with a score, and on one without.
    latency : float
        Seconds from the time stamp of the newest message stored last until it was stored; NaN before.
    positions, lag : Offsets
        The position of each partition before which everything is stored; how many messages follow it.
    started : float
        When the stream started, by ``time.monotonic``.
    """

    rows: int = 0
    stored: int = 0
    unread: int = 0
    scored: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    latency: float = float("nan")
    started: float = field(default_factory=time.monotonic)
    positions: Offsets = field(default_factory=dict)
    lag: Offsets = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Stored messages a second since the start."""
        return self.stored / max(time.monotonic() - self.started, 1e-9)


class Events:
    """Count what a stream does, and hand on what the user should know.

    Parameters
    ----------
    notice : callable
        Takes a notice, as text.
    watch : callable, optional
        Is called at each of the ``POINTS``.
    """

    def __init__(self, notice: Callable[[str], None], watch: Watch | None = None) -> None:
        self.notice = notice
        self.counts = Counts()
        self._watch = watch
        self._passed: Counter[str] = Counter()

    def passed(self, point: str) -> None:
        """Say that a batch has passed a point; each point belongs to one thread."""
        number = self._passed[point]
        self._passed[point] += 1
        if self._watch is not None:
            self._watch(point, number)

    def scored(self, scored: ScoredMessages) -> None:
        """Count the rows of a batch."""
        score, flags = on_host(scored.scores.score), scored.scores.flags
        done = ~np.isnan(score)
        self.counts.rows += len(score)
        self.counts.scored += int(np.count_nonzero(done))
        self.counts.unread += len(scored.unread)
        self.counts.flags = self.counts.flags + Counter(flag_bits.count(flags[done]))
        self.counts.refused = self.counts.refused + Counter(flag_bits.count(flags[~done]))

    def stored(self, stored: Stored) -> None:
        """Say that scores are in the output, and their positions with them or with the group."""
        self.counts.stored += stored.rows
        self.counts.positions = self.counts.positions | stored.positions
        if stored.newest >= 0:
            self.counts.latency = max(0.0, time.time() - stored.newest / 1000)

    def lagging(self, ends: Offsets, starts: Offsets) -> None:
        """Take the end and the start of each partition of this process, from which its lag follows."""
        stored = self.counts.positions
        self.counts.lag = {
            place: max(0, end - max(stored.get(place, 0), starts.get(place, 0))) for place, end in ends.items()
        }
