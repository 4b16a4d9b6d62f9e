"""The figures, costs and cascades of benchmarks/accuracy/network_worth.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

import space2vec as s2v

pytest.importorskip("torch")

from benchmarks.accuracy import network_worth, worth_figures
from benchmarks.accuracy.worth_cost import Cost, multiplications
from benchmarks.accuracy.worth_rows import COLUMNS, Rows
from benchmarks.accuracy.worth_variants import VARIANTS

COST = Cost(
    {
        "both-sets": 47.0, "autoscan": 27.0, "s2v": 23.0, "gaussian-fit": 9.0, "lacosmic": 6.0, "column-medians": 2.0,
        "moments": 3.0, "moment-features": 10.0, "noise": 2.5, "nearby-source": 0.5, "normalise-r": 2.0,
        "aperture": 0.1,
    },
    (4.0, 3.0),
)  # fmt: skip


def part(n: int = 400, seed: int = 0) -> worth_figures.Part:
    rng = np.random.default_rng(seed)
    real = rng.random(n) < 0.6
    score = np.round(np.clip(rng.normal(0.35 + 0.3 * real, 0.2), 0, 1), 2)  # with ties
    return worth_figures.Part(score, real, rng.integers(0, 90, n).astype(str))


def test_figures_are_those_of_evaluate_with_every_row_as_often_as_it_is_drawn() -> None:
    own = part()
    times = np.random.default_rng(1).integers(0, 4, (3, len(own.score)))
    weight = np.vstack([np.ones(len(own.score)), times])
    auc, fpr = worth_figures._auc(own, weight), worth_figures._fpr(own, weight)
    for k, often in enumerate(weight.astype(int)):
        rows = np.repeat(np.arange(len(own.score)), often)
        wanted = s2v.evaluation.evaluate(own.score[rows], own.real[rows], bootstrap=0)
        assert auc[k] == pytest.approx(wanted["auc"], abs=1e-12)
        assert fpr[k] == pytest.approx(wanted["fpr at mdr 4%"], abs=1e-12)


def test_objects_are_drawn_whole() -> None:
    own = part()
    times = worth_figures._times(own.group, 5, 3)
    assert times.shape == (5, len(own.score))
    for name in np.unique(own.group):
        assert (np.ptp(times[:, own.group == name], axis=1) == 0).all()


def test_a_model_differs_from_itself_by_nothing() -> None:
    rows = {name: [part(300, seed)] for seed, name in enumerate(("alerts", "night", "hybrid", "simulated"))}
    other = {name: [part(300, 0)] for name in rows}
    other = {
        name: [worth_figures.Part(rows[name][0].score ** 2, rows[name][0].real, rows[name][0].group)] for name in rows
    }
    found = worth_figures.compare({"a": [rows, rows], "b": [other, other]}, "a", 20)
    for title in worth_figures.SETS:
        assert found["a"][title]["difference"] == [0.0, 0.0, 0.0]
        assert len(found["b"][title]["seeds"]) == 2
        # A square keeps the order of scores of 0 or more.
        assert found["b"][title]["difference"][0] == pytest.approx(0.0, abs=1e-9)


def test_a_cascade_takes_the_second_network_where_the_first_is_in_doubt() -> None:
    first = {"validation": np.array([0.01, 0.4, 0.6, 0.99]), "alerts": np.array([0.02, 0.45, 0.98])}
    second = {"validation": first["validation"], "alerts": np.array([0.7, 0.8, 0.9])}
    scores, share = network_worth.cascade_scores(first, second, 0.5)
    np.testing.assert_array_equal(scores["alerts"], [0.02, 0.8, 0.98])
    assert share["alerts"] == pytest.approx(1 / 3)
    first["alerts"][1] = 0.4
    everything, _ = network_worth.cascade_scores(first, second, 0.0)
    np.testing.assert_array_equal(everything["alerts"], first["alerts"])


def test_what_is_left_out_costs_nothing() -> None:
    chain = {name: COST.parts(variant) for name, variant in VARIANTS.items()}
    assert chain["all"]["features"] == 47.0
    assert chain["without the slow five"]["features"] == 47.0 - 17.0
    assert chain["lean"]["features"] == 47.0 - 17.0 - 7.0
    assert chain["no columns"]["features"] == 0.0
    assert chain["lean, view of noise"]["prepare"] == 12.0
    assert chain["lean, no template"]["inflate"] == pytest.approx(2 / 3 * chain["lean"]["inflate"])
    assert chain["template's columns, not its plane"]["inflate"] == chain["lean"]["inflate"]
    for parts in chain.values():
        assert parts["chain"] == pytest.approx(sum(value for name, value in parts.items() if name != "chain"))
    early, late = VARIANTS["difference alone"], VARIANTS["lean"]
    none, all_ = COST.cascade(early, late, 0.0), COST.cascade(early, late, 1.0)
    assert none["chain"] == pytest.approx(COST.parts(early)["chain"])
    assert all_["chain"] == pytest.approx(COST.parts(late)["chain"] + COST.parts(early)["network"])


def test_multiplications_are_those_of_the_kernels() -> None:
    # Channels of planes in fours, filters in sixteens.
    maps = 16 * 8 * 9 * 17 * 17 + 32 * 16 * 9 * 81 + 64 * 32 * 9 * 25
    assert multiplications(VARIANTS["all"]) == maps + 64 * (64 * 6 + 2 * 67 + 64 + 1)


def test_a_variant_is_given_its_own_columns_and_planes() -> None:
    rng = np.random.default_rng(4)
    text = np.array(["a", "b"])
    planes, features = rng.random((2, 6, 33, 33)).astype(np.float16), rng.random((2, len(COLUMNS))).astype(np.float32)
    rows = Rows(planes, features, np.zeros(2, np.float32), np.zeros(2, np.float32), text, text)
    own = VARIANTS["difference alone"]
    assert own.channels == [2, 5]
    assert own.needed == ("difference",)
    seen, columns = own.inputs(rows)
    np.testing.assert_array_equal(seen, planes[:, [2, 5]].astype(np.float32))
    np.testing.assert_array_equal(columns[:, 0], features[:, COLUMNS.index(own.columns[0])])
    assert "LACOSMIC" not in own.columns
    assert "template_snr" not in own.columns
    assert "DIFFSUMRN" in own.columns


def test_the_document_tells_every_variant_and_what_integers_change(docs_script: Callable[[str], ModuleType]) -> None:
    docs = docs_script("network_worth")
    figure = {"value": 0.9, "seeds": [0.89, 0.91], "difference": [0.01, -0.02, 0.03]}
    same = {**figure, "difference": [0.0, 0.0, 0.0]}
    us = dict.fromkeys(docs.PARTS, 12.0)
    worth = {
        "epochs": 3, "seeds": [0, 1], "date": "2026-01-02T03:04:05", "machine": "a processor",
        "microseconds": {"reading": "9", "features and planes": "here", "network": "8 a million"},
        "results": {
            "all": {"columns": 67, "seeds": [0, 1], "microseconds": us, "figures": dict.fromkeys(docs.COLUMNS, same)},
            "lean": {
                "columns": 54, "seeds": [0, 1], "microseconds": us, "figures": dict.fromkeys(docs.COLUMNS, figure),
            },
            "new": {"columns": 41, "seeds": [0], "microseconds": us, "figures": dict.fromkeys(docs.COLUMNS, same)},
        },
    }  # fmt: skip
    part = {
        "rows": 1000, "rows with fillers": 4, "change": {"median": 0.0001, "95 %": 0.002, "largest": 0.03},
        "decisions that change": [2, 0.002], "auc lost": 0.0004,
        "figures": {"fpr at mdr 4%": {"float": [0.05, 0.04, 0.06], "integers": [0.051, 0.04, 0.06]}},
    }  # fmt: skip
    integers = {
        "date": "2026-01-03T03:04:05", "machine": "a processor",
        "limits": {"auc lost": 0.001, "median change": 0.002, "decisions that change": 0.002},
        "results": {"stampnet": {"multiplications": 1_121_056, "sets": {"night": part}},
                    "tablenet": {"multiplications": 273_664, "sets": {"des": part}}},
    }  # fmt: skip
    both = {"before": 0.96, "now": 0.97, "difference": [0.01, -0.002, 0.03]}
    change = {
        "date": "2026-01-04T03:04:05", "machine": "a processor",
        "before": {"sha256": "0123456789abcdef"}, "now": {"sha256": "fedcba9876543210"},
        "results": {"more": {"rows": 161, "before and now": {"auc": both, "fpr at mdr 4%": both}}},
    }  # fmt: skip
    cascade = {
        "date": "2026-01-05T03:04:05", "machine": "a processor", "doubt": [0.125, 0.875],
        "multiplications": {"first": 1_000_000, "second": 2_000_000},
        "results": {"more": {"rows": 161, "in doubt": 0.25, "figures": {
            metric: {"stampnet": 0.97, "stampnet-fast": 0.96, "first alone": 0.95, "difference": [-0.01, -0.02, 0.03]}
            for metric in ("auc", "fpr at mdr 4%")
        }, "first, integers and floats": {
            "change": {"median": 0.0002}, "decisions that change": [3, 0.001], "auc lost": 0.0003,
        }}},
    }  # fmt: skip
    text = docs.document(worth, integers, change, cascade, "Take the lean one.")
    assert "from 0.125 to 0.875" in text
    assert "by 0.00020 at most in the median of a set, and 0.10% of its" in text
    assert "| more | 161 | 25.0% | 1.50 | 0.9700 | 0.9600 | -0.0100 (-0.0200 .. +0.0300) | 0.9500 | 97.00% |" in text
    assert "| `all` | 67 | 12 | 0.9000 |" in text
    assert "| `lean` | 54 | 12 | 0.9000 (-0.0200 .. +0.0300) |" in text
    assert "0.0200 |" in text
    assert "one seed |" in text
    assert "multiplies 1,121,056" in text
    assert "| `stampnet` | night | 1,000 | 4 | 0.00010 | 0.0020 | 0.030 | 2 (0.20%) | +0.00040 |" in text
    assert "Take the lean one." in text
    assert "(sha256 0123456789ab)" in text
    assert "(sha256 fedcba987654)" in text
    assert "| more | 161 | 0.9600 | 0.9700 | +0.0100 (-0.0020 .. +0.0300) | 96.00% | 97.00% | +1.00% (" in text


def test_the_document_is_what_the_script_writes(docs_script: Callable[[str], ModuleType]) -> None:
    docs = docs_script("network_worth")
    records = (
        json.loads((docs.RESULTS / f"{name}.json").read_text())
        for name in ("network_worth", "integer_accuracy", "model_change", "cascade")
    )
    assert (docs.HERE / "network-worth.md").read_text() == docs.document(*records)
