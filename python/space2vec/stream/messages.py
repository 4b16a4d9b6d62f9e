"""Messages that a stream has received, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from space2vec.data.tables import Scores

__all__ = ["Messages", "Offsets", "Partition", "ScoredMessages", "Stored"]

#: A partition: its topic and its number.
Partition: TypeAlias = tuple[str, int]
#: An offset for each partition; a position is the offset of the next message.
Offsets: TypeAlias = dict[Partition, int]


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of one batch, in the order in which they arrived.

    Attributes
    ----------
    values : sequence of bytes or None (n,)
        Their bytes.
    topics, partitions, offsets : sequence (n,)
        Where each was read.
    times : sequence of int (n,)
        The time stamp of each, in milliseconds since 1970; negative if it has none.
    epoch : int
        How often the partitions of this process had changed when they were read; see :class:`Source`.
    membership : object
        What the group knew this process by when it gave it these partitions, for transactions: once the group has
        given them to others, a transaction with it fails.
    """

    values: Sequence[bytes | None]
    topics: Sequence[str]
    partitions: Sequence[int]
    offsets: Sequence[int]
    times: Sequence[int]
    epoch: int
    membership: object = None

    def __len__(self) -> int:
        return len(self.offsets)

    def positions(self) -> Offsets:
        """Return the position after these messages, for each of their partitions."""
        return {
            (topic, partition): offset + 1
            for topic, partition, offset in zip(self.topics, self.partitions, self.offsets, strict=True)
        }


@dataclass(frozen=True, slots=True)
class ScoredMessages:
    """Messages with their scores.

    Attributes
    ----------
    messages : Messages (n,)
        The messages.
    scores : Scores (n rows)
        One row for each message.
    problems : mapping of int to str
        What is wrong with a message, by its row.
    unread : sequence of int
        The rows of messages that hold no alert that can be read.
    """

    messages: Messages
    scores: Scores
    problems: Mapping[int, str]
    unread: Sequence[int]


@dataclass(frozen=True, slots=True)
class Stored:
    """Scores that an output has taken.

    Attributes
    ----------
    positions : Offsets
        The positions after them.
    rows : int
        How many there are.
    newest : int
        The time stamp of the newest of their messages, in milliseconds since 1970; negative if there is none.
    committed : bool
        Whether the group's positions were stored with them.
    """

    positions: Offsets
    rows: int
    newest: int
    committed: bool = False
