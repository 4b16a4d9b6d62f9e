"""Normalisers of planes, alone and in chains."""

from __future__ import annotations

import numpy as np
import pytest

import space2vec as s2v
from benchmarks.speed import normalise
from benchmarks.speed.suite.contenders import Bench, require_packages

#: Contenders of space2vec, which normalises planes of the host alone.
OURS = ("space2vec", "numba", "cuda from host")
PEERS = {"numpy": normalise.numpy_work, "bottleneck": normalise.bottleneck_work, "astropy": normalise.astropy_work}


@pytest.mark.parametrize("contender", OURS)
@pytest.mark.parametrize("chain", normalise.CHAINS)
def test_normalise(bench: Bench, pixels: np.ndarray, chain: str, contender: str) -> None:
    planes = np.ascontiguousarray(pixels[:, 2])
    out = bench.ours(f"normalise: {chain}", contender, _planes, planes, normalise.CHAINS[chain])
    assert out.shape == planes.shape


def _planes(planes: np.ndarray, steps: object, **where: object) -> np.ndarray:
    return s2v.normalise(planes, steps, **where).planes


@pytest.mark.parametrize(
    ("chain", "peer"), [(chain, peer) for chain, peers in normalise.PEERS.items() for peer in PEERS if peer in peers]
)
def test_normalise_by_others(bench: Bench, pixels: np.ndarray, chain: str, peer: str) -> None:
    require_packages(peer)
    planes = np.ascontiguousarray(pixels[:, 2])
    work = PEERS[peer](chain)
    bench(f"normalise: {chain}", peer, lambda: work(planes))
