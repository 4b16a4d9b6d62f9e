"""Alerts by fastavro, tarfile, pyarrow and Astropy: what ``space2vec.read`` must give, to the bit."""

import gzip
import io
import math
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
from pyarrow import parquet

from oracle.fits import decode

__all__ = ["CUTOUTS", "Alert", "of_packet", "packets", "read"]

CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
#: Height and width of ZTF's readout channels.
_CHANNEL = (3080, 3072)
_AVRO, _GZIP, _PARQUET = b"Obj\x01", b"\x1f\x8b", b"PAR1"


@dataclass
class Alert:
    """One alert: ids, planes (``None`` where there is no cutout), the candidate's pixel, and the catalogue record."""

    object_id: str
    candidate_id: int
    planes: list[np.ndarray | None]
    centre: tuple[int, int]
    survey: str | None
    record: dict[str, Any]


def read(path, schemas=None):
    """Return the alerts of a file; `schemas` are those of bare messages by number."""
    return [of_packet(packet) for packet in packets(Path(path).read_bytes(), schemas)]


def packets(content, schemas=None):
    """Yield the records of a file's content, whatever it is packed in."""
    if content[:2] == _GZIP:
        content = gzip.decompress(content)
    if content[:4] == _PARQUET:
        yield from parquet.read_table(io.BytesIO(content)).to_pylist()
    elif content[:4] == _AVRO:
        yield from _containers(content)
    elif content[:1] == b"\0":
        yield from _messages(content, schemas)
    else:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                if member.isfile() and not Path(member.name).name.startswith("."):
                    held = archive.extractfile(member).read()
                    if held[:4] == _AVRO:
                        yield from _containers(held)


def _containers(content):
    """Yield the records of containers that stand one after another."""
    while content:
        end = len(content)
        for block in fastavro.block_reader(io.BytesIO(content)):
            yield from block
            end = block.offset + block.size
            if content[end : end + 4] == _AVRO:
                break
        content = content[end:]


def _messages(content, schemas):
    file = io.BytesIO(content)
    while head := file.read(5):
        assert head[0] == 0
        yield fastavro.schemaless_reader(file, schemas[int.from_bytes(head[1:], "big")], None)


def of_packet(packet):
    """Return the alert that a record of ZTF, Rubin or Fink tells."""
    planes, reference = [], (math.nan, math.nan)
    for name in CUTOUTS:
        cutout = packet.get(name)
        data = cutout.get("stampData") if isinstance(cutout, dict) else cutout
        plane = None
        if data:
            plane, reference = decode(data)
        planes.append(plane)
    rubin = packet.get("diaSource") is not None
    record = packet.get("diaSource" if rubin else "candidate") or {}
    shape = next((plane.shape for plane in planes if plane is not None), (0, 0))
    if rubin:
        centre = tuple(_near(at, size) for at, size in zip(reference, shape, strict=True))
        object_id = record.get("diaObjectId") or record.get("ssObjectId")
        candidate_id = packet.get("diaSourceId") or record.get("diaSourceId")
    else:
        places = [
            _cut(record.get(at), size, whole) for at, size, whole in zip(("ypos", "xpos"), shape, _CHANNEL, strict=True)
        ]
        explained = _is_ztf(packet) and None not in places
        centre = tuple(places) if explained else tuple(size // 2 for size in shape)
        object_id = packet.get("objectId")
        candidate_id = packet.get("candid") or record.get("candid")
    survey = "rubin" if rubin else ("ztf" if _is_ztf(packet) else "other") if record else None
    return Alert(str(object_id or ""), candidate_id or -1, planes, centre, survey, record)


def _near(reference, size):
    """Return the pixel of a position that counts from 1; the middle where there is none."""
    return min(round(reference) - 1, size - 1) if 0.5 <= reference < size + 0.5 else size // 2


def _cut(position, size, whole):
    """Return a ZTF candidate's pixel in what a readout channel of `whole` pixels holds of 63; None for another size."""
    if position is None or not math.isfinite(position):
        return None
    pixels = [p for p in range(round(position) - 32, round(position) + 31) if 0 <= p < whole]
    if not pixels or abs(len(pixels) - size) > 1:
        return None
    return max(0, min(round(position) - 1 - pixels[0], size - 1))


def _is_ztf(packet):
    """Tell whether an alert is ZTF's own, by the name of its object or, where that is none, its publisher."""
    name = str(packet.get("objectId") or "")
    return name.startswith("ZTF") or str(packet.get("publisher") or "").startswith("ZTF")
