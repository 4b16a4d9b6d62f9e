"""The tries for tablenet: each fits a network that learns, and docs/table-tries.md is what its script writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("torch")

from benchmarks.accuracy import table_tries
from benchmarks.accuracy.result_cache import ResultCache
from space2vec import evaluation, registry


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_tries, "FOLDS", 2)
    monkeypatch.setattr(table_tries, "FIT_SETTINGS", replace(table_tries.FIT_SETTINGS, epochs=6, batch=64))


@pytest.mark.parametrize("name", table_tries.TRIES)
@pytest.mark.usefixtures("quick")
def test_each_try_learns(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    x = rng.normal(size=(240, len(registry.AUTOSCAN))).astype(np.float32)
    x[:, :3] += 1.5 * y[:, None]
    score, trees = table_tries.TRIES[name]
    few = replace(trees, iterations=10, rounds=1, folds=2, interpolated=2)
    logit = np.empty(len(y))
    for table, test in table_tries.tables(x, y, 0, few, ResultCache(tmp_path)):
        assert not set(test) & set(np.flatnonzero(np.isin(x[:, 0], table.taught.rows[: len(table.taught.labels), 0])))
        logit[test] = score(table, 0)
    assert evaluation.evaluate(1 / (1 + np.exp(-logit)), y, bootstrap=0)["auc"] > 0.8


def test_the_page_is_what_its_script_writes(docs_script: Callable[[str], ModuleType]) -> None:
    docs = docs_script("table_tries")
    results = json.loads(docs.RESULTS.read_text(encoding="utf-8"))
    assert (docs.HERE / "table-tries.md").read_text(encoding="utf-8") == docs.document(results)
    assert {"as it is", "as it is, another seed"} <= set(results["tries"]) <= set(table_tries.TRIES)
