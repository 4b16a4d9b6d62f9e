"""Backends: which one a call gets, and that those of the host give the same bits for the same data."""

from __future__ import annotations

import importlib.util
import os
from types import SimpleNamespace

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from space2vec import backends
from space2vec.backends import Host, choice, choose, kernels
from space2vec.backends.cuda.backend import Cuda
from space2vec.errors import BackendError, ModelError
from space2vec.plans.features import FeaturePlan
from space2vec.plans.steps import chain
from space2vec.registry import feature_set


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    return s2v.simulate(12, survey="des", seed=4).stamps


def test_the_host_is_chosen_for_its_data(stamps: s2v.Stamps) -> None:
    for data in (stamps, np.zeros(3), None, s2v.features(stamps)):
        for asked in ("auto", "cpu"):
            chosen = choose(asked, data)
            assert isinstance(chosen, Host)
            assert chosen.name == "cpu"
    with pytest.raises(ValueError, match="unknown device 'gpu'; known: auto, cpu, cuda, cuda:N"):
        choose("gpu", stamps)
    with pytest.raises(BackendError, match="device 'cuda' is not available"):
        choose("cuda", stamps)


def test_the_device_is_chosen_for_its_data(stamps: s2v.Stamps, monkeypatch: pytest.MonkeyPatch) -> None:
    host_device.make(monkeypatch)
    there = stamps.to_device()
    for asked, data in (("cuda", stamps), ("cuda:0", None), ("auto", there), ("cuda", there)):
        chosen = choose(asked, data)
        assert isinstance(chosen, Cuda)
        assert chosen.name == "cuda:0"
    assert choose("auto", stamps).name == "cpu", "a few stamps are scored before a device has woken up"
    with pytest.raises(BackendError, match="lie on cuda:0, and device 'cpu' was asked for"):
        choose("cpu", there)


def test_a_network_of_floats_needs_pytorch_there(stamps: s2v.Stamps, monkeypatch: pytest.MonkeyPatch) -> None:
    host_device.make(monkeypatch)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    with pytest.raises(BackendError, match="networks of floats run there by PyTorch, which is not installed"):
        choose("cuda", stamps, "torch")
    assert choice.usable_device("auto", "torch", bulk=True) == "cpu"
    assert choice.usable_device("auto", bulk=True) == "cuda:0"
    assert isinstance(choose("cuda", stamps), Cuda)


def test_kernels_that_find_a_file_damaged_are_heard(stamps: s2v.Stamps) -> None:
    """What a backend says of a file becomes an error of the model, and is not kept."""
    forest = s2v.load("forest")

    def refuse(_: bytes) -> object:
        raise ValueError("Model: a child lies outside its tree")

    with pytest.raises(ModelError, match="a child lies outside its tree"):
        Host(SimpleNamespace(__name__="other", Model=refuse)).score(forest, stamps, 1)  # type: ignore[arg-type]
    assert backends.on_host().score(forest, stamps, 1).score.shape == (12,)


def test_both_backends_of_the_host_give_the_same(stamps: s2v.Stamps) -> None:
    native = pytest.importorskip("space2vec._core")
    pytest.importorskip("numba")
    from space2vec.backends import numba as fallback

    one, other = Host(native), Host(fallback)
    measure = FeaturePlan(feature_set("all"))
    assert one.features(stamps, measure, 2).values.tobytes() == other.features(stamps, measure, 1).values.tobytes()
    recipe = s2v.Recipe.of("two", steps="median-mad", further=["l2"], side=21)
    assert one.prepare(stamps, recipe, 1).planes.tobytes() == other.prepare(stamps, recipe, 2).planes.tobytes()
    planes = np.random.default_rng(0).normal(size=(3, 2, 9, 8)).astype(np.float32)
    mask = planes[0, 0] > 1
    got, expected = (host.normalise(planes, mask, chain("zscale"), 0.0, 1) for host in (one, other))
    assert got.planes.tobytes() == expected.planes.tobytes()
    assert got.flags.tobytes() == expected.flags.tobytes()
    for name in ("stampnet", "tablenet", "forest"):
        model = s2v.load(name)
        first, second = one.score(model, stamps, 1), other.score(model, stamps, 2)
        assert first.score.tobytes() == second.score.tobytes()
        assert first.flags.tobytes() == second.flags.tobytes()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_as_many_threads_as_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    assert 1 <= kernels.thread_count(None) <= len(before)
    for extension in (True, False):
        if not extension:
            monkeypatch.setattr(kernels, "_native", lambda: None)
        os.sched_setaffinity(0, {min(before)})
        try:
            assert kernels.thread_count(None) == 1
        finally:
            os.sched_setaffinity(0, before)
    assert kernels.thread_count(3) == 3
