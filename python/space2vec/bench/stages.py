"""The stages that are measured: each is a call on rows, on whatever backend and wherever the rows lie."""

from __future__ import annotations

import contextlib
import functools
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from space2vec import backends, registry
from space2vec.bench.rounds import Run
from space2vec.bench.synthetic_inputs import full_forest, triplets
from space2vec.data.device import extension
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Scores
from space2vec.models.load import load
from space2vec.models.network import Network
from space2vec.plans import steps
from space2vec.plans.features import Measure
from space2vec.plans.recipe import Recipe
from space2vec.registry import FeatureSet

if TYPE_CHECKING:
    from space2vec.backends import Backend
    from space2vec.backends.cuda.backend import Cuda
    from space2vec.backends.cuda.pipeline import Pipeline
    from space2vec.models.model import Model

__all__ = ["IN_PLACE", "QUICK", "THREADS", "NotRun", "Stage", "StageInputs", "stages"]

#: The columns of the CPU, with their threads (None: one a usable core), and the column of data that lie on the GPU.
THREADS: dict[str, int | None] = {"one core": 1, "all cores": None}
IN_PLACE = "gpu in place"
#: The sets of features, by the name of their stage.
_SETS: dict[str, FeatureSet] = {
    "features: autoScan's eighteen": "autoscan-stamp",
    "features: the set s2v": "s2v",
    "features: both sets": "stamp",
}
#: The stages of a quick look.
QUICK = ("alerts", *_SETS, "normalise: median-mad", "prepare: braai", "score: stamps")
#: Rows of a batch on its way through a GPU.
_BATCH = 4096

#: Does the work for rows on a backend, with so many threads, and returns the array of results.
Call = Callable[["Backend", Any, int | None], Any]


class NotRun(Exception):  # noqa: N818
    """Why a stage is not run in a column."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is done (`name`) to rows (`unit`), of which there are `most`; `work` gives the work in a column by its name.

    `moved` are the bytes a row that it reads and writes at least, where the data lie, `carried` those that go to a
    device; 0: not known.
    """

    name: str
    unit: str
    work: Callable[[str], Run]
    most: int
    moved: int = 0
    carried: int = 0


