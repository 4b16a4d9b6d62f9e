"""Schemas by the number in a message's header: from the files of a folder, or from a schema registry over HTTP."""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias, cast
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from space2vec.errors import ReadError, StreamError
from space2vec.errors.text import NAME, one_line
from space2vec.reading.schemas import Schema, insert_types, named_types, schema_text

__all__ = ["FolderRegistry", "RegistryDownError", "UrlRegistry", "open_registry"]

#: The largest answer of a registry, in bytes, and the seconds that it may take.
_MOST, _TIMEOUT = 4 << 20, 10.0
#: The most schemas that a schema may refer to, directly or not.
_REFERENCES = 100
#: Seconds after which a number that the registry does not know is requested again, and the most of these numbers.
_AGAIN, _UNKNOWN = 10.0, 4096
#: The media type of requests and answers.
_TYPE = "application/vnd.schemaregistry.v1+json"
#: JSON values.
_Json: TypeAlias = "dict[str, _Json] | list[_Json] | str | float | bool | None"

#: A schema that another refers to: its subject and version.
_Reference: TypeAlias = tuple[str, int]


class _Answer(NamedTuple):
    """A schema as a registry holds it: its text, and the schemas that it refers to."""

    text: str
    references: Sequence[_Reference]


class RegistryDownError(StreamError):
    """A schema registry that does not answer now; the same request may succeed later."""


def open_registry(place: str, settings: Mapping[str, str]) -> FolderRegistry | UrlRegistry:
    """Return the schemas of a URL (``http:`` or ``https:``) or of a folder.

    Parameters
    ----------
    place : str
        The URL or the folder.
    settings : mapping of str to str
        ``basic.auth.user.info`` (USER:PASSWORD), ``bearer.auth.token`` and ``ssl.ca.location`` for a URL.

    Raises
    ------
    StreamError
        If it is neither.
    """
    if "://" in place:
        return UrlRegistry(place, settings)
    folder = Path(place)
    if not folder.is_dir():
        raise StreamError(f"{place} is neither a URL of a schema registry nor a folder of schemas")
    return FolderRegistry(folder)


