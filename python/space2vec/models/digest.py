"""The digest of a model, which changes with everything that its scores depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

from space2vec.model_files.header import Header

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, Json

__all__ = ["digest_of"]

#: The entries of a header on which no score depends. A model that differs in any other entry has another digest.
_WITHOUT_EFFECT = ("name", "training", "metrics", "library", "imputation")
#: The prefix of the tensors of a forest on which no score depends.
_TRAINING = "training."


def digest_of(header: Header, tensors: Mapping[str, AnyArray]) -> str:
    """Return the SHA-256 of a model's tensors and of its header, without what is descriptive, in hexadecimal."""
    little = {
        name: tensor.astype(tensor.dtype.newbyteorder("<"))
        for name, tensor in tensors.items()
        if header.kind != "forest" or not name.startswith(_TRAINING)
    }
    # The shapes come first, so that no two models give the same bytes.
    shapes = [(name, little[name].dtype.str, little[name].shape) for name in sorted(little)]
    digest = hashlib.sha256(json.dumps([_entries_with_effect(header), shapes], sort_keys=True).encode() + b"\0")
    for name in sorted(little):
        digest.update(little[name].tobytes())
    return digest.hexdigest()


def _entries_with_effect(header: Header) -> dict[str, Json]:
    """Return the entries of a header on which scores depend, as JSON values."""
    entries = {entry.name: getattr(header, entry.name) for entry in fields(header) if entry.name not in _WITHOUT_EFFECT}
    if header.calibration is not None:
        entries["calibration"] = header.calibration.x, header.calibration.y
    return {
        name: _entries_with_effect(value) if isinstance(value, Header) else value for name, value in entries.items()
    }
