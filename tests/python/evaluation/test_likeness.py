"""How well vectors lay like candidates together, against a plain search."""

from __future__ import annotations

import numpy as np
import pytest

from space2vec.evaluation import found_again, nearest_rows, same_kind_share


def plainly(vectors: np.ndarray, nearest: int, rows: range) -> list[list[int]]:
    found = []
    for row in rows:
        own = vectors[row]
        cosine = {
            other: own @ it / (np.linalg.norm(own) * np.linalg.norm(it))
            for other, it in enumerate(vectors)
            if other != row
        }
        found.append(sorted(cosine, key=lambda other: -cosine[other])[:nearest])
    return found


def test_the_nearest_are_those_of_a_plain_search() -> None:
    vectors = np.random.default_rng(0).normal(size=(1500, 5))
    found = nearest_rows(vectors, 3)
    assert found.shape == (1500, 3)
    assert found[:20].tolist() == plainly(vectors, 3, range(20))
    assert found[1480:].tolist() == plainly(vectors, 3, range(1480, 1500))


def test_lengths_do_not_matter_and_integers_are_taken() -> None:
    vectors = np.random.default_rng(1).integers(-127, 128, (60, 6)).astype(np.int8)
    longer = vectors * np.arange(1, 61)[:, None]
    np.testing.assert_array_equal(nearest_rows(vectors, 4), nearest_rows(longer, 4))


def test_the_share_is_a_mean_over_kinds_not_over_candidates() -> None:
    vectors = np.array([[1, 0.0], [1, 0.01], [1, 0.02], [0.01, 1], [-1, 0.1]])
    shares = same_kind_share(vectors, ["a", "a", "a", "b", "b"], nearest=2)
    assert shares.by_kind == {"a": 1.0, "b": 0.5}
    assert shares.mean == 0.75
    assert same_kind_share(vectors, ["a", "a", "a", "b", "b"], nearest=2, only="b").mean == 0.5


def test_an_alert_is_found_again_by_one_of_its_siblings() -> None:
    vectors = np.array([[1, 0.0], [1, 0.1], [1, 0.2], [0, 1], [-1, 0.0]])
    assert found_again(vectors, ["p", "p", "q", "q", "r"], nearest=1) == 0.5
    assert found_again(vectors, ["p", "p", "q", "q", "r"], nearest=3) == 1.0


def test_what_cannot_be_measured_says_why() -> None:
    vectors = np.eye(4)
    with pytest.raises(ValueError, match="with more rows than nearest, 10; given"):
        same_kind_share(vectors, ["a"] * 4)
    with pytest.raises(ValueError, match="one kind for each of 4 vectors; given"):
        same_kind_share(vectors, ["a"] * 3, nearest=1)
    with pytest.raises(ValueError, match="no candidate is of the kind 'b'"):
        same_kind_share(vectors, ["a"] * 4, nearest=1, only="b")
    with pytest.raises(ValueError, match="no object has two alerts"):
        found_again(vectors, [1, 2, 3, 4], nearest=1)
    with pytest.raises(ValueError, match="one object for each of 4 vectors"):
        found_again(vectors, [1, 2], nearest=1)