class FolderRegistry:
    """Schemas in the files ``ID.avsc`` or ``ID.json`` of a folder, which may gain files while the stream runs.

    Other files of the folder may define types that a schema names.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, number: int) -> Schema | None:
        """Return the file of a schema; None if there is none of this number."""
        files = (self._folder / f"{number}{suffix}" for suffix in (".avsc", ".json"))
        return next((file for file in files if file.is_file()), None)


class UrlRegistry:
    """A client of a schema registry that speaks the REST protocol of Confluent's.

    A schema is requested once, with the schemas that it refers to. The answers are not trusted: they are limited in
    size, number and time, redirections are not followed (they could lead the password elsewhere), and anything but a
    schema in JSON is refused.

    Parameters
    ----------
    url : str
        Its address; a name and password in it are sent as they are in ``basic.auth.user.info``.
    settings : mapping of str to str
        As for :func:`open_registry`.

    Raises
    ------
    StreamError
        If the address is not one of HTTP, or a setting is unknown.
    """

    def __init__(self, url: str, settings: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StreamError("a schema registry has an address such as http://127.0.0.1:8081")
        known = {"basic.auth.user.info", "basic.auth.credentials.source", "bearer.auth.token", "ssl.ca.location"}
        if unknown := sorted(set(settings) - known):
            raise StreamError(f"unknown settings of a schema registry: {', '.join(unknown)}; known: {', '.join(known)}")
        user = settings.get("basic.auth.user.info") or unquote(parts.netloc.rpartition("@")[0])
        self._base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        self._headers = {"Accept": f"{_TYPE}, application/json"}
        if user:
            self._headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
        elif token := settings.get("bearer.auth.token"):
            self._headers["Authorization"] = f"Bearer {token}"
        context = ssl.create_default_context(cafile=settings.get("ssl.ca.location"))
        self._opener = urllib.request.build_opener(_NoRedirects(), urllib.request.HTTPSHandler(context=context))
        #: When each number that is not known was requested last.
        self._unknown: dict[int, float] = {}

    def __call__(self, number: int) -> Schema | None:
        """Request a schema; None if the registry does not know the number, or knows no Avro schema of it.

        Raises
        ------
        RegistryDownError
            If the registry does not answer now.
        StreamError
            If it refuses the request.
        """
        if time.monotonic() - self._unknown.get(number, -_AGAIN) < _AGAIN:
            return None
        found = self._request_schema(f"/schemas/ids/{number}")
        if found is not None:
            try:
                return self._complete(found, number)
            except ReadError:
                pass  # JSON of another kind, or a type is missing
        if len(self._unknown) >= _UNKNOWN:
            self._unknown.clear()
        self._unknown[number] = time.monotonic()
        return None

    def register(self, subject: str, schema: str) -> int:
        """Register a schema under a subject, if it is not there, and return its number.

        Raises
        ------
        RegistryDownError
            If the registry does not answer now.
        StreamError
            If it refuses the schema, or answers something else than a number.
        """
        answer = self._request(f"/subjects/{quote(subject, safe='')}/versions", {"schema": schema})
        number = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 32:
            raise StreamError(f"the schema registry gives the schema of {subject!r} no number: {number!r}")
        return number

    def _complete(self, found: _Answer, number: int) -> str:
        """Return a schema with the types of its references inserted; a ReadError if one is missing."""
        if not found.references:
            return schema_text(found.text)
        return insert_types(
            _parse(found.text),
            lambda: self._referenced_types(found.references),
            f"schema {number}",
            "no reference of it",
        )

    def _referenced_types(self, references: Sequence[_Reference]) -> dict[str, dict[str, _Json]]:
        """Request the schemas that a schema refers to, and those that they refer to; return their types by name."""
        types: dict[str, dict[str, _Json]] = {}
        waiting, seen = list(references), set(references)
        while waiting:
            subject, version = waiting.pop()
            found = self._request_schema(f"/subjects/{quote(subject, safe='')}/versions/{version}")
            if found is None:
                continue
            for name, schema in named_types(_parse(found.text)):
                types.setdefault(name, schema)
            new = [reference for reference in found.references if reference not in seen]
            if len(seen) + len(new) > _REFERENCES:
                raise ReadError(f"a schema refers to more than {_REFERENCES} others")
            seen.update(new)
            waiting += new
        return types

    def _request_schema(self, path: str) -> _Answer | None:
        """Request a schema; None if there is none of Avro."""
        found = self._request(path)
        text = found.get("schema") if isinstance(found, dict) else None
        if not isinstance(found, dict) or not isinstance(text, str) or found.get("schemaType", "AVRO") != "AVRO":
            return None
        references = found.get("references")
        return _Answer(text, list(dict.fromkeys(_references(references if isinstance(references, list) else []))))

    def _request(self, path: str, body: Mapping[str, str] | None = None) -> _Json:
        """Return the answer to a request, as parsed JSON; None if there is no such thing."""
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers if data is None else {**self._headers, "Content-Type": _TYPE}
        request = urllib.request.Request(self._base + path, data, headers)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as answer:
                text = answer.read(_MOST + 1)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404 and data is None:
                    return None
                if error.code >= 500 or error.code in (408, 429):
                    raise RegistryDownError(f"the schema registry {self._base} answers {error.code}") from None
                reason = one_line(error.read(NAME).decode(errors="replace"), NAME)
            raise StreamError(f"the schema registry {self._base} answers {error.code}: {reason}") from None
        except (OSError, HTTPException) as error:  # a URLError is an OSError
            raise RegistryDownError(f"the schema registry {self._base} does not answer: {error}") from None
        if len(text) > _MOST:
            raise StreamError(f"the schema registry {self._base} answers more than {_MOST >> 20} MiB")
        try:
            return cast("_Json", json.loads(text))
        except (ValueError, RecursionError):
            raise StreamError(f"the schema registry {self._base} does not answer in JSON") from None


def _references(listed: Sequence[_Json]) -> Iterator[_Reference]:
    """Yield the references that an answer of the registry lists; what is none is left out."""
    for one in listed:
        subject, version = (one.get("subject"), one.get("version")) if isinstance(one, dict) else (None, None)
        if isinstance(subject, str) and isinstance(version, int):
            yield subject, version


def _parse(text: str) -> _Json:
    try:
        return cast("_Json", json.loads(text))
    except (ValueError, RecursionError):
        raise ReadError("a schema is no JSON") from None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Take a redirection for an error."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Return nothing, so that the answer is an HTTPError."""
