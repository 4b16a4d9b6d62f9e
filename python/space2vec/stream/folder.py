"""Write scores to files of a folder; each file records the position after its rows, so both appear together."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from space2vec.data import arrow
from space2vec.data.atomic_file import AtomicFile, remove_leftovers, sync_folder
from space2vec.errors import StreamError
from space2vec.reading.notes import KEY, DamagedError, read_note
from space2vec.registry import FLAGS, library_version
from space2vec.stream.events import Events
from space2vec.stream.messages import Offsets, Partition, ScoredMessages, Stored
from space2vec.stream.options import StreamOptions

if TYPE_CHECKING:
    import pyarrow

    from space2vec.stream.producer import RecordProducer

__all__ = ["FolderSink"]

#: The name of a part: topic, partition and the position at which it begins.
_PART = re.compile(r"([a-zA-Z0-9._-]{1,249})-(\d{5,10})-(\d{20})\.parquet")


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one partition that are not in a file yet, and the position after them."""

    table: pyarrow.Table
    end: int
    newest: int


class FolderSink:
    """Write the scores of each partition to Parquet files, which appear as a whole and record their end position.

    A file is named after its topic, its partition and the position at which it begins, and never replaces another. So
    a process that is still writing after the group gave its partition to another cannot write the same rows twice: the
    second file of a name is refused. The group's positions are committed later, for tools that show the lag.

    Parameters
    ----------
    options : StreamOptions
        The folder, and how many rows a file has at most, and after how many seconds it is written.
    events : Events
        What the stream says.
    check : callable
        Raises an AbandonedError if the work is to be given up.
    letters : RecordProducer, optional
        Copies messages that cannot be read to a topic.

    Raises
    ------
    OSError
        From here and from every method, if a file cannot be written.
    StreamError
        From every method, if the last file of a partition is damaged, or another process writes the same partition.
    """

    def __init__(
        self,
        options: StreamOptions,
        events: Events,
        check: Callable[[], None],
        letters: RecordProducer | None = None,
    ) -> None:
        self._options, self._events, self._check, self._letters = options, events, check, letters
        self._folder = Path(options.output)
        self._folder.mkdir(exist_ok=True)
        self._held: dict[Partition, list[_Part]] = {}
        self._rows = 0
        self._since = 0.0
        #: The position after the last file of each partition.
        self._ends: Offsets = {}

    def kept(self, partitions: Sequence[Partition]) -> Offsets:
        """Return the position after the last file of each partition, for those of which there is a file."""
        last: dict[Partition, tuple[int, Path]] = {}
        for path in self._folder.iterdir():
            if (found := _PART.fullmatch(path.name)) is None:
                continue
            place, begin = (found[1], int(found[2])), int(found[3])
            if place in partitions and (place not in last or last[place][0] < begin):
                last[place] = begin, path
        self._ends = {place: _end_of(path, place) for place, (_, path) in last.items()}
        return dict(self._ends)

    def begin(self) -> None:
        """Look for the topic of messages that cannot be read."""
        if self._letters is not None:
            self._letters.find_topics()

    def write(self, scored: ScoredMessages) -> Stored | None:
        """Take the scores of a batch; they are in files once these are large or old enough."""
        if self._letters is not None:
            self._letters.send_dead_letters(scored)
        if not self._rows:
            self._since = time.monotonic()
        table = _as_table(scored)
        rows: dict[Partition, list[int]] = {}
        for row, place in enumerate(zip(scored.messages.topics, scored.messages.partitions, strict=True)):
            rows.setdefault(place, []).append(row)
        ends = scored.messages.positions()
        for place, some in rows.items():
            newest = max(scored.messages.times[row] for row in some)
            self._held.setdefault(place, []).append(_Part(table.take(some), ends[place], newest))
        self._rows += len(table)
        return self.finish() if self._rows >= self._options.part_rows else None

    def tick(self) -> Stored | None:
        """Write the files if their first row is old enough."""
        return self.finish() if self._rows and time.monotonic() - self._since >= self._options.part_seconds else None

    def finish(self) -> Stored | None:
        """Write the files, one for each partition with new rows."""
        if not self._rows:
            return None
        if self._letters is not None:
            self._letters.flush()
            self._letters.check_delivered()
        positions: Offsets = {}
        rows, newest = self._rows, -1
        for place, parts in self._held.items():
            self._check()
            positions[place] = self._write_part(place, parts)
            newest = max(newest, *(part.newest for part in parts))
        self._held, self._rows = {}, 0
        return Stored(positions, rows, newest)

    def drop(self) -> None:
        """Forget the rows that are not in files."""
        self._held, self._rows = {}, 0
        if self._letters is not None:
            self._letters.purge()

    def close(self) -> None:
        """Release the client of the messages that cannot be read."""
        if self._letters is not None:
            self._letters.close()

    def _write_part(self, place: Partition, parts: Sequence[_Part]) -> int:
        """Write one file; return the position after it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.concat_tables(_same_ids([part.table for part in parts])).combine_chunks()
        begin, end = self._ends.get(place, table["offset"][0].as_py()), parts[-1].end
        note = {
            "version": library_version(),
            "command": "stream",
            "topic": place[0],
            "partition": place[1],
            "begin": begin,
            "end": end,
            "rows": len(table),
            "model": table["model"][0].as_py(),
            "flags": {name: flag.meaning for name, flag in FLAGS.items()},
        }
        path = self._folder / f"{place[0]}-{place[1]:05d}-{begin:020d}.parquet"
        remove_leftovers(path)
        with AtomicFile(path) as file:
            pq.write_table(table.replace_schema_metadata({KEY: json.dumps(note)}), file)
            self._events.passed("produced")
            file.sync()
            self._events.passed("flushed")
            try:
                file.appear(new=True)
            except FileExistsError:
                raise StreamError(
                    f"another process has written {path}; it has taken over this partition, and nothing is lost"
                ) from None
        sync_folder(self._folder)
        self._ends[place] = end
        return end


def _end_of(path: Path, place: Partition) -> int:
    """Return the position that a file says it ends at."""
    try:
        note = read_note(path)
        if (note["topic"], note["partition"]) != place or not isinstance(note["end"], int):
            raise DamagedError("it is of another partition")
        return int(note["end"])
    except (DamagedError, KeyError) as error:
        raise StreamError(f"{path} is damaged ({error}); move it away, and its rows are scored again") from None


def _as_table(scored: ScoredMessages) -> pyarrow.Table:
    """Return a row for each message: where it was, its ids, score, flags and model, and what is wrong with it."""
    import numpy as np
    import pyarrow as pa

    messages = scored.messages
    batch = scored.scores.to_batch()
    place = {
        "topic": arrow.texts(messages.topics),
        "partition": arrow.numbers(np.array(messages.partitions, dtype=np.int32)),
        "offset": arrow.numbers(np.array(messages.offsets, dtype=np.int64)),
    }
    problems = arrow.texts([scored.problems.get(row) for row in range(len(messages))])
    columns = place | dict(zip(batch.schema.names, batch.columns, strict=True)) | {"problem": problems}
    return pa.table(columns)


def _same_ids(tables: Sequence[pyarrow.Table]) -> list[pyarrow.Table]:
    """Return tables whose candidate ids have one type: text if one of them has text."""
    import pyarrow as pa

    if len({table.schema.field("candidate_id").type for table in tables}) == 1:
        return list(tables)
    place = tables[0].column_names.index("candidate_id")
    return [table.set_column(place, "candidate_id", table["candidate_id"].cast(pa.string())) for table in tables]
