"""What every backend must give the same bits for: stamps, features, recipes and a forest.

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
``forest.bin``
    int64 trees, nodes, features, rows; int64 tree_start[trees + 1]; int32 left[nodes], right[nodes] (counted from the
    first node of the tree; -1 at a leaf); int32 feature[nodes]; float32 threshold[nodes]; uint8 missing_left[nodes];
    float32 value[nodes]; float32 fill[features] (NaN: none for that column); float32 x[rows][features];
    float32 score[rows]. As ``s2v_forest_create``.
``table.bin``
    int64 n, features, columns; uint32 refusing; int32 column[features]; uint32 raised[n]; float32 score[n];
    uint32 flags[n]. What the forest gives for the stamps, of which a reader has raised flags, by some columns of
    ``features_code.bin``. As ``s2v_cuda_forest_score``.
``stampnet.safetensors``, ``tablenet.safetensors``
    The packaged networks. As ``s2v_cuda_network_predict``.
"""

import argparse
import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oracle import stamps as made
from space2vec import Recipe, Stamps, backend, features, flags, modelfile, normalise, prepare, simulate
from space2vec.calibration import Calibration
from space2vec.errors import BackendError
from space2vec.forest import Forest as Model
from space2vec.model import packaged
from space2vec.registry import AUTOSCAN, AUTOSCAN_STAMP, FEATURE_SETS, FEATURES, FEATURES_VERSION, NORMALISERS, RECIPES
from space2vec.scoring import Needs
from space2vec.trees import Trees

CONVENTIONS = ("code", "paper")
NETWORKS = ("stampnet", "tablenet")
SATURATION = 60000.0
#: What planes are normalised by: each normaliser alone, and a chain of all.
CHAINS = {name: (name,) for name in NORMALISERS} | {"all": tuple(NORMALISERS)}
#: The side of the planes that are normalised.
SIDE = 45
#: Exit status of a process whose backend cannot run here.
UNAVAILABLE = 3


class Forest(NamedTuple):
    """The arguments of a backend's ``Forest``, and rows to score."""

    arguments: tuple
    x: np.ndarray


@cache
def stamps():
    """Return the stamps of the suite: named and random cases, faults among them, then a simulated night."""
    cases = [case for _, case in made.named_cases()] + made.batch(1700, seed=11)
    return Stamps.concatenate(
        [
            Stamps([c.planes for c in cases], centre=[c.centre for c in cases], saturation=SATURATION),
            _with_saturation(simulate(250, seed=12).stamps),
        ]
    )


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
        nodes.append([-1, -1, 0, rng.random(), 0])
        return
    nodes.append([node + 1, -1, column, threshold, int(rng.integers(2))])
    _grow(rng, x, depth - 1, nodes)
    nodes[node][1] = len(nodes)
    _grow(rng, x, depth - 1, nodes)


@cache
def forest():
    """Return a random forest of 25 trees on the stamp features, and 1,000 rows with NaN and thresholds among them."""
    rng = np.random.default_rng(13)
    x = rng.normal(0, 10, (1000, len(AUTOSCAN_STAMP))).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    x[rng.random(x.shape) < 0.01] = np.inf
    x[::7] = np.round(x[::7])
    trees = [[] for _ in range(25)]
    for nodes in trees:
        _grow(rng, x, 9, nodes)
    start = np.cumsum([0] + [len(nodes) for nodes in trees], dtype=np.int64)
    columns = zip(*(node for nodes in trees for node in nodes), strict=True)
    left, right, feature, value, missing_left = (np.array(column) for column in columns)
    children = (left.astype(np.int32), right.astype(np.int32), feature.astype(np.int32))
    values = value.astype(np.float32)
    fill = np.where(np.arange(x.shape[1]) % 3 == 0, 0.5, np.nan).astype(np.float32)
    arguments = (start, *children, values, missing_left.astype(np.uint8), values, x.shape[1], fill)
    return Forest(arguments, x)


def model(names):
    """Return the forest as a model of as many columns."""
    (start, _, right, feature, _, missing_left, value, _, fill), _ = forest()
    node = np.arange(len(right)) - np.repeat(start[:-1], np.diff(start))
    jump = np.where(right < 0, 0, right - node).astype(np.int32)
    header = modelfile.Header("forest", "suite", tuple(names), "stamp", FEATURES_VERSION)
    return Model(Trees(start, jump, feature.astype(np.int16), missing_left, value), header, fill)


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


def scores(threads=1):
    """Return what the backend of this process scores the rows of the forest."""
    arguments, x = forest()
    out = np.empty(len(x), dtype=np.float32)
    backend.active().Forest(*arguments).predict(x, out, threads)
    return out


def calibration():
    """Return a table, some of whose stretches are flat or steep."""
    rng = np.random.default_rng(19)
    x = np.unique(rng.random(40).astype(np.float32))
    y = np.sort(np.repeat(rng.random(20), 2)).astype(np.float32)[: len(x)]
    return Calibration(tuple(x.tolist()), tuple(y.tolist()))


