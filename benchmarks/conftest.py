"""Fixtures of the benchmarks: their inputs, and how a contender is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.programs import processor, versions
from benchmarks.speed.suite.contenders import Bench
from space2vec.backends import kernels
from space2vec.bench.synthetic_inputs import triplets


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the benchmarks."""
    group = parser.getgroup("space2vec")
    group.addoption("--rows", type=int, default=64, help="candidates that a contender works on in a call")
    group.addoption("--numba", action="store_true", help="measure the Numba twin too, which first compiles for minutes")


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Record in a saved run which processor and which kernels were measured."""
    machine_info["space2vec"] = {
        "version": s2v.__version__,
        "processor": processor(),
        "kernels": kernels.name(),
        "instruction set": kernels.active().isa(),
        "packages": versions("numpy", "scipy", "scikit-learn", "onnxruntime", "sep", "fastavro"),
    }


@pytest.fixture
def bench(benchmark: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return the object that measures a contender."""
    config = request.config
    return Bench(benchmark, config.getoption("--rows"), config.getoption("--numba"), monkeypatch)


@pytest.fixture(scope="session")
def pixels(request: pytest.FixtureRequest) -> np.ndarray:
    """Return triplets (n, 3, 51, 51) float32: transients, dipoles, cosmic rays, saturated stars, noise."""
    return triplets(request.config.getoption("--rows"))


@pytest.fixture(scope="session")
def stamps(pixels: np.ndarray) -> s2v.Stamps:
    """Return the triplets as stamps."""
    return s2v.Stamps(pixels)


@pytest.fixture(scope="session")
def alerts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return files of simulated ZTF alerts, one alert each."""
    pytest.importorskip("fastavro")
    from space2vec.simulation import write_packets

    folder = tmp_path_factory.mktemp("alerts")
    return write_packets(s2v.simulate(request.config.getoption("--rows"), seed=1), folder)


@pytest.fixture(scope="session")
def forest(stamps: s2v.Stamps) -> tuple[Any, s2v.Forest]:
    """Return a forest of 100 trees on the eighteen features of autoScan, by scikit-learn and by space2vec."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    features = s2v.features(stamps, set="autoscan-stamp")
    values = np.nan_to_num(np.resize(features.values, (4000, 18)))
    rng = np.random.default_rng(1)
    values += rng.normal(0, 0.3, values.shape) * values.std(axis=0)
    real = rng.random(len(values)) < 1 / (1 + np.exp(-values[:, 0] / values[:, 0].std()))
    fitted = ensemble.RandomForestClassifier(100, random_state=1, n_jobs=2).fit(values.astype(np.float32), real)
    fitted.n_jobs = 1
    return fitted, s2v.Forest.from_sklearn(fitted, feature_names=features.names)
