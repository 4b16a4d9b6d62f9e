"""The catalogue columns of autoScan from records of packets, as ``docs/catalogue.md`` has them, in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RUBIN_FIELDS", "ZTF_FIELDS", "bands", "from_candidate", "from_rubin", "from_ztf", "numbers"]

#: What :func:`from_ztf` looks at in a ZTF ``candidate`` record.
ZTF_FIELDS: tuple[str, ...] = (
    "magpsf", "sigmapsf", "aimage", "bimage", "magnr", "sigmagnr", "distnr", "diffmaglim", "xpos", "ypos", "mindtoedge",
    "rcid", "fid",
)  # fmt: skip
#: What :func:`from_rubin` looks at in a Rubin ``diaSource`` record.
RUBIN_FIELDS: tuple[str, ...] = ("psfFlux", "snr", "ixx", "iyy", "ixy", "templateFlux", "detector", "band")

#: autoScan looks this far for a reference source, in arcsec.
_REACH = 5.0
#: ZTF gives ``distnr`` in pixels; the separations of (ra, dec) and (ranr, decnr) give this scale, in arcsec a pixel.
_ZTF_SCALE = 1.0125
_ZTF_WIDTH, _ZTF_HEIGHT = 3072, 3080
#: An older packet writes this, a newer one null, for a value that is unknown.
_ZTF_SILENT = -999.0
#: d(mag) = 2.5 / ln 10 * d(flux) / flux.
_MAG_PER_RELATIVE_FLUX = 2.5 / np.log(10)
_RUBIN_SCALE = 0.2
#: AB magnitude of 1 nJy.
_NANOJANSKY_ZERO = 31.4
_BANDS = {"g": 1.0, "r": 2.0, "i": 3.0, "z": 4.0}

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]


def from_ztf(columns: Columns) -> dict[str, NDArray[np.float32]]:
    """Return the autoScan columns that ZTF ``candidate`` records give.

    Parameters
    ----------
    columns : mapping of str to sequence (n,)
        Raw values by field name (:data:`ZTF_FIELDS`), ``None`` or -999 where a record is silent. A field that is not
        there at all is unknown for every row; a null ``distnr``, though, says that no reference source is near.

    Returns
    -------
    dict of str to ndarray of float32 (n,)
        Columns under their autoScan names, NaN where unknown. Columns that ZTF never gives (A_REF, B_REF, FLAGS,
        SPREAD_MODEL, SPREADERR_MODEL) are left out.

    Notes
    -----
    Fields: https://zwickytransientfacility.github.io/ztf-avro-alert/schema.html. Columns: Goldstein et al. 2015,
    AJ 150, 82.
    """
    raw = _candidate(columns)
    mag, limit = raw["magpsf"], raw["diffmaglim"]
    size = len(mag)
    distance = raw["distnr"] * _ZTF_SCALE
    near = distance <= _REACH
    alone = np.where(near, 0.0, 1.0) if "distnr" in columns else np.full(size, np.nan)
    mag_ref = np.where(near, raw["magnr"], np.nan)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        host = np.where(alone == 1, 0.0, 10 ** (0.4 * (mag - mag_ref)))
    x, y = raw["xpos"], raw["ypos"]
    edge = np.minimum(np.minimum(x, y), np.minimum(_ZTF_WIDTH - x, _ZTF_HEIGHT - y))
    own = {
        "BAND": np.where(np.isin(raw["fid"], (1, 2, 3)), raw["fid"], np.nan),
        "GFLUX": np.where(np.isnan(mag), np.nan, 1 + host),
        "MAGDIFF": np.where(alone == 1, limit, mag_ref) - mag,
        "MAGLIM": alone,
        "MAG_REF": mag_ref,
        "MAG_REF_ERR": np.where(near, raw["sigmagnr"], np.nan),
        "MIN_DISTANCE_TO_EDGE_IN_NEW": np.where(np.isnan(edge), raw["mindtoedge"], edge),
        "NN_DIST_RENORM": np.where(near, distance, np.nan),
    }
    return _single(_any_camera(raw) | own)


def from_candidate(columns: Columns) -> dict[str, NDArray[np.float32]]:
    """Return the columns of :func:`from_ztf` out of records like ZTF's ``candidate``, for a camera that is not ZTF's.

    Those that rest on ZTF's pixel scale (of ``distnr``) or numbers of filters are NaN, and the distance to the edge is
    ``mindtoedge``, for the size of the detector is unknown.
    """
    raw = _candidate(columns)
    unknown = np.full(len(raw["magpsf"]), np.nan)
    names = ("BAND", "GFLUX", "MAGDIFF", "MAGLIM", "MAG_REF", "MAG_REF_ERR", "NN_DIST_RENORM")
    rest = {"MIN_DISTANCE_TO_EDGE_IN_NEW": raw["mindtoedge"]}
    return _single(_any_camera(raw) | dict.fromkeys(names, unknown) | rest)


def _candidate(columns: Columns) -> dict[str, NDArray[np.float64]]:
    """Return the fields of ``candidate`` records as numbers."""
    size = _length(columns)
    raw = {name: numbers(columns.get(name), size) for name in ZTF_FIELDS}
    for values in raw.values():
        values[values == _ZTF_SILENT] = np.nan
    return raw


def _any_camera(raw: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Return the columns that mean the same whatever camera took the image."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        snr = np.where(raw["sigmapsf"] > 0, _MAG_PER_RELATIVE_FLUX / raw["sigmapsf"], np.nan)
    return {
        "A_IMAGE": raw["aimage"],
        "B_IMAGE": raw["bimage"],
        "CCDID": raw["rcid"],
        "ELLIPTICITY": _ellipticity(raw["aimage"], raw["bimage"]),
        "MAG": raw["magpsf"],
        "MAG_FROM_LIMIT": raw["diffmaglim"] - raw["magpsf"],
        "SNR": snr,
    }


def from_rubin(columns: Columns) -> dict[str, NDArray[np.float32]]:
    """Return the autoScan columns that Rubin ``diaSource`` records give.

    Parameters
    ----------
    columns : mapping of str to sequence (n,)
        Raw values by field name (:data:`RUBIN_FIELDS`), ``None`` where a record is silent. Fluxes in nJy, second
        moments in arcsec^2.

    Returns
    -------
    dict of str to ndarray of float32 (n,)
        Columns under their autoScan names, NaN where unknown. A packet tells nothing of the nearest reference source,
        of the limiting magnitude or of the size of its detector, so the columns that need these are left out.

    Notes
    -----
    Fields: https://sdm-schemas.lsst.io/apdb.html.
    """
    size = _length(columns)
    raw = {name: numbers(columns.get(name), size) for name in RUBIN_FIELDS if name != "band"}
    flux = np.abs(raw["psfFlux"])
    with np.errstate(divide="ignore", invalid="ignore"):
        mag = np.where(flux > 0, _NANOJANSKY_ZERO - 2.5 * np.log10(flux), np.nan)
        gflux = np.where(flux > 0, (np.maximum(raw["templateFlux"], 0) + flux) / flux, np.nan)
        middle, spread = (raw["ixx"] + raw["iyy"]) / 2, np.hypot((raw["ixx"] - raw["iyy"]) / 2, raw["ixy"])
        major, minor = np.sqrt(middle + spread) / _RUBIN_SCALE, np.sqrt(middle - spread) / _RUBIN_SCALE
    return _single(
        {
            "A_IMAGE": major,
            "BAND": bands(columns.get("band", [None] * size)),
            "B_IMAGE": minor,
            "CCDID": raw["detector"],
            "ELLIPTICITY": _ellipticity(major, minor),
            "GFLUX": gflux,
            "MAG": mag,
            "SNR": raw["snr"],
        }
    )


def bands(values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    """Return filter codes for letters: 1 g, 2 r, 3 i, 4 z; NaN for others. Codes, as text too, stay as they are."""
    codes = [_BANDS[value] if isinstance(value, str) and value in _BANDS else _number(value) for value in values]
    return np.array(codes, dtype=np.float64)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _length(columns: Columns) -> int:
    return len(next(iter(columns.values()))) if columns else 0


def numbers(values: Sequence[Any] | NDArray[Any] | None, size: int) -> NDArray[np.float64]:
    """Return a field (n,) as numbers, NaN where it is silent or holds none."""
    if values is None:
        return np.full(size, np.nan)
    try:
        # NumPy turns None into NaN here.
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        # One record of another kind must not cost the others.
        return np.array([_number(value) for value in values])


def _ellipticity(major: NDArray[np.float64], minor: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(major == 0, 1.0, 1 - minor / major)


def _single(columns: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float32]]:
    with np.errstate(over="ignore"):
        return {name: values.astype(np.float32) for name, values in columns.items()}
