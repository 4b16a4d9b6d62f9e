"""Damage one alert in twenty of a night in ten ways, score it, and tell what became of each.

    python tests/stress/damage_night.py FOLDER [--container] [--seed 1] [--every 20]

FOLDER holds Avro files of alerts; a damaged copy is made in a temporary folder, and both are scored by the packaged
model `forest`, which can do without no plane. For every way: how many alerts were damaged, how many of them are scored
all the same, how many are in the errors table, and how many of these with the right reason. Every other alert must have
exactly the score that it has in the undamaged night. Ends with 1 where anything is otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
from pyarrow import parquet

CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
STARS = {"type": "record", "name": "star", "fields": [{"name": "ra", "type": "double"}]}

#: What the errors table may say of each way. A flipped bit sends a deflate stream astray in one way or another.
REASONS = {
    "cut": {"truncated"},
    "flipped bits": {"damaged_gzip", "checksum", "truncated", "too_large"},
    "wrong CRC": {"checksum"},
    "foreign schema": {"foreign_schema"},
    "empty cutout": {"empty_cutout"},
    "absurd NAXIS": {"too_large"},
    "gzip bomb": {"too_large"},
    "NaN everywhere": {"constant"},
    "missing plane": {"missing_plane"},
    "not FITS": {"not_fits"},
}


def _flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a gzip stream with a few bits of its body flipped."""
    noisy = bytearray(data)
    for place in rng.integers(40, len(data) - 8, 3):
        noisy[place] ^= 1 << int(rng.integers(8))
    return bytes(noisy)


def _absurd(data: bytes) -> bytes:
    card = b"NAXIS1  = %20d" % 1234567
    return gzip.compress(re.sub(rb"NAXIS1  = .{20}", card, gzip.decompress(data), count=1))


def _empty_pixels(data: bytes) -> bytes:
    """Return a FITS file, its header kept, all of whose pixels are NaN."""
    plain = gzip.decompress(data)
    header = next(end for end in range(2880, len(plain) + 1, 2880) if b"END" + b" " * 77 in plain[end - 2880 : end])
    size = (len(plain) - header) // 4
    return gzip.compress(plain[:header] + np.full(size, np.nan, ">f4").tobytes())


