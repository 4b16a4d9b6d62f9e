"""Flags of a reader and of the kernels together: the library, its twin in Numba and the oracle agree on all rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from oracle import row_rule as oracle
from space2vec.data import flags as flag_bits
from space2vec.data.channels import CHANNELS

core = pytest.importorskip("space2vec._core")

#: What either side may have raised.
RAISED = [set(names) for n in range(4) for names in itertools.combinations(("missing", "bad_stamp", "padded"), n)]
CASES = list(itertools.product(range(1 << len(CHANNELS)), RAISED, RAISED))
OFFSET = np.array([[-1 if absent >> c & 1 else 51 * c for c in range(len(CHANNELS))] for absent, _, _ in CASES])
READER, KERNELS = (np.array([flag_bits.bits(case[side]) for case in CASES], dtype=np.uint32) for side in (1, 2))


def backends() -> list[Any]:
    """Return the library, and its twin where there is one."""
    try:
        from space2vec.backends import numba as twin
    except ModuleNotFoundError:
        return [core]
    return [core, twin]


@pytest.mark.parametrize("kernels", backends(), ids=lambda kernels: kernels.__name__)
def test_flags_are_those_of_the_oracle(kernels: Any) -> None:
    before = KERNELS.copy()
    joined = kernels.join_flags(OFFSET, READER, KERNELS)
    assert joined.dtype == np.uint32
    np.testing.assert_array_equal(KERNELS, before)
    for row, (absent, reader, raised) in enumerate(CASES):
        channels = {name for c, name in enumerate(CHANNELS) if absent >> c & 1}
        assert set(flag_bits.names(joined[row])) == oracle.join(reader, raised, channels)


@pytest.mark.parametrize("kernels", backends(), ids=lambda kernels: kernels.__name__)
def test_rows_that_were_picked_and_no_rows(kernels: Any) -> None:
    whole = kernels.join_flags(OFFSET, READER, KERNELS)
    np.testing.assert_array_equal(kernels.join_flags(OFFSET[::-2], READER[::-2], KERNELS[::-2]), whole[::-2])
    assert len(kernels.join_flags(OFFSET[:0], READER[:0], KERNELS[:0])) == 0


def test_arrays_that_differ_in_length_are_refused() -> None:
    for offset, reader in ((OFFSET[1:], READER), (OFFSET, READER[1:]), (OFFSET[:, :2], READER)):
        with pytest.raises(ValueError, match=r"offset must have shape \(n, 3\), raised and flags \(n,\)"):
            core.join_flags(offset, reader, KERNELS)
