"""Metrics against their definitions, row by row, and against scikit-learn."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from space2vec.cli import main
from space2vec.errors import ReadError
from space2vec.evaluation import METRICS, OPERATING_POINTS, evaluate, evaluate_files, join, mdr_band, mdr_fpr


def simulate_scores(n=2000, seed=0, ties=None, nan=0.0):
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    score = 1 / (1 + np.exp(-rng.normal(np.where(label, 1.5, -1.5), 1.3)))
    if ties is not None:
        score = np.round(score, ties)
    score[rng.random(n) < nan] = np.nan
    return score, label.astype(int)


def rates(score, label, threshold):
    """MDR and FPR by counting rows; a NaN is below every threshold."""
    accepted = [s >= threshold for s in score]
    real = [a for a, y in zip(accepted, label, strict=True) if y == 1]
    bogus = [a for a, y in zip(accepted, label, strict=True) if y == 0]
    return sum(not a for a in real) / len(real), sum(bogus) / len(bogus)


@pytest.mark.parametrize(("ties", "nan"), [(None, 0.0), (1, 0.0), (2, 0.05), (0, 0.0)])
def test_every_metric_is_its_definition(ties, nan):
    score, label = simulate_scores(400, seed=3, ties=ties, nan=nan)
    result = evaluate(score, label, bootstrap=0)
    total = 0.0
    for threshold in (0.4, 0.5, 0.6):
        mdr, fpr = rates(score, label, threshold)
        assert result[f"mdr@{threshold}"] == pytest.approx(mdr, abs=1e-12)
        assert result[f"fpr@{threshold}"] == pytest.approx(fpr, abs=1e-12)
        total += mdr + fpr
    assert result["sum over .4 .5 .6"] == pytest.approx(total)
    thresholds = [*np.unique(score[~np.isnan(score)]), np.inf]
    points = [rates(score, label, t) for t in thresholds]
    points.append((0.0, 1.0))  # accept all, scored or not
    assert result["fpr at mdr 4%"] == pytest.approx(min(fpr for mdr, fpr in points if mdr <= 0.04))
    assert result["mdr at fpr 1%"] == pytest.approx(min(mdr for mdr, fpr in points if fpr <= 0.01))
    assert result["mdr at fpr 2.5%"] == pytest.approx(min(mdr for mdr, fpr in points if fpr <= 0.025))


@pytest.mark.parametrize(("ties", "nan"), [(None, 0.0), (1, 0.0), (2, 0.02)])
@pytest.mark.parametrize("kind", ["float64", "float32", "text"])
def test_the_threshold_of_an_operating_point_gives_it(ties, nan, kind):
    """In double precision as in single, and whatever digits of the scores a table keeps."""
    score, label = simulate_scores(700, seed=4, ties=ties, nan=nan)
    result = evaluate(score.astype(np.float32), label, bootstrap=30)
    given = {
        "float64": score.astype(np.float32).astype(float),
        "float32": score.astype(np.float32),
        "text": np.array([float(str(value)) for value in score.astype(np.float32)]),
    }[kind]
    for name in OPERATING_POINTS:
        at = result.thresholds[name]
        mdr, fpr = rates(given, label, at.value)
        assert result[name] == pytest.approx(fpr if name.startswith("fpr") else mdr, abs=1e-12)
        assert at.low <= at.high
        assert 0 <= at.low <= 1
        line = next(line for line in str(result).splitlines() if line.startswith(name))
        assert f"at threshold {at.value!r} (" in line
    mdr, fpr = rates(given, label, result.thresholds["fpr at mdr 4%"].value)
    assert mdr <= 0.04
    for name, allowed in (("mdr at fpr 1%", 0.01), ("mdr at fpr 2.5%", 0.025)):
        assert rates(given, label, result.thresholds[name].value)[1] <= allowed


def test_a_threshold_has_no_more_digits_than_it_needs():
    result = evaluate([0.1, 0.2, 0.7123456, 0.9], [0, 0, 1, 1], bootstrap=0)
    assert [at.value for at in result.thresholds.values()] == [0.5, 0.5, 0.5]
    close = evaluate(
        np.float32([0.1, 0.7123456, np.nextafter(np.float32(0.7123456), 1), 0.9]), [0, 0, 1, 1], bootstrap=0
    )
    at = close.thresholds["fpr at mdr 4%"].value
    assert float(np.float32(0.7123456)) < at < float(np.nextafter(np.float32(0.7123456), np.float32(1)))
    assert np.isnan(close.thresholds["fpr at mdr 4%"].low)


def test_intervals_of_thresholds_are_those_of_resampled_rows():
    score, label = simulate_scores(150, seed=8, ties=2)
    group = np.arange(150) // 3
    found = evaluate(score, label, group=group, bootstrap=40, seed=4).thresholds
    rng, draws = np.random.default_rng(4), []
    for _ in range(40):
        rows = np.concatenate([np.flatnonzero(group == k) for k in rng.integers(0, 50, 50)])
        levels = np.unique(score)
        points = [(*rates(score[rows], label[rows], t), k) for k, t in enumerate([*levels, np.inf])]
        chosen = [max(k for mdr, _, k in points if mdr <= 0.04)]
        chosen += [min(k for _, fpr, k in points if fpr <= target) for target in (0.01, 0.025)]
        around = [0.0, *levels, 1.0]
        draws.append([(around[k] + around[k + 1]) / 2 for k in chosen])
    for name, column in zip(OPERATING_POINTS, np.array(draws).T, strict=True):
        assert (found[name].low, found[name].high) == pytest.approx(np.percentile(column, [2.5, 97.5]))


def test_an_operating_point_that_no_threshold_reaches_has_none():
    """The best score of all is a bogus row's, in ties with the real ones: only to reject all gives an FPR of 1 %."""
    result = evaluate([1.0, 1.0, 1.0, 0.2], [1, 0, 1, 0], bootstrap=20)
    assert result["mdr at fpr 1%"] == 1.0
    assert result.thresholds["mdr at fpr 1%"].value == np.inf
    assert "no threshold reaches it" in str(result)
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))  # as the header of a model takes it
    assert plain["thresholds"]["mdr at fpr 1%"] == {"value": None, "low": None, "high": None}
    none = evaluate([1.0, 0.2], [1, 0], bootstrap=0).to_dict()
    assert none["metrics"]["auc"] == {"value": 1.0, "low": None, "high": None}
    # One real row in four has no score: nothing keeps the MDR at 4 % but to accept rows without one.
    lost = evaluate([0.9, 0.8, 0.7, np.nan, 0.1], [1, 1, 1, 1, 0], bootstrap=0)
    assert lost["fpr at mdr 4%"] == 1.0
    assert lost.thresholds["fpr at mdr 4%"].value == -np.inf
    lowest = evaluate([0.4, 0.3, 0.5, 0.6], [1, 1, 0, 0], bootstrap=0)
    assert lowest.thresholds["fpr at mdr 4%"].value == 0.0, "below every score"


