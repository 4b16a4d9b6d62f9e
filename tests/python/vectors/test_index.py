"""Indexes of vectors: what they find, by a plain transcription; nights that are added; and what is refused."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from space2vec.data.flags import bits
from space2vec.errors import ModelError, OutputError, ReadError
from space2vec.vectors import Vectors, exact
from space2vec.vectors.exact import inverse_norms, nearest
from space2vec.writing.folder import Folder

needs_faiss = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="needs faiss-cpu")


def some_vectors(n: int, seed: int = 1, size: int = 16, kinds: int = 12) -> NDArray[np.int8]:
    """Return vectors that lie around some centres, as those of stamps do."""
    random = np.random.default_rng(99)
    centres = random.normal(0, 40, (kinds, size))
    random = np.random.default_rng(seed)
    return np.clip(np.rint(centres[random.integers(0, kinds, n)] + random.normal(0, 9, (n, size))), -127, 127).astype(
        np.int8
    )


def table(n: int, first: int = 0, model: str = "mine 1", **others: Any) -> Vectors:
    """Return a table of vectors whose candidates are numbered from `first`."""
    ids = others.pop("candidate_id", np.arange(first, first + n))
    objects = np.array([f"o{k // 2}" for k in range(first, first + n)], dtype=object)
    flags = others.pop("flags", np.zeros(n, np.uint32))
    return Vectors(others.pop("vector", some_vectors(n, first + 1)), flags, objects, ids, model, **others)


def plain_search(vectors: NDArray[np.int8], query: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the cosines as their definition says."""
    a, b = vectors.astype(np.int64), query.astype(np.int64)
    return (a @ b) / (np.sqrt((a * a).sum(axis=1)) * np.sqrt((b * b).sum()))


@pytest.mark.parametrize("block", [7, 1 << 13])
def test_exact_search_is_that_of_the_definition(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "BLOCK", block)
    vectors = some_vectors(500)
    vectors[[3, 77]] = 0
    vectors[200] = vectors[100]
    queries = some_vectors(300, seed=8)
    queries[5] = 0
    queries[6] = vectors[200]
    parts = [(part, inverse_norms(part)) for part in (vectors[:123], vectors[123:124], vectors[124:])]
    likeness, rows = nearest(parts, queries, 9)
    for query in (0, 1, 6, 255, 256, 299):
        with np.errstate(invalid="ignore"):
            cosine = np.nan_to_num(plain_search(vectors, queries[query]), nan=-9)
        np.testing.assert_allclose(likeness[query], np.sort(cosine)[::-1][:9], rtol=1e-6)
        np.testing.assert_allclose(cosine[rows[query]], likeness[query], rtol=1e-6)
    assert rows[6, :2].tolist() == [100, 200]  # of equals the first
    assert (rows[5] == -1).all()
    assert np.isnan(likeness[5]).all()
    few = nearest(parts[1:2], queries[:1], 3)
    assert few[1].tolist() == [[0, -1, -1]]
    assert nearest(parts, queries[:0], 3)[1].shape == (0, 3)
    assert nearest([], queries[:1], 2)[1].tolist() == [[-1, -1]]


def test_a_candidate_is_not_its_own_look_alike(tmp_path: Path) -> None:
    vectors = table(60)
    index = s2v.Index.build(vectors, tmp_path / "index")
    found = index.similar(17, k=5)
    cosine = plain_search(vectors.vector, vectors.vector[17])
    cosine[17] = -9
    np.testing.assert_allclose(found.likeness[0], np.sort(cosine)[::-1][:5], rtol=1e-6)
    assert found.candidate_id[0].tolist() == [str(row) for row in found.row[0]]
    assert found.object_id[0].tolist() == [f"o{row // 2}" for row in found.row[0]]
    # Vectors without ids find every candidate, also the one that they are of.
    assert index.search(vectors.vector[17:18], k=1).row.tolist() == [[17]]
    assert index.search(vectors[:3], k=100).row.shape == (3, 100)
    rows = index.search(vectors[:3], k=100).to_arrow()
    assert len(rows) == 3 * 59
    assert rows.column("rank").to_pylist()[:59] == list(range(1, 60))
    assert rows.column("query_id").to_pylist()[59] == "1"


def test_nights_are_added_once(tmp_path: Path) -> None:
    first = table(40, flags=np.where(np.arange(40) == 3, np.uint32(bits(["saturated", "nan_pixels"])), np.uint32(0)))
    index = s2v.Index.build(first, tmp_path / "index")
    bad = table(30, first=30)
    bad.vector[5] = 0
    bad.candidate_id[7] = bad.candidate_id[20]
    bad.candidate_id[[5, 8]] = 99  # the first row of this candidate has no vector, the second has one
    added = index.add(bad)
    assert (added.added, added.without_vector, added.known) == (21, 1, 8)
    assert str(added) == "21 added, 1 without a vector and 8 known already left out"
    assert str(index.add(bad)) == "0 added, 1 without a vector and 29 known already left out"
    again = s2v.Index(tmp_path / "index")
    assert len(again) == len(index) == 61
    held = again.vectors([3, 57, 0])
    assert held.candidate_id.tolist() == [3, 56, 0]
    assert sorted(held.flag_names(0)) == ["nan_pixels", "saturated"]
    assert held.vector.tolist() == [first.vector[3].tolist(), bad.vector[26].tolist(), first.vector[0].tolist()]
    assert held.object_id.tolist() == ["o1", "o28", "o0"]
    assert sorted(file.name for file in (tmp_path / "index").iterdir()) == [
        "index.json", "vectors-000000.arrow", "vectors-000001.arrow",
    ]  # fmt: skip
    assert again.vectors(slice(0, 0)).vector.shape == (0, 16)


