"""Networks of vectors in the library and in Numba: the bits of a plain transcription in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from helpers import tiny_models
from oracle import integer_network as oracle
from space2vec import registry
from space2vec.data import flags as flag_bits

pytest.importorskip("numba", reason="Numba is missing: numba")
from space2vec import _core as core
from space2vec.backends import numba as twin

FILES = {**tiny_models.vector_models(), "vectornet": s2v.load("vectornet").file}
KERNELS = [core, twin]


def stamps_of(n: int = 40) -> s2v.Stamps:
    """Return simulated stamps, some of which give no vector: a missing plane, constant pixels, a flag of the reader."""
    simulated = s2v.simulate(n, seed=3).stamps
    planes = [[simulated.plane(row, channel).copy() for channel in simulated.channels] for row in range(n)]
    planes[4][0] = planes[5][2] = None
    planes[7][0][:] = planes[7][1][:] = planes[7][2][:] = 3.0
    stamps = s2v.Stamps(planes)
    stamps.flags[9] = flag_bits.bits("bad_stamp")
    return stamps


def catalogue_of(n: int) -> NDArray[np.float32]:
    return np.random.default_rng(6).normal(size=(n, len(registry.CATALOGUE))).astype(np.float32)


def inputs_of(kernels: Any, name: str, stamps: s2v.Stamps, known: NDArray[np.float32]) -> tuple[Any, ...]:
    header = tiny_models.header_of(FILES[name])
    n, k = len(stamps), len(header.feature_names)
    planes = np.empty((n, *s2v.Recipe.from_plain(header.recipe).shape), np.float32)
    columns = np.empty((n, k), np.float32) if k else None
    flags, scored = np.empty(n, np.uint32), np.empty(n, np.bool_)
    kernels.Model(FILES[name]).inputs(stamps, known, planes, columns, flags, scored, 1)
    return planes, columns, flags, scored


def expected(name: str, planes: NDArray[np.float32], columns: NDArray[np.float32] | None) -> NDArray[np.int8]:
    """Return what the transcription gives for inputs."""
    from space2vec.model_files import tensor_file

    _, tensors = tensor_file.decode(FILES[name])
    integers = {key.removeprefix("integer."): value for key, value in tensors.items() if key.startswith("integer.")}
    scale = {key.removeprefix("scale."): value for key, value in tensors.items() if key.startswith("scale.")}
    found: NDArray[np.int8] = oracle.vectors(integers, planes, columns, scale if columns is not None else None)
    return found


def embed(kernels: Any, name: str, stamps: s2v.Stamps, known: NDArray[np.float32] | None, threads: int) -> Any:
    model = kernels.Model(FILES[name])
    vectors, flags = np.full((len(stamps), model.vector), 9, np.int8), np.empty(len(stamps), np.uint32)
    model.embed(stamps, known, vectors, flags, threads)
    return vectors, flags


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kernels", KERNELS, ids=["library", "numba"])
def test_the_vectors_of_stamps(name: str, kernels: Any) -> None:
    stamps = stamps_of()
    known = catalogue_of(len(stamps))
    planes, columns, wanted_flags, scored = inputs_of(twin, name, stamps, known)
    wanted = expected(name, planes, columns)
    wanted[~scored] = 0
    assert scored.sum() > 30
    assert not scored[[7, 9]].any()
    for threads in (1, 2):
        vectors, flags = embed(kernels, name, stamps, known, threads)
        np.testing.assert_array_equal(vectors, wanted)
        np.testing.assert_array_equal(flags, wanted_flags)
    assert vectors[scored].any(axis=1).all()
    assert len(np.unique(vectors)) > 20
    assert [part.shape[0] for part in embed(kernels, name, stamps[:0], None, 1)] == [0, 0]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kernels", KERNELS, ids=["library", "numba"])
def test_the_vectors_of_inputs(name: str, kernels: Any) -> None:
    """Whatever planes and columns hold; a pixel that is not finite costs its row."""
    header = tiny_models.header_of(FILES[name])
    rng, n, shape = np.random.default_rng(4), 70, s2v.Recipe.from_plain(header.recipe).shape
    planes = (rng.normal(size=(n, *shape)) * 10.0 ** rng.integers(-3, 4, (n, 1, 1, 1))).astype(np.float32)
    planes[5, 0, 2, 3], planes[6, -1, 0, 0], planes[7, 0, 0, 1] = np.nan, np.inf, -np.inf
    columns = None
    if header.feature_names:
        columns = (rng.normal(size=(n, len(header.feature_names))) * 10).astype(np.float32)
        columns[rng.random(columns.shape) < 0.2] = np.nan
    wanted = expected(name, planes, columns)
    model = kernels.Model(FILES[name])
    for threads in (1, 2):
        vectors = np.full((n, model.vector), 9, np.int8)
        model.predict_vectors(planes, columns, vectors, threads)
        np.testing.assert_array_equal(vectors, wanted)
    assert not vectors[5:8].any()
    assert np.abs(vectors).max() == 127


@pytest.mark.parametrize("kernels", KERNELS, ids=["library", "numba"])
def test_calls_that_do_not_fit(kernels: Any) -> None:
    stamps = stamps_of(10)
    vector, score = kernels.Model(FILES["vectors of planes"]), kernels.Model(tiny_models.models()["forest"])
    assert (vector.vector, score.vector) == (5, 0)
    shape = s2v.Recipe.from_plain(tiny_models.header_of(FILES["vectors of planes"]).recipe).shape
    flags, floats = np.empty(10, np.uint32), np.empty(10, np.float32)
    with pytest.raises(ValueError, match="the model gives vectors, not scores"):
        vector.score(stamps, None, floats, flags, 1)
    with pytest.raises(ValueError, match="the model gives vectors, not scores"):
        vector.predict(np.zeros((10, *shape), np.float32), None, floats, 1)
    with pytest.raises(ValueError, match="the model gives scores, not vectors"):
        score.embed(stamps, None, np.empty((10, 5), np.int8), flags, 1)
    with pytest.raises(ValueError, match="vectors"):
        vector.embed(stamps, None, np.empty((10, 6), np.int8), flags, 1)
    with pytest.raises((TypeError, ValueError), match="vectors"):
        vector.embed(stamps, None, np.empty((10, 5), np.float32), flags, 1)
