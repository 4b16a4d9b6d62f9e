"""The stages that are measured, and what each of them is on the host and on a device."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec import compute, forest, model, network, normalisers, recipe, registry
from space2vec.bench import on_device
from space2vec.bench.made import full_forest, triplets
from space2vec.bench.rounds import Run
from space2vec.errors import Space2vecError
from space2vec.measure import Measure
from space2vec.registry import FeatureSet
from space2vec.stamps import Stamps

__all__ = ["NotRun", "Ours", "Stage", "stages"]

#: The sets of features, by the name of their stage.
SETS: dict[str, FeatureSet] = {
    "features: eighteen": "autoscan-stamp",
    "features: s2v": "s2v",
    "features: both": "stamp",
}


class NotRun(Exception):  # noqa: N818
    """Why a stage is not run in a column."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage.

    Attributes
    ----------
    name, unit : str
        What it is, and what its rows are.
    host : callable
        Given a number of threads (None: all cores), returns the work on the host.
    place : callable
        Given a slot of a device, puts the data there and returns the work on it, which waits for the device.
    through : callable
        Given a device's number, returns the work from page-locked memory through the device and back.
    moved : int
        Bytes a row that it reads and writes at least, where the data lie.
    carried : int
        Bytes a row that go to the device.
    most : int
        Rows that there are.
    """

    name: str
    unit: str
    host: Callable[[int | None], Run]
    place: Callable[[Any], Run]
    through: Callable[[int], Run]
    moved: int
    carried: int
    most: int


@dataclass
class Ours:
    """What the stages work on.

    Parameters
    ----------
    rows : int
        Triplets.
    side : int
        Their height and width.
    source : path, optional
        Alerts to read; made ones by default, where packets can be written here.
    locked : bool
        Whether the triplets lie in page-locked memory, as a device copies them fastest.

    Attributes
    ----------
    stack : contextlib.ExitStack
        Takes up what the stage under way holds, until it is over.
    """

    rows: int
    side: int = 51
    source: Path | None = None
    locked: bool = False
    pixels: NDArray[np.float32] = field(init=False)
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _folder: Any = None

    def __post_init__(self) -> None:
        self.pixels = triplets(self.rows, self.side)
        if self.locked:
            from space2vec.cuda.slots import pinned

            there = pinned(self.pixels.shape)
            there[:] = self.pixels
            self.pixels = there
        table = compute.features(self.stamps(min(self.rows, 512)), set="stamp")
        self.forest = full_forest(table.values, table.names)
        self.table = np.resize(table.values, (max(4 * self.rows, 1 << 16), len(table.names)))

    def stamps(self, n: int) -> Stamps:
        """Return the first n triplets."""
        return Stamps(self.pixels[:n])

    def night(self) -> Path:
        """Return a folder of alerts.

        Raises
        ------
        NotRun
            If none was given, and none can be made.
        """
        if self.source is not None:
            return self.source
        if self._folder is None:
            try:
                from space2vec.simulation import simulate
                from space2vec.simulation.packet import write_packets

                folder = tempfile.TemporaryDirectory()
                write_packets(simulate(200, seed=1), Path(folder.name))
                self._folder = folder
            except ImportError as error:
                raise NotRun(f"no alerts to read: --alerts FOLDER was not given, and {error}") from None
        return Path(self._folder.name)


def _nowhere(reason: str) -> Callable[[Any], Run]:
    def refuse(_: Any) -> Run:
        raise NotRun(reason)

    return refuse


def stages(ours: Ours) -> Iterator[Stage]:
    """Yield every stage: features, normalisers, the forest, the network, chains of them, reading, recipes."""
    elsewhere = _nowhere("alerts are read by the CPU")
    for stage, own_set in SETS.items():
        yield _feature_stage(ours, stage, own_set)
    for name in registry.NORMALISERS:
        yield _normaliser_stage(ours, name)
    columns = ours.table.shape[1]
    yield Stage(
        "forest", "rows", lambda threads: lambda n: _drop(ours.forest.predict(ours.table[:n], threads=threads)),
        lambda slot: on_device.forest(slot, ours), lambda number: on_device.forest_through(number, ours),
        4 * columns + 4, 4 * columns, len(ours.table),
    )  # fmt: skip
    yield Stage(
        "network", "triplets", lambda threads: _network(ours, threads), lambda slot: on_device.network(slot, ours),
        lambda number: on_device.network_through(number, ours), 0, 0, ours.rows,
    )  # fmt: skip
    yield _chain_stage(ours, "chain: stamps to forest", lambda: ours.forest)
    yield _chain_stage(ours, "chain: stamps to network", default_network)
    yield Stage("read and inflate", "alerts", lambda threads: _read(ours, threads), elsewhere, elsewhere, 0, 0, 1 << 20)
    for own_recipe in registry.RECIPES:
        yield _recipe_stage(ours, recipe.Recipe(own_recipe))


def _recipe_stage(ours: Ours, how: recipe.Recipe) -> Stage:
    plane = 4 * ours.side**2
    return Stage(
        f"prepare: {how.name}", "triplets", lambda threads: _prepare(ours, how, threads),
        lambda slot: on_device.prepare(slot, ours, how), lambda number: on_device.prepare_through(number, ours, how),
        plane * len(how.channels) + 4 * int(np.prod(how.shape)), 3 * plane, ours.rows,
    )  # fmt: skip


def _normaliser_stage(ours: Ours, name: str) -> Stage:
    plane, steps = 4 * ours.side**2, normalisers.chain(name)
    return Stage(
        f"normalise: {name}", "planes", lambda threads: _normalise(ours, steps, threads),
        lambda slot: on_device.normalise(slot, ours, steps),
        lambda number: on_device.normalise_through(number, ours, steps), 2 * plane, plane, 3 * ours.rows,
    )  # fmt: skip


def _feature_stage(ours: Ours, stage: str, name: FeatureSet) -> Stage:
    plane, measure = 4 * ours.side**2, Measure(registry.feature_set(name))
    return Stage(
        stage, "triplets", lambda threads: _features(ours, name, threads),
        lambda slot: on_device.features(slot, ours, measure),
        lambda number: on_device.features_through(number, ours, measure),
        3 * plane + 4 * len(measure.names), 3 * plane, ours.rows,
    )  # fmt: skip


def _chain_stage(ours: Ours, stage: str, judge: Callable[[], forest.Forest | network.Network]) -> Stage:
    return Stage(
        stage, "triplets", lambda threads: _chain(ours, judge(), threads),
        lambda slot: on_device.chain(slot, ours, judge()),
        lambda number: on_device.chain_through(number, ours, judge()), 0, 12 * ours.side**2, ours.rows,
    )  # fmt: skip


def default_network() -> network.Network:
    """Return the packaged network.

    Raises
    ------
    NotRun
        If nothing here runs networks.
    """
    try:
        judge = model.load("default")
    except Space2vecError as error:
        raise NotRun(str(error)) from None
    if not isinstance(judge, network.Network):
        raise NotRun("the packaged model is no network")
    return judge


def inputs_of(judge: network.Network, ours: Ours, n: int) -> tuple[NDArray[np.float32], ...]:
    """Return what a network is given of n triplets: those of 512, again and again."""
    arrays = judge.inputs(ours.stamps(min(n, 512))).arrays
    return tuple(np.resize(values, (n, *values.shape[1:])) for values in arrays)


def _drop(_: Any) -> None:
    """Throw a result away."""


def _read(ours: Ours, threads: int | None) -> Run:
    from space2vec.reading import batches, files

    paths = list(files(ours.night()))

    def run(n: int) -> None:
        done = 0
        while done < n:
            for batch in batches(paths[: n - done], batch=2048, threads=threads):
                done += len(batch.rows)

    return run


def _prepare(ours: Ours, how: recipe.Recipe, threads: int | None) -> Run:
    return lambda n: _drop(compute.prepare(ours.stamps(n), how, threads=threads))


def _normalise(ours: Ours, steps: tuple[registry.Step, ...], threads: int | None) -> Run:
    planes = ours.pixels.reshape(-1, ours.side, ours.side)
    return lambda n: _drop(compute.normalise(planes[:n], steps, threads=threads))


def _features(ours: Ours, name: FeatureSet, threads: int | None) -> Run:
    return lambda n: _drop(compute.features(ours.stamps(n), set=name, threads=threads, device="cpu"))


def _network(ours: Ours, threads: int | None) -> Run:
    judge = default_network()
    given = inputs_of(judge, ours, ours.rows)
    return lambda n: _drop(judge.predict(*(values[:n] for values in given), threads=threads, device="cpu"))


def _chain(ours: Ours, judge: forest.Forest | network.Network, threads: int | None) -> Run:
    return lambda n: _drop(judge.score(ours.stamps(n), threads=threads, device="cpu"))
