"""One alert record, as ZTF, Rubin or Fink write it, to a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ReadError
from space2vec.flags import bits
from space2vec.reading.batch import Row
from space2vec.reading.fits import decode
from space2vec.stamps import CHANNELS, NO_ID

__all__ = ["FIELDS", "check_fields", "has_cutouts", "to_row"]

_CUTOUTS = tuple(f"cutout{channel.capitalize()}" for channel in CHANNELS)
#: The fields of a record that are looked at; the others (light curves, cross-matches) are skipped.
FIELDS: frozenset[str] = frozenset({"objectId", "candid", "candidate", "diaSourceId", "diaSource", *_CUTOUTS})

#: Side of a ZTF cutout and its middle pixel. A cutout at the detector's edge is cut, so its candidate lies elsewhere.
_ZTF_SIDE, _ZTF_MIDDLE = 63, 31
_BAD_STAMP, _MISSING = bits("bad_stamp"), bits("missing")


def has_cutouts(names: Iterable[str]) -> bool:
    """Tell whether a schema with these fields is an alert's."""
    return not set(_CUTOUTS).isdisjoint(names)


def check_fields(names: Iterable[str]) -> None:
    """Make sure that a schema is an alert's.

    Raises
    ------
    ReadError
        If it has no cutout.
    """
    given = list(names)
    if not has_cutouts(given):
        shown = ", ".join(given[:8]) + (", ..." if len(given) > 8 else "")
        raise ReadError(f"no alerts: the schema has none of {', '.join(_CUTOUTS)}; its fields are {shown or 'none'}")


def to_row(packet: Mapping[str, Any], number: int) -> Row:
    """Return the row of one alert.

    A cutout that cannot be decoded gives a missing plane and the flag ``bad_stamp``; one that is absent gives the flag
    ``missing``.

    Parameters
    ----------
    packet : mapping
        The record, with the fields of :data:`FIELDS` that its schema has.
    number : int
        Its place in the file, from 0.

    Raises
    ------
    ReadError
        If the record's candidate or id is of a foreign type.
    """
    planes: list[NDArray[np.float32] | None] = []
    flags = 0
    reasons: list[str] = []
    reference: tuple[Any, Any] = (None, None)
    rubin = packet.get("diaSource") is not None
    for field in _CUTOUTS:
        cutout = packet.get(field)
        data = cutout.get("stampData") if isinstance(cutout, Mapping) else cutout
        if not data:
            planes.append(None)
            flags |= _MISSING
            continue
        try:
            plane, position = decode(bytes(data))
        except ReadError as error:
            planes.append(None)
            flags |= _BAD_STAMP
            reasons.append(f"{field}: {error}")
            continue
        planes.append(plane)
        if rubin:
            reference = position
    record: Mapping[str, Any] = packet.get("diaSource" if rubin else "candidate") or {}
    if not isinstance(record, Mapping):
        raise ReadError(f"record {number} is no alert: its candidate is {type(record).__name__}")
    shape = next((plane.shape for plane in planes if plane is not None), (0, 0))
    if rubin:
        # A Rubin cutout's reference pixel is the candidate's position.
        centre = (_near(reference[0], shape[0]), _near(reference[1], shape[1]))
        object_id = str(record.get("diaObjectId") or record.get("ssObjectId") or "")
        candidate_id = packet.get("diaSourceId") or record.get("diaSourceId")
    else:
        centre = (_cut(record.get("ypos"), shape[0]), _cut(record.get("xpos"), shape[1]))
        object_id = str(packet.get("objectId") or "")
        candidate_id = packet.get("candid") or record.get("candid")
    if not isinstance(candidate_id, int | None) or (candidate_id or 0).bit_length() > 63:
        raise ReadError(f"record {number} is no alert: its id is {candidate_id!r}")
    return Row(
        object_id,
        NO_ID if candidate_id is None else candidate_id,
        tuple(planes),
        flags,
        centre,
        "rubin" if rubin else "ztf" if record else None,
        record,
        number,
        tuple(reasons),
    )


def _near(reference: Any, size: int) -> int:
    """Return the zero-based pixel of a one-based FITS position on an axis; the middle where there is none."""
    if not isinstance(reference, (int, float)) or not 0.5 <= reference < size + 0.5:
        return size // 2
    return min(round(reference) - 1, size - 1)


def _cut(position: Any, size: int) -> int:
    """Return a ZTF candidate's pixel on an axis of its cutout, from its one-based position on the detector."""
    if size >= _ZTF_SIDE or not isinstance(position, (int, float)) or not math.isfinite(position):
        return size // 2
    return max(0, min(_ZTF_MIDDLE, round(float(position)) - 1, size - 1))
