"""Schemas of bare Avro messages, also when a survey publishes one schema in several files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from space2vec.data.types import Json
from space2vec.errors import ReadError

__all__ = ["Schema", "Schemas", "insert_types", "named_types", "read_schema", "schema_text", "schema_texts"]

#: A schema: JSON, as text or as it is parsed, or the file that holds it.
Schema: TypeAlias = str | Mapping[str, Json] | Sequence[Json] | os.PathLike[str]
#: Schemas by the number in a message's header.
Schemas: TypeAlias = Mapping[int, Schema]

_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAMED = frozenset({"record", "error", "enum", "fixed"})
_SUFFIXES = (".avsc", ".json")


def schema_texts(schemas: Schemas) -> dict[int, str]:
    """Return schemas as JSON text by number.

    Each is given as JSON text, as parsed JSON, or as the path of its file; other files of that folder may define types
    that it names. A number that does not fit into four bytes, and a file without a schema, raise a ReadError.
    """
    for number in schemas:
        if not 0 <= number < 1 << 32:
            raise ReadError(f"schema number {number} does not fit into four bytes")
    return {number: schema_text(schema) for number, schema in schemas.items()}


def schema_text(schema: Schema) -> str:
    """Return a schema as JSON text; text that is not JSON, and a file without a schema, raise a ReadError."""
    if isinstance(schema, os.PathLike):
        return read_schema(schema)
    if not isinstance(schema, str):
        return json.dumps(schema)
    if schema.lstrip()[:1] not in ("{", "[", '"'):
        raise ReadError(f"a schema {schema[:60]!r} is no JSON of one; a file is given as a Path")
    return schema


def read_schema(path: str | os.PathLike[str]) -> str:
    """Read a schema, insert the types that it names from other files of its folder, and return JSON text.

    Surveys publish a schema in parts: ``lsst.v9_0.alert.avsc`` names ``lsst.v9_0.diaSource``, which another ``.avsc``
    or ``.json`` file of the folder defines. A file that is not JSON, and a type that no file defines, raise a
    ReadError.
    """
    file = Path(path)
    kinds = " or ".join(_SUFFIXES)
    return insert_types(_parse(file), lambda: _sibling_types(file), str(file), f"no {kinds} file beside it")


def insert_types(schema: Json, find_types: Callable[[], Mapping[str, dict[str, Json]]], name: str, nowhere: str) -> str:
    """Insert the types that a schema names without defining them, each at its first use, and return JSON text.

    Parameters
    ----------
    schema : JSON
        The schema.
    find_types : callable
        Returns the definitions of types by full name; it is called if there is a type to insert.
    name : str
        The name of the schema in errors.
    nowhere : str
        What defines no unknown type, in errors.

    Raises
    ------
    ReadError
        If a type is defined nowhere, or the schema is nested too deeply.
    """
    try:
        return json.dumps(_Insertion(find_types, name, nowhere).resolve(schema, ""))
    except RecursionError:
        raise ReadError(f"{name} is nested too deeply") from None


def named_types(held: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    """Yield the named types of a schema, which is one or a list, with their full names."""
    for schema in held if isinstance(held, list) else [held]:
        if isinstance(schema, dict) and schema.get("type") in _NAMED and isinstance(schema.get("name"), str):
            yield full_name(schema, ""), schema


def _parse(file: Path) -> Json:
    try:
        return json.loads(file.read_text("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{file} is no JSON ({error})") from None


class _Insertion:
    """The named types of a schema: those already defined, and those that are defined elsewhere."""

    def __init__(self, find_types: Callable[[], Mapping[str, dict[str, Json]]], name: str, nowhere: str) -> None:
        self._find_types, self._name, self._nowhere = find_types, name, nowhere
        self._defined: set[str] = set()
        self._types: Mapping[str, dict[str, Json]] | None = None

    def resolve(self, schema: Json, space: str) -> Json:
        """Return a schema in which types from elsewhere are defined at first use; `space` is the namespace."""
        if isinstance(schema, str):
            return self._reference(schema, space)
        if isinstance(schema, list):
            return [self.resolve(branch, space) for branch in schema]
        if not isinstance(schema, dict):
            return schema
        kind = schema.get("type")
        if isinstance(kind, str) and kind in _NAMED:
            return self._definition(schema, space)
        inner = {"array": "items", "map": "values"}.get(kind, "type") if isinstance(kind, str) else "type"
        return {**schema, inner: self.resolve(schema[inner], space)} if inner in schema else schema

    def _definition(self, schema: dict[str, Json], space: str) -> dict[str, Json]:
        name = full_name(schema, space)
        self._defined.add(name)
        if not isinstance(schema.get("fields"), list):
            return schema
        within = name.rpartition(".")[0]
        return {**schema, "fields": [self._field(field, within) for field in schema["fields"]]}

    def _field(self, field: Json, space: str) -> Json:
        if not isinstance(field, dict) or "type" not in field:
            return field
        return {**field, "type": self.resolve(field["type"], space)}

    def _reference(self, name: str, space: str) -> Json:
        full = name if "." in name or not space else f"{space}.{name}"
        if name in _PRIMITIVES or full in self._defined or name in self._defined:
            return name
        if self._types is None:
            self._types = self._find_types()
        found = full if full in self._types else name
        if found not in self._types:
            raise ReadError(f"{self._name} names the unknown type {full!r}, which {self._nowhere} defines")
        # Under its full name the type means the same in every namespace.
        short = {key: value for key, value in self._types[found].items() if key != "namespace"}
        return self.resolve({**short, "name": found}, "")


def _sibling_types(path: Path) -> dict[str, dict[str, Json]]:
    """Return the types that the other files of the folder define, by full name; files of other kinds define none."""
    types: dict[str, dict[str, Json]] = {}
    for file in sorted(path.parent.iterdir()):
        if file.suffix in _SUFFIXES and file.name != path.name and file.is_file():
            with suppress(ReadError, OSError):
                for name, schema in named_types(_parse(file)):
                    types.setdefault(name, schema)
    return types


def full_name(schema: Mapping[str, Json], space: str) -> str:
    """Return the name of a type with its own namespace, or else with the enclosing one (`space`)."""
    name = str(schema.get("name", ""))
    own = schema.get("namespace", space)
    return name if "." in name or not own else f"{own}.{name}"
