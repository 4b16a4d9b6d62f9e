"""Alerts out of Avro container files.

The container (header, blocks, sync markers) is walked here and the records are decoded by fastavro: a night of
one-alert files repeats one schema hundreds of thousands of times, which is parsed once; unpacking is bounded; and the
records before a cut are kept.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, BinaryIO

from space2vec.errors import ReadError
from space2vec.reading.batch import Row
from space2vec.reading.packet import FIELDS, check_fields, to_row

__all__ = ["MAGIC", "read_alerts"]

MAGIC = b"Obj\x01"

#: No block unpacks to more bytes than this. Writers aim at blocks of 16 KB to a few MB.
_BLOCK_LIMIT = 1 << 30
_HEADER: Any = {
    "type": "record",
    "name": "header",
    "fields": [
        {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": 4}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": 16}},
    ],
}


def read_alerts(file: BinaryIO, size: int) -> Iterator[Row]:
    """Yield the alerts of one Avro container file, in order.

    Parameters
    ----------
    file : binary file
        Open at its start.
    size : int
        Its length in bytes.

    Raises
    ------
    ReadError
        If the file is no Avro file of alerts, or once the alerts before the damage have been yielded.
    """
    from fastavro import schemaless_reader

    try:
        header: Any = schemaless_reader(file, _header_schema(), None)
    except Exception:  # fastavro raises errors of many kinds on damaged bytes.
        raise ReadError("the Avro header is damaged or cut short") from None
    if header["magic"] != MAGIC:
        raise ReadError("not an Avro file")
    codec = header["meta"].get("avro.codec", b"null").decode("ascii", "replace")
    if codec not in _CODECS:
        raise ReadError(f"Avro codec {codec!r}; accepted are {', '.join(_CODECS)}")
    writer, reader = _schemas(header["meta"].get("avro.schema", b""))
    number = 0
    while file.tell() < size:
        count, block, fault = _next_block(file, size, codec)
        plain = io.BytesIO(block)
        for _ in range(count):
            try:
                packet: Any = schemaless_reader(plain, writer, reader)
            except Exception as error:
                raise ReadError(fault or f"record {number} is damaged ({_told(error)})") from None
            yield to_row(packet, number)
            number += 1
        if fault is None and file.read(16) != header["sync"]:
            fault = f"the sync marker after record {number - 1} is damaged or missing"
        if fault is not None:
            raise ReadError(fault)


@lru_cache(maxsize=1)
def _header_schema() -> Any:
    from fastavro import parse_schema

    return parse_schema(_HEADER)


@lru_cache(maxsize=32)
def _schemas(text: bytes) -> tuple[Any, Any]:
    """Return the writer's schema and the part of it that is wanted; ``None`` for all of it."""
    from fastavro import parse_schema

    try:
        schema = json.loads(text)
        writer = parse_schema(schema)
        fields = schema["fields"]
        check_fields(field["name"] for field in fields)
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(f"the Avro schema is damaged or no record ({_told(error)})") from None
    try:
        return writer, parse_schema({**schema, "fields": [field for field in fields if field["name"] in FIELDS]})
    except Exception:
        # A field that is wanted names a type that is defined in one that is not.
        return writer, None


def _next_block(file: BinaryIO, size: int, codec: str) -> tuple[int, bytes, str | None]:
    """Return the number of records of the next block, its bytes as far as they are there, and what is wrong."""
    try:
        count, length = _long(file), _long(file)
    except Exception:
        raise ReadError("the file is cut short in the head of a block") from None
    if count < 0 or length < 0:
        raise ReadError("the head of a block is damaged")
    cut = length > size - file.tell()
    if min(length, size) > _BLOCK_LIMIT:
        raise ReadError(f"a block of more than {_BLOCK_LIMIT} bytes")
    data = file.read(min(length, size))
    plain, fault = _CODECS[codec](data)
    return count, plain, "the file is cut short" if cut else fault


def _long(file: BinaryIO) -> int:
    from fastavro import schemaless_reader

    value: Any = schemaless_reader(file, "long", None)
    return int(value)


def _plain(data: bytes) -> tuple[bytes, str | None]:
    return data, None


def _deflated(data: bytes) -> tuple[bytes, str | None]:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = b""
    try:
        plain = stream.decompress(data, _BLOCK_LIMIT)
    except zlib.error as error:
        return plain, f"a deflate block is damaged ({error})"
    if stream.unconsumed_tail:
        return b"", f"a deflate block unpacks to more than {_BLOCK_LIMIT} bytes"
    return plain, None if stream.eof else "a deflate block is cut short"


def _snappy(data: bytes) -> tuple[bytes, str | None]:
    import cramjam

    body, checksum = data[:-4], data[-4:]
    if len(data) < 5 or _snappy_length(body) > _BLOCK_LIMIT:
        return b"", "a snappy block is damaged"
    try:
        plain = bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        return b"", f"a snappy block is damaged ({error})"
    if struct.pack(">I", zlib.crc32(plain)) != checksum:
        return b"", "a snappy block has a wrong checksum"
    return plain, None


def _snappy_length(body: bytes) -> int:
    """Return the length that a raw snappy block announces: a little-endian base 128 number."""
    length = 0
    for place, byte in enumerate(body[:5]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            break
    return length


_CODECS = {"null": _plain, "deflate": _deflated, "snappy": _snappy}


def _told(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
