"""Model files that are not what they say: each a whole file but for one lie, and what is said of it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

import space2vec as s2v
from helpers import tiny_models
from space2vec import registry

__all__ = ["LARGE", "LIES", "SETTINGS", "file_of", "of_settings", "slow_network"]

_FOREST = tiny_models.forest(("L1", "snr_2"), fill=True)
_PLANES = tiny_models.network(s2v.Recipe.of("lie", steps="l2", side=9), registry.S2V[:2])
_TABLE = tiny_models.network(None, ("MAG", "SNR"))
_VECTORS = tiny_models.network(s2v.Recipe.of("lie", steps="l2", side=9), registry.S2V[:2], vector=5)


def file_of(header: Any, data: bytes = b"") -> bytes:
    """Return a safetensors file of a header, JSON or its bytes, and the bytes of its tensors."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _parts(file: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return the table of the tensors, the model's header, and the bytes of the tensors."""
    size = 8 + int.from_bytes(file[:8], "little")
    table = json.loads(file[8:size])
    return table, json.loads(table.pop("__metadata__")["space2vec"]), file[size:]


def _said(file: bytes, text: str) -> bytes:
    """Return the file with another text as the model's header."""
    table, _, data = _parts(file)
    return file_of({"__metadata__": {"space2vec": text}, **table}, data)


