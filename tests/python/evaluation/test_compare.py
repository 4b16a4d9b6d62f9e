"""Paired comparisons against their definitions and against SciPy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from space2vec.cli import main
from space2vec.errors import ReadError
from space2vec.evaluation import METRICS, compare, compare_files, compare_models, evaluate, mcnemar


def simulate_scores(n: int = 600, seed: int = 0, skill: tuple[float, float] = (1.2, 1.2)) -> tuple[np.ndarray, ...]:
    """Two scores that share half of their noise, and the labels."""
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.4).astype(int)
    shared = rng.normal(size=n)
    logits = [s * (2 * label - 1) + shared + rng.normal(size=n) for s in skill]
    return *(1 / (1 + np.exp(-logit)) for logit in logits), label


def test_intervals_and_p_are_those_of_resampled_rows() -> None:
    a, b, label = simulate_scores(120, skill=(1.6, 1.0))
    a[3] = np.nan
    group = np.arange(120) // 3
    found = compare(a, b, label, group=group, bootstrap=60, seed=4)
    assert (found.real, found.bogus, found.groups) == (label.sum(), 120 - label.sum(), 40)
    rng = np.random.default_rng(4)
    draws = []
    for _ in range(60):
        rows = np.concatenate([np.flatnonzero(group == k) for k in rng.integers(0, 40, 40)])
        one, other = (evaluate(score[rows], label[rows], bootstrap=0) for score in (a, b))
        draws.append([one[name] - other[name] for name in METRICS])
    for name, column in zip(METRICS, np.array(draws).T, strict=True):
        d = found[name]
        assert (d.a, d.b) == (evaluate(a, label, bootstrap=0)[name], evaluate(b, label, bootstrap=0)[name])
        assert d.value == pytest.approx(d.a - d.b)
        assert (d.low, d.high) == pytest.approx(np.percentile(column, [2.5, 97.5]), abs=1e-12)
        # Differences of rates are sums of fractions: what is 0 by counting may be 1e-17.
        against = min((column <= 1e-12).sum(), (column >= -1e-12).sum())
        assert d.p == pytest.approx(min(2 * (against + 1) / 61, 1.0), abs=2.1 / 61)


def test_equal_scores_differ_by_nothing() -> None:
    a, _, label = simulate_scores()
    found = compare(a, a.copy(), label, bootstrap=50)
    assert {(d.value, d.low, d.high, d.p) for d in found.differences.values()} == {(0.0, 0.0, 0.0, 1.0)}
    assert {(t.only_a, t.only_b, t.p) for t in (*found.decisions.values(), found.passed)} == {(0, 0, 1.0)}


def test_the_better_one_is_told_and_the_signs_turn_with_the_order() -> None:
    good, bad, label = simulate_scores(1500, skill=(2.5, 0.8))
    one, other = compare(good, bad, label, bootstrap=200), compare(bad, good, label, bootstrap=200)
    assert one["auc"].low > 0
    assert one["fpr at mdr 4%"].high < 0
    for name in ("auc", "fpr at mdr 4%", "sum over .4 .5 .6"):
        assert one[name].p == pytest.approx(2 / 201)
        assert other[name].value == -one[name].value
    assert one.passed.only_a > one.passed.only_b
    assert one.passed.p < 1e-6
    assert (other.passed.only_a, other.passed.only_b, other.passed.p) == (
        one.passed.only_b,
        one.passed.only_a,
        one.passed.p,
    )


def test_p_of_equals_is_small_as_seldom_as_it_says() -> None:
    found = [compare(*simulate_scores(300, seed=seed), bootstrap=100, seed=seed)["auc"].p for seed in range(80)]
    assert sum(p < 0.1 for p in found) <= 16
    assert np.median(found) > 0.25


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (0, 5), (1, 0), (3, 3), (12, 30), (40, 39), (900, 1100)])
def test_mcnemar_is_scipys_binomial_test(only_a: int, only_b: int) -> None:
    right_a = np.array([True] * only_a + [False] * only_b + [True, False] * 4)
    right_b = np.array([False] * only_a + [True] * only_b + [True, False] * 4)
    found = mcnemar(right_a, right_b)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    n = only_a + only_b
    assert found.p == pytest.approx(stats.binomtest(only_a, n).pvalue if n else 1.0, rel=1e-9)


def test_decisions_are_counted_row_by_row() -> None:
    a, b, label = simulate_scores(200, seed=2)
    b[:5] = np.nan
    found = compare(a, b, label, bootstrap=0)
    right = [[(s >= 0.5) == (y == 1) for s, y in zip(score, label, strict=True)] for score in (a, b)]
    assert found.decisions[0.5].only_a == sum(x and not y for x, y in zip(*right, strict=True))
    assert found.decisions[0.5].only_b == sum(y and not x for x, y in zip(*right, strict=True))
    # At the thresholds of MDR 4 %, the bogus rows that pass are the FPR.
    fewer = (found["fpr at mdr 4%"].b - found["fpr at mdr 4%"].a) * found.bogus
    assert found.passed.only_a - found.passed.only_b == pytest.approx(fewer)
    assert np.isnan(found["auc"].p)


def test_what_cannot_be_compared_raises() -> None:
    with pytest.raises(ValueError, match="label must have one value for each of 3 scores"):
        compare([0.1, 0.2], [0.1, 0.2, 0.3], [0, 1])
    with pytest.raises(ValueError, match="one value for each row"):
        mcnemar([True], [True, False])
    with pytest.raises(ValueError, match="bootstrap must not be negative"):
        compare([0.1, 0.2], [0.1, 0.2], [0, 1], bootstrap=-1)


def write(path: Path, name: str, rows: dict[str, list[object]]) -> Path:
    lines = [",".join(rows), *(",".join(map(str, row)) for row in zip(*rows.values(), strict=True))]
    (path / name).write_text("\n".join(lines) + "\n")
    return path / name


def test_files_are_compared_on_what_both_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b, label = simulate_scores(90, seed=1)
    ids = list(range(100, 190))
    turned = ids[10:][::-1]
    one = write(tmp_path, "a.csv", {"candidate_id": ids[:80], "score": list(a[:80])})
    other = write(tmp_path, "b.csv", {"candidate_id": turned, "score": list(b[10:][::-1])})
    truth = write(tmp_path, "truth.csv", {"candid": ids, "objectId": [f"o{i // 2}" for i in ids], "label": list(label)})
    found = compare_files(one, other, truth, bootstrap=30, seed=3)
    group = np.array([f"o{i // 2}" for i in ids[10:80]])
    assert found == compare(a[10:80], b[10:80], label[10:80], group=group, bootstrap=30, seed=3)
    told = tmp_path / "figures.json"
    arguments = ["evaluate", str(one), str(other), "--labels", str(truth), "--bootstrap", "30", "--seed", "3"]
    assert main([*arguments, "--json", str(told)]) == 0
    assert str(found) in capsys.readouterr().out
    document = json.loads(told.read_text())
    assert "comparison" not in document["a"]
    assert (document["a"]["file"], document["b"]["file"]) == (str(one), str(other))
    assert document["b"]["comparison"] == json.loads(json.dumps({"a": "a", "b": "b", **found.to_dict()}))
    apart = write(tmp_path, "c.csv", {"candidate_id": ids[80:], "score": list(b[80:])})
    with pytest.raises(ReadError, match="no labelled candidate in common"):
        compare_files(one, apart, truth)


def test_a_contest_holds_each_and_each_against_its_rivals() -> None:
    good, bad, label = simulate_scores(300, skill=(2.5, 0.8))
    scores = {"forest": bad, "network": good, "third": (good + bad) / 2}
    found = compare_models(scores, label, against=("forest", "absent"), group=np.arange(300) // 2, bootstrap=30)
    assert list(found.evaluations) == list(scores)
    assert {name: list(others) for name, others in found.comparisons.items()} == {"forest": ["network", "third"]}
    alone = evaluate(good, label, group=np.arange(300) // 2, bootstrap=30)
    assert found.evaluations["network"] == alone
    paired = found.comparisons["forest"]["network"]
    assert paired["auc"].a == alone["auc"]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["against"]["forest"]["network"]["passed"]["only_a"] == paired.passed.only_a
    lines = str(found).splitlines()
    assert lines[0] == f"{label.sum()} real, {300 - label.sum()} bogus, 150 groups"
    assert [line.split()[0] for line in lines[2:]] == ["forest", "network", "third", "against", "network", "third"]
    with pytest.raises(ValueError, match="no scores"):
        compare_models({}, label)
