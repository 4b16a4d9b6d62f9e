"""What every backend must give the same bits for: stamps, features, recipes and models.

``python -m parity.suite --compute FILE`` writes what the backend of this process gives (``SPACE2VEC_BACKEND``,
``SPACE2VEC_ISA``) as .npz; the planes of a recipe as a digest a row. ``python -m parity.suite --export DIR --rows N``
writes N rows of the suite, spread over it, or all of it over and over up to N, and what the native build gives, for a
program without Python.

Files of an export. All numbers are little-endian, arrays are in C order and follow each other without padding, so that
an int64 may start at any byte.

``stamps.bin``
    int64 n, pixel_count; float32 pixels[pixel_count]; int64 offset[n][3] (science, template, difference; -1: missing);
    int32 shape[n][3][2] (height, width); int32 centre[n][2] (row, column); float32 saturation. As ``s2v_stamps``.
``features_code.bin``, ``features_paper.bin``
    int64 n, k; float32 values[n][k]; uint32 flags[n]. Columns in the order of the registry's stamp features.
``recipe_<index>.bin``, index in the order of the registry
    int64 n, channels, height, width; float32 planes[n][channels][height][width]; uint32 flags[n].
``squares.bin``
    int64 n, height, width; float32 planes[n][height][width]; uint8 mask[n][height][width].
``normaliser_<index>.bin``, index in the order of the registry's normalisers, then all of them in a chain
    int64 n, height, width; float32 planes[n][height][width]; uint32 flags[n].
``known.bin``
    int64 n, columns; uint32 raised[n]; float32 catalogue[n][columns]. What a reader knows of the stamps: the flags that
    it raised, and all columns of the catalogue. As ``s2v_catalogue``.
``models/<name>.safetensors``
    Model files: the packaged ones, small ones of every kind, a forest of deep trees.
"""

import argparse
import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers import tiny_models
from oracle import stamps as synthetic
from space2vec import Recipe, Stamps, features, model_files, normalise, prepare, simulate
from space2vec.backends import kernels
from space2vec.data import flags
from space2vec.errors import BackendError
from space2vec.model_files.calibration import Calibration
from space2vec.model_files.integer_network import vector_length
from space2vec.model_files.trees import Trees
from space2vec.models.forest import Forest as Model
from space2vec.models.load import packaged
from space2vec.registry import AUTOSCAN_STAMP, CATALOGUE, FEATURE_SETS, FEATURES_VERSION, NORMALISERS, RECIPES

CONVENTIONS = ("code", "paper")
SATURATION = 60000.0
#: What planes are normalised by: each normaliser alone, and a chain of all.
CHAINS = {name: (name,) for name in NORMALISERS} | {"all": tuple(NORMALISERS)}
#: The side of the planes that are normalised.
SIDE = 45
#: The models that score the suite's stamps: the packaged ones, some that can do without planes, and by the catalogue.
SCORED = ("without science or template", "two planes", "forest of a catalogue", "forest of the paper")
#: Exit status of a process whose backend cannot run here.
UNAVAILABLE = 3


class Forest(NamedTuple):
    """Trees, what replaces NaN in the columns, and rows to score."""

    trees: Trees
    fill: np.ndarray
    x: np.ndarray


@cache
def stamps():
    """Return the stamps of the suite: named and random cases, faults among them, then a simulated night.

    A reader has raised flags of some, and knows of most what the catalogue says.
    """
    cases = [case for _, case in synthetic.named_cases()] + synthetic.batch(1700, seed=11)
    whole = Stamps.concatenate(
        [
            Stamps([c.planes for c in cases], centre=[c.centre for c in cases], saturation=SATURATION),
            _with_saturation(simulate(250, seed=12).stamps),
        ]
    )
    rng, n = np.random.default_rng(18), len(whole)
    whole.flags = raised(n)
    known = np.exp(rng.normal(size=(len(CATALOGUE), n))).astype(np.float32)
    known[rng.random(known.shape) < 0.1] = np.nan
    known[:, rng.random(n) < 0.2] = np.nan
    whole.catalogue = dict(zip(CATALOGUE, known, strict=True))
    return whole


