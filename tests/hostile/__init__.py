"""Inputs that mean harm: small files that ask for gigabytes, for hours, or for a crash.

Each maker writes one input into a folder and is known by its name; ``STAMPS`` are read as alerts and stamps, ``TABLES``
as tables of features. The tests hold readers to a budget on them, and ``benchmarks/speed/hostile.py`` measures all.
"""

from collections.abc import Mapping

from hostile import archives, arrays, avro, columnar, images, tables
from hostile.making import Maker

#: Makers by name.
STAMPS: dict[str, Maker] = {
    name: make for module in (avro, archives, columnar, arrays, images) for name, make in module.MAKERS.items()
}
TABLES: dict[str, Maker] = dict(tables.MAKERS)

#: Inputs that take seconds to make; benchmarks/hostile.py has all.
_SLOW = frozenset(
    {
        "parquet_packed_pages", "parquet_lists", "parquet_empty_rows", "npz_long_ids", "avro_many_long_ids",
        "npz_zeros", "tar_many_members", "npy_large_planes", "csv_long_line", "table_of_nothing", "fits_packed_cube",
    }
)  # fmt: skip


def quick(makers: Mapping[str, Maker]) -> dict[str, Maker]:
    """Return those that are made quickly."""
    return {name: make for name, make in makers.items() if name not in _SLOW}
