"""Hostile FITS files, DES stamps and GIFs."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np

from hostile.making import MB, Maker, gzipped, header, image, register, small_image

MAKERS: dict[str, Maker] = {}


def _tiled(height: int, width: int, tile: int) -> bytes:
    """Return an image in tiles of which only one is there."""
    primary = header(("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", "T"))
    unit = header(
        ("XTENSION", "'BINTABLE'"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 8), ("NAXIS2", -(-height // tile)),
        ("PCOUNT", 64), ("GCOUNT", 1), ("TFIELDS", 1), ("TTYPE1", "'COMPRESSED_DATA'"), ("TFORM1", "'1PB(64)'"),
        ("ZIMAGE", "T"), ("ZCMPTYPE", "'GZIP_1  '"), ("ZBITPIX", -32), ("ZNAXIS", 2), ("ZNAXIS1", width),
        ("ZNAXIS2", height), ("ZTILE1", width), ("ZTILE2", tile),
    )  # fmt: skip
    return primary + unit + struct.pack(">II", 64, 0) * -(-height // tile) + bytes(2880)


def _candidate(folder: Path, number: int, suffix: str, content: bytes) -> list[Path]:
    """Write the three stamps of a DES candidate, one of them hostile."""
    paths = [folder / f"{plane}{number}{suffix}" for plane in ("diff", "srch", "temp")]
    for path in paths:
        path.write_bytes(content)
    return paths


def des_bomb(folder: Path) -> list[Path]:
    """Give DES stamps that unpack to 1.5 GB each."""
    return _candidate(folder, 900001, ".fits.gz", gzipped(image(20_000, 20_000), 1500 * MB))


def des_tiles(folder: Path) -> list[Path]:
    """Give DES stamps of 30,000 x 30,000 pixels in tiles."""
    return _candidate(folder, 900002, ".fits.fz", _tiled(30_000, 30_000, 3000))


def des_packed_tiles(folder: Path) -> list[Path]:
    """Give DES stamps with a heap of 1 GB behind the tiles."""
    return _candidate(folder, 900003, ".fits.gz", gzipped(_tiled(2000, 2000, 10), 1 << 30))


def des_naxis(folder: Path) -> list[Path]:
    """Give DES stamps of 10^18 pixels."""
    return _candidate(folder, 900004, ".fits", image(10**9, 10**9))


def des_gif_bomb(folder: Path) -> list[Path]:
    """Give DES stamps in GIFs of 65,535 x 65,535 pixels."""
    return _candidate(folder, 900005, ".gif", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0xF0, 0, 0) + bytes(100))


def des_gif_frame(folder: Path) -> list[Path]:
    """Give DES stamps in small GIFs whose frame is 65,535 x 65,535 pixels."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\2" + b"\2\x4c\1\0;"
    content = b"GIF89a" + struct.pack("<HHBBB", 51, 51, 0xF0, 0, 0) + bytes(6) + frame
    return _candidate(folder, 900006, ".gif", content)


def des_long_number(folder: Path) -> list[Path]:
    """Give DES stamps whose number has 200 digits."""
    return _candidate(folder, int("9" * 200), ".fits", b"not a FITS file")


MAKERS |= {
    make.__name__: make
    for make in (des_bomb, des_tiles, des_packed_tiles, des_naxis, des_gif_bomb, des_gif_frame, des_long_number)
}


@register(MAKERS, ".fits")
def fits_naxis() -> bytes:
    """Declare an image of 10^18 pixels."""
    return image(10**9, 10**9)


@register(MAKERS, ".fits")
def fits_axes() -> bytes:
    """Declare 999 axes of 10^6 pixels each."""
    axes = [(f"NAXIS{k}", 10**6) for k in range(1, 1000)]
    return header(("SIMPLE", "T"), ("BITPIX", -32), ("NAXIS", 999), *axes)


@register(MAKERS, ".fits.gz")
def fits_packed_cube() -> bytes:
    """Give a cube of 1 GB in 1 MB."""
    rows = (1 << 30) // (4 * 63 * 63)
    head = header(
        ("SIMPLE", "T"), ("BITPIX", -32), ("NAXIS", 3), ("NAXIS1", 63), ("NAXIS2", 63), ("NAXIS3", rows),
        ("EXTEND", "T"),
    )  # fmt: skip
    size = rows * 4 * 63 * 63
    return gzipped(head, size + -size % 2880, checksum=True)


@register(MAKERS, ".fits.fz")
def fits_tiled_cube() -> bytes:
    """Declare a cube of 4 GB in tiles."""
    return _tiled(30_000, 30_000, 3000)


@register(MAKERS, ".fits")
def fits_endless_header() -> bytes:
    """Give a header of 20 MB without an end."""
    return image(63, 63)[:400] + b"COMMENT x".ljust(80) * (20 * MB // 80)


@register(MAKERS, ".fits")
def fits_many_units() -> bytes:
    """Give 5,000 units without a pixel."""
    unit = header(("XTENSION", "'IMAGE   '"), ("BITPIX", 8), ("NAXIS", 0), ("PCOUNT", 0), ("GCOUNT", 1))
    return header(("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", "T")) + 5000 * unit


@register(MAKERS, ".fits")
def fits_huge_mask() -> bytes:
    """Give a small plane beside a mask of 10^10 pixels."""
    empty = header(("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", "T"))
    axes = [("PCOUNT", 0), ("GCOUNT", 1)]
    plane = header(
        ("XTENSION", "'IMAGE   '"), ("BITPIX", -32), ("NAXIS", 2), ("NAXIS1", 63), ("NAXIS2", 63), *axes,
        ("EXTNAME", "'SCIENCE '"),
    )  # fmt: skip
    mask = header(
        ("XTENSION", "'IMAGE   '"), ("BITPIX", -64), ("NAXIS", 2), ("NAXIS1", 10**5), ("NAXIS2", 10**5), *axes,
        ("EXTNAME", "'MASK    '"),
    )  # fmt: skip
    return empty + plane + small_image()[2880:] + mask + bytes(2880)


@register(MAKERS, ".npy")
def npy_large_planes() -> bytes:
    """Give three planes of 4,000 x 4,000 pixels."""
    file = io.BytesIO()
    np.save(file, np.zeros((1, 3, 4000, 4000), np.int8))
    return file.getvalue()
