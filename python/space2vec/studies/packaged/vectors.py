r"""Train ``vectornet``, the packaged network that turns stamps into vectors.

    python -m space2vec.studies.packaged.vectors --data FOLDER --kept FOLDER --output vectornet.safetensors
    python -m space2vec.studies.packaged.vectors --data FOLDER --kept FOLDER --left-out KIND --quick --output FILE

It learns from simulated candidates of 22 kinds and three surveys, from simulated objects with three alerts each, and
from real ZTF alerts, whose kinds are not known. What is simulated is kept in the folder ``--kept``: a second training,
such as one without a kind, starts there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space2vec import simulation
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.evaluation import found_again, same_kind_share
from space2vec.model_files.needs import Needs
from space2vec.models.network import Network
from space2vec.simulation.night import KINDS
from space2vec.studies.packaged.alerts import all_alerts
from space2vec.studies.packaged.learning import HARD_KINDS
from space2vec.studies.packaged.networks import STAMPNET_COLUMNS
from space2vec.training.augment import Augmentation
from space2vec.training.dataset import read_dataset, write_dataset

if TYPE_CHECKING:
    from space2vec.data.types import Json
    from space2vec.model_files.header import Header
    from space2vec.training.loop import FitSettings
    from space2vec.training.vectors import VectorRows

__all__ = [
    "USUAL_KINDS", "build_vectornet", "held_out_sets", "main", "measure_vectors", "simulated_kinds", "train_vectornet",
    "training_rows",
]  # fmt: skip

#: The kinds that occur in a simulated night.
USUAL_KINDS = tuple(kind for kind in KINDS if kind not in HARD_KINDS)
#: The share of real ones among these.
_REAL = sum(KINDS[kind] for kind in USUAL_KINDS) / len(USUAL_KINDS)
#: Blocks of candidates that are learned from, all usual kinds equally often: survey, seed and number of each.
_BLOCKS = tuple(
    (survey, first + block, count)
    for block in range(3)
    for survey, first, count in (("ztf", 11, 4000), ("rubin", 21, 3000), ("des", 31, 2500))
)
#: Seed and number of the candidates of the hard kinds, and of the objects that are seen several times, of each survey.
_HARD = {"ztf": (51, 600), "rubin": (52, 400), "des": (53, 400)}
_REPEATED = {"ztf": (41, 2000), "rubin": (42, 1200), "des": (43, 800)}
#: Alerts of each of these objects.
_ALERTS = 3
#: Seed and number of the candidates that are held out: all kinds equally often, of the survey's own conditions.
_HELD_OUT = {"ztf": (901, 2000), "des": (902, 1500), "rubin": (903, 1500)}
#: A held-out night of ZTF, with the kinds of a survey: seed and number.
_NIGHT = (911, 2000)
#: Held-out objects with two alerts: seed and number of objects of each survey.
_HELD_OUT_OBJECTS = {"ztf": (941, 200), "rubin": (942, 200), "des": (943, 200)}
#: How far the conditions of what is learned from are widened.
_RANDOMISE = 0.3
#: Candidates that are simulated by one seed.
_NIGHTLY = 1000
#: The changes between views of a stamp: shifts, noise, detector edges, missing pixels, a missing template.
AUGMENTATION = Augmentation(shift=2, noise=0.3)
#: Units of each hidden layer, and elements of a vector.
_HIDDEN, _VECTOR = 256, 64


def simulated_kinds(count: int, survey: str, seed: int, randomise: float = 0.0) -> LabelledStamps:
    """Simulate candidates of all usual kinds, equally often; each is an object of its own."""
    parts = []
    for number, start in enumerate(range(0, count, _NIGHTLY)):
        night = simulation.simulate(
            min(_NIGHTLY, count - start), survey=survey, seed=_NIGHTLY * seed + number, randomise=randomise,
            real_fraction=_REAL, kinds=dict.fromkeys(USUAL_KINDS, 1.0),
        )  # fmt: skip
        parts.append(_labelled(night, f"{survey} {seed} {number}"))
    return LabelledStamps.concatenate(parts)


def _labelled(night: simulation.Night, name: str) -> LabelledStamps:
    """Label a night; its objects get a name that no other night has."""
    objects = np.char.add(f"{name} ", night.stamps.object_id.astype(np.str_))
    return LabelledStamps(night.stamps, night.labels, night.kinds, group=objects)


def _kept(folder: Path | None, name: str, make: Callable[[], LabelledStamps]) -> LabelledStamps:
    """Return rows that are kept in a folder, or make them and keep them there."""
    if folder is None:
        return make()
    path = folder / name
    if not path.is_dir():
        rows = make()
        # The groups of a data set are its objects.
        rows.stamps.object_id = rows.group.astype(object)
        write_dataset(path, iter([rows]), {"made_by": "python -m space2vec.studies.packaged.vectors"})
    return read_dataset(path)


def _hard(survey: str) -> LabelledStamps:
    seed, count = _HARD[survey]
    night = simulation.simulate(
        count, survey=survey, seed=seed, randomise=_RANDOMISE, real_fraction=0.0, kinds=dict.fromkeys(HARD_KINDS, 1.0)
    )
    return _labelled(night, f"hard {survey} {seed}")


def _repeated(survey: str, seed: int, count: int, alerts: int, randomise: float) -> LabelledStamps:
    night = simulation.simulate_repeats(count, alerts, survey=survey, seed=seed, randomise=randomise)
    return _labelled(night, f"repeated {survey} {seed}")


def training_rows(kept: Path | None = None, *, quick: bool = False) -> LabelledStamps:
    """Return the simulated rows that ``vectornet`` learns from.

    Parameters
    ----------
    kept : Path, optional
        A folder where what is simulated is kept.
    quick : bool, optional
        A third of the candidates of the usual kinds, and no object that is seen several times.
    """
    makers = {
        f"{survey}_{seed}": partial(simulated_kinds, count, survey, seed, _RANDOMISE)
        for survey, seed, count in _BLOCKS[: len(_BLOCKS) // 3 if quick else None]
    }
    makers |= {f"hard_{survey}": partial(_hard, survey) for survey in _HARD}
    makers |= (
        {}
        if quick
        else {
            f"repeated_{survey}": partial(_repeated, survey, seed, count, _ALERTS, _RANDOMISE)
            for survey, (seed, count) in _REPEATED.items()
        }
    )
    return LabelledStamps.concatenate([_kept(kept, name, make) for name, make in makers.items()])


def held_out_sets(kept: Path | None = None) -> dict[str, LabelledStamps]:
    """Return simulated rows of other seeds to measure with: three surveys, a night, and objects with two alerts."""
    makers = {survey: partial(simulated_kinds, count, survey, seed) for survey, (seed, count) in _HELD_OUT.items()}
    sets = {survey: _kept(kept, f"held_out_{survey}", make) for survey, make in makers.items()}
    sets["night"] = _kept(kept, "held_out_night", _night)
    repeated = [
        _kept(kept, f"held_out_repeated_{survey}", partial(_repeated, survey, seed, count, 2, 0.0))
        for survey, (seed, count) in _HELD_OUT_OBJECTS.items()
    ]
    return {**sets, "repeated": LabelledStamps.concatenate(repeated)}


def _night() -> LabelledStamps:
    seed, count = _NIGHT
    nights = [
        _labelled(simulation.simulate(_NIGHTLY, seed=_NIGHTLY * seed + number), f"night {seed} {number}")
        for number in range(count // _NIGHTLY)
    ]
    return LabelledStamps.concatenate(nights)


@lru_cache(maxsize=1)
def _ready(data: Path, threads: int | None, kept: Path | None, quick: bool) -> VectorRows:
    """Return all rows to learn from, prepared in several views; several trainings in one process share them."""
    from space2vec.training.vectors import UNKNOWN, vector_rows

    rows = training_rows(kept, quick=quick)
    if not quick:
        rows = LabelledStamps.concatenate([rows, all_alerts(data)])
    numbers = {kind: number for number, kind in enumerate(KINDS)}
    kind = np.array([numbers.get(name, UNKNOWN) for name in rows.kind.astype(np.str_).tolist()], dtype=np.int64)
    return vector_rows(Needs.of(_header()), rows, kind, AUGMENTATION, threads=threads)


def _header() -> Header:
    """Return the header of ``stampnet``, whose planes and columns the network takes."""
    from space2vec.training.network import network_header

    return network_header("stampnet", None, None, STAMPNET_COLUMNS, "vectornet")


def train_vectornet(
    ready: VectorRows,
    fit_settings: FitSettings,
    *,
    progress: Callable[[dict[str, float]], object] | None = None,
    training: dict[str, Json] | None = None,
) -> Network:
    """Train a network of vectors on prepared rows, and turn it into integers.

    Raises
    ------
    ImportError
        If PyTorch is absent.
    """
    from space2vec.models.quantise import CALIBRATION_ROWS, quantise
    from space2vec.training.vectors import fit_vectors, random_vectornet

    header = _header()
    assert header.architecture is not None
    inputs = {name: header.architecture["settings"][name] for name in ("features", "channels", "side", "reach")}
    module = random_vectornet({**inputs, "hidden": _HIDDEN, "vector": _VECTOR}, fit_settings.seed)
    planes, features = ready.views[0]
    module.fit_features(features)  # type: ignore[operator]
    fit_vectors(module, ready, fit_settings, progress=progress)
    some = np.random.default_rng([fit_settings.seed, 4]).permutation(len(ready))[:CALIBRATION_ROWS]
    integers = quantise(module, (planes[some].astype(np.float32), features[some]))
    architecture = {"name": "vectornet", "settings": module.settings, "optional": ["template"]}
    about = {
        "rows": len(ready), "fit": asdict(fit_settings), "augmentation": asdict(AUGMENTATION), **(training or {})
    }  # fmt: skip
    return Network(module, replace(header, architecture=architecture, training=about), integers)


def build_vectornet(
    data: Path,
    threads: int | None = None,
    progress: Callable[[dict[str, float]], object] | None = None,
    *,
    kept: Path | None = None,
    left_out: str | None = None,
    quick: bool = False,
) -> Network:
    """Train ``vectornet`` on simulated candidates, repeated objects and the real alerts of the data folder.

    Parameters
    ----------
    data : Path
        The data folder.
    threads : int, optional
        Threads that prepare and measure; one a usable core by default.
    progress : callable, optional
        Called with the metrics of each epoch.
    kept : Path, optional
        A folder where what is simulated is kept.
    left_out : str, optional
        A kind of which nothing is learned, not even without its name; real alerts are left out then too, since they may
        be of it.
    quick : bool, optional
        Learn from a third of the candidates of the usual kinds, and neither from objects that are seen several times
        nor from real alerts, for few epochs.

    Raises
    ------
    ImportError
        If PyTorch is absent.
    ReadError
        If the alerts are not in the data folder.
    """
    from space2vec.training.loop import FitSettings, fast_precision
    from space2vec.training.vectors import UNKNOWN

    ready = _ready(data, threads, kept, quick)
    if left_out is not None:
        ready = ready.rows((ready.kind != [*KINDS].index(left_out)) & (ready.kind != UNKNOWN))
    fit_settings = FitSettings(
        epochs=6 if quick else 20, batch=256, learning_rate=4e-3, average=0.99, precision=fast_precision()
    )
    real = int((ready.kind == UNKNOWN).sum())
    repeated = 0 if quick else _ALERTS * sum(count for _, count in _REPEATED.values())
    training: dict[str, Json] = {
        "data": f"{len(ready) - real} simulated candidates of {len(KINDS) - (left_out is not None)} kinds, of ZTF, "
        f"Rubin and DES, {repeated} of which are of objects with {_ALERTS} alerts each; {real} real ZTF alerts without "
        "a kind",
        "labels": "the kinds of the simulator, and which alerts are of one object",
        **({} if left_out is None else {"left out": left_out}),
    }
    network = train_vectornet(ready, fit_settings, progress=progress, training=training)
    if left_out is not None or quick:
        return network
    metrics = measure_vectors(network, kept, threads)
    return Network(network.module, replace(network.header, metrics=metrics), network.integers)


def measure_vectors(network: Network, kept: Path | None = None, threads: int | None = None) -> dict[str, Json]:
    """Measure a network on simulated candidates of other seeds; return the entries of its header.

    docs/likeness.md has more figures, beside those of other descriptions.
    """
    sets = held_out_sets(kept)
    vectors = {name: network.embed(rows.stamps, threads=threads).to_numpy() for name, rows in sets.items()}
    shares = {
        name: round(same_kind_share(vectors[name], rows.kind).mean, 4)
        for name, rows in sets.items()
        if name != "repeated"
    }
    everything = np.concatenate([*vectors.values()])
    objects = np.concatenate([rows.group.astype(np.str_) for rows in sets.values()])
    return {
        "same kind among the ten nearest, held-out simulated candidates, mean over kinds": shares,
        "another alert of the object among the ten nearest, held-out simulated objects": round(
            found_again(everything, objects), 4
        ),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Train a network of vectors; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m space2vec.studies.packaged.vectors", description="Train a network of vectors."
    )
    folder = os.environ.get("SPACE2VEC_DATA")
    parser.add_argument("--data", type=Path, default=folder, required=folder is None, help="the data folder")
    parser.add_argument("--kept", type=Path, help="a folder where what is simulated is kept")
    parser.add_argument("--left-out", choices=USUAL_KINDS, metavar="KIND", help="a kind of which nothing is learned")
    parser.add_argument("--quick", action="store_true", help="fewer rows and epochs")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads to train with (default: all)")
    parser.add_argument("--output", type=Path, required=True, help="the model file")
    arguments = parser.parse_args(argv)

    def progress(metrics: dict[str, float]) -> None:
        print({name: round(value, 4) for name, value in metrics.items()}, file=sys.stderr, flush=True)

    network = build_vectornet(
        Path(arguments.data), arguments.threads, progress, kept=arguments.kept, left_out=arguments.left_out,
        quick=arguments.quick,
    )  # fmt: skip
    network.save(arguments.output)
    print(f"{arguments.output}: {network!r}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
