"""Networks: PyTorch modules, and the integers that backends run in their place."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from space2vec import backends, modelfile, runtimes
from space2vec.errors import ModelError
from space2vec.extras import need
from space2vec.models.integer_network import IntegerNetwork, divided, stated
from space2vec.models.model import Model
from space2vec.networks import NETWORKS, check_shapes, rebuilt
from space2vec.shown_text import NAME, one_line

if TYPE_CHECKING:
    from typing import Self

    import torch
    from torch import nn

    from space2vec.backends.host import Inputs
    from space2vec.stamps import Stamps

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
        One of :data:`space2vec.networks.NETWORKS`; a copy of it is kept, on the CPU and in eval mode.
    header : space2vec.modelfile.Header
        What the model is.
    integers : space2vec.models.integer_network.IntegerNetwork, optional
        The same network in integers, which the file holds beside the weights.

    Raises
    ------
    ModelError
        If the header is not that of a network, or says that it takes something else than the module.
    BackendError
        If ``SPACE2VEC_RUNTIME`` names what is not there.
    """

    kind: ClassVar[Literal["network"]] = "network"

    def __init__(self, module: nn.Module, header: modelfile.Header, integers: IntegerNetwork | None = None) -> None:
        self._take(stated(header, integers), integers)
        settings = (self.header.architecture or {})["settings"]
        if json.dumps(module.settings, sort_keys=True) != json.dumps(settings, sort_keys=True):
            raise ModelError(f"the module was made with {module.settings}; the header says {settings}")
        self._module: nn.Module | None = self._fitting(copy.deepcopy(module).cpu())
        self._weights = {name: t.numpy(force=True).copy(order="C") for name, t in self._module.state_dict().items()}

    def _take(self, header: modelfile.Header, integers: IntegerNetwork | None) -> None:
        super().__init__(header)
        try:
            modelfile.check_architecture(header)
        except ValueError as error:
            raise ModelError(str(error)) from error
        assert header.architecture is not None
        if header.architecture["name"] not in NETWORKS:
            raise ModelError(f"unknown architecture {header.architecture['name']!r}; known: {', '.join(NETWORKS)}")
        self.integers = integers
        self.runtime = runtimes.chosen(self.name, integers is None)

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
    def _of_tensors(cls, header: modelfile.Header, tensors: dict[str, NDArray[Any]]) -> Self:
        model = cls.__new__(cls)
        integers, weights = divided(header, {name: tensors[name] for name in tensors if name not in _GRAPH})
        model._take(header, integers)
        model._weights, model._module = weights, None
        if model.runtime is None:
            backends.on_host().model(model)  # which looks whether the integers are whole
        else:
            _ = model.module
        return model

    def _tensors(self) -> dict[str, NDArray[Any]]:
        return {**self._weights, **({} if self.integers is None else self.integers.to_file())}

    def _identity(self) -> Iterator[bytes]:
        header = self.header
        told = [header.architecture, header.recipe, header.convention, self.feature_names, header.integer]
        yield json.dumps(told, sort_keys=True).encode()
        for name, tensor in sorted(self._tensors().items()):
            yield f"{name} {tensor.dtype} {tensor.shape}".encode() + tensor.tobytes()

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the model as an ONNX file, see :func:`space2vec.onnx_graph.make_graph`.

        It computes in floating point; its scores are those of the model as ``SPACE2VEC_RUNTIME`` runs it, calibration
        included.

        Raises
        ------
        ImportError
            If PyTorch, onnx or onnxscript is absent.
        OSError
            If it cannot be written.
        """
        from space2vec.onnx_graph import calibrated_graph, make_graph
        from space2vec.writing.aside import write_whole

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
        return self.engine("floats", lambda _: runtimes.runtime_of(self))

    def in_floats(self, inputs: Sequence[NDArray[np.float32]], threads: int) -> NDArray[np.float32]:
        """Return P(real) (n,) of what the network takes, by its runtime on the host, calibrated.

        It is NaN where a pixel of a row is not finite.
        """
        score = runtimes.run(self._float_runtime(), inputs, threads)
        return score if self.header.calibration is None else self.header.calibration(score)

    def __repr__(self) -> str:
        how = self.header.architecture or {}
        weights = sum(tensor.size for tensor in self._weights.values())
        run = "in integers" if self.runtime is None else f"runtime={self.runtime!r}"
        what = f"takes={self.takes}, weights={weights}, {run}"
        name = one_line(repr(self.name), NAME)
        return f"Network({name}, {how['name']}, {what}{', calibrated' if self.header.calibration else ''})"

    def inputs(self, stamps: Stamps, *, threads: int | None = None) -> Inputs:
        """Return what the network is given of stamps of the host, their flags, and which of them are scored.

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
