"""Networks of vectors: the library's vectors against a plain transcription, and which files are refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from helpers import tiny_models
from oracle import integer_network as oracle
from space2vec import _core, model_files, registry
from space2vec.model_files import tensor_file
from space2vec.model_files.integer_network import IntegerNetwork, NetworkInputs, split_integers, vector_length

MODELS = tiny_models.vector_models()


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(90, seed=7).stamps


def tensors_of(file: bytes) -> dict[str, NDArray[Any]]:
    """Return the integers of a file by the names that they have without their prefix."""
    tensors = tensor_file.decode(file)[1]
    return {name.removeprefix("integer."): t for name, t in tensors.items() if name.startswith("integer.")}


def scales_of(file: bytes) -> dict[str, NDArray[Any]]:
    tensors = tensor_file.decode(file)[1]
    return {name.removeprefix("scale."): t for name, t in tensors.items() if name.startswith("scale.")}


def rows_of(file: bytes, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return planes and columns, some of them not finite."""
    settings = tiny_models.header_of(file).architecture["settings"]
    rng = np.random.default_rng(3)
    planes = rng.normal(size=(n, settings["channels"], settings["side"], settings["side"])).astype(np.float32)
    planes *= rng.uniform(0.2, 4, (n, 1, 1, 1)).astype(np.float32)
    planes[3, 0, 1, 1], planes[7, 0, 0, 0] = np.nan, -np.inf
    columns = (rng.normal(size=(n, settings["features"])) * 20).astype(np.float32)
    columns[rng.random(columns.shape) < 0.1] = np.nan
    return planes, columns if settings["features"] else None


@pytest.mark.parametrize("name", MODELS)
def test_the_library_has_the_oracles_bits(name: str) -> None:
    file = MODELS[name]
    planes, columns = rows_of(file, 150)
    model = _core.Model(file)
    assert model.vector == tiny_models.header_of(file).architecture["settings"]["vector"]
    expected = oracle.vectors(tensors_of(file), planes, columns, scales_of(file))
    for threads in (1, 2):
        found = np.full((len(planes), model.vector), 55, np.int8)
        model.predict_vectors(planes, columns, found, threads)
        np.testing.assert_array_equal(found, expected)
    assert not expected[3].any()
    assert not expected[7].any()
    assert (np.abs(expected[8:]).sum(axis=1) > 0).all()
    assert len(np.unique(expected[8:], axis=0)) == len(expected) - 8
    assert -127 <= expected.min() < -20
    assert 20 < expected.max() <= 127


@pytest.mark.parametrize("name", MODELS)
def test_vectors_of_stamps_are_those_of_their_inputs(name: str, night: s2v.Stamps) -> None:
    model = _core.Model(MODELS[name])
    n, settings = len(night), tiny_models.header_of(MODELS[name]).architecture["settings"]
    planes = np.empty((n, settings["channels"], settings["side"], settings["side"]), np.float32)
    columns = np.empty((n, settings["features"]), np.float32)
    flags, scored = np.empty(n, np.uint32), np.empty(n, np.bool_)
    model.inputs(night, None, planes, columns if settings["features"] else None, flags, scored, 1)
    expected = np.zeros((n, model.vector), np.int8)
    model.predict_vectors(planes, columns if settings["features"] else None, expected, 1)
    expected[~scored] = 0
    for threads in (1, 3):
        found, raised = np.full_like(expected, 55), np.empty(n, np.uint32)
        model.embed(night, None, found, raised, threads)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(raised, flags)
    assert scored.any()


def test_what_gives_vectors_gives_no_scores(night: s2v.Stamps) -> None:
    embedder, scorer = _core.Model(MODELS["vectors"]), _core.Model(tiny_models.models()["planes"])
    n = len(night)
    score, flags, vectors = np.empty(n, np.float32), np.empty(n, np.uint32), np.empty((n, 64), np.int8)
    assert scorer.vector == 0
    with pytest.raises(ValueError, match="gives vectors, not scores"):
        embedder.score(night, None, score, flags, 1)
    with pytest.raises(ValueError, match="gives scores, not vectors"):
        scorer.embed(night, None, vectors, flags, 1)
    with pytest.raises(ValueError, match=r"must have shape \(n, numbers"):
        embedder.embed(night, None, vectors[:, :63].copy(), flags, 1)
    with pytest.raises(ValueError, match=r"must have shape \(n, "):
        embedder.embed(night, None, vectors[:-1], flags[:-1], 1)
    planes, columns = rows_of(MODELS["vectors"], 9)
    with pytest.raises(ValueError, match="gives vectors, not scores"):
        embedder.predict(planes, columns, np.empty(9, np.float32), 1)
    with pytest.raises(ValueError, match="planes and columns must be what the model takes"):
        embedder.predict_vectors(planes, None, np.empty((9, 64), np.int8), 1)