def calibrated(threads=1):
    """Return what the backend of this process makes of scores by a calibration, and by a forest with one."""
    arguments, x = forest()
    table = calibration()
    out = np.empty(len(x), dtype=np.float32)
    backend.active().Forest(*arguments, calibration=table.knots).predict(x, out, threads)
    edges = np.nextafter(table.knots[0], np.float32(2)), np.nextafter(table.knots[0], np.float32(-1))
    rest = np.random.default_rng(23).random(5000).astype(np.float32)
    given = np.concatenate([np.float32([0, 1, np.nan]), *edges, table.knots[0], rest])
    return np.concatenate([out, table(given)])


def network(name):
    """Return a packaged network in integers as the backend of this process has it."""
    if backend.name() == "native":
        from space2vec import _core

        return _core.Model(packaged()[name].read_bytes())
    from space2vec.fallback.network import Network as Twin
    from space2vec.models.integer_network import divided
    from space2vec.networks.derived_names import derived_places

    header, tensors = modelfile.read(packaged()[name])
    integers, floats = divided(header, tensors)
    columns = {key.split(".")[1]: value for key, value in floats.items() if key.startswith(("scale", "encoded"))}
    places = derived_places(header.feature_names if name == "tablenet" else ())
    return Twin(integers, columns, places, header.temperature)


def network_scores(name, rows, threads):
    """Return the scores of a packaged network, as bits. What a catalogue would say is made of the features."""
    chosen = Needs.of(modelfile.read(packaged()[name])[0])
    known = [column for column in AUTOSCAN if FEATURES[column].source == "catalogue"]
    values = features(rows, set="stamp", threads=threads).values[:, : len(known)]
    rows.catalogue = {column: values[:, k].copy() for k, column in enumerate(known)}
    given = chosen.inputs(rows, threads)
    score = np.empty(len(rows), np.float32)
    network(name).predict(given.planes, given.features, score, threads)
    return score.view(np.uint32)


def compute(rows, threads=1):
    """Return all that the backend of this process gives for stamps, as arrays of unsigned integers by name.

    They are named ``features:<convention>:<name>``, ``recipe:<name>`` and ``normaliser:<name>`` (digests),
    ``flags:...`` of these, ``forest``, ``calibration``, ``network:<name>``.
    """
    results = {"forest": scores(threads).view(np.uint32), "calibration": calibrated(threads).view(np.uint32)}
    results |= {f"network:{name}": network_scores(name, rows, threads) for name in NETWORKS}
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


def differences(expected, given):
    """Return a line for each result that differs, with the first rows that do."""
    lines = []
    for name in sorted(expected):
        differs = np.flatnonzero((expected[name] != given[name]).reshape(len(expected[name]), -1).any(axis=1))
        if differs.size:
            lines.append(f"{name}: {differs.size} of {len(expected[name])} rows, first {differs[:5].tolist()}")
    return lines


def names():
    """Return the names of the results that a backend must give, from the registry."""
    features = [f"features:{convention}:{name}" for convention in CONVENTIONS for name in FEATURE_SETS["stamp"]]
    planes = [f"recipe:{name}" for name in (*RECIPES, "composition")] + [f"normaliser:{name}" for name in CHAINS]
    flags = [f"flags:{name}" for name in (*(f"features:{convention}" for convention in CONVENTIONS), *planes)]
    return {"forest", "calibration", *(f"network:{name}" for name in NETWORKS), *features, *planes, *flags}


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


def export(folder, rows):
    """Write the files that the head of this module describes."""
    folder.mkdir(parents=True, exist_ok=True)
    every = stamps()
    spread = np.linspace(0, len(every) - 1, rows).astype(int)
    chosen = _packed(every[spread if rows < len(every) else np.arange(rows) % len(every)])
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
    (start, left, right, feature, threshold, missing_left, value, columns, fill), x = forest()
    header = (len(start) - 1, len(left), columns, len(x))
    nodes = (start, left, right, feature, threshold, missing_left, value)
    _write(folder / "forest.bin", *header, *nodes, fill, x, scores())
    written, names = FEATURE_SETS["stamp"], FEATURE_SETS["stamp"][::-3][-columns:]
    chosen.flags = raised(n)
    scored = model(names).score(chosen)
    where = np.array([written.index(name) for name in names], np.int32)
    told = (chosen.flags, scored.score, scored.flags)
    for name in NETWORKS:
        (folder / f"{name}.safetensors").write_bytes(packaged()[name].read_bytes())
    _write(folder / "table.bin", n, columns, len(written), np.uint32(flags.UNSCORABLE), where, *told)


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
        backend.active()
    except BackendError as error:
        print(error, file=sys.stderr)
        return UNAVAILABLE
    if arguments.compute:
        np.savez(arguments.compute, **compute(stamps(), arguments.threads))
    else:
        export(arguments.export, arguments.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