def test_ids_of_text_and_numbers_in_one_index(tmp_path: Path) -> None:
    index = s2v.Index.build(table(4), tmp_path / "index")
    names = np.array(["a", None, "2", None], dtype=object)
    assert str(index.add(table(4, first=50, candidate_id=names))) == "3 added, 1 known already left out"
    assert str(index.add(table(2, candidate_id=np.array(["a", "3"], object)))) == "0 added, 2 known already left out"
    assert str(index.add(table(2, candidate_id=np.array([-1, 9])))) == "2 added"
    assert index.find("a") == 4
    assert index.find(2) == index.find("2") == 2
    assert index.find(9) == 8
    for missing in ("b", 77, "-1", "007", 1 << 70):
        with pytest.raises(KeyError, match="no candidate"):
            index.find(missing)
    assert index.vectors([1, 4, 5]).candidate_id.tolist() == ["1", "a", None]
    assert index.similar("a", k=2).query_id.tolist() == ["a"]


def test_vectors_of_another_model(tmp_path: Path) -> None:
    index = s2v.Index.build(table(5), tmp_path / "index")
    with pytest.raises(ModelError, match="by mine 1, these are of 16 by other 2: they cannot be compared"):
        index.add(table(5, model="other 2"))
    with pytest.raises(ModelError, match="cannot be compared"):
        index.search(table(5, model="other 2"))
    with pytest.raises(ModelError, match="of 8 by mine 1"):
        index.add(table(5, vector=some_vectors(5, size=8)))
    with pytest.raises(ValueError, match=r"shape \(m, 16\)"):
        index.search(some_vectors(5, size=8))
    with pytest.raises(TypeError, match="int8"):
        index.search(some_vectors(5).astype(np.float32))
    with pytest.raises(ValueError, match="at least 1; given 0"):
        index.search(table(2), k=0)
    with pytest.raises(ValueError, match="do not name the model"):
        s2v.Index.build(table(5, model=""), tmp_path / "other")
    with pytest.raises(ValueError, match="exact_below"):
        s2v.Index.build(table(5), tmp_path / "other", exact_below=0)
    assert not (tmp_path / "other").exists()


def test_folders_that_are_not_new(tmp_path: Path) -> None:
    s2v.Index.build(table(5), tmp_path / "index")
    with pytest.raises(OutputError, match="holds an index already"):
        s2v.Index.build(table(5), tmp_path / "index")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match="holds other files already"):
        s2v.Index.build(table(5), tmp_path / "papers")
    with pytest.raises(OutputError, match="holds a file already"):
        s2v.Index.build(table(5), tmp_path / "papers" / "thesis.tex")
    for place in (tmp_path / "papers", tmp_path / "nowhere", tmp_path / "papers" / "thesis.tex"):
        with pytest.raises(ReadError, match="no index; space2vec index build makes one"):
            s2v.Index(place)
    folder = Folder(tmp_path / "index")
    with pytest.raises(OutputError, match="in use"):
        s2v.Index(tmp_path / "index").add(table(5, first=5))
    folder.close()
    assert [file.name for file in (tmp_path / "papers").iterdir()] == ["thesis.tex"]


def damage(path: Path, at: int) -> None:
    """Put a file of changed bytes in the place of another one, which stays whole for those who have it mapped."""
    data = bytearray(path.read_bytes())
    data[at : at + 4] = bytes(255 - value for value in data[at : at + 4])
    changed = path.with_name("changed")
    changed.write_bytes(data)
    changed.replace(path)  # faiss reads ahead in threads of its own, and a file cut under it ends the process


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: entries.update(version=2), "an index of version 2; this space2vec reads version 1"),
        (lambda entries: entries.update(format="other"), "is another file"),
        (lambda entries: entries.pop("size"), "lacks an entry"),
        (lambda entries: entries.update(size=True), "lacks an entry"),
        (lambda entries: entries.update(parts={}), "lacks an entry"),
        (lambda entries: entries["parts"][0].update(name="../other"), "lacks an entry"),
        (lambda entries: entries["parts"][0].update(rows=7), "no table of 7 vectors"),
        (lambda entries: entries.update(size=8), "no table of 20 vectors of 8"),
        (lambda entries: entries["parts"][0].update(bytes=7), "has [0-9]+ bytes, not 7"),
    ],
)
def test_contents_that_are_wrong(change: Any, message: str, tmp_path: Path) -> None:
    s2v.Index.build(table(20), tmp_path / "index")
    path = tmp_path / "index" / "index.json"
    entries = json.loads(path.read_text())
    change(entries)
    path.write_text(json.dumps(entries))
    with pytest.raises(ReadError, match=message):
        s2v.Index(tmp_path / "index")


