"""The variants of stampnet that ``network_worth.py`` compares, and how each is trained and scored."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.accuracy.worth_rows import COLUMNS, RECIPE, Half, Rows
from benchmarks.programs import print_progress
from space2vec import registry
from space2vec.architectures import build
from space2vec.training.loop import FitRows, FitSettings, best_temperature, fast_precision, fit, logits
from space2vec.training.network import REACH

__all__ = ["VARIANTS", "Variant", "load_or_train", "scores_path", "train_and_score"]

#: The columns of autoScan that cost most; no network is worse without them.
SLOW = ("AMP", "GAUSS", "SCALE", "LACOSMIC", "COLMEDS")
#: Moments of the science plane, and columns derived from them.
SCIENCE_MOMENTS = (
    "science_a", "science_b", "science_angle", "science_ellipticity", "plane_offset", "width_ratio", "psf_ratio",
    "psf_likeness",
)  # fmt: skip
PLANES = RECIPE.channels
NOISE, CONTRAST = 0, 1


def _columns(without: tuple[str, ...] = (), planes: tuple[str, ...] = PLANES) -> tuple[str, ...]:
    known = registry.FEATURES
    return tuple(name for name in COLUMNS if name not in without and set(known[name].planes) <= set(planes))


@dataclass(frozen=True)
class Variant:
    """A choice of the inputs of a network, and of its width."""

    columns: tuple[str, ...] = COLUMNS
    planes: tuple[str, ...] = PLANES
    views: tuple[int, ...] = (NOISE, CONTRAST)
    width: tuple[int, ...] = (16, 32, 64)

    @property
    def channels(self) -> list[int]:
        """The positions of its planes among those of the recipe."""
        return [view * len(PLANES) + PLANES.index(plane) for view in self.views for plane in self.planes]

    @property
    def needed(self) -> tuple[str, ...]:
        """The planes that must be unpacked: those that the network sees, and those that its columns need."""
        used = {plane for name in self.columns for plane in registry.FEATURES[name].planes} | set(self.planes)
        return tuple(plane for plane in PLANES if plane in used)

    def inputs(self, rows: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the inputs of the network for rows: planes and columns."""
        places = [COLUMNS.index(name) for name in self.columns]
        features = rows.features[:, places] if places else np.zeros((len(rows), 1), dtype=np.float32)
        return rows.planes[:, self.channels].astype(np.float32), features


_LEAN = _columns(SLOW + SCIENCE_MOMENTS)
_TWO = ("science", "difference")
VARIANTS: Mapping[str, Variant] = {
    "all": Variant(),
    "without the slow five": Variant(_columns(SLOW)),
    "lean": Variant(_LEAN),
    "difference alone": Variant(_columns(SLOW, ("difference",)), ("difference",)),
    "lean, no template": Variant(_columns(SLOW + SCIENCE_MOMENTS, _TWO), _TWO),
    "lean, width 24 48 64": Variant(_LEAN, width=(24, 48, 64)),
    "lean, width 12 24 48": Variant(_LEAN, width=(12, 24, 48)),
    "lean, width 8 16 32": Variant(_LEAN, width=(8, 16, 32)),
    "lean, view of noise": Variant(_LEAN, views=(NOISE,)),
    "lean, view of contrast": Variant(_LEAN, views=(CONTRAST,)),
    "no columns": Variant(()),
    "without autoscan's": Variant(_columns(registry.FEATURE_SETS["autoscan"])),
    "without autoscan's, no template": Variant(_columns(registry.FEATURE_SETS["autoscan"], _TWO), _TWO),
    "template's columns, not its plane": Variant(_LEAN, _TWO),
    "lean, no template, view of contrast": Variant(_columns(SLOW + SCIENCE_MOMENTS, _TWO), _TWO, (CONTRAST,)),
    "lean, without autoscan's": Variant(_columns((*registry.FEATURE_SETS["autoscan"], *SCIENCE_MOMENTS))),
}  # fmt: skip


def train_and_score(variant: Variant, half: Half, seed: int, epochs: int) -> dict[str, NDArray[np.float32]]:
    """Train a variant on one half; return its scores of each set of tests, and of validation."""
    start, spent = time.time(), time.process_time()
    copies = [variant.inputs(rows) for rows in map(Rows.read, half.learned)]
    first = [Rows.read(path).target for path in half.learned]
    lessons = [FitRows(inputs, target, np.ones_like(target)) for inputs, target in zip(copies, first, strict=True)]
    checked = Rows.read(half.validation)
    held = FitRows(variant.inputs(checked), checked.target, np.ones_like(checked.target))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        settings: dict[str, Any] = {
            "features": lessons[0].inputs[1].shape[1], "channels": len(variant.channels), "width": variant.width,
            "reach": [REACH[channel] for channel in variant.channels],
        }  # fmt: skip
        module: Any = build("stampnet", settings)
    module.fit_features(lessons[0].inputs[1])
    settings = FitSettings(
        epochs=epochs,
        batch=128,
        precision=fast_precision(),
        seed=seed,
        average=0.998,
        weight_decay=0.1,
        patience=epochs,
    )
    # The last epoch is taken: a choice by few objects would add noise, and the training loss falls to the end.
    sample = lessons[0].rows(np.arange(0, len(lessons[0]), 23))
    history = fit(module, lambda epoch: lessons[epoch % len(lessons)], sample, settings)
    found = logits(module, held.inputs)
    temperature = best_temperature(found, held.target, held.weight)
    scores = {"validation": _sigmoid(found / temperature)}
    for name, path in half.tests.items():
        scores[name] = _sigmoid(logits(module, variant.inputs(Rows.read(path))) / temperature)
    print_progress(
        f"  loss {history[-1]['loss']:.4f} of {min(epoch['validation_loss'] for epoch in history):.4f}, "
        f"{time.process_time() - spent:.0f} s of {time.time() - start:.0f} s"
    )
    return scores


def scores_path(name: str, number: int, seed: int, epochs: int, folder: Path) -> Path:
    """Return the path of the file that keeps the scores of a variant."""
    return folder / f"{name.replace(' ', '_').replace(',', '')}_{number}_{seed}_{epochs}.npz"


def load_or_train(name: str, halves: list[Half], number: int, seed: int, epochs: int, folder: Path) -> dict[str, Any]:
    """Return the scores of a variant trained on a half: from the folder, or by training, which writes them there."""
    path = scores_path(name, number, seed, epochs, folder)
    if not path.exists():
        print_progress(f"{name}, half {number}, seed {seed}")
        np.savez(path, **train_and_score(VARIANTS[name], halves[number], 10 * seed + number, epochs))
    with np.load(path) as kept:
        return dict(kept)


def _sigmoid(logit: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(1.0 / (1.0 + np.exp(-logit.astype(np.float64))), dtype=np.float32)
