"""Make the errors table of a run: one line for each problem, and for each row without a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from space2vec.data import arrow
from space2vec.data.flags import UNSCORABLE, bits
from space2vec.data.ids import as_ids, printable
from space2vec.registry import FLAGS

if TYPE_CHECKING:
    import pyarrow
    from numpy.typing import NDArray

    from space2vec.data.types import Json
    from space2vec.reading import AnyBatch, Origin, Problem

__all__ = ["make_errors_table"]

#: The flags by which a reader marks the rows that it has a problem with.
_OF_READER = bits(["bad_stamp", "missing"])
#: The columns of the table, and those that hold integers.
_COLUMNS = ("file", "offset", "record", "row", "object_id", "candidate_id", "reason", "message")
_WHOLE = frozenset({"offset", "record", "row"})
_NO_SCALE = bits("zero_scale")


def make_errors_table(
    batch: AnyBatch, table: pyarrow.Table, flags: NDArray[np.uint32], done: NDArray[np.bool_], first: int
) -> pyarrow.Table:
    """Make the lines of one batch, in the order of its rows.

    Each problem of the reader becomes a line. So does each row without a result that no problem explains: its flags
    give the reason.

    Parameters
    ----------
    batch : Batch
        The batch (n rows), with its problems.
    table : pyarrow.Table
        The results, which contain the ids.
    flags : ndarray of uint32 (n,)
        The flags of the rows.
    done : ndarray of bool (n,)
        Which rows have a result.
    first : int
        The number of the first row in the whole output.
    """
    import pyarrow as pa

    lines = sorted(
        [*_problem_lines(batch.problems, table), *_lines_without_result(batch, table, flags, done)],
        key=lambda line: line["row"],
    )
    for line in lines:
        line["row"] += first
    ids = arrow.ids(as_ids([line["candidate_id"] for line in lines]))
    # The same type as in the results, unless these have integers and a problem has an id that is text.
    if table.schema.field("candidate_id").type not in (ids.type, pa.int64()):
        ids = arrow.texts(ids.to_pylist())
    columns = {name: [line[name] for line in lines] for name in _COLUMNS}
    arrays = {name: _to_integers(column) if name in _WHOLE else arrow.texts(column) for name, column in columns.items()}
    return pa.table({**arrays, "candidate_id": ids})


def _to_integers(values: Sequence[int | None]) -> pyarrow.Array:
    """Return integers as an Arrow array, null for ``None``."""
    absent = np.array([value is None for value in values], dtype=np.bool_)
    return arrow.numbers(np.array([value or 0 for value in values], dtype=np.int64), absent)


def _problem_lines(problems: Sequence[Problem], table: pyarrow.Table) -> Iterator[dict[str, Json]]:
    for problem in problems:
        line = _line(problem.row, table, problem.reason, problem.message)
        line |= {"file": printable(problem.path), "offset": problem.offset, "record": problem.record}
        if problem.object_id is not None:
            line["object_id"] = printable(problem.object_id)
        if line["candidate_id"] is None:
            line["candidate_id"] = problem.candidate_id
        yield line


def _lines_without_result(
    batch: AnyBatch, table: pyarrow.Table, flags: NDArray[np.uint32], done: NDArray[np.bool_]
) -> Iterator[dict[str, Json]]:
    told = {problem.row for problem in batch.problems}
    for row in np.nonzero(~done)[0].tolist():
        raised = int(flags[row])
        if row in told and (raised & _OF_READER or not raised & UNSCORABLE):
            continue
        refusing = [flag for flag in FLAGS.values() if not flag.scored and raised >> flag.bit & 1]
        if not refusing and raised & _NO_SCALE:
            refusing = [FLAGS["zero_scale"]]  # planes divided by a scale of zero are NaN
        if refusing:
            line = _line(row, table, refusing[0].name, "; ".join(flag.meaning for flag in refusing))
        else:
            line = _line(row, table, "no_result", "the row has no result, and no flag says why")
        yield line | _location(batch.origin, row)


def _location(origin: Origin | None, row: int) -> dict[str, Json]:
    """Return the file, offset and record of a row, as far as they are known."""
    if origin is None:
        return {}
    offset = None if origin.offset is None else int(origin.offset[row])
    return {"file": printable(origin.paths[row]), "offset": offset, "record": int(origin.record[row])}


def _line(row: int, table: pyarrow.Table, reason: str, message: str) -> dict[str, Json]:
    ids = {name: table[name][row].as_py() for name in ("object_id", "candidate_id")}
    return {"file": None, "offset": None, "record": None, "row": row, **ids, "reason": reason, "message": message}
