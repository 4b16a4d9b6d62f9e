"""Hostile Avro files and bare messages."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import Any

from hostile.making import MB, Maker, gzipped, image, raw_deflate, register, small_image

MAKERS: dict[str, Maker] = {}

_SYNC = bytes(range(16))
_CUTOUT = {
    "type": "record",
    "name": "cutout",
    "fields": [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}],
}


def alert_schema(*more: dict[str, Any], candid: str = "long") -> dict[str, Any]:
    """Return a schema of alerts like ZTF's, with further fields before the cutouts."""
    fields = [{"name": "objectId", "type": "string"}, {"name": "candid", "type": candid}, *more]
    fields.append({"name": "cutoutScience", "type": ["null", _CUTOUT]})
    fields += [{"name": f"cutout{name}", "type": ["null", "cutout"]} for name in ("Template", "Difference")]
    return {"type": "record", "name": "alert", "fields": fields}


def number(value: int) -> bytes:
    """Return a long as Avro writes it."""
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def text(value: bytes) -> bytes:
    """Return a string, or bytes, as Avro writes it."""
    return number(len(value)) + value


def container(schema: Any, blocks: list[tuple[int, bytes]], codec: str = "null") -> bytes:
    """Return an Avro file of blocks: the number of records, and the bytes as they lie in the file."""
    whole = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    entries = text(b"avro.schema") + text(whole) + text(b"avro.codec") + text(codec.encode())
    parts = [b"Obj\1", number(2), entries, number(0), _SYNC]
    for count, packed in blocks:
        parts += [number(count), number(len(packed)), packed, _SYNC]
    return b"".join(parts)


def record(object_id: bytes = b"bad", candid: bytes = number(1), cutouts: bytes | None = None) -> bytes:
    """Return a record of :func:`alert_schema` without further fields; `cutouts` is the FITS file of each."""
    cut = number(0) if cutouts is None else number(1) + text(b"x.fits") + text(cutouts)
    return text(object_id) + candid + 3 * cut


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@register(MAKERS, ".avro")
def avro_long_object_id() -> bytes:
    """Give an object id of 120 MB, in a deflated block of 120 kB."""
    size = 120 * MB
    return container(alert_schema(), [(1, raw_deflate(number(size), size, number(1) + 3 * number(0), b"x"))], "deflate")


@register(MAKERS, ".avro")
def avro_long_candidate_id() -> bytes:
    """Give a candidate id of 120 MB of text."""
    size = 120 * MB
    packed = raw_deflate(text(b"bad") + number(size), size, 3 * number(0), b"x")
    return container(alert_schema(candid="string"), [(1, packed)], "deflate")


@register(MAKERS, ".avro")
def avro_many_long_ids() -> bytes:
    """Give 1,000 object ids of 100 kB each."""
    return container(alert_schema(), [(1000, _deflated(1000 * record(b"x" * 100_000)))], "deflate")


@register(MAKERS, ".avro")
def avro_long_texts() -> bytes:
    """Give three alerts with 40 MB of text in a field that columns may ask for."""
    size = 40 * MB
    block = raw_deflate(text(b"bad") + number(1) + number(size), size, 3 * number(0), b"x")
    return container(alert_schema({"name": "publisher", "type": "string"}), [(1, block)] * 3, "deflate")


@register(MAKERS, ".avro")
def avro_deep_schema() -> bytes:
    """Nest 60,000 arrays in a schema."""
    deep = b'{"type":"array","items":' * 60_000 + b'"int"' + b"}" * 60_000
    whole = json.dumps(alert_schema({"name": "deep", "type": "HERE"})).encode()
    return container(whole.replace(b'"HERE"', deep), [(1, record())])


@register(MAKERS, ".avro")
def avro_recursive_records() -> bytes:
    """Nest a record in itself a million times."""
    link = {"name": "link", "type": "record", "fields": [{"name": "next", "type": ["null", "link"]}]}
    schema = alert_schema({"name": "chain", "type": link})
    body = text(b"bad") + number(1) + number(1) * MB + number(0) + 3 * number(0)
    return container(schema, [(1, _deflated(body))], "deflate")


@register(MAKERS, ".avro")
def avro_wide_schema() -> bytes:
    """Give a schema of 40,000 fields."""
    more = [{"name": f"f{k}", "type": "null"} for k in range(40_000)]
    return container(alert_schema(*more), [(1, record())])


