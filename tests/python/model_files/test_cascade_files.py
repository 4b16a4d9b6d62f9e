"""Files of cascades: the packaged one, what tells it from others, and headers that lie."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers.cascades import parts
from space2vec import model_files
from space2vec.backends import kernels
from space2vec.errors import ModelError
from space2vec.model_files import tensor_file
from space2vec.models.load import packaged
from space2vec.models.network import Network


def test_the_packaged_cascade(tmp_path: Path) -> None:
    cascade = s2v.load("stampnet-fast")
    assert isinstance(cascade, Network)
    assert cascade.first is not None
    assert cascade.header.doubt is not None
    second = s2v.load("stampnet")
    assert cascade.second.id.split()[-1] == second.id.split()[-1]  # the same tensors
    assert cascade.first.needs.recipe is not None
    assert "template" not in cascade.first.needs.recipe.channels
    assert len({cascade.id, second.id, cascade.first.id, parts((0.1, 0.9))[0].id}) == 4
    assert "doubt" in repr(cascade)
    cascade.save(tmp_path / "copy.safetensors")
    copy = s2v.load(tmp_path / "copy.safetensors")
    assert copy.id == cascade.id
    assert copy.header == replace(cascade.header, library=copy.header.library)
    assert pickle.loads(pickle.dumps(cascade)).id == cascade.id
    with pytest.raises(ModelError, match="cascade of two networks"):
        cascade.export(tmp_path / "cascade.onnx")
    again = Network(second.module, replace(second.header, doubt=(0.2, 0.8)), second.integers, cascade.first)
    assert again.header.first == cascade.first.header


def test_a_table_is_refused() -> None:
    table = s2v.Features(np.zeros((2, 1), np.float32), ("AMP",), np.zeros(2, np.uint32), np.array(["a", "b"], object))
    with pytest.raises(ModelError, match="takes stamps"):
        s2v.load("stampnet-fast").score(table)


def lies() -> dict[str, tuple[Callable[[dict[str, Any]], object], str]]:
    """Return what may be wrong with a header, and what is said of it."""

    def of_first(**more: Any) -> Callable[[dict[str, Any]], object]:
        return lambda header: header["first"].update(more)

    def recipe(**more: Any) -> Callable[[dict[str, Any]], object]:
        return lambda header: header["first"]["recipe"].update(more)

    return {
        "reversed": (lambda header: header.update(doubt=[0.7, 0.3]), "doubt"),
        "of one score": (lambda header: header.update(doubt=[0.5, 0.5]), "doubt"),
        "beyond 1": (lambda header: header.update(doubt=[0.5, 1.5]), "doubt"),
        "three ends": (lambda header: header.update(doubt=[0.1, 0.2, 0.3]), "doubt"),
        "no numbers": (lambda header: header.update(doubt=["a", True]), "doubt"),
        "no doubt": (lambda header: header.pop("doubt"), "doubt"),
        "no first": (lambda header: header.pop("first"), "first"),
        "first is no header": (lambda header: header.update(first=3), "header"),
        "another convention": (of_first(convention="paper"), "convention"),
        "another side": (recipe(side=31), "another way"),
        "other steps": (recipe(steps=[{"name": "l2", "version": 1, "parameters": {}}]), "another way"),
        "other columns": (
            lambda header: header["first"]["features"]["names"].__setitem__(0, "AMP"), "takes columns that the second"
        ),
        "other planes": (
            lambda header: header["recipe"].update(channels=["science", "difference"]), "optional|planes|takes"
        ),
        "a cascade before it": (
            lambda header: header["first"].update(first=json.loads(json.dumps(header["first"])), doubt=[0.1, 0.9]),
            "no cascade",
        ),
        "a forest before it": (
            lambda header: [header["first"].update(kind="forest"), header["first"].pop("architecture")], "networks"
        ),
        "floats before it": (lambda header: header["first"].pop("integer"), "integers"),
    }  # fmt: skip


@pytest.mark.parametrize("name", lies())
def test_headers_that_lie_are_refused(name: str, tmp_path: Path) -> None:
    change, message = lies()[name]
    header, tensors = model_files.read(packaged()["stampnet-fast"])
    plain = json.loads(header.to_json())
    change(plain)
    path = tmp_path / "lying.safetensors"
    path.write_bytes(tensor_file.encode({"space2vec": json.dumps(plain)}, tensors))
    with pytest.raises(ModelError, match=message) as error:
        s2v.load(path)
    assert str(path) in str(error.value)
    for offered in _kernels():
        with pytest.raises(ValueError, match="Model: "):
            offered.Model(path.read_bytes())


def _kernels() -> list[Any]:
    found = []
    if kernels.name() == "native":
        from space2vec import _core

        found.append(_core)
    return found


def test_not_a_number_is_no_doubt(tmp_path: Path) -> None:
    header, tensors = model_files.read(packaged()["stampnet-fast"])
    text = header.to_json().replace(json.dumps(list(header.doubt or ())), "[NaN, 0.5]")
    path = tmp_path / "nan.safetensors"
    path.write_bytes(tensor_file.encode({"space2vec": text}, tensors))
    with pytest.raises(ModelError, match=r"doubt|NaN|JSON"):
        s2v.load(path)
