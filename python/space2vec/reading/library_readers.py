"""The types of the library's reader of files and of its decoder of messages."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decoder", "FieldValues", "Raw", "RawProblem", "Reader", "SchemaFields"]


class RawProblem(NamedTuple):
    """A problem of a batch as the library describes it.

    Attributes
    ----------
    row : int
        The row of the batch.
    source : int
        The file, counted from the first that the reader was given.
    record : int
        The number of the record in its file, -1 if it is unknown.
    offset : int
        The byte at which the record begins.
    fault : str
        What is wrong, a name of :data:`space2vec.registry.FAULTS`.
    fault_offset : int
        The byte of the record at which it is wrong, 0 if it is unknown.
    channel : int
        The cutout that is at fault, an index into :data:`~space2vec.data.channels.CHANNELS`; -1 for the whole record.
    member : str
        The file of an archive, empty for any other.
    detail : str
        What was met there, such as the name of a field.
    """

    row: int
    source: int
    record: int
    offset: int
    fault: str
    fault_offset: int
    channel: int
    member: str
    detail: str


class FieldValues(NamedTuple):
    """The values (n,) of one field: the type of each, its value as an integer and as a real number, texts by row."""

    kind: NDArray[np.uint8]
    integer: NDArray[np.int64]
    real: NDArray[np.float64]
    texts: dict[int, str]


class _Rows(TypedDict):
    pixels: NDArray[np.float32]
    offset: NDArray[np.int64]
    shape: NDArray[np.int32]
    centre: NDArray[np.int32]
    flags: NDArray[np.uint32]
    candidate_id: NDArray[np.int64]
    #: Ids that are no integers, by row.
    other_ids: dict[int, str]
    survey: NDArray[np.int32]
    object_id: list[str]
    schema: NDArray[np.int32]
    #: The members of a :class:`FieldValues` for each requested field.
    fields: list[tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float64], dict[int, str]]]
    #: The members of a :class:`RawProblem` each.
    problems: list[tuple[int, int, int, int, str, int, int, str, str]]
    source: NDArray[np.int32]
    record: NDArray[np.int64]
    byte: NDArray[np.uint64]
    block: NDArray[np.uint64]


class Raw(_Rows, total=False):
    """The arrays that the library returns for some rows (n), by name; those listed here only on request."""

    catalogue: NDArray[np.float32]
    features: NDArray[np.float32]
    feature_flags: NDArray[np.uint32]
    score: NDArray[np.float32]
    score_flags: NDArray[np.uint32]
    vectors: NDArray[np.int8]
    vector_flags: NDArray[np.uint32]


class SchemaFields(Protocol):
    """The columns of the schemas that the library's readers have met, by number."""

    def schema_fields(self, schema: int) -> bytes:
        """Return the types, as bits, that a schema gives the requested fields."""

    def schema_paths(self, schema: int) -> list[str]:
        """Return the paths of all fields of a schema."""


class Reader(SchemaFields, Protocol):
    """The library's reader of files, or of a table in memory."""

    def next(self, rows: int) -> Raw | None:
        """Return the next rows, ``None`` at the end."""


class Decoder(SchemaFields, Protocol):
    """The library's decoder of messages."""

    def add_schema(self, id: int | None, json: str) -> None:
        """Add a schema; ``None`` is the number of the schema for messages without a header."""

    def decode(self, messages: list[bytes | None]) -> Raw | None:
        """Return the rows of messages, one each."""
