"""Where things are computed: on the host, by the compiled library or its Numba twin, or on a CUDA device.

A public verb chooses a :class:`Backend` once, by the device that is asked for and the one that holds the data.
"""

from __future__ import annotations

from space2vec.backends.choice import choose, on_host
from space2vec.backends.host import Host
from space2vec.backends.interfaces import Backend

__all__ = ["Backend", "Host", "choose", "on_host"]
