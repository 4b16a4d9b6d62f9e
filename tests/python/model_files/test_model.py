"""Model files: what is written is what is read; what is no model is refused by name and reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import space2vec as s2v
from helpers.edited_models import edit
from space2vec import model_files, registry
from space2vec.errors import ModelError
from space2vec.model_files.trees import Trees
from space2vec.models.forest import Forest
from space2vec.models.load import packaged
from space2vec.studies.packaged import forests


def small_forest(fill: bool = True) -> Forest:
    trees = Trees(
        np.array([0, 3, 4]),
        np.array([2, 0, 0, 0], dtype=np.int32),
        np.array([1, 0, 0, 0], dtype=np.int16),
        np.array([1, 0, 0, 0], dtype=np.uint8),
        np.array([0.5, 0.25, 0.75, 0.5], dtype=np.float32),
    )
    header = model_files.Header(
        "forest", "small", ("AMP", "SNR"), "autoscan", training={"rows": 3}, metrics={"auc": 0.5}
    )
    return Forest(trees, header, np.array([0.0, 1.0], dtype=np.float32) if fill else None)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    small_forest().save(path)
    return path


@pytest.mark.parametrize("fill", [True, False])
def test_round_trip(tmp_path: Path, fill: bool) -> None:
    forest = small_forest(fill)
    path = tmp_path / "model é.safetensors"
    forest.save(path)
    again = Forest.load(path)
    assert again.id == forest.id
    assert again.id.startswith("small ")
    assert again.header.training == {"rows": 3}
    assert again.header.metrics == {"auc": 0.5}
    assert again.header.library == s2v.__version__
    assert again.feature_names == ("AMP", "SNR")
    x = np.array([[0, 0.5], [0, 0.6], [0, np.nan]], dtype=np.float32)
    expected = [0.375, 0.625, 0.625 if fill else 0.375]
    assert again.predict(x).tolist() == forest.predict(x).tolist() == expected
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "nothing is left beside the file"


def test_the_id_changes_with_the_model() -> None:
    assert small_forest().id == small_forest().id
    assert small_forest().id != small_forest(fill=False).id


def test_saving_replaces_only_by_a_whole_file(saved: Path, tmp_path: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(OSError, match="directory"):
        small_forest().save(tmp_path / "no such folder" / "model.safetensors")
    small_forest(fill=False).save(saved)
    assert saved.read_bytes() != before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"header": {"format": 2}}, "format 2; this version reads format 1"),
        ({"header": {"format": None}}, "no space2vec header"),
        ({"header": {"kind": "network"}}, "of kind 'network' without an architecture"),
        ({"header": {"kind": "gp"}}, "of kind 'gp'; this version knows: forest, network"),
        ({"header": {"kind": None}}, "of kind ''"),
        ({"header": {"architecture": {}}}, "of kind 'forest' with an architecture"),
        ({"header": {"features": {"names": []}}}, "neither features nor a recipe"),
        ({"header": {"features": None}}, "names no features"),
        ({"header": {"features": {"names": ["A", "A"]}}}, "not distinct strings"),
        ({"header": {"features": {"names": ["A"]}}}, "fill must be 1"),
        ({"header": {"features": {"set": "autoscan", "version": 9, "names": ["AMP", "SNR"]}}}, "version 9 of"),
        ({"header": {"convention": "other"}}, "unknown convention 'other'"),
        ({"header": {"training": None}}, "training"),
        ({"header": {"metrics": []}}, "metrics is no dict"),
        ({"right": None}, "tensor right is missing"),
        ({"right": np.zeros(4, dtype=np.int64)}, "tensor right must be 1-D int32; it is int64"),
        ({"value": np.zeros((2, 2), dtype=np.float32)}, "tensor value must be 1-D"),
        ({"value": np.zeros(3, dtype=np.float32)}, "differ in length"),
        ({"right": np.array([1, 0, 0, 0], dtype=np.int32)}, "outside its tree"),
    ],
)
def test_foreign_and_damaged_models_are_refused(saved: Path, change: dict[str, Any], reason: str) -> None:
    edit(saved, **change)
    with pytest.raises(ModelError, match=reason) as caught:
        s2v.load(saved)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("size", [0, 5, 8, 60, -1])
def test_truncated_files_are_refused(saved: Path, size: int) -> None:
    saved.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        s2v.load(saved)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": np.zeros(3)}, path)
    with pytest.raises(ModelError, match="not one of space2vec"):
        s2v.load(path)
    path.write_bytes(b"\x80\x04\x95 this would be a pickle" * 9)
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        s2v.load(path)
    with pytest.raises(ModelError, match="there is no such file"):
        s2v.load(tmp_path / "absent.safetensors")


def test_the_folder_of_a_run_stands_for_its_model(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"it is a folder, and holds no model\.safetensors"):
        s2v.load(tmp_path)
    saved.rename(tmp_path / "model.safetensors")
    assert s2v.load(tmp_path).id == small_forest().id


def test_an_onnx_file_is_told_what_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").touch()
    with pytest.raises(ModelError, match=r"x\.onnx: .*accepted are packaged models \(autoscan, .*\.safetensors files"):
        s2v.load(tmp_path / "x.onnx")


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(
        ModelError, match=r"unknown model 'braii'; packaged models: autoscan, default, forest, stampnet"
    ):
        s2v.load("braii")


@pytest.mark.parametrize(
    ("name", "columns"),
    [("autoscan", registry.AUTOSCAN), ("forest", (*forests.STAMP_COLUMNS, *forests.PACKET_COLUMNS))],
)
def test_packaged_forests(name: str, columns: tuple[str, ...]) -> None:
    model = s2v.load(name)
    assert model.name == name
    assert model.feature_names == columns
    assert model.header.training["data"]
    assert model.header.metrics
    assert packaged()[name].stat().st_size < 1.5e6
    x = np.full((2, len(columns)), np.nan, dtype=np.float32)
    assert ((model.predict(x) >= 0) & (model.predict(x) <= 1)).all()
    assert np.isnan(model.score(s2v.Features(x, columns)).score).all()


def test_default_is_stampnet_and_says_how_it_came_to_be() -> None:
    model = s2v.load()
    assert model.id == s2v.load("stampnet").id
    assert (model.kind, model.name) == ("network", s2v.load("stampnet").name)
    assert model.header.training["data"]
    assert model.header.metrics["validation"]
    assert "braai d6_m9 above 0.5, which is agreement, not accuracy" in model.header.metrics["validation labels"]
    assert packaged()["default"].stat().st_size < 1e6


def test_rows_that_are_hardly_known_are_flagged() -> None:
    night = s2v.simulate(3, seed=4).stamps
    bare = s2v.Stamps(night.pixels)
    for name, flagged in (("autoscan", True), ("tablenet", True), ("forest", False), ("stampnet", False)):
        model = s2v.load(name)
        for stamps, missing in ((bare, flagged), (night, False)):
            scores = model.score(stamps)
            assert np.isfinite(scores.score).all()
            assert [("missing" in scores.flag_names(row)) for row in range(3)] == [missing] * 3, name


def test_stamps_that_hold_no_candidate_are_not_scored_by_default() -> None:
    pixels = np.random.default_rng(0).normal(size=(4, 3, 63, 63))
    scores = s2v.load().score(s2v.Stamps(pixels, centre=[[31, 31], [-1, 31], [31, 63], [62, 0]]))
    np.testing.assert_array_equal(np.isnan(scores.score), [False, True, True, False])
    assert [("off_shape" in scores.flag_names(row)) for row in range(4)] == [False, True, True, False]
    for side, scored in ((2, False), (4, False), (5, True)):
        scores = s2v.load().score(s2v.Stamps(pixels[:1, :, :side, :side]))
        assert (np.isfinite(scores.score[0]), "off_shape" not in scores.flag_names(0)) == (scored, scored)


def test_stamps_of_one_bright_pixel() -> None:
    pixels = np.full((1, 3, 51, 51), 100.0)
    pixels[:, :, 25, 25] = 500
    stamps = s2v.Stamps(pixels)
    for name, scored in (("stampnet", False), ("forest", True), ("tablenet", True), ("autoscan", True)):
        scores = s2v.load(name).score(stamps)
        assert np.isfinite(scores.score[0]) == scored, name
        assert "zero_scale" in scores.flag_names(0)


@pytest.mark.parametrize("name", ["forest", "stampnet"])
def test_packaged_models_tell_real_from_bogus_in_a_simulated_night(name: str) -> None:
    night = s2v.simulate(200, seed=99)
    score = s2v.load(name).score(night.stamps)
    assert s2v.evaluation.evaluate(score.score, night.labels, bootstrap=0)["auc"] > 0.9
