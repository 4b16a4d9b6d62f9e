"""Write an output table and its errors table in parts that survive an interruption, and join the parts at the end."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from space2vec.data.atomic_file import AtomicFile, remove_leftovers, sync_folder
from space2vec.errors import OutputError, ReadError
from space2vec.reading.notes import DamagedError, note_file, read_note
from space2vec.registry import FLAGS
from space2vec.writing.chunk import Chunk, Counts, VectorTable
from space2vec.writing.folder import Folder
from space2vec.writing.formats import write_table
from space2vec.writing.input_record import InputRecord
from space2vec.writing.places import check_table_writable, folder_mode
from space2vec.writing.run import KINDS, Run, describe_option
from space2vec.writing.tables import (
    ConcatenatedTable,
    check_columns,
    concatenate_tables,
    table_from_bytes,
    table_to_bytes,
)

if TYPE_CHECKING:
    from typing import Self

    import pyarrow

    from space2vec.data.types import Json

__all__ = ["Output"]

#: The layout of the folder of parts; a run that was begun with another layout is refused.
_FORMAT = 2
_TABLE, _ERRORS, _EXTRA, _VECTORS = KINDS
#: The entries of a note that describe the rows, not the run.
_NOTES_OF_ROWS = ("rows", "flags", "descriptions")


class Output:
    """Write a table and its errors table so that no finished part is lost if the process ends.

    Parts of a fixed number of rows are written to the folder ``NAME.parts`` next to the output, and each is permanent
    once it is written. :meth:`finish` joins them to the output, which appears as a whole. With ``how="resume"`` the
    same run continues after the last finished part, and its output has the same bytes. Use it in a ``with`` block.

    Parameters
    ----------
    path, errors : path
        The two files. Their suffixes, from :data:`~space2vec.writing.formats.SUFFIXES`, determine the formats.
    options : mapping
        Everything that affects the bytes of the output, by name; a run is resumed only if all of it is the same.
    note : mapping
        The metadata of the files, stored in them or, for CSV, in a second file (JSON). The name of the table, its
        number of rows, the meaning of the flags that occur and a summary of the inputs are added.
    inputs : Inputs
        The input files of the run.
    part_rows : int
        The rows of a part; a part ends with the chunk that reaches this number.
    how : {"begin", "resume", "restart"}
        Whether finished parts of an earlier run are an error, are continued, or are deleted.
    descriptions : mapping of str to str, optional
        The descriptions of the columns.
    optional : collection of str, optional
        Columns that the output omits if all their values are unknown.
    keep_parts : bool, optional
        Whether finished parts are kept if the run ends early.
    vectors : VectorTable, optional
        A table of vectors, which each chunk then has; it appears together with the output.
    extra : callable, optional
        A function that returns further bytes to store with each part; :meth:`read_extras` yields them again.

    Raises
    ------
    ValueError
        If a suffix has no format, or both paths are the same file.
    OSError
        From here and from every method, if a file cannot be written or the state of an input cannot be read.
    OutputError
        On entering the ``with`` block: if another process writes to the same output; if there are finished parts and
        `how` is ``"begin"``; if options or inputs differ from those of the run to resume; if the folder of parts is a
        link, belongs to another user or not to a run, or contains a link. From the methods: if a part is damaged, or
        its columns differ from those of the first part.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        errors: str | os.PathLike[str],
        *,
        options: Mapping[str, Json],
        note: Mapping[str, Json],
        inputs: InputRecord,
        part_rows: int,
        how: Literal["begin", "resume", "restart"] = "begin",
        descriptions: Mapping[str, str] | None = None,
        optional: Collection[str] = (),
        keep_parts: bool = True,
        extra: Callable[[], bytes] | None = None,
        vectors: VectorTable | None = None,
    ) -> None:
        self.path, self.errors, self._vectors = Path(path), Path(errors), vectors
        #: The files by kind, in the order in which they appear: the table last.
        self._places = {_ERRORS: self.errors, **({} if vectors is None else {_VECTORS: vectors.path})}
        self._places[_TABLE] = self.path
        for kind, place in self._places.items():
            check_table_writable(place)
            if kind != _TABLE and place.resolve() == self.path.resolve():
                raise ValueError(f"cannot write {place}: the {kind} need a file of their own")
        if vectors is not None and vectors.path.resolve() == self.errors.resolve():
            raise ValueError(f"cannot write {vectors.path}: the errors need a file of their own")
        self.folder = self.path.with_name(f"{self.path.name}.parts")
        # Converted by JSON, so that they equal the options that are read back.
        self._options = json.loads(json.dumps({"format": _FORMAT, **options, "part rows": part_rows}))
        self._note, self._inputs, self._part_rows, self._start_mode, self._extra = (
            dict(note),
            inputs,
            part_rows,
            how,
            extra,
        )
        self._keep_parts = keep_parts
        self._descriptions, self._optional = dict(descriptions or {}), frozenset(optional)
        self._held: list[Chunk] = []
        self._held_rows = 0
        self._columns: list[str] | None = None
        #: The columns whose values are all unknown, once the output is finished.
        self.unknown: tuple[str, ...] = ()
        #: Whether the same run has already finished the output.
        self.complete = False

    def __enter__(self) -> Self:
        self._run = Run(Folder(self.folder, mode=folder_mode(self.path)))
        try:
            if self._run.folder.is_new:
                self._run.check_folder()
        except BaseException:
            self._run.folder.remove_lock()
            self._run.folder.close()
            raise
        try:
            self._open()
        except BaseException:
            with suppress(OSError):
                if not self._run.begun:
                    self._run.remove()
            self._run.folder.close()
            raise
        return self

    @property
    def rows(self) -> int:
        """The number of rows so far, in finished parts and in memory."""
        return self._run.rows + self._held_rows

    @property
    def parts(self) -> int:
        """The number of finished parts."""
        return len(self._run.parts)

    @property
    def position(self) -> tuple[int, ...]:
        """The position at which the next part begins; empty at the beginning of the inputs."""
        return tuple(self._run.parts[-1].position) if self._run.parts else ()

    @property
    def ended(self) -> bool:
        """Whether the finished parts contain all rows of the inputs."""
        return bool(self._run.parts) and self._run.parts[-1].last

    @property
    def counts(self) -> dict[str, Counter[str]]:
        """The sums of the counts of the finished parts."""
        return _sum_counts(part.counts for part in self._run.parts)

    def count_reasons(self) -> Counter[str]:
        """Count the reasons in the errors table of an output that is complete."""
        from space2vec.reading.table_file import read_columns

        try:
            return Counter(read_columns(self.errors, {"reason": "text"})["reason"].tolist())
        except (ReadError, KeyError) as error:
            raise OutputError(f"{self.errors} is damaged ({error}); --restart writes it anew") from None

    def add(self, chunk: Chunk) -> None:
        """Add the results of the next batch, and write a part if it is full."""
        self._columns = self._columns or chunk.table.column_names
        check_columns(chunk.table, self._columns)
        self._held.append(chunk)
        self._held_rows += len(chunk.table)
        if self._held_rows >= self._part_rows:
            self._commit(last=False)

    def save(self) -> None:
        """Write the rows in memory as a part, although it is not full, because the run ends here."""
        if self._held:
            self._commit(last=False)

    def finish(self, empty: Callable[[], Chunk]) -> None:
        """Join the parts to the two files, which then appear under their names.

        A column whose type differs between batches becomes text. If the inputs have no rows, `empty` returns a chunk
        with the columns.
        """
        if not self.ended:
            if not self._held and not self.parts:
                self._held.append(empty())
            self._commit(last=True)
        table = concatenate_tables(lambda: self._part_tables(_TABLE), optional=self._optional)
        whole = {kind: self._whole(kind, table) for kind in self._places if kind != _TABLE} | {_TABLE: table}
        self.unknown = table.unknown
        with ExitStack() as stack:
            files = [file for kind, part in whole.items() for file in self._write_files(stack, part, kind)]
            for file in files:
                file.appear()
        for folder in {place.parent for place in self._places.values()}:
            sync_folder(folder)

    def _whole(self, kind: str, table: ConcatenatedTable) -> ConcatenatedTable:
        """Return the whole table of another kind of file than `table`."""
        optional = self._optional if kind == _VECTORS else ()
        return concatenate_tables(lambda: self._part_tables(kind), optional=optional, like=table.schema)

    def read_extras(self) -> Iterator[bytes]:
        """Yield the bytes that `extra` returned for each part."""
        return (self._run.read(number, _EXTRA) for number in range(self.parts))

    def _open(self) -> None:
        begun = self._run.begun
        if begun:
            for path in self._places.values():
                for each in filter(None, (path, note_file(path))):
                    remove_leftovers(each)
        if begun and self._run.has_parts and self._start_mode != "restart":
            if self._start_mode == "begin":
                raise OutputError(
                    f"{self.folder} holds finished parts of an earlier run: --resume goes on from there, "
                    "--restart begins anew"
                )
            try:
                self._run.compare(self._options, self._inputs)
            except OutputError as error:
                raise OutputError(f"cannot resume {self.path}: {error}; --restart begins anew") from None
            self._run.load()
            return
        if not begun and self._start_mode == "resume" and self.path.exists():
            self._inputs.scan()
            if absent := next((place for place in self._places.values() if not place.exists()), None):
                raise OutputError(f"{self.path} is there, but not {absent}; --restart writes both anew")
            for kind, path in reversed(self._places.items()):
                self._check_same_run(path, kind)
            self.complete = True
            return
        self._run.begin(self._options, self._inputs)
        sync_folder(self.folder.parent)

    def _check_same_run(self, path: Path, kind: str) -> None:
        """Check that an existing file is the output of this run; an OutputError names the first difference."""
        try:
            note = read_note(path)
        except DamagedError as error:
            raise OutputError(f"{path} is there, but {error}; --restart writes it anew") from None
        ours = json.loads(json.dumps(self._run_note(kind)))
        for name in dict.fromkeys([*ours, *note]):
            if name not in _NOTES_OF_ROWS and note.get(name) != ours.get(name):
                raise OutputError(
                    f"{path} is there, but from another run: it was made {describe_option(note, name)}, and now "
                    f"{describe_option(ours, name)}; --restart writes it anew"
                )
        if self._inputs.last_change > path.stat().st_mtime_ns:
            raise OutputError(f"{path} is there, but an input has changed since; --restart writes it anew")

    def _run_note(self, kind: str) -> dict[str, Json]:
        """Return the entries of a file's note that describe the run, not the rows."""
        inputs = {"inputs": self._inputs.summary} if self._inputs.repeatable else {}
        own = self._vectors.note if kind == _VECTORS and self._vectors is not None else {}
        return {"table": kind, **self._note, **own, **inputs}

    def _commit(self, *, last: bool) -> None:
        tables = self._held_tables()
        files = {kind: table_to_bytes(table) for kind, table in tables.items()}
        if self._extra is not None:
            files[_EXTRA] = self._extra()
        position = list(self._held[-1].position if self._held else self.position)
        counts = {name: dict(values) for name, values in _sum_counts(chunk.counts for chunk in self._held).items()}
        self._run.commit(files, rows=len(tables[_TABLE]), position=position, last=last, counts=counts)
        self._held.clear()
        self._held_rows = 0

    def _held_tables(self) -> dict[str, pyarrow.Table]:
        """Return the tables of the next part by kind."""
        import pyarrow as pa

        if not self._held:  # the last part may have no rows
            return {kind: table_from_bytes(self._run.read(0, kind)).slice(0, 0) for kind in self._places}
        held = {kind: [chunk.of_kind(kind) for chunk in self._held] for kind in self._places}
        return {
            kind: pa.concat_tables(concatenate_tables(lambda parts=parts: parts))  # type: ignore[misc]  # a default binds
            for kind, parts in held.items()
        }

    def _part_tables(self, kind: str) -> Iterator[pyarrow.Table]:
        """Yield the parts of one kind, one at a time."""
        return (table_from_bytes(self._run.read(number, kind)) for number in range(self.parts))

    def _write_files(self, stack: ExitStack, table: ConcatenatedTable, kind: str) -> Iterator[AtomicFile]:
        """Write a table and, for CSV, its note; yield the files, which have not appeared under their names yet."""
        path = self._places[kind]
        flags = {name: flag.meaning for name, flag in FLAGS.items() if name in table.flags}
        note = {**self._run_note(kind), "rows": table.rows, "flags": flags}
        file = stack.enter_context(AtomicFile(path))
        outside = write_table(file, table, note, self._descriptions)
        file.sync()
        yield file
        beside = note_file(path)
        if outside is not None and beside is not None:
            file = stack.enter_context(AtomicFile(beside))
            file.write(outside)
            file.sync()
            yield file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._remove_parts()
            elif self._keep_parts and self._has_parts():
                error.add_note(self._how_to_resume())
            else:
                with suppress(OSError):  # the error that ended the block matters more
                    self._run.remove()
        finally:
            self._run.folder.close()

    def _remove_parts(self) -> None:
        try:
            self._run.remove()
        except OSError as error:
            error.add_note(f"{self.path} is complete all the same; {self.folder} is not needed any more")
            raise

    def _has_parts(self) -> bool:
        """Return whether the disk has a finished part, which an interruption may have prevented from being counted."""
        try:
            return self._run.has_parts
        except OSError:
            return self.parts > 0

    def _how_to_resume(self) -> str:
        kept = "finished rows are kept"
        if self.parts:
            kept = f"{self._run.rows} rows in {self.parts} part{'s' if self.parts > 1 else ''} are kept"
        if self._inputs.repeatable:
            return f"{kept}; the same command with --resume goes on from there"
        return f"{kept} in {self.folder}; later rows of standard input are lost"


def _sum_counts(counts: Iterable[Counts]) -> dict[str, Counter[str]]:
    total: dict[str, Counter[str]] = {}
    for each in counts:
        for name, values in each.items():
            total.setdefault(name, Counter()).update(values)
    return total