def test_brier_score_is_that_of_scikit_learn_over_what_has_a_score():
    score, label = simulate_scores(500, seed=2, nan=0.1)
    known = ~np.isnan(score)
    expected = brier_score_loss(label[known], score[known])
    assert evaluate(score, label, bootstrap=0)["brier"] == pytest.approx(expected, abs=1e-12)
    logits = evaluate(np.log(score / (1 - score)), label, bootstrap=10)
    assert np.isnan(logits["brier"])
    assert logits.reliability is None
    assert logits.metrics["auc"].low < logits["auc"], "what needs no probabilities is there"
    assert "calibration error" not in str(logits)


def test_the_band_is_that_of_resampled_curves():
    score, label = simulate_scores(120, seed=6, ties=2)
    group, allowed = np.arange(120) // 2, [0.0, 0.02, 0.1, 0.5, 1.0]
    low, high = mdr_band(score, label, allowed, group=group, bootstrap=40, seed=2)
    rng, draws = np.random.default_rng(2), []
    for _ in range(40):
        rows = np.concatenate([np.flatnonzero(group == k) for k in rng.integers(0, 60, 60)])
        points = [rates(score[rows], label[rows], t) for t in [*np.unique(score), np.inf]]
        draws.append([min(mdr for mdr, fpr in points if fpr <= most) for most in allowed])
    np.testing.assert_allclose((low, high), np.percentile(draws, [2.5, 97.5], axis=0), rtol=0, atol=1e-12)
    assert np.isnan(mdr_band(score, label, allowed, bootstrap=0)).all()


