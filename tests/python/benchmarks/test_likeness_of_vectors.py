"""The benchmark of vectors: what it changes and measures, and that its page is what its results say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import space2vec as s2v

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from benchmarks.accuracy import vector_pictures, vectors
from space2vec.studies.packaged.vectors import USUAL_KINDS

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def script(docs_script: Callable[[str], ModuleType]) -> ModuleType:
    return docs_script("likeness")


def test_the_page_is_up_to_date_and_shows_every_kind(script: ModuleType) -> None:
    record = json.loads(script.RESULTS.read_text(encoding="utf-8"))
    text = script.page(record)
    assert (DOCS / "likeness.md").read_text(encoding="utf-8") == text, "docs/likeness.md is stale: make pages"
    for kind in USUAL_KINDS:
        assert f"\n| {kind.replace('_', ' ')} | " in text
    for picture in ("look_alikes_real.png", "look_alikes_simulated.png"):
        assert f"(accuracy/{picture})" in text
        assert (DOCS / "accuracy" / picture).is_file()
    assert record["model"] == s2v.load("vectornet").id


def test_the_best_description_is_bold_whichever_it_is(script: ModuleType) -> None:
    record: dict[str, Any] = json.loads(script.RESULTS.read_text(encoding="utf-8"))
    record["kinds"]["ztf"]["pixels"]["mean"] = 0.999
    line = next(line for line in script.page(record).splitlines() if line.endswith("| **0.999** |"))
    assert line.count("**") == 2
    assert "of ZTF" in line
    record.pop("left out", None)
    assert "## Kinds that were not learned" not in script.page(record)


def test_a_changed_stamp_keeps_its_candidate() -> None:
    stamps = s2v.simulate(12, survey="des", seed=4).stamps
    for turns, mirrored in ((1, False), (2, True), (3, True)):
        other = vectors._changed(stamps, turns, mirrored, (0, 0))
        for row in range(12):
            before, after = stamps.plane(row, "science"), other.plane(row, "science")
            y, x = stamps.centre[row]
            assert before[y, x] == after[tuple(other.centre[row])]
            assert not np.array_equal(before, after)
            assert sorted(before.ravel()) == sorted(after.ravel())
    shifted = vectors._changed(stamps, 0, False, (2, -1))
    np.testing.assert_array_equal(shifted.centre - stamps.centre, np.tile([2, -1], (12, 1)))


def test_clusters_are_measured_against_kinds() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.array(USUAL_KINDS), 10)
    told = np.eye(18)[np.repeat(np.arange(18), 10)].astype(np.float32)
    noise = rng.normal(size=(180, 18)).astype(np.float32)
    found = vectors._clusters({"vectors": told, "features": noise, "pixels": noise}, kinds)
    assert found["vectors"] == {"adjusted Rand index": 1.0, "purity": 1.0}
    assert found["features"]["purity"] < 0.6


def test_look_alikes_are_of_other_objects() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(40, 4)).astype(np.float32)
    objects = np.repeat(np.arange(20), 2).astype(np.str_)
    for row, alike in enumerate(vector_pictures.other_objects(values, objects, 5)):
        names = objects[alike].tolist()
        assert len(set(names)) == len(names)
        assert objects[row] not in names


def test_pictures_of_stamps_at_the_border_and_with_fillers_are_drawn(tmp_path: Path) -> None:
    from space2vec.data.labelled_stamps import LabelledStamps

    pytest.importorskip("matplotlib")
    night = s2v.simulate(6, seed=2)
    planes = [[night.stamps.plane(row, name).copy() for name in night.stamps.channels] for row in range(6)]
    planes[1][1][:] = -3.4e38
    planes[2][0][:] = np.nan
    rows = LabelledStamps(s2v.Stamps(planes, centre=np.full((6, 2), 3)), night.labels, night.kinds)
    vector_pictures.draw(rows, [[0, 1, 2], [3, 4, 5]], tmp_path / "picture.png", titles=True)
    assert (tmp_path / "picture.png").stat().st_size > 5000
