"""Errors that a call raises when it cannot run at all.

A row that cannot be scored is no error: it keeps its place, with NaN and a named flag (see
:mod:`space2vec.data.flags`). The texts of errors and warnings are single lines of bounded length, whatever is in the
names that they quote.
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
]


class Space2vecError(Exception):
    """Base class of the package's own errors."""

    def __init__(self, *words: object) -> None:
        super().__init__(*(one_line(word) if isinstance(word, str) else word for word in words))


class Space2vecWarning(UserWarning):
    """What is worth knowing of a result that can be had all the same; the command line prints it in one line."""

    def __init__(self, *words: object) -> None:
        super().__init__(*(one_line(word) if isinstance(word, str) else word for word in words))


class ReadError(Space2vecError):
    """An input that cannot be read: missing, empty, truncated, or of a foreign format."""


class ModelError(Space2vecError):
    """A model that is unknown, damaged, or does not fit its input."""


class BackendError(Space2vecError):
    """A backend or device that was asked for and cannot run here."""


class DeviceLostError(BackendError):
    """A device that does not answer any more, in the middle of the work."""


class OutputError(Space2vecError):
    """An output that cannot be begun or gone on with: in use, of another run, or damaged."""
