"""Model files of a few random weights, which every backend can run: forests, and networks in integers."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from space2vec import model_files, registry
from space2vec.model_files import tensor_file
from space2vec.model_files.calibration import Calibration
from space2vec.model_files.integer_network import pixel_rings
from space2vec.plans.derived_columns import applicable_rules

__all__ = ["CALIBRATION", "MIXED", "changed", "forest", "header_of", "models", "network", "of_floats", "vector_models"]
__all__ += ["with_header"]

CALIBRATION = Calibration((0.0, 0.25, 0.5, 1.0), (0.0, 0.125, 0.75, 1.0))
#: Columns of both sets and of the catalogue.
MIXED = ("DIFFSUMRN", "peak_snr", "MAG", "FLUX_RATIO", "snr_3", "SNR", "N2SIG5SHIFT")
_STEPS: dict[str, Any] = {"steps": ("median-mad", "asinh")}


def _header(kind: str, name: str, columns: tuple[str, ...], **more: Any) -> model_files.Header:
    foreign = [column for column in columns if column not in registry.FEATURES]
    group = "custom" if foreign or not columns else "all"
    return model_files.Header(kind, name, columns, group, registry.FEATURES_VERSION, **more)


def forest(columns: tuple[str, ...], fill: bool = False, seed: int = 1, **header: Any) -> bytes:
    """Return a forest of trees of one split a column."""
    rng = np.random.default_rng(seed)
    trees, k = 3 * len(columns), len(columns)
    feature = np.zeros((trees, 3), np.int16)
    feature[:, 0] = np.arange(trees) % k
    value = rng.random((trees, 3)).astype(np.float32)
    value[:, 0] = rng.normal(size=trees) * 3
    tensors: dict[str, NDArray[Any]] = {
        "tree_start": np.arange(trees + 1, dtype=np.int64) * 3,
        "right": np.tile(np.array([2, 0, 0], np.int32), trees),
        "feature": feature.ravel(),
        "missing_left": np.repeat(rng.integers(0, 2, trees).astype(np.uint8), 3),
        "value": value.ravel(),
    }
    if fill:
        tensors["fill"] = np.where(np.arange(k) % 2, np.nan, rng.normal(size=k)).astype(np.float32)
    return model_files.encode(_header("forest", "tiny forest", columns, **header), tensors)


def network(
    recipe: s2v.Recipe | None,
    columns: tuple[str, ...] = (),
    *,
    convolutions: int = 1,
    optional: tuple[str, ...] = (),
    vector: int = 0,
    seed: int = 2,
    **header: Any,
) -> bytes:
    """Return a network in integers: a stampnet of a recipe, a vectornet, or a tablenet of columns alone."""
    rng = np.random.default_rng(seed)
    places = applicable_rules(columns if recipe is None else ())
    width, k, bins = 16, len(columns) + len(places), 3 if recipe is None else 0
    tensors: dict[str, NDArray[Any]] = {}
    if recipe is not None:
        channels, side, _ = recipe.shape
        tensors["integer.planes.scale"] = rng.uniform(5, 30, channels).astype(np.float32)
        inputs = channels
        for layer in range(convolutions):
            filters, own = 8, f"integer.conv{layer}."
            weight = rng.integers(-100, 101, (filters, inputs, 3, 3), dtype=np.int8)
            zero = 128 * weight.astype(np.int32).sum(axis=(1, 2, 3)) if layer == 0 else np.zeros(filters, np.int32)
            tensors[own + "weight"] = weight
            tensors[own + "bias"] = (rng.integers(0, 4000, filters) - zero).astype(np.int32)
            tensors[own + "shift"] = np.full(filters, 2, np.uint8)
            tensors[own + "multiplier"] = rng.integers(1 << 14, 1 << 15, filters).astype(np.int16)
            inputs, side = filters, (side + 1) // 2
        tensors["integer.of_planes.weight"] = rng.integers(
            -127, 128, (width, inputs * len(pixel_rings(side)[1])), np.int8
        )
        tensors["integer.hidden0.planes_multiplier"] = rng.integers(1, 30, width).astype(np.int32)
    if k:
        tensors["integer.of_features.weight"] = rng.integers(-127, 128, (width, k * (2 + bins)), np.int8)
        tensors["integer.hidden0.features_multiplier"] = rng.integers(1, 30, width).astype(np.int32)
        prefix = "scale." if recipe is not None else "scaled."
        for name, values in {
            "median": rng.normal(size=k), "spread": rng.uniform(0.5, 3, k), "mean": rng.normal(size=k),
            "deviation": rng.uniform(0.5, 2, k), "lacking": rng.integers(0, 2, k),
        }.items():  # fmt: skip
            tensors[prefix + name] = values.astype(np.float32)
    if bins and k:
        tensors["encoded.low"] = rng.normal(size=(k, bins)).astype(np.float32)
        tensors["encoded.size"] = rng.uniform(0.5, 2, (k, bins)).astype(np.float32)
    tensors["integer.hidden0.bias"] = rng.integers(-(10**6), 10**6, width)
    tensors["integer.hidden0.shift"] = np.array([12], np.uint8)
    if vector:
        tensors["integer.vector.weight"] = rng.integers(-127, 128, (vector, width), np.int8)
        tensors["integer.vector.multiplier"] = rng.integers(1, 400, vector).astype(np.int32)
        tensors["integer.vector.bias"] = rng.integers(-(10**7), 10**7, vector)
        tensors["integer.vector.shift"] = np.array([19], np.uint8)
    else:
        tensors["integer.out.weight"] = rng.integers(-127, 128, width, np.int8)
        tensors["integer.out.bias"] = np.array([1000], np.int64)
        tensors["integer.out.scale"] = np.array([3e-6], np.float32)
    settings: dict[str, Any] = {"names": list(columns), "bins": bins}
    if recipe is not None:
        settings = {"channels": recipe.shape[0], "side": recipe.shape[1], "features": k}
    how = {"name": "tablenet" if recipe is None else "stampnet", "settings": settings, "temperature": 1.5}
    if vector:
        how = {"name": "vectornet", "settings": {**settings, "vector": vector}}
    if optional:
        how["optional"] = list(optional)
    plain = None if recipe is None else recipe.to_plain()
    network_header = _header(
        "network", "tiny network", columns, recipe=plain, architecture=how, integer={"version": 1}, **header
    )
    return model_files.encode(network_header, tensors)


def models() -> dict[str, bytes]:
    """Return model files of every kind by name."""
    stamp, s2v_set = registry.AUTOSCAN_STAMP, registry.S2V
    one = s2v.Recipe.of("one", **_STEPS, side=21)
    deep = s2v.Recipe.of("deep", **_STEPS, side=17)
    two = s2v.Recipe.of("two", **_STEPS, further=[("l2",), ("percentile", "asinh")], side=9)
    turned = s2v.Recipe.of("turned", **_STEPS, side=9, channels=("difference", "science"))
    alone = s2v.Recipe.of("alone", **_STEPS, side=29, channels=("difference",))
    catalogue = registry.CATALOGUE
    return {
        "forest": forest(MIXED, fill=True),
        "forest of a set": forest(s2v_set),
        "forest of a difference": forest(("peak_snr", "snr_3", "L1")),
        "forest of the paper": forest(stamp, convention="paper", calibration=CALIBRATION),
        "forest of a catalogue": forest((*catalogue[:6], "L1", "snr_2"), fill=True),
        "forest of a catalogue alone": forest(catalogue[:3], calibration=CALIBRATION),
        "planes": network(deep, convolutions=2),
        "planes of a calibration": network(one, calibration=CALIBRATION),
        "without template": network(one, s2v_set[:7], optional=("template",)),
        "without science or template": network(two, stamp[:4], optional=("science", "template")),
        "without difference": network(two, optional=("difference", "science"), convolutions=2),
        "two planes": network(turned, MIXED, optional=("science",)),
        "one plane": network(alone, s2v_set[:3], optional=("science", "template")),
        "a recipe of the registry": network(s2v.Recipe("autoscan-r"), stamp[:3], convolutions=2),
        "table": network(None, MIXED),
        "table of a catalogue": network(None, (*catalogue, *stamp), calibration=CALIBRATION),
    }


def vector_models() -> dict[str, bytes]:
    """Return networks of vectors, of several inputs and lengths, by name."""
    deep = s2v.Recipe.of("deep", **_STEPS, side=17)
    two = s2v.Recipe.of("two", **_STEPS, further=[("l2",), ("percentile", "asinh")], side=9)
    one = s2v.Recipe.of("one", **_STEPS, side=21)
    return {
        "vectors": network(deep, registry.S2V[:7], convolutions=2, optional=("template",), vector=64),
        "vectors of planes": network(two, vector=5, seed=3),
        "vectors of a catalogue": network(one, MIXED, optional=("science", "template"), vector=17, seed=4),
    }


def of_floats(columns: tuple[str, ...] = (), recipe: s2v.Recipe | None = None) -> bytes:
    """Return a network without integers, which no backend runs."""
    how = {"name": "braai", "settings": {}, "temperature": 1.0}
    plain = None if recipe is None else recipe.to_plain()
    header = _header("network", "floats", columns, recipe=plain, architecture=how)
    return model_files.encode(header, {"weight": np.zeros(3, np.float32)})


def changed(file: bytes, **tensors: Any) -> bytes:
    """Return a model file some of whose tensors are others."""
    metadata, own = tensor_file.decode(file)
    return tensor_file.encode(metadata, {**own, **tensors})


def with_header(file: bytes, **changes: Any) -> bytes:
    """Return a model file whose header says something else."""
    return model_files.encode(dataclasses.replace(header_of(file), **changes), tensor_file.decode(file)[1])


def header_of(file: bytes) -> model_files.Header:
    """Return the header of a model file."""
    return model_files.Header.from_json(tensor_file.decode(file)[0]["space2vec"])