def _header(file: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return the file whose model's header a function has changed."""
    header = _parts(file)[1]
    change(header)
    return _said(file, json.dumps(header))


def _table(file: bytes, change: Callable[[dict[str, Any]], object], more: bytes = b"") -> bytes:
    """Return the file whose table of tensors a function has changed, with more bytes behind them."""
    table, header, data = _parts(file)
    change(table)
    return file_of({"__metadata__": {"space2vec": json.dumps(header)}, **table}, data + more)


def _tensors(file: bytes, **tensors: Any) -> bytes:
    return tiny_models.changed(file, **{name.replace("__", "."): value for name, value in tensors.items()})


def _deep(depth: int) -> Any:
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    return nested


def _set(*path: str, to: Any) -> Callable[[dict[str, Any]], object]:
    """Return what sets a member of nested objects."""

    def change(document: dict[str, Any]) -> None:
        for name in path[:-1]:
            document = document[name]
        document[path[-1]] = to

    return change


def _overlap(table: dict[str, Any]) -> None:
    table["twin"] = dict(table["right"])


def _gap(table: dict[str, Any]) -> None:
    del table["fill"]


def _cascade() -> bytes:
    """Return a cascade of two networks that are the same."""
    table, header, data = _parts(_PLANES)
    size = max(entry["data_offsets"][1] for entry in table.values())
    first = {
        f"first.{name}": {**entry, "data_offsets": [place + size for place in entry["data_offsets"]]}
        for name, entry in table.items()
    }
    said = {**header, "first": header, "doubt": [0.25, 0.75]}
    return file_of({"__metadata__": {"space2vec": json.dumps(said)}, **table, **first}, data + data)


_CASCADE = _cascade()
_STEPS = [{"name": "l2", "version": 1, "parameters": {}}]
_KNOTS = {"x": [0.0, 0.5, 1.0], "y": [0.0, 0.5, 1.0]}
_TEXT = json.dumps(_parts(_FOREST)[1])
_I64 = {"dtype": "I64", "data_offsets": [0, 0]}
_NAMES = [f"c{k}" for k in range(1025)]

#: Name: the file, and a pattern of what is said of it, by the library and in Python.
LIES: dict[str, tuple[bytes, str]] = {
    # The container.
    "shorter_than_a_length": (b"\1\0\0", "shorter than|3 bytes, of which"),
    "header_beyond_the_file": (struct.pack("<Q", 1 << 62) + b"{}", "longer than the file|is to have"),
    "header_of_no_bytes": (file_of(b""), "not a value|no JSON"),
    "no_json": (file_of(b"{,}"), "JSON"),
    "no_object": (file_of([1]), "no JSON object"),
    "no_utf8": (file_of(b'{"a\xff":1}'), "UTF-8|utf-8"),
    "overlong_utf8": (file_of(b'{"a\xc0\x80":1}'), "UTF-8|utf-8"),
    "encoded_surrogate": (file_of(b'{"a\xed\xa0\x80":1}'), "UTF-8|utf-8"),
    "half_a_surrogate": (_said(_FOREST, _TEXT.replace("tiny", "\\ud800")), "surrogate"),
    "nested": (file_of({"a": _deep(200)}), "nested more than 128 deep"),
    "nested_in_the_models_header": (_header(_FOREST, _set("training", to={"a": _deep(200)})), "nested more than 128"),
    "a_key_twice": (file_of(b'{"a":1,"a":1}'), "comes twice"),
    "a_tensor_twice": (_FOREST.replace(b'"value"', b'"right"'), "comes twice"),
    "a_key_twice_in_the_models_header": (_said(_FOREST, _TEXT[:-1] + ', "kind": "forest"}'), "comes twice"),
    "not_a_number": (_said(_FOREST, _TEXT[:-1] + ', "a": NaN}'), "not a value|NaN"),
    "infinity": (_said(_FOREST, _TEXT[:-1] + ', "a": -Infinity}'), "not a value|Infinity"),
    "a_number_beyond_doubles": (_said(_FOREST, _TEXT[:-1] + ', "a": 1e999}'), "out of range|beyond double"),
    "a_number_below_doubles": (_said(_FOREST, _TEXT[:-1] + ', "a": 1e-999}'), "out of range|beyond double"),
    "a_long_integer": (_said(_FOREST, _TEXT[:-1] + f', "a": {"9" * 400}}}'), "out of range|beyond double"),
    "metadata_of_numbers": (file_of({"__metadata__": {"space2vec": 1}}), "no text"),
    "another_package": (file_of({"__metadata__": {"other": "1"}}), "not a space2vec model|not one of space2vec"),
    # Tensors.
    "no_entry": (_table(_FOREST, _set("fill", to=3)), "has no type, shape and place"),
    "a_type_that_is_a_list": (_table(_FOREST, _set("fill", "dtype", to=["F32"])), "has no type|has type"),
    "an_unknown_type": (_table(_FOREST, _set("fill", "dtype", to="F\x1b[31m")), r"type F\\x1b\[31m"),
    "a_negative_shape": (_table(_FOREST, _set("fill", "shape", to=[-2])), "not a size|no place"),
    "a_broken_shape": (_table(_FOREST, _set("fill", "shape", to=[2.5])), "not a size|no place"),
    "a_shape_of_huge_integers": (_table(_FOREST, _set("fill", "shape", to=[2**52] * 8)), "beyond all use"),
    "a_product_that_wraps": (_table(_FOREST, _set("fill", "shape", to=[2**32, 2**32 + 1])), "beyond all use"),
    "huge_beside_nothing": (_table(_FOREST, _set("a", to={**_I64, "shape": [0, 2**50]})), "beyond all use"),
    "a_shape_of_many_axes": (_table(_FOREST, _set("fill", "shape", to=[1] * 9)), "more than 8 axes|no place"),
    "a_shape_that_does_not_fit": (_table(_FOREST, _set("fill", "shape", to=[3])), "does not fit its shape|has bytes"),
    "ends_before_it_begins": (_table(_FOREST, _set("fill", "data_offsets", to=[8, 0])), "does not fit|has bytes"),
    "overlapping": (_table(_FOREST, _overlap), "of no tensor, or of two"),
    "a_gap": (_table(_FOREST, _gap), "of no tensor"),
    "bytes_behind": (_table(_FOREST, lambda _: None, b"more"), "bytes behind|is of no tensor"),
    "cut_short": (_FOREST[:-1], "cut short"),
    "many_tensors": (file_of({f"t{k}": {**_I64, "shape": [0]} for k in range(4100)}), "tensors"),
    "a_long_name": (_table(_FOREST, _set("n" * 300, to={**_I64, "shape": [0]})), "more than 256 bytes"),
    # What the model's header says.
    "another_format": (_header(_FOREST, _set("format", to=2)), "format"),
    "another_kind": (_header(_FOREST, _set("kind", to="\x1b]0;gotcha\x07")), "kind"),
    "another_convention": (_header(_FOREST, _set("convention", to="\u202ecode")), r"convention ('\\u202e|\\xe2)"),
    "a_long_model_name": (_header(_FOREST, _set("name", to="n" * 300)), "longer than 256 bytes"),
    "a_nul_in_the_name": (_header(_FOREST, _set("name", to="default\0other")), "NUL"),
    "a_nul_in_a_column": (_header(_FOREST, _set("features", "names", to=["L1\0", "snr_2"])), "NUL"),
    "a_long_column_name": (_header(_FOREST, _set("features", "names", to=["L1", "\xe9" * 200])), "256 bytes"),
    "many_columns": (_header(_FOREST, _set("features", "names", to=_NAMES)), "1024"),
    "a_column_twice": (_header(_FOREST, _set("features", "names", to=["L1", "L1"])), "twice|distinct"),
    "no_columns": (_header(_FOREST, _set("features", "names", to=[])), "takes nothing"),
    "columns_of_numbers": (_header(_FOREST, _set("features", "names", to=[1, 2])), "no text|distinct strings"),
    "features_of_another_version": (_header(_FOREST, _set("features", "version", to=99)), "version"),
    "a_set_that_is_no_text": (_header(_FOREST, _set("features", "set", to=7)), "no text|no str"),
    "a_huge_side": (_header(_PLANES, _set("recipe", "side", to=2**40)), "side|pixels"),
    "many_pixels": (_header(_PLANES, _set("recipe", "side", to=4095)), "1048576 pixels"),
    "a_broken_side": (_header(_PLANES, _set("recipe", "side", to=8.5)), "side"),
    "many_chains": (_header(_PLANES, _set("recipe", "further", to=[_STEPS] * 10)), "chains"),
    "many_steps": (_header(_PLANES, _set("recipe", "steps", to=_STEPS * 10)), "steps"),
    "many_planes": (_header(_PLANES, _set("recipe", "channels", to=["science"] * 100)), "planes|pixels"),
    "a_plane_twice": (_header(_PLANES, _set("recipe", "channels", to=["science", "science"])), "twice|distinct"),
    "an_unknown_recipe": (_header(_PLANES, _set("recipe", to={"name": "\n", "version": 1})), r"recipe ('\\n'|\\x0a)"),
    "an_unknown_step": (_header(_PLANES, _set("recipe", "steps", to=[{**_STEPS[0], "name": "\r"}])), r"(\\r|\\x0d)"),
    "a_temperature_of_nothing": (_header(_PLANES, _set("architecture", "temperature", to=0)), "temperature"),
    "a_temperature_that_rounds_to_0": (_header(_PLANES, _set("architecture", "temperature", to=1e-50)), "temperature"),
    "a_temperature_that_is_infinite": (_header(_PLANES, _set("architecture", "temperature", to=1e39)), "temperature"),
    "optional_planes_that_are_none": (_header(_PLANES, _set("architecture", "optional", to=["sky"])), "plane"),
    "a_calibration_that_falls": (_header(_FOREST, _set("calibration", to={**_KNOTS, "y": [0, 1, 0.5]})), "y falls"),
    "a_calibration_beyond_1": (_header(_FOREST, _set("calibration", to={**_KNOTS, "y": [0, 1, 7]})), "0 (to|and) 1"),
    "a_calibration_just_beyond_1": (
        _header(_FOREST, _set("calibration", to={**_KNOTS, "y": [0, 1, 1 + 1e-9]})), "0 (to|and) 1"
    ),
    "a_calibration_of_one_axis": (_header(_FOREST, _set("calibration", to={"x": [0, 1], "y": [0]})), "differ|one"),
    "a_calibration_of_many_knots": (
        _header(_FOREST, _set("calibration", to={"x": [0] * 2000, "y": [0] * 2000})), "1024"
    ),
    # What scores rows.
    "a_leaf_of_7": (_tensors(_FOREST, value=np.full(18, 7, np.float32)), "leaf lies outside 0 to 1"),
    "a_leaf_that_is_no_number": (_tensors(_FOREST, value=np.full(18, np.nan, np.float32)), "is NaN|outside 0 to 1"),
    "a_child_before_its_parent": (_tensors(_FOREST, right=np.full(18, -1, np.int32)), "a child lies outside|differ"),
    "a_child_of_two": (_tensors(_FOREST, right=np.tile(np.array([1, 0, 0], np.int32), 6)), "outside|two"),
    "trees_that_fall": (
        _tensors(_FOREST, tree_start=np.array([0, 9, 6, 9, 12, 15, 18])), "tree_start does not"
    ),
    "a_column_beyond": (_tensors(_FOREST, feature=np.full(18, 9, np.int16)), "out of range|column outside"),
    "an_infinite_fill": (_tensors(_FOREST, fill=np.full(2, np.inf, np.float32)), "fill"),
    "a_forest_with_a_recipe": (_header(_FOREST, _set("recipe", to={"name": "braai", "version": 1})), "recipe"),
    "integers_of_another_version": (_header(_PLANES, _set("integer", "version", to=2)), "version"),
    "integers_that_are_hidden": (_header(_PLANES, lambda h: h.pop("integer")), "says nothing"),
    "integers_of_nobody": (
        _tensors(_PLANES, integer__conv1__bias=np.zeros(1, np.int32)), "none of its network|unknown tensors"
    ),
    "integers_of_another_network": (_header(_PLANES, _set("architecture", "name", to="braai")), "none of integers"),
    "a_table_with_planes": (_header(_PLANES, _set("architecture", "name", to="tablenet")), "tablenet takes|damaged"),
    "a_negative_multiplier": (
        _tensors(_PLANES, integer__hidden0__planes_multiplier=np.full(16, -1, np.int32)), "negative|out of range"
    ),
    "a_negative_scale": (_tensors(_PLANES, integer__out__scale=np.full(1, -1, np.float32)), "scale"),
    "a_scale_that_is_no_number": (_tensors(_PLANES, integer__out__scale=np.full(1, np.nan, np.float32)), "scale"),
    "a_scale_of_planes_that_is_infinite": (
        _tensors(_PLANES, integer__planes__scale=np.full(3, np.inf, np.float32)), "scale"
    ),
    "a_bias_that_overflows": (
        _tensors(_PLANES, integer__out__bias=np.full(1, 2**62, np.int64)), "overflow|out of range"
    ),
    "a_sum_that_overflows": (
        _tensors(_PLANES, integer__conv0__bias=np.full(8, 2**31 - 1, np.int32)), "overflow"
    ),
    "a_cascade_without_doubt": (_header(_CASCADE, lambda h: h.pop("doubt")), "doubt"),
    "a_doubt_without_a_cascade": (_header(_PLANES, _set("doubt", to=[0.2, 0.8])), "first network"),
    "a_doubt_that_falls": (_header(_CASCADE, _set("doubt", to=[0.8, 0.2])), "no interval"),
    "a_doubt_beyond_1": (_header(_CASCADE, _set("doubt", to=[0.2, 7])), "no interval"),
    "a_doubt_that_rounds_to_nothing": (_header(_CASCADE, _set("doubt", to=[0.5, 0.5 + 1e-12])), "no interval"),
    "a_doubt_of_many_ends": (_header(_CASCADE, _set("doubt", to=[0.1] * 3)), "doubt"),
    "a_first_that_is_hidden": (
        _header(_CASCADE, lambda h: (h.pop("first"), h.pop("doubt"))), "a first network of which its header says"
    ),
    "a_first_that_is_not_there": (
        _header(_PLANES, lambda h: h.update(first=dict(h), doubt=[0.2, 0.8])), "missing|damaged|something else"
    ),
    "a_first_that_is_a_cascade": (
        _header(_CASCADE, lambda h: h["first"].update(first=dict(h["first"]), doubt=[0.2, 0.8])), "first network"
    ),
    "a_first_of_another_recipe": (_header(_CASCADE, _set("first", "recipe", "side", to=11)), "another way"),
    "a_first_of_other_columns": (
        _header(_CASCADE, _set("first", "features", "names", to=["snr_1", "\x1b"])), "columns that the second does not"
    ),
    "a_first_of_another_convention": (_header(_CASCADE, _set("first", "convention", to="paper")), "convention"),
    "a_first_of_no_warmth": (_header(_CASCADE, _set("first", "architecture", "temperature", to=-1)), "temperature"),
    "a_first_of_integers_of_nobody": (
        _tensors(_CASCADE, first__integer__conv5__bias=np.zeros(1, np.int32)), "none of its network|unknown tensors"
    ),
    "a_first_without_a_weight": (
        _table(_CASCADE, lambda t: t.update({"first.x": t.pop("first.integer.out.weight")})), "missing"
    ),
    "vectors_of_no_length": (_header(_VECTORS, _set("architecture", "settings", "vector", to=0)), "vectors"),
    "vectors_of_many_numbers": (_header(_VECTORS, _set("architecture", "settings", "vector", to=2000)), "1024"),
    "vectors_of_another_length": (
        _header(_VECTORS, _set("architecture", "settings", "vector", to=6)), r"another length|vector\.weight is int8"
    ),
    "vectors_without_planes": (_header(_VECTORS, lambda h: h.pop("recipe")), "takes planes"),
    "vectors_with_a_calibration": (_header(_VECTORS, _set("calibration", to=_KNOTS)), "calibration"),
    "vectors_that_are_scores": (_header(_PLANES, lambda h: h["architecture"].update(
        name="vectornet", settings={**h["architecture"]["settings"], "vector": 5})), r"vector\.weight"),
    "scores_that_are_vectors": (_header(_VECTORS, _set("architecture", "name", to="stampnet")), r"out\.weight"),
    "a_negative_multiplier_of_a_vector": (
        _tensors(_VECTORS, integer__vector__multiplier=np.full(5, -1, np.int32)), "negative|out of range"
    ),
    "a_vector_that_overflows": (_tensors(_VECTORS, integer__vector__bias=np.full(5, 2**63 - 1)), "overflow"),
    "a_first_of_vectors": (_header(_CASCADE, lambda h: h["first"]["architecture"].update(
        name="vectornet", settings={**h["architecture"]["settings"], "vector": 5})), "scores"),
    "a_bin_of_no_size": (_tensors(_TABLE, encoded__size=np.zeros((3, 3), np.float32)), "size"),
    "a_mark_of_a_half": (_tensors(_TABLE, scaled__lacking=np.full(3, 0.5, np.float32)), "not 0 or 1"),
}  # fmt: skip


#: What only those look at who build a network of floats, or make integers of one.
SETTINGS: dict[str, Any] = {
    "text": {"channels": "3", "side": 9, "features": 2},
    "fractions": {"channels": 3, "side": 9.5, "features": 2},
    "of_another_network": {"channels": 3, "side": 9, "features": 3},
    "none": {},
    "huge": {"channels": 3, "side": 2**40, "features": 2},
    "many": {f"s{k}": k for k in range(40)},
    "long": {"channels": 3, "side": 9, "features": 2, "width": [1] * 2000},
    "nested": {"channels": {"a": 1}, "side": 9, "features": 2},
}


def of_settings(settings: Any) -> bytes:
    """Return a network in integers whose architecture has other settings."""
    return _header(_PLANES, _set("architecture", "settings", to=settings))


def slow_network(first: int = 64, second: int = 256) -> bytes:
    """Return a network of so many channels behind its convolutions; by default of 173 million multiplications."""
    file = tiny_models.network(s2v.Recipe.of("slow", steps="l2", side=129), convolutions=3)
    weights = {"conv0": (first, 3), "conv1": (second, first), "conv2": (8, second)}
    tensors: dict[str, Any] = {}
    for layer, (outputs, inputs) in weights.items():
        tensors[f"integer.{layer}.weight"] = np.ones((outputs, inputs, 3, 3), np.int8)
        tensors[f"integer.{layer}.bias"] = np.zeros(outputs, np.int32)
        tensors[f"integer.{layer}.shift"] = np.full(outputs, 2, np.uint8)
        tensors[f"integer.{layer}.multiplier"] = np.full(outputs, 1 << 14, np.int16)
    return tiny_models.changed(file, **tensors)


def _values(count: int) -> bytes:
    return file_of(b'{"a":[' + b"[]," * (count // 3) + b"1]}")


#: Files of 4 MB that cost little: what is made of them is bounded before it is made.
LARGE: dict[str, tuple[Callable[[], bytes], str]] = {
    "brackets": (lambda: file_of(b"[" * 4_000_000), "nested|values"),
    "values": (lambda: _values(4_000_000), "262144 values"),
    "keys": (lambda: file_of(b"{" + b",".join(b'"%x":1' % k for k in range(400_000)) + b"}"), "262144 values"),
    "strings": (lambda: file_of(b"[" + b'"",' * 1_300_000 + b"1]"), "262144 values"),
    "a_long_number": (lambda: file_of(b"[" + b"7" * 4_000_000 + b"]"), "out of range|beyond|digits"),
    "a_long_fraction": (lambda: file_of(b"[0." + b"7" * 4_000_000 + b"]"), "no JSON object"),
    "a_long_text": (lambda: file_of(b'["' + b"\\n" * 2_000_000 + b'"]'), "no JSON object"),
    "an_open_text": (lambda: file_of(b'["' + b"\\\\" * 2_000_000), "too early|brackets|JSON"),
    "spaces": (lambda: file_of(b" " * 4_000_000), "not a value|Expecting"),
    "a_shape_of_many_axes": (
        lambda: file_of({"a": {**_I64, "shape": [2**52] * 200_000}}), "more than 8 axes|no place"
    ),
    "many_entries": (
        lambda: file_of({f"tensor {k}": {**_I64, "shape": [0]} for k in range(30_000)}), "tensors"
    ),
    "a_calibration_of_many_knots": (
        lambda: _header(_FOREST, _set("calibration", to={"x": [0.5] * 120_000, "y": [0.5] * 120_000})), "1024"
    ),
    "many_columns": (
        lambda: _header(_FOREST, _set("features", "names", to=[f"column {k}" for k in range(200_000)])), "1024"
    ),
    "a_long_name": (lambda: _header(_FOREST, _set("name", to="\x1b" * 600_000)), "256 bytes"),
    "a_slow_network": (lambda: slow_network(1024), "268435456 multiplications"),
    "beyond_16_MiB": (lambda: file_of(b" " * (17 << 20)), "16 MiB"),
}  # fmt: skip
