"""The loop that fits a network: AdamW, a learning rate that warms up and decays, averaged weights, early stopping."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn import functional

from space2vec import evaluation
from space2vec.errors import BackendError

if TYPE_CHECKING:
    from space2vec.training.run_folder import RunFolder

__all__ = [
    "FitRows", "FitSettings", "best_temperature", "fast_precision", "fit", "logits", "move_average", "seeded",
    "to_device", "torch_device",
]  # fmt: skip

#: Rows that are scored at a time.
_SCORING_BATCH = 256
#: Values of log(temperature) among which the best one is searched.
_LOG_TEMPERATURES = np.linspace(np.log(0.2), np.log(5.0), 321)


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Settings of the fit of a network.

    Attributes
    ----------
    epochs : int
        Largest number of passes over the training rows.
    batch : int
        Rows per step of the optimiser.
    learning_rate : float
        The highest learning rate.
    weight_decay : float
        Weight decay of AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
    warm_up : float
        Share of the steps during which the learning rate rises from 0; afterwards it falls back to 0 along a cosine.
    average : float
        Decay per step of the running average of the weights; the fitted network has the averaged weights (Polyak &
        Juditsky 1992).
    patience : int
        The fit ends after this many epochs without a lower loss on the validation rows.
    seed : int
        Seed of the order of the rows and of everything else that is random.
    precision : {"float32", "bfloat16"}
        Precision of the products during training (:func:`fast_precision`).
    device : str
        Name of a PyTorch device, such as "cpu" or "cuda".

    Raises
    ------
    ValueError
        If a setting is out of range.
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
        """Return the learning rate of a step, counted from 0, of a fit of `steps` steps."""
        rising = max(self.warm_up * steps, 1.0)
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return 0.5 * self.learning_rate * (1.0 + math.cos(math.pi * (step - rising) / max(steps - rising, 1.0)))


@dataclass(frozen=True, slots=True)
class FitRows:
    """Rows that a network is fitted to or validated with.

    Attributes
    ----------
    inputs : tuple of ndarray of float32
        The inputs of the network: planes (n, channel, side, side), features (n, k), or both in this order.
    target : ndarray of float32 (n,)
        The probability that each row is real.
    weight : ndarray of float32 (n,)
        The weight of each row in the loss.
    """

    inputs: tuple[NDArray[np.float32], ...]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.target)

    def rows(self, index: NDArray[np.intp]) -> FitRows:
        """Select rows by their numbers."""
        return FitRows(tuple(array[index] for array in self.inputs), self.target[index], self.weight[index])


def fit(
    module: nn.Module,
    epoch_rows: Callable[[int], FitRows],
    validation: FitRows | None,
    settings: FitSettings,
    folder: RunFolder | None = None,
    progress: Callable[[dict[str, float]], object] | None = None,
) -> list[dict[str, float]]:
    """Fit a network in place, and leave it with the averaged weights of the epoch of lowest validation loss.

    Without validation rows the fit does not stop early, and the last epoch counts.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it returns logits (n,). Weights that do not require a gradient are left as they are, and modules
        that have no others stay in eval mode.
    epoch_rows : callable
        Takes the number of an epoch, counted from 0, and returns the rows to fit to in it. It must return the same rows
        for the same number, and about as many in every epoch.
    validation : FitRows or None
        Rows that the network is not fitted to.
    settings : FitSettings
        How to fit.
    folder : RunFolder, optional
        Where the state is kept after every epoch. A fit that was stopped goes on from there, to the same weights as if
        it had not been stopped.
    progress : callable, optional
        Called with the metrics of each epoch.

    Returns
    -------
    list of dict
        The metrics of each epoch: epoch, steps, learning_rate, loss; with validation rows also validation_loss and, if
        they have both labels, validation_auc.

    Raises
    ------
    BackendError
        If PyTorch cannot use the device.
    ValueError
        If the loss is not finite.
    """
    module.to(torch_device(settings.device))
    average = copy.deepcopy(module).requires_grad_(False)
    best = copy.deepcopy(module.state_dict())
    fitted = [weight for weight in module.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(fitted, lr=0.0, weight_decay=settings.weight_decay)
    history: list[dict[str, float]] = []
    if folder is not None:
        history = folder.restore(
            {"module": module, "average": average}, optimiser, best, validated=validation is not None
        )
    step = sum(int(epoch["steps"]) for epoch in history)
    for epoch in range(len(history), settings.epochs):
        if _epochs_since_best(history) >= settings.patience:
            break
        with seeded(settings.seed, epoch) as rng:
            rows = epoch_rows(epoch)
            steps = -(-len(rows) // settings.batch)
            _set_train_mode(module)
            losses = []
            for batch in np.array_split(rng.permutation(len(rows)), steps):
                rate = settings.rate(step, steps * settings.epochs)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                losses.append(_take_step(module, rows.rows(batch), optimiser, settings))
                step += 1
                move_average(average, module, min(settings.average, (1.0 + step) / (10.0 + step)))
        metrics = {"epoch": epoch, "steps": steps, "learning_rate": rate, "loss": float(np.mean(losses))}
        if validation is not None:
            metrics |= _validate(average, validation, settings)
        if not np.isfinite(metrics["loss"] + metrics.get("validation_loss", 0.0)):
            raise ValueError(f"the loss of epoch {epoch} is not finite: lower the learning rate")
        history.append(metrics)
        if _epochs_since_best(history) == 0:
            best = copy.deepcopy(average.state_dict())
        if folder is not None:
            folder.save_epoch({"module": module, "average": average}, optimiser, best, history)
        if progress is not None:
            progress(metrics)
    module.load_state_dict(best)
    module.eval()
    return history


def _set_train_mode(module: nn.Module) -> None:
    """Set a network to train mode, except for modules of which all weights are frozen."""
    module.train()
    for part in module.modules():
        weights = list(part.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            part.eval()


def fast_precision() -> str:
    """Return the precision that this machine's processor trains fastest in: bfloat16 if it multiplies it, or float32.

    A processor that has to imitate bfloat16 takes two to three times as long with it as with float32.
    """
    able = torch.cpu.get_capabilities()
    return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"


def torch_device(name: str) -> torch.device:
    """Return the PyTorch device of a name, or raise BackendError if PyTorch cannot use it."""
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BackendError(f"device {name!r} is not available to PyTorch {torch.__version__}: {error}") from None
    return device


def logits(module: nn.Module, inputs: tuple[NDArray[np.float32], ...], device: str = "cpu") -> NDArray[np.float32]:
    """Run a network on rows and return its logits (n,), float32; the network is left in eval mode."""
    out = np.empty(len(inputs[0]), dtype=np.float32)
    module.eval()
    with torch.inference_mode():
        for start in range(0, len(out), _SCORING_BATCH):
            part = slice(start, start + _SCORING_BATCH)
            tensors = [torch.from_numpy(np.ascontiguousarray(rows[part])).to(device) for rows in inputs]
            out[part] = module(*tensors).float().cpu().numpy()
    return out


def best_temperature(logit: ArrayLike, target: ArrayLike, weight: ArrayLike, spread: float = math.inf) -> float:
    """Find the temperature T for which sigmoid(logit / T) has the lowest cross-entropy.

    Temperature scaling is by Guo et al. (2017, arXiv:1706.04599). T is searched from 0.2 to 5, in steps of 1 %.

    Parameters
    ----------
    logit : array_like (n,)
        The logits of rows that the network was not fitted to.
    target : array_like (n,)
        The probability that each row is real.
    weight : array_like (n,)
        The weight of each row.
    spread : float, optional
        The standard deviation of log(T) that is expected before rows are seen; by default no T is preferred.
    """
    z, y, w = (np.asarray(values, dtype=np.float64) for values in (logit, target, weight))
    losses = [float(w @ (np.logaddexp(0.0, z / t) - y * (z / t))) for t in np.exp(_LOG_TEMPERATURES)]
    losses += 0.5 * (_LOG_TEMPERATURES / spread) ** 2
    return round(float(np.exp(_LOG_TEMPERATURES[int(np.argmin(losses))])), 4)


def _take_step(module: nn.Module, rows: FitRows, optimiser: torch.optim.Optimizer, settings: FitSettings) -> float:
    """Fit the network to one batch of rows and return the loss before the step."""
    inputs = [to_device(torch.from_numpy(x), settings.device) for x in rows.inputs]
    target, weight = (to_device(torch.from_numpy(x), settings.device) for x in (rows.target, rows.weight))
    kind = torch.device(settings.device).type
    with torch.autocast(kind, torch.bfloat16, enabled=settings.precision == "bfloat16"):
        logit = module(*inputs)
    loss = _loss(logit.float(), target, weight)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item()


def to_device(rows: Tensor, device: str) -> Tensor:
    """Move rows to a device; planes are laid out channels last, which convolutions prefer."""
    tensor = rows.to(device)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


def _loss(logit: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean of the cross-entropy."""
    each = functional.binary_cross_entropy_with_logits(logit, target, reduction="none")
    return (each * weight).sum() / weight.sum()


