"""The base class of all models: what they compute of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.backends import choice, on_host, whole_images
from space2vec.data.arrays import lies_on_device
from space2vec.data.detections import Detections
from space2vec.data.device.extension import ordinal
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.errors import ModelError
from space2vec.errors.text import NAME, one_line
from space2vec.models.stored_model import StoredModel

if TYPE_CHECKING:
    import pyarrow

    from space2vec.backends.cuda.pipeline import Pipeline
    from space2vec.data.vectors import Vectors
    from space2vec.reading.arrow_table import ArrowSource
    from space2vec.reading.batch import Problem

__all__ = ["Model"]


class Model(StoredModel):
    """The base class of models. A model never changes, so that threads can share it.

    Parameters
    ----------
    header : space2vec.model_files.header.Header
        The description of the model.

    Attributes
    ----------
    header : space2vec.model_files.header.Header
        The description of the model.
    runtime : str or None
        The runtime that runs it in floating point, ``"torch"`` or ``"onnxruntime"``; None if backends run it, all with
        the same bits.
    vector : int
        The integers of a vector, for a network that gives vectors; 0 for a model that gives scores.
    needs : space2vec.model_files.needs.Needs
        The pixels and columns that it needs of a candidate.

    Raises
    ------
    ModelError
        If the header is that of another kind of model, or this version does not know its recipe or features.
    """

    #: The name of each input in error messages.
    input_names: ClassVar[Mapping[str, str]] = {"planes": "planes", "features": "features"}

    def check_gives_scores(self) -> None:
        """Raise a ModelError if the model gives vectors."""
        if self.vector:
            raise ModelError(f"the model {one_line(repr(self.name), NAME)} gives vectors, not scores; use embed")

    def check_gives_vectors(self) -> None:
        """Raise a ModelError if the model gives scores, or has no integers, which alone give vectors."""
        name = one_line(repr(self.name), NAME)
        if not self.vector:
            raise ModelError(f"the model {name} gives scores, not vectors; use score")
        if self.runtime is not None:
            raise ModelError(
                f"the model {name} is in floating point, and vectors are computed in integers: "
                "Network.from_module(module, like=network, stamps=stamps) makes them"
            )

    def predict_in_floats(self, inputs: Sequence[NDArray[np.float32]], threads: int) -> NDArray[np.float32]:
        """Return P(real) (n,) from the inputs of the model, by its runtime on the host, calibrated."""
        raise NotImplementedError

    def check_shapes(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Check the shapes of the inputs of the model.

        Raises
        ------
        ValueError
            If the model takes inputs of other shapes.
        """
        for actual, (key, shape) in zip(shapes, self.shapes.items(), strict=True):
            if actual != (shapes[0][0] if shapes[0] else None, *shape):
                wanted = f"({', '.join(map(str, ('n', *shape)))}){', as many rows each' if len(shapes) > 1 else ''}"
                raise ValueError(f"{self.input_names[key]} must have shape {wanted}; given {actual}")

    def predict(
        self,
        *inputs: ArrayLike | Features | Mapping[str, ArrayLike],
        threads: int | None = None,
        device: str = "auto",
    ) -> NDArray[np.float32]:
        """Score rows of planes and features that are prepared already.

        Parameters
        ----------
        *inputs : array_like or table
            The inputs of the model, in the order of :attr:`shapes`: for a network, planes (n, channel, height, width)
            after its recipe; features (n, k) in the order of ``feature_names``, of any real dtype and strides, NaN if
            undefined or masked. Named columns (a mapping, a structured array, a table of Arrow, pandas, Polars or
            Astropy, Features) are taken by their names and may have any order. All inputs are on the host, or all on
            one CUDA device, where they are not copied unless PyTorch or CuPy has to convert them.
        threads : int, optional
            Number of threads on the host; one per usable core by default. The result does not depend on it.
        device : {"auto", "cpu", "cuda", "cuda:N"}, optional
            The device that computes; by default the one that holds the inputs.

        Returns
        -------
        ndarray of float32 (n,)
            P(real), NaN for a row with a pixel that is not finite. It is on the device of the inputs, as an array of
            the same library.

        Raises
        ------
        BackendError
            If the device cannot be used, or the inputs are on another one.
        TypeError
            If an input is not of a real dtype, or is on a device that cannot be used.
        ValueError
            If the number of inputs or their shapes are wrong, or their named columns lack some of the model's or have
            others; only Features may have others.
        ModelError
            If the model gives vectors.
        """
        self.check_gives_scores()
        if len(inputs) != len(self.shapes):
            wanted = " and ".join(self.input_names[key] for key in self.shapes)
            raise ValueError(f"the model {one_line(repr(self.name), NAME)} takes {wanted}; given {len(inputs)} inputs")
        on_device = next((array for array in inputs if lies_on_device(array)), None)
        score: NDArray[np.float32] = choice.choose(device, on_device, self.runtime).predict(self, inputs, threads)
        return score

    def score(
        self, source: Stamps | Features | Detections, *, threads: int | None = None, device: str = "auto"
    ) -> Scores:
        """Score candidates: the probability P(real) of each, or NaN and a flag if it cannot be scored.

        Parameters
        ----------
        source : Stamps, Detections or Features
            Stamps, whose planes are prepared and whose features are measured as the model needs; detections in whole
            images (:func:`space2vec.locate`), whose pixels are read there, on the host, by a model that backends run;
            or, for a model that takes features only, a table with its columns.
        threads : int, optional
            Number of threads on the host; one per usable core by default. The result does not depend on it.
        device : {"auto", "cpu", "cuda", "cuda:N"}, optional
            The device that computes; by default the one that holds the stamps. All devices give the same bits, unless
            ``SPACE2VEC_DEVICE_PIXELS`` rounds pixels that are copied to a device (README).

        Returns
        -------
        Scores
            One row per candidate; for stamps on a device, an array of their library. A score is NaN if a flag forbids
            it; if a model of features has none of its columns (flag ``missing``); or if the stamp for a network of
            planes is less than 5 pixels wide or does not contain its candidate (``off_shape``).

        Raises
        ------
        TypeError
            If the source is of another type.
        ModelError
            If the source lacks pixels or columns that the model needs, or the model gives vectors.
        BackendError
            If the device cannot be used.

        Notes
        -----
        A row with a score may have flags, which show how reliable it is. ``missing``: the model did without a plane or,
        if most of its columns are catalogue columns, without all of these. ``zero_scale``: a plane is constant except
        for a few pixels; models of features score the row by those features that are defined, networks of planes give
        NaN. ``padded``: the window around the candidate extends beyond the stamp; models of features use the pixels
        that it contains, however few, and also if the candidate is outside. ``scored_early``: the first network of a
        cascade was certain, and the second network was not run. ``masked_core`` and ``no_flux_scale``: the model does
        not know such stamps, and the score says little (:func:`space2vec.data.flags.familiar`).
        """
        self.check_gives_scores()
        self.needs.check(source)
        if isinstance(source, Detections):
            return whole_images.score(self, source, threads, device)
        backend = choice.choose(device, source, self.runtime)
        self.needs.warn_of_units(source, stacklevel=2)
        return backend.score(self, source, threads)

    def score_with_columns(self, stamps: Stamps, *, threads: int | None = None) -> tuple[Scores, Features]:
        """Score stamps on the host, and return the columns of the model too, which are measured once for both.

        Parameters
        ----------
        stamps : Stamps
            The candidates, in host memory.
        threads : int, optional
            Number of threads; one per usable core by default. The result does not depend on it.

        Returns
        -------
        scores : Scores
            Those of :meth:`score`, to the bit.
        columns : Features
            The columns ``feature_names`` (n, k) of the model, NaN where undefined, with the flags of the scores; of a
            cascade those of its first network, which scores every row. A network of planes has none.

        Raises
        ------
        TypeError
            If these are not stamps, or their pixels are on a device.
        ModelError
            If they lack pixels or columns that the model needs, or the model gives vectors.

        Examples
        --------
        >>> scores, columns = s2v.load("forest").score_with_columns(s2v.simulate(20, seed=2).stamps)
        >>> columns.values.shape
        (20, 76)
        """
        self.check_gives_scores()
        if not isinstance(stamps, Stamps):
            raise TypeError(f"stamps must be space2vec.Stamps; given {type(stamps).__name__}")
        self.needs.check(stamps)
        self.needs.warn_of_units(stamps, stacklevel=2)
        return on_host().score_with_columns(self, stamps, threads)

    def embed(self, stamps: Stamps | Detections, *, threads: int | None = None, device: str = "auto") -> Vectors:
        """Turn candidates into vectors: those that look alike get vectors of nearly the same direction.

        Parameters
        ----------
        stamps : Stamps or Detections
            The candidates, as for :meth:`score`.
        threads, device
            As for :meth:`score`. All devices give the same bits.

        Returns
        -------
        Vectors
            One row per candidate; for stamps on a device, an array of their library. A vector is zero where a score
            would be NaN, and the flags say why.

        Raises
        ------
        TypeError
            If the source is of another type.
        ModelError
            If the model gives scores, or the source lacks pixels or columns that it needs.
        BackendError
            If the device cannot be used.
        """
        self.check_gives_vectors()
        if not isinstance(stamps, Stamps | Detections):
            raise TypeError(
                f"embed takes space2vec.Stamps or Detections, which have pixels; given {type(stamps).__name__}. "
                "Wrap arrays in Stamps(...)"
            )
        self.needs.check(stamps)
        if isinstance(stamps, Detections):
            return whole_images.embed(self, stamps, threads, device)
        backend = choice.choose(device, stamps)
        self.needs.warn_of_units(stamps, stacklevel=2)
        return backend.embed(self, stamps, threads)

    def score_arrow(
        self,
        batch: ArrowSource,
        *,
        threads: int | None = None,
        device: str = "cpu",
        problems: list[Problem] | None = None,
    ) -> pyarrow.RecordBatch:
        """Score the alerts of an Arrow table or batch: one row for each of its rows, damaged or not.

        Parameters
        ----------
        batch : pyarrow.RecordBatch, pyarrow.Table, or an object with ``__arrow_c_stream__``
            Columns of cutout bytes, ids and what the model takes of the catalogue, under the names that brokers give
            them; see :func:`space2vec.read_arrow`.
        threads : int, optional
            Threads to use, on the host; one a usable core by default. The result does not depend on it.
        device : {"cpu", "cuda", "cuda:N"}, optional
            Where to compute.
        problems : list, optional
            Takes up what was wrong, as for :func:`space2vec.read_arrow`.

        Returns
        -------
        pyarrow.RecordBatch
            With the schema of :meth:`space2vec.Scores.arrow_schema`: object_id, candidate_id, score (NaN where a row
            cannot be scored), flags, model. The ids of candidates are int64 where the columns of ids hold integers,
            and text otherwise, so that all batches of a table have one schema. The scores and flags are those of
            ``space2vec score`` on a file of these rows, however they are divided into batches.

        Raises
        ------
        TypeError
            If it is no Arrow table.
        ReadError
            If no column holds cutouts, or they are of a type that cannot be read.
        BackendError
            If the device is not there.
        """
        from space2vec.reading.arrow_table import score_arrow

        return score_arrow(batch, self, threads=threads, device=device, problems=problems)

    def pipeline(self, device: str) -> Pipeline[Stamps | Features, Scores]:
        """Return a pipeline that scores batches of stamps or features on a CUDA device.

        Raises
        ------
        BackendError
            If the device cannot be used.
        """
        from space2vec.backends.cuda.backend import Cuda

        return Cuda(ordinal(choice.usable_device(device, self.runtime))).pipeline(self)

    def both_pipeline(self, embedder: Model, device: str) -> Pipeline[Stamps, Scores]:
        """Return a pipeline that scores batches of stamps on a CUDA device, with their vectors by another model.

        Raises
        ------
        ModelError
            If this model gives no scores, or the other one no vectors.
        BackendError
            If the device cannot be used.
        """
        from space2vec.backends.cuda.backend import Cuda

        self.check_gives_scores()
        embedder.check_gives_vectors()
        return Cuda(ordinal(choice.usable_device(device, self.runtime))).both_pipeline(self, embedder)

    def embed_pipeline(self, device: str) -> Pipeline[Stamps, Vectors]:
        """Return a pipeline that turns batches of stamps into vectors on a CUDA device.

        Raises
        ------
        BackendError
            If the device cannot be used.
        """
        from space2vec.backends.cuda.backend import Cuda

        return Cuda(ordinal(choice.usable_device(device))).embed_pipeline(self)
