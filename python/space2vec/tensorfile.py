"""Files of tensors in the format safetensors, read and written with NumPy alone.

Eight bytes say how long the header is, which is JSON: for each tensor its type, shape, and place in the bytes that
follow (https://github.com/huggingface/safetensors). Nothing in it is ever run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["decoded", "encoded", "read"]

#: The most bytes of a header, as the format has it.
_LONGEST = 100_000_000
#: The types in the order in which the package safetensors writes them, the last one first.
_TYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4", "U32": "<u4",
    "F32": "<f4", "F64": "<f8", "I64": "<i8", "U64": "<u8",
}  # fmt: skip
_ORDER = tuple(np.dtype(kind) for kind in _TYPES.values())


def encoded(metadata: Mapping[str, str], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the bytes of a file; the same tensors give the same bytes, whatever order they come in.

    Parameters
    ----------
    metadata : mapping of str to str
        What the file says of itself.
    tensors : mapping of str to ndarray
        The tensors.

    Raises
    ------
    ValueError
        If a tensor is of a type that the format has not.
    """
    kinds = {name: tensor.dtype.newbyteorder("<") for name, tensor in tensors.items()}
    if strange := [name for name in kinds if kinds[name] not in _ORDER]:
        raise ValueError(f"tensor {strange[0]} has type {kinds[strange[0]]}; known: {', '.join(_TYPES)}")
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    parts: list[bytes] = []
    end = 0
    for name in sorted(tensors, key=lambda name: (-_ORDER.index(kinds[name]), name)):
        data = tensors[name].astype(kinds[name], copy=False).tobytes()
        place = [end, end := end + len(data)]
        kind = list(_TYPES)[_ORDER.index(kinds[name])]
        header[name] = {"dtype": kind, "shape": list(tensors[name].shape), "data_offsets": place}
        parts.append(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def read(path: Path) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Return what a file says of itself, and its tensors by name, in the order of their names.

    Raises
    ------
    ValueError
        If it is no such file, or not a whole one; the message says what is wrong.
    OSError
        If it cannot be read.
    """
    return decoded(path.read_bytes())


def decoded(whole: bytes) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    """Return what the bytes of a file say of themselves, and its tensors, as :func:`read` does.

    Raises
    ------
    ValueError
        If these are no such file, or not a whole one; the message says what is wrong.
    """
    size = int.from_bytes(whole[:8], "little")
    if len(whole) < 8 or size > _LONGEST or 8 + size > len(whole):
        raise ValueError(f"{len(whole)} bytes, of which the header is to have {size}")
    try:
        header = json.loads(whole[8 : 8 + size].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the header is no JSON: {error}") from None
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    told = header.pop("__metadata__", {})
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise ValueError("what it says of itself is no text")
    data = memoryview(whole)[8 + size :]
    tensors: dict[str, NDArray[Any]] = {}
    spans: list[tuple[int, int]] = []
    for name in sorted(header):
        kind, shape, (begin, end) = _entry(name, header[name])
        count = math.prod(shape)
        if not begin <= end <= len(data) or count * kind.itemsize != end - begin:
            raise ValueError(f"tensor {name} of shape {shape} has bytes {begin} to {end} of {len(data)}")
        tensors[name] = np.frombuffer(data[begin:end], kind, count).reshape(shape).astype(kind.newbyteorder("="))
        spans.append((begin, end))
    last = 0
    for begin, end in sorted(spans):
        if begin != last:
            raise ValueError(f"byte {last} is of no tensor, or of two")
        last = end
    if last != len(data):
        raise ValueError(f"byte {last} is of no tensor")
    return told, tensors


def _entry(name: str, entry: Any) -> tuple[np.dtype[Any], tuple[int, ...], tuple[int, int]]:
    """Return the type, the shape and the place of a tensor."""
    try:
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"tensor {name} has no type, shape and place") from None
    if kind not in _TYPES:
        raise ValueError(f"tensor {name} has type {kind}; known: {', '.join(_TYPES)}")
    numbers = [*shape, begin, end] if isinstance(shape, list) else [None]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"tensor {name} has shape {shape} and place {begin} to {end}")
    return np.dtype(_TYPES[kind]), tuple(shape), (begin, end)
