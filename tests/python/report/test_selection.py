"""The order in which a review asks for labels: by plain search among all candidates, and what comes first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from space2vec.report import selection
from space2vec.report.selection import most_useful


def plain(score: Any, values: Any, most: int) -> list[int]:
    """Choose by the definition: try every candidate, and keep the one that leaves the smallest sum of distances."""
    known = [row for row in range(len(score)) if not np.isnan(score[row])]
    columns = []
    for column in np.asarray(values, dtype=float)[known].T:
        defined = [value for value in column if not np.isnan(value)]
        ranks = []
        for value in column:
            below, same = sum(v < value for v in defined), sum(v == value for v in defined)
            flat = np.isnan(value) or len(set(defined)) < 2
            ranks.append(0.5 if flat else (below + (same - 1) / 2) / (len(defined) - 1))
        columns.append(ranks)
    columns.append([float(score[row]) * np.sqrt(len(columns)) for row in known])
    places = np.array(columns).T
    distance = np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=2))
    nearest, chosen = np.full(len(known), distance.max()), []
    for _ in range(min(most, len(known))):
        left = [k for k in range(len(known)) if k not in chosen]
        best = min(left, key=lambda k: (round(float(np.minimum(nearest, distance[k]).sum()), 4), k))
        chosen.append(best)
        nearest = np.minimum(nearest, distance[best])
    return [known[k] for k in chosen]


@pytest.mark.parametrize("seed", range(6))
def test_the_order_is_that_of_a_plain_search(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score, values = rng.random(40).astype(np.float32), rng.normal(size=(40, 5)).astype(np.float32)
    score[rng.random(40) < 0.1] = np.nan
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 4] = 1
    assert most_useful(score, values, 12).tolist() == plain(score, values, 12)


def test_every_group_is_asked_for_the_largest_first() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], [60, 30, 10])
    values = (10 * group[:, None] + rng.normal(size=(100, 3))).astype(np.float32)
    score = np.float32([0.02, 0.5, 0.98])[group]
    assert sorted(group[most_useful(score, values, 3)].tolist()) == [0, 1, 2]
    assert group[most_useful(score, values, 1)].tolist() == [0]


def test_prefixes_agree_and_nothing_is_chosen_twice() -> None:
    rng = np.random.default_rng(1)
    score, values = rng.random(80).astype(np.float32), rng.normal(size=(80, 4)).astype(np.float32)
    every = most_useful(score, values, 500)
    assert sorted(every.tolist()) == list(range(80))
    assert most_useful(score, values, 10).tolist() == every[:10].tolist()


def test_a_large_night_is_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "_WEIGHED", 50)
    rng = np.random.default_rng(2)
    score, values = rng.random(400).astype(np.float32), rng.normal(size=(400, 4)).astype(np.float32)
    chosen = most_useful(score, values, 500)
    assert len(set(chosen.tolist())) == 50
    assert chosen.max() > 200
    assert most_useful(score, values, 20).tolist() == chosen[:20].tolist()


def test_nights_without_scores_or_candidates() -> None:
    assert most_useful(np.float32([np.nan, np.nan]), np.zeros((2, 3), np.float32)).tolist() == []
    assert most_useful(np.zeros(0, np.float32), np.zeros((0, 3), np.float32)).tolist() == []
    assert sorted(most_useful(np.float32([0.5, 0.5]), np.zeros((2, 3), np.float32)).tolist()) == [0, 1]
    with pytest.raises(ValueError, match=r"values must have shape \(2, k\)"):
        most_useful(np.float32([0.5, 0.5]), np.zeros((3, 3), np.float32))
