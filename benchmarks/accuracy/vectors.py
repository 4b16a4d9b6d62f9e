"""Do vectors lay like candidates together? Measured on simulated candidates of other seeds, of three surveys.

    python -m benchmarks.accuracy.vectors --kept FOLDER [--model NAME|FILE] [--left-out] [--json FILE]

Four ways to describe a candidate are compared: the vectors of a network (``vectors``), the 67 features of a stamp,
each scaled by its spread (``features``), the last hidden layer of ``stampnet`` (``stampnet``), and 32 principal
components of the pixels around the candidate in three planes (``pixels``). Measured are:

- ``kinds``: the share of the ten nearest candidates, by cosine, that are of the same kind: mean over 18 kinds, for each
  of three surveys, for the three together (both with all kinds equally often), and for a simulated night of ZTF;
- ``repeated``: the share of alerts that have another alert of their object among their ten nearest, in 1,200 alerts of
  600 objects among all other candidates;
- ``clusters``: k-means of the three surveys together into 18 clusters, against the kinds: adjusted Rand index, purity;
- ``ceiling``: how often a supervised classifier names the right kind (gradient boosted trees, taught by the features
  and the vectors of candidates that the network learned from);
- ``invariance``: the cosine of a candidate's vectors before and after its stamp was mirrored, turned or shifted, and
  how often the changed candidate finds itself as its nearest, among all others.

With ``--left-out`` networks are trained without one kind each, on fewer rows and for fewer epochs (``--quick`` of
space2vec.studies.packaged.vectors), and one with all kinds as long: the share for the kind that was left out is
measured.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import space2vec as s2v
from benchmarks.programs import REPOSITORY, print_progress, processor, versions
from space2vec.architectures.feature_input import FeatureInput
from space2vec.backends import on_host
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.evaluation import found_again, nearest_rows, same_kind_share
from space2vec.models.network import Network
from space2vec.studies.packaged.vectors import USUAL_KINDS, build_vectornet, held_out_sets, training_rows

__all__ = ["DESCRIPTIONS", "main", "measure", "measure_left_out"]

Array = NDArray[np.float32]
Describe = Callable[[Stamps], Array]

RESULTS = REPOSITORY / "benchmarks" / "results" / "vectors.json"
SURVEYS = ("ztf", "rubin", "des")
NEAREST = 10
#: Half the side, in pixels, of what the principal components see of each plane, and their number.
_REACH, _COMPONENTS = 10, 32
#: Rows that teach the classifier, and passes of its trees.
_TAUGHT, _TREES = 6000, 60
#: Rows whose stamps are changed.
_CHANGED = 1000


def vectors_of(model: Network, stamps: Stamps) -> Array:
    """Return the vectors (n, k) of stamps, as integers in float32."""
    return np.asarray(model.embed(stamps, threads=1).to_numpy(), dtype=np.float32)


def features_of(stamps: Stamps) -> Array:
    """Return the 67 features (n, 67) of stamps."""
    return np.asarray(s2v.features(stamps, set="stamp", threads=1).values, dtype=np.float32)


def last_layer_of(stamps: Stamps) -> Array:
    """Return the last hidden layer (n, h) of ``stampnet``."""
    network = s2v.load("stampnet")
    assert isinstance(network, Network)
    module: Any = network.module.eval()
    found = []
    for start in range(0, len(stamps), 1024):
        inputs = on_host().inputs(network.needs, stamps[start : start + 1024], 1)
        planes, columns = (torch.from_numpy(np.nan_to_num(array)) for array in inputs.arrays)
        with torch.inference_mode():
            hidden = module.of_planes(module.pool(module.convolutions(planes.clamp(-module.reach, module.reach))))
            hidden = hidden + module.of_features(module.scale(columns))
            for layer in list(module.head)[:-1]:
                hidden = layer(hidden)
        found.append(hidden.numpy())
    return np.concatenate(found)


def pixels_of(stamps: Stamps) -> Array:
    """Return the pixels (n, planes * side * side) around each candidate, in units of the noise, compressed."""
    prepared = s2v.prepare(
        stamps, s2v.Recipe.of("pixels", steps=("median-mad", "asinh"), side=2 * _REACH + 1), threads=1
    )
    flat = np.nan_to_num(np.asarray(prepared.planes, dtype=np.float32), posinf=8.0, neginf=-8.0)
    return flat.clip(-8.0, 8.0).reshape(len(stamps), -1)


class Descriptions:
    """The four ways to describe candidates; scales and components are of the rows that teach."""

    def __init__(self, model: Network, taught: Stamps) -> None:
        self._model = model
        raw = features_of(taught)
        self._scale = FeatureInput(raw.shape[1])
        self._scale.fit_features(raw)
        pixels = pixels_of(taught)
        self._mean = pixels.mean(axis=0)
        self._axes = np.linalg.eigh(np.cov((pixels - self._mean).T))[1][:, -_COMPONENTS:].astype(np.float32)

    def of(self, stamps: Stamps) -> dict[str, Array]:
        """Describe candidates; each description is (n, k), compared by cosine."""
        scaled = self._scale(torch.from_numpy(features_of(stamps))).numpy()
        return {
            "vectors": vectors_of(self._model, stamps),
            "features": scaled,
            "stampnet": last_layer_of(stamps),
            "pixels": (pixels_of(stamps) - self._mean) @ self._axes,
        }


DESCRIPTIONS = ("vectors", "features", "stampnet", "pixels")


def joined(parts: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """Return descriptions of several sets as those of one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in DESCRIPTIONS}


