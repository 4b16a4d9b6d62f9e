"""Detections in whole frames, beside stamps that are cut by hand, and beside what Python offers.

One core, everything in memory: a simulated triplet of 2048 x 4096 pixels with 1,000 detections. The contenders take
turns in one process. Run from the repository's root::

    python -m benchmarks.speed.frames --json benchmarks/results/frames.json
"""

from __future__ import annotations

import argparse
import os
import statistics
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.speed.rounds import processor_time, write_record

if TYPE_CHECKING:
    from space2vec.data.detections import Detections

HEIGHT, WIDTH, DETECTIONS, SIDE = 2048, 4096, 1000, 63
RADII = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
PLANES = ("science", "template", "difference")

Planes = dict[str, NDArray[np.float32]]


def simulated(seed: int = 18) -> tuple[Planes, NDArray[np.float64], NDArray[np.float64]]:
    """Return a triplet with stars and transients, and where the detections are."""
    random = np.random.default_rng(seed)
    y, x = random.uniform(40, HEIGHT - 41, DETECTIONS), random.uniform(40, WIDTH - 41, DETECTIONS)
    template = random.normal(300.0, 12.0, (HEIGHT, WIDTH)).astype(np.float32)
    science = random.normal(300.0, 15.0, (HEIGHT, WIDTH)).astype(np.float32)
    difference = (science - template).astype(np.float32)
    reach = np.arange(-10, 11)

    def add(plane: NDArray[np.float32], at_y: float, at_x: float, flux: float) -> None:
        row, column = round(at_y), round(at_x)
        down, right = reach + row - at_y, reach + column - at_x
        profile = np.exp(-0.5 * (down[:, None] ** 2 + right[None, :] ** 2) / 1.3**2)
        plane[row - 10 : row + 11, column - 10 : column + 11] += (flux * profile).astype(np.float32)

    for flux in random.lognormal(6.0, 1.5, 20_000):
        star = random.uniform(12, HEIGHT - 13), random.uniform(12, WIDTH - 13)
        add(science, *star, flux)
        add(template, *star, flux)
    for at_y, at_x, flux in zip(y, x, random.lognormal(5.5, 0.8, DETECTIONS), strict=True):
        add(science, at_y, at_x, flux)
        add(difference, at_y, at_x, flux)
    return dict(zip(PLANES, (science, template, difference), strict=True)), x, y


class Ours:
    """space2vec, by frames or by stamps that are cut by hand."""

    def __init__(self, planes: Planes, x: NDArray[np.float64], y: NDArray[np.float64], model: str) -> None:
        import space2vec as s2v

        self._planes, self._x, self._y = planes, x, y
        self._s2v, self._model = s2v, s2v.load(model)

    def _located(self) -> Detections:
        return self._s2v.locate(*(self._planes[name] for name in PLANES), x=self._x, y=self._y)

    def features_of_frames(self) -> NDArray[np.float32]:
        """Return the 67 features, of frames."""
        return np.asarray(self._s2v.features(self._located(), set="stamp", threads=1).values)

    def scores_of_frames(self) -> NDArray[np.float32]:
        """Return the network's scores, of frames."""
        return np.asarray(self._model.score(self._located(), threads=1).score)

    def scores_of_cut_stamps(self) -> NDArray[np.float32]:
        """Return the same scores, of stamps that the library cuts."""
        return np.asarray(self._model.score(self._s2v.cut(self._located()), threads=1).score)

    def by_hand(self) -> Any:
        """Return stamps as one cuts them in NumPy."""
        half = SIDE // 2
        rows, columns = np.floor(self._y + 0.5).astype(int), np.floor(self._x + 0.5).astype(int)
        planes = [self._planes[name] for name in PLANES]
        cut = [
            [plane[row - half : row + half + 1, column - half : column + half + 1] for plane in planes]
            for row, column in zip(rows, columns, strict=True)
        ]
        return self._s2v.Stamps(np.array(cut))

    def features_by_hand(self) -> NDArray[np.float32]:
        """Return the same features, of stamps that are cut by hand."""
        return np.asarray(self._s2v.features(self.by_hand(), set="stamp", threads=1).values)

    def scores_by_hand(self) -> NDArray[np.float32]:
        """Return the same scores, of stamps that are cut by hand."""
        return np.asarray(self._model.score(self.by_hand(), threads=1).score)


