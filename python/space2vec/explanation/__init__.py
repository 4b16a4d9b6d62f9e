"""Explain scores: which features and which pixels of a candidate moved the number that a model gives it."""

from __future__ import annotations

from space2vec.explanation.score_effects import explain
from space2vec.explanation.values import Explanation, FeatureEffect, HiddenPatch, PixelEffects

__all__ = ["Explanation", "FeatureEffect", "HiddenPatch", "PixelEffects", "explain"]
