"""Models as their files hold them: reading, checking, saving, and the forms of a model that backends make."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar, cast

from space2vec import model_files
from space2vec.data.atomic_file import write_whole
from space2vec.errors import ModelError
from space2vec.model_files.header import Header
from space2vec.model_files.needs import Needs, check_version
from space2vec.models.digest import digest_of
from space2vec.registry import library_version

if TYPE_CHECKING:
    from typing import Self

    from torch import nn

    from space2vec.backends.interfaces import Network
    from space2vec.data.types import AnyArray, Json
    from space2vec.model_files.calibration import Calibration

__all__ = ["StoredModel"]

_Engine = TypeVar("_Engine")


class StoredModel:
    """A model without what it computes: its header, its file, its digest, and the forms that backends make of it.

    The parameters, attributes and errors are those of :class:`space2vec.models.model.Model`.
    """

    kind: ClassVar[Literal["forest", "network"]]
    #: The first network of a cascade; None for any other model.
    first: Network | None = None
    _shared: nn.Module | None = None

    def __init__(self, header: Header) -> None:
        self._check(header)
        self.header = header
        self.runtime: str | None = None
        self.vector = 0
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
