"""Hostile archives, and names of files that are none."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from hostile.avro import alert_schema, container, record
from hostile.making import MB, Maker, gzipped, raw_deflate, register, small_image

MAKERS: dict[str, Maker] = {}


def _head(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@register(MAKERS, ".tar")
def tar_huge_member() -> bytes:
    """Declare a member of 2^60 bytes."""
    return _head("a.avro", 1 << 60) + container(alert_schema(), [(1, record())])


@register(MAKERS, ".tar.gz")
def tar_long_member() -> bytes:
    """Give a member of 500 MB of zeros, gzip'd."""
    return gzipped(_head("a.avro", 500 * MB), 500 * MB)


@register(MAKERS, ".tar.gz")
def tar_long_name() -> bytes:
    """Give a member a name of 300 MB."""
    return gzipped(_head("././@LongLink", 300 * MB, tarfile.GNUTYPE_LONGNAME), 300 * MB, _head("a.avro", 0))


@register(MAKERS, ".tar")
def tar_many_members() -> bytes:
    """Give 20,000 members that are no alerts."""
    return b"".join(_head(f"{k}.avro", 0) for k in range(20_000)) + bytes(1024)


@register(MAKERS, ".tar")
def tar_links() -> bytes:
    """Give links to files outside."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, kind in (("a.avro", tarfile.SYMTYPE), ("b.avro", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../../../etc/passwd"
            archive.addfile(info)
    return file.getvalue()


@register(MAKERS, ".tar")
def tar_sparse() -> bytes:
    """Give a sparse member that stands for 2^50 bytes."""
    info = tarfile.TarInfo("a.avro")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 0
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[483:495] = b"\x80" + (1 << 50).to_bytes(11, "big")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + bytes(1024)


@register(MAKERS, ".tar")
def tar_packed_bombs() -> bytes:
    """Give ten members, each an object id of 100 MB."""
    size = 100 * MB
    packed = raw_deflate(b"\x80\x80\x80\x64", size, b"\2" + bytes(3), b"x")
    member = container(alert_schema(), [(1, packed)], "deflate")
    padded = member.ljust(-(-len(member) // 512) * 512, b"\0")
    return b"".join(_head(f"{k}.avro", len(member)) + padded for k in range(10)) + bytes(1024)


def folder_that_is_no_file(folder: Path) -> list[Path]:
    """Make a folder that has the name of a file."""
    path = folder / "folder_that_is_no_file.avro"
    path.mkdir()
    (path / "empty.avro").write_bytes(b"")
    return [path]


def link_to_itself(folder: Path) -> list[Path]:
    """Make a link that leads to itself."""
    path = folder / "link_to_itself.avro"
    path.symlink_to(path.name)
    return [path]


def link_to_nothing(folder: Path) -> list[Path]:
    """Make a link that leads nowhere."""
    path = folder / "link_to_nothing.avro"
    path.symlink_to("not there")
    return [path]


def pipe(folder: Path) -> list[Path]:
    """Make a pipe into which nobody writes, which a folder may hold unread."""
    path = folder / "pipe.avro"
    os.mkfifo(path)
    return [path]


def escapes_in_a_name(folder: Path) -> list[Path]:
    """Give a file a name that steers terminals, feigns lines and is no UTF-8."""
    path = os.fsencode(folder) + b"/escapes_in_a_name\x1b[2J\n\xe2\x80\xae\xff.avro"
    Path(os.fsdecode(path)).write_bytes(b"nothing")
    return [Path(os.fsdecode(path))]


MAKERS |= {make.__name__: make for make in (folder_that_is_no_file, link_to_itself, link_to_nothing, escapes_in_a_name)}


@register(MAKERS, ".fits")
def fits_text() -> bytes:
    """Give a FITS file all of whose cards are one text."""
    return small_image()[:400] + b"'" * 20_000
