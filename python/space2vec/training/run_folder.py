"""The folder of a training run: settings, metrics of every epoch, loss curves, model, and the state to resume from."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from space2vec.data.atomic_file import remove_leftovers, write_file, write_whole
from space2vec.errors import OutputError
from space2vec.model_files import tensor_file
from space2vec.model_files.header import RUN_MODEL_FILE
from space2vec.writing.places import check_writable

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["RunFolder"]

_SETTINGS, _METRICS, _STATE, _CURVES = "settings.json", "metrics.json", "state.safetensors", "curves.png"
#: The entry of the settings file that holds the numbers of epochs of earlier runs.
_EARLIER = "epochs of earlier runs"
#: Metrics that each epoch of metrics.json must have.
_EPOCH_METRICS = frozenset({"epoch", "steps", "loss"})
#: The most characters of a setting that an error message shows.
_SHOWN_CHARACTERS = 60


class RunFolder:
    """The folder of a training run.

    It holds ``settings.json``, ``metrics.json`` and ``state.safetensors`` while the run goes on, and at its end also
    ``curves.png`` and the model.

    Parameters
    ----------
    path : Path
        The folder; it is created if it does not exist.
    settings : mapping of str to JSON values
        Everything that the fitted weights depend on.
    resume : bool, optional
        Go on with the run that the folder holds; its settings must be the same, except for the number of epochs, which
        may be larger, and the patience. If the folder holds no run, or one that has not finished an epoch, a new run
        begins.

    Raises
    ------
    OutputError
        If the folder holds a run and `resume` is false, the settings of that run differ or are damaged, or the path is
        that of a file; or if a file cannot be written there.

    Attributes
    ----------
    earlier_epochs : list of int
        The number of epochs of each earlier run of the folder that had fewer of them.
    """

    def __init__(self, path: Path, settings: Mapping[str, Json], *, resume: bool = False) -> None:
        self.path = path
        plain = json.loads(json.dumps(settings))
        self.check_place(path, resume=resume)
        path.mkdir(parents=True, exist_ok=True)
        for name in (_CURVES, _METRICS, _SETTINGS, _STATE, RUN_MODEL_FILE):
            check_writable(path / name)
        self._resumes = (path / _STATE).is_file()
        self.earlier_epochs: list[int] = []
        if self._resumes:
            self._continue(plain)
        for name in (_SETTINGS, _METRICS, _STATE):
            remove_leftovers(path / name)
        kept = {**plain, _EARLIER: self.earlier_epochs} if self.earlier_epochs else plain
        write_file(path / _SETTINGS, (json.dumps(kept, indent=1) + "\n").encode())

    @staticmethod
    def check_place(path: Path, *, resume: bool) -> None:
        """Raise an OutputError if a run cannot begin in a folder, or not be resumed there; nothing is written."""
        if path.exists() and not path.is_dir():
            raise OutputError(f"cannot write the training run {path}: it is a file, where a folder is needed")
        if (path / _STATE).is_file() and not resume:
            raise OutputError(f"{path} holds a training run already; resume it, or name another folder")

    def _continue(self, settings: dict[str, Json]) -> None:
        """Check that the run in the folder had these settings, or the same with fewer epochs or another patience."""
        before = self._read(_SETTINGS)
        self.earlier_epochs = list(before.pop(_EARLIER, []))
        now, was = settings.get("fit", {}), before.get("fit", {})
        if isinstance(was, dict) and "epochs" in was:
            done, wanted = was["epochs"], now["epochs"]
            if wanted > done:
                self.earlier_epochs.append(done)
                before = {**before, "fit": {**was, "epochs": wanted}}
            if "patience" in was:
                before = {**before, "fit": {**before["fit"], "patience": now["patience"]}}
        changed = [f"{name} {old}, now {new}" for name, old, new in _differing(before, settings)]
        if changed:
            raise OutputError(f"the run in {self.path} had other settings: {'; '.join(changed)}")

    def _read(self, name: str) -> dict[str, Json]:
        try:
            document = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._broken(name, str(error)) from error
        if not isinstance(document, dict):
            raise self._broken(name, "it holds no JSON object")
        return document

    def _broken(self, name: str, reason: str) -> OutputError:
        return OutputError(
            f"cannot resume the run in {self.path}: {name} is missing, damaged, or of another run ({reason}); "
            "put it back, or begin anew in another folder"
        )

    @property
    def model(self) -> Path:
        """The path of the model file, which is written at the end of the run."""
        return self.path / RUN_MODEL_FILE

    def restore(
        self,
        modules: Mapping[str, nn.Module],
        optimiser: torch.optim.Optimizer,
        best: dict[str, Tensor],
        *,
        validated: bool = True,
    ) -> list[dict[str, float]]:
        """Load the state of a run that is resumed into modules, optimiser and best weights.

        A run is validated if its epochs have a loss on validation rows.

        Returns
        -------
        list of dict
            The metrics of the epochs that are done; empty for a new run, whose arguments are not changed.

        Raises
        ------
        OutputError
            If the state or the metrics are damaged, or are those of another network.
        """
        if not self._resumes:
            return []
        try:
            epochs = self._load_state(modules, optimiser, best)
        except KeyError as error:
            raise self._broken(_STATE, f"it lacks {error}") from error
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            raise self._broken(_STATE, " ".join(str(error).split())[:200]) from error
        history: Json = self._read(_METRICS).get("epochs")
        if not isinstance(history, list) or len(history) < epochs:
            raise self._broken(_METRICS, f"it lacks some of {epochs} epochs")
        needed = _EPOCH_METRICS | {"validation_loss"} if validated else _EPOCH_METRICS
        if not all(isinstance(epoch, dict) and epoch.keys() >= needed for epoch in history):
            raise self._broken(_METRICS, f"its epochs lack some of {', '.join(sorted(needed))}")
        return history[:epochs]

    def _load_state(
        self, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer, best: dict[str, Tensor]
    ) -> int:
        """Load the state file, and return the number of epochs that were done when it was written."""
        state = {name: torch.from_numpy(tensor) for name, tensor in tensor_file.read(self.path / _STATE)[1].items()}
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
        return int(parts["epochs"]["done"].item())

    def save_epoch(
        self,
        modules: Mapping[str, nn.Module],
        optimiser: torch.optim.Optimizer,
        best: Mapping[str, Tensor],
        history: list[dict[str, float]],
    ) -> None:
        """Write the metrics and the state to resume from after an epoch.

        Each file is replaced as a whole, and the state is written last: a run that is killed at any moment can be
        resumed.
        """
        self.write_metrics({"epochs": history})
        state = {f"{part}/{name}": tensor for part, m in modules.items() for name, tensor in m.state_dict().items()}
        state |= {f"best/{name}": tensor for name, tensor in best.items()}
        for number, slots in optimiser.state_dict()["state"].items():
            state |= {f"optimiser/{number}/{name}": tensor for name, tensor in slots.items()}
        state["epochs/done"] = torch.tensor(len(history))
        tensors = {name: tensor.numpy(force=True) for name, tensor in state.items()}
        write_file(self.path / _STATE, tensor_file.encode({}, tensors))

    def write_metrics(self, metrics: Mapping[str, Json]) -> None:
        """Write JSON values as ``metrics.json``."""
        write_file(self.path / _METRICS, (json.dumps(metrics, indent=1) + "\n").encode())

    def draw_losses(self, history: list[dict[str, float]]) -> None:
        """Draw the losses of the epochs as ``curves.png``, if Matplotlib is installed."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return
        figure = Figure(figsize=(6.0, 3.5), layout="constrained")
        axes = figure.subplots()
        epochs = [epoch["epoch"] + 1 for epoch in history]
        axes.plot(epochs, [epoch["loss"] for epoch in history], label="training")
        if all("validation_loss" in epoch for epoch in history):
            axes.plot(epochs, [epoch["validation_loss"] for epoch in history], label="validation, averaged weights")
        axes.set(xlabel="epoch", ylabel="cross-entropy", yscale="log")
        axes.legend()
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=100)
        write_whole(self.path / _CURVES, picture.getvalue())


def _differing(was: Mapping[str, Json], now: Mapping[str, Json], within: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the full name, the old and the new value of each setting that differs, as text."""
    for key in sorted({*was, *now}):
        old, new = was.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differing(old, new, f"{within}{key}.")
        elif old != new:
            yield f"{within}{key}", _short(old), _short(new)


def _short(value: object) -> str:
    """Return a JSON value as text, cut to ``_SHOWN_CHARACTERS``."""
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."
