"""The stages to measure, from reading alerts to scores: each is a call on a number of rows, on any backend."""

from __future__ import annotations

import contextlib
import functools
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from space2vec import backends, registry
from space2vec.bench.rounds import Run
from space2vec.bench.synthetic_inputs import full_forest, triplets
from space2vec.data.device import extension
from space2vec.data.stamps import Stamps
from space2vec.models.load import load
from space2vec.models.network import Network
from space2vec.plans import steps
from space2vec.plans.features import FeaturePlan
from space2vec.plans.recipe import Recipe
from space2vec.registry import FeatureSet

if TYPE_CHECKING:
    from space2vec.backends import Backend
    from space2vec.backends.cuda.backend import Cuda
    from space2vec.backends.cuda.pipeline import Pipeline
    from space2vec.data.tables import Features
    from space2vec.data.types import Untyped
    from space2vec.models.model import Model

__all__ = ["IN_PLACE", "QUICK", "THREADS", "NotRun", "Stage", "StageInputs", "stages"]

#: The columns of the CPU, with their number of threads (None: one for each usable core).
THREADS: dict[str, int | None] = {"one core": 1, "all cores": None}
#: The column of the GPU with data that are already in its memory.
IN_PLACE = "gpu in place"
#: The sets of features, by name of the stage that measures each.
_SETS: dict[str, FeatureSet] = {
    "features: autoScan's eighteen": "autoscan-stamp",
    "features: the set s2v": "s2v",
    "features: both sets": "stamp",
}
#: The stages of a quick look.
QUICK = ("alerts", *_SETS, "normalise: median-mad", "prepare: braai", "score: stamps")
#: Rows of a batch that is sent through a GPU.
_BATCH = 4096

#: What a stage is given: Stamps, or a tuple of arrays of NumPy or of the GPU.
StageRows: TypeAlias = Any  # they have no type in common, and each stage knows its own
#: Does the work on a backend, for rows, with a number of threads (None: all), and returns the results.
Call: TypeAlias = Callable[["Backend", StageRows, int | None], object]


class NotRun(Exception):  # noqa: N818
    """The reason why a stage is not run in a column."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage to measure.

    Attributes
    ----------
    name : str
        What is done.
    unit : str
        What it is done to, in the plural.
    work : callable
        Returns the work to time, given the name of a column; raises NotRun if it cannot run there.
    most : int
        The most rows to measure with.
    moved : int
        Bytes per row that the stage must read and write, 0 if unknown.
    carried : int
        Bytes per row that must be copied to a GPU, 0 if unknown.
    """

    name: str
    unit: str
    work: Callable[[str], Run]
    most: int
    moved: int = 0
    carried: int = 0


