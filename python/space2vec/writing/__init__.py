"""Write results in parts that survive an interruption: see :class:`~space2vec.writing.output.Output`."""

from __future__ import annotations

from space2vec.writing.chunk import Chunk, VectorTable
from space2vec.writing.formats import SUFFIXES
from space2vec.writing.output import Output

__all__ = ["SUFFIXES", "Chunk", "Output", "VectorTable"]