@pytest.mark.parametrize("ties", [None, 2, 1, 0])
def test_auc_is_that_of_scikit_learn(ties):
    score, label = simulate_scores(3000, seed=1, ties=ties)
    assert evaluate(score, label, bootstrap=0)["auc"] == pytest.approx(roc_auc_score(label, score), abs=1e-12)


def test_a_threshold_met_exactly_is_passed():
    result = evaluate(np.float32([0.5, 0.5, 0.4, 0.6]), [1, 0, 0, 1], bootstrap=0)
    assert result["mdr@0.5"] == 0.0
    assert result["fpr@0.5"] == 0.5
    assert result["fpr@0.4"] == 1.0
    assert result["mdr@0.6"] == 0.5


def test_nan_scores_are_counted_and_rejected():
    result = evaluate([np.nan, 0.9, np.nan, 0.1], [1, 1, 0, 0], bootstrap=50)
    assert (result.unscored_real, result.unscored_bogus) == (1, 1)
    assert result["mdr@0.5"] == 0.5
    assert result["fpr@0.5"] == 0.0
    assert result["auc"] == pytest.approx((0.5 + 0 + 1 + 1) / 4)
    assert "NaN scores: 1 real, 1 bogus" in str(result)


def test_perfect_and_useless_scores():
    label = np.array([0, 1] * 50)
    perfect = evaluate(label.astype(float), label, bootstrap=20)
    assert perfect["auc"] == 1.0
    assert perfect["sum over .4 .5 .6"] == 0.0
    assert perfect["fpr at mdr 4%"] == 0.0
    assert perfect.metrics["auc"].low == perfect.metrics["auc"].high == 1.0
    useless = evaluate(np.full(100, 0.5), label, bootstrap=0)
    assert useless["auc"] == 0.5
    assert useless["fpr at mdr 4%"] == 1.0
    assert useless["mdr at fpr 1%"] == 1.0


def test_intervals_cover_the_truth_as_often_as_they_say():
    covered = 0
    for seed in range(60):
        score, label = simulate_scores(300, seed=seed)
        metric = evaluate(score, label, bootstrap=200, seed=seed).metrics["auc"]
        assert metric.low <= metric.value <= metric.high
        # The AUC of normal scores 3 apart with widths of 1.3 each: Phi(3 / (1.3 sqrt 2)).
        covered += metric.low <= 0.94863 <= metric.high
    assert 50 <= covered <= 60


def test_groups_widen_the_interval_where_rows_of_a_group_agree():
    score, label = simulate_scores(200, seed=5)
    copies = np.repeat(np.arange(200), 20)
    rows = evaluate(score[copies], label[copies], bootstrap=300)
    objects = evaluate(score[copies], label[copies], group=copies.astype(str), bootstrap=300)
    alone = evaluate(score, label, bootstrap=300)
    assert objects.groups == alone.groups == 200
    assert rows.groups == 4000

    def width(result):
        return result.metrics["auc"].high - result.metrics["auc"].low

    assert width(objects) > 3 * width(rows)
    assert width(objects) == pytest.approx(width(alone), rel=0.3)
    assert objects["auc"] == pytest.approx(alone["auc"])


