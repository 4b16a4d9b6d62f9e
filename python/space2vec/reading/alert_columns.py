"""Find the columns of a table that describe alerts, and decode the alerts of its rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from space2vec.errors import ReadError
from space2vec.reading.alerts import CUTOUTS, AlertRows, decode_columns
from space2vec.reading.batch import AnyBatch, PacketFields
from space2vec.reading.catalogue import RUBIN_FIELDS, ZTF_FIELDS
from space2vec.reading.limits import refuse_long_texts
from space2vec.reading.options import ReadOptions
from space2vec.reading.parquet_columns import (
    CutoutColumn,
    Leaf,
    Table,
    concatenate_cutouts,
    extra_columns,
    first_ids,
    first_index,
    first_texts,
    shorten_texts,
    unpacked_bytes,
)

if TYPE_CHECKING:
    import pyarrow

__all__ = ["AlertColumns", "has_cutouts"]

#: The fields with the position of the candidate in a cutout.
_POSITION_FIELDS = frozenset({"xpos", "ypos"})
#: The name of a column of cutouts under any prefix or suffix; the library identifies its channel.
_CUTOUT = re.compile(r"(?:\w:)?cutout_?(?:science|template|difference)(?![a-z0-9])", re.IGNORECASE)


def has_cutouts(names: Iterable[str]) -> bool:
    """Return whether a table with these column names holds alerts."""
    return any(_CUTOUT.match(name) for name in names)


class AlertColumns:
    """The columns of a table that describe alerts, which are found once and then read batch by batch."""

    def __init__(self, table: Table, options: ReadOptions, path: str) -> None:
        self._options = options
        self._path = path
        self._checked_cutouts: list[CutoutColumn | None] = []
        ids = table.find("diaSourceId", "diaSource.diaSourceId", "diaSource.diaObjectId", "diaSource.ssObjectId")
        #: Whether the columns are those of Rubin's packets.
        self._rubin = any(leaf is not None for leaf in ids)
        if self._rubin:
            self._candidates, self._objects = _scalar_leaves(ids[:2]), _scalar_leaves(ids[2:])
            record, fields = "diaSource", RUBIN_FIELDS
        else:
            self._candidates = _scalar_leaves(table.find("candid", "candidate.candid"))
            self._objects = _scalar_leaves(table.find("objectId"))
            record, fields = "candidate", ZTF_FIELDS
        self._publisher = table.find("publisher")[0]
        of_ztf = table.find("candidate.rcid", "candidate.pdiffimfilename")
        self._ztf_fields = all(of_ztf)
        self._fields = {
            name: leaf
            for name, inner in zip(fields, table.find(*(f"{record}.{name}" for name in fields)), strict=True)
            if (leaf := inner or table.leaves.get(name)) is not None and leaf.is_scalar
            if options.takes_catalogue or name in _POSITION_FIELDS
        }
        plain, held = table.find(*CUTOUTS), table.find(*(f"{name}.stampData" for name in CUTOUTS))
        self._cutouts = [own or inner for own, inner in zip(plain, held, strict=True)]
        if not any(self._cutouts):
            raise ReadError(
                f"no alerts: none of the columns is a cutout; accepted are {', '.join(CUTOUTS)}, or .stampData"
            )
        self._columns = {
            name: leaf if leaf is not None and leaf.is_scalar else None
            for name, leaf in zip(options.columns, table.find(*options.columns), strict=True)
        }
        missing = tuple(name for name, leaf in self._columns.items() if leaf is None)
        #: Which of the requested columns the table has; ``None`` if none are requested.
        self.packet_fields = PacketFields(missing, table.paths if missing else ()) if options.columns else None
        self._leaves = [
            leaf
            for leaf in (
                *self._candidates, *self._objects, self._publisher, *self._fields.values(), *self._cutouts,
                *self._columns.values(),
            )
            if leaf is not None
        ]  # fmt: skip
        #: The columns to read, those inside a record by their dotted names.
        self.paths_to_read = list(dict.fromkeys(leaf.path for leaf in self._leaves))
        #: The same by their full paths, and the fields whose presence identifies the survey.
        self.steps = list(dict.fromkeys(leaf.steps for leaf in (*self._leaves, *of_ztf, *ids) if leaf is not None))

    @property
    def text_ids(self) -> bool:
        """Whether candidate ids are text, because their columns may hold values that are not int64."""
        return any(not _holds_int64(leaf.type) for leaf in self._candidates)

    def check(self, part: pyarrow.RecordBatch) -> None:
        """Check that the columns to read are valid, because tables of other programs may be damaged.

        Raises
        ------
        ReadError
            If offsets or indices are outside their data.
        """
        import pyarrow as pa

        for name in dict.fromkeys(leaf.steps[0] for leaf in self._leaves):
            try:
                part.column(first_index(part.schema, name)).validate(full=True)
            except pa.ArrowInvalid as error:
                if "UTF8" not in str(error):  # such a text is read by its codes
                    raise ReadError(f"the column {name} is no sound Arrow: {error}") from None

    def unpacked(self, part: pyarrow.RecordBatch) -> int:
        """Return the bytes to which the cutouts of some rows unpack, as they state; :meth:`batches` decodes them."""
        self._checked_cutouts = [
            None if leaf is None else concatenate_cutouts(leaf.values_in(part), leaf.steps[0]) for leaf in self._cutouts
        ]
        return sum(unpacked_bytes(column) for column in self._checked_cutouts if column is not None)

    def batches(self, part: pyarrow.RecordBatch, first: int) -> Iterator[AnyBatch]:
        """Yield the alerts of the rows last given to :meth:`unpacked`; `first` is the number of the first one."""
        n = len(part)
        most = self._options.limits.id_bytes
        cutouts, self._checked_cutouts = self._checked_cutouts, []
        columns, long_texts = extra_columns(self._columns, part)

        def ids(leaves: Iterable[Leaf]) -> list[pyarrow.Array]:
            return [shorten_texts(leaf.values_in(part), most) for leaf in leaves]

        table = AlertRows(
            cutouts,
            object_id=first_texts(ids(self._objects), n),
            candidate_id=first_ids(ids(self._candidates), n),
            record={name: leaf.values_in(part).to_pylist() for name, leaf in self._fields.items()},
            rubin=self._rubin,
            ztf_fields=self._ztf_fields,
            publisher=None if self._publisher is None else first_texts(ids([self._publisher]), n).tolist(),
            columns=columns,
            packet_fields=self.packet_fields,
        )
        begin = 0
        for batch in decode_columns(table, self._options, self._path, first):
            end = begin + len(batch.rows)
            long = {row - begin: size for row, size in long_texts.items() if begin <= row < end}
            yield refuse_long_texts(batch, long)
            begin = end


def _holds_int64(kind: pyarrow.DataType) -> bool:
    """Return whether all values of a type are integers that int64 holds."""
    import pyarrow as pa

    return bool((pa.types.is_integer(kind) and not pa.types.is_uint64(kind)) or pa.types.is_null(kind))


def _scalar_leaves(leaves: Iterable[Leaf | None]) -> list[Leaf]:
    return [leaf for leaf in leaves if leaf is not None and leaf.is_scalar]
