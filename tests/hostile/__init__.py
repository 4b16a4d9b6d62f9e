"""Inputs that mean harm: small files that ask for gigabytes, for hours, or for a crash.

Each maker writes one input into a folder and is known by its name; ``STAMPS`` are read as alerts and stamps, ``TABLES``
as tables of features. The tests hold readers to a budget on them, and ``benchmarks/speed/hostile.py`` measures all.
"""

from hostile import archives, arrays, avro, columnar, images, tables
from hostile.making import Maker

#: Makers by name.
STAMPS: dict[str, Maker] = {
    name: make for module in (avro, archives, columnar, arrays, images) for name, make in module.MAKERS.items()
}
TABLES: dict[str, Maker] = dict(tables.MAKERS)