@dataclass
class StageInputs:
    """What the stages work on: so many triplets of a side, a forest and a table for it, and alerts.

    `source` is a folder of alerts; made ones by default, where packets can be written here. `where` is the device
    beside the host, whose copies start in page-locked memory; none if ``"cpu"``. `stack` takes up what the stage under
    way holds, until it is over.
    """

    rows: int
    side: int = 51
    source: Path | None = None
    where: str = "cpu"
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _folder: Any = None

    def __post_init__(self) -> None:
        self.pixels = self.locked(triplets(self.rows, self.side))
        every = Measure(registry.feature_set("stamp"))
        table = backends.on_host().features(self.stamps(min(self.rows, 512)), every, None)
        self.forest = full_forest(table.values, table.names)
        self.table = self.locked(np.resize(table.values, (max(4 * self.rows, 1 << 16), len(table.names))))

    def locked(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return an array in memory that the device copies fastest."""
        if self.where == "cpu":
            return array
        from space2vec.data.device.page_locked import pinned

        there = pinned(array.shape, ordinal=extension.ordinal(self.where))
        there[:] = array
        return there

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


def stages(inputs: StageInputs) -> Iterator[Stage]:
    """Yield every stage, in the order of an alert's way: reading, features, planes, scores."""
    plane, default = 4 * inputs.side**2, load("default")
    assert isinstance(default, Network)
    triplets_of = functools.partial(Stage, unit="triplets", most=inputs.rows, carried=3 * plane)
    yield Stage("alerts: files to stamps", "alerts", _reading(inputs, None), 1 << 20)
    yield Stage("alerts: files to scores", "alerts", _reading(inputs, default), 1 << 20)
    for name, own_set in _SETS.items():
        measure = Measure(registry.feature_set(own_set))
        yield triplets_of(name, work=_features(inputs, measure), moved=3 * plane + 4 * len(measure.names))
    for name in registry.NORMALISERS:
        work = _normaliser(inputs, steps.chain(name))
        yield Stage(f"normalise: {name}", "planes", work, 3 * inputs.rows, 2 * plane, plane)
    for own in registry.RECIPES:
        recipe = Recipe(own)
        moved = plane * len(recipe.channels) + 4 * math.prod(recipe.shape)
        yield triplets_of(f"prepare: {own}", work=_recipe(inputs, recipe), moved=moved)
    columns = 4 * inputs.table.shape[1]
    features = _work(inputs, lambda n: (inputs.table[:n],), _predict(inputs.forest))
    yield Stage("score: features by a forest", "rows", features, len(inputs.table), columns + 4, columns)
    of_model = default.inputs(inputs.stamps(min(inputs.rows, 512))).arrays
    arrays = [inputs.locked(np.resize(values, (inputs.rows, *values.shape[1:]))) for values in of_model]
    carried = 4 * sum(math.prod(values.shape[1:]) for values in arrays)
    ready = _work(inputs, lambda n: tuple(values[:n] for values in arrays), _predict(default))
    yield Stage("score: prepared planes by the default model", "rows", ready, inputs.rows, carried + 4, carried)
    for name, model in (("a forest", inputs.forest), ("the default model", default)):
        yield triplets_of(f"score: stamps by {name}", work=_scores(inputs, model), moved=3 * plane + 4)


def _features(inputs: StageInputs, measure: Measure) -> Callable[[str], Run]:
    return _work(
        inputs, inputs.stamps, lambda on, stamps, threads: on.features(stamps, measure, threads).values,
        lambda cuda: cuda.feature_pipeline(measure),
    )  # fmt: skip


def _normaliser(inputs: StageInputs, steps: tuple[registry.Step, ...]) -> Callable[[str], Run]:
    planes = inputs.pixels.reshape(-1, inputs.side, inputs.side)
    return _work(
        inputs,
        lambda n: (planes[:n],),
        lambda on, given, threads: on.normalise(given[0], None, steps, math.nan, threads)[0],
    )


def _recipe(inputs: StageInputs, recipe: Recipe) -> Callable[[str], Run]:
    return _work(inputs, inputs.stamps, lambda on, stamps, threads: on.prepare(stamps, recipe, threads).planes)


def _predict(model: Model) -> Call:
    return lambda on, inputs, threads: on.predict(model, inputs, threads)


def _scores(inputs: StageInputs, model: Model) -> Callable[[str], Run]:
    return _work(
        inputs, inputs.stamps, lambda on, stamps, threads: on.score(model, stamps, threads).score,
        lambda cuda: cuda.pipeline(model),
    )  # fmt: skip


def _work(
    inputs: StageInputs,
    rows: Callable[[int], Any],
    call: Call,
    pipeline: Callable[[Cuda], Pipeline[Any, Any]] | None = None,
) -> Callable[[str], Run]:
    """Return the work of a call in each column.

    `rows` gives n rows of the host, Stamps or a tuple of arrays. `pipeline` gives what takes batches of the host
    through a device, where there is such a thing; copies, call and copies follow each other otherwise.
    """

    def work(column: str) -> Run:
        if column in THREADS:
            host = backends.on_host()
            return lambda n: _drop(call(host, rows(n), THREADS[column]))
        from space2vec.backends.cuda.backend import Cuda
        from space2vec.data.device.extension import active
        from space2vec.data.device.view import view

        number = extension.ordinal(inputs.where)
        cuda = Cuda(number)
        if column == IN_PLACE:
            there = functools.lru_cache(maxsize=1)(lambda n: _put(rows(n), inputs.where))

            def in_place(n: int) -> None:
                results = call(cuda, there(n), None)
                active(number).stream_wait(number, 0)  # that of arrays which the package makes
                del results  # kept until then: to give memory back is to wait

            return in_place
        if pipeline is None:
            return lambda n: _drop(view(call(cuda, _put(rows(n), inputs.where), None), "results").to_host())
        way = inputs.stack.enter_context(pipeline(cuda))

        def through(n: int) -> None:
            batch = rows(n)
            for _ in way.run(batch[k : k + _BATCH] for k in range(0, n, _BATCH)):
                pass

        return through

    return work


def _put(rows: Any, where: str) -> Any:
    """Copy Stamps or a tuple of arrays to a device."""
    from space2vec.data.device.array import DeviceArray

    if isinstance(rows, Stamps):
        return rows.to_device(where)
    return tuple(DeviceArray.of_host(array, ordinal=extension.ordinal(where)) for array in rows)


def _drop(_: object) -> None:
    """Throw a result away."""


def _reading(inputs: StageInputs, model: Model | None) -> Callable[[str], Run]:
    """Return the work of reading alerts and, if a model is given, scoring them."""

    def work(column: str) -> Run:
        from space2vec.reading import batches, files

        if column not in THREADS and (model is None or column == IN_PLACE):
            raise NotRun("alerts are read by the CPU")
        paths = list(files(inputs.night()))
        if column in THREADS:
            threads, where = THREADS[column], "cpu"
        else:
            threads, where = None, inputs.where
            assert model is not None
            way = inputs.stack.enter_context(model.pipeline(where))

        def run(n: int) -> None:
            done = 0
            while done < n:
                read = (batch.rows for batch in batches(paths[: n - done], threads=threads, model=model, device=where))
                met = done
                for rows in read if where == "cpu" else way.run(read):
                    if model is not None and not isinstance(rows, Scores):
                        model.score(rows, threads=threads, device=where)
                    done += len(rows)
                if done == met:
                    raise NotRun(f"there are no alerts in {inputs.night()}")

        return run

    return work
