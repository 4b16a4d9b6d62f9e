"""What could make tablenet better on the labelled rows of DES? Each try is measured by cross-validation, ten folds.

    python -m benchmarks.accuracy.table_tries [TRY ...] [--splits 0] [--kept FOLDER] [--data FOLDER]

Every try changes one thing of how ``space2vec.training.train_tablenet`` fits its network; the trees that teach it are
trained once for each fold, unless the try changes them. A try is scored in floating point. ``--splits``: seeds of the
division into folds; 0 is the one of ``forest_vs_network``. Results are added to the JSON file by the name of the try.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.accuracy.result_cache import ResultCache, code_digest, digest
from benchmarks.programs import REPOSITORY, print_progress, processor, versions
from space2vec import evaluation, reading, registry
from space2vec.architectures.tablenet import TableNet
from space2vec.training.distill import FIT_SETTINGS, DistillSettings, TaughtRows, taught_rows
from space2vec.training.folds import split_folds
from space2vec.training.loop import FitSettings, move_average, seeded

RESULTS = REPOSITORY / "benchmarks" / "results" / "table_tries.json"
FOLDS = 10
USUAL = DistillSettings()
#: Trees that learn at a slower rate, from fewer columns a split, and twice as many.
SLOWER = DistillSettings(iterations=600, shrinkage=0.03, columns=0.2)
PACKAGES = ("numpy", "scikit-learn", "torch")


@dataclass(frozen=True)
class Table:
    """One fold: its taught rows (n + m), and what the first layer takes of these and of the held-out rows."""

    taught: TaughtRows
    inputs: Tensor
    held: Tensor
    columns: int


class Perceptrons(nn.Module):
    """Perceptrons side by side, all of which take the same rows; ``adapted``: they share their weights.

    Perceptrons that share their weights differ in vectors that multiply what goes into each layer and what comes out
    of it, in their biases and in their last layer (TabM: Gorishniy, Kotelnikov & Babenko 2024, arXiv:2410.24210).
    ``periodic``: sines and cosines of each of the first columns, of so many learned frequencies, are added to the rows
    (Gorishniy, Rubachev & Babenko 2022, arXiv:2203.05556).
    """

    def __init__(
        self,
        width: int,
        hidden: tuple[int, ...] = (256, 256),
        members: int = 1,
        dropout: float = 0.05,
        *,
        adapted: bool = False,
        periodic: int = 0,
        columns: int = 0,
    ) -> None:
        super().__init__()
        self.dropout, self.columns, self.members = dropout, columns, members
        self.frequencies = nn.Parameter(0.3 * torch.randn(columns, periodic)) if periodic else None
        widths = [width + 2 * columns * periodic, *hidden, 1]
        layers = list(pairwise(widths))
        self.weight, self.bias = nn.ParameterList(), nn.ParameterList()
        self.scale_in, self.scale_out = nn.ParameterList(), nn.ParameterList()
        for number, (inner, outer) in enumerate(layers):
            bound = 1.0 / math.sqrt(inner)
            own = 1 if adapted and number < len(layers) - 1 else members
            self.weight.append(torch.empty(own, inner, outer).uniform_(-bound, bound))
            self.bias.append(torch.empty(members, 1, outer).uniform_(-bound, bound))
            if adapted:
                signs = torch.randint(0, 2, (members, 1, inner)) * 2.0 - 1.0
                self.scale_in.append(signs if number == 0 else torch.ones(members, 1, inner))
                self.scale_out.append(torch.ones(members, 1, outer))

    def hidden(self, x: Tensor) -> Tensor:
        """Return the last hidden layer (members, n, h) of rows (n, w)."""
        if self.frequencies is not None:
            angle = 2.0 * math.pi * x[:, : self.columns, None] * self.frequencies
            x = torch.cat([x, torch.sin(angle).flatten(1), torch.cos(angle).flatten(1)], dim=1)
        out = x[None]
        for number in range(len(self.weight) - 1):
            out = functional.dropout(functional.relu(self._layer(out, number)), self.dropout, self.training)
        return out

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (members, n) of rows (n, w)."""
        return self._layer(self.hidden(x), len(self.weight) - 1)[..., 0]

    def _layer(self, x: Tensor, number: int) -> Tensor:
        if self.scale_in:
            out: Tensor = (x * self.scale_in[number]) @ self.weight[number] * self.scale_out[number]
        else:
            out = x @ self.weight[number]
        return out + self.bias[number]


Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logit: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy of each member's logits (members, n), summed over the members."""
    return functional.binary_cross_entropy_with_logits(logit, target.expand_as(logit), reduction="none").mean(1).sum()


def robust(logit: Tensor, target: Tensor, q: float = 0.5) -> Tensor:
    """Return the generalised cross-entropy, which wrong labels move less (Zhang & Sabuncu 2018, arXiv:1805.07836)."""
    real = torch.sigmoid(logit).clamp(1e-6, 1 - 1e-6)
    each = target * (1 - real**q) / q + (1 - target) * (1 - (1 - real) ** q) / q
    return each.mean(1).sum()


