"""Networks from the command line: scored, exported, and told of."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.writing import Output

Captured = pytest.CaptureFixture[str]

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is missing: onnxruntime")
pytest.importorskip("onnxscript", reason="the exporter is missing: onnxscript")
tiny_networks = pytest.importorskip("helpers.tiny_networks", reason="PyTorch is missing: torch")
pytestmark = pytest.mark.usefixtures("known")
COUNT = 40


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write alerts; the first lacks its template, the second is cut short."""
    folder = tmp_path_factory.mktemp("alerts")
    assert main(["simulate", "-n", str(COUNT), "-o", str(folder), "--seed", "5"]) == 0
    first, second = sorted(folder.glob("*.avro"))[:2]
    reader = fastavro.reader(io.BytesIO(first.read_bytes()))
    packets = [{**packet, "cutoutTemplate": None} for packet in reader]
    with first.open("wb") as file:
        fastavro.writer(file, reader.writer_schema, packets)
    second.write_bytes(second.read_bytes()[:5000])
    return folder


@pytest.fixture(scope="module")
def model(known: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    tiny_networks.make("Tiny", s2v.simulate(50, seed=7).stamps, optional=["template"]).save(path)
    return path


def score(alerts: Path, model: Path, out: Path, *more: str) -> int:
    return main(["score", str(alerts), "--model", str(model), "-o", str(out), "--part-rows", "8", *more])


def test_score(alerts: Path, model: Path, tmp_path: Path, capsys: Captured) -> None:
    out, picture = tmp_path / "scores.parquet", tmp_path / "mosaic.png"
    pytest.importorskip("matplotlib")
    assert score(alerts, model, out, "--mosaic", str(picture)) == 1
    said = capsys.readouterr().out
    assert f"{COUNT} rows: {COUNT - 1} scored, 1 not scored" in said
    table = pq.read_table(out)
    expected = s2v.load(model).score(s2v.read(alerts, strict=False))
    np.testing.assert_allclose(table["score"].to_numpy(), expected.score, rtol=0, atol=1e-6)
    assert table["flags"].to_pylist() == [expected.flag_names(row) for row in range(COUNT)]
    assert json.loads(table.schema.metadata[b"space2vec"])["model"] == expected.model
    assert "missing" in expected.flag_names(0)
    assert np.isfinite(expected.score[0]), "the model does without a template"
    assert np.nonzero(np.isnan(expected.score))[0].tolist() == [1]
    errors = pq.read_table(tmp_path / "scores.errors.parquet")
    assert 1 in errors["row"].to_pylist()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_resume(alerts: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
    assert score(alerts, model, whole) == 1
    real, added = Output.add, []

    def add(output: Output, chunk: Any) -> None:
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append(chunk)
        real(output, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(Output, "add", add)
        assert score(alerts, model, out) == 130
    assert not out.exists()
    assert score(alerts, model, out, "--resume") == 1
    assert out.read_bytes() == whole.read_bytes()


def test_score_of_features(model: Path, tmp_path: Path, capsys: Captured) -> None:
    night = s2v.simulate(30, seed=9).stamps
    table = tmp_path / "features.parquet"
    pq.write_table(s2v.features(night, set="all").to_arrow(), table)
    own = tmp_path / "table.safetensors"
    network = tiny_networks.make("TinyTable", night)
    network.save(own)
    out = tmp_path / "scores.parquet"
    assert score(table, own, out) == 0
    np.testing.assert_allclose(pq.read_table(out)["score"].to_numpy(), network.score(night).score, atol=1e-5)
    assert score(table, model, tmp_path / "no.parquet") == 2
    assert "'tiny' takes stamps: a table of features has no pixels" in capsys.readouterr().err


def test_cuda_raises(alerts: Path, model: Path, tmp_path: Path, capsys: Captured) -> None:
    assert score(alerts, model, tmp_path / "out.parquet", "--device", "cuda") == 2
    assert "device 'cuda' is not available" in capsys.readouterr().err


def test_export(model: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is exported runs in ONNX Runtime alone, and says what it must be given."""
    out = tmp_path / "tiny.onnx"
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "onnxruntime")
    assert main(["export", str(model), "-o", str(out)]) == 0
    network = s2v.load(model)
    assert capsys.readouterr().out == f"model {network.id}, which takes planes and features, in {out}\n"
    session = onnxruntime.InferenceSession(out)
    assert [(entry.name, entry.shape[1:]) for entry in session.get_inputs()] == [
        ("planes", [3, 21, 21]),
        ("features", [4]),
    ]
    assert [(entry.name, len(entry.shape)) for entry in session.get_outputs()] == [("score", 1)]
    night = s2v.simulate(20, seed=2).stamps
    given = {
        "planes": s2v.prepare(night, tiny_networks.RECIPE).planes,
        "features": s2v.features(night, set="stamp").select(tiny_networks.COLUMNS),
    }
    np.testing.assert_array_equal(session.run(None, given)[0], network.score(night).score)
    said = session.get_modelmeta().custom_metadata_map
    assert said == {
        "space2vec.model": network.id,
        "space2vec.temperature": "1.25",
        "space2vec.recipe": "tiny 1",
        "space2vec.recipe.channels": '["science", "template", "difference"]',
        "space2vec.recipe.definition": tiny_networks.RECIPE.definition,
        "space2vec.recipe.document": json.dumps(tiny_networks.RECIPE.to_plain()),
        "space2vec.features": json.dumps(tiny_networks.COLUMNS),
        "space2vec.features.set": f"stamp {s2v.registry.FEATURES_VERSION}",
        "space2vec.features.convention": "code",
    }
    again = s2v.Recipe.from_plain(json.loads(said["space2vec.recipe.document"]))
    assert again == tiny_networks.RECIPE
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"], "nothing is left beside the file"


def test_what_is_not_exported(model: Path, tmp_path: Path, capsys: Captured) -> None:
    for arguments, words in (
        ((model, "-o", tmp_path / "x.pt"), "the suffix of an ONNX file is .onnx"),
        ((model, "-o", tmp_path / "none" / "x.onnx"), "No such file or directory"),
        (("absent.safetensors", "-o", tmp_path / "x.onnx"), "there is no such file"),
    ):
        assert main(["export", *map(str, arguments)]) == 2
        assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_doctor_tells_what_runs_networks(model: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    from space2vec import doctor

    for module in ("space2vec.doctor", "space2vec.models.load"):
        monkeypatch.setattr(f"{module}.packaged", lambda: {"tiny": model})
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    version = re.escape(onnxruntime.__version__)
    assert re.search(rf"^onnxruntime: +{version}, for running networks in floating point", said, re.MULTILINE)
    assert re.search(r"^torch: +\d\S+, for training networks", said, re.MULTILINE)
    assert re.search(r"^networks: +run by the backend native$", said, re.MULTILINE)
    assert re.search(rf"^model tiny: +network of planes and features, 4 columns, .*{s2v.load(model).id}$", said, re.M)
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "abacus")
    told = dict(doctor.report())
    assert told["networks"].startswith("none: SPACE2VEC_RUNTIME is 'abacus'")
    assert "abacus" in told["model tiny"]
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "torch")
    assert dict(doctor.report())["networks"] == "run by torch"
