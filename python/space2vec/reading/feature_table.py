"""Feature tables: CSV as DES published it, or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec import flags
from space2vec.catalogue import bands
from space2vec.errors import ReadError
from space2vec.reading import parquet
from space2vec.reading.batch import Batch, damaged, failed_features
from space2vec.registry import FEATURES, FLAGS
from space2vec.stamps import NO_ID
from space2vec.table import Features

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "CANDIDATE_IDS",
    "ID_COLUMNS",
    "TABLE_SUFFIXES",
    "feature_columns",
    "find_ids",
    "read_columns",
    "read_features",
    "table_columns",
]

TABLE_SUFFIXES = (".csv", ".parquet")

_OBJECT_IDS = ("object_id", "objectId")
CANDIDATE_IDS = ("candidate_id", "ID", "candid")
#: The columns that may hold an id of a row.
ID_COLUMNS = (*_OBJECT_IDS, *CANDIDATE_IDS)
_BOM = b"\xef\xbb\xbf"
_NULLS = ["", "NULL", "null", "None", "NA", "N/A", "nan", "NaN", "-nan"]


def feature_columns(path: Path) -> tuple[str, ...]:
    """Return the features that a table has, in its order.

    Raises
    ------
    ReadError
        If it cannot be read or has none.
    """
    names = table_columns(path)
    known = tuple(name for name in names if name in FEATURES)
    if not known:
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise ReadError(f"no feature table: none of its columns is a known feature; it has {shown or 'no columns'}")
    _once(known)
    return known


def read_columns(path: Path, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return those of the wanted columns that a table has: features as float32, others as they are.

    Raises
    ------
    ReadError
        If the table cannot be read, or a line has too few or too many values, or candidate ids are fractions.
    """
    names = [name for name in table_columns(path) if name in wanted]
    broken: list[tuple[int, str]] = []
    parts = [part for part in _parts(path, names, 1 << 16, broken) if len(part)] if names else []
    if broken:
        raise ReadError(broken[0][1])
    return {name: np.concatenate([_column(part, name) for part in parts] or [np.empty(0)]) for name in names}


def find_ids(columns: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Return the column of object ids and that of candidate ids, ``None`` for one that is not there."""
    objects = next((columns[name] for name in _OBJECT_IDS if name in columns), None)
    return objects, next((columns[name] for name in CANDIDATE_IDS if name in columns), None)


def read_features(path: Path, names: Sequence[str], batch: int) -> Iterator[Batch]:
    """Yield the rows of one feature table, about `batch` at a time.

    A line with too few or too many values becomes one row without values, in its place, with the flag ``bad_stamp``.

    Parameters
    ----------
    path : Path
        A CSV file, with any number of ``#`` lines before its header, or a Parquet file.
    names : sequence of str
        The features to give, in order. BAND may be a letter.
    batch : int
        Rows at a time.

    Raises
    ------
    ReadError
        If the table lacks one of the features, or has a value that is no number; the parts before the one with the
        damage (about 1 MB of CSV each) have been yielded by then.
    """
    given = table_columns(path)
    absent = [name for name in names if name not in given]
    if absent:
        raise ReadError(f"the table lacks {', '.join(absent)}, which the first table of the input has")
    wanted = [name for name in given if name in {*names, *ID_COLUMNS, "flags"}]
    broken: list[tuple[int, str]] = []
    start = 0
    for part in _parts(path, wanted, batch, broken):
        for piece in _between(_to_features(part, names, path.stem, start), broken, path, start):
            start += len(piece.rows)
            yield piece
    # Broken lines that no sound line follows.
    for place, reason in broken:
        yield Batch(failed_features(path.stem, names), (damaged(path, reason, record=place),))


def _between(rows: Features, broken: list[tuple[int, str]], path: Path, start: int) -> Iterator[Batch]:
    """Yield rows with the broken lines put where they stood."""
    done = 0
    while broken and broken[0][0] <= start + len(rows):
        place, reason = broken.pop(0)
        until = place - start
        if until > done:
            yield Batch(_slice(rows, done, until))
        yield Batch(failed_features(path.stem, rows.names), (damaged(path, reason, record=place),))
        start, done = start + 1, until
    if len(rows) > done:
        yield Batch(_slice(rows, done, len(rows)))


def _slice(rows: Features, start: int, stop: int) -> Features:
    part = slice(start, stop)
    return Features(rows.values[part], rows.names, rows.flags[part], rows.object_id[part], rows.candidate_id[part])


def _once(names: Sequence[str]) -> None:
    """Raise if a column that is to be read stands in the table twice."""
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise ReadError(f"column {double} occurs more than once")


def _comment_lines(path: Path) -> int:
    count = 0
    with path.open("rb") as file:
        if file.read(len(_BOM)) != _BOM:
            file.seek(0)
        while (line := file.readline(1 << 16)).startswith(b"#"):
            count += 1
        if not line:
            raise ReadError("the table is empty")
    return count


def table_columns(path: Path) -> list[str]:
    """Return the names of a table's columns.

    Raises
    ------
    ReadError
        If it cannot be read.
    """
    if path.suffix == ".parquet":
        return parquet.columns(path)
    try:
        lines = _comment_lines(path)
        with path.open(encoding="utf-8-sig") as file:
            for _ in range(lines):
                file.readline()
            header = file.readline(1 << 16)
    except UnicodeDecodeError as error:
        raise ReadError(f"not a CSV file ({error})") from None
    return [name.strip().strip('"') for name in header.strip().split(",")]


def _parts(
    path: Path, names: Sequence[str], batch: int, broken: list[tuple[int, str]]
) -> Iterator[pyarrow.RecordBatch]:
    """Yield a table's columns in parts; lines of a CSV that do not have the right number of values go to `broken`."""
    _once(names)
    with parquet.telling_damage(path, "damaged"):
        if path.suffix == ".parquet":
            with parquet.open_parquet(path) as file:
                yield from file.iter_batches(batch_size=batch, columns=list(names))
        else:
            yield from _csv_parts(path, names, batch, broken)


def _csv_parts(
    path: Path, names: Sequence[str], batch: int, broken: list[tuple[int, str]]
) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow as pa
    from pyarrow import csv

    comments = _comment_lines(path)

    def note(row: csv.InvalidRow) -> str:
        # Its number counts all lines before it, from 1.
        reason = f"line {row.number} has {row.actual_columns} values, not {row.expected_columns}"
        broken.append((row.number - comments - 2, reason))
        return "skip"

    types = {name: pa.float32() for name in names if name in FEATURES}
    types.update({name: pa.string() for name in (*_OBJECT_IDS, "BAND", "flags") if name in names})
    with csv.open_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False, skip_rows=comments),
        parse_options=csv.ParseOptions(invalid_row_handler=note),
        convert_options=csv.ConvertOptions(include_columns=list(names), column_types=types, null_values=_NULLS),
    ) as reader:
        for part in reader:
            for start in range(0, len(part), batch):
                yield part.slice(start, batch)


