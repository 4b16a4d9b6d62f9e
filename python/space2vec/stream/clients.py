"""Errors of the Kafka clients: which end a stream, which pass, and how they are told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from space2vec.errors import StreamError
from space2vec.errors.text import one_line

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, KafkaException

__all__ = ["Notices", "error_of", "fatal_error", "is_fatal", "is_passing", "quiet_logger", "retry"]

_Result = TypeVar("_Result")
#: Seconds between the attempts of a call that fails for now, at first and at most.
_FIRST, _LAST = 0.05, 2.0
#: Seconds within which the same notice is not repeated.
_QUIET = 30.0


def quiet_logger() -> logging.Logger:
    """Return the logger that takes the log lines of librdkafka; it prints them only if the user gives it a handler."""
    logger = logging.getLogger("space2vec.stream")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


class Notices:
    """Hand each notice on, but not the same one again within half a minute.

    Parameters
    ----------
    report : callable
        Takes the text of a notice.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._last: dict[str, float] = {}

    def __call__(self, text: str) -> None:
        """Hand a notice on."""
        now = time.monotonic()
        if now - self._last.get(text, -_QUIET) >= _QUIET:
            if len(self._last) > 100:
                self._last.clear()
            self._last[text] = now
            self._report(one_line(text))


def error_of(error: KafkaException) -> KafkaError:
    """Return the error within an exception."""
    inner: KafkaError = error.args[0]
    return inner


def is_fatal(error: KafkaError) -> bool:
    """Return whether no further call of the client can succeed."""
    from confluent_kafka import KafkaError

    fatal = (
        KafkaError._FATAL,
        KafkaError._FENCED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    )
    return error.fatal() or error.code() in fatal


def is_passing(error: KafkaError) -> bool:
    """Return whether the same call may succeed later."""
    from confluent_kafka import KafkaError

    passing = (
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._WAIT_COORD,
        KafkaError._IN_PROGRESS,
        KafkaError._RETRY,
        KafkaError._RESOLVE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    )
    return not is_fatal(error) and (error.retriable() or error.code() in passing)


def fatal_error(error: KafkaError, member: str) -> StreamError:
    """Return the error that ends a stream; `member` is the name of this member of the group."""
    from confluent_kafka import KafkaError

    words = one_line(error.str())
    fenced = (KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID, KafkaError.INVALID_PRODUCER_EPOCH)
    if error.code() in fenced or "fenced" in words.lower() or "newer" in words.lower():
        return StreamError(
            f"another process has taken over as the member {member!r} and fenced this one ({words}); nothing is lost. "
            "Give each process a --member of its own"
        )
    return StreamError(f"Kafka refuses: {words}")


def retry(call: Callable[[], _Result], notice: Callable[[str], None], what: str, check: Callable[[], None]) -> _Result:
    """Call until it succeeds or fails for good.

    Parameters
    ----------
    call : callable
        The call; it raises a KafkaException.
    notice : callable
        Takes a notice of an attempt that failed.
    what : str
        What the call does, for the notice.
    check : callable
        Is called between attempts, and raises an exception if there shall be none.

    Raises
    ------
    KafkaException
        If it fails for good.
    """
    from confluent_kafka import KafkaException

    pause = _FIRST
    while True:
        try:
            return call()
        except KafkaException as error:
            if not is_passing(error_of(error)):
                raise
            notice(f"{what}: {error_of(error).str()}; trying again")
        check()
        time.sleep(pause)
        pause = min(2 * pause, _LAST)
