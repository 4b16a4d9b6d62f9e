"""The packet records of each survey, and the catalogue columns that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.reading.catalogue import RUBIN_FIELDS, ZTF_FIELDS, from_rubin, from_ztf
from space2vec.simulation.des_record import des_record
from space2vec.simulation.detection import Detection
from space2vec.simulation.rubin_record import rubin_record
from space2vec.simulation.scene import Scene
from space2vec.simulation.ztf_record import candidate_record

__all__ = ["RECORDS", "object_name"]

#: A record of what was drawn and measured: scene, detection, place on the detector, number in the exposure, and random
#: numbers for what the images do not give.
Record = Callable[[Scene, Detection, tuple[float, float], int, np.random.Generator], dict[str, Any]]
Catalogue = Callable[[Sequence[dict[str, Any]]], dict[str, NDArray[np.float32]]]


def object_name(jd: float, row: int) -> str:
    """Return a name in the form of ZTF's, year and seven letters, that no real object has."""
    letters = ""
    for _ in range(7):
        row, letter = divmod(row, 26)
        letters = chr(ord("a") + letter) + letters
    return f"SIM{17 + int((jd - 2457754.5) / 365.25):02d}{letters}"


def _from_des(records: Sequence[dict[str, Any]]) -> dict[str, NDArray[np.float32]]:
    names = records[0] if records else {}
    columns = {name: np.array([record[name] for record in records], dtype=np.float32) for name in names}
    columns.pop("ID", None)
    return columns


#: By survey: how a record is made, and how the catalogue columns are read from records.
RECORDS: dict[str, tuple[Record, Catalogue]] = {
    "ztf": (candidate_record, lambda rows: from_ztf({name: [row[name] for row in rows] for name in ZTF_FIELDS})),
    "des": (des_record, _from_des),
    "rubin": (rubin_record, lambda rows: from_rubin({name: [row[name] for row in rows] for name in RUBIN_FIELDS})),
}
