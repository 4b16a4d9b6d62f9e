"""The loop that fits a network: AdamW, warm-up and cosine, averaged weights, early stopping, resumed where it ended."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from space2vec import evaluation
from space2vec.errors import BackendError

if TYPE_CHECKING:
    from space2vec.training.run_folder import RunFolder

__all__ = ["FitRows", "FitSettings", "best_temperature", "fit", "logits", "torch_device"]

#: Rows a batch where the network only scores.
_CHUNK = 256
#: The grid on which the logarithm of the temperature is searched.
_LOGS = np.linspace(np.log(0.2), np.log(5.0), 321)


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How a network is fitted.

    Attributes
    ----------
    epochs : int
        Passes over the rows, at most.
    batch : int
        Rows a step.
    learning_rate : float
        At its highest.
    weight_decay : float
        Of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
    warm_up : float
        Share of the steps in which the learning rate rises from 0; a cosine leads it back to 0.
    average : float
        Decay a step of the average of the weights, which is what is kept (Polyak & Juditsky 1992).
    patience : int
        Epochs without a lower loss on the validation rows after which it ends.
    seed : int
        Of everything that is drawn.
    precision : {"float32", "bfloat16"}
        What is multiplied in training; bfloat16 is the faster one where the hardware has it.
    device : str
        A device of PyTorch.
    """

    epochs: int = 30
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    warm_up: float = 0.1
    average: float = 0.999
    patience: int = 8
    seed: int = 0
    precision: str = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.patience) < 1:
            raise ValueError("epochs, batch and patience must be 1 or more")
        if not (0.0 < self.learning_rate < math.inf and 0.0 <= self.weight_decay < math.inf):
            raise ValueError(
                f"learning_rate must be above 0 and weight_decay 0 or more; given {self.learning_rate} and "
                f"{self.weight_decay}"
            )
        if not (0.0 <= self.warm_up < 1.0 and 0.0 <= self.average < 1.0):
            raise ValueError(f"warm_up and average must be from 0 to 1; given {self.warm_up} and {self.average}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative; given {self.seed}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"unknown precision {self.precision!r}; known: float32, bfloat16")

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of one step, counted from 0, of so many."""
        rising = max(self.warm_up * steps, 1.0)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return 0.5 * self.learning_rate * (1.0 + math.cos(math.pi * (step - rising) / max(steps - rising, 1.0)))


@dataclass(frozen=True, slots=True)
class FitRows:
    """Rows to learn from or to validate with: inputs of the network, n rows each, and target and weight (n,), float32.

    The target is the probability that a row is real.
    """

    inputs: tuple[NDArray[np.float32], ...]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.target)

    def rows(self, index: NDArray[Any]) -> FitRows:
        """Select rows."""
        return FitRows(tuple(given[index] for given in self.inputs), self.target[index], self.weight[index])


def fit(
    module: nn.Module,
    epoch_rows: Callable[[int], FitRows],
    validation: FitRows,
    settings: FitSettings,
    folder: RunFolder | None = None,
    progress: Callable[[dict[str, float]], object] | None = None,
) -> list[dict[str, float]]:
    """Fit a network in place; it ends with the averaged weights of the lowest loss on validation rows.

    `epoch_rows` gives the rows of an epoch by its number: the same number, the same rows, and always about as many. A
    fit that was stopped in a folder goes on where it ended, to the same weights. `progress` is called with the
    metrics of each epoch, which are returned: epoch, steps, learning_rate, loss, validation_loss, and validation_auc
    where the validation rows are of both classes.

    Raises
    ------
    BackendError
        If the device cannot be had.
    ValueError
        If the loss is not finite.
    """
    module.to(torch_device(settings.device))
    average = copy.deepcopy(module).requires_grad_(False)
    best = copy.deepcopy(module.state_dict())
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.0, weight_decay=settings.weight_decay)
    history: list[dict[str, float]] = []
    if folder is not None:
        history = folder.restore({"module": module, "average": average}, optimiser, best)
    step = sum(int(epoch["steps"]) for epoch in history)
    for epoch in range(len(history), settings.epochs):
        if _stale(history) >= settings.patience:
            break
        with _seeded(settings.seed, epoch) as rng:
            rows = epoch_rows(epoch)
            steps = -(-len(rows) // settings.batch)
            module.train()
            losses = []
            for batch in np.array_split(rng.permutation(len(rows)), steps):
                rate = settings.rate(step, steps * settings.epochs)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                losses.append(_learn(module, rows.rows(batch), optimiser, settings))
                step += 1
                _follow(average, module, min(settings.average, (1.0 + step) / (10.0 + step)))
        metrics = {"epoch": epoch, "steps": steps, "learning_rate": rate, "loss": float(np.mean(losses))}
        metrics |= _validated(average, validation, settings)
        if not np.isfinite(metrics["loss"] + metrics["validation_loss"]):
            raise ValueError(f"the loss of epoch {epoch} is not finite: lower the learning rate")
        history.append(metrics)
        if _stale(history) == 0:
            best = copy.deepcopy(average.state_dict())
        if folder is not None:
            folder.keep({"module": module, "average": average}, optimiser, best, history)
        if progress is not None:
            progress(metrics)
    module.load_state_dict(best)
    module.eval()
    return history


def torch_device(name: str) -> torch.device:
    """Return a device of PyTorch, or raise BackendError where it cannot be had."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BackendError(f"device {name!r} is not available to PyTorch {torch.__version__}: {error}") from None
    return device


def logits(module: nn.Module, inputs: tuple[NDArray[np.float32], ...], device: str = "cpu") -> NDArray[np.float32]:
    """Return the logits (n,) of rows."""
    out = np.empty(len(inputs[0]), dtype=np.float32)
    module.eval()
    with torch.inference_mode():
        for start in range(0, len(out), _CHUNK):
            part = slice(start, start + _CHUNK)
            given = [torch.from_numpy(np.ascontiguousarray(rows[part])).to(device) for rows in inputs]
            out[part] = module(*given).float().cpu().numpy()
    return out


def best_temperature(logit: ArrayLike, target: ArrayLike, weight: ArrayLike) -> float:
    """Return the T for which sigmoid(logit / T) has the lowest cross-entropy (Guo et al. 2017, arXiv:1706.04599).

    Between 0.2 and 5, to 1 %. All arguments (n,): the logits of rows that the network has not learned from, the
    probability that each is real, and how much each counts.
    """
    z, y, w = (np.asarray(values, dtype=np.float64) for values in (logit, target, weight))
    losses = [float(w @ (np.logaddexp(0.0, z / t) - y * (z / t))) for t in np.exp(_LOGS)]
    return round(float(np.exp(_LOGS[int(np.argmin(losses))])), 4)


def _learn(module: nn.Module, rows: FitRows, optimiser: torch.optim.Optimizer, settings: FitSettings) -> float:
    """Take one step and return its loss."""
    given = [_tensor(x, settings.device) for x in rows.inputs]
    target, weight = _tensor(rows.target, settings.device), _tensor(rows.weight, settings.device)
    kind = torch.device(settings.device).type
    with torch.autocast(kind, torch.bfloat16, enabled=settings.precision == "bfloat16"):
        logit = module(*given)
    loss = _loss(logit.float(), target, weight)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item()


def _tensor(rows: NDArray[np.float32], device: str) -> Tensor:
    tensor = torch.from_numpy(rows).to(device)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _loss(logit: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    each = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    return (each * weight).sum() / weight.sum()


def _validated(average: nn.Module, rows: FitRows, settings: FitSettings) -> dict[str, float]:
    found = logits(average, rows.inputs, settings.device)
    loss = _loss(torch.from_numpy(found), torch.from_numpy(rows.target), torch.from_numpy(rows.weight)).item()
    metrics = {"validation_loss": loss}
    real = rows.target > 0.5
    if real.any() and not real.all():
        metrics["validation_auc"] = evaluation.evaluate(found, real, bootstrap=0)["auc"]
    return metrics


def _follow(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move the averaged weights towards those of the network."""
    with torch.no_grad():
        for old, new in zip(average.state_dict().values(), module.state_dict().values(), strict=True):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1.0 - decay)
            else:
                old.copy_(new)


def _stale(history: list[dict[str, float]]) -> int:
    """Return the number of epochs since the lowest validation loss."""
    if not history:
        return 0
    losses = [epoch["validation_loss"] for epoch in history]
    return len(losses) - 1 - int(np.argmin(losses))


@contextlib.contextmanager
def _seeded(seed: int, epoch: int) -> Iterator[np.random.Generator]:
    """Draw what an epoch draws from its own numbers, so that it is the same after a restart."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        yield np.random.default_rng([seed, epoch])
