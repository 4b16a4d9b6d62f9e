"""Whether the backend of this process gives a row the same bits wherever it lies and whoever works on it.

``python -m parity.placement`` prints what differs.
"""

import sys

import numpy as np

from parity import suite
from space2vec import Stamps


def repacked(rows, shift):
    """Return the same stamps in a buffer of their own, shifted by some pixels, the planes in reverse order."""
    offset = rows.offset.copy()
    parts, end = [np.zeros(shift, np.float32)], shift
    for row, k in [(row, k) for row in range(len(rows)) for k in (2, 1, 0) if rows.offset[row, k] >= 0]:
        start, size = rows.offset[row, k], rows.shape[row, k].prod()
        parts.append(rows.buffer[start : start + size])
        offset[row, k], end = end, end + size
    copy = Stamps.of_buffer(
        np.concatenate(parts), offset, rows.shape, rows.centre, object_id=rows.object_id,
        candidate_id=rows.candidate_id, catalogue=rows.catalogue, flags=rows.flags,
    )  # fmt: skip
    copy.saturation = rows.saturation
    return copy


#: Results that are not one a row.
WHOLE = ("table", "calibration")


def by_row(results, rows):
    """Return the results of some rows."""
    return {name: values[rows] for name, values in results.items() if name not in WHOLE}


def joined(parts):
    """Join the results of batches."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name not in WHOLE}


def check(n=100, alone=20):
    """Return what differs from the result of n rows of the suite in a row, on one thread."""
    every = suite.stamps()
    rows = every[np.random.default_rng(5).permutation(len(every))[:n]]
    expected = suite.compute(rows)
    half = slice(n // 3), slice(n // 3, n)
    pairs = {
        "two threads": (expected, suite.compute(rows, threads=2)),
        "more threads than rows": (by_row(expected, slice(3)), suite.compute(rows[:3], threads=64)),
        "another place in memory": (expected, suite.compute(repacked(rows, 3), threads=2)),
        "reverse order": (by_row(expected, slice(None, None, -1)), suite.compute(rows[::-1])),
        "one at a time": (
            by_row(expected, slice(alone)),
            joined([suite.compute(rows[i : i + 1]) for i in range(alone)]),
        ),
        "joined again": (expected, suite.compute(Stamps.concatenate([rows[part] for part in half]))),
    }
    return [f"{how}: {line}" for how, (a, b) in pairs.items() for line in suite.differences(a, b)]


if __name__ == "__main__":
    found = check()
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(bool(found))
