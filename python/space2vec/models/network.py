"""Networks: PyTorch modules, and the same networks in integers, which backends run."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from space2vec import backends, model_files
from space2vec.architectures import NETWORKS, check_shapes, class_name, rebuild
from space2vec.backends.interfaces import CascadeScores
from space2vec.errors import ModelError
from space2vec.errors.packages import need
from space2vec.errors.text import NAME, one_line
from space2vec.model_files.header import CUSTOM, FIRST
from space2vec.model_files.integer_network import IntegerNetwork, header_with_integers, split_integers, vector_length
from space2vec.model_files.needs import Needs
from space2vec.models import runtimes
from space2vec.models.cascade_inputs import first_inputs
from space2vec.models.custom_module import describe_module, to_integers
from space2vec.models.model import Model

if TYPE_CHECKING:
    from typing import Self

    import torch
    from torch import nn

    from space2vec.backends.host import ModelInputs
    from space2vec.data.stamps import Stamps
    from space2vec.data.types import AnyArray, Json

__all__ = ["Network"]

#: The tensors in which files of earlier versions hold an ONNX graph; they are ignored.
_GRAPH = ("onnx", "onnx.cuts")


class Network(Model):
    """A network: P(real) is sigmoid(logit / temperature), calibrated if the model has a calibration.

    It is made from a PyTorch module (:meth:`from_module`), or by :meth:`load`. A network never changes, so that threads
    can share it.

    A network with integers is run by backends, with the same bits on every machine. PyTorch runs any other, in floating
    point. The environment variable ``SPACE2VEC_RUNTIME`` (``torch`` or ``onnxruntime``) makes a runtime run all
    networks.

    Parameters
    ----------
    module : nn.Module
        One of :data:`space2vec.architectures.NETWORKS`, or one of your own if the header says so; a copy of it is kept,
        on the CPU and in eval mode.
    header : space2vec.model_files.header.Header
        The description of the model.
    integers : space2vec.model_files.integer_network.IntegerNetwork, optional
        The same network in integers.
    first : Network, optional
        The first network of a cascade, which scores every row. This network, the second, scores only rows whose first
        score is in the interval ``doubt`` of the header. It takes all inputs of the first one. Its further inputs are
        not prepared for other rows, which have the flag ``scored_early``.

    Attributes
    ----------
    first : Network or None
        The first network of a cascade.
    integers : IntegerNetwork or None
        The network in integers.

    Raises
    ------
    ModelError
        If the header is not that of a network, or describes other inputs than those of the module.
    BackendError
        If ``SPACE2VEC_RUNTIME`` names a runtime that is not installed.
    """

    kind: ClassVar[Literal["network"]] = "network"
    first: Network | None = None
    _shared: nn.Module | None = None

    def __init__(
        self,
        module: nn.Module,
        header: model_files.Header,
        integers: IntegerNetwork | None = None,
        first: Network | None = None,
    ) -> None:
        first_header = None if first is None else first.header
        self._set(replace(header_with_integers(header, integers), first=first_header), integers, first)
        settings = (self.header.architecture or {})["settings"]
        made_with = {"class": class_name(module)} if self.is_custom else module.settings
        if json.dumps(made_with, sort_keys=True) != json.dumps(settings, sort_keys=True):
            raise ModelError(f"the module was made with {made_with}; the header says {settings}")
        self._module: nn.Module | None = self._check_module(copy.deepcopy(module).cpu())
        self._weights = {name: t.numpy(force=True).copy(order="C") for name, t in self._module.state_dict().items()}

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        *,
        like: Network,
        stamps: Stamps | None = None,
        temperature: float = 1.0,
        name: str | None = None,
        training: Mapping[str, Json] | None = None,
        metrics: Mapping[str, Json] | None = None,
        threads: int | None = None,
    ) -> Self:
        """Make a network of a module that you have trained, or written, yourself.

        It takes the recipe, the features and the optional planes of another network, whose metrics, calibration and
        temperature do not hold for other weights.

        Parameters
        ----------
        module : nn.Module
            Takes the inputs of `like`, in the same order, and returns logits (n,). A copy of it is kept, in eval mode.
        like : Network
            The network whose inputs the module takes, such as ``s2v.load("stampnet")``; of a cascade the second one.
        stamps : Stamps, optional
            Candidates, best some hundreds of those it was trained on, on which the scales of integers are measured if
            the module is a ``stampnet`` or ``tablenet``. PyTorch or ONNX Runtime runs all others in floating point.
        temperature : float, optional
            The number by which logits are divided.
        name, training, metrics : optional
            Entries of the model file; by default the name of `like` with the next version, such as ``stampnet v2``.
        threads : int, optional
            Number of threads; one per usable core by default.

        Raises
        ------
        ModelError
            If the module does not take the inputs of `like`, or does not return a logit per row.
        ValueError
            If no stamp can be prepared, or a weight is not finite.
        """
        if not isinstance(like, Network):
            raise ModelError(f"like must be a Network, whose inputs the module takes; given {like!r:.80}")
        plain, about, measured = like.second, dict(training or {}), dict(metrics or {})
        header = describe_module(module, plain.header, plain.id, name, temperature, about, measured)
        network = cls(module, header)
        integers = (
            None if stamps is None else to_integers(network.frozen_module, network.inputs(stamps, threads=threads))
        )
        return network if integers is None else cls(module, header, integers)

    def _set(self, header: model_files.Header, integers: IntegerNetwork | None, first: Network | None) -> None:
        """Check the header, and set everything except the weights."""
        super().__init__(header)
        try:
            model_files.check_architecture(header)
            model_files.check_first(header)
            self.vector = vector_length(header.architecture or {})
        except (KeyError, ValueError) as error:
            raise ModelError(f"it lacks {error}" if isinstance(error, KeyError) else str(error)) from error
        assert header.architecture is not None
        if not self.is_custom and header.architecture["name"] not in NETWORKS:
            raise ModelError(f"unknown architecture {header.architecture['name']!r}; known: {', '.join(NETWORKS)}")
        self.integers = integers
        self.first = first
        self.runtime = None if self.vector and integers else runtimes.runtime_for(self.name, integers is None)

    def _check_module(self, module: nn.Module) -> nn.Module:
        """Set a module to eval mode and return it; ModelError if its inputs are not those in the header."""
        takes = tuple(getattr(type(module), "takes", self.takes if self.is_custom else ()))
        if takes != self.takes:
            raise ModelError(f"the module takes {takes}; the header says {self.takes}")
        try:
            check_shapes(module.eval(), self.shapes)
        except ValueError as error:
            raise ModelError(str(error)) from error
        return module

    @classmethod
    def _of_tensors(cls, header: model_files.Header, tensors: dict[str, AnyArray]) -> Self:
        model = cls._without_check(header, tensors)
        if model.runtime is None:
            backends.on_host().model(model)  # raises if the integers are damaged
        else:
            for network in (model, model.first):
                _ = network and network.frozen_module
        return model

    @classmethod
    def _without_check(cls, header: model_files.Header, tensors: dict[str, AnyArray]) -> Self:
        """Make a network without checking its weights."""
        first_tensors = {name.removeprefix(FIRST): tensors[name] for name in tensors if name.startswith(FIRST)}
        if first_tensors and header.first is None:
            raise ModelError("it holds a first network of which its header says nothing")
        first = None
        if header.first is not None:
            cls._check(header.first)
            first = cls._without_check(header.first, first_tensors)
        others = {name: tensors[name] for name in tensors if name not in _GRAPH and not name.startswith(FIRST)}
        integers, weights = split_integers(header, others)
        model = cls.__new__(cls)
        model._set(header, integers, first)
        model._weights, model._module = weights, None
        return model

    @property
    def is_custom(self) -> bool:
        """Whether its module is one of your own, whose code is not in the model file."""
        return (self.header.architecture or {}).get("name") == CUSTOM

    def _tensors(self) -> dict[str, AnyArray]:
        first_tensors = {} if self.first is None else self.first._tensors()
        integers = {} if self.integers is None else self.integers.to_file()
        return {**self._weights, **integers, **{FIRST + name: tensor for name, tensor in first_tensors.items()}}

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the network as an ONNX file, see :func:`space2vec.models.onnx_graph.make_graph`.

        The file computes in floating point, calibration included. Its scores are those of the network when a runtime
        runs it (``SPACE2VEC_RUNTIME``).

        Raises
        ------
        ImportError
            If PyTorch, onnx or onnxscript is not installed.
        ModelError
            If the network is a cascade, or gives vectors.
        OSError
            If it cannot be written.
        """
        from space2vec.models.onnx_graph import write_graph

        self.check_unchanged()
        write_graph(self, path)

    @property
    def takes(self) -> tuple[str, ...]:
        """The inputs of :meth:`predict` and of the module, in order: ``"planes"``, ``"features"`` or both."""
        return tuple(self.shapes)

    @property
    def module(self) -> nn.Module:
        """The network as an ``nn.Module`` in eval mode, which returns logits (n,) of :meth:`tensors`.

        It is a copy, always the same one, which you may train: :meth:`from_module` makes a network of it. This network
        itself keeps its weights; it refuses to score and to be saved once the copy has others, since that would not be
        the network that you have trained.

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        ModelError
            If the weights do not fit the architecture.
        """
        if self._shared is None:
            self._shared = copy.deepcopy(self.frozen_module)
        return self._shared

    @property
    def frozen_module(self) -> nn.Module:
        """The module that runtimes run; it must not be changed."""
        if self._module is None:
            if self.is_custom:
                kind = (self.header.architecture or {})["settings"].get("class")
                raise ModelError(
                    f"its module is not one of space2vec's but of a class {kind}, whose code is not in the file: load "
                    "it with space2vec.load(FILE, module=...), which takes such a module, or name the class to a "
                    "command by --module PACKAGE.MODULE:CLASS"
                )
            try:
                module = rebuild(self.header.architecture or {}, self._weights)
            except ValueError as error:
                raise ModelError(str(error)) from error
            self._module = self._check_module(module)
        return self._module

    def check_unchanged(self) -> None:
        """Raise a ModelError if :attr:`module` has been trained, so that its weights are no longer the network's."""
        for network in (self, self.first):
            if network is None or network._shared is None:
                continue
            state = {name: tensor.numpy(force=True) for name, tensor in network._shared.state_dict().items()}
            same = state.keys() == network._weights.keys()
            if not same or not all(np.array_equal(state[name], network._weights[name]) for name in state):
                raise ModelError(
                    f"the module of the network {one_line(repr(network.name), NAME)} has been changed, and the network "
                    "has its old weights: Network.from_module(network.module, like=network) makes one of the new"
                )

    def predict_in_floats(self, inputs: Sequence[NDArray[np.float32]], threads: int) -> NDArray[np.float32]:
        """Return P(real) (n,) from the inputs of the network, by its runtime on the host, calibrated.

        It is NaN for a row with a pixel that is not finite.
        """
        if self.first is not None:
            early, second = self.first.predict_in_floats(first_inputs(self, inputs), threads), self.second
            return self.cascade_scores(
                early, lambda rows: second.predict_in_floats([array[rows] for array in inputs], threads)
            ).score
        score = runtimes.run(self.engine("floats", lambda _: runtimes.make_runtime(self)), inputs, threads)
        return score if self.header.calibration is None else self.header.calibration(score)

    def __repr__(self) -> str:
        how = self.header.architecture or {}
        weights = sum(tensor.size for tensor in self._weights.values())
        run = "in integers" if self.runtime is None else f"runtime={self.runtime!r}"
        gives = f", vectors of {self.vector} integers" if self.vector else ""
        size = f"takes={self.takes}, weights={weights}, {run}{gives}"
        name = one_line(repr(self.name), NAME)
        first = "" if self.first is None else f", first={self.first!r}, doubt={self.header.doubt}"
        return f"Network({name}, {how['name']}, {size}{first}{', calibrated' if self.header.calibration else ''})"

    @cached_property
    def second(self) -> Self:
        """The second network of a cascade, as a network of its own; any other network returns itself."""
        if self.first is None:
            return self
        network = copy.copy(self)
        network.header, network.first = replace(self.header, first=None, doubt=None), None
        network.needs = Needs.of(network.header)
        return network

    def __getstate__(self) -> dict[str, object]:
        self.check_unchanged()
        return {name: value for name, value in super().__getstate__().items() if name != "second"} | {"_shared": None}

    def cascade_scores(
        self, score: NDArray[np.float32], score_rows: Callable[[NDArray[np.intp]], NDArray[np.float32]]
    ) -> CascadeScores:
        """Return the scores (n,) of a cascade, and which of them the second network gave.

        Parameters
        ----------
        score : ndarray of float32 (n,)
            The scores of the first network, NaN for a row that it cannot score.
        score_rows : callable
            Takes the numbers (k,) of rows and returns the scores (k,) that the second network gives to them.
        """
        assert self.header.doubt is not None
        by_second = model_files.is_in_doubt(self.header.doubt, score)
        final = score.copy() if self.header.calibration is None else self.header.calibration(score)
        if by_second.any():
            final[by_second] = score_rows(np.flatnonzero(by_second))
        return CascadeScores(final, by_second)

    def inputs(self, stamps: Stamps, *, threads: int | None = None) -> ModelInputs:
        """Return the inputs of the network for stamps on the host, the flags, and which stamps can be scored.

        For a cascade these are the inputs of the second network, which include those of the first one.

        Parameters
        ----------
        stamps : Stamps
            The candidates.
        threads : int, optional
            Number of threads; one per usable core by default.

        Raises
        ------
        TypeError
            If these are not stamps, or their pixels are on a device.
        ModelError
            If they lack pixels or columns that the network needs.
        """
        return backends.on_host().inputs(self.needs, stamps, threads)

    def tensors(self, stamps: Stamps, *, threads: int | None = None) -> tuple[torch.Tensor, ...]:
        """Return the inputs of :attr:`module` for stamps: ``network.module(*network.tensors(stamps))`` are logits.

        Parameters
        ----------
        stamps : Stamps
            The candidates.
        threads : int, optional
            Number of threads; one per usable core by default.

        Returns
        -------
        tuple of torch.Tensor
            The planes (n, channel, height, width), NaN for a row that cannot be prepared, and the features (n, k),
            without those that the network does not take.

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        """
        need("torch", "tensors need PyTorch")
        import torch

        return tuple(torch.from_numpy(array) for array in self.inputs(stamps, threads=threads).arrays)
