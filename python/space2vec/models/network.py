"""Networks: PyTorch modules, and the same networks in integers, which backends run."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal  # Any: tensors of any dtype

import numpy as np
from numpy.typing import NDArray

from space2vec import backends, model_files
from space2vec.architectures import NETWORKS, check_shapes, rebuild
from space2vec.backends.interfaces import CascadeScores
from space2vec.errors import ModelError
from space2vec.errors.packages import need
from space2vec.errors.text import NAME, one_line
from space2vec.model_files.header import FIRST
from space2vec.model_files.integer_network import IntegerNetwork, header_with_integers, split_integers
from space2vec.model_files.needs import Needs
from space2vec.models import runtimes
from space2vec.models.model import Model

if TYPE_CHECKING:
    from typing import Self

    import torch
    from torch import nn

    from space2vec.backends.host import ModelInputs
    from space2vec.data.stamps import Stamps
    from space2vec.data.types import AnyArray

__all__ = ["Network"]

#: The tensors in which files of earlier versions hold an ONNX graph; they are ignored.
_GRAPH = ("onnx", "onnx.cuts")


class Network(Model):
    """A network: P(real) is sigmoid(logit / temperature), calibrated if the model has a calibration.

    It is made from a PyTorch module, or by :meth:`load`. A network never changes, so that threads can share it.

    A network with integers is run by backends, with the same bits on every machine. PyTorch runs any other, in floating
    point. The environment variable ``SPACE2VEC_RUNTIME`` (``torch`` or ``onnxruntime``) makes a runtime run all
    networks.

    Parameters
    ----------
    module : nn.Module
        One of :data:`space2vec.architectures.NETWORKS`; a copy of it is kept, on the CPU and in eval mode.
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
        if json.dumps(module.settings, sort_keys=True) != json.dumps(settings, sort_keys=True):
            raise ModelError(f"the module was made with {module.settings}; the header says {settings}")
        self._module: nn.Module | None = self._check_module(copy.deepcopy(module).cpu())
        self._weights = {name: t.numpy(force=True).copy(order="C") for name, t in self._module.state_dict().items()}

    def _set(self, header: model_files.Header, integers: IntegerNetwork | None, first: Network | None) -> None:
        """Check the header, and set everything except the weights."""
        super().__init__(header)
        try:
            model_files.check_architecture(header)
            model_files.check_first(header)
        except ValueError as error:
            raise ModelError(str(error)) from error
        assert header.architecture is not None
        if header.architecture["name"] not in NETWORKS:
            raise ModelError(f"unknown architecture {header.architecture['name']!r}; known: {', '.join(NETWORKS)}")
        self.integers = integers
        self.first = first
        self.runtime = runtimes.runtime_for(self.name, integers is None)

    def _check_module(self, module: nn.Module) -> nn.Module:
        """Set a module to eval mode and return it; ModelError if its inputs are not those in the header."""
        takes = tuple(getattr(type(module), "takes", ()))
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
                _ = network and network.module
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
            If the network is a cascade.
        OSError
            If it cannot be written.
        """
        if self.first is not None:
            raise ModelError(
                f"the model {self.name!r} is a cascade of two networks, and an ONNX file holds one: in "
                "Python, its attributes first and second are networks that can be exported"
            )
        from space2vec.models.onnx_graph import calibrated_graph, make_graph
        from space2vec.writing.atomic_file import write_whole

        graph, table = make_graph(self), self.header.calibration
        write_whole(path, graph if table is None else calibrated_graph(graph, table))

    @property
    def takes(self) -> tuple[str, ...]:
        """The inputs of :meth:`predict` and of the module, in order: ``"planes"``, ``"features"`` or both."""
        return tuple(self.shapes)

    @property
    def module(self) -> nn.Module:
        """The network as an ``nn.Module`` in eval mode, which returns logits (n,) of :meth:`tensors`.

        To train it further, train a copy and make a new Network from the copy.

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        ModelError
            If the weights do not fit the architecture.
        """
        if self._module is None:
            try:
                module = rebuild(self.header.architecture or {}, self._weights)
            except ValueError as error:
                raise ModelError(str(error)) from error
            self._module = self._check_module(module)
        return self._module

    def _float_runtime(self) -> runtimes.Runtime:
        """Return the runtime that runs the network on the host."""
        return self.engine("floats", lambda _: runtimes.make_runtime(self))

    def predict_in_floats(self, inputs: Sequence[NDArray[np.float32]], threads: int) -> NDArray[np.float32]:
        """Return P(real) (n,) from the inputs of the network, by its runtime on the host, calibrated.

        It is NaN for a row with a pixel that is not finite.
        """
        if self.first is not None:
            early, second = self.first.predict_in_floats(self.first_inputs(inputs), threads), self.second
            return self.cascade_scores(
                early, lambda rows: second.predict_in_floats([array[rows] for array in inputs], threads)
            ).score
        score = runtimes.run(self._float_runtime(), inputs, threads)
        return score if self.header.calibration is None else self.header.calibration(score)

    def __repr__(self) -> str:
        how = self.header.architecture or {}
        weights = sum(tensor.size for tensor in self._weights.values())
        run = "in integers" if self.runtime is None else f"runtime={self.runtime!r}"
        size = f"takes={self.takes}, weights={weights}, {run}"
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

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "second"}

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

    def first_inputs(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Select the inputs of the first network of a cascade from those of the second one."""
        assert self.first is not None
        assert self.needs.recipe is not None
        assert self.first.needs.recipe is not None
        recipe, channels = self.needs.recipe, self.first.needs.recipe.channels
        positions = [recipe.channels.index(channel) for channel in channels]
        planes = [view * len(recipe.channels) + position for view in range(recipe.views) for position in positions]
        selected = [inputs[0][:, planes]]
        if self.first.feature_names:
            selected.append(inputs[1][:, [self.feature_names.index(name) for name in self.first.feature_names]])
        return [np.ascontiguousarray(array) for array in selected]

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
