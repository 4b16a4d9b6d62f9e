"""Networks of modules that users train or write themselves: their weights, metrics, names, files and integers."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from space2vec.errors import ModelError
from space2vec.models.custom_module import name_without_version, next_version
from space2vec.models.load import load

torch = pytest.importorskip("torch")


class Mine(torch.nn.Module):
    """A network that space2vec does not know: planes and features to a logit."""

    def __init__(self, channels: int = 6, columns: int = 4, width: int = 8) -> None:
        super().__init__()
        self.look = torch.nn.Sequential(torch.nn.Conv2d(channels, width, 5, stride=4), torch.nn.AdaptiveAvgPool2d(1))
        self.head = torch.nn.Linear(width + columns, 1)

    def forward(self, planes: Any, features: Any) -> Any:
        seen = self.look(planes).flatten(1)
        return self.head(torch.cat([seen, torch.nan_to_num(features).clamp(-9, 9)], dim=1)).squeeze(1)


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(24, seed=3).stamps


def mine(like: s2v.Network) -> Mine:
    torch.manual_seed(2)
    (planes, columns) = like.shapes.values()
    return Mine(planes[0], columns[0])


def test_a_network_of_which_the_module_was_trained_is_neither_saved_nor_scored(
    night: s2v.Stamps, tmp_path: Path
) -> None:
    network = load("stampnet")
    assert isinstance(network, s2v.Network)
    before = network.score(night).score
    module = network.module
    assert network.module is module
    with torch.no_grad():
        module.head[-1].bias += 1
    attempts = (
        lambda: network.score(night), lambda: network.save(tmp_path / "x.safetensors"), lambda: pickle.dumps(network),
        lambda: network.predict(*network.inputs(night).arrays), lambda: network.export(tmp_path / "x.onnx"),
    )  # fmt: skip
    for attempt in attempts:
        with pytest.raises(ModelError, match=r"has been changed.*from_module\(network.module, like=network\)"):
            attempt()
    assert not list(tmp_path.iterdir())
    with torch.no_grad():
        module.head[-1].bias -= 1
    module.load_state_dict(s2v.load("stampnet").module.state_dict())
    assert network.score(night).score.tobytes() == before.tobytes()


def test_a_trained_module_of_ours_becomes_integers_with_nothing_of_the_old_metrics(
    night: s2v.Stamps, tmp_path: Path
) -> None:
    like = load("stampnet")
    assert isinstance(like, s2v.Network)
    module = like.module
    with torch.no_grad():
        module.head[-1].bias += 0.5
    again = s2v.Network.from_module(module, like=like, stamps=night)
    assert again.name == next_version(load("stampnet").name)
    assert again.integers is not None
    assert again.runtime is None
    assert again.header.metrics == {}
    assert again.header.calibration is None
    assert again.header.temperature == 1.0
    assert again.header.optional == like.header.optional
    assert again.header.training == {"inputs of": load("stampnet").id}
    logits = module(*again.tensors(night)).detach().numpy()
    assert np.abs(again.score(night).score - 1 / (1 + np.exp(-logits))).max() < 0.05
    again.save(tmp_path / "again.safetensors")
    assert load(tmp_path / "again.safetensors").score(night).score.tobytes() == again.score(night).score.tobytes()
    floats = s2v.Network.from_module(module, like=again, name="mine", temperature=2.0, metrics={"auc": 0.5})
    assert (floats.integers, floats.runtime, floats.name) == (None, "torch", "mine")
    assert floats.header.metrics == {"auc": 0.5}
    np.testing.assert_allclose(floats.score(night).score, 1 / (1 + np.exp(-logits / 2)), atol=1e-5)
    with pytest.raises(ValueError, match="none of the 0 stamps can be prepared"):
        s2v.Network.from_module(module, like=again, stamps=night[:0])


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime"])
def test_a_module_of_ones_own_is_scored_saved_and_loaded(
    night: s2v.Stamps, tmp_path: Path, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in (runtime, "onnxscript"):
        pytest.importorskip(package)
    monkeypatch.setenv("SPACE2VEC_RUNTIME", runtime)
    like = load("stampnet-fast")
    assert isinstance(like, s2v.Network)
    module = mine(like)
    network = s2v.Network.from_module(module, like=like, stamps=night, name="mine")
    assert network.first is None
    assert network.integers is None
    assert network.shapes == like.shapes
    expected = torch.sigmoid(module(*network.tensors(night))).detach().numpy()
    np.testing.assert_allclose(network.score(night).score, expected, atol=1e-5)
    path = tmp_path / "mine.safetensors"
    network.save(path)
    with torch.no_grad():
        module.head.bias += 1
    again = load(path, module=module)
    assert again.id == network.id
    assert again.score(night).score.tobytes() == network.score(night).score.tobytes()
    assert pickle.loads(pickle.dumps(again)).id == network.id


def test_a_file_of_a_module_of_ones_own_asks_for_its_class(night: s2v.Stamps, tmp_path: Path) -> None:
    like = load("stampnet")
    assert isinstance(like, s2v.Network)
    path = tmp_path / "mine.safetensors"
    s2v.Network.from_module(mine(like), like=like).save(path)
    with pytest.raises(
        ModelError, match=r"of a class Mine, whose code is not in the file: load it with .*module=\.\.\."
    ):
        load(path)
    with pytest.raises(ModelError, match="these are no weights of Mine: size mismatch"):
        load(path, module=Mine(6, len(like.feature_names), 9))
    with pytest.raises(ModelError, match="no weights of Linear"):
        load(path, module=torch.nn.Linear(2, 1))
    for name in ("stampnet", "forest"):
        with pytest.raises(ModelError, match="it takes no module"):
            load(name, module=mine(like))
    with pytest.raises(ModelError, match="the module cannot take"):
        s2v.Network.from_module(Mine(2, len(like.feature_names)), like=like)
    with pytest.raises(ModelError, match="like must be a Network"):
        s2v.Network.from_module(mine(like), like=load("forest"))  # type: ignore[arg-type]


def test_versions_are_counted_in_names() -> None:
    names = ["stampnet"]
    for _ in range(3):
        names.append(next_version(names[-1]))
    assert [name_without_version(name) for name in (*names, "v2")] == [*["stampnet"] * 4, "v2"]
    assert names == ["stampnet", "stampnet v2", "stampnet v3", "stampnet v4"]
    assert next_version("v2") == "v2 v2"
    assert next_version("net v12 tuned") == "net v12 tuned v2"
