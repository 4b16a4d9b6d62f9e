"""What the library and its twin in Numba refuse alike: damaged models, and arrays that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers import tiny_models
from space2vec import registry
from space2vec.data.channels import CHANNELS
from space2vec.model_files import tensor_file

core = pytest.importorskip("space2vec._core")
pytest.importorskip("numba", reason="Numba is missing: numba")
from space2vec.backends import numba as fallback  # noqa: E402 (behind the skip)


@pytest.fixture(params=[core, fallback], ids=["library", "numba"])
def kernels(request: pytest.FixtureRequest) -> Any:
    return request.param


PLAIN = tiny_models.models()
DAMAGED = {
    "cut": lambda: PLAIN["planes"][:-9],
    "empty": lambda: b"",
    "another file": lambda: tensor_file.encode({"other": "1"}, {"x": np.zeros(3)}),
    "of another version": lambda: tiny_models.with_header(PLAIN["forest"], feature_version=0),
    "a tensor is missing": lambda: PLAIN["planes"].replace(b"integer.conv0.shift", b"integer.conv0.shif_"),
    "a child outside its tree": lambda: tiny_models.changed(PLAIN["forest"], right=np.full(63, 2, np.int32)),
    "a leaf beyond 1": lambda: tiny_models.changed(PLAIN["forest"], value=np.full(63, 2, np.float32)),
    "an infinite fill": lambda: tiny_models.changed(PLAIN["forest"], fill=np.full(7, np.inf, np.float32)),
    "a fill of another length": lambda: tiny_models.changed(PLAIN["forest"], fill=np.zeros(6, np.float32)),
    "trees of another type": lambda: tiny_models.changed(PLAIN["forest"], feature=np.zeros(63, np.int32)),
    "no spread": lambda: tiny_models.changed(PLAIN["without template"], **{"scale.spread": np.zeros(7, np.float32)}),
    "a mark": lambda: tiny_models.changed(PLAIN["without template"], **{"scale.lacking": np.ones(7, np.float32) / 2}),
    "fewer scales": lambda: tiny_models.changed(PLAIN["without template"], **{"scale.mean": np.zeros(6, np.float32)}),
    "a sum that overflows": lambda: tiny_models.changed(
        PLAIN["planes"], **{"integer.conv0.bias": np.full(8, 2**31 - 1, np.int32)}
    ),
    "a weight of -128": lambda: tiny_models.changed(
        PLAIN["planes"], **{"integer.out.weight": np.full(16, -128, np.int8)}
    ),
    "a map of an even side": lambda: tiny_models.network(s2v.Recipe.of("even", steps="l2", side=10)),
    "rings that are too wide": lambda: tiny_models.network(s2v.Recipe.of("wide", steps="l2", side=65)),
    "planes that are too wide": lambda: tiny_models.network(
        s2v.Recipe.of("wide", steps="l2", side=161), convolutions=3
    ),
    "columns that are not its own": lambda: tiny_models.with_header(
        PLAIN["without template"], feature_names=registry.S2V[:6]
    ),
    "no recipe": lambda: tiny_models.with_header(PLAIN["without template"], recipe=None),
    "a forest with a recipe": lambda: tiny_models.with_header(PLAIN["forest"], recipe={"name": "braai", "version": 1}),
    "no plane that it must have": lambda: tiny_models.network(
        s2v.Recipe.of("one", steps="l2", side=9), optional=CHANNELS
    ),
    "optional planes of a recipe that needs all": lambda: tiny_models.network(
        s2v.Recipe("autoscan-r"), convolutions=2, optional=("template",)
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_file_is_refused(what: str, kernels: Any) -> None:
    with pytest.raises(ValueError, match="Model: "):
        kernels.Model(DAMAGED[what]())


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    return s2v.simulate(20, seed=3).stamps


def test_a_network_of_floats_is_not_run(kernels: Any, stamps: s2v.Stamps) -> None:
    model, n = kernels.Model(tiny_models.of_floats(registry.S2V[:2])), len(stamps)
    assert model.runs is False
    score, flags, scored = np.empty(n, np.float32), np.empty(n, np.uint32), np.empty(n, np.bool_)
    columns = np.ones((n, 2), np.float32)
    for call in (
        lambda: model.score(stamps, None, score, flags, 1),
        lambda: model.predict(None, columns, score, 1),
        lambda: model.score_columns(columns, flags, score, flags, 1),
    ):
        with pytest.raises(ValueError, match="the model holds no integers, and floats are not run here"):
            call()
    model.check_columns(columns, np.zeros(n, np.uint32), flags, scored)
    assert scored.all()


def test_columns_that_stamps_do_not_give(kernels: Any, stamps: s2v.Stamps) -> None:
    """A table may have them."""
    model, n = kernels.Model(tiny_models.forest(("L1", "seeing"))), len(stamps)
    score, flags, scored = np.empty(n, np.float32), np.empty(n, np.uint32), np.empty(n, np.bool_)
    for call in (
        lambda: model.score(stamps, None, score, flags, 1),
        lambda: model.inputs(stamps, None, None, None, flags, scored, 1),
    ):
        with pytest.raises(ValueError, match="the model needs columns that stamps do not give"):
            call()
    model.score_columns(np.ones((n, 2), np.float32), np.zeros(n, np.uint32), score, flags, 1)
    assert np.isfinite(score).all()


def test_arrays_that_do_not_fit_are_refused(kernels: Any, stamps: s2v.Stamps) -> None:
    """Nothing is read or written outside an array, and none is converted."""
    model, n = kernels.Model(PLAIN["without template"]), len(stamps)
    table = kernels.Model(PLAIN["forest"])
    score, flags, scored = np.empty(n, np.float32), np.empty(n, np.uint32), np.empty(n, np.bool_)
    planes, columns = np.zeros((n, 3, 21, 21), np.float32), np.zeros((n, 7), np.float32)
    other = stamps[:]
    other.offset = stamps.offset.astype(np.int32)
    for wrong, call in (
        (ValueError, lambda: model.score(stamps, np.zeros((n, 19), np.float32), score, flags, 1)),
        (ValueError, lambda: model.score(stamps, None, score[1:], flags, 1)),
        (ValueError, lambda: model.score(stamps, None, score, flags[1:], 1)),
        (TypeError, lambda: model.score(stamps, None, score.astype(float), flags, 1)),
        (TypeError, lambda: model.score(other, None, score, flags, 1)),
        (TypeError, lambda: kernels.features(other, 1, False, np.empty((n, 18), np.float32), flags, 1)),
        (ValueError, lambda: model.predict(planes, None, score, 1)),
        (ValueError, lambda: model.predict(planes[:, :2].copy(), columns, score, 1)),
        (ValueError, lambda: model.inputs(stamps, None, planes[1:], columns, flags, scored, 1)),
        (ValueError, lambda: model.inputs(stamps, None, planes, columns, flags, scored[1:], 1)),
        (ValueError, lambda: table.score_columns(columns[:, 1:].copy(), flags, score, flags, 1)),
        (ValueError, lambda: table.score_columns(columns, flags[1:], score, flags, 1)),
        (TypeError, lambda: table.score_columns(columns.astype(float), flags, score, flags, 1)),
        (ValueError, lambda: table.check_columns(columns, flags, flags, scored[1:])),
    ):
        with pytest.raises(wrong):
            call()
