"""docs/accuracy.md is what its script writes from the results, and says of each requirement whether it is met."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from space2vec.evaluation import compare_models

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def accuracy(docs_script: Callable[[str], ModuleType]) -> ModuleType:
    return docs_script("accuracy")


def record_of(**skill: float) -> dict[str, Any]:
    """Figures of models of that skill, each against the forest."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 2000)
    noise = rng.normal(size=2000)
    scores = {name: 1 / (1 + np.exp(-(s * (2 * label - 1) + noise))) for name, s in skill.items()}
    return compare_models(scores, label, against=("forest", "rb"), bootstrap=20).to_dict()


@pytest.fixture
def results() -> dict[str, Any]:
    run = {"date": "2026-01-02T03:04:05", "device": "a processor", "versions": {"numpy": "2"}, "bootstrap": 20}
    cost = {name: {"end to end": [1.0, 2.0, 3.0]} for name in ("forest", "lightgbm", "tablenet")}
    two = {name: {"end to end": [80.0, us, 900.0], "after preparation": [1.0, us, 3.0]}
           for name, us in (("forest", 5.0), ("stampnet", 38.0), ("braai", 400.0))}  # fmt: skip
    shares = {kind: {"alerts": 50, "objects": 40, "passing": 48, "share": [0.96, 0.9, 1.0]} for kind in
              ("asteroid", "transient", "all")}  # fmt: skip
    agreement = record_of(forest=1.6, rb=1.0, stampnet=2.4)
    edge = {"differences": {"auc": {"a": 0.99, "b": 0.995, "value": -0.005}}}
    move = {"median": 0.03, "high": 0.1, "rows": 10}
    return {
        "des": {**run, "results": {"data": "rows", "folds": 10, "cost is": "a row", "cost": cost,
                                    **record_of(forest=1.6, lightgbm=1.8, tablenet=2.6)}},
        "pixels": {**run, "results": {"simulated": {"data": "stamps", "train": 70, "test": 30, "cost is": "c",
                                                     "cost": two, **record_of(forest=1.6, stampnet=2.6, braai=2.0)}}},
        "alerts": {**run, "results": {"data": "alerts", "folds": 5, "beside": [], "all": agreement,
                                       "night": agreement, "real by construction": {
                                           "stampnet": {"threshold": 0.3, **shares}}}},
        "robustness": {**run, "results": {"default": {"simulated": {
            "pile up": {"excess": 0.4}, "scores of empty stamps": [None, None, 0.5],
            "moves": {"flip": {**move, "median": 0.001}, "rotation": move, "shift": move},
            "edge less whole": edge}}}},
    }  # fmt: skip


def test_what_was_asked_for_is_met_or_missed(accuracy: ModuleType, results: dict[str, Any]) -> None:
    found = {(check.where, check.what, check.asked.split(":")[0]): check.met for check in accuracy.checks(results)}
    assert found[("DES", "`tablenet`, fpr at mdr 4%", "3.90 % or less")]
    assert found[("DES", "`tablenet`, fpr at mdr 4%", "less than `forest`")]
    assert found[("simulated", "`stampnet`, fpr at mdr 4%", "at most half of `forest`")]
    assert found[("simulated", "`stampnet`, us after preparation, batch 64", "40 or less")]
    assert found[("simulated", "`stampnet`, us after preparation", "a tenth of `braai`")]
    assert found[("alerts, all", "`stampnet`, AUC against braai", "0.98 or more")]
    assert not found[("alerts", "`stampnet`, certainly real alerts above the threshold of FPR 2.5 %", "98 % or more")]
    robust = {what: met for (where, what, _), met in found.items() if where == "`default`, simulated"}
    assert robust == {
        "pile-up of scores with blank rows and columns": False,
        "empty stamps that are scored": False,
        "median change under a flip": True,
        "median change under a rotation": False,
        "median change under a shift": False,
        "AUC at an edge, minus that of whole stamps": True,
    }
    results["pixels"]["results"]["simulated"]["cost"]["stampnet"]["after preparation"][1] = 41.0
    again = {(check.what, check.asked): check.met for check in accuracy.checks(results)}
    assert not again[("`stampnet`, us after preparation, batch 64", "40 or less")]
    assert not again[("`stampnet`, us after preparation", "a tenth of `braai`: 40")]


