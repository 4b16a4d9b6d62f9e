"""Labels of one's own: joined by candidate, by file or by row, contradictions, repeats and strangers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.own_pixels import without_other_pixels
from space2vec.errors import ReadError
from space2vec.training.labels import LabelTable, label_stamps


def write(path: Path, head: str, *lines: str) -> Path:
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def test_words_and_numbers_are_labels_and_repeats_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", "candid,label", "1,real", "2,Bogus", "3,1", "4,FALSE", "5,", "1,1", "9,0")
    table = LabelTable(path)
    assert table.by == "candidate"
    found = table.of(np.array([4, 1, 7, 3]), [""] * 4)
    np.testing.assert_array_equal(found, np.float32([0, 1, np.nan, 1]))
    np.testing.assert_array_equal(table.of(np.array([5, 2]), [""] * 2), np.float32([np.nan, 0]))
    assert table.notes() == [
        f"1 labels of {path} name no row of the inputs",
        f"1 rows of {path} repeat the label of an earlier row",
    ]


def test_words_of_object_type_are_no_labels(tmp_path: Path) -> None:
    """There 0 is real: a word would be understood as its opposite."""
    path = write(tmp_path / "l.csv", "ID,OBJECT_TYPE", "1,real", "2,0")
    with pytest.raises(ReadError, match="real"):
        LabelTable(write(tmp_path / "m.csv", "ID,OBJECT_TYPE", "1,real", "2,bogus"))
    problems: list[s2v.reading.Problem] = []
    np.testing.assert_array_equal(LabelTable(path, problems).of(np.array([1, 2]), ["", ""]), np.float32([np.nan, 1]))
    assert len(problems) == 1


def test_contradictions_are_refused_with_their_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", "ID,label", "1,1", "1,0", "2,0", "2,1", "3,1", "3,1")
    with pytest.raises(ReadError, match=r"l\.csv: 2 candidates are labelled both real and bogus: 1, 2$"):
        LabelTable(path)


def test_a_candidate_that_occurs_twice_is_refused_across_batches(tmp_path: Path) -> None:
    table = LabelTable(write(tmp_path / "l.csv", "ID,label", "1,1", "2,0"))
    table.of(np.array([1, 8]), ["a.avro", "a.avro"])
    table.of(np.array([8, 2]), ["b.avro", "b.avro"])
    with pytest.raises(ReadError, match=r"the inputs: candidate 2 occurs more than once \(b.avro, c.avro\)"):
        table.of(np.array([2]), ["c.avro"])


def test_paths_are_those_of_this_folder_or_of_the_table_or_names_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "night").mkdir()
    for name in ("a", "b"):
        (tmp_path / "night" / f"{name}.avro").touch()
    paths = [str(tmp_path / "night" / f"{name}.avro") for name in "ab"]
    ids = np.array([1, 2])
    monkeypatch.chdir(tmp_path / "night")
    relative = write(tmp_path / "l.csv", "path,label", "night/a.avro,real", "night/c.avro,bogus")
    for table in (LabelTable(relative), LabelTable(write(Path("m.csv"), "file,label", "../night/a.avro,1"))):
        np.testing.assert_array_equal(table.of(ids, paths), np.float32([1, np.nan]))
    np.testing.assert_array_equal(LabelTable(relative).of(ids, ["a.avro", "./b.avro"]), np.float32([1, np.nan]))
    named = LabelTable(write(tmp_path / "n.csv", "filename,label", "b.avro,bogus"))
    assert named.by == "path"
    np.testing.assert_array_equal(named.of(np.arange(3), [*paths, paths[1]]), np.float32([np.nan, 0, 0]))
    with pytest.raises(ReadError, match=r"a file b.avro occurs more than once \(.*night/b.avro, other/b.avro\)"):
        named.of(ids[:1], ["other/b.avro"])
    assert "do the paths of" in named.needed(ids, paths)


def test_stamps_in_memory_get_their_labels(tmp_path: Path) -> None:
    night = s2v.simulate(12, seed=1).stamps
    ids = night.candidate_id.tolist()
    path = write(tmp_path / "l.csv", "candidate_id,label", f"{ids[7]},real", f"{ids[2]},bogus")
    rows = label_stamps(night, path)
    assert rows.stamps.candidate_id.tolist() == [ids[2], ids[7]]
    assert rows.label.tolist() == [0, 1]
    with pytest.raises(ReadError, match=f"no stamp has a label.*look like {ids[0]}, {ids[1]}"):
        label_stamps(night, write(tmp_path / "m.csv", "candidate_id,label", "1,1", "2,0"))
    with pytest.raises(ReadError, match=r"has no ids of candidates.*or a column path"):
        label_stamps(night, write(tmp_path / "n.csv", "label", "1", "0"))
    with pytest.raises(ReadError, match="it needs a column candidate_id"):
        label_stamps(night, write(tmp_path / "o.csv", "path,label", "a.avro,1", "b.avro,0"))


def test_selected_stamps_keep_their_own_pixels_alone() -> None:
    night = s2v.simulate(10, seed=1).stamps
    chosen = night[[7, 2]]
    own = without_other_pixels(chosen)
    assert own.buffer.size == sum(own.plane(r, c).size for r in range(2) for c in own.channels)  # type: ignore[union-attr]
    assert night.buffer.size > 4 * own.buffer.size
    for row in range(2):
        for channel in night.channels:
            np.testing.assert_array_equal(own.plane(row, channel), chosen.plane(row, channel))
    assert own.candidate_id.tolist() == chosen.candidate_id.tolist()
    model = s2v.load("stampnet")
    assert model.score(own).score.tobytes() == model.score(chosen).score.tobytes()
    assert without_other_pixels(own) is own
