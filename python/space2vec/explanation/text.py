"""An explanation in words, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from space2vec.errors.text import NAME, one_line
from space2vec.explanation.values import Explanation, FeatureEffect, HiddenPatch

__all__ = ["describe", "heading", "score_of", "usual_of", "value_of"]


def describe(explained: Explanation, most: int = 10) -> Iterator[str]:
    """Yield the lines of a text: the candidate, its score, its strongest features and what its pixels did.

    Parameters
    ----------
    explained : Explanation
        The explanation.
    most : int, optional
        The most features to name.
    """
    yield heading(explained)
    yield score_of(explained)
    shown = explained.features[:most]
    if shown:
        yield ""
        if explained.baseline is None:
            yield "effect of a feature: P(real) minus P(real) with its median of the training rows in its place"
        else:
            yield f"effect of a feature, from P(real) {explained.baseline:.3f} before any of them is looked at"
        rows = [(f"{x.effect:+.4f}", one_line(x.name, NAME), value_of(x), usual_of(x), x.meaning) for x in shown]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
            yield "  ".join(("", *cells, row[4])).rstrip()
    if explained.baseline is not None:
        rest = sum(feature.effect for feature in explained.features[most:])
        others = len(explained.features) - len(shown)
        more = f" and {rest:+.4f} by {others} others" if others else ""
        total = explained.before_calibration
        yield f"  together {sum(x.effect for x in shown):+.4f}{more}: P(real) {total:.4f}" + (
            "" if total is None or math.isclose(total, explained.score, abs_tol=1e-6)
            else f", which calibration makes {explained.score:.4f}"
        )  # fmt: skip
    if explained.pixels is not None:
        yield ""
        for patch in explained.pixels.strongest.values():
            yield _patch(patch, explained.pixels.patch)
    yield from (f"note: {note}" for note in explained.notes)


def heading(explained: Explanation) -> str:
    """Return the ids of the candidate in one line."""
    names = (("candidate", explained.candidate_id), ("object", explained.object_id))
    return ", ".join(f"{what} {one_line(name, NAME)}" for what, name in names if name is not None) or "a candidate"


def score_of(explained: Explanation) -> str:
    """Return the score, the model and the flags in one line."""
    by = one_line(explained.model, 2 * NAME)
    # The id of a model begins with its name: of a cascade, the network that decided has another.
    if not explained.model.startswith(f"{explained.decided_by} ") or ", " in explained.decided_by:
        by += f" ({one_line(explained.decided_by, NAME)})"
    raised = f"; flags: {', '.join(explained.flags)}" if explained.flags else ""
    return f"P(real) {explained.score:.4f} by {by}{raised}"


def value_of(feature: FeatureEffect) -> str:
    """Return the value of a feature with its unit."""
    if math.isnan(feature.value):
        return "undefined"
    return f"{feature.value:.4g} {feature.unit}".rstrip()


def usual_of(feature: FeatureEffect) -> str:
    """Return the values that most training rows have: the central 68 %, or the median and half the width of these."""
    usual = feature.usual
    if usual is None or math.isnan(usual.median):
        return ""
    if usual.low is None or usual.high is None:
        return f"usual {usual.median:.3g} ± {usual.spread:.2g}"
    low, high = f"{usual.low:.3g}", f"{usual.high:.3g}"
    return f"usual {low}" if low == high else f"usual {low} to {high}"


def _patch(patch: HiddenPatch, side: int) -> str:
    where = f"the {side} x {side} px at row {patch.row}, column {patch.column} of the {patch.channel}"
    return f"without {where}: P(real) {patch.score:.4f} ({patch.effect:+.4f} by these pixels)"
