"""A simulated night: candidates with their stamps, records, labels and kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data.stamps import Stamps
from space2vec.simulation.artifacts import ARTIFACTS
from space2vec.simulation.candidate import draw_candidate
from space2vec.simulation.engine import engine_by_name
from space2vec.simulation.exposure import draw_exposure
from space2vec.simulation.survey import Survey, survey_by_name
from space2vec.simulation.survey_records import RECORDS, object_name
from space2vec.simulation.transients import TRANSIENTS

if TYPE_CHECKING:
    from space2vec.data.types import Cell

__all__ = ["KINDS", "Night", "simulate"]

#: The kinds of candidates; the value is True if they are real.
KINDS: dict[str, bool] = {**dict.fromkeys(TRANSIENTS, True), **dict.fromkeys(ARTIFACTS, False)}

#: Number of candidates in one exposure.
_PER_EXPOSURE = 10
#: The seeing of undersampled exposures: 1.5 to 2.5 pixels with the blur by the pixels, 1.3 to 2.4 without.
_SHARP_SEEING = (1.34, 2.4)


@dataclass(frozen=True, repr=False)
class Night:
    """The simulated candidates of a night.

    Attributes
    ----------
    stamps : Stamps
        Triplets with ids, catalogue columns and the position of each candidate.
    labels : ndarray of int8 (n,)
        1 for real, 0 for bogus.
    kinds : ndarray of str (n,)
        The kind of each candidate, see :data:`KINDS`.
    flux : ndarray of float64 (n,)
        The change in flux of a real source, always positive, in the unit of the pixels; NaN for bogus.
    records : list of dict
        The record of each alert: ZTF's ``candidate``, Rubin's ``diaSource``, or the catalogue columns of DES.
    survey : str
        Name of the survey.
    """

    stamps: Stamps
    labels: NDArray[np.int8]
    kinds: NDArray[np.str_]
    flux: NDArray[np.float64]
    records: list[dict[str, Cell]]
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
    undersampled: float = 0.0,
    engine: str = "numpy",
    progress: Callable[[int], object] | None = None,
) -> Night:
    """Simulate the alerts of a night, real and bogus.

    Parameters
    ----------
    n : int
        Number of candidates.
    survey : {"ztf", "des", "rubin"}
        The survey whose camera, site and pipeline are simulated, see :data:`space2vec.simulation.SURVEYS`.
    seed : int
        The same seed gives the same candidates.
    size : int, optional
        Side of a stamp in pixels, an odd number; by default as in the survey. Some surveys cut smaller stamps at the
        border of a detector.
    real_fraction : float
        Share of real candidates; their number is exact to rounding.
    kinds : mapping of str to float, optional
        Weights of kinds (:data:`KINDS`), which replace the built-in ones; kinds that are not named do not occur.
    randomise : float
        How much wider than in the survey the ranges of all conditions are: seeing, sky, profile and its elongation,
        gain, errors of registration, correlation of the noise, crowding, brightness of hosts. With 0 they are those of
        the survey, with 1 logarithmic ranges are twice as wide. Networks that are trained on wider ranges learn less of
        the simulator.
    undersampled : float
        Share of the exposures whose point sources have a full width at half maximum of 1.5 to 2.5 pixels, pixels
        included, whatever the survey's seeing.
    engine : {"numpy", "galsim"}
        The engine that draws profiles, stars and galaxies. GalSim (extra ``sim``) draws Kolmogorov turbulence, optics
        and exact Sersic profiles, and is slower.
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
        If the engine is GalSim, and it is not installed.

    Notes
    -----
    Every candidate was detected: its position, magnitude and shape are measured on the difference image, and a
    candidate that is not detected is drawn again. Pixels are rounded to 1/256, so that they do not depend on the last
    bit of the machine's exponential function. If a source fades, ZTF changes the sign of the difference, which is
    therefore always positive; Rubin leaves it negative, and DES does not search for such sources.

    Examples
    --------
    >>> night = s2v.simulate(20, seed=2)
    >>> night.stamps.channels
    ('science', 'template', 'difference')
    >>> night.labels.shape
    (20,)
    """
    properties = survey_by_name(survey)
    _check(n, size, real_fraction, randomise, undersampled)
    rng = np.random.default_rng([seed, 0])
    chosen = _choose_kinds(n, real_fraction, kinds, rng)
    sizes = _choose_sizes(n, size, properties, rng)
    drawing = engine_by_name(engine)
    conditions = _choose_conditions(-(-n // _PER_EXPOSURE), undersampled, properties, seed)
    exposures = [draw_exposure(rng, own, randomise=randomise, engine=drawing) for own in conditions]
    record_format = RECORDS[survey]
    planes: list[tuple[NDArray[np.float32], ...]] = []
    records: list[dict[str, Cell]] = []
    centres = np.zeros((n, 2), dtype=np.int32)
    flux = np.full(n, np.nan)
    for row, kind in enumerate(chosen):
        exposure = exposures[row // _PER_EXPOSURE]
        found = draw_candidate(kind, exposure, np.random.default_rng([seed, 1, row]), sizes[row])
        planes.append(found.planes)
        centres[row] = found.centre
        flux[row] = found.flux
        records.append(
            record_format.record(found.scene, found.detection, found.position, row % _PER_EXPOSURE, found.rng)
        )
        if progress is not None:
            progress(1)
    days = [exposures[row // _PER_EXPOSURE].jd for row in range(n)]
    stamps = Stamps(
        planes,
        object_id=[object_name(day, row) for row, day in enumerate(days)],
        candidate_id=np.array(
            [exposures[row // _PER_EXPOSURE].candidate_id(row % _PER_EXPOSURE) for row in range(n)], dtype=np.int64
        ),
        catalogue=record_format.catalogue(records),
        centre=centres,
    )
    labels = np.array([KINDS[kind] for kind in chosen], dtype=np.int8)
    return Night(stamps, labels, np.array(chosen, dtype=np.str_), flux, records, survey)


def _choose_conditions(count: int, undersampled: float, survey: Survey, seed: int) -> list[Survey]:
    """Return the survey of each exposure, sharper where the exposure is to be undersampled."""
    # A separate generator, so that a share of 0 changes nothing else that is drawn.
    chances = np.random.default_rng([seed, 2]).random(count)
    sharp = replace(survey, seeing=_SHARP_SEEING, template_seeing=_SHARP_SEEING)
    return [sharp if chance < undersampled else survey for chance in chances.tolist()]


def _check(n: int, size: int | None, real_fraction: float, randomise: float, undersampled: float) -> None:
    """Raise ValueError if an argument of :func:`simulate` is out of range."""
    if n < 0:
        raise ValueError(f"n must not be negative; given {n}")
    if size is not None and (size < 21 or size % 2 == 0):
        raise ValueError(f"size must be odd and at least 21; given {size}")
    if not 0.0 <= real_fraction <= 1.0:
        raise ValueError(f"real_fraction must lie between 0 and 1; given {real_fraction}")
    if not 0.0 <= randomise <= 3.0:
        raise ValueError(f"randomise must lie between 0 and 3; given {randomise}")
    if not 0.0 <= undersampled <= 1.0:
        raise ValueError(f"undersampled must lie between 0 and 1; given {undersampled}")


def _choose_sizes(n: int, size: int | None, survey: Survey, rng: np.random.Generator) -> list[int]:
    """Draw the side of each stamp in pixels."""
    if size is not None or len(survey.sizes) == 1:
        return [size or next(iter(survey.sizes))] * n
    chosen: list[int] = rng.choice(list(survey.sizes), n, p=list(survey.sizes.values())).tolist()
    return chosen


def _choose_kinds(
    n: int, real_fraction: float, kinds: Mapping[str, float] | None, rng: np.random.Generator
) -> list[str]:
    """Draw the kind of each candidate."""
    shares = {name: transient.share for name, transient in TRANSIENTS.items()}
    shares |= {name: artifact.share for name, artifact in ARTIFACTS.items()}
    if kinds is not None:
        unknown = [name for name in kinds if name not in KINDS]
        if unknown or any(not weight >= 0.0 for weight in kinds.values()):
            known = ", ".join(KINDS)
            raise ValueError(f"kinds must map names out of {known} to weights of 0 or more; given {dict(kinds)}")
        shares = {name: float(weight) for name, weight in kinds.items()}
    real = round(n * real_fraction)
    chosen: list[str] = []
    for count, label in ((real, True), (n - real, False)):
        names = [name for name in KINDS if KINDS[name] is label and shares.get(name, 0.0) > 0.0]
        if count and not names:
            missing = "real" if label else "bogus"
            raise ValueError(f"real_fraction = {real_fraction} asks for {missing} kinds; none is given")
        weights = np.array([shares[name] for name in names])
        chosen += [names[k] for k in rng.choice(len(names), count, p=weights / weights.sum())] if count else []
    return [chosen[k] for k in rng.permutation(n)]
