"""The errors table: a line for everything that was wrong, and for every row without a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from space2vec.flags import UNSCORABLE, bits
from space2vec.ids import as_ids, ids_to_arrow, printable
from space2vec.registry import FLAGS

if TYPE_CHECKING:
    import pyarrow
    from numpy.typing import NDArray

    from space2vec.reading import Batch, Origin, Problem

__all__ = ["failures"]

#: The flags by which a reader marks the rows that it has a problem with.
_OF_READER = bits(["bad_stamp", "missing"])
_NO_SCALE = bits("zero_scale")


def failures(
    batch: Batch, table: pyarrow.Table, flags: NDArray[np.uint32], done: NDArray[np.bool_], first: int
) -> pyarrow.Table:
    """Return the lines of one batch.

    Parameters
    ----------
    batch : Batch
        What was read, and what the reader says is wrong with it; each problem becomes a line.
    table : pyarrow.Table
        The results of the batch, which tell the ids.
    flags : ndarray of uint32 (n,)
        The flags a row.
    done : ndarray of bool (n,)
        Which rows have a result. One that has none for a reason of its own (a flag that is no problem of the reader's)
        becomes a line.
    first : int
        The number of the first row in the whole table.

    Returns
    -------
    pyarrow.Table
        In the order of the rows: file, offset, record, row, object_id, candidate_id, reason, message.
    """
    import pyarrow as pa

    lines = sorted([*_told(batch.problems, table), *_refused(batch, table, flags, done)], key=lambda line: line["row"])
    for line in lines:
        line["row"] += first
    ids = ids_to_arrow(as_ids([line["candidate_id"] for line in lines]))
    # Of one type with the results, unless a problem knows of an id that is text where theirs are integers.
    known = table.schema.field("candidate_id").type
    kind = ids.type if known == pa.int64() else known
    for line, value in zip(lines, ids.cast(kind).to_pylist(), strict=True):
        line["candidate_id"] = value
    schema = pa.schema(
        [
            ("file", pa.string()),
            ("offset", pa.int64()),
            ("record", pa.int64()),
            ("row", pa.int64()),
            ("object_id", pa.string()),
            ("candidate_id", kind),
            ("reason", pa.string()),
            ("message", pa.string()),
        ]
    )
    return pa.Table.from_pylist(lines, schema=schema)


def _told(problems: Sequence[Problem], table: pyarrow.Table) -> Iterator[dict[str, Any]]:
    for problem in problems:
        line = _line(problem.row, table, problem.reason, problem.message)
        line |= {"file": printable(problem.path), "offset": problem.offset, "record": problem.record}
        if problem.object_id is not None:
            line["object_id"] = printable(problem.object_id)
        if line["candidate_id"] is None:
            line["candidate_id"] = problem.candidate_id
        yield line


def _refused(
    batch: Batch, table: pyarrow.Table, flags: NDArray[np.uint32], done: NDArray[np.bool_]
) -> Iterator[dict[str, Any]]:
    told = {problem.row for problem in batch.problems}
    for row in np.nonzero(~done)[0].tolist():
        raised = int(flags[row])
        if row in told and (raised & _OF_READER or not raised & UNSCORABLE):
            continue
        refusing = [flag for flag in FLAGS.values() if not flag.scored and raised >> flag.bit & 1]
        if not refusing and raised & _NO_SCALE:
            refusing = [FLAGS["zero_scale"]]  # of planes divided by it nothing is left
        if refusing:
            line = _line(row, table, refusing[0].name, "; ".join(flag.meaning for flag in refusing))
        else:
            line = _line(row, table, "no_result", "the row has no result, and no flag says why")
        yield line | _where(batch.origin, row)


def _where(origin: Origin | None, row: int) -> dict[str, Any]:
    """Return file, offset and record of a row, as far as they are known."""
    if origin is None:
        return {}
    offset = None if origin.offset is None else int(origin.offset[row])
    return {"file": printable(origin.paths[row]), "offset": offset, "record": int(origin.record[row])}


def _line(row: int, table: pyarrow.Table, reason: str, message: str) -> dict[str, Any]:
    ids = {name: table[name][row].as_py() for name in ("object_id", "candidate_id")}
    return {"file": None, "offset": None, "record": None, "row": row, **ids, "reason": reason, "message": message}
