"""Files made of the bytes that a fuzzer changes: whole ones with odd contents, whose checksums do not stop a reader."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from helpers.packets import fits_bytes

__all__ = ["Dice", "npz_from_bytes", "parquet_from_bytes"]

_T = TypeVar("_T")

_CUTOUT = gzip.compress(fits_bytes(np.arange(35.0).reshape(5, 7)), 1, mtime=0)
_PLANES = ("science", "template", "difference", "pixels")


class Dice:
    """Choices that bytes make; zeros where they end.

    Parameters
    ----------
    data : bytes
        What is used up from the front.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, count: int) -> int:
        """Return a number from 0 to `count` - 1, of at most 65,536."""
        size = 1 if count <= 256 else 2
        return int.from_bytes(self.take(size), "little") % count

    def pick(self, choices: Sequence[_T]) -> _T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def take(self, count: int) -> bytes:
        """Return the next bytes, as many as there are, at most `count`."""
        part = self._data[self._at : self._at + count]
        self._at += len(part)
        return part

    def text(self) -> str:
        """Return a short text."""
        return self.take(self.below(12)).decode("latin-1")

    def damage(self, whole: bytes) -> bytes:
        """Return bytes of which few are others, or of which the end is cut off."""
        changed = bytearray(whole)
        for _ in range(max(0, self.below(8) - 4)):
            place = int.from_bytes(self.take(4), "little") % max(len(changed), 1)
            # What tells a reader of these formats where things lie is at the end.
            if self.below(2):
                place = max(len(changed) - 1 - place % 300, 0)
            changed[place : place + 1] = self.take(1)
        return bytes(changed[: len(changed) - self.below(64)]) if self.below(16) == 15 else bytes(changed)


def _integer(dice: Dice) -> Any:
    return dice.pick((0, 1, -1, 7, 10**17, -(2**63), 2**63 - 1, int.from_bytes(dice.take(8), "little", signed=True)))


def _float(dice: Dice) -> Any:
    return dice.pick((0.0, 1.5, float("nan"), float("inf"), -1e300, 1e-320, 1.0, float(_integer(dice))))


def _bytes(dice: Dice) -> Any:
    return dice.pick((b"", _CUTOUT, _CUTOUT[:-9], dice.damage(_CUTOUT), gzip.compress(bytes(70_000)), dice.take(40)))


def _words(dice: Dice) -> Any:
    return dice.pick(("", "7", "007", " 1 ", "nan", "1e400", "0x1F", "long " * 400, dice.text(), dice.text()))


def _day(dice: Dice) -> Any:
    return int.from_bytes(dice.take(3), "little")


def _decimal(dice: Dice) -> Any:
    import decimal

    return decimal.Decimal(int.from_bytes(dice.take(4), "little", signed=True))


#: What a column may be of, and how a cell is made.
_KINDS: tuple[tuple[pa.DataType, Callable[[Dice], Any]], ...] = (
    (pa.int64(), _integer),
    (pa.uint64(), lambda dice: abs(_integer(dice))),
    (pa.int8(), lambda dice: dice.below(128)),
    (pa.float64(), _float),
    (pa.float32(), lambda dice: dice.below(9) / 4),
    (pa.float16(), lambda dice: np.float16(dice.below(9) / 4)),
    (pa.bool_(), lambda dice: bool(dice.below(2))),
    (pa.string(), _words),
    (pa.large_string(), _words),
    (pa.binary(), _bytes),
    (pa.large_binary(), _bytes),
    (pa.binary(4), lambda dice: dice.take(4).ljust(4, b"\0")),
    (pa.date32(), _day),
    (pa.timestamp("ns"), _integer),
    (pa.duration("us"), _integer),
    (pa.decimal128(12, 2), _decimal),
    (pa.null(), lambda dice: None),
)

_NAMES = (
    "candid",
    "candidate_id",
    "ID",
    "id",
    "objectId",
    "object_id",
    "diaSourceId",
    "cutoutScience",
    "cutoutTemplate",
    "cutoutDifference",
    "candidate",
    "diaSource",
    "jd",
    "AMP",
    "MAG",
    "FLUX_RATIO",
    "label",
    "OBJECT_TYPE",
    "score",
    "flags",
    "science",
    "pixels",
    "schemavsn",
    "prv_candidates",
)


