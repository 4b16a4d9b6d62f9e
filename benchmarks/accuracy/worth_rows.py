"""The rows of ``network_worth.py``: prepared planes and all columns, computed once for every variant of the network.

Networks that learn from one half of the objects, and from rows derived from them, are tested on the other half; the
halves take turns.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from benchmarks.accuracy.pixel_sets import simulated
from benchmarks.programs import print_progress
from space2vec import registry
from space2vec.backends import on_host
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.model_files.header import Header
from space2vec.model_files.needs import Needs
from space2vec.simulation.hybrid import hybrid
from space2vec.studies.packaged.alerts import real_alerts
from space2vec.studies.packaged.learning import stampnet_rows
from space2vec.training.augment import Augmentation, augment
from space2vec.training.dataset import read_dataset, split
from space2vec.training.network import RECIPES

__all__ = ["COLUMNS", "PAIRED", "RECIPE", "SURVEYS", "Half", "Rows", "halves", "header", "prepare_rows", "test_sets"]

COLUMNS = registry.FEATURE_SETS["stamp"]
RECIPE = RECIPES["stampnet"]
SURVEYS = ("ztf", "des", "rubin")
#: Rows to learn from beside the alerts of a half, and to test on, for each kind.
LEARNED = {"variants": 12000, "hybrid": 4000, "ztf": 3000, "des": 1500, "rubin": 1500}
TESTED = {"hybrid": 3000, "ztf": 3000, "des": 2000, "rubin": 2000}
#: The sets of which each half has rows of its own; both halves have the same rows of the other sets.
PAIRED = ("alerts", "hybrid")
#: The number of augmented copies of the rows to learn from; each epoch takes one copy, turned and flipped at random.
COPIES = 3


@dataclass(frozen=True)
class Rows:
    """Inputs of networks for n candidates, and their targets.

    Attributes
    ----------
    planes : ndarray of float16 (n, channel, side, side)
        Prepared pixels.
    features : ndarray of float32 (n, k)
        All columns.
    target, label : ndarray of float32 (n,)
        The teacher's score where there is one, else the label; the label.
    kind, group : ndarray of str (n,)
        The kind and the object of each candidate.
    """

    planes: NDArray[np.float16]
    features: NDArray[np.float32]
    target: NDArray[np.float32]
    label: NDArray[np.float32]
    kind: NDArray[np.str_]
    group: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Rows:
        return Rows(*(getattr(self, field.name)[rows] for field in fields(self)))

    def save(self, path: Path) -> None:
        """Write the rows to a file."""
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def read(cls, path: Path) -> Rows:
        """Read a file of rows."""
        with np.load(path, allow_pickle=False) as kept:
            return cls(*(kept[field.name] for field in fields(cls)))


@dataclass(frozen=True)
class Half:
    """The files of :class:`Rows` to learn from, of one half of the objects, and to test on, of the other half.

    Attributes
    ----------
    learned : list of Path
        Copies of the same rows, each augmented anew.
    validation : Path
        Rows of a tenth of the objects to learn from, which stop the training and calibrate.
    tests : dict of str to Path
        ``alerts``, ``hybrid``, and each survey.
    """

    learned: list[Path]
    validation: Path
    tests: dict[str, Path]


def header(names: tuple[str, ...] = COLUMNS) -> Header:
    """Return the header of a stampnet of all planes."""
    settings = {"features": len(names), "channels": RECIPE.shape[0]}
    how = {"name": "stampnet", "settings": settings, "temperature": 1.0, "optional": ["template"]}
    version, recipe = registry.FEATURES_VERSION, RECIPE.to_plain()
    return Header("network", "stampnet", names, "stamp", version, recipe=recipe, architecture=how)


def prepare_rows(rows: LabelledStamps, threads: int = 1, block: int = 1024) -> Rows:
    """Prepare and measure stamps; leave out rows that cannot be scored."""
    needs = Needs.of(header())
    parts = []
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        planes, features, _, scored = on_host().inputs(needs, part.stamps, threads)
        assert planes is not None
        assert features is not None
        good = np.flatnonzero(scored)
        known = np.isfinite(part.teacher)
        target = np.where(known, part.teacher, part.label).astype(np.float32)
        columns = (target, part.label.astype(np.float32), part.kind.astype("U32"), part.group.astype("U40"))
        parts.append(Rows(planes[good].astype(np.float16), features[good], *(column[good] for column in columns)))
    return Rows(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Rows)))


def halves(data: Path, folder: Path, share: float = 1.0, threads: int = 1) -> list[Half]:
    """Return the two halves; rows that the folder does not hold yet are computed and written there.

    Parameters
    ----------
    data : Path
        The data folder.
    folder : Path
        The folder that keeps the rows; about 4 GB.
    share : float, optional
        The share of the rows that is computed; less than 1 for a quick look.
    threads : int, optional
        Threads that prepare and measure.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = data / "braai" / "braai_d6_m9.npz"

    @functools.cache
    def real() -> LabelledStamps:
        return real_alerts(data)

    @functools.cache
    def side(number: int) -> tuple[LabelledStamps, LabelledStamps, LabelledStamps]:
        """Return the alerts to learn from of a half, those to check with, and those of the other half."""
        sides = split(real().group, (0.5, 0.5), 17)
        half = real()[sides[number]]
        learned, checked = (half[part] for part in split(half.group, (0.9, 0.1), 18))
        return learned, checked, real()[sides[1 - number]]

    def count(counts: Mapping[str, int], part: float = 1.0) -> dict[str, int]:
        return {kind: max(int(number * share * part), 40) for kind, number in counts.items()}

    def keep(name: str, make: Callable[[], LabelledStamps]) -> Path:
        path = folder / f"{name}_{share:g}.npz"
        if not path.exists():
            print_progress(f"rows: {name}")
            prepare_rows(make(), threads).save(path)
        return path

    def to_learn(number: int) -> LabelledStamps:
        alerts = side(number)[0]
        more = stampnet_rows(alerts, weights, seed=1000 * (number + 1), shares=count(LEARNED))
        return LabelledStamps.concatenate([alerts, more])

    def to_check(number: int) -> LabelledStamps:
        alerts = side(number)[1]
        more = stampnet_rows(alerts, weights, seed=1000 * number + 500, shares=count(LEARNED, 0.1))
        return LabelledStamps.concatenate([alerts, more])

    tests = {
        survey: keep(f"test_{survey}", functools.partial(simulated, count(TESTED)[survey], (survey,), 9000 + number))
        for number, survey in enumerate(SURVEYS)
    }
    tests["more"] = keep("test_more", lambda: _unseen(read_dataset(data / "ztf" / "more"), real()))
    found = []
    for number in (0, 1):
        learned = [folder / f"learned_{number}_{copy}_{share:g}.npz" for copy in range(COPIES)]
        if not all(path.exists() for path in learned):
            print_progress(f"rows: learned_{number}")
            rows = to_learn(number)
            for copy, path in enumerate(learned):
                rng = np.random.default_rng([number, copy])
                prepare_rows(replace(rows, stamps=augment(rows.stamps, rng, Augmentation())), threads).save(path)
        validation = keep(f"validation_{number}", functools.partial(to_check, number))
        of_half = {
            "alerts": keep(f"test_alerts_{number}", lambda number=number: _by_source(side(number)[2], data)),
            "hybrid": keep(
                f"test_hybrid_{number}",
                lambda number=number: hybrid(side(number)[2], count(TESTED)["hybrid"], seed=7000 + number),
            ),
        }
        found.append(Half(learned, validation, {**of_half, **tests}))
    return found