def _with_saturation(night):
    rows = range(len(night))
    planes = [[night.plane(row, channel) for channel in ("science", "template", "difference")] for row in rows]
    return Stamps(planes, centre=night.centre, saturation=SATURATION)


def _grow(rng, x, depth, nodes):
    """Append a random tree on the columns of x to the columns of nodes, depth first."""
    node = len(nodes)
    column = int(rng.integers(x.shape[1]))
    threshold = x[rng.integers(len(x)), column]
    if depth == 0 or rng.random() < 0.1 or not np.isfinite(threshold):
        nodes.append([0, 0, rng.random(), 0])
        return
    nodes.append([0, column, threshold, int(rng.integers(2))])
    _grow(rng, x, depth - 1, nodes)
    nodes[node][0] = len(nodes) - node
    _grow(rng, x, depth - 1, nodes)


@cache
def forest():
    """Return a random forest of 25 deep trees, and 1,000 rows with NaN and thresholds among them."""
    rng = np.random.default_rng(13)
    x = rng.normal(0, 10, (1000, len(AUTOSCAN_STAMP))).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.01] = np.inf
    x[::7] = np.round(x[::7])
    trees = [[] for _ in range(25)]
    for nodes in trees:
        _grow(rng, x, 9, nodes)
    start = np.cumsum([0] + [len(nodes) for nodes in trees], dtype=np.int64)
    right, feature, value, missing_left = map(np.array, zip(*(node for nodes in trees for node in nodes), strict=True))
    kinds = right.astype(np.int32), feature.astype(np.int16), missing_left.astype(np.uint8), value.astype(np.float32)
    return Forest(Trees(start, *kinds), np.where(np.arange(x.shape[1]) % 3 == 0, 0.5, np.nan).astype(np.float32), x)


def model(names):
    """Return the forest as a model of as many columns."""
    trees, fill, _ = forest()
    return Model(trees, model_files.Header("forest", "suite", tuple(names), "stamp", FEATURES_VERSION), fill)


@cache
def models():
    """Return model files by name."""
    kept = {name: path.read_bytes() for name, path in packaged().items() if name != "default"}
    deep = model(FEATURE_SETS["stamp"][::-3][-len(AUTOSCAN_STAMP) :]).calibrated(calibration())
    return {**kept, **tiny_models.models(), **tiny_models.vector_models(), "deep forest": deep.file}


def scored():
    """Return the names of the models that score stamps here; tests of models have all of them score others."""
    return [*(name for name in packaged() if name != "default"), *SCORED, "deep forest", *tiny_models.vector_models()]


def raised(n):
    """Return flags (n,) such as readers raise."""
    seen = [flags.bits(names) for names in ((), "bad_stamp", "missing", "off_shape", ("bad_stamp", "nan_pixels"))]
    return np.random.default_rng(17).choice(np.array(seen, np.uint32), n, p=[0.6, 0.1, 0.1, 0.1, 0.1])


def squares(rows):
    """Return the middle of each difference plane (n, SIDE, SIDE), NaN beyond it, and a mask that hides some pixels."""
    planes = np.full((len(rows), SIDE, SIDE), np.nan, dtype=np.float32)
    for row in range(len(rows)):
        if rows.offset[row, 2] >= 0:
            part = rows.plane(row, "difference")[:SIDE, :SIDE]
            planes[row, : part.shape[0], : part.shape[1]] = part
    return planes, np.isin(np.arange(SIDE * SIDE) % 37, (5, 6)).reshape(SIDE, SIDE)


def composition():
    """Return a recipe of steps that is not of the registry."""
    return Recipe.of("composition", steps=tuple(NORMALISERS)[::-1], side=41, channels=("difference", "science"))


def digests(planes):
    """Return 16 bytes a row that differ wherever a bit of its planes does, as uint64 (n, 2)."""
    rows = (hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in planes)
    return np.frombuffer(b"".join(rows), dtype=np.uint64).reshape(-1, 2)


def calibration():
    """Return a table, some of whose stretches are flat or steep."""
    rng = np.random.default_rng(19)
    x = np.unique(rng.random(40).astype(np.float32))
    y = np.sort(np.repeat(rng.random(20), 2)).astype(np.float32)[: len(x)]
    return Calibration(tuple(x.tolist()), tuple(y.tolist()))


