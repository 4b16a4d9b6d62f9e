"""The seeds of the fuzz target of model files: forests and integer networks, whole and damaged."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.lying_models import LIES
from space2vec.model_files.calibration import Calibration
from space2vec.model_files.header import Header, encode
from space2vec.model_files.trees import Trees
from space2vec.models.forest import Forest

__all__ = ["model_seeds"]


def forest(trees: int, names: tuple[str, ...], fill: bool, calibration: Calibration | None = None) -> bytes:
    """Return a model file: every tree a root, a split on its left and three leaves."""
    right = np.tile(np.array([4, 2, 0, 0, 0], dtype=np.int32), trees)
    split = right != 0
    node = np.arange(5 * trees)
    parts = Trees(
        np.arange(0, 5 * trees + 1, 5, dtype=np.int64),
        right,
        np.where(split, node % len(names), 0).astype(np.int16),
        np.where(split, node % 2, 0).astype(np.uint8),
        np.where(split, node * 0.5 - 3, (node % 9) / 8).astype(np.float32),
    )
    forest = Forest(
        parts,
        Header("forest", "seed", names, library="0", calibration=calibration),
        np.linspace(-1, 1, len(names), dtype=np.float32) if fill else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.safetensors"
        forest.save(path)
        return path.read_bytes()


def network(takes_planes: bool, bins: int, cascade: bool = False, vector: int = 0) -> bytes:
    """Return a model file of an integer network of few weights, without floats; of a cascade it is both networks."""
    chance = np.random.default_rng(5)
    names = ("MAG", "SNR", "AMP") if bins else ("AMP", "COLMEDS")
    columns = len(names) + (1 if bins else 0)  # MAG and SNR have a derived one
    scale = "scaled" if bins else "scale"
    tensors: dict[str, np.ndarray[Any, Any]] = {
        f"{scale}.{name}": np.full(columns, value, np.float32)
        for name, value in (("median", 0.5), ("spread", 2), ("mean", 0), ("deviation", 1), ("lacking", 1))
    }
    if bins:
        tensors["encoded.low"] = np.tile(np.arange(bins, dtype=np.float32), (columns, 1))
        tensors["encoded.size"] = np.ones((columns, bins), np.float32)

    def weights(*shape: int) -> np.ndarray[Any, Any]:
        return chance.integers(-127, 128, shape).astype(np.int8)

    own: dict[str, np.ndarray[Any, Any]] = {"of_features.weight": weights(3, columns * (2 + bins))}
    if takes_planes:
        own |= {
            "planes.scale": np.full(2, 30, np.float32),
            "conv0.weight": weights(5, 2, 3, 3),
            "conv0.bias": np.full(5, 900, np.int32),
            "conv0.shift": np.full(5, 3, np.uint8),
            "conv0.multiplier": np.full(5, 20000, np.int16),
            "of_planes.weight": weights(3, 30),
            "hidden0.planes_multiplier": np.full(3, 300, np.int32),
        }
    own |= {
        "hidden0.features_multiplier": np.full(3, 70, np.int32),
        "hidden0.bias": np.full(3, 5000, np.int64),
        "hidden0.shift": np.full(1, 9, np.uint8),
        "hidden1.weight": weights(4, 3),
        "hidden1.multiplier": np.full(4, 50, np.int32),
        "hidden1.bias": np.zeros(4, np.int64),
        "hidden1.shift": np.full(1, 7, np.uint8),
    }
    own |= {
        "vector.weight": weights(vector, 4),
        "vector.multiplier": np.full(vector, 60, np.int32),
        "vector.bias": np.full(vector, -3000, np.int64),
        "vector.shift": np.full(1, 12, np.uint8),
    } if vector else {
        "out.weight": weights(4),
        "out.bias": np.full(1, -50, np.int64),
        "out.scale": np.full(1, 1e-5, np.float32),
    }  # fmt: skip
    tensors |= {f"integer.{name}": tensor for name, tensor in own.items()}
    steps = [{"name": "l2", "version": 1, "parameters": {}}]
    recipe = {"name": "seed", "version": 1, "side": 9, "channels": ["science", "difference"], "steps": steps}
    settings = {"names": names, "bins": bins} if bins else {"channels": 2, "side": 9, "features": columns}
    how = {"name": "tablenet" if bins else "stampnet", "settings": settings, "temperature": 2.0}
    if vector:
        how = {"name": "vectornet", "settings": {**settings, "vector": vector}}
    header = Header(
        "network", "seed", names, library="0", recipe=recipe if takes_planes else None, architecture=how,
        integer={"version": 1},
    )  # fmt: skip
    if cascade:
        tensors |= {f"first.{name}": tensor for name, tensor in tensors.items()}
        header = replace(header, first=header, doubt=(0.3, 0.7))
    return encode(header, tensors)


def model_seeds() -> dict[str, bytes]:
    """Return model files, whole and damaged."""
    plain = forest(2, ("AMP", 'é "quoted" \\ name', "n3sig3"), fill=True)
    return dict(
        plain=plain,
        calibrated=forest(3, ("AMP", "n3sig3"), True, Calibration((0.0, 0.25, 0.5, 1.0), (0.0, 0.125, 0.75, 1.0))),
        one_tree=forest(1, ("AMP",), fill=False),
        many_trees=forest(40, tuple(f"f{i}" for i in range(30)), fill=False),
        cut=plain[:-7],
        no_offsets=plain.replace(b"data_offsets", b"data_offsetz", 1),
        wrong_type=plain.replace(b'"I32"', b'"I16"', 1),
        other_kind=plain.replace(b"forest", b"floret", 1),
        no_tensors=plain[: 8 + int.from_bytes(plain[:8], "little")],
        long_header=(1 << 62).to_bytes(8, "little") + plain[8:],
        empty=b"",
        network=network(takes_planes=True, bins=0),
        table_network=network(takes_planes=False, bins=3),
        cascade=network(takes_planes=True, bins=0, cascade=True),
        vectors=network(takes_planes=True, bins=0, vector=6),
        **{f"lie_{name}": file for name, (file, _) in LIES.items()},
    )