def _kind(dice: Dice, depth: int) -> tuple[pa.DataType, Callable[[Dice], Any]]:
    """Return a type, nested ones too, and what makes a cell of it."""
    how = dice.below(12) if depth else 0
    if how < 7:
        return dice.pick(_KINDS)
    inner, make = _kind(dice, depth - 1)
    if how == 7:
        return pa.list_(inner), lambda dice: [_cell(dice, make) for _ in range(dice.below(4))]
    if how == 8:
        return pa.list_(inner, 2), lambda dice: [_cell(dice, make) for _ in range(2)]
    if how == 9:
        return pa.map_(pa.string(), inner), lambda dice: [(_words(dice), _cell(dice, make))]
    fields = ["stampData", "fileName", dice.pick(_NAMES), dice.text()][: 1 + dice.below(4)]
    return pa.struct([(name, inner) for name in fields]), lambda dice: {name: _cell(dice, make) for name in fields}


def _cell(dice: Dice, make: Callable[[Dice], Any]) -> Any:
    return None if dice.below(8) == 7 else make(dice)


def _column(dice: Dice, name: str, rows: int) -> pa.Array:
    """Return a column: as surveys have it, or of any type."""
    if name.startswith("cutout") and dice.below(4):
        cells = [_cell(dice, _bytes) for _ in range(rows)]
        if dice.below(2):
            return pa.array(cells, pa.binary())
        return pa.array(
            [None if cell is None else {"stampData": cell} for cell in cells], pa.struct([("stampData", pa.binary())])
        )
    kind, make = _kind(dice, 2)
    try:
        column = pa.array([_cell(dice, make) for _ in range(rows)], kind)
        return column.dictionary_encode() if dice.below(6) == 5 else column
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return pa.nulls(rows)


def parquet_from_bytes(data: bytes) -> bytes:
    """Return a Parquet file of the types, names and cells that bytes choose, and some damage."""
    dice = Dice(data)
    rows = dice.pick((1, 0, 2, 3, 9, 100))
    names = [dice.pick(_NAMES) if dice.below(8) else dice.text() for _ in range(1 + dice.below(6))]
    columns = [_column(dice, name, rows) for name in names]
    file = io.BytesIO()
    try:
        pq.write_table(
            pa.Table.from_arrays(columns, names),
            file,
            compression=dice.pick(("none", "snappy", "zstd", "gzip")),
            row_group_size=dice.pick((1, 2, 64)),
            use_dictionary=bool(dice.below(2)),
        )
    except (pa.ArrowException, ValueError):
        return data
    return dice.damage(file.getvalue())


_DTYPES = ("<f4", ">f4", "<f8", "<i2", "|u1", "<i8", "<c8", "<U3", "|S4", "<M8[s]", "|b1", "|O", "<f2", "|V3", "<U0")
_SHAPES = (
    "(2, 3, 5, 7)",
    "(2, 5, 7)",
    "(2,)",
    "()",
    "(5, 7)",
    "(0, 5, 7)",
    "(2, 5, 7, 3)",
    "(1099511627776,)",
    "(-1, 5)",
    "(2, 0, 0)",
    "(4294967296, 4294967296)",
    "(1000000, 1, 1)",
    "(2, 2, 65536, 65536)",
)


def _npy(dice: Dice) -> bytes:
    """Return a .npy file: a sound array, or a header of which the rest is made up."""
    dtype, shape = dice.pick(_DTYPES), dice.pick(_SHAPES)
    size = eval(shape)  # one of the literals above
    count = int(np.prod(size, dtype=np.float64)) if all(part >= 0 for part in size) else -1
    body = dice.take(64)
    if 0 <= count <= 1000:
        body = (body or b"\1").ljust(1, b"\1") * (1 + count * max(np.dtype(dtype).itemsize, 1) // max(len(body), 1))
        body = body[: count * np.dtype(dtype).itemsize]
    text = f"{{'descr': {dtype!r}, 'fortran_order': {bool(dice.below(2))}, 'shape': {shape}, }}"
    if dice.below(8) == 7:
        text = dice.damage(text.encode("latin-1")).decode("latin-1")
    header = text.encode("latin-1").ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body


def npz_from_bytes(data: bytes) -> bytes:
    """Return a .npz file whose members and their headers bytes choose, with right checksums, and some damage."""
    dice = Dice(data)
    file = io.BytesIO()
    more = ("candidate_id", "object_id", "mask", "flags", "MAG", "shape", "centre", "saturation", "label")
    with zipfile.ZipFile(file, "w") as archive:
        for _ in range(1 + dice.below(6)):
            name = dice.pick((*_PLANES, *_PLANES, *more, dice.text()))
            member = zipfile.ZipInfo(f"{name}.npy" if dice.below(8) else name, (1980, 1, 1, 0, 0, 0))
            member.compress_type = dice.pick((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            archive.writestr(member, _npy(dice))
    return dice.damage(file.getvalue())
