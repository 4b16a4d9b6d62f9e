"""The table of a calibration by exact rational arithmetic, one score at a time."""

import math
from fractions import Fraction
from itertools import pairwise


def calibrated(x, y, score):
    """Return the value of the broken line through the knots at a score, exactly; None for NaN."""
    if math.isnan(score):
        return None
    at = Fraction(float(score))
    knots = [(Fraction(float(a)), Fraction(float(b))) for a, b in zip(x, y, strict=True)]
    if at <= knots[0][0]:
        return knots[0][1]
    if at >= knots[-1][0]:
        return knots[-1][1]
    (x0, y0), (x1, y1) = next((a, b) for a, b in pairwise(knots) if a[0] <= at < b[0])
    return y0 + (at - x0) * (y1 - y0) / (x1 - x0)
