"""Data sets: what is written comes back, what is damaged is told, and splits are by object."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.errors import OutputError, ReadError
from space2vec.training.dataset import LabelledStamps, read_dataset, read_manifest, split, write_dataset


def rows_of(seed: int, n: int = 6) -> LabelledStamps:
    """Return rows of several sizes, one cut at an edge, one without a template, one without any plane."""
    rng = np.random.default_rng(seed)
    planes: list[list[np.ndarray | None]] = [
        list(rng.normal(size=(3, *((63, 63) if k % 2 else (40, 63)))).astype(np.float32)) for k in range(n)
    ]
    planes[1][0][5, 7] = np.nan
    planes[2][1] = None
    planes[4] = [None, None, None]
    centre = np.array([[31, 31] if k % 2 else [8, 31] for k in range(n)])
    stamps = s2v.Stamps(
        planes,
        object_id=[f"object {seed}.{k // 2}" for k in range(n)],
        candidate_id=np.arange(n) + 100 * seed,
        catalogue={"MAG": np.where(np.arange(n) == 3, np.nan, 20.0)},
        centre=centre,
        flags=np.arange(n) % 2,
    )
    teacher = np.where(np.arange(n) == 0, np.nan, 0.25)
    return LabelledStamps(stamps, np.arange(n) % 2, np.where(np.arange(n) % 2, "fake", "bogus"), teacher=teacher)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "data", (rows_of(seed) for seed in (1, 2)), {"seed": 7, "teacher": "none"})
    return tmp_path / "data"


def same(a: s2v.Stamps, b: s2v.Stamps) -> None:
    assert len(a) == len(b)
    for row in range(len(a)):
        for channel in ("science", "template", "difference"):
            np.testing.assert_array_equal(a.plane(row, channel), b.plane(row, channel))
    for name in ("object_id", "candidate_id", "centre", "flags"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert a.catalogue.keys() == b.catalogue.keys()
    for name, values in a.catalogue.items():
        np.testing.assert_array_equal(values, b.catalogue[name])
    assert a.saturation == b.saturation


def test_what_is_written_comes_back(folder: Path) -> None:
    whole, back = LabelledStamps.concatenate([rows_of(1), rows_of(2)]), read_dataset(folder)
    same(whole.stamps, back.stamps)
    for name in ("label", "kind", "weight", "teacher", "group"):
        expected, got = getattr(whole, name), getattr(back, name)
        np.testing.assert_array_equal(got, expected)
        assert got.dtype.kind == expected.dtype.kind


def test_the_manifest_says_what_is_in_it(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert {key: manifest[key] for key in ("rows", "real", "bogus", "objects", "kinds")} == {
        "rows": 12, "real": 6, "bogus": 6, "objects": 6, "kinds": {"bogus": 6, "fake": 6},
    }  # fmt: skip
    assert manifest["about"] == {"seed": 7, "teacher": "none"}
    assert manifest["library"] == s2v.__version__
    assert [part["rows"] for part in manifest["parts"]] == [6, 6]
    for part in manifest["parts"]:
        for what in ("stamps", "truth"):
            data = (folder / part[what]["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == part[what]["sha256"]


def test_the_same_rows_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    write_dataset(again, (rows_of(seed) for seed in (1, 2)), {"seed": 7, "teacher": "none"})
    for file in folder.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes()


def test_large_items_become_several_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("space2vec.training.dataset._PART_ROWS", 4)
    manifest = write_dataset(tmp_path / "data", [rows_of(3)], {})
    assert [part["rows"] for part in manifest["parts"]] == [4, 2]
    same(read_dataset(tmp_path / "data").stamps, rows_of(3).stamps)


def test_saturation_and_ids_that_are_texts_survive(tmp_path: Path) -> None:
    ids = np.array(["a", None], dtype=object)
    stamps = s2v.Stamps(np.ones((2, 1, 5, 4)), channels=["difference"], candidate_id=ids, saturation=4e4)
    write_dataset(tmp_path / "data", [LabelledStamps(stamps, [0, 1], ["a", "b"])], {})
    same(read_dataset(tmp_path / "data").stamps, stamps)


def test_the_stamps_are_read_as_any_others_are(folder: Path) -> None:
    whole, read = LabelledStamps.concatenate([rows_of(1), rows_of(2)]).stamps, s2v.read(folder)
    assert isinstance(read, s2v.Stamps)
    assert read.candidate_id.tolist() == whole.candidate_id.tolist()
    assert read.object_id.tolist() == whole.object_id.tolist()
    np.testing.assert_array_equal(read.catalogue["MAG"], whole.catalogue["MAG"])
    # Every candidate is on the middle pixel, NaN around what was cut.
    for row in (0, 1):
        y, x = read.centre[row]
        centre, plane = whole.centre[row], whole.plane(row, "science")
        top, left = y - centre[0], x - centre[1]
        frame = read.plane(row, "science")
        np.testing.assert_array_equal(frame[top : top + plane.shape[0], left : left + plane.shape[1]], plane)
        assert np.isfinite(frame).sum() == np.isfinite(plane).sum()


def test_the_truth_is_a_table_of_labels(folder: Path) -> None:
    from space2vec.reading import read_labels

    labels = read_labels(folder / "part_00001.parquet")
    np.testing.assert_array_equal(labels.real, rows_of(2).label)
    np.testing.assert_array_equal(labels.candidate_id, rows_of(2).stamps.candidate_id)


def test_a_folder_in_use_is_refused(folder: Path) -> None:
    with pytest.raises(OutputError, match="not empty"):
        write_dataset(folder, [rows_of(1)], {})


def test_no_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no rows"):
        write_dataset(tmp_path / "data", [], {})
    with pytest.raises(ReadError, match="no data set"):
        read_dataset(tmp_path / "data")


def test_what_was_not_finished_is_no_data_set(tmp_path: Path) -> None:
    def broken():
        yield rows_of(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "data", broken(), {})
    assert (tmp_path / "data" / "part_00000.npz").is_file()
    with pytest.raises(ReadError, match="written last"):
        read_dataset(tmp_path / "data")


def edited(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "format version 2; this library reads 1"),
        ({"format": "other"}, "not that of a data set"),
        ({"parts": []}, "empty"),
        ({"parts": [{"rows": 1}]}, "does not say where the stamps"),
        ({"rows": 13}, "has 12 rows; its manifest says 13"),
    ],
)
def test_a_foreign_manifest_is_told(folder: Path, changes: dict[str, object], message: str) -> None:
    edited(folder, **changes)
    with pytest.raises(ReadError, match=message):
        read_dataset(folder)


def test_damage_is_told(folder: Path, tmp_path: Path) -> None:
    lost = shutil.copytree(folder, tmp_path / "lost")
    (lost / "part_00001.npz").unlink()
    with pytest.raises(ReadError, match=r"part_00001\.npz is missing"):
        read_dataset(lost)
    data = bytearray((folder / "part_00000.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "part_00000.npz").write_bytes(data)
    with pytest.raises(ReadError, match=r"part_00000\.npz is damaged: its SHA-256"):
        read_dataset(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ReadError, match="no JSON"):
        read_dataset(folder)


def replaced(folder: Path, name: str, data: bytes, what: str) -> None:
    """Replace a file of the first part, its digest too."""
    (folder / name).write_bytes(data)
    parts = json.loads((folder / "manifest.json").read_text())["parts"]
    parts[0][what]["sha256"] = hashlib.sha256(data).hexdigest()
    edited(folder, parts=parts)


def test_files_that_are_not_ours_are_told(folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(folder / "part_00000.parquet")
    pq.write_table(table.drop_columns(["teacher"]), tmp_path / "truth.parquet")
    replaced(folder, "part_00000.parquet", (tmp_path / "truth.parquet").read_bytes(), "truth")
    with pytest.raises(ReadError, match="lacks the column teacher"):
        read_dataset(folder)
    pq.write_table(table.slice(1), tmp_path / "truth.parquet")
    replaced(folder, "part_00000.parquet", (tmp_path / "truth.parquet").read_bytes(), "truth")
    with pytest.raises(ReadError, match=r"does not fit part_00000\.npz"):
        read_dataset(folder)
    np.savez(tmp_path / "stamps.npz", science=np.ones((6, 3, 3)))
    replaced(folder, "part_00000.npz", (tmp_path / "stamps.npz").read_bytes(), "stamps")
    with pytest.raises(ReadError, match="lacks object_id"):
        read_dataset(folder)
    replaced(folder, "part_00000.npz", b"no archive", "stamps")
    with pytest.raises(ReadError, match="no NumPy archive"):
        read_dataset(folder)
    replaced(folder, "part_00000.parquet", b"no table", "truth")
    with pytest.raises(ReadError, match="no Parquet file"):
        read_dataset(folder)


def test_labels_and_lengths_are_checked() -> None:
    stamps = s2v.Stamps(np.ones((2, 3, 5, 5)))
    with pytest.raises(ValueError, match="1 for real and 0 for bogus"):
        LabelledStamps(stamps, [0.0, 0.5], ["a", "b"])
    with pytest.raises(ValueError, match="weight must have one value for each of 2"):
        LabelledStamps(stamps, [0, 1], ["a", "b"], weight=[1.0])


def test_rows_are_selected_together() -> None:
    rows = rows_of(1)
    for chosen in (slice(2, 4), [2, 3], np.array([False, False, True, True, False, False])):
        part = rows[chosen]
        assert part.group.tolist() == part.stamps.object_id.tolist() == ["object 1.1", "object 1.1"]
        assert part.label.tolist() == [0, 1]


def test_split_is_by_object_and_stays() -> None:
    rng = np.random.default_rng(0)
    group = np.array([f"ZTF{k:05d}" for k in rng.integers(0, 2000, 5000)])
    sides = split(group, (0.7, 0.1, 0.2), seed=3)
    assert sorted(np.concatenate(sides).tolist()) == list(range(5000))
    names = [set(group[side]) for side in sides]
    assert not names[0] & names[1]
    assert not names[0] & names[2]
    assert not names[1] & names[2]
    for found, share in zip(names, (0.7, 0.1, 0.2), strict=True):
        assert len(found) / len(set(group)) == pytest.approx(share, abs=0.04)
    # More rows, in another order: every object stays on its side.
    more = np.concatenate([[f"other{k}" for k in range(500)], group[::-1]])
    for found, side in zip(names, split(more, (0.7, 0.1, 0.2), seed=3), strict=True):
        assert {name for name in more[side].tolist() if name.startswith("ZTF")} == found
    assert [side.tolist() for side in split(group, (0.7, 0.1, 0.2), seed=4)] != [side.tolist() for side in sides]


def test_split_may_leave_rows_out() -> None:
    (some,) = split([f"{k}" for k in range(1000)], [0.3])
    assert 240 < len(some) < 360
    for shares in ([], [0.6, 0.6], [-0.1]):
        with pytest.raises(ValueError, match="shares"):
            split(["a"], shares)
