"""Results to files, in parts that survive whatever ends the run: see :class:`~space2vec.writing.output.Output`."""

from __future__ import annotations

from space2vec.writing.output import Chunk, Output
from space2vec.writing.tables import SUFFIXES

__all__ = ["SUFFIXES", "Chunk", "Output"]