def measure(model: Network, kept: Path | None) -> dict[str, Any]:
    """Measure a network of vectors beside other descriptions; return what the JSON file holds of it."""
    sets = held_out_sets(kept)
    taught = _some(training_rows(kept, quick=True), _TAUGHT)
    print_progress("describe")
    describe = Descriptions(model, taught.stamps)
    found = {name: describe.of(rows.stamps) for name, rows in sets.items()}
    kinds = {name: rows.kind.astype(np.str_) for name, rows in sets.items()}
    found["three surveys"] = joined([found[survey] for survey in SURVEYS])
    kinds["three surveys"] = np.concatenate([kinds[survey] for survey in SURVEYS])
    print_progress("kinds")
    shares = {
        name: {way: _share(found[name][way], kinds[name]) for way in DESCRIPTIONS}
        for name in (*SURVEYS, "three surveys", "night")
    }
    return {
        "rows": {name: len(kinds[name]) for name in (*shares, "repeated")},
        "kinds": shares,
        "repeated": _repeated(found, sets),
        "clusters": _clusters(found["three surveys"], kinds["three surveys"]),
        "ceiling": _ceiling(describe.of(taught.stamps), taught, found, kinds),
        "invariance": _invariance(model, sets["ztf"].stamps[:_CHANGED]),
    }


def _some(rows: LabelledStamps, count: int) -> LabelledStamps:
    """Return rows of the usual kinds, drawn at random."""
    usual = np.flatnonzero(np.isin(rows.kind.astype(np.str_), USUAL_KINDS))
    return rows[np.random.default_rng(0).permutation(usual)[:count]]


def _share(vectors: Array, kinds: NDArray[np.str_]) -> dict[str, Any]:
    shares = same_kind_share(vectors, kinds, NEAREST)
    return {
        "mean": round(shares.mean, 4),
        "by kind": {kind: round(share, 4) for kind, share in shares.by_kind.items()},
    }


def _repeated(found: dict[str, dict[str, Array]], sets: dict[str, LabelledStamps]) -> dict[str, float]:
    """Return how many alerts find another one of their object, among all other candidates that are held out."""
    print_progress("repeated")
    names = list(sets)
    objects = np.concatenate([sets[name].group.astype(np.str_) for name in names])
    return {
        way: round(found_again(np.concatenate([found[name][way] for name in names]), objects, NEAREST), 4)
        for way in DESCRIPTIONS
    }


def _clusters(found: dict[str, Array], kinds: NDArray[np.str_]) -> dict[str, dict[str, float]]:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    print_progress("clusters")
    number = np.unique(kinds, return_inverse=True)[1]
    record = {}
    for way in ("vectors", "features", "pixels"):
        unit = found[way] / np.maximum(np.linalg.norm(found[way], axis=1, keepdims=True), 1e-9)
        label = KMeans(len(USUAL_KINDS), n_init=4, random_state=0).fit_predict(unit)
        table = np.zeros((len(USUAL_KINDS), number.max() + 1))
        np.add.at(table, (label, number), 1)
        record[way] = {
            "adjusted Rand index": round(float(adjusted_rand_score(number, label)), 4),
            "purity": round(float(table.max(axis=1).sum() / table.sum()), 4),
        }
    return record


