"""Measure how good scores are (AUC, missed detections, false positives, with bootstrap intervals), and compare models.

:attr:`Evaluation.thresholds` holds the threshold of each operating point, :attr:`Evaluation.reliability` whether the
scores are probabilities.

A missed detection is a real candidate whose score lies below the threshold; a false positive is a bogus one whose score
is at the threshold or above. A NaN score lies below every threshold: a real candidate without a score is missed, a
bogus one rejected.
"""

from __future__ import annotations

from space2vec.evaluation.comparison import Comparison, Difference, Discordance, compare, mcnemar
from space2vec.evaluation.curve import Curve, mdr_band, mdr_fpr
from space2vec.evaluation.files import JoinedScores, compare_files, evaluate_files, join, keep_threshold_of_files
from space2vec.evaluation.kept_threshold import KeptThresholds, OperatingPoint, keep_threshold
from space2vec.evaluation.likeness import KindShares, found_again, nearest_rows, same_kind_share
from space2vec.evaluation.metrics import Evaluation, Metric, evaluate
from space2vec.evaluation.model_table import HEADLINES, ModelTable, compare_models
from space2vec.evaluation.names import model_of, names_of
from space2vec.evaluation.ranking import METRICS, OPERATING_POINTS, THRESHOLDS, LabelledScores, check_scores
from space2vec.evaluation.reliability import BINS, Reliability, reliability
from space2vec.evaluation.resampling import Interval

__all__ = [
    "BINS",
    "HEADLINES",
    "METRICS",
    "OPERATING_POINTS",
    "THRESHOLDS",
    "Comparison",
    "Curve",
    "Difference",
    "Discordance",
    "Evaluation",
    "Interval",
    "JoinedScores",
    "KeptThresholds",
    "KindShares",
    "LabelledScores",
    "Metric",
    "ModelTable",
    "OperatingPoint",
    "Reliability",
    "check_scores",
    "compare",
    "compare_files",
    "compare_models",
    "evaluate",
    "evaluate_files",
    "found_again",
    "join",
    "keep_threshold",
    "keep_threshold_of_files",
    "mcnemar",
    "mdr_band",
    "mdr_fpr",
    "model_of",
    "names_of",
    "nearest_rows",
    "reliability",
    "same_kind_share",
]
