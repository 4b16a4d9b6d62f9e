"""The thread that stores scores while the next messages are read and scored."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from space2vec.errors import StreamError
from space2vec.stream.messages import ScoredMessages, Stored
from space2vec.stream.sink import AbandonedError, Sink

__all__ = ["SinkThread"]

#: Seconds between calls of :meth:`Sink.tick`.
_TICK = 1.0
#: Seconds within which a sink abandons its work; each call of a client has a shorter limit.
_ANSWER = 30.0


class SinkThread:
    """Hand batches to a sink in a thread, in order, with at most one waiting: a slow sink holds the stream up.

    Parameters
    ----------
    open_sink : callable
        Makes the sink, in this thread; it takes a function that raises an AbandonedError if work is to be given up.
    """

    def __init__(self, open_sink: Callable[[Callable[[], None]], Sink]) -> None:
        self._changed = threading.Condition()
        self._waiting: ScoredMessages | None = None
        self._busy = False
        self._began = 0.0
        self._finish = False
        self._end = False
        self._begun = False
        self._abandon = False
        self._error: BaseException | None = None
        self._stored: list[Stored] = []
        self._sink = open_sink(self._check_abandoned)
        self._thread = threading.Thread(target=self._work, name="space2vec-sink", daemon=True)
        self._thread.start()

    def ready(self, seconds: float) -> bool:
        """Wait until the sink has begun; return false if that takes more than some seconds."""
        with self._changed:
            begun = self._changed.wait_for(lambda: self._begun or self._error is not None, seconds)
            self._raise_error()
            return begun

    def submit(self, scored: ScoredMessages, seconds: float) -> bool:
        """Pass a batch to the thread; return false if the sink has not become free within some seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting is None or self._error is not None, seconds):
                return False
            self._raise_error()
            self._waiting = scored
            self._changed.notify_all()
            return True

    def take_stored(self) -> list[Stored]:
        """Return what has been stored since the last call."""
        with self._changed:
            stored, self._stored = self._stored, []
            return stored

    def drain(self, seconds: float) -> bool:
        """Wait until everything is stored; return false if that takes more than some seconds."""
        with self._changed:
            self._finish = True
            self._changed.notify_all()
            done = self._changed.wait_for(self._idle, seconds)
            self._raise_error()
            return done

    def drop(self) -> None:
        """Abandon the batches in progress, and wait until the thread has done so."""
        with self._changed:
            self._waiting = None
            self._abandon = True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: not self._abandon or self._error is not None, _ANSWER):
                raise StreamError("the output does not answer; nothing is lost: start the stream again")

    def busy_seconds(self) -> float:
        """Return for how long the sink has been at work on one batch."""
        with self._changed:
            return time.monotonic() - self._began if self._busy else 0.0

    def check(self) -> None:
        """Raise the error that the sink ended with."""
        with self._changed:
            self._raise_error()

    def close(self) -> None:
        """End the thread and release the sink; batches in progress are abandoned."""
        with self._changed:
            self._end = self._abandon = True
            self._changed.notify_all()
        self._thread.join(_ANSWER)
        if not self._thread.is_alive():  # a call of a client may never return; the thread ends with the process
            self._sink.close()

    def _idle(self) -> bool:
        return self._error is not None or not (self._busy or self._finish or self._waiting is not None)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _check_abandoned(self) -> None:
        """Raise an AbandonedError if the work is to be given up; the sink calls this while it waits."""
        if self._abandon:
            raise AbandonedError

    def _work(self) -> None:
        try:
            self._sink.begin()
            with self._changed:
                self._begun = True
                self._changed.notify_all()
            while self._step():
                pass
        except BaseException as error:  # the other thread raises it
            with self._changed:
                self._error = error
                self._busy = False
                self._changed.notify_all()

    def _step(self) -> bool:
        """Do the next step of the work; return false at the end."""
        with self._changed:
            self._changed.wait_for(self._has_work, _TICK)
            if self._end:
                return False
            abandon, finish, scored = self._abandon, self._finish, self._waiting
            self._waiting = None
            self._busy, self._began = True, time.monotonic()
            self._changed.notify_all()
        stored = None
        try:
            if abandon:
                self._sink.drop()
            elif scored is not None:
                stored = self._sink.write(scored)
                finish = False  # what is to be finished may have grown meanwhile; the next step does it
            elif finish:
                stored = self._sink.finish()
            else:
                stored = self._sink.tick()
        except AbandonedError:
            finish = False
        with self._changed:
            if stored is not None:
                self._stored.append(stored)
            self._busy = False
            if abandon:
                self._abandon = self._finish = False
            elif finish:
                self._finish = False
            self._changed.notify_all()
        return True

    def _has_work(self) -> bool:
        return self._end or self._abandon or self._finish or self._waiting is not None
