"""What packaged networks learn from: labels and weights by knowledge, hard kinds, and folds that are resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import Stamps
from space2vec.errors import ReadError
from space2vec.studies.object_folds import object_folds
from space2vec.studies.packaged import alerts
from space2vec.studies.packaged.learning import HARD_KINDS, HARDENED, MODERATE, PACKAGED, RECIPES, TODAY
from space2vec.training.augment import Augmentation


def by_brightness(stamps: Stamps) -> np.ndarray:
    """Score stamps as a teacher would that knows nothing."""
    values = [float(np.nan_to_num(stamps.plane(row, "difference")).max()) for row in range(len(stamps))]
    return np.array([v / (v + 60.0) if v > 0.0 else 0.0 for v in values], np.float32)


def objects(rows: LabelledStamps) -> set[str]:
    """Return the objects of alerts and of what was made of them; simulated ones are drawn by other seeds."""
    return {name for name in rows.group.tolist() if not name.startswith("simulated")}


@pytest.fixture(scope="module")
def some() -> LabelledStamps:
    """Simulated alerts that stand for real ones: every fifth object is known to be real."""
    night = s2v.simulate(60, seed=11)
    teacher = np.where(night.labels == 1, 0.95, 0.05).astype(np.float32)
    teacher[::5], teacher[1::5] = 0.02, 0.5
    kind = np.where(np.arange(60) % 5 == 0, alerts.KNOWN_REAL, "alert")
    label = np.where(kind == alerts.KNOWN_REAL, 1, teacher > 0.5).astype(np.int8)
    return LabelledStamps(night.stamps, label, kind, teacher=teacher)


def test_the_packaged_recipe_learns_from_the_teacher_alone(some: LabelledStamps) -> None:
    rows = TODAY.rows(some, by_brightness, share=0.003)
    for part in rows:
        alert = np.isin(part.kind, ("alert", alerts.KNOWN_REAL))
        assert np.array_equal(part.label[alert], part.teacher[alert] > 0.5)
        assert (part.weight == 1.0).all()
        assert np.isfinite(part.teacher[part.kind == "variant"]).all()
        assert not np.isin(part.kind, HARD_KINDS).any()
    assert not objects(rows.training) & objects(rows.validation)
    assert TODAY.augmentation == Augmentation()


def test_knowledge_goes_before_the_teacher_and_doubt_counts_for_less(some: LabelledStamps) -> None:
    rows = HARDENED.rows(some, by_brightness, share=0.01)
    known_objects = set(some.group[some.kind == alerts.KNOWN_REAL].tolist())
    for part in rows:
        known = part.kind == alerts.KNOWN_REAL
        assert (part.label[known] == 1).all()
        assert np.isnan(part.teacher[known]).all(), "the label is the target"
        assert (part.weight[known] == 1.0).all()
        doubtful = (part.teacher >= 0.1) & (part.teacher <= 0.9)
        variant = part.kind == "variant"
        lost = variant & np.isin(part.group, sorted(known_objects)) & (part.teacher < 0.5)
        np.testing.assert_array_equal(part.weight == 0.0, lost)
        np.testing.assert_allclose(part.weight[doubtful & ~lost], alerts.DOUBTED)
        assert (part.weight[~doubtful & ~lost] == 1.0).all()
    assert (rows.training.kind == alerts.KNOWN_REAL).any()
    assert (rows.training.weight == 0.0).any()
    assert not objects(rows.training) & objects(rows.validation)


def test_hard_kinds_are_the_share_of_the_bogus_that_is_asked_for() -> None:
    kinds = HARDENED.kinds()
    assert kinds is not None
    bogus = {name: weight for name, weight in kinds.items() if not s2v.simulation.KINDS[name]}
    assert sum(bogus[name] for name in HARD_KINDS) / sum(bogus.values()) == pytest.approx(HARDENED.hard)
    assert set(HARD_KINDS) == {"crowded", "striped", "saturated_core", "ghost_spot"}
    night = s2v.simulate(80, seed=1, kinds=kinds)
    assert 0.15 < np.isin(night.kinds[night.labels == 0], HARD_KINDS).mean() < 0.55
    assert TODAY.kinds() is None
    assert set(RECIPES) == {"today", "hardened", "moderate"}
    assert PACKAGED is MODERATE


def test_a_fold_is_trained_once_and_resumed(some: LabelledStamps, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from space2vec.studies.packaged.cross_validation import train_fold

    seen: list[dict[str, float]] = []
    how = {"fold": 2, "epochs": 1, "share": 0.003, "threads": 1, "progress": seen.append}
    network = train_fold(HARDENED, some, by_brightness, tmp_path, **how)  # type: ignore[arg-type]
    assert [len(seen), len(network.feature_names) < len(s2v.registry.FEATURE_SETS["stamp"])] == [2, True]
    assert "folds other than 2" in network.header.training["data"]
    assert network.header.training["augmentation"]["masks"] == HARDENED.augmentation.masks
    expected = network.score(some.stamps).score
    (tmp_path / "fold_2.safetensors").unlink()
    again = train_fold(HARDENED, some, by_brightness, tmp_path, **how)  # type: ignore[arg-type]
    assert len(seen) == 2, "both networks are kept in their runs"
    np.testing.assert_array_equal(again.score(some.stamps).score, expected)
    third = train_fold(HARDENED, some[:0], by_brightness, tmp_path, **how)  # type: ignore[arg-type]
    np.testing.assert_array_equal(third.score(some.stamps).score, expected)


def test_known_objects_are_read_from_the_table(tmp_path: Path) -> None:
    (tmp_path / "ztf").mkdir()
    with pytest.raises(ReadError, match="no such file"):
        alerts.known_real_objects(tmp_path)
    (tmp_path / "ztf" / "real_objects.csv").write_text("objectId,source,class\nZTF17a,alerce,\nZTF18b,sedm,SN Ia\n")
    assert alerts.known_real_objects(tmp_path) == {"ZTF17a", "ZTF18b"}


def test_all_real_alerts_are_read_once_with_what_is_known(data: Path) -> None:
    if not (data / "ztf" / "more").is_dir():
        pytest.skip("real data missing: ztf/more")
    rows = alerts.all_alerts(data)
    ids = rows.stamps.candidate_id.astype(str)
    assert len(set(ids.tolist())) == len(ids) > 1100
    known = rows.kind == alerts.KNOWN_REAL
    assert known.sum() > 100
    assert (rows.label[known] == 1).all()
    assert np.array_equal(rows.label[~known], rows.teacher[~known] > 0.5)
    folds = np.bincount(object_folds(rows.group), minlength=5)
    assert folds.min() > 150