@register(MAKERS, ".avro")
def avro_branching_schema() -> bytes:
    """Give a schema whose fields have 2^40 paths."""
    kind: Any = "int"
    for depth in range(40):
        name = f"r{depth}"
        kind = {"type": "record", "name": name, "fields": [{"name": "a", "type": kind}, {"name": "b", "type": "int"}]}
        if depth:
            kind["fields"][1]["type"] = f"r{depth - 1}"
    return container(alert_schema({"name": "tree", "type": kind}), [(1, record())])


@register(MAKERS, ".avro")
def avro_empty_records() -> bytes:
    """Give 1.2 million alerts without anything, in 20 kB."""
    return container(alert_schema(), [(60_000, _deflated(60_000 * record()))] * 20, "deflate")


@register(MAKERS, ".avro")
def avro_block_count() -> bytes:
    """Give a block of 2^62 records."""
    return container(alert_schema(), [(1 << 62, record())])


@register(MAKERS, ".avro")
def avro_block_size() -> bytes:
    """Give a block that is 2^62 bytes long."""
    whole = container(alert_schema(), [])
    return whole + number(1) + number(1 << 62) + record()


@register(MAKERS, ".avro")
def avro_header_size() -> bytes:
    """Give a header whose schema is 2^40 bytes long."""
    return b"Obj\1" + number(1) + text(b"avro.schema") + number(1 << 40) + b"{" * 100


@register(MAKERS, ".avro")
def avro_header_entries() -> bytes:
    """Give a header of 15 MB that consists of empty entries."""
    return b"Obj\1" + number(1 << 40) + bytes(15 * MB)


@register(MAKERS, ".avro")
def avro_array_of_nothing() -> bytes:
    """Give an array of 2^60 items that take no bytes."""
    schema = alert_schema({"name": "nothing", "type": {"type": "array", "items": "null"}})
    return container(schema, [(1, text(b"bad") + number(1) + number(1 << 60) + number(0) + 3 * number(0))])


@register(MAKERS, ".avro")
def avro_packed_bombs() -> bytes:
    """Give 300 alerts whose cutouts are 16 MB of zeros each, packed twice over."""
    bomb = gzipped(image(2000, 2000), 16_000_000 + 2720, checksum=True)
    return container(alert_schema(), [(100, _deflated(100 * record(cutouts=bomb)))] * 3, "deflate")


@register(MAKERS, ".avro")
def avro_endless_cutout() -> bytes:
    """Give an alert whose cutouts unpack to 1 GB."""
    return container(alert_schema(), [(1, record(cutouts=gzipped(image(2000, 2000), 1 << 30)))])


@register(MAKERS, ".avro")
def avro_large_planes() -> bytes:
    """Give 40 alerts of 4 million pixels a plane."""
    bomb = gzipped(image(2048, 2048, 8), 2048 * 2048 + 1856, checksum=True)
    return container(alert_schema(), [(40, 40 * record(cutouts=bomb))])


@register(MAKERS, ".avro")
def avro_snappy_length() -> bytes:
    """Give a snappy block that claims 4 GB."""
    return container(alert_schema(), [(1, b"\xff\xff\xff\xff\x0f" + bytes(100))], "snappy")


@register(MAKERS, ".avro")
def avro_deflate_bomb() -> bytes:
    """Give a deflated block of 1 GB."""
    return container(alert_schema(), [(1, raw_deflate(b"", 1 << 30))], "deflate")


@register(MAKERS, ".avro.gz")
def avro_packed_file() -> bytes:
    """Give 500 MB of zeros behind the header of an Avro file, gzip'd."""
    return gzipped(container(alert_schema(), []), 500 * MB)


@register(MAKERS, ".avro")
def message_of_zeros() -> bytes:
    """Give 8 MB of zeros, which begin as bare messages do."""
    return b"\0\0\0\0\1" + bytes(8 * MB)


@register(MAKERS, ".avro")
def avro_noise() -> bytes:
    """Give noise that begins as an Avro file does."""
    return b"Obj\1" + random.Random(1).randbytes(MB)


@register(MAKERS, ".avro")
def empty() -> bytes:
    """Give nothing."""
    return b""


@register(MAKERS, ".avro")
def avro_sound_but_last() -> bytes:
    """Give a sound alert, and one whose block is cut."""
    sound = record(b"sound", number(7), gzip.compress(small_image(), mtime=0))
    return container(alert_schema(), [(1, sound)]) + number(1) + number(len(sound)) + sound[:99]
