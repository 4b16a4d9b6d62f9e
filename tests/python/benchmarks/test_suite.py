"""The benchmarks for pytest: contenders on a device give the results of the CPU, and a record has a figure a row."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.speed.suite.contenders import OURS, Bench
from helpers import host_device
from space2vec.bench.synthetic_inputs import triplets


class Once:
    """A benchmark that calls once, and says that it took two seconds."""

    def __init__(self) -> None:
        self.group = ""
        self.stats = SimpleNamespace(stats=SimpleNamespace(median=2.0))
        self.extra_info: dict[str, Any] = {}

    def __call__(self, call: Callable[[], Any]) -> Any:
        return call()


def prepared(stamps: s2v.Stamps, **where: Any) -> Any:
    return s2v.prepare(stamps, "braai", threads=where.get("threads")).planes


@pytest.mark.parametrize(
    ("verb", "contender"),
    [(verb, one) for verb in ("features", "score") for one in OURS if one.startswith("cuda")] + [("prepare", "cuda")],
)
def test_contenders_on_a_device_give_the_same(verb: str, contender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host_device.make(monkeypatch)
    stamps = s2v.Stamps(triplets(6))
    work = {"features": s2v.features, "prepare": prepared, "score": s2v.load("forest").score}[verb]
    options = {"set": "s2v"} if verb == "features" else {}
    once = Once()
    bench = Bench(once, 6, False, monkeypatch)
    expected = bench.ours("a stage", "space2vec", work, stamps, **options)
    found = bench.ours("a stage", contender, work, stamps, **options)
    np.testing.assert_array_equal(found, expected)
    assert once.group == "a stage"
    assert once.extra_info == {"contender": contender, "microseconds_a_row": pytest.approx(2e6 / 6, abs=0.001)}


def test_without_a_device_its_contenders_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.speed.suite.contenders.unavailable_reason", lambda: "no device")
    bench = Bench(Once(), 6, False, monkeypatch)
    with pytest.raises(pytest.skip.Exception, match="no device"):
        bench.ours("a stage", "cuda", s2v.features, s2v.Stamps(triplets(6)))
    with pytest.raises(pytest.skip.Exception, match="--numba"):
        bench.ours("a stage", "numba", s2v.features, s2v.Stamps(triplets(6)))
