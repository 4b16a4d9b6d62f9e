"""The rules by which features are derived from others: which columns each rule uses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["DERIVED", "applicable_rules"]

#: The columns that each rule uses. The order of the rules is that of :mod:`space2vec.architectures.derived_columns`,
#: which computes them.
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


def applicable_rules(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the rules whose columns are all among some names.

    Parameters
    ----------
    names : sequence of str
        Names of columns.

    Returns
    -------
    ndarray of int64 (rules, 4)
        The number of each rule, and the positions of its columns among the names; -1 if it uses fewer than three.
    """
    position = {name: k for k, name in enumerate(names)}
    rules = [
        (number, *(position[name] for name in columns), *[-1] * (3 - len(columns)))
        for number, columns in enumerate(DERIVED)
        if position.keys() >= {*columns}
    ]
    return np.array(rules, dtype=np.int64).reshape(-1, 4)
