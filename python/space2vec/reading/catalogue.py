"""The catalogue columns of autoScan, computed from alert records; ``docs/catalogue.md`` explains each mapping.

The library makes them, of what :data:`space2vec.registry.PACKETS` names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from space2vec.backends import kernels
from space2vec.data.numeric import band_codes, numbers_or_nan
from space2vec.registry import CATALOGUE, PACKETS

__all__ = [
    "RUBIN_FIELDS",
    "ZTF_FIELDS",
    "Records",
    "catalogue_fields",
    "columns_by_name",
    "from_candidate",
    "from_rubin",
    "from_ztf",
]

#: The fields of a ZTF ``candidate`` record that :func:`from_ztf` uses.
ZTF_FIELDS: tuple[str, ...] = PACKETS["ztf"].fields
#: The fields of a Rubin ``diaSource`` record that :func:`from_rubin` uses.
RUBIN_FIELDS: tuple[str, ...] = PACKETS["rubin"].fields

#: The numbers that the library gives surveys.
_OTHER, _ZTF, _RUBIN = 0, 1, 2

#: The fields (n,) of records by name.
Records: TypeAlias = Mapping[str, Sequence[object] | NDArray[np.generic]]


def from_ztf(columns: Records) -> dict[str, NDArray[np.float32]]:
    """Compute autoScan's columns from ZTF ``candidate`` records.

    Parameters
    ----------
    columns : mapping of str to sequence (n,)
        Raw values by field name (:data:`ZTF_FIELDS`), ``None`` or -999 where unknown. A field that is absent from the
        mapping is unknown for every row. A null ``distnr`` means that no reference source is near.

    Returns
    -------
    dict of str to ndarray of float32 (n,)
        Columns under their autoScan names, NaN where unknown. A_REF, B_REF, FLAGS, SPREAD_MODEL and SPREADERR_MODEL,
        which ZTF never gives, are absent.

    Raises
    ------
    BackendError
        If this installation lacks the compiled extension.

    Notes
    -----
    Fields: https://zwickytransientfacility.github.io/ztf-avro-alert/schema.html. Columns: Goldstein et al. 2015,
    AJ 150, 82.
    """
    return _compute_columns(_ZTF, columns)


def from_candidate(columns: Records) -> dict[str, NDArray[np.float32]]:
    """Compute the columns of :func:`from_ztf` from records in ZTF's format that come from another camera.

    Columns that depend on ZTF's pixel scale (through ``distnr``) or its filter numbers are NaN. The distance to the
    edge is ``mindtoedge``, because the size of the detector is unknown.
    """
    return _compute_columns(_OTHER, columns)


def from_rubin(columns: Records) -> dict[str, NDArray[np.float32]]:
    """Compute autoScan's columns from Rubin ``diaSource`` records.

    Parameters
    ----------
    columns : mapping of str to sequence (n,)
        Raw values by field name (:data:`RUBIN_FIELDS`), ``None`` where unknown. Fluxes are in nJy, second moments in
        arcsec^2.

    Returns
    -------
    dict of str to ndarray of float32 (n,)
        Columns under their autoScan names, NaN where unknown. A packet does not give the nearest reference source, the
        limiting magnitude or the size of the detector; columns that need these are absent.

    Notes
    -----
    Fields: https://sdm-schemas.lsst.io/apdb.html.
    """
    return _compute_columns(_RUBIN, columns)


def catalogue_fields(columns: Records, size: int, *, rubin: bool) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return records as the library takes them: the fields (n, k) as numbers, and which of them there are (k,)."""
    fields = RUBIN_FIELDS if rubin else ZTF_FIELDS
    table = np.full((size, len(fields)), np.nan)
    for k, name in enumerate(fields):
        if name in columns:
            table[:, k] = band_codes(columns[name]) if name == "band" else numbers_or_nan(columns[name], size)
    return table, np.array([name in columns for name in fields], dtype=np.uint8)


def columns_by_name(table: NDArray[np.float32], surveys: Sequence[int]) -> dict[str, NDArray[np.float32]]:
    """Return those of the twenty columns (n, 20) by name which packets of some surveys give."""
    given = {name for survey in surveys for name in PACKETS["rubin" if survey == _RUBIN else "ztf"].columns}
    return {name: table[:, k].copy() for k, name in enumerate(CATALOGUE) if name in given}


def _compute_columns(survey: int, columns: Records) -> dict[str, NDArray[np.float32]]:
    size = len(next(iter(columns.values()))) if columns else 0
    library = kernels.require_extension("making the columns of the catalogue")
    table = library.catalogue_from(survey, *catalogue_fields(columns, size, rubin=survey == _RUBIN))
    return columns_by_name(table, [survey])
