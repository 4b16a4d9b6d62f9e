"""Models: rows of features by a forest, prepared planes by a network, stamps by either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.speed.suite.contenders import OURS, Bench, require_packages

FOREST = "forest: 100 trees, features to scores"
NETWORK = "network: stampnet, planes to scores"
#: Rows of the table of features: a row takes less than a microsecond.
ROWS = 4000


@pytest.fixture(scope="session")
def table(stamps: s2v.Stamps) -> np.ndarray:
    """Return rows of the eighteen features (4000, 18)."""
    return np.nan_to_num(np.resize(s2v.features(stamps, set="autoscan-stamp").values, (ROWS, 18)))


@pytest.mark.parametrize("contender", ["space2vec", "scikit-learn", "ONNX Runtime"])
def test_forest(bench: Bench, forest: tuple[Any, s2v.Forest], table: np.ndarray, contender: str) -> None:
    fitted, loaded = forest
    expected = fitted.predict_proba(table)[:, 1]
    if contender == "space2vec":
        scores = bench(FOREST, contender, lambda: loaded.predict(table, threads=1), rows=ROWS)
    elif contender == "scikit-learn":
        scores = bench(FOREST, contender, lambda: fitted.predict_proba(table)[:, 1], rows=ROWS)
    else:
        require_packages("skl2onnx", "onnxruntime")
        from skl2onnx import to_onnx

        graph = to_onnx(fitted, table[:1], options={id(fitted): {"zipmap": False}}).SerializeToString()
        session = _session(graph)
        scores = bench(FOREST, contender, lambda: session.run(None, {"X": table})[1][:, 1], rows=ROWS)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.fixture(scope="session")
def inputs() -> tuple[np.ndarray, ...]:
    """Return the inputs of `stampnet` for simulated candidates: planes and columns."""
    planes, columns = s2v.load("stampnet").inputs(s2v.simulate(64, seed=3).stamps).arrays
    return np.nan_to_num(planes), columns


@pytest.mark.parametrize("contender", ["space2vec", "ONNX Runtime"])
def test_network(bench: Bench, inputs: tuple[np.ndarray, ...], tmp_path: Path, contender: str) -> None:
    network, rows = s2v.load("stampnet"), len(inputs[0])
    if contender == "space2vec":
        scores = bench(NETWORK, contender, lambda: network.predict(*inputs, threads=1), rows=rows)
    else:
        require_packages("onnxruntime", "torch", "onnxscript")
        network.export(tmp_path / "stampnet.onnx")
        session = _session((tmp_path / "stampnet.onnx").read_bytes())
        feed = dict(zip(("planes", "features"), inputs, strict=True))
        scores = bench(NETWORK, contender, lambda: session.run(None, feed)[0].ravel(), rows=rows)
    assert np.abs(scores - network.predict(*inputs, threads=1)).max() < 0.1


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])


@pytest.mark.parametrize("contender", OURS)
@pytest.mark.parametrize("name", ["forest", "default", "stampnet-fast"])
def test_score(bench: Bench, stamps: s2v.Stamps, name: str, contender: str) -> None:
    scores = bench.ours(f"score: {name}, stamps to scores", contender, s2v.load(name).score, stamps)
    assert np.isfinite(scores).mean() > 0.8
