"""Alerts as brokers have them, damaged ones among them, and what the command line makes of them."""

import gzip

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from helpers.packets import CUTOUTS, fits_bytes, packet, planes
from space2vec.cli import main

#: The row of an alert at the edge of a detector.
OFF_CENTRE = 30

__all__ = ["OFF_CENTRE", "damaged_alerts", "same_scores", "scores_by_command_line"]


def damaged_alerts(rows=40):
    """Return a table of alerts in Fink's manner; some have no cutouts, damaged ones, or such as ask for too much."""
    packets = [packet(row, candidate={"magpsf": 17 + row / 20}) for row in range(rows)]
    bomb = bytearray(gzip.compress(bytes(17 << 20), mtime=0))
    bomb[-4:] = (100).to_bytes(4, "little")
    damage = {
        3: {"cutoutTemplate": None},
        4: {"cutoutScience": b"rubbish"},
        9: dict.fromkeys(CUTOUTS, b""),
        10: dict.fromkeys(CUTOUTS),
        17: dict.fromkeys(CUTOUTS, bytes(bomb)),
        18: {"cutoutDifference": gzip.compress(fits_bytes(planes(18)[2]))[:700]},
        19: {"cutoutDifference": gzip.compress(fits_bytes(planes(19, (4, 4))[2]))},
        20: {"cutoutScience": gzip.compress(fits_bytes(np.zeros((63, 63))))},
        39: {"cutoutScience": gzip.compress(fits_bytes(np.full((63, 63), np.nan)))},
    }
    for row, cutouts in damage.items():
        packets[row] = packet(row, **cutouts)
    # Cut at the edge of the detector: the candidate is not in the middle, and its position tells where.
    packets[OFF_CENTRE] = packet(OFF_CENTRE, planes(OFF_CENTRE, (63, 50)), candidate={"xpos": 19.0})
    return pa.Table.from_pylist(packets)


def scores_by_command_line(table, folder, model="default"):
    """Return the table that ``space2vec score`` writes of a Parquet file of the alerts."""
    file, out = folder / f"of_{model}.parquet", folder / f"by_{model}.parquet"
    parquet.write_table(table, file)
    assert main(["score", str(file), "--model", model, "-o", str(out)]) == 1  # some alerts are damaged
    return parquet.read_table(out)


def same_scores(got, expected):
    """Tell whether ids, flags and scores are the same, the last to the bit, in whatever order the rows come."""
    one, other = (table.sort_by("candidate_id") for table in (got, expected))
    return (
        all(one[name].to_pylist() == other[name].to_pylist() for name in ("object_id", "candidate_id", "flags"))
        and one["score"].null_count == other["score"].null_count == 0
        and np.array_equal(*(np.asarray(table["score"]).view(np.uint32) for table in (one, other)))
    )
