"""For users of Ray Data: scores of alerts in a Dataset. Install ``ray[data]``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from space2vec.errors.packages import need
from space2vec.models.workers import BatchScorer, ModelSource

if TYPE_CHECKING:
    import pyarrow
    from ray.data import Dataset

__all__ = ["Scorer", "score"]


class Scorer(BatchScorer):
    """A callable for ``Dataset.map_batches``: tables of alerts in, their scores out.

    Parameters
    ----------
    model : str, path, or Forest or Network
        A packaged name, a path that the workers can read, or the model.
    passthrough : sequence of str, optional
        Columns that go along into the result.
    threads : int, optional
        Threads of one actor; one by default.

    Examples
    --------
    ``dataset.map_batches(Scorer, fn_constructor_kwargs={"model": "forest"}, batch_format="pyarrow", concurrency=4)``
    """

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """Return a row for each row; a block without rows, which has no columns, gives none."""
        if batch.num_rows == 0 and not batch.column_names:
            return batch
        return super().__call__(batch)


def score(
    dataset: Dataset,
    model: ModelSource = "default",
    passthrough: Sequence[str] = (),
    *,
    workers: int | None = None,
    batch_size: int = 512,
) -> Dataset:
    """Score the alerts of a Ray Dataset: one row for each alert, damaged or not.

    Parameters
    ----------
    dataset : ray.data.Dataset
        Columns of cutouts and ids under the names that brokers give them; see :func:`space2vec.read_arrow`.
    model : str, path, or Forest or Network
        A packaged name, or a path that the workers can read; each loads it once. A model itself is sent to them.
    passthrough : sequence of str, optional
        Columns that go along into the result.
    workers : int, optional
        Actors, of one CPU each; by default one fewer than the cluster has CPUs, for reading needs one.
    batch_size : int, optional
        Rows of a batch.

    Returns
    -------
    ray.data.Dataset
        object_id, candidate_id, score (NaN where a row cannot be scored), flags (a list of names), model, and the
        columns that go along; see :meth:`space2vec.Scores.arrow_schema`.

    Raises
    ------
    ImportError
        If Ray is not installed.
    ModelError
        If there is no packaged model of this name.
    ValueError
        If a column that goes along has the name of one of the result's own.
    """
    need("ray", "scores in Ray need it")
    import ray

    Scorer(model, passthrough)  # errors in these are raised here, and not by an actor
    if workers is None:
        workers = max(1, int(ray.cluster_resources().get("CPU", 2)) - 1)
    return dataset.map_batches(
        Scorer,
        fn_constructor_kwargs={"model": model, "passthrough": passthrough},
        batch_format="pyarrow",
        batch_size=batch_size,
        concurrency=workers,
        num_cpus=1,
    )
