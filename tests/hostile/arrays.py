"""Hostile NumPy files."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np

from hostile.making import MB, Maker, raw_deflate, register

MAKERS: dict[str, Maker] = {}


def _npy(shape: tuple[int, ...], dtype: str = "<f4", text: str | None = None) -> bytes:
    words = text or f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(words) + 1) + words.encode() + b"\n"


def _archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def _zeros(name: str, head: bytes, size: int) -> bytes:
    """Return an archive of one member: a head, and zeros."""
    packed = raw_deflate(head, size)
    checksum = zlib.crc32(head)
    for _ in range(size // MB):
        checksum = zlib.crc32(bytes(MB), checksum)
    checksum = zlib.crc32(bytes(size % MB), checksum)
    entry = struct.pack("<HHHIIIHH", 0, 8, 0, checksum, len(packed), len(head) + size, len(name), 0)
    local = b"PK\3\4" + struct.pack("<HHH", 20, 0, 8) + struct.pack("<HH", 0, 33) + entry[6:] + name.encode()
    central = b"PK\1\2" + struct.pack("<HHHH", 20, 20, 0, 8) + struct.pack("<HH", 0, 33) + entry[6:]
    central += struct.pack("<HHHII", 0, 0, 0, 0, 0) + name.encode()
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + end


@register(MAKERS, ".npz")
def npz_declared() -> bytes:
    """Declare 3.9 GB of pixels in 1 kB."""
    return _archive(pixels=_npy((82_000, 3, 63, 63)) + bytes(300))


@register(MAKERS, ".npz")
def npz_zeros() -> bytes:
    """Give 1.5 GB of pixels that are 0."""
    rows = 1500 * MB // (4 * 3 * 63 * 63)
    return _zeros("pixels.npy", _npy((rows, 3, 63, 63)), rows * 4 * 3 * 63 * 63)


@register(MAKERS, ".npz")
def npz_wide_ids() -> bytes:
    """Give 3,000 ids of 100,000 characters."""
    pixels = io.BytesIO()
    np.save(pixels, np.zeros((3000, 1, 4, 4), np.float32))
    ids = _npy((3000,), "<U100000") + bytes(1)
    return _archive(pixels=pixels.getvalue(), object_id=ids)


@register(MAKERS, ".npz")
def npz_long_ids() -> bytes:
    """Give 100 ids, one of them of 400,000 characters."""
    pixels, ids = io.BytesIO(), io.BytesIO()
    np.save(pixels, np.zeros((100, 3, 63, 63), np.float32))
    np.save(ids, np.array(["x" * 400_000, *map(str, range(99))]))
    return _archive(pixels=pixels.getvalue(), object_id=ids.getvalue())


@register(MAKERS, ".npz")
def npz_objects() -> bytes:
    """Give a pickle."""
    file = io.BytesIO()
    np.savez(file, pixels=np.array([{"a": 1}], dtype=object))
    return file.getvalue()


@register(MAKERS, ".npz")
def npz_many_members() -> bytes:
    """Give 10,000 members, none of them pixels."""
    return _archive(**{f"m{k}": b"" for k in range(10_000)})


@register(MAKERS, ".npy")
def npy_nested_header() -> bytes:
    """Nest 9,000 brackets in the header."""
    return _npy((), text="(" * 9000 + ")" * 9000)


@register(MAKERS, ".npy")
def npy_of_nothing() -> bytes:
    """Declare 10^12 stamps of no pixels."""
    return _npy((10**12, 3, 0, 63))


@register(MAKERS, ".npy")
def npy_declared() -> bytes:
    """Declare 10^15 bytes."""
    return _npy((10**12, 3, 63, 63)) + bytes(500)


@register(MAKERS, ".npy")
def npy_many_planes() -> bytes:
    """Declare a stamp of 10^9 planes."""
    return _npy((1, 10**9, 0, 1))
