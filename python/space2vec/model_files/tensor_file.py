"""Files of tensors in the safetensors format, read and written with NumPy alone.

The first eight bytes are the length of the header, which is JSON: the type and shape of each tensor, and its range in
the bytes that follow (https://github.com/huggingface/safetensors). No part of a file is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from space2vec.errors.text import NAME, one_line
from space2vec.model_files import strict_json

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray, Json

__all__ = ["LONGEST_NAME", "TensorFile", "decode", "encode", "read"]

#: The most tensors of a file, axes and elements of a tensor, and bytes of a name, as in ``cpp/src/safetensors.hpp``.
_MOST_TENSORS, _MOST_AXES, _MOST_ELEMENTS, LONGEST_NAME = 4096, 8, 1 << 48, 256
_LARGEST_FILE = 1 << 31
#: The names of the types, and NumPy's; the package safetensors writes tensors in the reverse order of their types.
_TYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4", "U32": "<u4",
    "F32": "<f4", "F64": "<f8", "I64": "<i8", "U64": "<u8",
}  # fmt: skip
_ORDER = tuple(np.dtype(kind) for kind in _TYPES.values())


class TensorFile(NamedTuple):
    """The contents of a file: its metadata, and its tensors by name, in the order of their names."""

    metadata: dict[str, str]
    tensors: dict[str, AnyArray]


class _Entry(NamedTuple):
    """The type and shape of a tensor, and the range of its bytes after the header."""

    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    begin: int
    end: int


def encode(metadata: Mapping[str, str], tensors: Mapping[str, AnyArray]) -> bytes:
    """Encode tensors as the bytes of a file; the bytes do not depend on the order of the tensors.

    Parameters
    ----------
    metadata : mapping of str to str
        The metadata of the file.
    tensors : mapping of str to ndarray
        The tensors.

    Raises
    ------
    ValueError
        If the format does not know the type of a tensor.
    """
    kinds = {name: tensor.dtype.newbyteorder("<") for name, tensor in tensors.items()}
    if strange := [name for name in kinds if kinds[name] not in _ORDER]:
        raise ValueError(f"tensor {strange[0]} has type {kinds[strange[0]]}; known: {', '.join(_TYPES)}")
    header: dict[str, Json] = {"__metadata__": dict(metadata)}
    parts: list[bytes] = []
    end = 0
    for name in sorted(tensors, key=lambda name: (-_ORDER.index(kinds[name]), name)):
        data = tensors[name].astype(kinds[name], copy=False).tobytes()
        offsets = [end, end := end + len(data)]
        kind = list(_TYPES)[_ORDER.index(kinds[name])]
        header[name] = {"dtype": kind, "shape": list(tensors[name].shape), "data_offsets": offsets}
        parts.append(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def read(path: Path) -> TensorFile:
    """Read a file of tensors.

    Raises
    ------
    ValueError
        If it is not a safetensors file, or not a whole one; the message says what is wrong.
    OSError
        If it cannot be read.
    """
    if path.stat().st_size > _LARGEST_FILE:
        raise ValueError("a file of more than 2 GiB")
    return decode(path.read_bytes())


def decode(whole: bytes) -> TensorFile:
    """Decode the bytes of a file of tensors.

    Raises
    ------
    ValueError
        If it is not a safetensors file, or not a whole one; the message says what is wrong.
    """
    size = int.from_bytes(whole[:8], "little")
    if len(whole) < 8 or 8 + size > len(whole):
        raise ValueError(f"{len(whole)} bytes, of which the header is to have {size}")
    data = memoryview(whole)[8:]
    try:
        header = strict_json.loads(data[:size].tobytes())
    except ValueError as error:
        raise ValueError(f"the header is no JSON that can be read: {error}") from None
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("the metadata are no texts")
    if len(header) > _MOST_TENSORS:
        raise ValueError(f"{len(header)} tensors; there may be {_MOST_TENSORS}")
    data = data[size:]
    entries = {name: _check_entry(name, header[name]) for name in sorted(header)}
    _check_ranges([(entry.begin, entry.end) for entry in entries.values()], len(data))
    tensors = {
        name: np.frombuffer(data[begin:end], dtype).reshape(shape).astype(dtype.newbyteorder("="))
        for name, (dtype, shape, begin, end) in entries.items()
    }
    return TensorFile(metadata, tensors)


def _check_ranges(ranges: list[tuple[int, int]], size: int) -> None:
    """Check that each byte is in exactly one tensor, before memory is allocated for any of them."""
    last = 0
    for begin, end in sorted(ranges):
        if begin != last:
            raise ValueError(f"byte {last} is of no tensor, or of two")
        last = end
    if last > size:
        raise ValueError(f"the file is cut short: {size} bytes of tensors, and they need {last}")
    if last < size:
        raise ValueError(f"byte {last} is of no tensor")


def _check_entry(name: str, entry: Json) -> _Entry:
    """Check the entry of a tensor in the header."""
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError(f"tensor {name[:20]!r}... has a name of more than {LONGEST_NAME} bytes")
    shown = one_line(name, NAME)
    try:
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"tensor {shown} has no type, shape and place") from None
    if not isinstance(kind, str) or kind not in _TYPES:
        raise ValueError(f"tensor {shown} has type {one_line(kind, NAME)}; known: {', '.join(_TYPES)}")
    numbers = [*shape, begin, end] if isinstance(shape, list) else [None]
    if len(numbers) > _MOST_AXES + 2 or not all(type(number) is int and 0 <= number < 2**53 for number in numbers):
        raise ValueError(f"tensor {shown} has shape {one_line(shape, NAME)}, and no place that fits it")
    dtype = np.dtype(_TYPES[kind])
    elements = 1
    for length in shape:
        elements *= max(length, 1)
        if elements > _MOST_ELEMENTS:
            raise ValueError(f"tensor {shown} has shape {shape}, which is beyond all use")
    if end - begin != (0 if 0 in shape else elements) * dtype.itemsize:
        raise ValueError(f"tensor {shown} of shape {shape} has bytes {begin} to {end}")
    return _Entry(dtype, tuple(shape), begin, end)
