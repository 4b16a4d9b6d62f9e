"""How often a call goes from one file of the package to another: a reader who follows it turns as many pages."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from space2vec.backends import kernels

_PACKAGE = str(Path(s2v.__file__).parent)
#: The most moves of a call.
_MOST = 60

pytestmark = pytest.mark.skipif(kernels.name() != "native", reason="Numba's twin is Python itself")


def moves(call: Callable[[], object]) -> list[str]:
    """Return each move that a call makes: which file goes to which, by calling or by returning."""
    met: list[str] = []
    before = ""

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal before
        seen: FrameType | None = frame if event == "call" else frame.f_back
        if event not in ("call", "return") or seen is None or not seen.f_code.co_filename.startswith(_PACKAGE):
            return
        file = seen.f_code.co_filename.removeprefix(_PACKAGE)
        if before and file != before:
            met.append(f"{before} -> {file}")
        before = file

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return met


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    return s2v.simulate(8, seed=3).stamps


@pytest.mark.parametrize("name", ["stampnet", "tablenet", "forest", "autoscan"])
def test_score(name: str, stamps: s2v.Stamps) -> None:
    model = s2v.load(name)
    model.score(stamps)  # what is imported or made once is not counted
    assert 0 < len(moves(lambda: model.score(stamps))) < _MOST
    if model.header.recipe is None:
        table = s2v.features(stamps, set="all")
        assert 0 < len(moves(lambda: model.score(table))) < _MOST


def test_features_and_planes(stamps: s2v.Stamps) -> None:
    planes = np.random.default_rng(0).normal(size=(4, 21, 21)).astype(np.float32)
    for call in (
        lambda: s2v.features(stamps, set="all"),
        lambda: s2v.prepare(stamps, "braai"),
        lambda: s2v.normalise(planes, "zscale"),
    ):
        call()
        assert 0 < len(moves(call)) < _MOST


@pytest.mark.parametrize("name", ["stampnet", "forest"])
def test_on_a_device(name: str, stamps: s2v.Stamps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of stamps that lie there, and of those of the host, which go through a pipeline."""
    host_device.make(monkeypatch)
    model, there = s2v.load(name), stamps.to_device()
    for call in (
        lambda: model.score(stamps, device="cuda"),
        lambda: s2v.features(stamps, set="stamp", device="cuda"),
        lambda: model.score(there),
        lambda: s2v.features(there, set="stamp"),
        lambda: s2v.prepare(there, "braai"),
    ):
        call()
        assert 0 < len(moves(call)) < _MOST