def test_every_part_is_told_and_tables_are_whole(accuracy: ModuleType, results: dict[str, Any]) -> None:
    text = accuracy.document(results)
    for title in accuracy.SECTIONS.values():
        assert f"\n## {title}\n" in text
    met = sum(check.met for check in accuracy.checks(results))
    assert f"{met} of {len(accuracy.checks(results))} requirements are met." in text
    assert text.count("**missed**") == len(accuracy.checks(results)) - met
    value = results["des"]["results"]["models"]["tablenet"]["metrics"]["auc"]["value"]
    assert f"| `tablenet` | {value:.4f} (" in text
    for above, line in itertools.pairwise(text.splitlines()):
        if above.startswith("|") and line.startswith("|"):
            assert line.count("|") == above.count("|"), line
    for part in accuracy.SECTIONS:
        less = {name: entry for name, entry in results.items() if name != part}
        assert f"\n## {accuracy.SECTIONS[part]}\n" not in accuracy.document(less)


def test_the_text_is_what_the_results_give(accuracy: ModuleType) -> None:
    if not accuracy.RESULTS.exists():
        pytest.skip(f"not measured yet: {accuracy.RESULTS.name}")
    results = json.loads(accuracy.RESULTS.read_text(encoding="utf-8"))
    text = (DOCS / "accuracy.md").read_text(encoding="utf-8")
    yardsticks = json.loads(accuracy.YARDSTICKS.read_text(encoding="utf-8"))
    assert text == accuracy.document(results, yardsticks), "docs/accuracy.md is stale: make pages"
    for picture in re.findall(r"!\[.*\]\((.*\.png)\)", text):
        assert (DOCS / picture).is_file()


def test_yardsticks_are_told_with_their_rows_and_what_is_too_few_is_a_dash(accuracy: ModuleType) -> None:
    cell = {"value": 0.5, "low": 0.25, "high": 0.75, "real": 4, "bogus": 8}
    none = {**cell, "value": None, "low": None, "high": None}
    of_model = {accuracy.KNOWN: cell, accuracy.SURE: {**cell, "value": 0.0123}, accuracy.SURE_AUC: cell,
                "FPR: clean": {**cell, "value": 0.25}, "MDR: clean": cell,
                "known real that pass: clean": none}  # fmt: skip
    difference = {
        key: {"value": -0.01, "low": -0.02, "high": 0.0, "p": 0.04} for key in (accuracy.KNOWN, accuracy.SURE)
    }
    part = {"alerts": 20, "objects": 12, "known real": 5, "sure real": 6, "sure bogus": 7,
            "models": {"old": of_model, "new": of_model}, "against": {"old": {"new": difference}}}  # fmt: skip
    entry = {"date": "2026-01-02T03:04:05", "device": "d", "versions": {"numpy": "2"}, "bootstrap": 99,
            "note": "Learned.", "strata": {"clean": 20}, "results": {"all": part, "the night": part}}  # fmt: skip
    text = accuracy.document({}, {"five folds": entry})
    assert "### Five folds: all alerts\n" in text
    assert "20 alerts of 12 objects: 5 known real, 6 sure real, 7 sure bogus. Learned." in text
    assert "| `new` | 50.0 % (25.0 .. 75.0) | 1.2 % (25.0 .. 75.0) | 0.5000 (0.2500 .. 0.7500) |" in text
    assert "| `new` | `old` | -1.0 % (-2.0 .. 0.0), p 0.04 | -1.0 % (-2.0 .. 0.0), p 0.04 |" in text
    assert "| `old` | clean | 25.0 % (25.0 .. 75.0) of 8 | 50.0 % (25.0 .. 75.0) of 4 | - of 4 |" in text
    assert text.count("| clean |") == 2, "strata of all alerts alone"
