"""Fitting of networks of vectors: the loss against a plain sum, what is drawn together, and the same bits twice."""

from __future__ import annotations

import math

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.labelled_stamps import LabelledStamps

torch = pytest.importorskip("torch")

from space2vec.architectures import build  # noqa: E402
from space2vec.evaluation import same_kind_share  # noqa: E402
from space2vec.model_files.needs import Needs  # noqa: E402
from space2vec.training.augment import Augmentation  # noqa: E402
from space2vec.training.loop import FitSettings  # noqa: E402
from space2vec.training.network import network_header  # noqa: E402
from space2vec.training.vectors import UNKNOWN, VectorRows, contrast, fit_vectors, vector_rows  # noqa: E402

SETTINGS = {"features": 3, "channels": 2, "side": 9, "width": [8], "hidden": 16, "vector": 8}


@pytest.fixture(autouse=True)
def one_thread():
    """These networks are too small to be shared by threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def plainly(vectors: np.ndarray, alike: np.ndarray, among: np.ndarray, temperature: float) -> float:
    losses = []
    for i, own in enumerate(vectors):
        cosine = [own @ it / np.linalg.norm(own) / np.linalg.norm(it) / temperature for it in vectors]
        others = [j for j in range(len(vectors)) if j != i and (among[i, j] or alike[i, j])]
        liked = [j for j in others if alike[i, j]]
        if liked:
            total = math.log(sum(math.exp(cosine[j]) for j in others))
            losses.append(-sum(cosine[j] - total for j in liked) / len(liked))
    return float(np.mean(losses))


def test_the_loss_is_that_of_a_plain_sum() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(9, 4))
    kind = np.array([0, 0, 1, 1, 2, 0, 1, 3, 3])
    alike, among = kind[:, None] == kind, rng.random((9, 9)) < 0.7
    found = contrast(torch.tensor(vectors), torch.tensor(alike), torch.tensor(among), 0.3)
    assert found.item() == pytest.approx(plainly(vectors, alike, among, 0.3), rel=1e-9)


def test_vectors_without_a_like_one_give_a_loss_of_zero() -> None:
    vectors = torch.ones(3, 2, requires_grad=True)
    loss = contrast(vectors, torch.eye(3, dtype=torch.bool), torch.ones(3, 3, dtype=torch.bool), 0.1)
    loss.backward()
    assert loss.item() == 0.0


def rows_of(n: int, seed: int, unknown: float = 0.0) -> VectorRows:
    """Return rows of four kinds that a column and a pixel betray, in noise."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 4, n)
    views = []
    for _ in range(2):
        planes = rng.normal(size=(n, 2, 9, 9)).astype(np.float16)
        planes[:, 0, 4, 4] += 8 * (kind % 2)
        features = rng.normal(size=(n, 3)).astype(np.float32)
        features[:, 1] += 8 * (kind // 2)
        views.append((planes, features))
    return VectorRows(views, np.where(rng.random(n) < unknown, UNKNOWN, kind), np.arange(n))


def fitted(rows: VectorRows, **settings: object) -> torch.nn.Module:
    torch.manual_seed(0)
    module = build("vectornet", SETTINGS)
    module.fit_features(rows.views[0][1])
    fit_vectors(module, rows, FitSettings(**{"epochs": 4, "batch": 64, "average": 0.9, **settings}))
    return module


def vectors_of(module: torch.nn.Module, rows: VectorRows) -> np.ndarray:
    planes, features = rows.views[1]
    with torch.no_grad():
        return module(torch.from_numpy(planes).float(), torch.from_numpy(features)).numpy()


def test_kinds_lie_together_also_where_few_are_named() -> None:
    learned, others = rows_of(600, 1, unknown=0.5), rows_of(300, 2)
    module = fitted(learned, epochs=20, learning_rate=1e-2)
    vectors = vectors_of(module, others)
    assert same_kind_share(vectors, others.kind.astype(str)).mean > 0.85
    pixels = others.views[1][0].reshape(300, -1)
    assert same_kind_share(pixels, others.kind.astype(str)).mean < 0.5
    assert 0.5 < np.median(np.linalg.norm(vectors, axis=1)) < 2.0


def test_the_same_seed_gives_the_same_weights_and_progress_is_told() -> None:
    rows = rows_of(120, 3)
    told: list[dict[str, float]] = []
    torch.manual_seed(0)
    module = build("vectornet", SETTINGS)
    module.fit_features(rows.views[0][1])
    history = fit_vectors(module, rows, FitSettings(epochs=2, batch=64, average=0.9), progress=told.append)
    assert history == told
    assert [epoch["epoch"] for epoch in history] == [0, 1]
    assert not module.training
    again, other = fitted(rows, epochs=2), fitted(rows, epochs=2, seed=1)
    for name, weight in module.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert not torch.equal(module.head[-1].weight, other.head[-1].weight)


def test_a_loss_that_is_not_finite_is_said() -> None:
    rows = rows_of(64, 4)
    rows.views[0][0][:] = np.nan
    rows.views[1][0][:] = np.nan
    with pytest.raises(ValueError, match="the loss of epoch 0 is not finite"):
        fitted(rows)


def test_views_are_of_the_same_stamps_and_lost_ones_are_unchanged() -> None:
    night = s2v.simulate(40, seed=3)
    planes = [[night.stamps.plane(row, name) for name in night.stamps.channels] for row in range(40)]
    planes[5] = [np.full((63, 63), np.nan, dtype=np.float32)] * 3
    group = np.repeat(np.arange(20), 2).astype(str)
    rows = LabelledStamps(s2v.Stamps(planes), night.labels, night.kinds, group=group)
    needs = Needs.of(network_header("stampnet", None, None, None, None))
    kind = np.arange(40)
    found = vector_rows(needs, rows, kind, Augmentation(masks=1.0), views=3, seed=1, threads=1)
    assert found.kind.tolist() == [row for row in range(40) if row != 5]
    assert len(found) == 39
    assert sorted(np.bincount(found.source).tolist()) == [1, *[2] * 19]
    assert (found.source[:4:2] == found.source[1:4:2]).all()
    first, second, third = (planes for planes, _ in found.views)
    assert first.dtype == np.float16
    assert np.isfinite(second.astype(float)).all()
    changed = [not np.array_equal(second[row], first[row]) for row in range(39)]
    assert np.mean(changed) > 0.8
    assert not np.array_equal(second, third)
    again = vector_rows(needs, rows, kind, Augmentation(masks=1.0), views=3, seed=1, threads=1)
    np.testing.assert_array_equal(again.views[1][0], second)
