"""Make the seeds of the fuzz targets: small whole inputs, and modest damage to them. The same bytes each time.

    PYTHONPATH=tests:tests/fuzz/python python tests/fuzz/make_seeds.py

Files named ``found_*`` are inputs that once failed; they are left as they are.
"""

from __future__ import annotations

import bz2
import io
import json
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any

import cramjam
import fastavro
import numpy as np
from model_seeds import model_seeds
from reader_seeds import reader_seeds

from helpers.packets import CUTOUTS, SCHEMA, fits_bytes, packet

HERE = Path(__file__).resolve().parent
SEEDS = HERE / "seeds"
SCHEMAS = HERE / "schemas"
SYNC = bytes(range(16))


def put(target: str, **seeds: bytes) -> None:
    """Write the seeds of a target in place of those that were there."""
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if not old.name.startswith("found_"):
            old.unlink()
    for name, data in seeds.items():
        (folder / name.replace(" ", "_")).write_bytes(data)  # names that make understands


def image(dtype: str, shape: tuple[int, int] = (5, 7), cards: tuple[tuple[str, Any], ...] = ()) -> bytes:
    """Return a FITS file of few, varied pixels."""
    pixels = np.arange(shape[0] * shape[1]).reshape(shape) * 3 - (0 if dtype == ">u1" else 40)
    return fits_bytes(pixels, dtype, cards)


def unit(pixels: np.ndarray[Any, Any], name: str) -> bytes:
    """Return an image as the extension of a FITS file."""
    plain = fits_bytes(pixels, ">f4", (("PCOUNT", 0), ("GCOUNT", 1), ("EXTNAME", f"'{name:<8}'")))
    return plain.replace(b"SIMPLE  =                    T", b"XTENSION= 'IMAGE   '          ", 1)


def tiles(sizes: tuple[int, ...]) -> bytes:
    """Return the table that holds an image in tiles, without these."""
    cards = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 8", "NAXIS2  = 2", "PCOUNT  = 9"]
    cards += ["GCOUNT  = 1", "ZIMAGE  = T", f"ZNAXIS  = {len(sizes)}"]
    cards += [f"ZNAXIS{axis + 1} = {size}" for axis, size in enumerate(sizes)]
    return "".join(card.ljust(80) for card in [*cards, "END"]).ljust(2880).encode() + bytes(2880)


def empty_primary() -> bytes:
    """Return a primary unit without pixels."""
    text = "".join(card.ljust(80) for card in ("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", "EXTEND  = T", "END"))
    return text.ljust(2880).encode()