def fitted(
    table: Table,
    targets: NDArray[np.float32],
    module: Perceptrons,
    settings: FitSettings = FIT_SETTINGS,
    *,
    made: int = USUAL.interpolated_per_epoch,
    loss: Loss = cross_entropy,
    mixup: float = 0.0,
    chosen: NDArray[np.intp] | None = None,
) -> Perceptrons:
    """Fit perceptrons to all labelled rows, or those chosen, and `made` interpolated ones for each in an epoch."""
    count, target = len(table.taught.labels), torch.from_numpy(targets)
    labelled = np.arange(count) if chosen is None else chosen
    average = copy.deepcopy(module).requires_grad_(False)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.0, weight_decay=settings.weight_decay)
    step = 0
    for epoch in range(settings.epochs):
        with seeded(settings.seed, epoch) as rng:
            new = count + rng.choice(
                len(targets) - count, min(made * len(labelled), len(targets) - count), replace=False
            )
            rows = np.concatenate([labelled, new])
            steps = -(-len(rows) // settings.batch)
            module.train()
            for batch in np.array_split(rng.permutation(rows), steps):
                x, y = table.inputs[batch], target[batch]
                if mixup:
                    share, other = float(rng.beta(mixup, mixup)), torch.from_numpy(rng.permutation(len(batch)))
                    x, y = share * x + (1 - share) * x[other], share * y + (1 - share) * y[other]
                optimiser.param_groups[0]["lr"] = settings.rate(step, steps * settings.epochs)
                optimiser.zero_grad()
                loss(module(x), y).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                step += 1
                move_average(average, module, min(settings.average, (1.0 + step) / (10.0 + step)))
    return average.eval()


def perceptrons(table: Table, seed: int, **settings: Any) -> Perceptrons:
    """Return perceptrons for the rows of a fold, with weights drawn by the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Perceptrons(table.inputs.shape[1], columns=table.columns, **settings)


def logits(module: Perceptrons, rows: Tensor) -> NDArray[np.float32]:
    """Return the mean logit (n,) of the perceptrons."""
    with torch.inference_mode():
        return module(rows).mean(0).numpy()


Try = Callable[[Table, int], NDArray[np.float32]]


def plain(*, trust: float = USUAL.trust, fit: dict[str, Any] | None = None, **settings: Any) -> Try:
    """Return a try with other settings of the fit (of FitSettings, or of `fitted`), or of the perceptrons."""
    ours = {key: settings.pop(key) for key in ("made", "loss", "mixup") if key in settings}

    def score(table: Table, seed: int) -> NDArray[np.float32]:
        how = replace(FIT_SETTINGS, seed=seed, **(fit or {}))
        module = fitted(table, table.taught.targets(trust), perceptrons(table, seed, **settings), how, **ours)
        return logits(module, table.held)

    return score


def own_scores(table: Table, seed: int, folds: int = 5) -> NDArray[np.float32]:
    """Distil the network into itself: half of the teacher's score is by networks fitted without the row."""
    count, own = len(table.taught.labels), np.zeros(len(table.inputs))
    for fold in split_folds(table.taught.labels, folds=folds, seed=seed):
        module = fitted(
            table,
            table.taught.targets(USUAL.trust),
            perceptrons(table, seed + 1),
            replace(FIT_SETTINGS, seed=seed),
            chosen=fold.train,
        )
        score = 1.0 / (1.0 + np.exp(-logits(module, table.inputs)))
        own[fold.test] = score[fold.test]
        own[count:] += score[count:] / folds
    taught = replace(table.taught, scores=0.5 * (table.taught.scores + own))
    module = fitted(table, taught.targets(USUAL.trust), perceptrons(table, seed), replace(FIT_SETTINGS, seed=seed))
    return logits(module, table.held)


def pretrained(table: Table, seed: int, hidden: float = 0.3, epochs: int = 5) -> NDArray[np.float32]:
    """Fit the hidden layers first to give back columns that are hidden from them; then all layers, as usual."""
    module = perceptrons(table, seed)
    width = table.inputs.shape[1]
    bins = (width - 2 * table.columns) // table.columns
    with seeded(seed, 1000) as rng:
        head = nn.Linear(256, table.columns)
        optimiser = torch.optim.AdamW([*module.parameters(), *head.parameters()], lr=1e-3)
        for _ in range(epochs):
            for batch in np.array_split(rng.permutation(len(table.inputs)), -(-len(table.inputs) // 256)):
                x = table.inputs[batch]
                mask = torch.from_numpy(rng.random((len(batch), table.columns)) < hidden).float()
                parts = [mask, torch.zeros_like(mask), mask.repeat_interleave(bins, dim=1)]
                given = x * (1.0 - torch.cat(parts, dim=1))
                miss = (head(module.hidden(given)[0]) - x[:, : table.columns]) * mask
                optimiser.zero_grad()
                (miss.square().sum() / mask.sum()).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
    fitted_module = fitted(table, table.taught.targets(USUAL.trust), module, replace(FIT_SETTINGS, seed=seed))
    return logits(fitted_module, table.held)


#: The tries; the second entry says which trees teach.
TRIES: dict[str, tuple[Try, DistillSettings]] = {
    "as it is": (plain(), USUAL),
    "as it is, another seed": (lambda table, seed: plain()(table, seed + 100), USUAL),
    "trees' share 0.5": (plain(trust=0.5), USUAL),
    "trees' share 0.9": (plain(trust=0.9), USUAL),
    "trees' share 1": (plain(trust=1.0), USUAL),
    "slower trees": (plain(), SLOWER),
    "periodic encoding": (plain(periodic=8), USUAL),
    "dropout 0.2": (plain(dropout=0.2), USUAL),
    "512 units": (plain(hidden=(512, 512)), USUAL),
    "40 epochs": (plain(fit={"epochs": 40}), USUAL),
    "seven interpolated rows for three": (plain(made=7), USUAL),
    "mixed rows": (plain(mixup=0.3), USUAL),
    "robust loss": (plain(loss=robust), USUAL),
    "pre-trained on hidden columns": (pretrained, USUAL),
    "own scores out of fold": (own_scores, USUAL),
    "five networks": (plain(members=5), USUAL),
    "eight that share weights": (plain(members=8, adapted=True), USUAL),
}


def tables(
    x: NDArray[np.float32], y: NDArray[np.int64], split: int, trees: DistillSettings, cache: ResultCache
) -> Iterator[tuple[Table, NDArray[np.intp]]]:
    """Yield each fold of a split with the numbers of its held-out rows; trees that were trained before are kept."""
    for number, (train, test) in enumerate(split_folds(y, folds=FOLDS, seed=split)):
        module = TableNet(names=registry.AUTOSCAN)
        module.fit_features(x[train])

        def teach(module: TableNet = module, train: NDArray[np.intp] = train) -> NDArray[np.float32]:
            taught = taught_rows(module, x[train], y[train], None, trees, np.random.default_rng([0, 2]))
            return np.column_stack([taught.rows, taught.scores]).astype(np.float32)

        depends = {"x": digest(x[train], y[train]), "trees": str(trees), "code": code_digest("torch"),
                   "versions": versions(PACKAGES)}  # fmt: skip
        kept = cache.get(f"trees {split} {number}", depends, teach)
        taught = TaughtRows(np.ascontiguousarray(kept[:, :-1]), y[train], kept[:, -1].astype(np.float64))
        inputs, held = encoded(module, taught.rows), encoded(module, x[test])
        yield Table(taught, inputs, held, module.derived.width), test


def encoded(module: TableNet, rows: NDArray[np.float32]) -> Tensor:
    """Return what the first layer of tablenet takes, of rows (n, k)."""
    with torch.no_grad():
        derived = module.derived(torch.from_numpy(rows))
        scaled = module.scaled(derived)
        return torch.cat([scaled, module.encoded(scaled[:, : derived.shape[1]])], dim=1)


def main() -> None:
    """Measure the tries that are asked for."""
    options = argparse.ArgumentParser(description="Tries for tablenet.")
    options.add_argument("tries", nargs="*", metavar="TRY", help="; ".join(TRIES))
    options.add_argument("--splits", type=int, nargs="+", default=[0])
    options.add_argument("--kept", type=Path, metavar="FOLDER", help="folder that keeps scores between runs")
    options.add_argument("--data", type=Path, default=Path(os.environ.get("SPACE2VEC_DATA", "../shared/data")))
    options.add_argument("--json", type=Path, default=RESULTS)
    options.add_argument("--threads", type=int, default=1)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    path, cache = chosen.data / "des_autoscan" / "autoscan_features_train.csv", ResultCache(chosen.kept)
    x = np.asarray(reading.read(path).select(registry.AUTOSCAN), dtype=np.float32)
    y = reading.read_labels(path).real.astype(np.int64)
    for split in chosen.splits:
        for name in chosen.tries or TRIES:
            score, trees = TRIES[name]
            depends = {"x": digest(x, y), "code": code_digest("torch"), "tries": Path(__file__).read_text("utf-8"),
                       "versions": versions(PACKAGES)}  # fmt: skip

            def crossed(split: int = split, score: Try = score, trees: DistillSettings = trees) -> NDArray[np.float32]:
                logit = np.empty(len(y), dtype=np.float32)
                for number, (table, test) in enumerate(tables(x, y, split, trees, cache)):
                    logit[test] = score(table, number)
                return logit

            print_progress(f"split {split}: {name}")
            found = evaluation.evaluate(
                1.0 / (1.0 + np.exp(-cache.get(f"try {name} {split}", depends, crossed))), y, bootstrap=2000
            )
            print(f"split {split}: {name}: {found}", flush=True)
            record(chosen.json, name, split, found.to_dict())


def record(path: Path, name: str, split: int, found: dict[str, Any]) -> None:
    """Add a result to the file of results."""
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"folds": FOLDS, "tries": {}}
    results |= {
        "date": datetime.date.today().isoformat(), "processor": processor(), "versions": versions(PACKAGES)
    }  # fmt: skip
    results["tries"].setdefault(name, {})[str(split)] = found
    path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
