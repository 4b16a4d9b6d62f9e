"""The folder of a training run: its settings, the metrics of every epoch, curves, and what it needs to go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from space2vec.errors import OutputError
from space2vec.writing.aside import write_file

__all__ = ["RunFolder"]

_SETTINGS, _METRICS, _STATE, _CURVES, _MODEL = (
    "settings.json", "metrics.json", "state.safetensors", "curves.png", "model.safetensors",
)  # fmt: skip


class RunFolder:
    """What a run leaves: settings, metrics and state, in the end the curves and the model.

    Parameters
    ----------
    path : Path
        Made if it is not there.
    settings : mapping
        Everything that the weights depend on, JSON values.
    resume : bool
        Whether a run of the same settings goes on where it ended; without one it begins.

    Raises
    ------
    OutputError
        If there is a run in the folder that was not asked for, or one of other settings.
    OSError
        If the folder cannot be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, resume: bool = False) -> None:
        self.path = path
        self._resumes = False
        plain = json.loads(json.dumps(settings))
        path.mkdir(parents=True, exist_ok=True)
        known = path / _SETTINGS
        if known.is_file():
            earlier = json.loads(known.read_text(encoding="utf-8"))
            if not resume:
                raise OutputError(f"{path} holds a training run already; resume it, or name another folder")
            changed = sorted(key for key in {*earlier, *plain} if earlier.get(key) != plain.get(key))
            if changed:
                raise OutputError(f"the run in {path} had other settings: {', '.join(changed)}")
            self._resumes = (path / _STATE).is_file()
        write_file(known, (json.dumps(plain, indent=1) + "\n").encode())

    @property
    def model(self) -> Path:
        """Where the model goes."""
        return self.path / _MODEL

    def restore(
        self, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer, best: dict[str, Tensor]
    ) -> list[dict[str, float]]:
        """Set modules, optimiser and best weights to where the run ended; return the metrics of its epochs."""
        if not self._resumes:
            return []
        state = load((self.path / _STATE).read_bytes())
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            part, _, name = key.partition("/")
            parts.setdefault(part, {})[name] = tensor
        for part, module in modules.items():
            module.load_state_dict(parts[part])
        best.update(parts["best"])
        groups = optimiser.state_dict()["param_groups"]
        slots: dict[int, dict[str, Tensor]] = {}
        for key, tensor in parts.get("optimiser", {}).items():
            number, _, name = key.partition("/")
            slots.setdefault(int(number), {})[name] = tensor
        optimiser.load_state_dict({"state": slots, "param_groups": groups})
        epochs: int = int(parts["epochs"]["done"].item())
        history: list[dict[str, float]] = json.loads((self.path / _METRICS).read_text(encoding="utf-8"))["epochs"]
        return history[:epochs]

    def keep(
        self,
        modules: Mapping[str, nn.Module],
        optimiser: torch.optim.Optimizer,
        best: Mapping[str, Tensor],
        history: list[dict[str, float]],
    ) -> None:
        """Write the metrics and what is needed to go on; either is whole, and the state comes last."""
        self.tell({"epochs": history})
        state = {f"{part}/{name}": tensor for part, m in modules.items() for name, tensor in m.state_dict().items()}
        state |= {f"best/{name}": tensor for name, tensor in best.items()}
        for number, slots in optimiser.state_dict()["state"].items():
            state |= {f"optimiser/{number}/{name}": tensor for name, tensor in slots.items()}
        state["epochs/done"] = torch.tensor(len(history))
        write_file(self.path / _STATE, save({name: t.detach().cpu().contiguous().clone() for name, t in state.items()}))

    def tell(self, metrics: Mapping[str, Any]) -> None:
        """Write the metrics."""
        write_file(self.path / _METRICS, (json.dumps(metrics, indent=1) + "\n").encode())

    def draw(self, history: list[dict[str, float]]) -> None:
        """Draw the losses, where Matplotlib is there."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return
        figure = Figure(figsize=(6.0, 3.5), layout="constrained")
        axes = figure.subplots()
        epochs = [epoch["epoch"] + 1 for epoch in history]
        axes.plot(epochs, [epoch["loss"] for epoch in history], label="training")
        axes.plot(epochs, [epoch["validation_loss"] for epoch in history], label="validation, averaged weights")
        axes.set(xlabel="epoch", ylabel="cross-entropy", yscale="log")
        axes.legend()
        figure.savefig(self.path / _CURVES, dpi=100)
