"""What the makers of hostile inputs share: compressed bytes of great length, made quickly, and bytes of FITS files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

MB = 1 << 20
#: Writes an input into a folder, and returns what names it: the file, or files.
Maker = Callable[[Path], list[Path]]


def register(makers: dict[str, Maker], suffix: str = "") -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    """Register a function that returns the bytes of a file, as a maker of its name."""

    def decorate(content: Callable[[], bytes]) -> Callable[[], bytes]:
        name = content.__name__

        def make(folder: Path) -> list[Path]:
            path = folder / f"{name}{suffix}"
            path.write_bytes(content())
            return [path]

        makers[name] = make
        return content

    return decorate


def raw_deflate(head: bytes, size: int, tail: bytes = b"", fill: bytes = b"\0") -> bytes:
    """Return a deflate stream of the head, `size` times a byte, and the tail; at most a thousandth of that long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = [packer.compress(head), packer.flush(zlib.Z_FULL_FLUSH)]
    block = zlib.compressobj(9, zlib.DEFLATED, -15)
    many = block.compress(fill * MB) + block.flush(zlib.Z_FULL_FLUSH)
    out += [many] * (size // MB)
    out += [packer.compress(fill * (size % MB) + tail), packer.flush()]
    return b"".join(out)


def gzipped(head: bytes, size: int, tail: bytes = b"", *, checksum: bool = False) -> bytes:
    """Return a gzip member of the head, `size` zeros and the tail."""
    total = zlib.crc32(tail, _zeros(zlib.crc32(head), size)) if checksum else 0
    length = (len(head) + size + len(tail)) & 0xFFFFFFFF
    return b"\x1f\x8b\x08\0\0\0\0\0\2\xff" + raw_deflate(head, size, tail) + struct.pack("<II", total, length)


def _zeros(checksum: int, size: int) -> int:
    block = bytes(MB)
    for _ in range(size // MB):
        checksum = zlib.crc32(block, checksum)
    return zlib.crc32(bytes(size % MB), checksum)


def card(key: str, value: object) -> bytes:
    """Return a card of a FITS header."""
    return f"{key:<8}= {value!s:>20}".ljust(80).encode()


def header(*cards: tuple[str, object]) -> bytes:
    """Return a FITS header."""
    text = b"".join(card(key, value) for key, value in cards) + b"END".ljust(80)
    return text.ljust(-(-len(text) // 2880) * 2880)


def image(height: int, width: int, bitpix: int = -32) -> bytes:
    """Return the header of a FITS file with one image."""
    return header(("SIMPLE", "T"), ("BITPIX", bitpix), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", height))


def small_image() -> bytes:
    """Return a sound FITS file of 63 x 63 pixels."""
    values = struct.pack(">3969f", *((k * 7919 % 1009) / 10 for k in range(3969)))
    return image(63, 63) + values.ljust(-(-len(values) // 2880) * 2880, b"\0")