def test_damaged_files(tmp_path: Path) -> None:
    s2v.Index.build(table(20), tmp_path / "index")
    part = tmp_path / "index" / "vectors-000000.arrow"
    whole = part.read_bytes()
    part.write_bytes(whole[:-30])
    with pytest.raises(ReadError, match="damaged index"):
        s2v.Index(tmp_path / "index")
    for at in range(len(whole) - 4, len(whole) - 600, -8):  # the footer, which says where everything is
        part.write_bytes(whole)
        damage(part, at)
        try:
            index = s2v.Index(tmp_path / "index")
        except ReadError:
            continue
        index.similar(index.vectors([0]).candidate_id[0])
    part.unlink()
    with pytest.raises(ReadError, match="is missing"):
        s2v.Index(tmp_path / "index")
    (tmp_path / "index" / "index.json").write_text("{")
    with pytest.raises(ReadError, match=r"index\.json"):
        s2v.Index(tmp_path / "index")


def test_a_killed_writer_leaves_the_index_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = s2v.Index.build(table(20), tmp_path / "index")
    write = Folder.write

    def fail(self: Folder, name: str, data: bytes) -> None:
        if name == "index.json":
            raise OSError("no space")
        write(self, name, data)

    monkeypatch.setattr(Folder, "write", fail)
    with pytest.raises(OSError, match="no space"):
        index.add(table(20, first=20))
    monkeypatch.undo()
    assert len(s2v.Index(tmp_path / "index")) == 20
    assert index.add(table(20, first=20)).added == 20
    assert index.add(table(5, first=60)).added == 5
    names = sorted(file.name for file in (tmp_path / "index").iterdir())
    assert names == ["index.json", *(f"vectors-00000{k}.arrow" for k in range(3))]
    assert len(s2v.Index(tmp_path / "index")) == 45


@needs_faiss
def test_lists_find_what_an_exact_search_finds(tmp_path: Path) -> None:
    night = [table(3000, first=3000 * k) for k in range(3)]
    exact_index = s2v.Index.build(night[0], tmp_path / "exact")
    index = s2v.Index.build(night[0], tmp_path / "index", exact_below=5000)
    assert index.is_exact
    other = s2v.Index(tmp_path / "index")
    for one in night[1:]:
        index.add(one)
        exact_index.add(one)
    assert not index.is_exact
    assert exact_index.is_exact
    names = sorted(file.name for file in (tmp_path / "index").iterdir())
    assert sum(name.startswith("lists-") for name in names) == 1
    queries = table(50, first=20_000)
    wanted, found = exact_index.search(queries, 10), s2v.Index(tmp_path / "index").search(queries, 10)
    shared = [len(set(a) & set(b)) for a, b in zip(wanted.row.tolist(), found.row.tolist(), strict=True)]
    assert np.mean(shared) >= 9.5
    same = found.row == wanted.row
    assert (found.likeness[same] == wanted.likeness[same]).all()
    every = index.search(queries, 10, probes=1 << 20)
    assert (every.likeness == wanted.likeness).mean() > 0.99
    assert len(other.search(queries, 3)) == 50  # opened before the nights were added
    assert index.search(some_vectors(1) * np.int8(0), 3).row.tolist() == [[-1, -1, -1]]
    damage(tmp_path / "index" / next(name for name in names if name.startswith("lists-")), 5000)
    with pytest.raises(ReadError, match="has changed since it was written"):
        s2v.Index(tmp_path / "index").search(queries, 3)


@needs_faiss
def test_lists_are_trained_anew_when_they_are_outgrown(tmp_path: Path) -> None:
    index = s2v.Index.build(table(20), tmp_path / "index", exact_below=20)
    index.add(table(2000, first=20))
    found = index.similar(5, k=3)
    assert found.likeness[0].tolist() == sorted(found.likeness[0], reverse=True)
    wanted = np.sort(plain_search(index.vectors(slice(None)).vector, index.vectors([5]).vector[0]))[::-1][1:4]
    np.testing.assert_allclose(found.likeness[0], wanted, rtol=1e-6)


def test_without_faiss_a_large_index_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "faiss" else find(name))
    index = s2v.Index.build(table(20), tmp_path / "index", exact_below=30)
    with pytest.raises(ImportError, match=r"needs faiss: .*faiss-cpu"):
        index.add(table(20, first=20))
    with pytest.raises(ImportError, match="needs faiss"):
        s2v.Index.build(table(20), tmp_path / "other", exact_below=20)
    assert len(s2v.Index(tmp_path / "index")) == 20
    assert sorted(os.listdir(tmp_path)) == ["index"]
    assert sorted(os.listdir(tmp_path / "index")) == ["index.json", "vectors-000000.arrow"]
