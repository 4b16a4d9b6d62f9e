"""Read alerts, stamps and feature tables: :func:`read` all at once, :func:`batches` if they do not fit in memory."""

from __future__ import annotations

from space2vec.reading.arrow_table import read_arrow, score_arrow
from space2vec.reading.batch import AnyBatch, Batch, Origin, Position, Problem
from space2vec.reading.labels import Labels, ScoreColumn, read_labels, read_scores
from space2vec.reading.limits import Limits
from space2vec.reading.message_reader import MessageReader
from space2vec.reading.messages import read_messages
from space2vec.reading.options import batch_rows
from space2vec.reading.packet_columns import RUBIN_COLUMNS, ZTF_COLUMNS
from space2vec.reading.reader import Inputs, batches, default_columns, files, find, read, read_table

__all__ = [
    "RUBIN_COLUMNS",
    "ZTF_COLUMNS",
    "AnyBatch",
    "Batch",
    "Inputs",
    "Labels",
    "Limits",
    "MessageReader",
    "Origin",
    "Position",
    "Problem",
    "ScoreColumn",
    "batch_rows",
    "batches",
    "default_columns",
    "files",
    "find",
    "read",
    "read_arrow",
    "read_labels",
    "read_messages",
    "read_scores",
    "read_table",
    "score_arrow",
]