def _ceiling(
    taught: dict[str, Array],
    rows: LabelledStamps,
    found: dict[str, dict[str, Array]],
    kinds: dict[str, NDArray[np.str_]],
) -> dict[str, float]:
    """Return how often a classifier names the kind of held-out candidates: the mean over kinds."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    print_progress("ceiling")

    def columns(description: dict[str, Array]) -> Array:
        return np.concatenate([description["features"], description["vectors"]], axis=1)

    model = HistGradientBoostingClassifier(max_iter=_TREES, max_leaf_nodes=15, random_state=0)
    model.fit(columns(taught), rows.kind.astype(np.str_))
    record = {}
    for name in ("three surveys", "night"):
        right = model.predict(columns(found[name])) == kinds[name]
        record[name] = round(float(np.mean([right[kinds[name] == kind].mean() for kind in np.unique(kinds[name])])), 4)
    return record


def _invariance(model: Network, stamps: Stamps) -> dict[str, dict[str, float]]:
    """Return the cosine between vectors before and after a change, and how often a candidate is its own nearest."""
    print_progress("invariance")
    before = vectors_of(model, stamps)
    unit = before / np.maximum(np.linalg.norm(before, axis=1, keepdims=True), 1.0)
    others = (unit @ unit.T)[~np.eye(len(unit), dtype=bool)]
    record = {"two candidates": {"median cosine": round(float(np.median(others)), 4)}}
    for name, change in {
        "mirrored": lambda stamps: _changed(stamps, 0, True, (0, 0)),
        "turned by 90 degrees": lambda stamps: _changed(stamps, 1, False, (0, 0)),
        "turned by 180 degrees": lambda stamps: _changed(stamps, 2, False, (0, 0)),
        "shifted by 1 pixel": lambda stamps: _changed(stamps, 0, False, (0, 1)),
        "shifted by 2 pixels": lambda stamps: _changed(stamps, 0, False, (2, 0)),
    }.items():
        after = vectors_of(model, change(stamps))
        cosine = (after * before).sum(axis=1) / np.maximum(
            np.linalg.norm(after, axis=1) * np.linalg.norm(before, axis=1), 1.0
        )
        nearest = nearest_rows(np.concatenate([before, after]), 1)[len(before) :, 0]
        record[name] = {
            "median cosine": round(float(np.median(cosine)), 4),
            "tenth of the lowest": round(float(np.quantile(cosine, 0.1)), 4),
            "own nearest": round(float((nearest == np.arange(len(before))).mean()), 4),
        }
    return record


def _changed(stamps: Stamps, turns: int, mirrored: bool, shift: tuple[int, int]) -> Stamps:
    """Return stamps that are turned and mirrored, with the candidate's place off by a shift (rows, columns)."""
    planes, centres = [], stamps.centre.copy()
    for row in range(len(stamps)):
        own = [stamps.plane(row, channel) for channel in CHANNELS]
        height, width = next(plane.shape for plane in own if plane is not None)
        y, x = (centres[row] + shift).tolist()
        for _ in range(turns):
            y, x, height, width = width - 1 - x, y, width, height
        own = [None if plane is None else np.rot90(plane, turns) for plane in own]
        if mirrored:
            own, x = [None if plane is None else plane[:, ::-1] for plane in own], width - 1 - x
        planes.append(own)
        centres[row] = (min(max(y, 0), height - 1), min(max(x, 0), width - 1))
    return Stamps(planes, centre=centres, catalogue=stamps.catalogue, saturation=stamps.saturation)


def measure_left_out(
    data: Path, kept: Path | None, kinds: Sequence[str], networks: Path | None = None
) -> dict[str, Any]:
    """Train a quick network without each kind, and one with all, and measure the share of the kind left out.

    Networks are kept in the folder `networks`; those that it holds are not trained again.
    """
    sets = held_out_sets(kept)
    three = [sets[survey] for survey in SURVEYS]
    names = np.concatenate([rows.kind.astype(np.str_) for rows in three])
    night = sets["night"].kind.astype(np.str_)

    def shares(left_out: str | None) -> tuple[dict[str, float], dict[str, float]]:
        path = None if networks is None else networks / f"without_{left_out}.safetensors"
        if path is not None and path.is_file():
            network = Network.load(path)
        else:
            print_progress(f"train without {left_out}")
            network = build_vectornet(data, 1, kept=kept, left_out=left_out, quick=True)
            if path is not None:
                network.save(path)
        vectors = np.concatenate([vectors_of(network, rows.stamps) for rows in three])
        own = vectors_of(network, sets["night"].stamps)
        return same_kind_share(vectors, names, NEAREST).by_kind, same_kind_share(own, night, NEAREST).by_kind

    all_kinds = shares(None)
    record: dict[str, Any] = {}
    for kind in kinds:
        without = shares(kind)
        record[kind] = {
            "three surveys": round(without[0][kind], 4), "with it": round(all_kinds[0][kind], 4),
            "night": round(without[1][kind], 4), "night, with it": round(all_kinds[1][kind], 4),
        }  # fmt: skip
        print_progress(f"{kind}: {record[kind]}")
    columns = ("three surveys", "with it", "night", "night, with it")
    means = {name: round(float(np.mean([own[name] for own in record.values()])), 4) for name in columns}
    return {"mean": means, "by kind": record}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="the data folder")
    parser.add_argument("--kept", type=Path, help="a folder where what is simulated is kept")
    parser.add_argument("--model", default="vectornet", help="name or file of a network of vectors")
    parser.add_argument("--left-out", nargs="*", metavar="KIND", help="train without each kind; all without a name")
    parser.add_argument("--networks", type=Path, help="a folder where the networks without a kind are kept")
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    model = s2v.load(arguments.model)
    assert isinstance(model, Network)
    record: dict[str, Any] = json.loads(arguments.json.read_text("utf-8")) if arguments.json.is_file() else {}
    if arguments.left_out is None:
        record |= measure(model, arguments.kept)
    else:
        record["left out"] = measure_left_out(
            arguments.data, arguments.kept, arguments.left_out or USUAL_KINDS, arguments.networks
        )
    about = {
        "benchmark": "vectors", "date": datetime.date.today().isoformat(), "model": model.id,
        "processor": processor(), "versions": versions(("numpy", "scikit-learn", "torch")),
    }  # fmt: skip
    arguments.json.write_text(json.dumps({**record, **about}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