def damaged(way: str, packet: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return a copy of the packet with a cutout that the features need damaged; "cut" and "foreign schema" too."""
    name = CUTOUTS[1 + int(rng.integers(2))]
    data = packet[name]["stampData"]
    damaged: bytes | None = None
    if way == "cut":
        damaged = data[: int(rng.integers(30, len(data) - 9))]
    elif way == "flipped bits":
        damaged = _flipped(data, rng)
    elif way == "wrong CRC":
        damaged = data[:-8] + bytes([data[-8] ^ 0x10]) + data[-7:]
    elif way == "empty cutout":
        damaged = b""
    elif way == "absurd NAXIS":
        damaged = _absurd(data)
    elif way == "gzip bomb":
        damaged = gzip.compress(bytes(64 << 20), 1)
    elif way == "NaN everywhere":
        damaged = _empty_pixels(data)
    elif way == "not FITS":
        damaged = gzip.compress(b"Once upon a time there was a supernova. " * 300)
    cutout = None if way == "missing plane" else packet[name] | {"stampData": damaged}
    return packet | {name: cutout}


def container(packets: list[dict[str, Any]], schema: Any, block: int = 200_000) -> bytes:
    """Return an Avro file."""
    file = io.BytesIO()
    fastavro.writer(file, schema, packets, sync_interval=block)
    return file.getvalue()


@dataclass
class Night:
    """A damaged copy of a night, and how it was damaged: by candidate, and by file where a file was."""

    by_candidate: dict[int, str] = field(default_factory=dict)
    by_file: dict[str, str] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)


def damage(packets: list[dict[str, Any]], schema: Any, folder: Path, rng: np.random.Generator, *, together: bool,
           every: int = 20) -> Night:  # fmt: skip
    """Write the packets into a folder, one in `every` damaged; one a file, or all in one file with many blocks."""
    night = Night()
    ways = list(REASONS)
    chosen = rng.choice(len(packets), len(packets) // every, replace=False)
    way_of = {int(row): ways[k % len(ways)] for k, row in enumerate(chosen)}
    kept = []
    for row, packet in enumerate(packets):
        way = way_of.get(row)
        file = folder / f"{row:05d}.avro"
        if way == "foreign schema":
            file.write_bytes(container([{"ra": 1.0}], STARS))
            night.by_file[str(file)] = way
            night.lost.add(packet["candid"])
        elif way == "cut" and not together:
            content = container([packet], schema)
            file.write_bytes(content[: int(rng.uniform(0.02, 0.99) * len(content))])
            night.by_file[str(file)] = way
            night.lost.add(packet["candid"])
        else:
            if way is not None:
                night.by_candidate[packet["candid"]] = way
                packet = damaged(way, packet, rng)
            if together:
                kept.append(packet)
            else:
                file.write_bytes(container([packet], schema))
    if together:
        (folder / "night.avro").write_bytes(container(kept, schema))
    return night


def score(folder: Path) -> tuple[pa.Table, pa.Table]:
    """Return what ``space2vec score`` writes of a folder: the scores and the errors table."""
    from space2vec.cli import main as space2vec

    with tempfile.TemporaryDirectory() as place:
        output = Path(place, "scores.parquet")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            space2vec(["score", str(folder), "-o", str(output), "--model", "forest"])
        return tuple(parquet.read_table(path) for path in (output, output.with_name("scores.errors.parquet")))


def compare(
    night: Night, whole: pa.Table, scores: pa.Table, errors: pa.Table
) -> tuple[dict[str, Counter[str]], list[str]]:
    """Return what became of each way, and what is wrong with that."""
    told: dict[str, Counter[str]] = {way: Counter() for way in REASONS}
    wrong = []
    for way in (*night.by_candidate.values(), *night.by_file.values()):
        told[way]["made"] += 1
    expected = dict(zip(whole["candidate_id"].to_pylist(), whole["score"].to_pylist(), strict=True))
    for candidate, value in zip(scores["candidate_id"].to_pylist(), scores["score"].to_pylist(), strict=True):
        scored = value is not None and not np.isnan(value)
        if candidate is None:
            wrong += ["a row without an id is scored"] if scored else []
        elif candidate not in expected:
            wrong.append(f"{candidate} is there twice, or was never there")
        elif (way := night.by_candidate.get(candidate)) is not None:
            told[way]["scored"] += scored
            del expected[candidate]
        elif candidate in night.lost:
            # Its id was read before the damage.
            wrong += [f"{candidate} is scored"] if scored else []
            del expected[candidate]
        elif expected.pop(candidate) != value:
            wrong.append(f"{candidate} has another score than in the undamaged night")
    wrong += [f"{candidate} is lost" for candidate in expected.keys() - night.lost]
    seen: set[int | str] = set()
    for line in errors.to_pylist():
        key = line["candidate_id"]
        way = night.by_candidate.get(key)
        if way is None:
            key, way = line["file"], night.by_file.get(line["file"] or "")
        if way is None:
            wrong.append(f"a sound alert is in the errors table: {line}")
        elif key in seen:
            wrong.append(f"{key} is in the errors table twice")
        else:
            seen.add(key)
            told[way]["in errors"] += 1
            told[way]["right reason"] += line["reason"] in REASONS[way]
    for way, count in told.items():
        if count["scored"] or count["in errors"] != count["made"] or count["right reason"] != count["made"]:
            wrong.append(f"{way}: {dict(count)}")
    return told, wrong


def read_packets(folder: Path) -> tuple[list[dict[str, Any]], Any]:
    """Return the alerts of a folder's Avro files, one a candidate, and the schema of the first file."""
    packets: dict[int, dict[str, Any]] = {}
    schema = None
    for path in sorted(folder.glob("**/*.avro")):
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            schema = schema or reader.writer_schema
            if reader.writer_schema == schema:
                packets |= {packet["candid"]: packet for packet in reader}
    return list(packets.values()), schema


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--container", action="store_true", help="put all alerts into one file of many blocks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=20)
    arguments = parser.parse_args()
    packets, schema = read_packets(arguments.folder)
    with tempfile.TemporaryDirectory() as place:
        bad, good = Path(place, "damaged"), Path(place, "whole")
        bad.mkdir()
        good.mkdir()
        rng = np.random.default_rng(arguments.seed)
        night = damage(packets, schema, bad, rng, together=arguments.container, every=arguments.every)
        (good / "night.avro").write_bytes(container(packets, schema))
        told, wrong = compare(night, score(good)[0], *score(bad))
    print(f"{len(packets)} alerts, one in {arguments.every} damaged, seed {arguments.seed}")
    print(f"{'way':16}{'made':>8}{'scored':>8}{'in errors':>11}{'right reason':>14}")
    for way, count in told.items():
        print(f"{way:16}{count['made']:8}{count['scored']:8}{count['in errors']:11}{count['right reason']:14}")
    print("\n".join(wrong) if wrong else "every sound alert has its score, every damaged one its line")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
