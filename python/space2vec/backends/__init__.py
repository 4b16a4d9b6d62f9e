"""Backends, which compute features, planes and scores: the host, with compiled or Numba kernels, and CUDA devices.

A public function chooses a :class:`Backend` once, by the ``device`` argument and the device that holds the data.
"""

from __future__ import annotations

from space2vec.backends.choice import choose, on_host
from space2vec.backends.host import Host
from space2vec.backends.interfaces import Backend

__all__ = ["Backend", "Host", "choose", "on_host"]
