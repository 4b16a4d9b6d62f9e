"""Draw mosaics of triplets, explanations of scores, curves of missed detections, and distributions of features.

Figures are made without pyplot: no window opens and no global state changes. Save one with ``figure.savefig(path)``.
"""

from space2vec.plot.curves import mdr_fpr, reliability
from space2vec.plot.explanation import explanation
from space2vec.plot.histograms import distributions
from space2vec.plot.triplets import BLOCKS, draw_blocks, mosaic, select_rows

__all__ = [
    "BLOCKS",
    "distributions",
    "draw_blocks",
    "explanation",
    "mdr_fpr",
    "mosaic",
    "reliability",
    "select_rows",
]
