"""Microseconds of one core that each part of the chain takes, for ``network_worth.py``.

Stages of the kernels and views are measured; the lowest of many rounds counts, because the machine may be busy. The
times of reading and unpacking come from other runs on a Zen 4 core, the time of the network from its multiplications;
the record says so.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

import space2vec as s2v
from benchmarks.accuracy.worth_rows import RECIPE
from benchmarks.accuracy.worth_variants import CONTRAST, NOISE, PLANES, SCIENCE_MOMENTS, Variant
from benchmarks.programs import build
from space2vec.data.stamps import Stamps
from space2vec.plans.recipe import Recipe

__all__ = ["FIXED", "INFLATE", "NETWORK", "Cost", "measure_cost"]

#: Microseconds to open, read, walk and hand over an alert, and to unpack one of its planes.
FIXED, INFLATE = 17.0, 22.2
#: Microseconds of a million multiplications of the integer network, AVX-512 with VNNI.
NETWORK = 8.0
#: The number of channels in a group of a convolution; inputs come in groups of four.
_GROUP = 16
_STAGES = ("both-sets", "autoscan", "s2v", "gaussian-fit", "lacosmic", "column-medians", "moments", "moment-features",
           "noise", "nearby-source", "normalise-r", "aperture")  # fmt: skip
#: Stages that only some columns need.
_SLOW = {("AMP", "GAUSS", "SCALE"): "gaussian-fit", ("LACOSMIC",): "lacosmic", ("COLMEDS",): "column-medians"}
_ROUNDS = 60


@dataclass(frozen=True)
class Cost:
    """Microseconds of the stages, by name, and of preparing one plane in each view."""

    stage: dict[str, float]
    view: tuple[float, float]

    def features(self, variant: Variant) -> float:
        """Return the microseconds of the columns of a variant: the sets, less the stages that it does not need."""
        columns, stage = set(variant.columns), self.stage
        if not columns:
            return 0.0
        autoscan = any(name.isupper() for name in columns)
        total = stage["both-sets"] if autoscan else stage["s2v"]
        if autoscan:
            for names, what in _SLOW.items():
                total -= 0.0 if columns & set(names) else stage[what]
        if not columns & set(SCIENCE_MOMENTS):
            total -= stage["moment-features"] - stage["moments"]
        if "template" not in _measured_on(variant):
            total -= stage["noise"] + stage["nearby-source"]
            total -= stage["normalise-r"] + stage["aperture"] if autoscan else 0.0
        if "science" not in _measured_on(variant):
            total -= stage["noise"]
        return total

    def prepare(self, variant: Variant) -> float:
        """Return the microseconds of preparing the planes of a variant."""
        return sum(self.view[view] for view in variant.views) * len(variant.planes)

    def network(self, variant: Variant) -> float:
        """Return the microseconds of the network, by its multiplications."""
        return NETWORK * multiplications(variant) / 1e6

    def parts(self, variant: Variant) -> dict[str, float]:
        """Return the microseconds of each part, and of the whole chain."""
        found = {
            "read": FIXED, "inflate": INFLATE * len(variant.needed), "features": self.features(variant),
            "prepare": self.prepare(variant), "network": self.network(variant),
        }  # fmt: skip
        return {**found, "chain": sum(found.values())}

    def cascade(self, first: Variant, second: Variant, doubt: float) -> dict[str, float]:
        """Return the microseconds of each part of a cascade whose first network leaves a share of the alerts in doubt.

        The second network uses what was measured and prepared for the first.
        """
        early, late = self.parts(first), self.parts(second)
        more = {part: max(late[part] - early[part], 0.0) for part in ("inflate", "features", "prepare")}
        found = {part: early[part] + doubt * more.get(part, 0.0) for part in early if part != "chain"}
        found["network"] += doubt * late["network"]
        return {**found, "chain": sum(found.values())}


def multiplications(variant: Variant) -> int:
    """Return the multiplications of the network of a variant, those of padding channels included."""

    def grouped(count: int, size: int) -> int:
        return -(-count // size) * size

    channels, side, total = len(variant.channels), RECIPE.shape[1], 0
    for width in variant.width:
        side = (side - 1) // 2 + 1
        total += grouped(width, _GROUP) * grouped(channels, 4) * 9 * side * side
        channels = width
    rings = (side // 2 + 1) * (side // 2 + 2) // 2
    return total + 64 * (channels * rings + 2 * len(variant.columns) + 64 + 1)


def _measured_on(variant: Variant) -> set[str]:
    from space2vec import registry

    return {plane for name in variant.columns for plane in registry.FEATURES[name].planes}


def measure_cost() -> Cost:
    """Measure the stages of the kernels on synthetic triplets, and the views on simulated stamps."""
    program = build("bench_stages_v4") / "bench_stages_v4"
    stage = {}
    for name in _STAGES:
        lines = subprocess.run(
            [program, name, "1", "-"], input="\n" * _ROUNDS, check=True, capture_output=True, text=True
        )
        stage[name] = min(float(line) for line in lines.stdout.split()[1:])
    stamps = s2v.simulate(200, survey="ztf", seed=1).stamps
    views = []
    for view in (NOISE, CONTRAST):
        plain = RECIPE.to_plain()
        steps = plain["steps"] if view == NOISE else plain["further"][0]
        recipe = Recipe.from_plain({**plain, "name": "view", "steps": steps, "further": []})
        views.append(_lowest(stamps, recipe) / len(PLANES))
    return Cost(stage, (views[NOISE], views[CONTRAST]))


def _lowest(stamps: Stamps, recipe: Recipe) -> float:
    """Return the microseconds a row of a recipe, the lowest of many rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        start = time.process_time()
        s2v.prepare(stamps, recipe, threads=1)
        best = min(best, (time.process_time() - start) / len(stamps) * 1e6)
    return best