def test_sets(both: Sequence[Half]) -> Iterator[tuple[str, list[Rows]]]:
    """Yield the name of each set to test on, and its rows of each half; the alerts of the night form one more set."""
    for name in both[0].tests:
        halves_of = both if name in PAIRED else both[:1]
        rows = [Rows.read(half.tests[name]) for half in halves_of]
        yield name, rows
        if name == "alerts":
            yield "night", [side[side.kind == "night"] for side in rows]


def _by_source(alerts: LabelledStamps, data: Path) -> LabelledStamps:
    """Set the kind of each alert: ``night`` for the night from which nobody selected, or ``brokers``."""
    with (data / "ztf" / "night_20180713.csv").open(newline="", encoding="utf-8") as file:
        night = [row["candid"] for row in csv.DictReader(file)]
    here = np.isin(alerts.stamps.candidate_id.astype(str), night)
    return replace(alerts, kind=np.where(here, "night", "brokers"))


def _unseen(more: LabelledStamps, real: LabelledStamps) -> LabelledStamps:
    """Leave out objects that are among the alerts to learn from, and rows that a flag forbids to score."""
    sound = s2v.flags.scorable(more.stamps.flags)
    return more[sound & ~np.isin(more.group, real.group)]


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    halves(options.data, options.kept, options.share)
