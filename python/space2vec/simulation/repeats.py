"""Repeated alerts: objects that were detected in several exposures of the same field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from space2vec.data.stamps import Stamps
from space2vec.simulation.candidate import Candidate, draw_again, draw_candidate
from space2vec.simulation.exposure import Exposure, draw_exposure
from space2vec.simulation.night import KINDS, Night
from space2vec.simulation.survey import survey_by_name
from space2vec.simulation.survey_records import RECORDS, object_name

__all__ = ["REPEATING", "simulate_repeats"]

#: The kinds whose objects stay where they are.
REPEATING = ("supernova", "nuclear", "variable", "hostless")


def simulate_repeats(
    objects: int, alerts: int = 2, *, survey: str = "ztf", seed: int = 0, randomise: float = 0.0
) -> Night:
    """Simulate objects that were detected several times.

    Parameters
    ----------
    objects : int
        Number of objects, supernovae, nuclear transients, variable stars and hostless transients in turn.
    alerts : int
        Number of alerts of each object. Between them seeing, sky, noise and the errors of the subtraction change, and
        the flux of the object; its place, its field and the sources of the template do not.
    survey, seed, randomise
        As for :func:`space2vec.simulate`.

    Returns
    -------
    Night
        The alerts, object after object; those of one object have the same ``object_id``.

    Raises
    ------
    ValueError
        If a number is out of range, or the survey is unknown.
    """
    if objects < 0 or alerts < 1:
        raise ValueError(f"there must be 0 or more objects, and 1 or more alerts of each; given {objects}, {alerts}")
    if not 0.0 <= randomise <= 3.0:
        raise ValueError(f"randomise must lie between 0 and 3; given {randomise}")
    properties = survey_by_name(survey)
    sides = list(properties.sizes)
    found: list[Candidate] = []
    exposures: list[Exposure] = []
    for number in range(objects):
        rng = np.random.default_rng([seed, 3, number])
        size = int(rng.choice(sides, p=list(properties.sizes.values())))
        exposure = draw_exposure(rng, properties, randomise=randomise)
        own = [draw_candidate(REPEATING[number % len(REPEATING)], exposure, rng, size)]
        own += [draw_again(own[0], rng, size) for _ in range(alerts - 1)]
        found += own
        exposures += [replace(each.scene.exposure, _filters={}) for each in own]
    kinds = np.repeat([REPEATING[k % len(REPEATING)] for k in range(objects)] or np.zeros(0, dtype=np.str_), alerts)
    formats = RECORDS[survey]
    records = [formats.record(each.scene, each.detection, each.position, k, each.rng) for k, each in enumerate(found)]
    names = [object_name(exposures[number * alerts].jd, number) for number in range(objects)]
    stamps = Stamps(
        [each.planes for each in found],
        object_id=np.repeat(np.array(names, dtype=object), alerts),
        candidate_id=np.array([each.candidate_id(k % 1000) for k, each in enumerate(exposures)], dtype=np.int64),
        catalogue=formats.catalogue(records),
        centre=np.array([each.centre for each in found], dtype=np.int32).reshape(-1, 2),
    )
    labels = np.array([KINDS[kind] for kind in kinds.tolist()], dtype=np.int8)
    return Night(stamps, labels, kinds, np.array([each.flux for each in found]), records, survey)
