"""Calibration: the table against exact arithmetic, on every backend, in every model and file, and its fit."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from helpers import host_device
from helpers.edited_models import edit
from oracle import calibration as oracle
from parity import suite
from space2vec import model_files, registry
from space2vec.data.arrays import on_host
from space2vec.errors import ModelError
from space2vec.model_files.calibration import MOST_KNOTS, Calibration
from space2vec.model_files.trees import Trees

TABLE = Calibration((0.0, 0.2, 0.5, 1.0), (0.01, 0.02, 0.9, 0.99), {"rows": 7})


def random_table(seed: int, knots: int = 20, scale: float = 1.0) -> Calibration:
    rng = np.random.default_rng(seed)
    x = np.unique((scale * rng.random(knots)).astype(np.float32))
    y = np.sort(rng.random(len(x))).astype(np.float32)
    y[len(y) // 2] = y[len(y) // 2 - 1]
    return Calibration(tuple(x.tolist()), tuple(y.tolist()))


def scores_around(table: Calibration, seed: int = 0) -> NDArray[np.float32]:
    """Return the knots, the numbers beside them, both ends, NaN and many others."""
    x = table.knots[0]
    beside = [np.nextafter(x, np.float32(2)), np.nextafter(x, np.float32(-1)), np.float32([0, 1, np.nan, 1e-42])]
    return np.concatenate([x, *beside, np.random.default_rng(seed).random(300).astype(np.float32)])


@pytest.mark.parametrize("seed", range(6))
def test_a_table_is_the_broken_line_through_its_knots(seed: int) -> None:
    table = random_table(seed, 2 + 9 * seed, 1.0 if seed % 2 else 1e-5)
    given = scores_around(table)
    for score, found in zip(given, table(given), strict=True):
        exact = oracle.calibrated(*table.knots, score)
        if exact is None:
            assert np.isnan(found)
            continue
        assert abs(float(found) - exact) <= np.spacing(np.float32(exact)) / 2 * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_the_library_gives_the_same_bits(seed: int, tmp_path: Path) -> None:
    """A tree of two leaves, one of which is the score, brings each to the kernels."""
    pytest.importorskip("space2vec._core")
    table = random_table(seed)
    given = scores_around(table, seed)
    given = given[~np.isnan(given)]
    n = len(given)
    value = np.stack([np.full(n, 0.5, np.float32), given, np.zeros(n, np.float32)], axis=1).ravel()
    for row in range(n):
        trees = Trees(
            np.array([0, 3], np.int64), np.array([2, 0, 0], np.int32), np.zeros(3, np.int16), np.zeros(3, np.uint8),
            value[3 * row : 3 * row + 3],
        )  # fmt: skip
        header = model_files.Header("forest", "one leaf", ("AMP",), "autoscan", calibration=table)
        found = s2v.Forest(trees, header).predict(np.zeros((1, 1), np.float32))
        assert found.tobytes() == table(given[row : row + 1]).tobytes(), given[row]


def test_scores_are_copied_and_of_one_dimension() -> None:
    given = np.float32([0.3, np.nan])
    found = TABLE(given)
    assert given[0] == np.float32(0.3)
    assert found.dtype == np.float32
    assert np.array_equal(TABLE([0.3, np.nan]), found, equal_nan=True)
    assert np.array_equal(TABLE(np.stack([given, given])[:, 0]), TABLE(np.full(2, given[0])))
    with pytest.raises(ValueError, match="one dimension"):
        TABLE([[0.3]])


NO_TABLES: list[tuple[Any, Any, str]] = [
    ((0.5,), (0.5,), "2 to 1024 knots"),
    ((), (), "2 to 1024 knots"),
    ((0.0, 1.0), (0.5,), "given 2 and 1"),
    ((0.5, 0.5), (0.0, 1.0), "x does not rise"),
    ((0.5, 0.5 + 1e-12), (0.0, 1.0), "in single precision"),
    ((0.6, 0.5), (0.0, 1.0), "x does not rise"),
    ((0.0, 1.0), (0.6, 0.5), "y falls"),
    ((0.0, 1.1), (0.0, 1.0), "x must hold numbers from 0 to 1"),
    ((0.0, 1.0), (-0.1, 1.0), "y must hold numbers from 0 to 1"),
    ((0.0, float("nan")), (0.0, 1.0), "x must hold numbers"),
    ((0.0, True), (0.0, 1.0), "x must hold numbers"),
    ((0.0, "1"), (0.0, 1.0), "x must hold numbers"),
    (tuple(k / 1025 for k in range(1025)), tuple(k / 1025 for k in range(1025)), "2 to 1024 knots"),
]


@pytest.mark.parametrize(("x", "y", "told"), NO_TABLES)
def test_no_table_is_refused(x: Any, y: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Calibration(x, y)


# Forests


@pytest.fixture(scope="module")
def forest() -> s2v.Forest:
    return suite.model(registry.AUTOSCAN_STAMP)


def test_a_forest_scores_through_its_table(forest: s2v.Forest, tmp_path: Path) -> None:
    x = suite.forest().x
    raw, calibrated = forest.predict(x), forest.calibrated(TABLE)
    assert calibrated.predict(x).tobytes() == TABLE(raw).tobytes()
    assert calibrated.id != forest.id
    assert repr(calibrated) == repr(forest)[:-1] + ", calibrated)"
    assert calibrated.id != forest.calibrated(Calibration(TABLE.x, (0.01, 0.02, 0.9, 1.0))).id
    path = tmp_path / "made.safetensors"
    calibrated.save(path)
    for again in (s2v.load(path), pickle.loads(pickle.dumps(calibrated)), copy.deepcopy(calibrated)):
        assert again.id == calibrated.id
        assert again.header.calibration == TABLE
        assert again.predict(x).tobytes() == TABLE(raw).tobytes()
    stamps = suite.stamps()[:200]
    expected = forest.score(stamps)
    assert calibrated.score(stamps).score.tobytes() == TABLE(expected.score).tobytes()
    assert calibrated.score(stamps).model == calibrated.id
    without = s2v.load(path).calibrated(None)
    assert without.id == forest.id
    assert without.predict(x).tobytes() == raw.tobytes()


def test_a_forest_of_numba_scores_through_it(forest: s2v.Forest, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    x = suite.forest().x[:200]
    expected = forest.calibrated(TABLE).predict(x)
    monkeypatch.setenv("SPACE2VEC_BACKEND", "numba")
    assert forest.calibrated(TABLE).predict(x, threads=2).tobytes() == expected.tobytes()


def test_a_forest_on_a_device_scores_through_it(forest: s2v.Forest, monkeypatch: pytest.MonkeyPatch) -> None:
    host_device.make(monkeypatch)
    calibrated, stamps = forest.calibrated(TABLE), suite.stamps()[:200]
    expected = calibrated.score(stamps)
    for scores in (calibrated.score(stamps, device="cuda"), calibrated.score(stamps.to_device())):
        assert on_host(scores.score).tobytes() == expected.score.tobytes()


@pytest.mark.parametrize(("x", "y", "told"), NO_TABLES)
def test_a_file_without_a_table_is_refused(x: Any, y: Any, told: str, forest: s2v.Forest, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    forest.save(path)
    edit(path, {"calibration": {"x": list(x), "y": list(y)}})
    with pytest.raises(ModelError, match=rf"bad.safetensors: damaged header .(JSON with NaN|calibration: .*{told})"):
        s2v.load(path)


@pytest.mark.parametrize("plain", [[], 3, {"x": [0, 1]}, {"x": 0, "y": 1}, {"x": [0, 1], "y": [0, 1], "fitted": 3}])
def test_a_calibration_that_is_none_is_refused(plain: Any, forest: s2v.Forest, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    forest.save(path)
    edit(path, {"calibration": plain})
    with pytest.raises(ModelError, match=r"damaged header \(calibration: "):
        s2v.load(path)


def test_metrics_say_which_scores_they_are_of(forest: s2v.Forest) -> None:
    header = model_files.Header("forest", "a", ("b",), metrics={"auc": 0.9})
    once = header.calibrated(TABLE, {"brier": 0.1})
    assert once.metrics == {"brier": 0.1, "before calibration": {"auc": 0.9}}
    assert model_files.Header.from_json(once.to_json()) == once
    assert once.calibrated(random_table(1)).metrics == {"before calibration": {"auc": 0.9}}
    assert once.calibrated(None) == header
    assert forest.calibrated(TABLE).header.metrics == {}, "of a model without metrics there are none before"
    assert "calibration" not in json.loads(header.to_json())


# Networks

torch = pytest.importorskip("torch", reason="PyTorch is missing: torch")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is missing: onnxruntime")
pytest.importorskip("onnxscript", reason="the exporter is missing: onnxscript")
tiny_networks = pytest.importorskip("helpers.tiny_networks")


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(90, seed=7).stamps


@pytest.fixture(scope="module")
def plain(night: s2v.Stamps, known: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "plain.safetensors"
    tiny_networks.make("Tiny", night).save(path)
    return path


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch"])
def test_a_network_scores_through_its_table(
    runtime: str, plain: Path, night: s2v.Stamps, known: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACE2VEC_RUNTIME", runtime)
    network = s2v.load(plain)
    raw = network.score(night)
    table = random_table(3)
    calibrated = network.calibrated(table)
    assert calibrated.id != network.id
    assert repr(calibrated) == repr(network)[:-1] + ", calibrated)"
    assert network.score(night).score.tobytes() == raw.score.tobytes(), "the other one stays as it was"
    path = tmp_path / "made.safetensors"
    calibrated.save(path)
    for again in (calibrated, s2v.load(path), pickle.loads(pickle.dumps(calibrated))):
        assert again.id == calibrated.id
        scores = again.score(night)
        assert scores.score.tobytes() == table(raw.score).tobytes()
        assert scores.model == calibrated.id
    without = s2v.load(path).calibrated(None)
    assert without.id == network.id
    assert without.score(night).score.tobytes() == raw.score.tobytes()
    again = tmp_path / "without.safetensors"
    without.save(again)
    assert again.read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("knots", [2, 20, MOST_KNOTS])
def test_an_exported_graph_gives_the_scores_of_the_model(
    knots: int, plain: Path, night: s2v.Stamps, known: None, tmp_path: Path
) -> None:
    network = s2v.load(plain)
    table = random_table(4, knots)
    calibrated = network.calibrated(table)
    from space2vec.models.onnx_graph import make_graph

    path = tmp_path / "made.onnx"
    calibrated.export(path)
    session = onnxruntime.InferenceSession(path.read_bytes())
    about = session.get_modelmeta().custom_metadata_map
    assert about["space2vec.model"] == calibrated.id
    assert Calibration.from_plain(json.loads(about["space2vec.calibration"])) == table
    inputs = [tensor.numpy() for tensor in calibrated.tensors(night)]
    inputs[0][3] = np.nan
    names = [entry.name for entry in session.get_inputs()]
    (found,) = session.run(["score"], dict(zip(names, inputs, strict=True)))
    raw = onnxruntime.InferenceSession(make_graph(network)).run(["score"], dict(zip(names, inputs, strict=True)))[0]
    assert found.tobytes() == table(raw).tobytes()
    assert found.dtype == np.float32


def test_the_graph_of_a_table_gives_its_bits() -> None:
    """The graph alone, on scores around the knots, where it is given them in the place of a network's."""
    onnx = pytest.importorskip("onnx")
    from space2vec.models.onnx_graph import calibrated_graph

    kind = onnx.TensorProto.FLOAT
    given, score = (onnx.helper.make_tensor_value_info(name, kind, ["n"]) for name in ("given", "score"))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["given"], ["score"])], "g", [given], [score])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    for seed in range(4):
        table = random_table(seed, 30, 1.0 if seed % 2 else 1e-4)
        session = onnxruntime.InferenceSession(calibrated_graph(model.SerializeToString(), table))
        values = scores_around(table, seed)
        found = session.run(["score"], {"given": values})[0]
        known = ~np.isnan(values)
        assert found[known].tobytes() == table(values)[known].tobytes()
        assert np.isnan(found[~known]).all()


def test_a_network_of_floats_on_a_device_goes_through_the_same_arithmetic() -> None:
    from space2vec.backends.cuda.float_network import apply_calibration

    for seed in range(4):
        table = random_table(seed)
        values = scores_around(table, seed)
        knots = [torch.tensor(column, dtype=torch.float64) for column in table.knots]
        found = apply_calibration(knots, torch.from_numpy(values)).numpy()
        known = ~np.isnan(values)
        assert found[known].tobytes() == table(values)[known].tobytes()
        assert np.isnan(found[~known]).all()
