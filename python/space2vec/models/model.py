"""What every kind of model is to its user."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec import model_files
from space2vec.backends import choice
from space2vec.data.arrays import lies_on_device
from space2vec.data.device.extension import ordinal
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features, Scores
from space2vec.errors import ModelError
from space2vec.errors.text import NAME, one_line
from space2vec.model_files.header import Header
from space2vec.model_files.needs import Needs, check_version
from space2vec.registry import library_version
from space2vec.writing.atomic_file import write_whole

if TYPE_CHECKING:
    from typing import Self

    import pyarrow

    from space2vec.backends.cuda.pipeline import Pipeline
    from space2vec.backends.interfaces import Network
    from space2vec.model_files.calibration import Calibration
    from space2vec.reading.arrow_table import ArrowSource
    from space2vec.reading.batch import Problem

__all__ = ["Model"]

_Engine = TypeVar("_Engine")

#: What a header tells of a model that no score depends on. Whatever is not named here makes another model.
_OF_NO_SCORE = ("name", "training", "metrics", "library", "imputation")


def _deciding(header: Header) -> dict[str, Any]:
    """Return what of a header scores depend on, as plain values."""
    own = {entry.name: getattr(header, entry.name) for entry in fields(header) if entry.name not in _OF_NO_SCORE}
    if header.calibration is not None:
        own["calibration"] = header.calibration.x, header.calibration.y
    return {name: _deciding(value) if isinstance(value, Header) else value for name, value in own.items()}


class Model:
    """What every model is to its user. It never changes, and threads may share it.

    Parameters
    ----------
    header : space2vec.model_files.header.Header
        What it is.

    Attributes
    ----------
    header : space2vec.model_files.header.Header
        What it is.
    runtime : str or None
        What runs it in floating point, ``"torch"`` or ``"onnxruntime"``; None where backends run it, to the same bits.

    Raises
    ------
    ModelError
        If the header is of another kind of model, or its recipe or its features are not known here.
    """

    kind: ClassVar[Literal["forest", "network"]]
    #: What errors call that which a model takes.
    words: ClassVar[Mapping[str, str]] = {"planes": "planes", "features": "features"}
    #: Of a cascade, the network that is asked first.
    first: Network | None = None

    def __init__(self, header: Header) -> None:
        self._check(header)
        self.header = header
        self.runtime: str | None = None
        self.needs = Needs.of(header)
        self._engines: dict[str, Any] = {}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model file.

        Raises
        ------
        ModelError
            If the file is absent, damaged, of another kind, or made for other definitions of the features or another
            version of the recipe.
        BackendError
            If it is a network in floating point, and PyTorch, which runs it, is absent.
        """
        return cls.of_file(path, *model_files.read(path))

    @classmethod
    def of_file(cls, path: str | os.PathLike[str], header: Header, tensors: dict[str, NDArray[Any]]) -> Self:
        """Return the model that a file holds, as :func:`space2vec.model_files.header.read` gave it.

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
        if header.kind != cls.kind:
            raise ModelError(f"it is of kind {header.kind!r}, not {cls.kind!r}")
        check_version(header)

    @classmethod
    def _of_tensors(cls, header: Header, tensors: dict[str, NDArray[Any]]) -> Self:
        raise NotImplementedError

    def _tensors(self) -> dict[str, NDArray[Any]]:
        """Return what the model file holds beside the header."""
        raise NotImplementedError

    @cached_property
    def file(self) -> bytes:
        """The bytes of its model file, which backends make their model of."""
        return model_files.encode(self.header, self._tensors())

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of whatever scores depend on: every tensor, and the header but for what it tells of the model."""
        tensors = {name: tensor.astype(tensor.dtype.newbyteorder("<")) for name, tensor in self._tensors().items()}
        # The shapes come first, so that no two models give the same bytes.
        shapes = [(name, tensors[name].dtype.str, tensors[name].shape) for name in sorted(tensors)]
        digest = hashlib.sha256(json.dumps([_deciding(self.header), shapes], sort_keys=True).encode() + b"\0")
        for name in sorted(tensors):
            digest.update(tensors[name].tobytes())
        return digest.hexdigest()

    @cached_property
    def id(self) -> str:
        """The name and twelve digits that change with whatever scores depend on: weights, columns, recipe, table."""
        return f"{self.name} {self.digest[:12]}"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as safetensors; an existing file is replaced only once the new one is whole.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        header = replace(self.header, library=self.header.library or library_version())
        write_whole(path, model_files.encode(header, self._tensors()))

    @property
    def name(self) -> str:
        """The model's name."""
        return self.header.name

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns that it takes, in order; none where it takes planes alone."""
        return self.header.feature_names

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """What :meth:`predict` is given, in order, and the shape of a row of it; see :attr:`Needs.shapes`."""
        return self.needs.shapes

    def calibrated(self, calibration: Calibration | None, metrics: Mapping[str, Any] | None = None) -> Self:
        """Return the same model whose scores go through a table, or, without one, are those of the model itself.

        Parameters
        ----------
        calibration : space2vec.model_files.calibration.Calibration or None
            The table.
        metrics : mapping, optional
            What was measured of the scores with it, for the model file; see
            :meth:`space2vec.model_files.header.Header.calibrated`.
        """
        model = copy.copy(self)
        model.header = self.header.calibrated(calibration, None if metrics is None else dict(metrics))
        model.needs = Needs.of(model.header)
        return model

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in self.__dict__.items() if name not in ("file", "digest", "id")}
        return {**kept, "_engines": {}}

    def engine(self, where: str, make: Callable[[bytes], _Engine]) -> _Engine:
        """Return the model as the backend `where` has it: made of the bytes of its file when first asked for, and kept.

        ModelError if the backend finds the file damaged.
        """
        if where not in self._engines:
            try:
                self._engines[where] = make(self.file)
            except ValueError as error:
                raise ModelError(str(error)) from error
        engine: _Engine = self._engines[where]
        return engine

    def predict_in_floats(self, inputs: Sequence[NDArray[np.float32]], threads: int) -> NDArray[np.float32]:
        """Return P(real) (n,) of what the model takes, by its runtime on the host, calibrated."""
        raise NotImplementedError

    def check_shapes(self, given: Sequence[tuple[int, ...]]) -> None:
        """See that inputs have the shapes that the model takes.

        Raises
        ------
        ValueError
            If they have others.
        """
        for own, (what, shape) in zip(given, self.shapes.items(), strict=True):
            if own != (given[0][0] if given[0] else None, *shape):
                wanted = f"({', '.join(map(str, ('n', *shape)))}){', as many rows each' if len(given) > 1 else ''}"
                raise ValueError(f"{self.words[what]} must have shape {wanted}; given {own}")

    def predict(
        self,
        *inputs: ArrayLike | Features | Mapping[str, ArrayLike],
        threads: int | None = None,
        device: str = "auto",
    ) -> NDArray[np.float32]:
        """Return P(real) of rows that are prepared already.

        Parameters
        ----------
        *inputs : array_like or table
            What the model takes, in order: of a network planes (n, channel, height, width) as its recipe prepares them;
            features (n, k) in the order of ``feature_names``, of any real dtype and strides, NaN where undefined or
            masked. Named columns (a mapping, a structured array, a table of Arrow, pandas, Polars or Astropy, Features)
            are taken by their names, in whatever order they are. All on the host, or all on one CUDA device, where they
            are taken as they lie; PyTorch and CuPy convert them there.
        threads : int, optional
            Threads to use, on the host; one a usable core by default. The result does not depend on it.
        device : {"auto", "cpu", "cuda", "cuda:N"}, optional
            Where to compute: where the inputs lie by default.

        Returns
        -------
        ndarray of float32 (n,)
            NaN where a pixel of a row is not finite. On the device of the inputs, in their library.

        Raises
        ------
        BackendError
            If the device is not there, or the inputs lie on another one.
        TypeError
            If an input is not of a real dtype, or lies on a device that cannot be used.
        ValueError
            If the inputs are not those that the model takes, have other shapes, or names for their columns of which
            some are missing or none of the model's; Features may have further ones.
        """
        if len(inputs) != len(self.shapes):
            wanted = " and ".join(self.words[what] for what in self.shapes)
            raise ValueError(f"the model {one_line(repr(self.name), NAME)} takes {wanted}; given {len(inputs)} inputs")
        away = next((given for given in inputs if lies_on_device(given)), None)
        score: NDArray[np.float32] = choice.choose(device, away, self.runtime).predict(self, inputs, threads)
        return score

    def score(self, source: Stamps | Features, *, threads: int | None = None, device: str = "auto") -> Scores:
        """Score candidates: P(real), NaN and a flag where a row cannot be scored.

        Parameters
        ----------
        source : Stamps or Features
            Stamps, which are prepared and measured as the model needs it; or, for a model of features alone, a table
            with its columns.
        threads : int, optional
            Threads to use, on the host; one a usable core by default. The result does not depend on it.
        device : {"auto", "cpu", "cuda", "cuda:N"}, optional
            Where to compute: where the stamps lie by default. Backends give the same bits, unless stamps of the host
            are to be rounded on their way to a device (``SPACE2VEC_DEVICE_PIXELS``, README).

        Returns
        -------
        Scores
            One row a candidate, in the stamps' library where they lie on a device. NaN is a row that a flag forbids to
            score; one without a single column that a model of features needs (flag ``missing``); and one of a network
            of planes whose stamp is under 5 pixels wide or does not hold its candidate (``off_shape``).

        Raises
        ------
        TypeError
            If the source is neither.
        ModelError
            If the source cannot give what the model takes.
        BackendError
            If the device is not there.

        Notes
        -----
        A flag of a row with a score tells what to think of it. ``missing``: the model did without a plane, or, where
        most of its columns are the catalogue's, without all of these. ``zero_scale``: a plane is constant but for a few
        pixels; a network on planes leaves such a row NaN, models of features score it by what is defined. ``padded``:
        the window reaches beyond the stamp; models of features score whatever is left in it, be it 2x2 pixels or beside
        the candidate, which a network on planes does not (``off_shape``). ``scored_early``: the first network of a
        cascade was sure, and nothing that only the second looks at was looked at.
        """
        self.needs.check(source)
        chosen = choice.choose(device, source, self.runtime)
        self.needs.warn_of_units(source, stacklevel=2)
        return chosen.score(self, source, threads)

    def score_arrow(
        self,
        batch: ArrowSource,
        *,
        threads: int | None = None,
        device: str = "cpu",
        problems: list[Problem] | None = None,
    ) -> pyarrow.RecordBatch:
        """Score the alerts of an Arrow table or batch: a row in, a row out, whatever is wrong with it.

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

    def pipeline(self, device: str) -> Pipeline[Any, Scores]:
        """Return a pipeline that scores batches of stamps or features on a CUDA device.

        Raises
        ------
        BackendError
            If the device is not there.
        """
        from space2vec.backends.cuda.backend import Cuda

        return Cuda(ordinal(choice.usable_device(device, self.runtime))).pipeline(self)
