"""Model files, which are read and written without running any code that they might hold.

``tensor_file`` reads and writes the format (safetensors), and ``strict_json`` its text. ``header`` describes a model,
and ``needs`` what pixels and columns it needs of a candidate. ``trees``, ``integer_network`` and ``calibration`` are
the contents of the tensors.
"""

from __future__ import annotations

from space2vec.model_files.header import (
    BEYOND_MEMORY,
    FIRST,
    FORMAT,
    RUN_MODEL_FILE,
    Header,
    ModelFile,
    check_architecture,
    check_first,
    encode,
    is_in_doubt,
    read,
)

__all__ = [
    "BEYOND_MEMORY",
    "FIRST",
    "FORMAT",
    "RUN_MODEL_FILE",
    "Header",
    "ModelFile",
    "check_architecture",
    "check_first",
    "encode",
    "is_in_doubt",
    "read",
]
