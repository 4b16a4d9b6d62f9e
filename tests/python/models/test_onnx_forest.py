"""Forests as ONNX files: the same scores in ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.model_files.calibration import Calibration

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", ["forest", "autoscan"])
def test_a_forest_is_exported(name: str, tmp_path: Path, capsys: Captured) -> None:
    """One sends NaN along the trees, the other replaces it; both, and their calibration, score as the library does."""
    out, model = tmp_path / "forest.onnx", s2v.load(name)
    assert (model._tensors().get("fill") is not None) == (name == "autoscan")
    assert main(["export", name, "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"model {model.id}, which takes features, in {out}\n"
    table = s2v.features(s2v.simulate(40, seed=2).stamps, set="all")
    x = table.select(model.feature_names).copy()
    rng = np.random.default_rng(1)
    x[rng.random(x.shape) < 0.2] = np.nan
    x[rng.random(x.shape) < 0.02] = np.inf
    x[0], x[1] = np.nan, -np.inf
    session = onnxruntime.InferenceSession(out)
    np.testing.assert_allclose(session.run(["score"], {"features": x})[0], model.predict(x), rtol=0, atol=1e-6)
    assert session.run(["score"], {"features": x[:0]})[0].shape == (0,)
    said = session.get_modelmeta().custom_metadata_map
    assert said["space2vec.model"] == model.id
    assert json.loads(said["space2vec.features"]) == list(model.feature_names)
    assert "space2vec.temperature" not in said
    table_of = Calibration(x=(0.0, 0.3, 0.7, 1.0), y=(0.05, 0.2, 0.9, 0.95))
    calibrated = model.calibrated(table_of)
    calibrated.export(out)
    session = onnxruntime.InferenceSession(out)
    np.testing.assert_allclose(session.run(["score"], {"features": x})[0], calibrated.predict(x), rtol=0, atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["space2vec.model"] == calibrated.id