#: How each tensor of a vector may be damaged, and what is said.
DAMAGE = {
    "vector.weight": (lambda t: np.full_like(t, -128), "vector.weight is out of range"),
    "vector.multiplier": (lambda t: -t - 1, "vector.multiplier is out of range"),
    "vector.bias": (lambda t: np.full_like(t, 2**63 - 1), "a sum of vector could overflow"),
    "vector.shift": (lambda t: t * 0 + np.uint8(63), "vector.shift is out of range"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_vectors_are_refused(name: str) -> None:
    file = MODELS["vectors"]
    tensors, inputs = tensors_of(file), NetworkInputs(3, 17, 7)
    assert IntegerNetwork(tensors, inputs, 64).vector == 64
    damage, said = DAMAGE[name]
    with pytest.raises(ValueError, match=said):
        IntegerNetwork({**tensors, name: damage(tensors[name])}, inputs, 64)
    with pytest.raises(ValueError, match=f"the tensor {name} is missing"):
        IntegerNetwork({own: t for own, t in tensors.items() if own != name}, inputs, 64)
    with pytest.raises(ValueError, match=r"vector.* could overflow|is out of range|of the vector|shifts too far"):
        _core.Model(tiny_models.changed(file, **{f"integer.{name}": damage(tensors[name])}))


def test_vectors_of_another_length_and_scores_beside_them_are_refused() -> None:
    file = MODELS["vectors"]
    tensors, inputs = tensors_of(file), NetworkInputs(3, 17, 7)
    with pytest.raises(ValueError, match=r"vector.weight is int8 \(64, 16\)"):
        IntegerNetwork(tensors, inputs, 63)
    with pytest.raises(ValueError, match=r"the tensor out\.weight is missing"):
        IntegerNetwork(tensors, inputs)
    with pytest.raises(ValueError, match=r"unknown tensors out\.scale"):
        IntegerNetwork({**tensors, "out.scale": np.ones(1, np.float32)}, inputs, 64)
    scores = tensors_of(tiny_models.models()["planes"])
    with pytest.raises(ValueError, match=r"the tensor vector\.weight is missing"):
        IntegerNetwork(scores, NetworkInputs(3, 17), 64)


@pytest.mark.parametrize("length", [0, -1, 1025, 63.5, "64", None, True])
def test_a_length_that_is_none_is_refused(length: object) -> None:
    header = tiny_models.header_of(MODELS["vectors"])
    how = {**header.architecture, "settings": {**header.architecture["settings"], "vector": length}}
    with pytest.raises(ValueError, match="vector"):
        vector_length(how)
    text = dataclasses.replace(header, architecture=how)
    with pytest.raises(ValueError, match="the length of the vectors"):
        _core.Model(model_files.encode(text, tensor_file.decode(MODELS["vectors"])[1]))


def test_a_file_holds_what_its_header_says() -> None:
    file = MODELS["vectors"]
    header, tensors = tiny_models.header_of(file), tensor_file.decode(file)[1]
    split = split_integers(header, tensors)
    assert split.integers is not None
    assert split.integers.vector == 64
    assert split.integers.multiplications == 8 * 3 * 9 * 81 + 8 * 8 * 9 * 25 + 16 * 8 * 6 + 16 * 14 + 64 * 16
    for change, said in (
        ({"calibration": tiny_models.CALIBRATION}, "calibration"),
        ({"recipe": None}, "planes"),
    ):
        other = dataclasses.replace(header, **change)
        with pytest.raises(ValueError, match=said):
            model_files.check_architecture(other)
    first = dataclasses.replace(tiny_models.header_of(tiny_models.models()["planes"]), first=header, doubt=(0.2, 0.8))
    with pytest.raises(ValueError, match="gives vectors, not scores"):
        model_files.check_first(first)
    assert vector_length(tiny_models.header_of(tiny_models.models()["planes"]).architecture) == 0
    assert header.feature_version == registry.FEATURES_VERSION
