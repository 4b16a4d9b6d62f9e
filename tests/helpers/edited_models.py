"""Model files with other header entries or tensors, whatever they then are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file

__all__ = ["edit"]


def edit(path: Path, header: dict[str, Any] | None = None, **tensors: Any) -> None:
    """Rewrite a model file with other header entries or tensors; None leaves out."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        document = json.loads(file.metadata()["space2vec"])
    document = {k: v for k, v in {**document, **(header or {})}.items() if v is not None}
    arrays = {k: v for k, v in {**load_file(path), **tensors}.items() if v is not None}
    save_file(arrays, path, {"space2vec": json.dumps(document)})
