"""An output table and its errors table, built in parts beside them and joined at the end."""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from space2vec.errors import OutputError
from space2vec.writing.aside import Aside, sync_folder, told, write_file
from space2vec.writing.inputs import Inputs
from space2vec.writing.lock import LOCK, Lock
from space2vec.writing.parts import Parts
from space2vec.writing.tables import SUFFIXES, TableFile, decode, encode, fitted, note_of, values_of, widened

if TYPE_CHECKING:
    from typing import Self

    import pyarrow

__all__ = ["Chunk", "Output"]

#: The layout of the folder; a run that another layout has begun is refused.
_FORMAT = 1
_RUN = "run.json"
_INPUTS = "inputs"
_TABLE, _ERRORS, _KEPT = "table", "errors", "kept"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The results of one batch.

    Attributes
    ----------
    table, errors : pyarrow.Table
        The rows, and the lines of the errors table.
    position : tuple of int
        Where the next batch begins, as the reader counts it.
    counts : mapping of str to mapping of str to int
        What to add up for the summary.
    """

    table: pyarrow.Table
    errors: pyarrow.Table
    position: tuple[int, ...]
    counts: Mapping[str, Mapping[str, int]]


class Output:
    """Write a table and its errors table so that nothing which was finished is lost.

    Parts of a fixed number of rows go into a folder beside the output, ``NAME.parts``, each to stay once it is there.
    :meth:`finish` joins them into the output, which appears whole. Whatever ends the process, the same run goes on
    where it was with ``how="resume"``, and ends with the same bytes. Use it in a ``with`` block.

    Parameters
    ----------
    path, errors : path
        The two files, .parquet or .csv.
    options : mapping
        All that decides about the bytes, by name; a run goes on only if all of it is the same.
    note : mapping
        What the Parquet files say of themselves.
    inputs : Inputs
        What is read.
    part_rows : int
        Rows of a part: it ends with the chunk that reaches them.
    how : {"begin", "resume", "restart"}
        Whether finished parts of an earlier run are in the way, are gone on from, or are thrown away.
    keep : callable, optional
        Returns the bytes of something further that belongs to the rows since its last call.

    Raises
    ------
    ValueError
        If a suffix is another one, or both files are one.
    OSError
        If a file cannot be written or an input cannot be looked at.
    OutputError
        From the ``with``: if another process is writing there; if there are finished parts and `how` is ``"begin"``;
        if the run to resume was another one.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        errors: str | os.PathLike[str],
        *,
        options: Mapping[str, Any],
        note: Mapping[str, Any],
        inputs: Inputs,
        part_rows: int,
        how: Literal["begin", "resume", "restart"] = "begin",
        keep: Callable[[], bytes] | None = None,
    ) -> None:
        self.path, self.errors = Path(path), Path(errors)
        for place in (self.path, self.errors):
            _check(place)
        if self.path.resolve() == self.errors.resolve():
            raise ValueError(f"cannot write {self.errors}: the errors need a file of their own")
        self.folder = self.path.with_name(f"{self.path.name}.parts")
        # Through JSON, so that they compare with what is read back.
        self._options = json.loads(json.dumps({"format": _FORMAT, **options, "part rows": part_rows}))
        self._note, self._inputs, self._part_rows, self._how, self._keep = dict(note), inputs, part_rows, how, keep
        self._parts = Parts(self.folder)
        self._held: list[Chunk] = []
        self._held_rows = 0
        self._schemas: tuple[pyarrow.Schema, pyarrow.Schema] | None = None
        #: Whether the output is there already, from this very run.
        self.complete = False

    def __enter__(self) -> Self:
        self._lock = Lock(self.folder)
        try:
            self._open()
        except BaseException:
            with suppress(OSError):
                if not (self.folder / _RUN).exists():
                    self._remove()
            self._lock.release()
            raise
        return self

    @property
    def rows(self) -> int:
        """Rows so far, finished and held."""
        return self._parts.rows + self._held_rows

    @property
    def parts(self) -> int:
        """The number of finished parts."""
        return len(self._parts.entries)

    @property
    def position(self) -> tuple[int, ...]:
        """Where the next part begins; nothing where that is the beginning."""
        return tuple(self._parts.entries[-1].position) if self._parts.entries else ()

    @property
    def ended(self) -> bool:
        """Whether the finished parts are all there is."""
        return bool(self._parts.entries) and self._parts.entries[-1].last

    @property
    def counts(self) -> dict[str, Counter[str]]:
        """What the finished parts add up to."""
        return _added(entry.counts for entry in self._parts.entries)

    def reasons(self) -> Counter[str]:
        """Count the reasons in the errors table of an output that is complete.

        Raises
        ------
        OutputError
            If it is damaged.
        """
        return Counter(values_of(self.errors, "reason"))

    def add(self, chunk: Chunk) -> None:
        """Add the results of the next batch; a part that is full by now is written.

        Raises
        ------
        OutputError
            If the columns or their types do not fit those of the first batch.
        OSError
            If a file cannot be written.
        """
        self._held.append(chunk)
        self._held_rows += len(chunk.table)
        if self._held_rows >= self._part_rows:
            self._commit(last=False)

    def save(self) -> None:
        """Finish what is held as a part, be it small: the end of the run comes before the part is full.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        if self._held:
            self._commit(last=False)

    def finish(self, empty: Callable[[], Chunk]) -> None:
        """Join the parts into the two files; both appear under their names.

        Parameters
        ----------
        empty : callable
            Returns a chunk without rows, for an input that had none.
        """
        if not self.ended:
            if not self._held and not self._parts.entries:
                self._held.append(empty())
            self._commit(last=True)
        note = {**self._note, "inputs": self._inputs.summary} if self._inputs.repeatable else self._note
        with Aside(self.errors) as errors, Aside(self.path) as table:
            self._join(_ERRORS, errors, note)
            self._join(_TABLE, table, note)
            errors.appear()
            table.appear()
        for folder in {self.errors.parent, self.path.parent}:
            sync_folder(folder)

    def kept(self) -> Iterator[bytes]:
        """Yield what was kept with each part."""
        for number in range(len(self._parts.entries)):
            yield self._parts.read(number, _KEPT)

    def _open(self) -> None:
        run = self.folder / _RUN
        begun = run.exists()
        if begun and self._parts.any() and self._how != "restart":
            if self._how == "begin":
                raise OutputError(
                    f"{self.folder} holds finished parts of an earlier run: --resume goes on from there, "
                    "--restart begins anew"
                )
            self._compare(run)
            try:
                self._inputs.compare(self.folder / _INPUTS)
            except OutputError as error:
                raise OutputError(f"cannot resume {self.path}: {error}; --restart begins anew") from None
            self._parts.load()
            return
        if not begun and self._how == "resume" and self.path.exists():
            self._inputs.look()
            if not self.errors.exists():
                raise OutputError(f"{self.path} is there, but not {self.errors}; --restart writes both anew")
            for path in (self.path, self.errors):
                self._need_same(path)
            self.complete = True
            return
        self._clear()
        sync_folder(self.folder)
        self._inputs.write(self.folder / _INPUTS)
        # With this the run has begun; without it the folder counts for nothing.
        write_file(run, json.dumps(self._options, indent=1).encode())
        sync_folder(self.folder)
        sync_folder(self.folder.parent)

    def _compare(self, run: Path) -> None:
        try:
            with told("read", run):
                begun = dict(json.loads(run.read_bytes()))
        except (ValueError, TypeError):
            raise OutputError(f"cannot resume: {run} is damaged; --restart begins anew") from None
        for name in dict.fromkeys([*self._options, *begun]):
            if begun.get(name) != self._options.get(name):
                raise OutputError(
                    f"cannot resume {self.path}: it was begun with {name} {begun.get(name)}, "
                    f"and now {name} is {self._options.get(name)}; --restart begins anew"
                )

    def _need_same(self, path: Path) -> None:
        """See that a file which is there already is what this run would write."""
        there = path.stat().st_mtime_ns
        note = note_of(path)
        ours = json.loads(json.dumps({**self._note, "inputs": self._inputs.summary}))
        differing = [name for name in ours if note is not None and note.get(name) != ours[name]]
        if note is None and (path.suffix.lower() == ".parquet" or self._inputs.youngest > there):
            differing = ["inputs"]
        if differing:
            raise OutputError(
                f"{path} is there, but from another run (it differs in {differing[0]}); --restart writes it anew"
            )

    def _commit(self, *, last: bool) -> None:
        tables = self._joined_held()
        files = {kind: encode(table) for kind, table in zip((_TABLE, _ERRORS), tables, strict=True)}
        if self._keep is not None:
            files[_KEPT] = self._keep()
        position = list(self._held[-1].position if self._held else self.position)
        counts = {name: dict(values) for name, values in _added(chunk.counts for chunk in self._held).items()}
        self._parts.commit(files, rows=len(tables[0]), position=position, last=last, counts=counts)
        self._held.clear()
        self._held_rows = 0

    def _joined_held(self) -> tuple[pyarrow.Table, pyarrow.Table]:
        import pyarrow as pa

        if self._schemas is None:
            if self._parts.entries:
                last = len(self._parts.entries) - 1
                first = [decode(self._parts.read(last, kind)) for kind in (_TABLE, _ERRORS)]
            else:
                first = [self._held[0].table, self._held[0].errors]
            self._schemas = first[0].schema, first[1].schema
        table = widened(self._schemas[0], (chunk.table.schema for chunk in self._held))
        errors = widened(self._schemas[1], (chunk.errors.schema for chunk in self._held))
        # Every part has the types of those before it, so that the last has those of the whole.
        self._schemas = table, errors
        return (
            pa.concat_tables([table.empty_table(), *(fitted(chunk.table, table) for chunk in self._held)]),
            pa.concat_tables([errors.empty_table(), *(fitted(chunk.errors, errors) for chunk in self._held)]),
        )

    def _join(self, kind: str, file: Aside, note: Mapping[str, Any]) -> None:
        """Copy the parts of one kind, one at a time."""
        count = len(self._parts.entries)
        schema = decode(self._parts.read(count - 1, kind)).schema
        with TableFile(file, schema, note) as joined:
            for number in range(count):
                joined.write(fitted(decode(self._parts.read(number, kind)), schema))
        file.sync()

    def _remove(self) -> None:
        """Remove the folder of parts; once it does not say which run it is of, it counts for nothing."""
        (self.folder / _RUN).unlink(missing_ok=True)
        sync_folder(self.folder)
        self._clear()
        (self.folder / LOCK).unlink(missing_ok=True)
        try:
            self.folder.rmdir()
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # a file that somebody else has put there is not ours to remove
                raise

    def _clear(self) -> None:
        for name in (_RUN, _INPUTS):
            (self.folder / name).unlink(missing_ok=True)
            (self.folder / f".{name}.part").unlink(missing_ok=True)
        self._parts.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._tidy()
            elif self._anything():
                error.add_note(self._how_to_go_on())
            else:
                with suppress(OSError):  # the error that is under way matters more
                    self._remove()
        finally:
            self._lock.release()

    def _tidy(self) -> None:
        try:
            self._remove()
        except OSError as error:
            error.add_note(f"{self.path} is complete all the same; {self.folder} is not needed any more")
            raise

    def _anything(self) -> bool:
        """Tell whether a part was finished; the disk knows, for what ends a run may come between it and its count."""
        try:
            return self._parts.any()
        except OSError:
            return self.parts > 0

    def _how_to_go_on(self) -> str:
        kept = "what is finished is kept"
        if self.parts:
            kept = f"{self._parts.rows} rows in {self.parts} part{'s' if self.parts > 1 else ''} are kept"
        if self._inputs.repeatable:
            return f"{kept}; the same command with --resume goes on from there"
        return f"{kept} in {self.folder}; what standard input gave is gone"


def _check(path: Path) -> None:
    """See that a file can be written before hours of work, not after them."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"cannot write {path}: the suffix must be one of {', '.join(SUFFIXES)}")
    if path.is_dir():
        raise IsADirectoryError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"cannot write {path}: the folder {path.parent} may not be written")


def _added(counts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, Counter[str]]:
    total: dict[str, Counter[str]] = {}
    for each in counts:
        for name, values in each.items():
            total.setdefault(name, Counter()).update(values)
    return total
