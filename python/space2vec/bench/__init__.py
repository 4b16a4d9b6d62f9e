"""``space2vec bench``: what each stage takes on a core, on all cores and on a GPU of this machine; where a GPU pays.

It needs NumPy and the compiled extension; PyTorch or ONNX Runtime for the network, fastavro to make packets to read,
and matplotlib for the plot. What cannot run is named, with the reason.
"""

from __future__ import annotations

from space2vec.bench.record import COLUMNS, measure
from space2vec.bench.show import table

__all__ = ["COLUMNS", "measure", "table"]
