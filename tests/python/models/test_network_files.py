"""Files of networks: what they hold, and what is refused with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import space2vec as s2v
from helpers.edited_models import edit
from space2vec import model_files
from space2vec.errors import ModelError
from space2vec.models.load import packaged

pytest.importorskip("torch", reason="PyTorch is missing: torch")
tiny_networks = pytest.importorskip("helpers.tiny_networks")
pytestmark = pytest.mark.usefixtures("known")

COLUMNS = tiny_networks.COLUMNS


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(150, seed=7).stamps


@pytest.fixture(scope="module")
def tiny(night: s2v.Stamps, known: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a network of planes and features that does without a template."""
    path = tmp_path_factory.mktemp("networks") / "tiny.safetensors"
    tiny_networks.make("Tiny", night, optional=["template"]).save(path)
    return path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"head.weight": np.ones((1, 3), dtype=np.float32)}, "size mismatch for head.weight"),
        ({"head.weight": None}, "Missing key.*head.weight"),
        ({"extra": np.ones(3, dtype=np.float32)}, "Unexpected key.*extra"),
        ({"integer.out.bias": np.ones(1, dtype=np.int64)}, "integers of which its header says nothing"),
        ({"header": {"integer": {"version": 2}}}, "its integers are of version 2"),
        ({"header": {"integer": {"version": 1}}}, "a network Tiny is none of integers"),
        ({"header": {"recipe": {"name": "zscale", "version": 2}}}, "'zscale' has version 1 here; version 2 was asked"),
        ({"header": {"recipe": {"name": "braai", "version": 1}}}, "does not prepare planes one by one"),
        ({"header": {"recipe": 7}}, "recipe is no dict"),
        ({"header": {"recipe": None}}, "the header says"),
        ({"header": {"kind": "forest"}}, "'forest' with an architecture"),
        ({"header": {"architecture": None}}, "without an architecture"),
        ({"header": {"architecture": []}}, "no name and settings"),
        ({"header": {"architecture": {"name": "Tiny"}}}, "no name and settings"),
        ({"header": {"features": {"set": "stamp", "version": 9, "names": list(COLUMNS)}}}, "version 9 of"),
        ({"header": {"features": {"set": "stamp", "version": 1, "names": []}}}, "the header says"),
    ],
)
def test_damaged_files_are_refused(tiny: Path, change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    path.write_bytes(tiny.read_bytes())
    edit(path, **change)
    with pytest.raises(ModelError, match=reason) as caught:
        s2v.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "resnet"}, "unknown architecture 'resnet'; known: .*Tiny"),
        ({"temperature": 0}, "temperature is 0, not a number above 0"),
        ({"temperature": "warm"}, "temperature is 'warm'"),
        ({"temperature": True}, "temperature is True"),
        ({"settings": {"width": 9}}, "size mismatch"),
        ({"settings": {"depth": 9}}, "settings of Tiny: .*depth"),
        ({"optional": "template"}, "optional is 'template'; it is a list of planes"),
        ({"optional": ["sky"]}, "it is a list of planes: science, template, difference"),
        ({"optional": ["science", "template", "difference"]}, "optional names all planes of recipe 'tiny'"),
    ],
)
def test_damaged_architectures_are_refused(tiny: Path, change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    path.write_bytes(tiny.read_bytes())
    edit(path, {"architecture": {**(model_files.read(path)[0].architecture or {}), **change}})
    with pytest.raises(ModelError, match=reason):
        s2v.load(path)


def test_cut_files_are_refused(tiny: Path, tmp_path: Path) -> None:
    path, data = tmp_path / "network.safetensors", tiny.read_bytes()
    for size in (0, 7, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError, match="not a whole safetensors file"):
            s2v.load(path)


def test_a_file_holds_the_weights_alone(tiny: Path) -> None:
    tensors = load_file(tiny)
    state = s2v.load(tiny).module.state_dict()
    assert set(tensors) == set(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(tensors[name], tensor.numpy())
        assert tensors[name].shape == tuple(tensor.shape)
    own = {name for name in load_file(packaged()["default"]) if not name.startswith("integer.")}
    assert own == set(s2v.load().module.state_dict())


def test_the_graph_in_a_file_of_an_earlier_version_is_left_out(tiny: Path, night: s2v.Stamps, tmp_path: Path) -> None:
    path, again = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    path.write_bytes(tiny.read_bytes())
    edit(path, onnx=np.zeros(9, np.uint8), **{"onnx.cuts": np.zeros((1, 2), np.int64)})
    old, new = s2v.load(path), s2v.load(tiny)
    assert old.id == new.id
    assert old.score(night[:5]).score.tobytes() == new.score(night[:5]).score.tobytes()
    old.save(again)
    assert again.read_bytes() == tiny.read_bytes()
