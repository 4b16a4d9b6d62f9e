"""Networks: PyTorch modules, scored by ONNX Runtime or PyTorch."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec import backend, modelfile, runtimes
from space2vec import device as devices
from space2vec.errors import ModelError
from space2vec.extras import need
from space2vec.models.graph_tensors import graph_of, tensors_of, without_graph
from space2vec.models.integer_network import IntegerNetwork, divided, stated
from space2vec.network_runs import NetworkRuns
from space2vec.networks import NETWORKS, check_shapes, rebuilt
from space2vec.numeric import by_name
from space2vec.onnx_graph import calibrated_graph, make_graph
from space2vec.pixels import as_plane_array, lies_on_device
from space2vec.scoring import Inputs, Needs, check_version, in_place
from space2vec.stamps import Stamps
from space2vec.table import Features, Scores
from space2vec.writing.aside import write_whole

if TYPE_CHECKING:
    from typing import Self

    import torch
    from torch import nn

    from space2vec.calibration import Calibration
    from space2vec.cuda.half_network import HalfNetwork
    from space2vec.cuda.pipeline import Pipeline
    from space2vec.cuda.slots import Slot

__all__ = ["Network"]


class Network:
    """A network: P(real) is sigmoid(logit / temperature), by its calibration if it has one.

    Made out of a module, or by :meth:`load`. It never changes, and threads may share it.

    A loaded one is run by ONNX Runtime where that is installed, without PyTorch, and by PyTorch otherwise; one made out
    of a module is run by PyTorch. ``SPACE2VEC_RUNTIME`` (``onnxruntime`` or ``torch``) chooses for both.

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

    kind: Literal["network"] = "network"

    def __init__(self, module: nn.Module, header: modelfile.Header, integers: IntegerNetwork | None = None) -> None:
        self._take(stated(header, integers))
        self.integers = integers
        takes = tuple(getattr(type(module), "takes", ()))
        if takes != self.takes:
            raise ModelError(f"the module takes {takes}; the header says {self.takes}")
        settings = (self.header.architecture or {})["settings"]
        if json.dumps(module.settings, sort_keys=True) != json.dumps(settings, sort_keys=True):
            raise ModelError(f"the module was made with {module.settings}; the header says {settings}")
        self._module: nn.Module | None = copy.deepcopy(module).cpu().eval()
        try:
            check_shapes(self._module, self._shapes)
        except ValueError as error:
            raise ModelError(str(error)) from error
        self._weights = {name: t.numpy(force=True).copy(order="C") for name, t in self._module.state_dict().items()}
        self._graph: bytes | None = None
        self.runtime: str = runtimes.asked() or "torch"

    def _take(self, header: modelfile.Header) -> None:
        if header.kind != self.kind:
            raise ModelError(f"it is of kind {header.kind!r}, not {self.kind!r}")
        try:
            modelfile.check_architecture(header)
        except ValueError as error:
            raise ModelError(str(error)) from error
        assert header.architecture is not None
        if header.architecture["name"] not in NETWORKS:
            raise ModelError(f"unknown architecture {header.architecture['name']!r}; known: {', '.join(NETWORKS)}")
        check_version(header)
        self.header, self.needs, self._runs = header, Needs.of(header), NetworkRuns()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model file.

        Raises
        ------
        ModelError
            If the file is absent, damaged, of another kind, or made for other definitions of the features or another
            version of the recipe.
        BackendError
            If neither ONNX Runtime nor PyTorch is installed.
        """
        return cls.of_file(path, *modelfile.read(path))

    @classmethod
    def of_file(cls, path: str | os.PathLike[str], header: modelfile.Header, tensors: dict[str, NDArray[Any]]) -> Self:
        """Return the model that a file holds, as :func:`space2vec.modelfile.read` gave it.

        Raises
        ------
        ModelError, BackendError
            As :meth:`load`.
        """
        model = cls.__new__(cls)
        try:
            model._take(header)
            model.integers, model._weights = divided(header, without_graph(tensors))
            model._graph = graph_of(tensors, model._weights)
            model._module = None
            model.runtime = runtimes.chosen(header.name)
            model._run()
        except ModelError as error:
            raise ModelError(f"cannot load the model {path}: {error}") from error
        return model

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as safetensors; an existing file is replaced only once the new one is whole.

        It holds the tensors of the module's state, the integers, and the ONNX graph less these weights.

        Raises
        ------
        ImportError
            If the ONNX graph, which the file holds, cannot be made here for want of a package.
        OSError
            If it cannot be written.
        """
        from space2vec import __version__

        header = replace(self.header, library=self.header.library or __version__)
        graph = tensors_of(self._as_graph(), self._weights)
        modelfile.write(path, header, {**self._weights, **self._own_integers, **graph})

    @cached_property
    def file(self) -> bytes:
        """The bytes of its model file, which backends make their model of."""
        return modelfile.encoded(self.header, {**self._weights, **self._own_integers})

    @property
    def _own_integers(self) -> dict[str, NDArray[Any]]:
        return {} if self.integers is None else self.integers.to_file()

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the model as an ONNX file, see :func:`space2vec.onnx_graph.make_graph`.

        Its scores are those of the model, calibration included.

        Raises
        ------
        ImportError
            If the graph was not made yet, or the model has a calibration, and it cannot be made here for want of a
            package.
        OSError
            If it cannot be written.
        """
        graph, table = self._as_graph(), self.header.calibration
        write_whole(path, graph if table is None else calibrated_graph(graph, table, self.id))

    def calibrated(self, calibration: Calibration | None, metrics: Mapping[str, Any] | None = None) -> Self:
        """Return the same network whose scores go through a table, or, without one, are those of the network itself.

        Parameters
        ----------
        calibration : space2vec.calibration.Calibration or None
            The table.
        metrics : mapping, optional
            What was measured of the scores with it, for the model file; see
            :meth:`space2vec.modelfile.Header.calibrated`.
        """
        model = copy.copy(self)
        model.__dict__ = {**self.__dict__, "_runs": NetworkRuns()}
        for name in ("id", "file", "_graph_id"):
            model.__dict__.pop(name, None)
        model._take(self.header.calibrated(calibration, None if metrics is None else dict(metrics)))
        return model

    def _as_graph(self) -> bytes:
        if self._graph is None:
            self._graph = make_graph(self.module, self.header, self.needs.recipe, self._shapes, self._graph_id)
        return self._graph

    @property
    def name(self) -> str:
        """The model's name."""
        return self.header.name

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns that the network takes, in order; none where it takes planes alone."""
        return self.header.feature_names

    @property
    def takes(self) -> tuple[str, ...]:
        """What :meth:`predict` and the module are given, in order: ``"planes"``, ``"features"`` or both."""
        return tuple(self._shapes)

    @property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        if self.needs.recipe is not None:
            shapes["planes"] = self.needs.recipe.shape
        if self.feature_names:
            shapes["features"] = (len(self.feature_names),)
        return shapes

    @cached_property
    def id(self) -> str:
        """The name and twelve digits that change with any weight, setting, column, plane, temperature, calibration."""
        return self._id_with(self.header.calibration)

    @cached_property
    def _graph_id(self) -> str:
        """The id of the network without a calibration, which its ONNX graph does not have."""
        return self._id_with(None)

    def _id_with(self, calibration: Calibration | None) -> str:
        told = [self.header.architecture, self.header.recipe, self.header.convention, self.feature_names]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        for name, tensor in sorted(self._weights.items()):
            digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode() + tensor.tobytes())
        if calibration is not None:
            digest.update(calibration.digest)
        return f"{self.name} {digest.hexdigest()[:12]}"

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
                self._module = rebuilt(self.header.architecture or {}, self._weights)
            except ValueError as error:
                raise ModelError(str(error)) from error
        return self._module

    def _run(self, device: str = "cpu") -> runtimes.Runtime:
        return self._runs.on(self, device)

    def _half(self, device: str) -> HalfNetwork:
        return self._runs.half(self, device)

    def __repr__(self) -> str:
        how = self.header.architecture or {}
        weights = sum(tensor.size for tensor in self._weights.values())
        what = f"takes={self.takes}, weights={weights}, runtime={self.runtime!r}"
        return f"Network({self.name!r}, {how['name']}, {what}{', calibrated' if self.header.calibration else ''})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_runs": NetworkRuns()}

    def predict(self, *inputs: ArrayLike, threads: int | None = None, device: str = "auto") -> NDArray[np.float32]:
        """Return P(real) of rows that are prepared already.

        Parameters
        ----------
        *inputs : array_like
            What the network ``takes``, in order: planes (n, channel, height, width) as its recipe prepares them,
            features (n, k) in the order of ``feature_names``, NaN where undefined, or named columns as for
            :meth:`space2vec.Forest.predict`. All on the host, or all on one CUDA device, where PyTorch takes them
            without a copy.
        threads : int, optional
            Threads to use; one a usable core by default. The result does not depend on it.
        device : {"auto", "cpu", "cuda", "cuda:N"}, optional
            Where to compute what lies on the host; other inputs are taken where they lie.

        Returns
        -------
        ndarray of float32 (n,)
            NaN where a pixel of a row is not finite. Of inputs on a device: a tensor of PyTorch there, in the precision
            that :meth:`score` has there.

        Raises
        ------
        BackendError
            If the device is not there.
        TypeError
            If an input is not of a real dtype.
        ValueError
            If the inputs are not those that the network takes, or have other shapes.
        """
        shapes = self._shapes
        if len(inputs) != len(shapes):
            raise ValueError(f"the model {self.name!r} takes {' and '.join(shapes)}; given {len(inputs)} inputs")
        if any(lies_on_device(given) for given in inputs):
            from space2vec.cuda.torch_planes import predict_in_place

            return cast("NDArray[np.float32]", predict_in_place(inputs, self._shapes, self._check_shapes, self._half))
        where = devices.resolve(device, self.kind)
        rows = [
            as_plane_array(by_name(given, self.feature_names, what) if what == "features" else given, what)
            for given, what in zip(inputs, shapes, strict=True)
        ]
        self._check_shapes([given.shape for given in rows])
        score = runtimes.run(self._run(where), rows, backend.thread_count(threads) if where == "cpu" else 1)
        return score if self.header.calibration is None else self.header.calibration(score)

    def _check_shapes(self, given: Sequence[tuple[int, ...]]) -> None:
        for own, (what, shape) in zip(given, self._shapes.items(), strict=True):
            if own != (given[0][0], *shape):
                wanted = ", ".join(map(str, ("n", *shape)))
                raise ValueError(f"{what} must have shape ({wanted}), as many rows each; given {own}")

    def _predict_on(self, slot: Slot, inputs: Inputs) -> NDArray[np.float32]:
        """Return P(real) of inputs on a slot, whose planes are taken where they lie."""
        from space2vec.cuda.torch_planes import predict_on

        return predict_on(self._half(f"cuda:{slot.ordinal}"), slot, inputs)

    def pipeline(self, device: str) -> Pipeline[Any, Scores]:
        """Return a pipeline that scores batches of stamps or features on a CUDA device.

        Raises
        ------
        BackendError
            If the device is not there, or the build has no kernels for it.
        """
        from space2vec.cuda.extension import active
        from space2vec.cuda.pipeline import Pipeline
        from space2vec.cuda.work import ModelWork

        where = devices.resolve(device, self.kind)
        number = devices.ordinal(where)
        active(number)
        return Pipeline(ModelWork(self.needs, self._predict_on, self.id, where), number)

    def score(self, source: Stamps | Features, *, threads: int | None = None, device: str = "auto") -> Scores:
        """Score candidates.

        Parameters
        ----------
        source : Stamps or Features
            Stamps, which are prepared and measured as the model needs it; or, for a network of features alone, a table
            with its columns.
        threads : int, optional
            Threads to use; one a usable core by default. The result does not depend on it.
        device : {"auto", "cpu", "cuda", "cuda:N"}, optional
            Where to compute: where the stamps lie by default. On a GPU the kernels prepare and measure stamps, and
            PyTorch runs the network on the planes where they lie, whatever ``runtime`` says: in float16, whose scores
            are within 2e-3 of those of float32, or as ``SPACE2VEC_PRECISION`` (``float16``, ``bfloat16``, ``float32``)
            says. A build without these kernels prepares the stamps on the CPU, and PyTorch has the network in float32.

        Returns
        -------
        Scores
            One row a candidate, on the device of the stamps, in their library. A row that a flag forbids to score is
            NaN, as is one of a network of features alone without a single feature (flag ``missing``), and one of a
            network of planes whose stamp is under 5 pixels wide or does not hold its candidate (``off_shape``). A row
            that lacks a plane that the network can do without, or all columns of the catalogue where these are most of
            the network's, is scored under the flag ``missing``.

        Raises
        ------
        TypeError
            If the source is neither.
        ModelError
            If the source cannot give what the network takes.
        BackendError
            If the device is not there.
        """
        where = devices.follow(device, source, self.kind)
        if devices.kernels_on(where):
            if isinstance(source, Stamps) and source.device != "cpu" and self.needs.simple(source):
                from space2vec.cuda.device_inputs import score_in_place

                return score_in_place(self._half(where), self.needs, source, self.id)
            with self.pipeline(where) as pipeline:
                return in_place(source, next(pipeline.run([source])))
        self.needs.see_units(source, stacklevel=2)
        model, workers, runtime = self.id, backend.thread_count(threads), self._run(where)
        if not isinstance(source, Stamps) or len(source) <= runtimes.CHUNK:
            return self._judged(source, workers, model, where)
        stamps, size = source, runtimes.block(len(source), workers) if where == "cpu" else runtime.chunk

        def work(start: int, threads: int = 1) -> Scores:
            return self._judged(stamps[start : start + size], threads, model, where)

        starts = range(0, len(stamps), size)
        if where != "cpu":
            return Scores.concatenate([work(start, workers) for start in starts])
        # A worker takes its stamps all the way, so that what lies between stamps and scores stays small.
        with runtime.alone():
            return Scores.concatenate(runtimes.spread(work, starts, workers))

    def _judged(self, source: Stamps | Features, threads: int, model: str, where: str) -> Scores:
        inputs = self.needs.inputs(source, threads)
        return inputs.scores(self.predict(*inputs.given, threads=threads, device=where), model, where)

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

        return tuple(torch.from_numpy(given) for given in self.needs.inputs(stamps, threads).given)
