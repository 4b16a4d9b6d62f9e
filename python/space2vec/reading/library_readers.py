"""The types of the library's reader of files and of its decoder of messages."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

__all__ = ["Decoder", "Raw", "Reader", "SchemaFields"]

#: What the library returns of some rows: arrays and lists by name. Any: each entry has a type of its own.
Raw: TypeAlias = dict[str, Any]


class SchemaFields(Protocol):
    """What the library's readers tell of the schemas that they have met, by number."""

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
        """Add a schema; ``None`` stands for that of messages without a header."""

    def decode(self, messages: list[bytes | None]) -> Raw | None:
        """Return the rows of messages, one each."""