def _column(part: pyarrow.RecordBatch, name: str) -> NDArray[Any]:
    import pyarrow as pa

    column = part.column(name)
    if name == "BAND":
        return bands(column.to_pylist()).astype(np.float32)
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if name in FEATURES:
        try:
            with np.errstate(over="ignore"):
                return values.astype(np.float32)
        except (TypeError, ValueError):
            raise ReadError(f"column {name} holds no numbers but {column.type}") from None
    if name in CANDIDATE_IDS and column.type in (pa.float16(), pa.float32(), pa.float64()):
        # A float cannot hold a 64-bit id: pandas makes floats of integers beside an absent value.
        raise ReadError(f"column {name} holds fractions ({column.type}): ids must be integers or text")
    if column.null_count and values.dtype.kind == "f":
        # Arrow gives integers with nulls as floats, which cannot hold a 64-bit id.
        return column.fill_null(NO_ID).to_numpy(zero_copy_only=False) if name in CANDIDATE_IDS else values
    return values


def _ids(columns: dict[str, NDArray[Any]], stem: str, start: int, size: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return object and candidate ids; what a table lacks is named after the other, or after the row."""
    objects, candidates = find_ids(columns)
    if objects is None and candidates is not None:
        objects = candidates
    numbers = np.arange(start, start + size)
    names = [f"{stem}:{row}" for row in numbers] if objects is None else [str(value) for value in objects]
    return np.array(names, dtype=object), numbers if candidates is None else candidates


def _to_features(part: pyarrow.RecordBatch, names: Sequence[str], stem: str, start: int) -> Features:
    columns = {name: _column(part, name) for name in part.schema.names if name != "flags"}
    object_id, candidate_id = _ids(columns, stem, start, len(part))
    raised = np.zeros(len(part), dtype=np.uint32)
    if "flags" in part.schema.names:
        for row, given in enumerate(part.column("flags").to_pylist()):
            # A list in Parquet, joined by bars in CSV.
            names_given = given.split("|") if isinstance(given, str) else given or []
            raised[row] = flags.bits(name for name in names_given if name in FLAGS)
    values = np.empty((len(part), len(names)), dtype=np.float32)
    for column, name in enumerate(names):
        values[:, column] = columns[name]
    return Features(values, tuple(names), raised, object_id, candidate_id)
