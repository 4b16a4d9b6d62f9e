"""``space2vec bench``: what each stage takes on a core, on all cores and on a GPU of this machine; where a GPU pays.

It needs NumPy and the compiled extension, fastavro to make alerts to read, and matplotlib for the picture. What cannot
run is named, with the reason.
"""

from __future__ import annotations

from space2vec.bench.measurement import COLUMNS, measure
from space2vec.bench.report import table
from space2vec.bench.stages import QUICK

__all__ = ["COLUMNS", "QUICK", "measure", "table"]