def calibrated():
    """Return what the backend of this process makes of scores by a calibration."""
    table = calibration()
    edges = np.nextafter(table.knots[0], np.float32(2)), np.nextafter(table.knots[0], np.float32(-1))
    rest = np.random.default_rng(23).random(5000).astype(np.float32)
    return table(np.concatenate([np.float32([0, 1, np.nan]), *edges, table.knots[0], rest]))


def of_table(threads=1):
    """Return what the backend of this process gives for the rows of the forest, as bits: scores, then flags."""
    x, n = forest().x, len(forest().x)
    score, judged = np.empty(n, np.float32), np.empty(n, np.uint32)
    seen = np.where(np.arange(n) % 5 == 0, 1 << (np.arange(n) % 14), 0).astype(np.uint32)
    kernels.active().Model(models()["deep forest"]).score_columns(x, seen, score, judged, threads)
    return np.stack([score.view(np.uint32), judged], axis=1)


def known_of(rows):
    """Return what the catalogue says of stamps (n, 20), NaN in a column that they do not have."""
    unknown = np.full(len(rows), np.nan, np.float32)
    return np.ascontiguousarray(np.stack([rows.catalogue.get(name, unknown) for name in CATALOGUE], axis=1))


def model_results(name, rows, threads):
    """Return scores or vectors, flags and a digest of what a model takes, by what they are."""
    file, n = models()[name], len(rows)
    model, known = kernels.active().Model(file), known_of(rows)
    header, judged = tiny_models.header_of(file), np.empty(n, np.uint32)
    length = vector_length(header.architecture or {})
    if length:
        given = np.empty((n, length), np.int8)
        model.embed(rows, known, given, judged, threads)
        found = given.view(np.uint8)
    else:
        score = np.empty(n, np.float32)
        model.score(rows, known, score, judged, threads)
        found = score.view(np.uint32)
    shape = Recipe.from_plain(header.recipe).shape if header.recipe else (0, 0, 0)
    planes, columns = np.empty((n, *shape), np.float32), np.empty((n, len(header.feature_names)), np.float32)
    again, good = np.empty(n, np.uint32), np.empty(n, np.bool_)
    inputs = planes if planes.size else None, columns if columns.size else None
    model.inputs(rows, known, *inputs, again, good, threads)
    if header.first is None:  # what a cascade takes is what its second network does
        assert (again == judged).all()
        assert not found[~good].any() if length else (np.isnan(score) == ~good).all()
    whole = np.concatenate([planes.reshape(n, -1), columns], axis=1)
    return {f"score:{name}": found, f"flags:score:{name}": judged, f"inputs:{name}": digests(whole)}


def compute(rows, threads=1):
    """Return all that the backend of this process gives for stamps, as arrays of unsigned integers by name.

    They are named ``features:<convention>:<name>``, ``recipe:<name>`` and ``normaliser:<name>`` (digests),
    ``score:<model>``, ``inputs:<model>`` (digests), ``flags:...`` of these; ``table`` and ``calibration`` are of
    rows of their own.
    """
    results = {"table": of_table(threads), "calibration": calibrated().view(np.uint32)}
    for name in scored():
        results |= model_results(name, rows, threads)
    for convention in CONVENTIONS:
        table = features(rows, set="stamp", convention=convention, threads=threads)
        for column, name in enumerate(table.names):
            results[f"features:{convention}:{name}"] = np.ascontiguousarray(table.values[:, column]).view(np.uint32)
        results[f"flags:features:{convention}"] = table.flags
    for name in (*RECIPES, composition()):
        prepared = prepare(rows, name, threads=threads)
        results[f"recipe:{prepared.recipe.name}"] = digests(prepared.planes)
        results[f"flags:recipe:{prepared.recipe.name}"] = prepared.flags
    planes, mask = squares(rows)
    for name, steps in CHAINS.items():
        normalised = normalise(planes, steps, mask=mask, threads=threads)
        results[f"normaliser:{name}"] = digests(normalised.planes)
        results[f"flags:normaliser:{name}"] = normalised.flags
    return results


