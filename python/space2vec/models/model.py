"""The base class of all models: loading, saving, scoring."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec import model_files
from space2vec.backends import choice, whole_images
from space2vec.data.arrays import lies_on_device
from space2vec.data.atomic_file import write_whole
from space2vec.data.detections import Detections
from space2vec.data.device.extension import ordinal
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.errors import ModelError
from space2vec.errors.text import NAME, one_line
from space2vec.model_files.header import Header
from space2vec.model_files.needs import Needs, check_version
from space2vec.models.digest import digest_of
from space2vec.registry import library_version

if TYPE_CHECKING:
    from typing import Self

    import pyarrow
    from torch import nn

    from space2vec.backends.cuda.pipeline import Pipeline
    from space2vec.backends.interfaces import Network
    from space2vec.data.types import AnyArray, Json
    from space2vec.model_files.calibration import Calibration
    from space2vec.reading.arrow_table import ArrowSource
    from space2vec.reading.batch import Problem

__all__ = ["Model"]

_Engine = TypeVar("_Engine")


class Model:
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
    needs : space2vec.model_files.needs.Needs
        The pixels and columns that it needs of a candidate.

    Raises
    ------
    ModelError
        If the header is that of another kind of model, or this version does not know its recipe or features.
    """

    kind: ClassVar[Literal["forest", "network"]]
    #: The name of each input in error messages.
    input_names: ClassVar[Mapping[str, str]] = {"planes": "planes", "features": "features"}
    #: The first network of a cascade; None for any other model.
    first: Network | None = None
    _shared: nn.Module | None = None

    def __init__(self, header: Header) -> None:
        self._check(header)
        self.header = header
        self.runtime: str | None = None
        self.needs = Needs.of(header)
        self._engines: dict[str, object] = {}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model file.

        Raises
        ------
        ModelError
            If the file does not exist, is damaged, holds another kind of model, or was made for other definitions of
            the features or another version of the recipe.
        BackendError
            If it is a network in floating point, and PyTorch, which runs it, is not installed.
        """
        return cls.of_file(path, *model_files.read(path))

    @classmethod
    def of_file(cls, path: str | os.PathLike[str], header: Header, tensors: dict[str, AnyArray]) -> Self:
        """Make a model from the contents of a file, as :func:`space2vec.model_files.header.read` returns them.

        Raises
        ------
        ModelError, BackendError
            As :meth:`load`.
        """
        try:
            cls._check(header)
            return cls._of_tensors(header, tensors)
        except ModelError as error:
            raise ModelError(f"cannot load the model {path}: {error}") from error
        except (MemoryError, RecursionError) as error:
            raise ModelError(f"cannot load the model {path}: {model_files.BEYOND_MEMORY}") from error

    @classmethod
    def _check(cls, header: Header) -> None:
        """Check the kind of the model and the version of its features."""
        if header.kind != cls.kind:
            raise ModelError(f"it is of kind {header.kind!r}, not {cls.kind!r}")
        check_version(header)

    @classmethod
    def _of_tensors(cls, header: Header, tensors: dict[str, AnyArray]) -> Self:
        """Make a model from a header that has been checked and its tensors."""
        raise NotImplementedError

    def _tensors(self) -> dict[str, AnyArray]:
        """Return the tensors of the model file."""
        raise NotImplementedError

    @cached_property
    def file(self) -> bytes:
        """The bytes of its model file, from which backends make their form of the model."""
        return model_files.encode(self.header, self._tensors())

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of everything that scores depend on: all tensors, and the header without descriptive entries."""
        return digest_of(self.header, self._tensors())

    @cached_property
    def id(self) -> str:
        """The name and twelve digits of the digest, which change with everything that scores depend on."""
        return f"{self.name} {self.digest[:12]}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as a safetensors file; an existing file is replaced when the new one is complete.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self.check_unchanged()
        header = replace(self.header, library=self.header.library or library_version())
        write_whole(path, model_files.encode(header, self._tensors()))

    @property
    def name(self) -> str:
        """The model's name."""
        return self.header.name

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns that it takes, in order; empty if it takes planes only."""
        return self.header.feature_names

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The inputs of :meth:`predict` in order, and the shape of one row of each; see :attr:`Needs.shapes`."""
        return self.needs.shapes

    def calibrated(self, calibration: Calibration | None, metrics: Mapping[str, Json] | None = None) -> Self:
        """Return the same model with another calibration of its scores, or with none.

        Parameters
        ----------
        calibration : space2vec.model_files.calibration.Calibration or None
            The calibration.
        metrics : mapping, optional
            Metrics of the calibrated scores, for the model file; see
            :meth:`space2vec.model_files.header.Header.calibrated`.
        """
        model = copy.copy(self)
        model.header = self.header.calibrated(calibration, None if metrics is None else dict(metrics))
        model.needs = Needs.of(model.header)
        return model

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("file", "digest", "id")} | {"_engines": {}}

    def engine(self, backend: str, make: Callable[[bytes], _Engine]) -> _Engine:
        """Return the model in the form of a backend, which is made at the first call and kept.

        Parameters
        ----------
        backend : str
            The name of the backend.
        make : callable
            Makes that form from the bytes of the model file; ValueError if the file is damaged.

        Raises
        ------
        ModelError
            If the backend finds that the file is damaged, or :meth:`check_unchanged` raises one.
        """
        if self._shared is not None:
            self.check_unchanged()
        if backend not in self._engines:
            try:
                self._engines[backend] = make(self.file)
            except ValueError as error:
                raise ModelError(str(error)) from error
        return cast("_Engine", self._engines[backend])

    def check_unchanged(self) -> None:
        """Raise a ModelError if a module that the model has handed out has been changed."""

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
        """
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
            If the source lacks pixels or columns that the model needs.
        BackendError
            If the device cannot be used.

        Notes
        -----
        A row with a score may have flags, which show how reliable it is. ``missing``: the model did without a plane or,
        if most of its columns are catalogue columns, without all of these. ``zero_scale``: a plane is constant except
        for a few pixels; models of features score the row by those features that are defined, networks of planes give
        NaN. ``padded``: the window around the candidate extends beyond the stamp; models of features use the pixels
        that it contains, however few, and also if the candidate is outside. ``scored_early``: the first network of a
        cascade was certain, and the second network was not run.
        """
        self.needs.check(source)
        if isinstance(source, Detections):
            return whole_images.score(self, source, threads, device)
        backend = choice.choose(device, source, self.runtime)
        self.needs.warn_of_units(source, stacklevel=2)
        return backend.score(self, source, threads)

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
