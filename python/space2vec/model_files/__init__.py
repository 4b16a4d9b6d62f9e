"""Model files: what they say of a model, read and written without running anything.

``header`` is what a model is, ``needs`` what it takes of candidates, ``tensor_file`` the bytes (safetensors),
``strict_json`` the text; ``trees``, ``integer_network`` and ``calibration`` are what the tensors hold.
"""

from __future__ import annotations

from space2vec.model_files.header import (
    BEYOND_MEMORY,
    FIRST,
    FORMAT,
    OF_RUN,
    Header,
    check_architecture,
    check_first,
    encoded,
    in_doubt,
    read,
)

__all__ = ["BEYOND_MEMORY", "FIRST", "FORMAT", "OF_RUN", "Header", "check_architecture", "check_first", "encoded"]
__all__ += ["in_doubt", "read"]
