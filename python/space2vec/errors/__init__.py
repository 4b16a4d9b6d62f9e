"""Errors of calls that cannot run.

A row that cannot be scored is not an error: it keeps its place, with NaN and a named flag (see
:mod:`space2vec.data.flags`). The message of an error or warning is one line of bounded length, whatever names it
quotes.
"""

from space2vec.errors.text import one_line

__all__ = [
    "BackendError",
    "DeviceLostError",
    "ModelError",
    "OutputError",
    "ReadError",
    "Space2vecError",
    "Space2vecWarning",
    "StreamError",
]


class Space2vecError(Exception):
    """Base class of the package's own errors."""

    def __init__(self, *words: object) -> None:
        super().__init__(*(one_line(word) if isinstance(word, str) else word for word in words))


class Space2vecWarning(UserWarning):
    """A warning about a result that is still returned; the command line prints it in one line."""

    def __init__(self, *words: object) -> None:
        super().__init__(*(one_line(word) if isinstance(word, str) else word for word in words))


class ReadError(Space2vecError):
    """An input that cannot be read: missing, empty, truncated, or in an unknown format."""


class ModelError(Space2vecError):
    """A model that is unknown, damaged, or does not fit its input."""


class BackendError(Space2vecError):
    """A requested backend or device that cannot run here."""


class DeviceLostError(BackendError):
    """A device that stopped answering during the work."""


class OutputError(Space2vecError):
    """An output that cannot be started or continued: in use, of another run, or damaged."""


class StreamError(Space2vecError):
    """A stream that cannot start or continue: no broker, a topic that is refused, or another member of its name."""
