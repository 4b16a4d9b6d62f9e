"""Run the programs of examples/ that were built, and compare what they print with Python's scores, to the bit.

python tests/consume/examples.py PROGRAM...

Each program is known by its name, whatever language it is written in. It needs the package, with its extension.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import fastavro
import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

import space2vec as s2v
from space2vec.reading.batch import Problem
from space2vec.simulation import write_packets

#: What a program prints: ids (none of frames), scores and flags.
Rows: TypeAlias = tuple[list[str], NDArray[np.float32], NDArray[np.uint32]]
SCHEMA_ID = 900
#: What the default model looks at of a frame, and no more: a bad pixel beyond it raises no flag.
SIDE = 51


def printed(program: Path, *arguments: str | Path) -> Rows:
    """Return what a program prints, whose last two words of a line are a score and flags."""
    run = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{program}: {run.returncode}\n{run.stderr}"
    assert not run.stderr, run.stderr
    words = [line.split(" ") for line in run.stdout.splitlines()]
    return (
        [" ".join(line[:-2]) for line in words],
        np.array([line[-2] for line in words], dtype=np.float32),
        np.array([line[-1] for line in words], dtype=np.uint32),
    )


def fails(program: Path, sentence: str, *arguments: str | Path) -> None:
    """See that a program ends with an error, and says why."""
    run = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert run.returncode == 1, f"{program} {arguments}: {run.returncode}"
    assert sentence in run.stderr, f"{program}: {run.stderr!r} says nothing of {sentence!r}"


def same(rows: Rows, scores: s2v.Scores, ids: list[str]) -> None:
    """See that a program's rows are Python's."""
    names, score, flags = rows
    assert names == ids, (names, ids)
    assert np.array_equal(
        score.view(np.uint32)[~np.isnan(score)], scores.score.view(np.uint32)[~np.isnan(scores.score)]
    )
    assert np.array_equal(np.isnan(score), np.isnan(scores.score))
    assert np.array_equal(flags, scores.flags), (flags, scores.flags)
    assert len(set(score[~np.isnan(score)])) > 3, score


def night(folder: Path) -> list[Path]:
    """Write a small night of alert packets."""
    return write_packets(s2v.simulate(12, seed=5), folder)


def messages(folder: Path) -> tuple[str, list[bytes]]:
    """Return the schema of a night and its alerts as messages, with what a stream has beside sound ones."""
    sent: list[bytes] = []
    for path in night(folder):
        with path.open("rb") as file:
            alerts = fastavro.reader(file)
            schema = alerts.writer_schema
            (alert,) = alerts
        record = folder / "record"
        with record.open("wb") as file:
            fastavro.schemaless_writer(file, schema, alert)
        sent.append(b"\0" + SCHEMA_ID.to_bytes(4, "big") + record.read_bytes())
    whole = path.read_bytes()
    return json.dumps(schema), [*sent, sent[0][:4000], b"\0\0\0\0\7" + sent[1][5:], b"", whole, sent[2] + b"more"]


def check_packets(program: Path, folder: Path) -> int:
    """Compare a program that scores files of packets."""
    paths = night(folder)
    scores = s2v.load("default").score(s2v.read(folder, threads=1))
    by_id = {str(candidate): row for row, candidate in enumerate(scores.candidate_id)}
    rows = printed(program, *paths)
    same(rows, scores[np.array([by_id[name] for name in rows[0]])], rows[0])
    assert sorted(rows[0]) == sorted(by_id)
    fails(program, "nowhere.avro", folder / "nowhere.avro")
    return len(rows[0])


def check_messages(program: Path, folder: Path) -> int:
    """Compare a program that scores messages."""
    schema, sent = messages(folder)
    (folder / "schema.json").write_text(schema)
    paths = [folder / f"{k}.message" for k in range(len(sent))]
    for path, message in zip(paths, sent, strict=True):
        path.write_bytes(message)
    problems: list[Problem] = []
    scores = s2v.MessageReader({SCHEMA_ID: schema}, model=s2v.load("default")).read(sent, problems)
    assert isinstance(scores, s2v.Scores)
    ids = ["" if candidate in (None, -1) else str(candidate) for candidate in scores.candidate_id]
    same(printed(program, str(SCHEMA_ID), folder / "schema.json", *paths), scores, ids)
    (folder / "damaged.json").write_text(schema[:500])
    fails(program, "schema", str(SCHEMA_ID), folder / "damaged.json", paths[0])
    return len(sent)


def made_field() -> tuple[list[s2v.Frame], NDArray[np.float64], NDArray[np.float64]]:
    """Return the field that score_frames.cpp makes up."""
    height, width = 2048, 4096
    light = np.zeros((height, width + 16), dtype=np.uint32)
    k = np.arange(1000)
    column, row = 4 * k, 30 + k * 1987 % 2000
    dy, dx = np.mgrid[-8:9, -8:9]
    for star in k[::2]:
        y, x = row[star] + dy, column[star] + 8 + dx
        light[y, x] += ((400 + star) * 16 // (16 + (dx**2 + dy**2) ** 2)).astype(np.uint32)
    light = light[:, 8:-8]
    i = np.arange(height * width, dtype=np.uint32).reshape(height, width)
    a, b = i * np.uint32(2654435761), i * np.uint32(2246822519)
    reference = (a >> 12 & 15) + (a >> 20 & 15)
    difference = (b >> 13 & 15) + (b >> 21 & 15) + light
    mask = np.where(i % 99991 == 0, 1, np.where(light > 1300, 2, 0)).astype(np.uint8)
    science = s2v.Frame(
        (reference + difference + np.uint32(100)).astype(np.float32), mask=mask, bad_bits=1, saturated_bits=2
    )
    others = [s2v.Frame(plane.astype(np.float32)) for plane in (reference, difference)]
    return [science, *others], column + 0.3, row - 0.2


def check_frames(program: Path, _: Path) -> int:
    """Compare a program that scores detections in a field."""
    frames, x, y = made_field()
    scores = s2v.load("default").score(s2v.from_images(*frames, x=x, y=y, side=SIDE))
    places = [f"{one:.1f} {other:.1f}" for one, other in zip(x, y, strict=True)]
    same(printed(program), scores, places)
    return len(places)


def check_fits(program: Path, folder: Path) -> int:
    """Compare a program that scores detections in FITS images: of unsigned numbers, in tiles, and of floats."""
    random = np.random.default_rng(8)
    y, x = random.uniform(-3, 303, 60), random.uniform(-3, 403, 60)
    rows, columns = np.mgrid[:300, :400]
    light = sum(
        2000.0 * np.exp(-0.2 * ((rows - v) ** 2 + (columns - u) ** 2)) for u, v in zip(x[::2], y[::2], strict=True)
    )
    template = random.normal(500.0, 5.0, (300, 400))
    science = (template + light + random.normal(0.0, 5.0, (300, 400))).astype(np.uint16)
    mask = (random.uniform(size=science.shape) < 1e-3).astype(np.int32) * 64
    difference = (science - template).astype(np.float32)
    difference[100:103, 200:205] = np.nan
    paths = [folder / f"{name}.fits" for name in ("science", "template", "difference", "detections")]
    fits.HDUList([fits.PrimaryHDU(science), fits.ImageHDU(mask, name="MASK")]).writeto(paths[0])
    units = [fits.PrimaryHDU(), fits.CompImageHDU(template.astype(np.int16), compression_type="RICE_1")]
    fits.HDUList(units).writeto(paths[1])
    fits.PrimaryHDU(difference).writeto(paths[2])
    listed = [fits.Column("NUMBER", "J", array=np.arange(60)), fits.Column("X_IMAGE", "D", array=x + 1.0)]
    table = fits.BinTableHDU.from_columns([*listed, fits.Column("Y_IMAGE", "D", array=y + 1.0)])
    table.writeto(paths[3])
    there = fits.getdata(paths[3])
    stamps = s2v.from_images(*paths[:3], x=there["X_IMAGE"] - 1.0, y=there["Y_IMAGE"] - 1.0, side=SIDE)
    same(printed(program, *paths), s2v.load("default").score(stamps), [""] * len(x))
    fails(program, "could not open", *paths[:3], folder / "nowhere.fits")
    fails(program, "could not open", folder / "nowhere.fits", *paths[1:])
    fits.BinTableHDU.from_columns(listed).writeto(folder / "half.fits")
    fails(program, "column", *paths[:3], folder / "half.fits")
    fits.PrimaryHDU(np.zeros((2, 30, 30), dtype=np.float32)).writeto(folder / "cube.fits")
    fails(program, "dimension", *paths[:2], folder / "cube.fits", paths[3])
    return len(x)


CHECKS: dict[str, Callable[[Path, Path], int]] = {
    "score_packets": check_packets,
    "score_messages": check_messages,
    "score_frames": check_frames,
    "score_fits": check_fits,
}


def main(programs: list[Path]) -> None:
    """Check programs, and say how many rows were compared."""
    for program in programs:
        with tempfile.TemporaryDirectory() as folder:
            rows = CHECKS[program.name](program.resolve(), Path(folder))
        print(f"{program.name}: {rows} rows as Python's")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
