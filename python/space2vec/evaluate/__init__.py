"""How good scores are: AUC, missed detections and false positives, with bootstrap intervals, and which is better.

A missed detection is a real candidate whose score lies below the threshold; a false positive is a bogus one whose score
is at the threshold or above. A NaN score lies below every threshold: a real candidate without a score is missed, a
bogus one rejected.
"""

from __future__ import annotations

from space2vec.evaluate.comparison import Comparison, Difference, Discordance, compare, mcnemar
from space2vec.evaluate.contest import HEADLINES, Contest, contest
from space2vec.evaluate.files import compare_files, evaluate_files, join
from space2vec.evaluate.metrics import METRICS, THRESHOLDS, Evaluation, Metric, checked, evaluate, mdr_fpr

__all__ = [
    "HEADLINES",
    "METRICS",
    "THRESHOLDS",
    "Comparison",
    "Contest",
    "Difference",
    "Discordance",
    "Evaluation",
    "Metric",
    "checked",
    "compare",
    "compare_files",
    "contest",
    "evaluate",
    "evaluate_files",
    "join",
    "mcnemar",
    "mdr_fpr",
]
