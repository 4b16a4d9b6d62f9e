"""Files of tensors: what the package safetensors writes is read, and what is damaged is told."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from space2vec.model_files import tensor_file


def held(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_every_type_and_shape(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kinds = ("?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")
    tensors = {f"of {kind}": (rng.normal(size=(3, 2)) * 9).astype(kind) for kind in kinds}
    tensors |= {"none": np.empty((0, 4), np.float32), "one": np.array(7, np.int64)}
    path = tmp_path / "all.safetensors"
    path.write_bytes(save(tensors, {"of": "a test"}))
    assert tensor_file.encode({"of": "a test"}, tensors) == path.read_bytes(), "the package writes the same bytes"
    told, read = tensor_file.read(path)
    assert told == {"of": "a test"}
    assert list(read) == sorted(tensors)
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert read[name].shape == tensor.shape
        assert np.array_equal(read[name], tensor)
        read[name][...] = 0  # it is nobody else's


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(("header", "data", "words"), [
    (b"", b"", "no JSON"),
    (b"[1]", b"", "no JSON object"),
    (b"[" * 100_000, b"", "no JSON"),
    (b"\xff", b"", "no JSON"),
    ({"__metadata__": {"a": 1}}, b"", "no text"),
    ({"a": 3}, b"", "tensor a has no type, shape and place"),
    ({"a": {**F32, "data_offsets": [0]}}, bytes(8), "tensor a has no type, shape and place"),
    ({"a": {**F32, "dtype": "BF16"}}, bytes(8), "tensor a has type BF16"),
    ({"a": {**F32, "shape": [-2]}}, bytes(8), "tensor a has shape"),
    ({"a": {**F32, "shape": [True, 2]}}, bytes(8), "tensor a has shape"),
    ({"a": {**F32, "shape": 2}}, bytes(8), "tensor a has shape"),
    ({"a": {**F32, "shape": [3]}}, bytes(8), "tensor a of shape"),
    ({"a": F32}, bytes(7), "the file is cut short"),
    ({"a": F32}, bytes(9), "byte 8 is of no tensor"),
    ({"a": F32, "b": F32}, bytes(8), "byte 8 is of no tensor, or of two"),
    ({"a": {**F32, "data_offsets": [4, 12]}}, bytes(12), "byte 0 is of no tensor"),
])  # fmt: skip
def test_damage(header: Any, data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        tensor_file.read(held(tmp_path / "damaged.safetensors", header, data))


def test_a_header_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "short.safetensors"
    for bytes_ in (b"", b"1234567", struct.pack("<Q", 9) + b"{}", struct.pack("<Q", 1 << 60) + b"{}"):
        path.write_bytes(bytes_)
        with pytest.raises(ValueError, match=f"{len(bytes_)} bytes, of which the header is to have"):
            tensor_file.read(path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Strides, byte orders and scalars; a type that the format has not is told."""
    whole = np.arange(12, dtype=">f4").reshape(3, 4)
    tensors = {"turned": whole.T, "part": whole[::2, 1:], "é": np.array(True), "none": np.empty((0, 2), np.int16)}
    path = tmp_path / "some.safetensors"
    path.write_bytes(tensor_file.encode({}, tensors))
    told, read = tensor_file.read(path)
    assert told == {}
    assert {name: tensor.tolist() for name, tensor in read.items()} == {k: v.tolist() for k, v in tensors.items()}
    assert tensor_file.encode({}, dict(reversed(tensors.items()))) == path.read_bytes()
    with pytest.raises(ValueError, match="tensor words has type <U5; known: BOOL"):
        tensor_file.encode({}, {"words": np.array(["bogus"])})