def test_resampling_repeats():
    score, label = simulate_scores()
    assert evaluate(score, label, bootstrap=50) == evaluate(score, label, bootstrap=50)
    assert evaluate(score, label, bootstrap=50) != evaluate(score, label, bootstrap=50, seed=1)


def test_table_and_dict_hold_everything():
    score, label = simulate_scores()
    result = evaluate(score, label, bootstrap=20)
    document = json.loads(json.dumps(result.to_dict()))
    assert list(document["metrics"]) == list(METRICS)
    assert document["real"] + document["bogus"] == 2000
    lines = str(result).splitlines()
    assert len(lines) == len(METRICS) + 3
    assert all(name in str(result) for name in METRICS)
    assert list(document["thresholds"]) == list(OPERATING_POINTS)
    assert sum(document["reliability"]["bins"]["count"]) == 2000


def test_curve_runs_from_all_to_none():
    score, label = simulate_scores(300, ties=2, nan=0.05)
    threshold, missed, passed = mdr_fpr(score, label)
    assert (np.diff(threshold) > 0).all()
    assert (np.diff(missed) >= 0).all()
    assert (np.diff(passed) <= 1e-15).all()
    assert missed[-1] == 1.0
    assert passed[-1] == pytest.approx(0.0)
    for k in (0, 20, len(threshold) - 2):
        assert (missed[k], passed[k]) == pytest.approx(rates(score, label, threshold[k]))


@pytest.mark.parametrize(
    ("score", "label", "told"),
    [
        ([0.1, 0.2], [0, 1, 1], "label must have one value"),
        ([0.1, 0.2], [0, 2], "label must be 1"),
        ([0.1, 0.2], [1, 1], "both real and bogus"),
        ([], [], "both real and bogus"),
        ([[0.1], [0.2]], [0, 1], "one dimension"),
    ],
)
def test_what_cannot_be_measured_raises(score, label, told):
    with pytest.raises(ValueError, match=told):
        evaluate(score, label)


def test_groups_and_bootstrap_are_checked():
    with pytest.raises(ValueError, match="group must have one value"):
        evaluate([0.1, 0.2], [0, 1], group=["a"])
    with pytest.raises(ValueError, match="bootstrap"):
        evaluate([0.1, 0.2], [0, 1], bootstrap=-1)


# Files


def write_scores(path, ids, scores, objects=None):
    columns = {"candidate_id": ids, "score": np.float32(scores)}
    if objects is not None:
        columns = {"object_id": objects, **columns}
    pq.write_table(pa.table(columns), path)
    return path


def test_files_join_by_candidate_and_say_what_is_left_out(tmp_path):
    scores = write_scores(
        tmp_path / "s.parquet", [4, 3, 2, 9, 1, -1, -1], [0.4, 0.3, 0.2, 0.9, 0.1, np.nan, np.nan], list("ddbzaxy")
    )
    labels = tmp_path / "truth.csv"
    labels.write_text(
        "candid,objectId,label,kind\n1,a,0,edge\n2,b,0,edge\n3,d,1,nuclear\n4,d,1,nuclear\n5,e,1,x\n6,f,,x\n"
    )
    rows = join(scores, labels)
    np.testing.assert_array_equal(rows.score, np.float32([0.4, 0.3, 0.2, 0.1]))
    assert rows.label.tolist() == [1, 1, 0, 0]
    assert rows.group.tolist() == ["d", "d", "b", "a"]
    assert (rows.unmatched_scores, rows.unmatched_labels) == (3, 2)
    result = evaluate_files(scores, labels, bootstrap=10)
    assert result["auc"] == 1.0
    assert result.groups == 3
    assert "left out: 3 scores without a label, 2 labels without a score" in str(result)
    assert result.to_dict()["unmatched_scores"] == 3