def differences(expected, found):
    """Return a line for each result that differs, with the first rows that do."""
    lines = []
    for name in sorted(expected):
        differs = np.flatnonzero((expected[name] != found[name]).reshape(len(expected[name]), -1).any(axis=1))
        if differs.size:
            lines.append(f"{name}: {differs.size} of {len(expected[name])} rows, first {differs[:5].tolist()}")
    return lines


def names():
    """Return the names of the results that a backend must give, from the registry."""
    features = [f"features:{convention}:{name}" for convention in CONVENTIONS for name in FEATURE_SETS["stamp"]]
    planes = [f"recipe:{name}" for name in (*RECIPES, "composition")] + [f"normaliser:{name}" for name in CHAINS]
    scores = [f"score:{name}" for name in scored()]
    flags = [f"flags:{name}" for name in (*(f"features:{c}" for c in CONVENTIONS), *planes, *scores)]
    inputs = [f"inputs:{name}" for name in scored()]
    return {"table", "calibration", *features, *planes, *scores, *flags, *inputs}


def _write(path, *parts):
    """Write integers as int64 and arrays as they are, little-endian."""
    with path.open("wb") as file:
        for part in parts:
            array = np.asarray(part, dtype=np.int64) if isinstance(part, int) else np.ascontiguousarray(part)
            file.write(array.astype(array.dtype.newbyteorder("<")).tobytes())


def _packed(chosen):
    """Return a copy of selected stamps whose buffer holds their pixels only."""
    channels = ("science", "template", "difference")
    planes = [[chosen.plane(row, channel) for channel in channels] for row in range(len(chosen))]
    return Stamps(planes, centre=chosen.centre, saturation=chosen.saturation)


def some(rows):
    """Return so many stamps of the suite, spread over it, or all of them over and over up to as many."""
    every = stamps()
    spread = np.linspace(0, len(every) - 1, rows).astype(int)
    return every[spread if rows < len(every) else np.arange(rows) % len(every)]


def export(folder, part):
    """Write the files that the head of this module describes, of some stamps."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = _packed(part)
    n = len(chosen)
    pixels = chosen.buffer
    where = (chosen.offset, chosen.shape, chosen.centre, np.float32(chosen.saturation))
    _write(folder / "stamps.bin", n, pixels.size, pixels, *where)
    for convention in CONVENTIONS:
        table = features(chosen, set="stamp", convention=convention)
        _write(folder / f"features_{convention}.bin", n, len(table.names), table.values, table.flags)
    for index, name in enumerate(RECIPES):
        prepared = prepare(chosen, name)
        _write(folder / f"recipe_{index}.bin", *prepared.planes.shape, prepared.planes, prepared.flags)
    planes, mask = squares(chosen)
    _write(folder / "squares.bin", *planes.shape, planes, np.broadcast_to(mask, planes.shape).astype(np.uint8))
    for index, steps in enumerate(CHAINS.values()):
        normalised = normalise(planes, steps, mask=mask)
        _write(folder / f"normaliser_{index}.bin", *planes.shape, normalised.planes, normalised.flags)
    _write(folder / "known.bin", n, len(CATALOGUE), part.flags, known_of(part))
    (folder / "models").mkdir(exist_ok=True)
    long = {"forest of long rows": tiny_models.forest(tuple(f"column {k}" for k in range(401)))}  # not staged
    for name, file in {**models(), **long}.items():
        (folder / "models" / f"{name.replace(' ', '-')}.safetensors").write_bytes(file)


def main():
    """Compute or export, as asked."""
    parser = argparse.ArgumentParser(prog="python -m parity.suite", description="The parity suite.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--compute", type=Path, metavar="FILE", help="write what this backend gives as .npz")
    what.add_argument("--export", type=Path, metavar="DIR", help="write stamps and expected outputs as binary files")
    parser.add_argument("--rows", type=int, default=512, help="rows to export (default 512)")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    try:
        kernels.active()
    except BackendError as error:
        print(error, file=sys.stderr)
        return UNAVAILABLE
    if arguments.compute:
        np.savez(arguments.compute, **compute(stamps(), arguments.threads))
    else:
        export(arguments.export, some(arguments.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
