"""Rows made between rows: where a teacher can be asked what nobody has labelled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["made_rows"]

#: Rows nearest to a row, among which its partner is drawn.
_NEIGHBOURS = 5
#: Share of the columns that a row takes over from its partner, where it does not move towards it as a whole.
_TAKEN = 0.3
#: Columns that are known of a reference source or not at all.
_REFERENCE = ("A_REF", "B_REF", "MAG_REF", "MAG_REF_ERR", "NN_DIST_RENORM", "MAGLIM", "MAGDIFF")


def made_rows(
    x: NDArray[np.float32], near: NDArray[np.float32], names: Sequence[str], copies: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Make rows of each row and one of its neighbours.

    Half of them lie on the line between the two, so that what columns have in common holds; the others take over some
    columns of the neighbour's (Bucila, Caruana & Niculescu-Mizil 2006, "Model compression"), those of the reference
    source together.

    Parameters
    ----------
    x : ndarray of float32 (n, k)
        The rows, NaN where a column is undefined.
    near : ndarray of float32 (n, m)
        The same rows scaled, without NaN: by them it is measured who is a neighbour.
    names : sequence of str (k,)
        The columns.
    copies : int
        How many to make of each row.
    rng : numpy.random.Generator
        What draws them.

    Returns
    -------
    ndarray of float32 (n * copies, k)
        Those of the first row first.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(_NEIGHBOURS, len(x) - 1)
    neighbours = NearestNeighbors(n_neighbors=count).fit(near).kneighbors(return_distance=False)
    parent = np.repeat(np.arange(len(x)), copies)
    own = x[parent]
    other = x[neighbours[parent, rng.integers(0, count, len(parent))]]
    share = rng.random((len(parent), 1), dtype=np.float32)
    line = own + share * (other - own)
    between = np.where(np.isnan(line), own, line)
    taken = rng.random(own.shape) < _TAKEN
    reference = [k for k, name in enumerate(names) if name in _REFERENCE]
    taken[:, reference] = taken[:, reference[:1]]
    swapped = np.where(taken, other, own)
    made: NDArray[np.float32] = np.where(rng.random((len(parent), 1)) < 0.5, between, swapped)
    return made
