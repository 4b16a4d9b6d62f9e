"""Which columns the derived ones are made of, for everything that computes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DERIVED", "derived_places"]

#: What the rules take, in their order: that of :mod:`space2vec.architectures.derived_columns`.
DERIVED: tuple[tuple[str, ...], ...] = (
    ("MAG_REF", "MAG"),
    ("A_IMAGE", "B_IMAGE"),
    ("A_IMAGE", "A_REF"),
    ("SCALE", "A_IMAGE", "B_IMAGE"),
    ("A_REF", "B_REF"),
    ("SPREAD_MODEL", "SPREADERR_MODEL"),
    ("NN_DIST_RENORM", "A_REF", "B_REF"),
    ("MAG", "SNR"),
    ("MAG", "MAG_FROM_LIMIT"),
    ("MAG_REF", "A_REF", "B_REF"),
    ("MAG_REF", "MAG", "SNR"),
    ("FLUX_RATIO", "MAG_REF", "MAG"),
    ("AMP", "SCALE"),
    ("DIFFSUMRN", "SNR"),
    ("L1", "GAUSS"),
    ("L1", "DIFFSUMRN"),
    ("N2SIG5SHIFT", "N2SIG3SHIFT"),
    ("N2SIG5", "N2SIG3"),
    ("N3SIG5", "N3SIG3"),
    ("N2SIG3SHIFT", "N2SIG3"),
)


def derived_places(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the rules that columns of these names allow, int64 (rules, 4).

    The number of each rule, and where its columns stand among the names; -1 where it takes fewer than three.
    """
    place = {name: k for k, name in enumerate(names)}
    found = [
        (number, *(place[name] for name in needs), *[-1] * (3 - len(needs)))
        for number, needs in enumerate(DERIVED)
        if place.keys() >= {*needs}
    ]
    return np.array(found, dtype=np.int64).reshape(-1, 4)
