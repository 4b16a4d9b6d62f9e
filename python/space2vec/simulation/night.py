"""A simulated night: candidates with their stamps, their records and the truth about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import Stamps
from space2vec.simulation.artifacts import ARTIFACTS
from space2vec.simulation.candidate import draw_candidate
from space2vec.simulation.engine import engine_of
from space2vec.simulation.exposure import draw_exposure
from space2vec.simulation.survey import Survey, survey_of
from space2vec.simulation.survey_records import RECORDS, object_name
from space2vec.simulation.transients import TRANSIENTS

__all__ = ["KINDS", "Night", "simulate"]

#: The kinds of candidates: True where they are real.
KINDS: dict[str, bool] = {**dict.fromkeys(TRANSIENTS, True), **dict.fromkeys(ARTIFACTS, False)}

#: Candidates of one exposure.
_PER_EXPOSURE = 10


@dataclass(frozen=True, repr=False)
class Night:
    """Simulated candidates.

    Attributes
    ----------
    stamps : Stamps
        Triplets with ids, catalogue columns and the place of each candidate.
    labels : ndarray of int8 (n,)
        1 for real, 0 for bogus.
    kinds : ndarray of str (n,)
        What each candidate is, see :data:`KINDS`.
    flux : ndarray of float64 (n,)
        Flux by which a real source was changed, always positive, in the unit of the pixels; NaN for bogus.
    records : list of dict
        The record of each alert: ZTF's ``candidate``, Rubin's ``diaSource``, the columns of DES.
    survey : str
        Whose night it is.
    """

    stamps: Stamps
    labels: NDArray[np.int8]
    kinds: NDArray[np.str_]
    flux: NDArray[np.float64]
    records: list[dict[str, Any]]
    survey: str = "ztf"

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        real = int(np.count_nonzero(self.labels))
        names, counts = np.unique(self.kinds, return_counts=True)
        kinds = ", ".join(f"{name} {count}" for name, count in zip(names.tolist(), counts.tolist(), strict=True))
        return f"Night(n={len(self)}, real={real}, bogus={len(self) - real}, kinds: {kinds or 'none'})"


def simulate(
    n: int,
    *,
    survey: str = "ztf",
    seed: int = 0,
    size: int | None = None,
    real_fraction: float = 0.5,
    kinds: Mapping[str, float] | None = None,
    randomise: float = 0.0,
    engine: str = "numpy",
    progress: Callable[[int], object] | None = None,
) -> Night:
    """Simulate the alerts of a night.

    Parameters
    ----------
    n : int
        Number of candidates.
    survey : {"ztf", "des", "rubin"}
        Whose camera, site and pipeline, see :data:`space2vec.simulation.SURVEYS`.
    seed : int
        The same seed gives the same candidates.
    size : int, optional
        Side of a stamp, pixel, odd; the survey's own by default. Some surveys cut stamps smaller at the border of a
        detector.
    real_fraction : float
        Share of real candidates; the number is exact to rounding.
    kinds : mapping of str to float, optional
        Weights of kinds (:data:`KINDS`) in place of the built-in ones; kinds that are not named are left out.
    randomise : float
        How much wider than the survey's own the ranges of all conditions are: seeing, sky, profile and its
        elongation, gain, errors of registration, correlation of the noise, crowding, brightness of hosts. 0 is the
        survey; with 1 logarithmic ranges are twice as wide. For training, that a network does not learn the simulator.
    engine : {"numpy", "galsim"}
        What draws profiles, stars and galaxies. GalSim (the extra ``sim``) has Kolmogorov turbulence, optics and
        Sersic profiles proper, and is slower.
    progress : callable, optional
        Called with 1 after each candidate.

    Returns
    -------
    Night
        Stamps, labels, kinds and records.

    Raises
    ------
    ValueError
        If a number is out of range, or a survey, an engine or a kind is unknown.
    ImportError
        If GalSim is asked for and is not there.

    Notes
    -----
    A candidate is what a pipeline found: its position, magnitude and shape are measured on the difference image, and
    what is not detected is drawn again. Pixels are rounded to 1/256, so that they do not depend on the last bit of a
    machine's exponential. ZTF turns the difference over where a source fades: it is always positive. Rubin leaves it
    negative, and DES does not look at such sources.

    Examples
    --------
    >>> night = s2v.simulate(20, seed=2)
    >>> night.stamps.channels
    ('science', 'template', 'difference')
    >>> night.labels.shape
    (20,)
    """
    theirs = survey_of(survey)
    _check(n, size, real_fraction, randomise)
    plan = np.random.default_rng([seed, 0])
    chosen = _choose_kinds(n, real_fraction, kinds, plan)
    sizes = _choose_sizes(n, size, theirs, plan)
    drawn_by = engine_of(engine)
    exposures = [
        draw_exposure(plan, theirs, randomise=randomise, engine=drawn_by) for _ in range(-(-n // _PER_EXPOSURE))
    ]
    to_record, to_catalogue = RECORDS[theirs.name]
    planes: list[tuple[NDArray[np.float32], ...]] = []
    records: list[dict[str, Any]] = []
    centres = np.zeros((n, 2), dtype=np.int32)
    flux = np.full(n, np.nan)
    for row, kind in enumerate(chosen):
        exposure = exposures[row // _PER_EXPOSURE]
        one = draw_candidate(kind, exposure, np.random.default_rng([seed, 1, row]), sizes[row])
        planes.append(one.planes)
        centres[row] = one.centre
        flux[row] = one.flux
        records.append(to_record(one.scene, one.detection, one.position, row % _PER_EXPOSURE, one.rng))
        if progress is not None:
            progress(1)
    days = [exposures[row // _PER_EXPOSURE].jd for row in range(n)]
    stamps = Stamps(
        planes,
        object_id=[object_name(day, row) for row, day in enumerate(days)],
        candidate_id=np.array(
            [exposures[row // _PER_EXPOSURE].candidate_id(row % _PER_EXPOSURE) for row in range(n)], dtype=np.int64
        ),
        catalogue=to_catalogue(records),
        centre=centres,
    )
    labels = np.array([KINDS[kind] for kind in chosen], dtype=np.int8)
    return Night(stamps, labels, np.array(chosen, dtype=np.str_), flux, records, theirs.name)


def _check(n: int, size: int | None, real_fraction: float, randomise: float) -> None:
    if n < 0:
        raise ValueError(f"n must not be negative; given {n}")
    if size is not None and (size < 21 or size % 2 == 0):
        raise ValueError(f"size must be odd and at least 21; given {size}")
    if not 0.0 <= real_fraction <= 1.0:
        raise ValueError(f"real_fraction must lie between 0 and 1; given {real_fraction}")
    if not 0.0 <= randomise <= 3.0:
        raise ValueError(f"randomise must lie between 0 and 3; given {randomise}")


def _choose_sizes(n: int, size: int | None, survey: Survey, rng: np.random.Generator) -> list[int]:
    if size is not None or len(survey.sizes) == 1:
        return [size or next(iter(survey.sizes))] * n
    chosen: list[int] = rng.choice(list(survey.sizes), n, p=list(survey.sizes.values())).tolist()
    return chosen


def _choose_kinds(
    n: int, real_fraction: float, kinds: Mapping[str, float] | None, rng: np.random.Generator
) -> list[str]:
    shares = {**{name: share for name, (_, share) in TRANSIENTS.items()}, **{k: a.share for k, a in ARTIFACTS.items()}}
    if kinds is not None:
        unknown = [name for name in kinds if name not in KINDS]
        if unknown or any(not weight >= 0.0 for weight in kinds.values()):
            known = ", ".join(KINDS)
            raise ValueError(f"kinds must map names out of {known} to weights of 0 or more; given {dict(kinds)}")
        shares = {name: float(weight) for name, weight in kinds.items()}
    real = round(n * real_fraction)
    chosen: list[str] = []
    for wanted, label in ((real, True), (n - real, False)):
        names = [name for name in KINDS if KINDS[name] is label and shares.get(name, 0.0) > 0.0]
        if wanted and not names:
            asked = "real" if label else "bogus"
            raise ValueError(f"real_fraction = {real_fraction} asks for {asked} kinds; none is given")
        weights = np.array([shares[name] for name in names])
        chosen += [names[k] for k in rng.choice(len(names), wanted, p=weights / weights.sum())] if wanted else []
    return [chosen[k] for k in rng.permutation(n)]