def test_des_labels_count_artifacts_as_one(tmp_path):
    scores = tmp_path / "s.csv"
    scores.write_text("candidate_id,score\n10,0.9\n11,0.2\n")
    labels = tmp_path / "des.csv"
    labels.write_text("# six lines\n# of comments\nID,OBJECT_TYPE,AMP\n10,0,1.5\n11,1,2.5\n")
    rows = join(scores, labels)
    assert rows.label.tolist() == [1, 0]
    assert rows.score.tolist() == [0.9, 0.2]
    assert rows.group.tolist() == ["10", "11"]


def test_rows_without_an_id_match_nothing_and_may_repeat(tmp_path):
    nobody = pa.array([None, 7, None], type=pa.int64())
    pq.write_table(pa.table({"candidate_id": nobody, "score": [0.1, 0.2, 0.3]}), tmp_path / "s.parquet")
    pq.write_table(pa.table({"candid": nobody, "label": [1, 1, 0]}), tmp_path / "l.parquet")
    rows = join(tmp_path / "s.parquet", tmp_path / "l.parquet")
    assert (rows.score.tolist(), rows.label.tolist()) == ([0.2], [1])
    assert (rows.unmatched_scores, rows.unmatched_labels) == (2, 2)


@pytest.mark.parametrize(
    ("scores", "labels", "told"),
    [
        ("candidate_id,score\n1,0.5\n", "candid,label\n2,1\n", "no candidate in common"),
        ("candidate_id,p\n1,0.5\n", "candid,label\n1,1\n", "no column score"),
        ("name,score\n1,0.5\n", "candid,label\n1,1\n", "no column candidate_id"),
        ("candidate_id,score\n1,0.5\n", "candid,kind\n1,x\n", "no column label"),
        ("candidate_id,score\n1,0.5\n", "candid,label\n1,7\n", "must hold 0 or 1"),
        ("candidate_id,score\n1,0.5\n", "candid,label\n1,maybe\n", "not numeric"),
        ("candidate_id,score\n1,high\n", "candid,label\n1,1\n", "not numeric"),
        ("candidate_id,score\n1,0.5\n1,0.6\n", "candid,label\n1,1\n", "more than once"),
        ("candidate_id,score\n1,0.5,7\n", "candid,label\n1,1\n", "line 2 has 3 values, not 2"),
    ],
)
def test_files_that_do_not_fit_raise(tmp_path, scores, labels, told):
    (tmp_path / "s.csv").write_text(scores)
    (tmp_path / "l.csv").write_text(labels)
    with pytest.raises(ReadError, match=told):
        join(tmp_path / "s.csv", tmp_path / "l.csv")


def test_files_that_are_not_there_or_no_tables_raise(tmp_path):
    (tmp_path / "l.csv").write_text("candid,label\n1,1\n")
    with pytest.raises(ReadError, match="no such file"):
        join(tmp_path / "none.parquet", tmp_path / "l.csv")
    (tmp_path / "bad.parquet").write_bytes(b"not a table")
    with pytest.raises(ReadError, match="not a Parquet file"):
        join(tmp_path / "bad.parquet", tmp_path / "l.csv")


def test_scores_that_are_no_probabilities_are_told(tmp_path, capsys):
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 200)
    logit = rng.normal(4.0 * label - 2.0, 1.0)
    logit[0], logit[1] = np.nan, np.inf
    found = evaluate(logit, label, bootstrap=0)
    assert found.outside == np.count_nonzero((logit < 0) | (logit > 1))
    assert f"{found.outside} scores lie outside 0 to 1: they rank candidates, but are no probabilities" in str(found)
    assert found.to_dict()["outside"] == found.outside
    assert found["auc"] > 0.9
    assert evaluate(1 / (1 + np.exp(-logit)), label, bootstrap=0).outside == 0
    table = pa.table({"candid": np.arange(200), "score": logit, "label": label})
    pq.write_table(table, tmp_path / "t.parquet")
    assert main(["evaluate", str(tmp_path / "t.parquet"), "--labels", str(tmp_path / "t.parquet"),
                 "--bootstrap", "0"]) == 0  # fmt: skip
    assert f"{found.outside} scores lie outside 0 to 1" in capsys.readouterr().out
