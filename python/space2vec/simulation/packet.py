"""Alert packets: simulated candidates are written as Avro files in ZTF's schema, version 3.3."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from functools import cache
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

from space2vec.data.atomic_file import AtomicFile, write_whole
from space2vec.data.stamps import CHANNELS
from space2vec.simulation.night import Night

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["SCHEMA", "packet", "write_packets"]

_CUTOUTS = dict(zip(CHANNELS, ("cutoutScience", "cutoutTemplate", "cutoutDifference"), strict=True))
_FILES = dict(zip(CHANNELS, ("pid{pid}_targ_sci", "ref", "pid{pid}_targ_scimref"), strict=True))

# The fields of the candidate record, by their types. A star marks a field that may not be null.
# https://github.com/ZwickyTransientFacility/ztf-avro-alert/tree/master/schema
_CANDIDATE = """
double jd*; int fid*; long pid*; float diffmaglim; string pdiffimfilename programpi; int programid*; long candid*;
string isdiffpos*; long tblid; int nid rcid field; float xpos ypos; double ra* dec*; float magpsf* sigmapsf* chipsf
magap sigmagap distnr magnr sigmagnr chinr sharpnr sky magdiff fwhm classtar mindtoedge magfromlim seeratio aimage
bimage aimagerat bimagerat elong; int nneg nbad; float rb ssdistnr ssmagnr; string ssnamenr; float sumrat magapbig
sigmagapbig; double ranr* decnr*; float sgmag1 srmag1 simag1 szmag1 sgscore1 distpsnr1; int ndethist* ncovhist*;
double jdstarthist jdendhist scorr; int tooflag; long objectidps1 objectidps2; float sgmag2 srmag2 simag2 szmag2
sgscore2 distpsnr2; long objectidps3; float sgmag3 srmag3 simag3 szmag3 sgscore3 distpsnr3; int nmtchps*; long rfid*;
double jdstartref* jdendref*; int nframesref*; string rbversion*; float dsnrms ssnrms dsdiff magzpsci magzpsciunc
magzpscirms; int nmatches*; float clrcoeff clrcounc zpclrcov zpmed clrmed clrrms neargaia neargaiabright maggaia
maggaiabright exptime drb; string drbversion*
"""


def _fields() -> list[dict[str, Json]]:
    """Return the fields of the candidate record, in the form of an Avro schema."""
    fields: list[dict[str, Json]] = []
    for group in _CANDIDATE.split(";"):
        kind, *names = group.split()
        for name in names:
            if name.endswith("*"):
                fields.append({"name": name[:-1], "type": kind})
            else:
                fields.append({"name": name, "type": ["null", kind], "default": None})
    return fields


def _record(name: str, fields: list[dict[str, Json]]) -> dict[str, Json]:
    return {"type": "record", "name": name, "version": "3.3", "doc": "avro alert schema", "fields": fields}


def _schema() -> dict[str, Json]:
    parts = [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}]
    cutout = _record("ztf.alert.cutout", parts)
    optional = {"default": None}
    return _record(
        "ztf.alert",
        [
            {"name": "schemavsn", "type": "string"},
            {"name": "publisher", "type": "string"},
            {"name": "objectId", "type": "string"},
            {"name": "candid", "type": "long"},
            {"name": "candidate", "type": _record("ztf.alert.candidate", _fields())},
            {"name": "prv_candidates", "type": ["null", {"type": "array", "items": "ztf.alert.candidate"}], **optional},
            {"name": "cutoutScience", "type": ["null", cutout], **optional},
            {"name": "cutoutTemplate", "type": ["null", "ztf.alert.cutout"], **optional},
            {"name": "cutoutDifference", "type": ["null", "ztf.alert.cutout"], **optional},
        ],
    )


#: The Avro schema of the packets.
SCHEMA: dict[str, Json] = _schema()


@cache
def _header(height: int, width: int) -> bytes:
    """Return the FITS header of a cutout."""
    from astropy.io import fits

    header = fits.PrimaryHDU(np.zeros((height, width), dtype=np.float32)).header
    header["BUNIT"] = "DN"
    document: str = header.tostring()
    return document.encode("ascii")


def _cutout(plane: NDArray[np.float32]) -> bytes:
    """Return a plane as a gzipped FITS file without a time stamp, so that the same plane gives the same bytes."""
    data = plane.astype(">f4").tobytes()
    document = _header(*plane.shape) + data + bytes(-len(data) % 2880)
    return gzip.compress(document, compresslevel=1, mtime=0)


def packet(night: Night, row: int) -> dict[str, Json]:
    """Return the record of an alert packet of one candidate."""
    record = night.records[row]
    document: dict[str, Json] = {
        "schemavsn": "3.3",
        "publisher": "space2vec simulation",
        "objectId": night.stamps.object_id[row],
        "candid": record["candid"],
        "candidate": record,
        "prv_candidates": None,
    }
    for channel, name in _CUTOUTS.items():
        plane = night.stamps.plane(row, channel)
        if plane is not None:
            file = f"candid{record['candid']}_{_FILES[channel].format(pid=record['pid'])}.fits.gz"
            document[name] = {"fileName": file, "stampData": _cutout(plane)}
    return document


def write_packets(
    night: Night,
    folder: str | PathLike[str],
    *,
    codec: Literal["null", "deflate", "snappy"] = "null",
    per_file: int = 1,
) -> list[Path]:
    """Write a simulated night as Avro files, and a table ``truth.csv`` of candid, objectId, label and kind.

    Parameters
    ----------
    night : Night
        The simulated candidates, of the survey ``ztf``.
    folder : path
        A folder; it is created if it does not exist. Files of the same names are replaced.
    codec : {"null", "deflate", "snappy"}
        Compression of the Avro blocks. ZTF uses none, since the cutouts are gzipped.
    per_file : int
        Alerts per file. With 1 a file is named after its ``candid``, as in ZTF's archive.

    Returns
    -------
    list of Path
        The Avro files, in the order of the night.

    Raises
    ------
    ValueError
        If the night is of another survey, the codec is unknown, or ``per_file`` is below 1.

    Examples
    --------
    >>> from space2vec.simulation import write_packets
    >>> files = write_packets(s2v.simulate(10, seed=1), "simulated_alerts")
    >>> len(files)
    10
    """
    import fastavro

    if codec not in ("null", "deflate", "snappy"):
        raise ValueError(f"codec must be null, deflate or snappy; given {codec!r}")
    if per_file < 1:
        raise ValueError(f"per_file must be at least 1; given {per_file}")
    if night.survey != "ztf":
        raise ValueError(f"packets are written in ZTF's schema; this night is of the survey {night.survey}")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    schema = fastavro.parse_schema(SCHEMA)
    files: list[Path] = []
    for start in range(0, len(night), per_file):
        rows = range(start, min(start + per_file, len(night)))
        name = str(night.records[start]["candid"]) if per_file == 1 else f"alerts_{start // per_file:05d}"
        files.append(target / f"{name}.avro")
        # The sync marker is derived from the name, where fastavro would draw one: the same night gives the same bytes.
        marker = hashlib.md5(name.encode(), usedforsecurity=False).digest()
        with AtomicFile(files[-1]) as file:
            packets = (packet(night, row) for row in rows)
            fastavro.writer(cast("IO[bytes]", file), schema, packets, codec=codec, sync_marker=marker)
            file.close()
            file.appear()
    lines = io.StringIO()
    table = csv.writer(lines, lineterminator="\n")
    table.writerow(["candid", "objectId", "label", "kind"])
    for row, record in enumerate(night.records):
        table.writerow([record["candid"], night.stamps.object_id[row], int(night.labels[row]), night.kinds[row]])
    write_whole(target / "truth.csv", lines.getvalue().encode())
    return files
