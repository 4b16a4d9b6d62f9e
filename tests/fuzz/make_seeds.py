"""Make the seeds of the fuzz targets: small whole inputs, and modest damage to them. The same bytes each time.

    python tests/fuzz/make_seeds.py

Files named ``found_*`` are inputs that once failed; they are left as they are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from space2vec.forest import Forest
from space2vec.modelfile import Header
from space2vec.trees import Trees

SEEDS = Path(__file__).resolve().parent / "seeds"


def put(target: str, **seeds: bytes) -> None:
    """Write the seeds of a target in place of those that were there."""
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if not old.name.startswith("found_"):
            old.unlink()
    for name, data in seeds.items():
        (folder / name).write_bytes(data)


def forest(trees: int, names: tuple[str, ...], fill: bool) -> bytes:
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
    made = Forest(
        parts,
        Header("forest", "seed", names, library="0"),
        np.linspace(-1, 1, len(names), dtype=np.float32) if fill else None,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seed.safetensors"
        made.save(path)
        return path.read_bytes()


def model() -> None:
    """Model files, whole and damaged."""
    plain = forest(2, ("AMP", "é \"quoted\" \\ name", "n3sig3"), fill=True)
    put(
        "model",
        plain=plain,
        one_tree=forest(1, ("AMP",), fill=False),
        many_trees=forest(40, tuple(f"f{i}" for i in range(30)), fill=False),
        cut=plain[:-7],
        no_offsets=plain.replace(b"data_offsets", b"data_offsetz", 1),
        wrong_type=plain.replace(b'"I32"', b'"I16"', 1),
        other_kind=plain.replace(b"forest", b"floret", 1),
        no_tensors=plain[: 8 + int.from_bytes(plain[:8], "little")],
        long_header=(1 << 62).to_bytes(8, "little") + plain[8:],
        empty=b"",
    )


if __name__ == "__main__":
    model()
