"""The name of a process among the members of a consumer group."""

from __future__ import annotations

import hashlib
import socket
import sys
from types import TracebackType
from typing import TYPE_CHECKING

from space2vec.errors import StreamError

if TYPE_CHECKING:
    from typing import Self

__all__ = ["MemberName"]

#: The most members of one group on one machine.
_MOST = 4096


class MemberName:
    """The name of this process among the members of a group, the same after a restart.

    By default it is the name of the machine with the lowest number that no other process of the machine holds for
    the group. The system takes the number back when the process ends, however it ends. Use it in a ``with`` block.

    Parameters
    ----------
    group : str
        The consumer group.
    name : str, optional
        The name that the user chooses. Two processes of one name fence each other.

    Raises
    ------
    StreamError
        If the machine has thousands of members.
    """

    def __init__(self, group: str, name: str = "") -> None:
        self._group = group
        self._held: socket.socket | None = None
        self.name = name or f"{socket.gethostname()}-{self._lowest_number()}"

    def _lowest_number(self) -> int:
        """Take the lowest free number, as an address in the namespace of sockets that is no file (Linux)."""
        if not sys.platform.startswith("linux"):
            return 0
        for number in range(_MOST):
            held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            digest = hashlib.sha256(f"{self._group}\0{number}".encode()).hexdigest()[:32]
            try:
                held.bind(f"\0space2vec-stream-{digest}")
            except OSError:
                held.close()
                continue
            self._held = held
            return number
        raise StreamError(f"this machine has {_MOST} members of the group {self._group!r}; name this one with --member")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held is not None:
            self._held.close()