class Usual:
    """Cutout2D; photutils' backgrounds, apertures and DAOFIND; SEP; a forest of scikit-learn."""

    def __init__(self, planes: Planes, x: NDArray[np.float64], y: NDArray[np.float64], rows: int) -> None:
        from sklearn.ensemble import RandomForestClassifier

        self._planes, self._x, self._y = planes, x[:rows], y[:rows]
        random = np.random.default_rng(1)
        self._forest = RandomForestClassifier(100, max_depth=12, n_jobs=1, random_state=0)
        self._columns = len(self._features(x[0], y[0]))
        self._forest.fit(random.normal(size=(2000, self._columns)), random.integers(0, 2, 2000))

    def scores(self) -> NDArray[np.float64]:
        """Return scores."""
        table = np.array([self._features(x, y) for x, y in zip(self._x, self._y, strict=True)])
        return np.asarray(self._forest.predict_proba(np.nan_to_num(table))[:, 1])

    def _features(self, x: float, y: float) -> list[float]:
        import sep
        from astropy.nddata import Cutout2D
        from astropy.stats import sigma_clipped_stats
        from photutils.aperture import CircularAperture, aperture_photometry
        from photutils.detection import DAOStarFinder

        cut = {name: Cutout2D(self._planes[name], (x, y), SIDE) for name in PLANES}
        values: list[float] = []
        for name, one in cut.items():
            mean, median, spread = sigma_clipped_stats(one.data, sigma=3.0)
            flat = np.ascontiguousarray(one.data - median)
            place = one.to_cutout_position((x, y))
            table = aperture_photometry(flat, [CircularAperture(place, radius) for radius in RADII])
            values += [mean, median, spread, *(float(table[f"aperture_sum_{k}"][0]) for k in range(len(RADII)))]
            if name == "difference":
                found = DAOStarFinder(3.0 * spread, 3.0)(flat)
                values.append(0.0 if found is None else float(len(found)))
            background = sep.Background(flat)
            sources = sep.extract(flat - background.back(), 3.0, err=background.globalrms or 1.0)
            values += [float(len(sources)), background.globalback, background.globalrms]
            fluxes, _, _ = sep.sum_circle(flat, [place[0]] * len(RADII), [place[1]] * len(RADII), RADII)
            values += fluxes.tolist()
        return values


def main() -> None:
    """Let the contenders take turns, and say what each took."""
    from space2vec import _core

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--usual", type=int, default=40, help="detections that the usual chain is given in a round")
    parser.add_argument("--model", default="default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    planes, x, y = simulated()
    ours, usual = Ours(planes, x, y, options.model), Usual(planes, x, y, options.usual)
    assert np.array_equal(ours.features_of_frames(), ours.features_by_hand(), equal_nan=True)
    assert np.array_equal(ours.scores_of_frames(), ours.scores_by_hand(), equal_nan=True)
    assert np.array_equal(ours.scores_of_frames(), ours.scores_of_cut_stamps(), equal_nan=True)
    contenders: dict[str, tuple[Callable[[], Any], int]] = {
        "features of frames": (ours.features_of_frames, DETECTIONS),
        "features of stamps cut by hand": (ours.features_by_hand, DETECTIONS),
        "network on frames": (ours.scores_of_frames, DETECTIONS),
        "network on stamps cut by hand": (ours.scores_by_hand, DETECTIONS),
        "cutting by hand alone": (ours.by_hand, DETECTIONS),
        "network on stamps cut by the library": (ours.scores_of_cut_stamps, DETECTIONS),
        "Cutout2D, photutils, SEP, scikit-learn": (usual.scores, options.usual),
    }
    took = processor_time(contenders, options.rounds)
    micros = {name: statistics.median(times) for name, times in took.items()}
    ratios = {
        "features, frames / by hand": micros["features of frames"] / micros["features of stamps cut by hand"],
        "network, frames / by hand": micros["network on frames"] / micros["network on stamps cut by hand"],
        "usual / features of frames": micros["Cutout2D, photutils, SEP, scikit-learn"] / micros["features of frames"],
        "usual / network on frames": micros["Cutout2D, photutils, SEP, scikit-learn"] / micros["network on frames"],
    }
    for name, value in micros.items():
        print(f"{name:40} {value:9.1f} us a detection   {min(took[name]):9.1f} to {max(took[name]):.1f}")
    for name, value in ratios.items():
        print(f"{name:40} {value:9.2f}")
    if options.json:
        what = f"{DETECTIONS} detections in a simulated triplet of {HEIGHT}x{WIDTH} float32 pixels in memory, one core"
        facts = {"model": options.model, "isa": _core.isa(), "rounds": options.rounds}
        write_record(options.json, f"{what}, processor time", took, ratios, **facts)


if __name__ == "__main__":
    main()
