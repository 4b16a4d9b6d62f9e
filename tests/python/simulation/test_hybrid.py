"""Hybrid data: fakes in real stamps, consistent between the planes, and alike to the bogus in all but the candidate."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors import ReadError
from space2vec.simulation import Night, simulate, write_packets
from space2vec.simulation.hybrid import hybrid
from space2vec.simulation.psf import Psf
from space2vec.simulation.residuals import mine_bogus
from space2vec.simulation.triplet import Triplet, measure_triplet
from space2vec.training.teacher import add_teacher_scores, read_labelled_alerts

CHANNELS = ("science", "template", "difference")


@pytest.fixture(scope="module")
def night() -> Night:
    return simulate(160, seed=11)


@pytest.fixture(scope="module")
def alerts(night: Night) -> LabelledStamps:
    return LabelledStamps(night.stamps, night.labels, night.kinds)


@pytest.fixture(scope="module")
def hybrids(alerts: LabelledStamps) -> LabelledStamps:
    return hybrid(alerts, 240, seed=2)


def triplets(night: Night) -> list[tuple[int, Triplet]]:
    found = ((row, measure_triplet(night.stamps, row)) for row in range(len(night)))
    return [(row, triplet) for row, triplet in found if triplet is not None]


def smooth(plane: np.ndarray) -> np.ndarray:
    padded = np.pad(np.nan_to_num(plane), 1)
    return sum(padded[y : y + plane.shape[0], x : x + plane.shape[1]] for y in range(3) for x in range(3))


def snr_at(triplet: Triplet, place: tuple[float, float], psf: Psf) -> float:
    profile = psf.image(place[1], place[0], *triplet.science.shape)
    return float(np.nansum(triplet.change * profile) / np.sqrt((profile**2).sum()) / triplet.noise)


# Triplets


def test_the_sign_of_the_difference_is_found(night: Night) -> None:
    signs = [(t.sign, 1.0 if night.records[row]["isdiffpos"] in ("t", "1") else -1.0) for row, t in triplets(night)]
    assert {true for _, true in signs} == {1.0, -1.0}
    assert np.mean([found == true for found, true in signs]) > 0.97


def test_width_and_noise_are_those_of_the_exposure(night: Night) -> None:
    held = [t for _, t in triplets(night) if np.isfinite(t.fwhm)]
    assert len(held) > 40
    assert 1.7 < np.median([t.fwhm for t in held]) < 2.9
    corner = [np.nanstd(t.difference[:8, :8]) / t.noise for t in held]
    assert 0.8 < np.median(corner) < 1.3


def test_light_goes_into_science_and_difference_alike(night: Night) -> None:
    rng = np.random.default_rng(0)
    row, triplet = next((row, t) for row, t in triplets(night) if t.sign < 0 and np.isfinite(t.change).all())
    lit = triplet.with_source(Psf.moffat(2.2, 3.5), (20.3, 33.6), 5000.0, rng)
    np.testing.assert_allclose(lit.science - triplet.science, triplet.difference - lit.difference, atol=1e-6)
    assert (lit.science - triplet.science).sum() == pytest.approx(5000.0, rel=0.05)
    np.testing.assert_array_equal(lit.template, triplet.template)
    lost = triplet.with_vanished_source(Psf.moffat(2.2, 3.5), Psf.moffat(1.9, 3.5), (20.3, 33.6), 5000.0)
    assert (lost.template - triplet.template).sum() == pytest.approx(5000.0, rel=0.05)
    assert (lost.change - triplet.change).sum() == pytest.approx(-5000.0, rel=0.05)
    np.testing.assert_array_equal(lost.science, triplet.science)
    turned = lit.with_sign(1.0)
    np.testing.assert_array_equal(turned.change, lit.change)
    np.testing.assert_array_equal(turned.difference, -lit.difference)
    assert night.stamps.plane(row, "science") is not None


def test_what_is_cleaned_is_gone_and_leaves_noise(night: Night) -> None:
    rng = np.random.default_rng(1)
    psf = Psf.moffat(2.2, 3.5)
    inside, before, after = [], [], []
    for row, triplet in triplets(night):
        if not night.labels[row] or night.kinds[row] == "variable":
            continue
        clean = triplet.without_change(triplet.centre, triplet.radius, rng)
        before.append(snr_at(triplet, triplet.centre, psf))
        after.append(snr_at(clean, triplet.centre, psf))
        y, x = triplet.centre
        inside.append(np.nanstd(clean.difference[y - 3 : y + 4, x - 3 : x + 4]) / triplet.noise)
        # Missing pixels stay missing, and nothing changes far off.
        np.testing.assert_array_equal(np.isnan(clean.difference), np.isnan(triplet.difference))
        np.testing.assert_array_equal(
            clean.science[y + triplet.radius + 2 :], triplet.science[y + triplet.radius + 2 :]
        )
    assert len(before) > 20
    assert np.median(np.abs(before)) > 10.0
    assert np.median(np.abs(after)) < 2.0
    assert 0.85 < np.median(inside) < 1.25


def test_moves_crops_and_symmetries_keep_the_candidate(night: Night) -> None:
    _, triplet = next((row, t) for row, t in triplets(night) if t.science.shape == (63, 63))
    y, x = triplet.centre
    moved, kept, less = triplet.recentred((5, -9)), triplet.with_recentred_border((5, -9)), triplet.cropped((5, -9))
    assert moved.centre == kept.centre == triplet.centre
    assert moved.science[moved.centre] == triplet.science[y + 5, x - 9]
    assert kept.science[kept.centre] == less.science[less.centre] == triplet.science[y, x]
    # Nothing is lost where the rest fills, and only the border is touched of what stays.
    np.testing.assert_array_equal(np.sort(moved.science.ravel()), np.sort(triplet.science.ravel()))
    np.testing.assert_array_equal(kept.science[:58, 9:], triplet.science[:58, 9:])
    np.testing.assert_array_equal(kept.science[58:], triplet.science[4::-1, ::-1])
    np.testing.assert_array_equal(less.science, triplet.science[:58, 9:])
    for symmetry in range(8):
        planes, centre = less.oriented(symmetry)
        assert planes[0][centre] == np.float32(triplet.science[y, x])


def test_stamps_that_cannot_be_changed_are_left_out() -> None:
    plane = np.random.default_rng(0).normal(size=(40, 40))
    none = np.full((40, 40), np.nan)
    stamps = s2v.Stamps(
        [[plane, None, plane], [plane, plane, none], [plane, plane, np.zeros((40, 40))], [plane[:9, :9]] * 3]
    )
    assert [measure_triplet(stamps, row) for row in range(4)] == [None] * 4
    with pytest.raises(ValueError, match="none of the 4 alerts is a bogus"):
        hybrid(LabelledStamps(stamps, [0] * 4, ["bogus"] * 4), 2)


# The rows


def test_rows_repeat_and_can_be_made_in_pieces(alerts: LabelledStamps, hybrids: LabelledStamps) -> None:
    parts = LabelledStamps.concatenate([hybrid(alerts, 15, seed=2), hybrid(alerts, 25, seed=2, first=15)])
    for name in ("label", "kind", "group"):
        assert getattr(parts, name).tolist() == getattr(hybrids, name)[:40].tolist()
    np.testing.assert_array_equal(parts.stamps.candidate_id, np.arange(40))
    np.testing.assert_array_equal(parts.stamps.buffer, hybrids.stamps.buffer[: parts.stamps.buffer.size])
    assert not np.array_equal(hybrid(alerts, 15, seed=3).stamps.buffer, hybrid(alerts, 15, seed=2).stamps.buffer)


def test_labels_kinds_and_groups(alerts: LabelledStamps, hybrids: LabelledStamps) -> None:
    assert hybrids.label.sum() == 120
    assert set(hybrids.kind[hybrids.label == 1]) == {"fake", "variable"}
    assert set(hybrids.kind[hybrids.label == 0]) == {"bogus"}
    assert set(hybrids.group) <= set(alerts.group[alerts.label == 0])
    assert hybrids.group.tolist() == hybrids.stamps.object_id.tolist()
    assert np.isnan(hybrids.teacher).all()
    # Both classes are made of the same alerts.
    assert len(set(hybrids.group[hybrids.label == 0]) & set(hybrids.group[hybrids.label == 1])) > 20


def test_a_teacher_tells_the_bogus(alerts: LabelledStamps) -> None:
    teacher = np.where(np.arange(len(alerts)) < 40, 0.1, 0.9).astype(np.float32)
    doubted = hybrid(replace(alerts, teacher=teacher), 30, seed=1)
    assert set(doubted.group) <= set(alerts.group[:40])


def test_no_edge_takes_the_candidate_away(alerts: LabelledStamps) -> None:
    stamps = alerts.stamps
    corners = [[stamps.plane(row, name)[22:, 22:] for name in CHANNELS] for row in range(40)]  # type: ignore[index]
    near = LabelledStamps(s2v.Stamps(corners, centre=np.full((40, 2), 9)), np.zeros(40, np.int8), alerts.kind[:40])
    for real_fraction in (0.0, 1.0):
        hybrids = hybrid(near, 150, seed=3, real_fraction=real_fraction)
        assert (hybrids.stamps.centre >= 0).all()
        assert (hybrids.stamps.centre < hybrids.stamps.shape[:, 0]).all()


def test_numbers_are_checked(alerts: LabelledStamps) -> None:
    for wrong in ({"n": -1}, {"n": 1, "real_fraction": 1.5}, {"n": 1, "snr": (9.0, 3.0)}, {"n": 1, "first": -1}):
        with pytest.raises(ValueError, match="must"):
            hybrid(alerts, **wrong)
    assert len(hybrid(alerts, 0)) == 0


def test_fakes_are_in_the_middle_with_the_ratio_that_was_asked(alerts: LabelledStamps) -> None:
    bright = hybrid(alerts, 40, seed=5, real_fraction=1.0, snr=(40.0, 60.0))
    for row in range(len(bright)):
        plane, (y, x) = bright.stamps.plane(row, "difference"), bright.stamps.centre[row]
        assert plane is not None
        near = smooth(plane)[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4]
        top = np.unravel_index(np.argmax(near), near.shape)
        assert np.hypot(top[0] - min(y, 3), top[1] - min(x, 3)) <= 1.5
    found = [(row, measure_triplet(bright.stamps, row)) for row in range(len(bright)) if bright.kind[row] == "fake"]
    psf = Psf.moffat(2.4, 3.5)
    ratios = [abs(snr_at(t, t.centre, psf)) for _, t in found if t is not None]
    assert len(ratios) > 10
    # Less than what is asked where a host's or star's photons add noise, and as the middle is whole pixels here.
    assert 25.0 < np.median(ratios) < 70.0


def test_what_fades_is_as_common_in_both_classes(alerts: LabelledStamps) -> None:
    """The sign of the difference can be seen in its noise: it must not tell anything."""
    bright = hybrid(alerts, 200, seed=6, snr=(30.0, 60.0))
    signs = []
    for row in range(len(bright)):
        triplet = measure_triplet(bright.stamps, row)
        if triplet is None:
            continue
        signs.append((triplet.sign, bright.kind[row]))
        if bright.label[row]:
            y, x = bright.stamps.centre[row]
            assert bright.stamps.plane(row, "difference")[y, x] > 0.0
    faded = {kind: [sign < 0.0 for sign, of in signs if of == kind] for kind in ("fake", "variable", "bogus")}
    assert np.mean(faded["fake"]) < 0.1
    fakes = np.mean(faded["fake"] + faded["variable"])
    assert fakes > 0.1
    assert fakes == pytest.approx(np.mean(faded["bogus"]), abs=0.15)


def masked(rows: LabelledStamps, half: int) -> np.ndarray:
    """Return numbers of each stamp that do not see the pixels up to `half` from the candidate."""
    table = []
    for row in range(len(rows)):
        y, x = rows.stamps.centre[row]
        entry = []
        for channel in CHANNELS:
            plane = rows.stamps.plane(row, channel).astype(float)
            plane[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1] = np.nan
            middle = np.nanmedian(plane)
            flat = np.arcsinh((plane - middle) / (1.4826 * np.nanmedian(np.abs(plane - middle))))
            ring = np.hypot(*np.ogrid[-y : plane.shape[0] - y, -x : plane.shape[1] - x])
            steps = np.abs(np.diff(flat, axis=1))
            for inner, outer in ((half, half + 5), (half + 5, half + 12), (half + 12, 50)):
                part = flat[(ring >= inner) & (ring < outer)]
                entry += [np.nanmean(part), np.nanstd(part), np.nanmax(part), np.nanmin(part)]
            entry += [np.nanmean(steps), np.isnan(flat).mean()]
        table.append([*entry, *rows.stamps.shape[row, 0], y, x])
    return np.nan_to_num(np.array(table))


def test_without_the_candidate_the_classes_are_alike(alerts: LabelledStamps) -> None:
    """What is about a candidate, the size of its stamp and its place in it must not tell whether it is real."""
    metrics = pytest.importorskip("sklearn.metrics")
    linear = pytest.importorskip("sklearn.linear_model")
    pipeline = pytest.importorskip("sklearn.pipeline")
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler
    many = hybrid(alerts, 400, seed=8)
    table = masked(many, 12)
    fold = np.unique(many.group, return_inverse=True)[1] % 3
    score = np.zeros(len(many))
    for k in range(3):
        model = pipeline.make_pipeline(scaler(), linear.LogisticRegression(C=0.01))
        model.fit(table[fold != k], many.label[fold != k])
        score[fold == k] = model.predict_proba(table[fold == k])[:, 1]
    assert metrics.roc_auc_score(many.label, score) < 0.6


# More bogus


def test_what_else_the_differences_have(alerts: LabelledStamps) -> None:
    asked = []

    def score(stamps: s2v.Stamps) -> np.ndarray:
        asked.append(len(stamps))
        return np.where(np.arange(len(stamps)) % 2, 0.9, 0.1).astype(np.float32)

    found = mine_bogus(alerts, score, seed=1)
    assert len(found) == -(-asked[0] // 2) > 5
    assert set(found.kind) == {"residual"}
    assert not found.label.any()
    assert (found.teacher < 0.3).all()
    assert set(found.group) <= set(alerts.group)
    for row in range(len(found)):
        plane, (y, x) = found.stamps.plane(row, "difference"), found.stamps.centre[row]
        level = 1.4826 * np.nanmedian(np.abs(plane - np.nanmedian(plane)))
        assert plane[y, x] > 5.0 * level
        # Its pixel is that of the alert, moved, and turned over or not.
        alert = alerts.stamps.plane(alerts.group.tolist().index(found.group[row]), "difference")
        assert (np.abs(alert) == plane[y, x]).any()


# Teachers


def test_alerts_get_the_scores_of_a_table(night: Night, tmp_path: Path) -> None:
    write_packets(night, tmp_path / "alerts", per_file=200)
    score = np.linspace(0.0, 1.0, len(night))
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["candid", "drb"])
        table.writerows(zip((record["candid"] for record in night.records[:150]), score[:150], strict=True))
    found = read_labelled_alerts([tmp_path / "alerts", tmp_path / "alerts"], tmp_path / "scores.csv", column="drb")
    assert len(found) == 150
    np.testing.assert_allclose(found.teacher, score[:150], rtol=1e-6)
    assert found.label.tolist() == (score[:150] > 0.5).tolist()
    assert found.group.tolist() == night.stamps.object_id[:150].tolist()
    with pytest.raises(ReadError, match="no column score; it has candid, drb"):
        read_labelled_alerts(tmp_path / "alerts", tmp_path / "scores.csv")
    with pytest.raises(ReadError, match="no such file"):
        read_labelled_alerts(tmp_path / "alerts", tmp_path / "others.csv")
    (tmp_path / "others.csv").write_text("candid,score\n1,0.5\n")
    with pytest.raises(ReadError, match="none of the 160 alerts has a score"):
        read_labelled_alerts(tmp_path / "alerts", tmp_path / "others.csv")
    (tmp_path / "others.csv").write_text("name,score\n1,0.5\n")
    with pytest.raises(ReadError, match="no column candidate_id"):
        read_labelled_alerts(tmp_path / "alerts", tmp_path / "others.csv")


def test_a_teacher_scores_rows(hybrids: LabelledStamps) -> None:
    taught = add_teacher_scores(hybrids[:5], lambda stamps: np.arange(len(stamps), dtype=np.float32) / 10)
    np.testing.assert_allclose(taught.teacher, [0.0, 0.1, 0.2, 0.3, 0.4])
    assert taught.label.tolist() == hybrids.label[:5].tolist()


def test_hybrids_of_real_alerts(data: Path) -> None:
    """In stamps where braai sees real sources it takes most fakes for real, too; in real bogus few of the bogus."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    folder = data / "ztf"
    column = "braai_d6_m9"
    real = read_labelled_alerts(folder / "night_20180713", folder / "night_20180713.csv", column=column, threads=1)
    assert len(real) == 511
    sure = real[np.flatnonzero(real.teacher > 0.98)[:60]]
    fakes = hybrid(replace(sure, teacher=np.zeros(len(sure), np.float32)), 60, seed=1, real_fraction=1.0)
    scores = add_teacher_scores(fakes, data / "braai" / "braai_d6_m9.npz").teacher
    assert np.mean(scores > 0.5) > 0.85
    rows = add_teacher_scores(hybrid(real, 60, seed=1, real_fraction=0.0), data / "braai" / "braai_d6_m9.npz")
    assert np.mean(rows.teacher > 0.5) < 0.3