def squeeze(data: bytes, level: int = 6, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    """Return a gzip member; zlib's strategies give stored, fixed and dynamic blocks."""
    body = zlib.compressobj(level, zlib.DEFLATED, 31, 8, strategy)
    return body.compress(data) + body.flush()


def gzip_with_fields(data: bytes) -> bytes:
    """Return a gzip member with every optional field of its head."""
    head = b"\x1f\x8b\x08\x1f\0\0\0\0\0\x03" + struct.pack("<H", 4) + b"AB\0\0" + b"name\0" + b"comment\0"
    return head + struct.pack("<H", zlib.crc32(head) & 0xFFFF) + squeeze(data)[10:]


def fits() -> None:
    """Cutouts, whole and damaged; most gzipped, as they come."""
    rng = np.random.default_rng(1)
    noise = fits_bytes(rng.normal(size=(21, 21)), ">f4")
    holes = rng.normal(size=(9, 9))
    holes[2:4] = np.nan
    rubin = empty_primary() + unit(holes[:5], "IMAGE") + unit(holes[5:], "UNCERT")
    whole = squeeze(noise)
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 4
    absurd = image(">f4").replace(f"{7:>20}".encode(), f"{2**31:>20}".encode(), 1)
    put(
        "fits",
        plain=image(">i2", cards=(("BSCALE", 0.5), ("BZERO", 32768), ("BLANK", -7))),
        reference=image(">f4", cards=(("CRPIX1", 3.5), ("CRPIX2", "2.0E0"))),
        **{f"bitpix_{dtype[1:]}": squeeze(image(dtype)) for dtype in (">u1", ">i2", ">i4", ">i8", ">f4", ">f8")},
        whole=whole,
        fastest=squeeze(noise, 1),
        stored=squeeze(noise[:3000], 0),
        fixed=squeeze(noise, 6, zlib.Z_FIXED),
        huffman=squeeze(noise, 6, zlib.Z_HUFFMAN_ONLY),
        runs=squeeze(bytes(3000) + noise[:500], 6, zlib.Z_RLE),
        units=squeeze(rubin),
        fields=gzip_with_fields(noise),
        members=squeeze(noise[:4000]) + squeeze(b"") + squeeze(noise[4000:]),
        rubbish_after=squeeze(image(">u1")) + b"rubbish",
        zeros_after=squeeze(image(">u1")) + bytes(20),
        cut=whole[: len(whole) // 2],
        flipped=bytes(flipped),
        wrong_checksum=whole[:-8] + b"\0\0\0\0" + whole[-4:],
        wrong_length=whole[:-4] + b"\xff\xff\xff\x7f",
        absurd_axis=squeeze(absurd),
        cut_pixels=squeeze(noise[:3200]),
        no_end=squeeze(noise[:400]),
        no_image=squeeze(empty_primary()),
        cube=squeeze(fits_bytes(np.zeros((2, 3, 4)), ">f4")),
        axes_of_one=fits_bytes(np.arange(12).reshape(1, 3, 4, 1), ">i2"),
        extension_first=unit(holes[:5], "IMAGE") + unit(holes[5:], "UNCERT"),
        tiles=squeeze(empty_primary() + tiles((20, 30)) + unit(holes, "IMAGE")),
        cut_member=squeeze(noise[:4000]) + squeeze(noise[4000:])[:-9],
        bomb=squeeze(bytes(100_000), 9),
        not_fits=squeeze(b"GIF89a" + bytes(40)),
        empty=b"",
    )


def small_packet(number: int, **changes: Any) -> dict[str, Any]:
    """Return an alert with cutouts of few pixels; without the time stamp of gzip."""
    pixels = np.random.default_rng(number).normal(size=(3, 6, 6))
    cutouts = {name: squeeze(fits_bytes(plane)) for name, plane in zip(CUTOUTS, pixels, strict=True)}
    return packet(number, pixels, **{**cutouts, **changes})


def record_bytes(schema: Any, record: dict[str, Any]) -> bytes:
    """Return a record alone."""
    file = io.BytesIO()
    fastavro.schemaless_writer(file, schema, record)
    return file.getvalue()


def long(value: int) -> bytes:
    """Return a number as Avro writes it."""
    value = value << 1 if value >= 0 else (-value << 1) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def container(schema: Any, codec: str, blocks: list[tuple[int, bytes]], sync: bytes = SYNC) -> bytes:
    """Return an Avro file of blocks (how many records, their packed bytes)."""
    out = b"Obj\x01" + long(2)
    for key, value in (("avro.codec", codec), ("avro.schema", json.dumps(schema, separators=(",", ":")))):
        out += long(len(key)) + key.encode() + long(len(value)) + value.encode()
    out += b"\0" + sync
    for count, packed in blocks:
        out += long(count) + long(len(packed)) + packed + sync
    return out


def snappy(data: bytes) -> bytes:
    """Return a block as Avro's codec snappy has it."""
    return bytes(cramjam.snappy.compress_raw(data)) + struct.pack(">I", zlib.crc32(data))


def tar(name: str, data: bytes, form: int) -> bytes:
    """Return an archive of one file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return file.getvalue()[: 512 * (3 + 3 * (len(name) > 99) + (len(data) + 511) // 512)]


def containers() -> None:
    """Avro files, whole and damaged, also in archives."""
    records = [record_bytes(SCHEMA, small_packet(number)) for number in range(3)]
    two = b"".join(records[:2])
    plain = container(SCHEMA, "null", [(1, records[0]), (2, records[1] + records[2])])
    second = plain.rindex(SYNC, 0, len(plain) - 16)
    one = container(SCHEMA, "null", [(1, records[0])])
    nothing = {"type": "fixed", "name": "nothing", "size": 0}
    nothing = {"type": "record", "name": "r", "fields": [{"name": "cutoutScience", "type": nothing}]}
    put(
        "container",
        plain=plain,
        no_records=container(SCHEMA, "null", []),
        deflate=container(SCHEMA, "deflate", [(2, zlib.compress(two)[2:-4]), (1, zlib.compress(records[2])[2:-4])]),
        snappy=container(SCHEMA, "snappy", [(2, snappy(two))]),
        zstandard=container(SCHEMA, "zstandard", [(2, bytes(cramjam.zstd.compress(two)))]),
        bzip2=container(SCHEMA, "bzip2", [(1, bz2.compress(records[0]))]),
        snappy_wrong_checksum=container(SCHEMA, "snappy", [(1, snappy(records[0])[:-1] + b"x")]),
        deflate_bomb=container(SCHEMA, "deflate", [(1, squeeze(bytes(1 << 20), 9)[10:-8])]),
        missing_planes=container(
            SCHEMA, "null", [(1, record_bytes(SCHEMA, small_packet(5, cutoutScience=None, cutoutTemplate=b"")))]
        ),
        fewer_records=container(SCHEMA, "null", [(5, two)]),
        records_without_bytes=container(nothing, "null", [(1 << 40, b"")]),
        no_cutout=container({"type": "array", "items": "long"}, "null", [(1, long(1) + long(7) + b"\0")]),
        damaged_sync=plain[:second] + bytes(16) + plain[second + 16 :],
        damaged_length=container(SCHEMA, "null", [(1, records[0][:900]), (1, records[1])]).replace(
            long(900), long(9000), 1
        ),
        cut=plain[:-200],
        twice=one + container(SCHEMA, "null", [(1, records[1])], SYNC[::-1]),
        gzipped=squeeze(one),
        gzipped_cut=squeeze(one)[:-50],
        tar=tar("night/one.avro", one, tarfile.USTAR_FORMAT),
        tar_long_name=tar("night/" * 20 + "one.avro", one[:2000], tarfile.GNU_FORMAT),
        tar_pax=tar("é/" + "night/" * 20 + "one.avro", one[:2000], tarfile.PAX_FORMAT),
    )


def odd_record() -> dict[str, Any]:
    """Return a record of the schema `odd`, which holds itself, maps and arrays of arrays."""
    leaf = {"leaf": "text", "branches": []}
    record = {"candid": -3, "nothing": None, "next": None, "grid": [[1, 2], [], [3]], "nulls": [None] * 5}
    record |= {"digest": SYNC, "tree": {"leaf": True, "branches": [leaf, {"leaf": 2.5, "branches": [leaf]}]}}
    record |= {"cutoutDifference": squeeze(image(">u1"))}
    return {**record, "next": dict(record)}


def rubin_record() -> dict[str, Any]:
    """Return an alert in Rubin's manner."""
    source = {"diaSourceId": 2**60, "visit": 7, "detector": 3, "diaObjectId": None, "ssObjectId": 5}
    source |= {"midpointMjdTai": 60000.5, "psfFlux": 100.0, "isDipole": False, "band": "r", "timeProcessed": 10**15}
    cutout = squeeze(empty_primary() + unit(np.ones((4, 4)), "IMAGE") + unit(np.ones((4, 4)), "UNCERT"))
    record = {"diaSourceId": 2**60, "observation_reason": None, "diaSource": source, "prvDiaSources": [source, None]}
    record |= {"cutoutDifference": cutout, "cutoutScience": image(">f4"), "cutoutTemplate": None}
    return record | {"lc_features": {"r": {"mean": 1.0, "std": 0.5}, "g": None, "i": 3.0}}


def samples() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return the schemas of messages in their order (by name), each with a record."""
    records = {"odd": odd_record(), "rubin": rubin_record(), "ztf": small_packet(9)}
    return {name: (json.loads((SCHEMAS / f"{name}.avsc").read_text()), record) for name, record in records.items()}


def messages() -> None:
    """Bare messages; see fuzz_message.cpp for the first byte."""
    seeds: dict[str, bytes] = {"empty": b"", "head_only": b"\x80\0\0", "unknown_schema": b"\x80\0\0\0\0\x63rest"}
    row = b""
    for number, (name, (schema, record)) in enumerate(samples().items()):
        data = record_bytes(schema, record)
        seeds |= {name: bytes([number]) + data, f"{name}_cut": bytes([number]) + data[: len(data) // 2]}
        row += b"\0" + struct.pack(">I", number) + data
    put("message", **seeds, row=b"\x80" + row)
    stream = {name: b"\0" + b"\0" * 4 + data for name, data in seeds.items() if name in samples()}
    bare = b"\x80" + seeds["odd"][1:]
    put(
        "stream",
        **stream,
        bare=bare,
        unknown_schema=b"\0\0\0\0\0\x63rest",
        surplus=b"\0" + row + row,
        two=b"\1" + row + row,
    )


def schemas() -> None:
    """Schemas, each with records after a zero byte."""
    seeds: dict[str, bytes] = {}
    for name, (schema, record) in samples().items():
        seeds[name] = json.dumps(schema, separators=(",", ":")).encode() + b"\0" + record_bytes(schema, record)
    pair = '{"type":"record","name":"r","fields":[{"name":"a","type":%s}]}\0'
    seeds |= {
        "ab": (pair % '{"type":"record","name":"s","fields":[{"name":"b","type":["null","string"]}]}').encode()
        + b"\2\4hi",
        "map": (pair % '{"type":"map","values":"bytes"}').encode() + b"\2\2k\4ab\0",
        "counted_blocks": (pair % '{"type":"array","items":"long"}').encode() + b"\3\4\2\4\0",
        "endless_nulls": (pair % '{"type":"array","items":"null"}').encode() + long(1 << 60) + b"\0",
        "holds_itself": b'{"type":"record","name":"r","fields":[{"name":"a","type":"r"}]}\0',
        "large_fixed": (pair % '{"type":"fixed","name":"f","size":9007199254740991}').encode() + b"abc",
        "enum": (pair % '{"type":"enum","name":"e","symbols":["x","y"]}').encode() + b"\2",
        "unknown_type": (pair % '"nowhere.known"').encode(),
        "name_twice": b'["int",{"type":"fixed","name":"f","size":1},{"type":"fixed","name":"f","size":2}]\0',
        "key_twice": b'{"type":"int","type":"long"}\0\2',
        "deep": b'{"type":"array","items":' * 40 + b'"int"' + b"}" * 40 + b"\0" + b"\2" * 40,
        "not_json": b"{'type': 'int'}\0\2",
        "primitive": b'"double"\0' + struct.pack("<d", 1.5),
    }
    put("schema", **seeds)


#: Numbers of s2v_dtype.
FLOAT32, FLOAT64, INT16, UINT16, UINT8, INT32, BIG = 1, 2, 3, 4, 5, 6, 64


def frame(
    height: int = 60,
    width: int = 70,
    *,
    dtype: int = FLOAT32,
    mask: int = 0,
    variance: int = 0,
    strides: tuple[int, int, int] = (0, 0, 0),
    scaling: tuple[float, float] = (1, 0),
    origin: tuple[float, float] = (0, 0),
    saturation: float = float("nan"),
    bits: tuple[int, int] = (0, 0),
    odd: bool = False,
) -> bytes:
    """Return what a frame claims, as plain_frame.hpp reads it; sides and strides are its codes."""
    parts = 1 | (mask > 0) << 1 | (variance > 0) << 2 | odd << 3
    head = struct.pack("<BBBhhhBBB", parts, height - 1, width - 1, dtype, mask or INT32, variance or FLOAT32, *strides)
    return head + struct.pack("<4dfII", *scaling, *origin, saturation, *bits)


def frames() -> None:
    """Frames with positions; see fuzz_frames.cpp for what lies where."""
    rng = np.random.default_rng(6)
    noise = rng.normal(100, 3, 900)
    noise[400:404] += 900
    plain, none = frame(), b"\0" * 56
    middle = struct.pack("<8h", 16 * 35, 16 * 30, 16 * 12 + 7, 16 * 50 - 8, 0, 0, -90, 16 * 59)
    floats, doubles = noise.astype("<f4").tobytes(), noise.astype(">f8").tobytes()
    shorts = rng.integers(0, 900, 1800).astype(">i2").tobytes()

    def call(
        number: int, option: int, images: bytes, pixels: bytes, positions: bytes = middle, coded: int = 0
    ) -> bytes:
        count = len(positions) // (16 if coded else 4)
        return bytes([number, option, count, coded]) + positions + images + pixels

    masked = frame(mask=UINT16, bits=(4, 8), saturation=150.0, strides=(3, 5, 0), odd=True)
    big = frame(dtype=FLOAT64 | BIG, variance=FLOAT64 | BIG, mask=UINT8, bits=(1, 2), strides=(125, 130, 7))
    scaled = frame(dtype=INT16 | BIG, scaling=(0.5, 100.0), origin=(3, -2), mask=INT32 | BIG, bits=(1 << 16, 0))
    small = frame(20, 15, dtype=UINT16, origin=(20.25, 30.5), scaling=(1, 32768))
    far = struct.pack("<8d", 35, float("nan"), float("inf"), 30, 1e300, -1e18, 2.0**52, 30)
    three = plain + plain + plain
    put(
        "frames",
        cut=call(0, 20, plain, floats),
        cut_masked=call(0, 62, masked, floats),
        cut_big=call(0, 50, big, doubles),
        cut_scaled=call(0, 8, scaled, shorts),
        cut_far=call(0, 12, plain, floats, far, 1),
        **{f"score_{option}": call(1, option, plain + masked + scaled, floats) for option in range(4)},
        score_far=call(1, 3, three, floats, far, 1),
        score_one=call(1, 3, none + none + plain, floats),
        score_none=call(1, 1, none * 3, floats),
        measure=call(2, 2, three, floats),
        measure_small=call(2, 6, plain + small + big, doubles),
        measure_without_science=call(2, 0, none + plain + scaled, shorts),
        **{f"prepare_{option}": call(3, option, masked + plain + small, floats) for option in range(8)},
        no_detection=call(1, 0, three, floats, b""),
        no_size=call(2, 0, three.replace(plain, b"\x11\x08" + plain[1:], 1), floats),
        unknown_type=call(2, 0, plain + frame(dtype=9) + plain, floats),
        bits_without_mask=call(0, 9, frame(bits=(1, 0)), floats),
        no_scale=call(0, 9, frame(scaling=(0, 0)), floats),
        short_stride=call(3, 0, plain + frame(strides=(246, 0, 0)) + plain, floats),
        huge=call(1, 1, plain + frame(254, 255) + plain, floats),
        no_bytes=call(1, 2, three, b""),
    )


def main() -> None:
    """Write all seeds."""
    fits()
    containers()
    schemas()
    messages()
    put("model", **model_seeds())
    frames()
    for target, seeds in reader_seeds().items():
        put(f"python/{target}", **seeds)


if __name__ == "__main__":
    (SCHEMAS / "ztf.avsc").write_text(json.dumps(SCHEMA, indent=1) + "\n")
    main()
