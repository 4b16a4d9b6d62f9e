"""Model files: what they say of a model, read and written without running anything.

``header`` is what a model is, ``needs`` what it takes of candidates, ``tensor_file`` the bytes (safetensors),
``strict_json`` the text; ``trees``, ``integer_network`` and ``calibration`` are what the tensors hold.
"""

from __future__ import annotations

from space2vec.model_files.header import (
    BEYOND_MEMORY,
    FIRST,
    FORMAT,
    RUN_MODEL_FILE,
    Header,
    check_architecture,
    check_first,
    encode,
    in_doubt,
    read,
)

__all__ = [
    "BEYOND_MEMORY",
    "FIRST",
    "FORMAT",
    "RUN_MODEL_FILE",
    "Header",
    "check_architecture",
    "check_first",
    "encode",
    "in_doubt",
    "read",
]
