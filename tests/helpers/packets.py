"""Alert packets for tests: FITS cutouts and Avro files in ZTF's manner."""

import gzip
import io

import fastavro
import numpy as np

CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")

_CUTOUT = {
    "type": "record",
    "name": "cutout",
    "fields": [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}],
}
_CANDIDATE = {
    "type": "record",
    "name": "candidate",
    "fields": [
        {"name": "candid", "type": "long"},
        *({"name": name, "type": ["null", "float"]} for name in ("magpsf", "sigmapsf", "distnr", "xpos", "ypos")),
        {"name": "fid", "type": "int"},
    ],
}
SCHEMA = {
    "type": "record",
    "name": "alert",
    "namespace": "ztf",
    "fields": [
        {"name": "schemavsn", "type": "string"},
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {"name": "candidate", "type": _CANDIDATE},
        {"name": "prv_candidates", "type": ["null", {"type": "array", "items": "ztf.candidate"}]},
        {"name": "cutoutScience", "type": ["null", _CUTOUT]},
        {"name": "cutoutTemplate", "type": ["null", "ztf.cutout"]},
        {"name": "cutoutDifference", "type": ["null", "ztf.cutout"]},
    ],
}


def fits_bytes(pixels, dtype=">f4", cards=()):
    """Return a FITS file with one image in its primary unit, padded to whole blocks."""
    pixels = np.asarray(pixels, dtype=dtype)
    bitpix = {"f": -8, "i": 8, "u": 8}[pixels.dtype.kind] * pixels.dtype.itemsize
    keys = [("SIMPLE", "T"), ("BITPIX", bitpix), ("NAXIS", pixels.ndim)]
    keys += [(f"NAXIS{axis + 1}", size) for axis, size in enumerate(pixels.shape[::-1])]
    text = "".join(f"{key:<8}= {value!s:>20}".ljust(80) for key, value in [*keys, *cards]) + "END".ljust(80)
    body = pixels.tobytes()
    return text.ljust(-(-len(text) // 2880) * 2880).encode() + body.ljust(-(-len(body) // 2880) * 2880, b"\0")


def planes(seed, shape=(63, 63)):
    """Return a triplet (3, height, width) of noise."""
    return np.random.default_rng(seed).normal(size=(3, *shape)).astype(np.float32)


def packet(number, pixels=None, candidate=None, **cutouts):
    """Return an alert; `cutouts` replaces the bytes of a cutout, with None for an absent one."""
    pixels = planes(number) if pixels is None else pixels
    record = {"candid": 10**17 + number, "magpsf": 18.5, "sigmapsf": 0.1, "distnr": 1.0, "xpos": 700.0, "ypos": 800.0}
    record |= {"fid": 2, **(candidate or {})}
    alert = {"schemavsn": "3.3", "objectId": f"ZTF18test{number:03d}", "candid": record["candid"]}
    alert |= {"candidate": record, "prv_candidates": [record, record]}
    for name, plane in zip(CUTOUTS, pixels, strict=True):
        data = cutouts[name] if name in cutouts else gzip.compress(fits_bytes(plane), 1, mtime=0)
        alert[name] = None if data is None else {"fileName": f"{name}.fits.gz", "stampData": data}
    return alert


def avro_bytes(packets, codec="null", schema=SCHEMA, block=16000):
    """Return an Avro container file of the packets."""
    file = io.BytesIO()
    fastavro.writer(file, schema, packets, codec=codec, sync_interval=block, sync_marker=bytes(range(16)))
    return file.getvalue()
