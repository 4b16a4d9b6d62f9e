"""docs/few-labels.md is what its script writes from the results; labels are chosen without being seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import space2vec as s2v
from benchmarks.accuracy import few_labels, review_labels

RATE = few_labels.FPR


@pytest.fixture(scope="module")
def docs(docs_script: Callable[[str], ModuleType]) -> ModuleType:
    return docs_script("few_labels")


def rows(way: str, *rates: float) -> list[dict[str, Any]]:
    return [{"labels": 200, "seed": seed, "way": way, RATE: rate} for seed, rate in enumerate(rates)]


def test_the_page_is_that_of_the_results(docs: ModuleType) -> None:
    written = (docs.HERE / "few-labels.md").read_text(encoding="utf-8")
    assert written == docs.document(*map(docs.read_results, docs.BENCHMARKS))
    assert docs.POOL == few_labels.POOL


def test_means_ranges_and_seeds_are_counted(docs: ModuleType) -> None:
    record = {
        "before": {RATE: 0.4}, "forest before": {RATE: 0.5}, "pool": 1000,
        "curves": [*rows("fine-tuned", 0.1, 0.2, 0.3), *rows("from nothing", 0.3, 0.1)],
    }  # fmt: skip
    text = docs.document({"rubin": record}, {}, {}, {})
    assert "| fine-tuned | 40.0% | 20.0% (10.0% to 30.0%; 3 seeds) |" in text
    assert "leaves 50% of the rate" in text
    assert "below training from nothing in 1 of 2 seeds" in text
    review = {"pool": 1000, "curves": [*rows("review", 0.1, 0.2), *rows("random", 0.2, 0.1)]}
    text = docs.document({}, {}, {"des": review}, {"rubin": review})
    assert "DES: what the review asks for is better than random in 1 of 2 seeds" in text
    assert text.index("without labels (`--unlabelled`)") < text.index("Rubin: what the review asks for")
    others = {
        "before": {RATE: 0.4},
        "curves": [*rows("fine-tuned", 0.1, 0.2), *rows("fine-tuned, the others unlabelled", 0.05, 0.3)],
    }
    text = docs.document({}, {"des": others}, {}, {})
    assert "| no labels | 40.0% |" in text
    assert 'DES: with the others it is below "fine-tuned" in 1 of 2 seeds.' in text


def test_a_run_goes_on_after_the_figures_that_it_has(tmp_path: Path) -> None:
    path, settings = tmp_path / "kept.json", {"target": "rubin"}
    results = few_labels.kept_results(path, settings)
    few_labels.keep(path, results, {"labels": 5, "seed": 0, "way": "a", few_labels.FPR: 0.5})
    again = few_labels.kept_results(path, settings)
    assert again == json.loads(path.read_text()) == results
    with pytest.raises(ValueError, match="results of other settings"):
        few_labels.kept_results(path, {"target": "des"})


@pytest.mark.parametrize("choose", [review_labels.by_review, review_labels.by_doubt, review_labels.at_random])
def test_choices_see_no_labels(choose: Callable[..., Any]) -> None:
    pool, start = few_labels.draw("ztf", 30, 5), s2v.load("stampnet")
    chosen = choose(pool, start, 12)
    assert len(set(chosen.tolist())) == 12
    pool.label[:] = 1 - pool.label
    np.testing.assert_array_equal(choose(pool, start, 12), chosen)


def test_curves_leave_out_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_labels, "POOL", 40)
    known = {(20, 0, "forest from nothing"), (30, 0, "forest from nothing")}
    start: Any = None
    found = list(few_labels.curves(start, "ztf", [20, 30], 2, ["forest from nothing"], known))
    assert [(row["labels"], row["seed"]) for row, _ in found] == [(20, 1), (30, 1)]
    assert [len(model) for _, model in found] == [100, 100]
