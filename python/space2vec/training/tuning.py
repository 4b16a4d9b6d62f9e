"""Fine-tuning: training that begins with the weights of a network, for a survey with few labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from space2vec.training.loop import FitSettings

if TYPE_CHECKING:
    from torch import nn


__all__ = ["CROSS_FITTED", "FOLDS", "FROZEN", "HELD_OUT", "TEMPERATURE_SPREAD", "freeze", "tuning_settings"]

#: The stages that are not fitted by default, by architecture: few labels say little about what a plane looks like, and
#: more about how the features of another survey weigh against each other.
FROZEN: dict[str, tuple[str, ...]] = {"stampnet": ("convolutions",)}
#: The share of the objects that is held out, to stop the fit and to calibrate it: a tenth of few labels is too little.
HELD_OUT = 0.25
#: Below this number of rows none is held out: a quarter of 50 rows may be 7, or 2 real ones. Their loss rises with the
#: certainty of the network and ends the fit, while the order of the scores of other candidates still improves. The
#: network is then fitted to all rows for all epochs. Networks that are fitted to the other folds calibrate and measure.
CROSS_FITTED = 400
#: The number of these folds.
FOLDS = 4
#: The standard deviation of the logarithm of the temperature that is expected before labels are seen. Few rows held out
#: that happen to be separated would ask for scores of 0 and 1.
TEMPERATURE_SPREAD = 0.3


def tuning_settings(rows: int) -> FitSettings:
    """Return the settings to fine-tune on a number of labelled rows: some hundred small steps, even for few rows."""
    batch = min(max(rows // 8, 8), 64)
    return FitSettings(epochs=60, batch=batch, learning_rate=1e-3, average=0.99, patience=15)


def freeze(module: nn.Module, stages: Sequence[str]) -> None:
    """Leave stages of a network as they are: their weights are not fitted, and their normalisation is not updated.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    stages : sequence of str
        Names of its modules, such as ``"convolutions"``.

    Raises
    ------
    ValueError
        If there is no such stage, or nothing would be left to fit.
    """
    known = dict(module.named_modules())
    unknown = [name for name in stages if not name or name not in known]
    if unknown:
        names = ", ".join(name for name, _ in module.named_children())
        raise ValueError(f"the network has no stage {', '.join(map(repr, unknown))}; its stages are {names}")
    for name in stages:
        known[name].requires_grad_(False)
    if not any(weight.requires_grad for weight in module.parameters()):
        raise ValueError(f"nothing is left to fit: all weights are in the frozen stages {', '.join(stages)}")
