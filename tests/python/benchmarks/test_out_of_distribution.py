"""Tests for stamps that a model does not know: the changed stamps, the numbers of planes, and the measurement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from benchmarks.accuracy.strange_sets import PLANE_NUMBERS, changed_sets, plane_numbers
from space2vec.data import flags
from space2vec.data.channels import CHANNELS
from space2vec.data.labelled_stamps import LabelledStamps


@pytest.fixture(scope="module")
def rows() -> LabelledStamps:
    night = s2v.simulate(60, seed=12)
    whole = np.flatnonzero((night.stamps.shape == 63).all(axis=(1, 2)))
    return LabelledStamps(night.stamps[whole], night.labels[whole], night.kinds[whole])


def test_every_change_keeps_labels_and_places_and_changes_the_planes(rows: LabelledStamps) -> None:
    names = []
    for name, changed in changed_sets(rows):
        names.append(name)
        assert np.array_equal(changed.label, rows.label)
        assert np.array_equal(changed.stamps.centre, rows.stamps.centre)
        differs = [
            any(
                not np.array_equal(changed.stamps.plane(row, c), rows.stamps.plane(row, c), equal_nan=True)
                for c in CHANNELS
            )
            for row in range(len(rows))
        ]
        assert np.mean(differs) > 0.9, name
    assert len(set(names)) == len(names) >= 8


def test_flags_tell_planes_that_were_normalised_and_cores_that_are_missing(rows: LabelledStamps) -> None:
    sets = {name: s2v.features(changed.stamps).flags for name, changed in changed_sets(rows)}

    def share(flag: str, raised: NDArray[np.uint32]) -> float:
        return float((raised & np.uint32(flags.bits(flag)) != 0).mean())

    assert flags.familiar(s2v.features(rows.stamps).flags).mean() > 0.95
    for name in ("planes from 0 to 1", "planes of bytes", "z-scores", "planes divided by their l2 norm"):
        assert share("no_flux_scale", sets[name]) > 0.9, name
    assert share("no_flux_scale", sets["difference is the science plane"]) == 1.0
    assert share("masked_core", sets["core of NaN"]) == 1.0
    assert share("masked_core", sets["core of NaN in the difference"]) == 1.0
    assert share("masked_core", sets["core of NaN in the template"]) < 0.05


def test_plane_numbers_are_those_of_their_names() -> None:
    rng = np.random.default_rng(1)
    template = rng.normal(100.0, 3.0, (63, 63))
    science = rng.normal(100.0, 4.0, (63, 63))
    stamps = s2v.Stamps(np.stack([science, template, science - template])[None].astype(np.float32))
    found = dict(zip(PLANE_NUMBERS, plane_numbers(stamps)[0].tolist(), strict=True))
    assert found["log noise of difference by science"] == pytest.approx(np.log(5 / 4), abs=0.1)
    assert found["log noise of template by science"] == pytest.approx(np.log(3 / 4), abs=0.1)
    assert found["correlation of difference and science"] == pytest.approx(0.8, abs=0.05)
    assert found["correlation of difference and template"] == pytest.approx(-0.6, abs=0.07)
    assert found["missing"] == 0.0
    assert np.isnan(plane_numbers(s2v.Stamps([[None, None, science.astype(np.float32)]]))).all()


def test_the_script_measures_each_test_on_each_set(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    if not (data / "ztf" / "more").is_dir():
        pytest.skip("real data missing: ztf/more")
    from benchmarks.accuracy import out_of_distribution

    out = tmp_path / "o.json"
    arguments = ["--data", str(data), "--simulated", "30", "--changed", "60", "--json", str(out)]
    assert out_of_distribution.main(arguments) == 0
    record = json.loads(out.read_text())["results"]
    assert len(record) == 21
    assert record["planes from 0 to 1"]["tests"]["flags"]["flagged"] == 1.0
    assert record["core of NaN"]["raised"]["masked_core"] > 0.9
    assert record["all real alerts"]["raised"] == {"masked_core": 0.0, "no_flux_scale": 0.0}
    assert all(found["flagged"] <= 0.0101 for found in record["usual"]["tests"].values())