def _validate(average: nn.Module, rows: FitRows, settings: FitSettings) -> dict[str, float]:
    """Return the loss on validation rows, and the area under the ROC curve if they have both labels."""
    logit = logits(average, rows.inputs, settings.device)
    loss = _loss(torch.from_numpy(logit), torch.from_numpy(rows.target), torch.from_numpy(rows.weight)).item()
    metrics = {"validation_loss": loss}
    real = rows.target > 0.5
    if real.any() and not real.all():
        metrics["validation_auc"] = evaluation.evaluate(logit, real, bootstrap=0)["auc"]
    return metrics


def move_average(average: nn.Module, module: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the weights of the network by 1 - `decay`."""
    with torch.no_grad():
        for old, new in zip(average.state_dict().values(), module.state_dict().values(), strict=True):
            if old.dtype.is_floating_point:
                old.lerp_(new, 1.0 - decay)
            else:
                old.copy_(new)


def _epochs_since_best(history: list[dict[str, float]]) -> int:
    """Return the number of epochs since the lowest validation loss; 0 if it was not measured."""
    if not history or "validation_loss" not in history[-1]:
        return 0
    losses = [epoch["validation_loss"] for epoch in history]
    return len(losses) - 1 - int(np.argmin(losses))


@contextlib.contextmanager
def seeded(seed: int, epoch: int) -> Iterator[np.random.Generator]:
    """Seed the random numbers of an epoch by its number, so that they are the same when a fit is resumed."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        yield np.random.default_rng([seed, epoch])