@dataclass
class StageInputs:
    """The data that the stages work on: triplets, a forest with a table of features for it, and alerts.

    Attributes
    ----------
    rows : int
        Number of triplets.
    side : int
        Side of a triplet in pixels.
    source : path or None
        A folder of alerts to read; None: simulated ones.
    where : str
        The GPU, ``"cpu"`` for none. With a GPU the data are in page-locked memory.
    stack : contextlib.ExitStack
        Holds what the current stage has opened; closed after the stage.
    """

    rows: int
    side: int = 51
    source: Path | None = None
    where: str = "cpu"
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def __post_init__(self) -> None:
        self.pixels = self.page_locked(triplets(self.rows, self.side))
        every = FeaturePlan(registry.feature_set("stamp"))
        table = backends.on_host().features(self.stamps(min(self.rows, 512)), every, None)
        self.forest = full_forest(table.values, table.names)
        self.table = self.page_locked(np.resize(table.values, (max(4 * self.rows, 1 << 16), len(table.names))))

    def page_locked(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Copy an array into page-locked memory, from which a GPU copies fastest; without a GPU return it unchanged."""
        if self.where == "cpu":
            return array
        from space2vec.data.device.page_locked import pinned_array

        copy = pinned_array(array.shape, ordinal=extension.ordinal(self.where))
        copy[:] = array
        return copy

    def stamps(self, n: int) -> Stamps:
        """Return the first n triplets."""
        return Stamps(self.pixels[:n])

    def night(self) -> Path:
        """Return the folder of alerts; simulate one at the first call if no folder was given.

        Raises
        ------
        NotRun
            If no folder was given and alerts cannot be simulated.
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
    """Yield every stage, in the order in which an alert passes them: reading, features, planes, scores."""
    plane, default = 4 * inputs.side**2, load("default")
    assert isinstance(default, Network)
    triplets_of = functools.partial(Stage, unit="triplets", most=inputs.rows, carried=3 * plane)
    yield Stage("alerts: files to stamps", "alerts", _reading(inputs, None), 1 << 20)
    yield Stage("alerts: files to scores", "alerts", _reading(inputs, default), 1 << 20)
    for name, feature_set in _SETS.items():
        measure = FeaturePlan(registry.feature_set(feature_set))
        yield triplets_of(name, work=_measure_features(inputs, measure), moved=3 * plane + 4 * len(measure.names))
    for name in registry.NORMALISERS:
        work = _normalise(inputs, steps.chain(name))
        yield Stage(f"normalise: {name}", "planes", work, 3 * inputs.rows, 2 * plane, plane)
    for recipe_name in registry.RECIPES:
        recipe = Recipe(recipe_name)
        moved = plane * len(recipe.channels) + 4 * math.prod(recipe.shape)
        yield triplets_of(f"prepare: {recipe_name}", work=_prepare(inputs, recipe), moved=moved)
    columns = 4 * inputs.table.shape[1]
    features = _work(inputs, lambda n: (inputs.table[:n],), _predict(inputs.forest))
    yield Stage("score: features by a forest", "rows", features, len(inputs.table), columns + 4, columns)
    of_model = default.inputs(inputs.stamps(min(inputs.rows, 512))).arrays
    arrays = [inputs.page_locked(np.resize(values, (inputs.rows, *values.shape[1:]))) for values in of_model]
    carried = 4 * sum(math.prod(values.shape[1:]) for values in arrays)
    ready = _work(inputs, lambda n: tuple(values[:n] for values in arrays), _predict(default))
    yield Stage("score: prepared planes by the default model", "rows", ready, inputs.rows, carried + 4, carried)
    for name, model in (("a forest", inputs.forest), ("the default model", default)):
        yield triplets_of(f"score: stamps by {name}", work=_score(inputs, model), moved=3 * plane + 4)


def _measure_features(inputs: StageInputs, measure: FeaturePlan) -> Callable[[str], Run]:
    """Return the work of measuring features of stamps."""
    return _work(
        inputs, inputs.stamps, lambda on, stamps, threads: on.features(stamps, measure, threads).values,
        lambda cuda: cuda.feature_pipeline(measure),
    )  # fmt: skip


def _normalise(inputs: StageInputs, steps: tuple[registry.Step, ...]) -> Callable[[str], Run]:
    """Return the work of normalising planes."""
    planes = inputs.pixels.reshape(-1, inputs.side, inputs.side)
    return _work(
        inputs,
        lambda n: (planes[:n],),
        lambda on, arrays, threads: on.normalise(arrays[0], None, steps, math.nan, threads).planes,
    )


def _prepare(inputs: StageInputs, recipe: Recipe) -> Callable[[str], Run]:
    """Return the work of preparing planes of stamps by a recipe."""
    return _work(inputs, inputs.stamps, lambda on, stamps, threads: on.prepare(stamps, recipe, threads).planes)


def _predict(model: Model) -> Call:
    """Return a call of a model on the arrays that it takes."""
    return lambda on, inputs, threads: on.predict(model, inputs, threads)


def _score(inputs: StageInputs, model: Model) -> Callable[[str], Run]:
    """Return the work of scoring stamps."""
    return _work(
        inputs, inputs.stamps, lambda on, stamps, threads: on.score(model, stamps, threads).score,
        lambda cuda: cuda.pipeline(model),
    )  # fmt: skip


def _work(
    inputs: StageInputs,
    rows: Callable[[int], StageRows],
    call: Call,
    pipeline: Callable[[Cuda], Pipeline[Stamps | Features, Untyped]] | None = None,
) -> Callable[[str], Run]:
    """Turn a call into the work of each column.

    Parameters
    ----------
    inputs : StageInputs
        The data.
    rows : callable
        Returns the first n rows in memory of the host: Stamps, or a tuple of arrays.
    call : callable
        What to time.
    pipeline : callable, optional
        Opens a pipeline that sends batches through a GPU while copies and kernels overlap. Without it, the copy to the
        GPU, the call and the copy back follow one another.

    Returns
    -------
    callable
        The work in a column, by the name of the column.
    """

    def work(column: str) -> Run:
        if column in THREADS:
            host = backends.on_host()
            return lambda n: _discard(call(host, rows(n), THREADS[column]))
        from space2vec.backends.cuda.backend import Cuda
        from space2vec.data.device.extension import active
        from space2vec.data.device.view import view

        number = extension.ordinal(inputs.where)
        cuda = Cuda(number)
        if column == IN_PLACE:
            rows_on_gpu = functools.lru_cache(maxsize=1)(lambda n: _copy_to_device(rows(n), inputs.where))

            def in_place(n: int) -> None:
                results = call(cuda, rows_on_gpu(n), None)
                active(number).stream_wait(number, 0)  # the stream of arrays that the package makes
                del results  # kept until here, because freeing memory of a GPU waits for it

            return in_place
        if pipeline is None:
            return lambda n: _discard(
                view(call(cuda, _copy_to_device(rows(n), inputs.where), None), "results").to_host()
            )
        opened = inputs.stack.enter_context(pipeline(cuda))

        def with_transfers(n: int) -> None:
            batch = rows(n)
            for _ in opened.run(batch[k : k + _BATCH] for k in range(0, n, _BATCH)):
                pass

        return with_transfers

    return work


def _copy_to_device(rows: StageRows, where: str) -> StageRows:
    """Copy rows (Stamps, or a tuple of arrays) to a GPU; the result has the same form."""
    from space2vec.data.device.array import DeviceArray

    if isinstance(rows, Stamps):
        return rows.to_device(where)
    return tuple(DeviceArray.of_host(array, ordinal=extension.ordinal(where)) for array in rows)


def _discard(_: object) -> None:
    """Discard a result, so that a lambda returns None."""


def _reading(inputs: StageInputs, model: Model | None) -> Callable[[str], Run]:
    """Return the work of reading alerts and, if a model is given, scoring them."""

    def work(column: str) -> Run:
        from space2vec.reading import batches, files
        from space2vec.reading.concatenated_rows import as_scores

        if column not in THREADS and (model is None or column == IN_PLACE):
            raise NotRun("alerts are read by the CPU")
        paths = list(files(inputs.night()))
        if column in THREADS:
            threads, where = THREADS[column], "cpu"
        else:
            threads, where = None, inputs.where
            assert model is not None
            pipeline = inputs.stack.enter_context(model.pipeline(where))

        def run(n: int) -> None:
            done = 0
            while done < n:
                read = (batch.rows for batch in batches(paths[: n - done], threads=threads, model=model, device=where))
                before = done
                for rows in read if where == "cpu" else pipeline.run(cast("Iterator[Stamps | Features]", read)):
                    if model is not None:
                        as_scores(rows, model, threads=threads, device=where)
                    done += len(rows)
                if done == before:
                    raise NotRun(f"there are no alerts in {inputs.night()}")

        return run

    return work
