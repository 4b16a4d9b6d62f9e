"""Measure the speed of each stage on one core, on all cores and on a GPU, and from which batch on the GPU is faster.

``space2vec bench`` runs it. It needs the compiled extension, fastavro to write the alerts that it reads, and Matplotlib
for the picture. A stage that cannot run is listed with the reason.
"""

from __future__ import annotations

from space2vec.bench.measurement import COLUMNS, measure
from space2vec.bench.report import table
from space2vec.bench.stages import QUICK

__all__ = ["COLUMNS", "QUICK", "measure", "table"]
