"""Networks: PyTorch modules, and the integers that backends run in their place."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from space2vec import backends, model_files
from space2vec.architectures import NETWORKS, check_shapes, rebuilt
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

__all__ = ["Network"]

#: What files of earlier versions hold of an ONNX graph.
_GRAPH = ("onnx", "onnx.cuts")


class Network(Model):
    """A network: P(real) is sigmoid(logit / temperature), by its calibration if it has one.

    Made out of a module, or by :meth:`load`. It never changes, and threads may share it.

    One that has integers is run by the backend in use, to the same bits everywhere. Any other is run in floating point
    by PyTorch; ``SPACE2VEC_RUNTIME`` (``torch`` or ``onnxruntime``) has every network run so.

    Parameters
    ----------
    module : nn.Module
        One of :data:`space2vec.architectures.NETWORKS`; a copy of it is kept, on the CPU and in eval mode.
    header : space2vec.model_files.header.Header
        What the model is.
    integers : space2vec.model_files.integer_network.IntegerNetwork, optional
        The same network in integers, which the file holds beside the weights.
    first : Network, optional
        Makes this a cascade: the network that is asked of every row. This one is asked of those alone that the other
        scores within the header's ``doubt``, and sees all that the other sees; what else it sees is not opened for the
        other rows, which have the flag ``scored_early``.

    Attributes
    ----------
    first : Network or None
        Of a cascade, the network that is asked first.

    Raises
    ------
    ModelError
        If the header is not that of a network, or says that it takes something else than the module.
    BackendError
        If ``SPACE2VEC_RUNTIME`` names what is not there.
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
        of_first = None if first is None else first.header
        self._take(replace(header_with_integers(header, integers), first=of_first), integers, first)
        settings = (self.header.architecture or {})["settings"]
        if json.dumps(module.settings, sort_keys=True) != json.dumps(settings, sort_keys=True):
            raise ModelError(f"the module was made with {module.settings}; the header says {settings}")
        self._module: nn.Module | None = self._fitting(copy.deepcopy(module).cpu())
        self._weights = {name: t.numpy(force=True).copy(order="C") for name, t in self._module.state_dict().items()}

    def _take(self, header: model_files.Header, integers: IntegerNetwork | None, first: Network | None) -> None:
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

    def _fitting(self, module: nn.Module) -> nn.Module:
        """Return a module in eval mode; refuse one that takes something else than the header says."""
        takes = tuple(getattr(type(module), "takes", ()))
        if takes != self.takes:
            raise ModelError(f"the module takes {takes}; the header says {self.takes}")
        try:
            check_shapes(module.eval(), self.shapes)
        except ValueError as error:
            raise ModelError(str(error)) from error
        return module

    @classmethod
    def _of_tensors(cls, header: model_files.Header, tensors: dict[str, NDArray[Any]]) -> Self:
        model = cls._unchecked(header, tensors)
        if model.runtime is None:
            backends.on_host().model(model)  # which looks whether the integers are whole
        else:
            for network in (model, model.first):
                _ = network and network.module
        return model

    @classmethod
    def _unchecked(cls, header: model_files.Header, tensors: dict[str, NDArray[Any]]) -> Self:
        """Return the network, whose weights nobody has looked at."""
        of_first = {name.removeprefix(FIRST): tensors[name] for name in tensors if name.startswith(FIRST)}
        if of_first and header.first is None:
            raise ModelError("it holds a first network of which its header says nothing")
        first = None
        if header.first is not None:
            cls._check(header.first)
            first = cls._unchecked(header.first, of_first)
        own = {name: tensors[name] for name in tensors if name not in _GRAPH and not name.startswith(FIRST)}
        integers, weights = split_integers(header, own)
        model = cls.__new__(cls)
        model._take(header, integers, first)
        model._weights, model._module = weights, None
        return model

    def _tensors(self) -> dict[str, NDArray[Any]]:
        of_first = {} if self.first is None else self.first._tensors()
        integers = {} if self.integers is None else self.integers.to_file()
        return {**self._weights, **integers, **{FIRST + name: tensor for name, tensor in of_first.items()}}

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the model as an ONNX file, see :func:`space2vec.models.onnx_graph.make_graph`.

        It computes in floating point; its scores are those of the model as ``SPACE2VEC_RUNTIME`` runs it, calibration
        included.

        Raises
        ------
        ImportError
            If PyTorch, onnx or onnxscript is absent.
        ModelError
            If this is a cascade.
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
        """What :meth:`predict` and the module are given, in order: ``"planes"``, ``"features"`` or both."""
        return tuple(self.shapes)

    @property
    def module(self) -> nn.Module:
        """The network as an ``nn.Module`` that gives logits (n,), in eval mode; see :meth:`tensors`.

        To train it further, train a copy and make a Network of that.

        Raises
        ------
        ImportError
            If PyTorch is absent.
        ModelError
            If the weights are not those of the architecture.
        """
        if self._module is None:
            try:
                module = rebuilt(self.header.architecture or {}, self._weights)
            except ValueError as error:
                raise ModelError(str(error)) from error
            self._module = self._fitting(module)
        return self._module

    def _float_runtime(self) -> runtimes.Runtime:
        """Return what runs the network in floating point on the host."""
        return self.engine("floats", lambda _: runtimes.make_runtime(self))

    def predict_in_floats(self, inputs: Sequence[NDArray[np.float32]], threads: int) -> NDArray[np.float32]:
        """Return P(real) (n,) of what the network takes, by its runtime on the host, calibrated.

        It is NaN where a pixel of a row is not finite.
        """
        if self.first is not None:
            early, second = self.first.predict_in_floats(self.first_inputs(inputs), threads), self.second
            return self.cascade_scores(
                early, lambda rows: second.predict_in_floats([given[rows] for given in inputs], threads)
            )[0]
        score = runtimes.run(self._float_runtime(), inputs, threads)
        return score if self.header.calibration is None else self.header.calibration(score)

    def __repr__(self) -> str:
        how = self.header.architecture or {}
        weights = sum(tensor.size for tensor in self._weights.values())
        run = "in integers" if self.runtime is None else f"runtime={self.runtime!r}"
        what = f"takes={self.takes}, weights={weights}, {run}"
        name = one_line(repr(self.name), NAME)
        first = "" if self.first is None else f", first={self.first!r}, doubt={self.header.doubt}"
        return f"Network({name}, {how['name']}, {what}{first}{', calibrated' if self.header.calibration else ''})"

    @cached_property
    def second(self) -> Self:
        """The network that a cascade asks in doubt, alone; of any other network, itself."""
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
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the scores (n,) of a cascade, and which of them the second network gave.

        Parameters
        ----------
        score : ndarray of float32 (n,)
            The scores of the first network, NaN where a row has none.
        score_rows : callable
            Returns the scores (k,) that the second network gives to the rows of these numbers (k,).
        """
        assert self.header.doubt is not None
        doubtful = model_files.in_doubt(self.header.doubt, score)
        final = score.copy() if self.header.calibration is None else self.header.calibration(score)
        if doubtful.any():
            final[doubtful] = score_rows(np.flatnonzero(doubtful))
        return final, doubtful

    def first_inputs(self, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return what the first network of a cascade takes of what the second takes."""
        assert self.first is not None
        assert self.needs.recipe is not None
        assert self.first.needs.recipe is not None
        whole, own = self.needs.recipe, self.first.needs.recipe
        places = [whole.channels.index(channel) for channel in own.channels]
        planes = [view * len(whole.channels) + place for view in range(whole.views) for place in places]
        given = [inputs[0][:, planes]]
        if self.first.feature_names:
            given.append(inputs[1][:, [self.feature_names.index(name) for name in self.first.feature_names]])
        return [np.ascontiguousarray(array) for array in given]

    def inputs(self, stamps: Stamps, *, threads: int | None = None) -> ModelInputs:
        """Return what the network is given of stamps of the host, their flags, and which of them are scored.

        Of a cascade all this is what its second network is given; what the first is given is among it.

        Parameters
        ----------
        stamps : Stamps
            The candidates.
        threads : int, optional
            Threads to use; one a usable core by default.

        Raises
        ------
        TypeError, ModelError
            If these are no stamps of the host, or do not give what the network takes.
        """
        return backends.on_host().inputs(self.needs, stamps, threads)

    def tensors(self, stamps: Stamps, *, threads: int | None = None) -> tuple[torch.Tensor, ...]:
        """Return what :attr:`module` is to be given of stamps: ``network.module(*network.tensors(stamps))``.

        Parameters
        ----------
        stamps : Stamps
            The candidates.
        threads : int, optional
            Threads to use; one a usable core by default.

        Returns
        -------
        tuple of torch.Tensor
            The planes (n, channel, height, width), NaN where a row cannot be prepared, and the features (n, k), as far
            as the network takes them.

        Raises
        ------
        ImportError
            If PyTorch is absent.
        """
        need("torch", "tensors need PyTorch")
        import torch

        return tuple(torch.from_numpy(array) for array in self.inputs(stamps, threads=threads).arrays)
