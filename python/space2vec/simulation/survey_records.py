"""The records that each survey makes of a candidate, and the catalogue columns that are read from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.reading.catalogue import RUBIN_FIELDS, ZTF_FIELDS, from_rubin, from_ztf
from space2vec.simulation.des_record import des_record
from space2vec.simulation.detection import Detection
from space2vec.simulation.rubin_record import rubin_record
from space2vec.simulation.scene import Scene
from space2vec.simulation.ztf_record import ztf_record

if TYPE_CHECKING:
    from space2vec.data.types import Cell

__all__ = ["RECORDS", "RecordFormat", "object_name"]


class RecordFormat(NamedTuple):
    """The format of a survey's records of candidates.

    Attributes
    ----------
    record : callable
        Takes the scene, the detection, the position (column, row) on the detector, the number of the candidate in its
        exposure, and a generator of random numbers for values that the images do not give. Returns the record.
    catalogue : callable
        Takes records and returns the catalogue columns of features, each (n,).
    """

    record: Callable[[Scene, Detection, tuple[float, float], int, np.random.Generator], dict[str, Cell]]
    catalogue: Callable[[Sequence[dict[str, Cell]]], dict[str, NDArray[np.float32]]]


def object_name(jd: float, row: int) -> str:
    """Return an object name in the form of ZTF's (a year and seven letters) that no real object has."""
    letters = ""
    for _ in range(7):
        row, letter = divmod(row, 26)
        letters = chr(ord("a") + letter) + letters
    return f"SIM{17 + int((jd - 2457754.5) / 365.25):02d}{letters}"


def _from_des(records: Sequence[dict[str, Cell]]) -> dict[str, NDArray[np.float32]]:
    names = records[0] if records else {}
    columns = {name: np.array([record[name] for record in records], dtype=np.float32) for name in names}
    columns.pop("ID", None)
    return columns


#: The record format of each survey.
RECORDS: dict[str, RecordFormat] = {
    "ztf": RecordFormat(ztf_record, lambda rows: from_ztf({name: [row[name] for row in rows] for name in ZTF_FIELDS})),
    "des": RecordFormat(des_record, _from_des),
    "rubin": RecordFormat(
        rubin_record, lambda rows: from_rubin({name: [row[name] for row in rows] for name in RUBIN_FIELDS})
    ),
}
