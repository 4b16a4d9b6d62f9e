"""Kinds of a night: groups are found and keep their names, outliers and new ones stand out; and what is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from space2vec.errors import ModelError, ReadError
from space2vec.vectors import Prototypes, Vectors, cluster

pytest.importorskip("sklearn")
SIZE = 24


def directions(count: int) -> NDArray[np.float64]:
    return np.random.default_rng(4).normal(0, 40, (count, SIZE))


def a_night(sizes: dict[int, int], seed: int = 1, model: str = "mine 1", strays: int = 0) -> tuple[Vectors, Any]:
    """Return a night of so many candidates around each of some directions, in random order, and what each is of."""
    random = np.random.default_rng(seed)
    truth = np.repeat([*sizes, -1], [*sizes.values(), strays])
    random.shuffle(truth)
    centres = np.vstack([directions(20), np.zeros(SIZE)])
    wide = np.where(truth < 0, 45, 5)[:, None]
    vector = np.clip(np.rint(centres[truth] + random.normal(0, 1, (len(truth), SIZE)) * wide), -127, 127)
    ids = np.arange(len(truth)) + 1000 * seed
    return Vectors(vector.astype(np.int8), np.zeros(len(truth), np.uint32), ids.astype(str), ids, model), truth


@pytest.mark.parametrize("options", [{"kinds": 3}, {"method": "hdbscan"}], ids=["kmeans", "hdbscan"])
def test_kinds_are_found(options: dict[str, Any]) -> None:
    night, truth = a_night({0: 200, 1: 90, 2: 40}, strays=6)
    night.vector[5] = 0
    found = cluster(night, **options)
    groups = found.groups
    assert [group.name for group in groups] == ["outlier", "kind-3", "kind-2", "kind-1"]
    for group, kind in zip(groups[1:], (2, 1, 0), strict=True):
        assert np.mean(truth[group.rows] == kind) > 0.98
        assert abs(len(group) - np.sum(truth == kind)) <= 0.1 * len(group)
        assert group.is_new
        distance = found.distance[group.rows]
        assert (np.diff(distance) >= 0).all()
        assert group.distance == pytest.approx(np.median(distance))
        members = night.vector[group.rows].astype(float)
        centre = (members / np.linalg.norm(members, axis=1)[:, None]).mean(axis=0)
        cosine = members @ centre / np.linalg.norm(members, axis=1) / np.linalg.norm(centre)
        np.testing.assert_allclose(distance, 1 - cosine, atol=1e-5)
    assert np.isin(np.flatnonzero(truth == -1), groups[0].rows).sum() >= 4
    assert found.kind[5] is None
    assert np.isnan(found.distance[5])
    assert np.isnan(found.novelty).all()
    order = found.order()
    assert sorted(order.tolist()) == list(range(len(night)))
    assert order[-1] == 5
    assert (found.kind[order[: len(groups[0])]] == "outlier").all()
    table = found[order[:3]].to_arrow()
    assert table.column_names == ["object_id", "candidate_id", "distance", "novelty", "flags", "kind"]
    assert table.column("kind").to_pylist() == ["outlier"] * 3
    assert "3 kinds" in repr(found)


def test_kinds_keep_their_names(tmp_path: Path) -> None:
    first = cluster(a_night({0: 200, 1: 90, 2: 40})[0], kinds=3)
    assert first.prototypes is not None
    first.prototypes.write(tmp_path / "kinds.json")
    entries = json.loads((tmp_path / "kinds.json").read_text())
    entries["kinds"][1]["name"] = "trail of a satellite"
    (tmp_path / "kinds.json").write_text(json.dumps(entries))
    # The second night has other sizes, one kind less and a new one.
    night, truth = a_night({0: 50, 1: 150, 7: 60}, seed=2)
    second = cluster(night, kinds=3, prototypes=Prototypes.read(tmp_path / "kinds.json"))
    names = {kind: set(second.kind[truth == kind].tolist()) - {"outlier"} for kind in (0, 1, 7)}
    assert names == {0: {"kind-1"}, 1: {"trail of a satellite"}, 7: {"kind-4"}}
    assert {group.name: group.is_new for group in second.groups if group.name != "outlier"} == {
        "kind-1": False, "trail of a satellite": False, "kind-4": True,
    }  # fmt: skip
    after = second.prototypes
    assert after is not None
    assert after.names == ("kind-1", "trail of a satellite", "kind-3", "kind-4")
    assert after.nights == (2, 2, 1, 1)
    assert after.candidates[2] == first.prototypes.candidates[2]
    old, both = first.prototypes.centres[0], after.centres[0]
    members = night.vector[second.kind == "kind-1"].astype(float)
    members /= np.linalg.norm(members, axis=1)[:, None]
    mean = members.mean(axis=0)
    mean = old * first.prototypes.candidates[0] + len(members) * mean / np.linalg.norm(mean)
    np.testing.assert_allclose(both, mean / np.linalg.norm(mean), atol=1e-5)
    third = cluster(a_night({2: 80, 7: 70}, seed=3)[0], kinds=2, prototypes=after)
    assert {group.name for group in third.groups} - {"outlier"} == {"kind-3", "kind-4"}


@pytest.mark.parametrize("options", [{"kinds": 3}, {"method": "hdbscan"}], ids=["kmeans", "hdbscan"])
def test_a_night_is_counted_once(options: dict[str, Any], tmp_path: Path) -> None:
    first = cluster(a_night({0: 200, 1: 90, 2: 40})[0], **options).prototypes
    night, _ = a_night({0: 50, 1: 150, 7: 60}, seed=2)
    found = cluster(night, prototypes=first, **options)
    assert found.prototypes is not None
    found.prototypes.write(tmp_path / "kinds.json")
    kept = (tmp_path / "kinds.json").read_text()
    before = Prototypes.read(tmp_path / "kinds.json")
    shuffled = np.random.default_rng(3).permutation(len(night))
    for rows in (np.arange(len(night)), shuffled):
        assert before.has_counted(night.rows(rows))
        again = cluster(night.rows(rows), prototypes=before, **options)
        assert again.prototypes is not None
        assert again.prototypes.candidates == found.prototypes.candidates
        assert again.prototypes.nights == found.prototypes.nights == (2, 2, 1, 1)
        assert again.prototypes.counted == found.prototypes.counted
        if rows is not shuffled:
            assert again.kind.tolist() == found.kind.tolist()
            again.prototypes.write(tmp_path / "kinds.json")
            assert (tmp_path / "kinds.json").read_text() == kept
    assert not before.has_counted(night[1:])
    # Other candidates may have the same ids: the numbers of the rows of a file without ids.
    other = a_night({0: 50, 1: 150, 7: 60}, seed=4)[0]
    other.candidate_id = night.candidate_id
    assert not before.has_counted(other)
    # Files of before know no nights: they count one once more.
    entries = json.loads(kept)
    del entries["counted"]
    (tmp_path / "kinds.json").write_text(json.dumps(entries))
    old = cluster(night, prototypes=Prototypes.read(tmp_path / "kinds.json"), **options).prototypes
    assert old is not None
    assert old.nights == (3, 3, 1, 2)
    assert len(old.counted) == 1


def test_equal_vectors_continue_their_kind(tmp_path: Path) -> None:
    night, _ = a_night({0: 40})
    night.vector[:] = night.vector[0]
    first = cluster(night, kinds=1).prototypes
    assert first is not None
    first.write(tmp_path / "kinds.json")
    night.candidate_id += 1000
    assert cluster(night, kinds=1, prototypes=Prototypes.read(tmp_path / "kinds.json")).prototypes.nights == (2,)  # type: ignore[union-attr]


def test_what_is_unlike_all_before(tmp_path: Path) -> None:
    earlier, _ = a_night({0: 300, 1: 300})
    index = s2v.Index.build(earlier, tmp_path / "index")
    night, truth = a_night({0: 100, 1: 100, 9: 12}, seed=2)
    found = cluster(night, kinds=3, earlier=index)
    assert set(np.flatnonzero(truth == 9)) <= set(found.novel.tolist())
    assert len(found.novel) <= 12 + 12
    assert (np.diff(found.novelty[found.novel]) <= 0).all()
    wanted = 1 - index.search(night, 1).likeness[:, 0]
    np.testing.assert_allclose(found.novelty, np.maximum(wanted, 0), atol=1e-6)
    assert 0 < found.novel_above < 0.5
    empty = s2v.Index.build(earlier[:0], tmp_path / "empty")
    assert np.isnan(cluster(night, earlier=empty).novelty).all()
    with pytest.raises(ModelError, match="cannot be compared"):
        cluster(a_night({0: 30}, model="other 2")[0], earlier=index)


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_small_nights(method: Any, n: int) -> None:
    night, _ = a_night({0: n})
    found = cluster(night, method=method)
    assert found.kind.tolist() == ["outlier"] * n
    assert [len(group) for group in found.groups] == [n] * (n > 0)
    # There is no middle to be away from, and nothing earlier.
    assert np.isnan(found.distance).all()
    assert np.isnan([group.distance for group in found.groups]).all()
    assert np.isnan(found.novelty).all()
    night.vector[:] = 0
    assert cluster(night, method=method).kind.tolist() == [None] * n
    same = Vectors(
        np.full((40, SIZE), 7, np.int8), np.zeros(40, np.uint32), np.arange(40).astype(str), np.arange(40), "m"
    )
    assert len(set(cluster(same, method=method).kind.tolist())) == 1


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    night, _ = a_night({0: 30})
    for options, message in (
        ({"method": "dbscan"}, "kmeans or hdbscan"),
        ({"smallest": 1}, "smallest must be at least 2"),
        ({"kinds": 0}, "kinds must be at least 1"),
        ({"kinds": 3, "method": "hdbscan"}, "a number of them is for kmeans"),
    ):
        with pytest.raises(ValueError, match=message):
            cluster(night, **options)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="the prototypes are of vectors by other 2, these are by mine 1"):
        cluster(night, prototypes=Prototypes.none("other 2", SIZE))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else find(name))
    with pytest.raises(ImportError, match="kinds of a night need scikit-learn"):
        cluster(night)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: entries.update(version=2), "of version 2"),
        (lambda entries: entries.update(format="other"), "space2vec cluster writes them"),
        (lambda entries: entries.pop("model"), "missing or wrong"),
        (lambda entries: entries["kinds"][0].pop("nights"), "missing or wrong"),
        (lambda entries: entries.update(counted="monday"), "missing or wrong"),
        (lambda entries: entries.update(counted=[1]), "missing or wrong"),
        (lambda entries: entries["kinds"][0].update(name=""), "missing or wrong"),
        (lambda entries: entries["kinds"][0].update(name="outlier"), "missing or wrong"),
        (lambda entries: entries["kinds"][0].update(candidates=0), "missing or wrong"),
        (lambda entries: entries["kinds"][0].update(centre=[1.0, 2.0]), "missing or wrong"),
        (lambda entries: entries["kinds"][0].update(centre=[0.0] * SIZE), "missing or wrong"),
        (lambda entries: entries["kinds"][0].update(centre="x"), "missing or wrong"),
        (lambda entries: entries["kinds"][1].update(name="kind-1"), "two kinds are named kind-1"),
    ],
)
def test_prototypes_that_are_wrong(change: Any, message: str, tmp_path: Path) -> None:
    found = cluster(a_night({0: 40, 1: 30})[0], kinds=2).prototypes
    assert found is not None
    path = tmp_path / "kinds.json"
    found.write(path)
    again = Prototypes.read(path)
    assert (again.names, again.candidates, again.nights, again.model) == (
        found.names, found.candidates, found.nights, found.model,
    )  # fmt: skip
    np.testing.assert_allclose(again.centres, found.centres, atol=2e-6)
    entries = json.loads(path.read_text())
    change(entries)
    path.write_text(json.dumps(entries))
    with pytest.raises(ReadError, match=message):
        Prototypes.read(path)
    path.write_text("{")
    with pytest.raises(ReadError, match="no prototypes"):
        Prototypes.read(path)


def test_no_prototypes_yet(tmp_path: Path) -> None:
    Prototypes.none("mine 1", SIZE).write(tmp_path / "kinds.json")
    again = Prototypes.read(tmp_path / "kinds.json")
    assert again.names == ()
    assert cluster(a_night({0: 30})[0], prototypes=again).prototypes.names[0] == "kind-1"  # type: ignore[union-attr]
