"""Networks as ONNX graphs, which PyTorch makes, with a description of their inputs and outputs in the metadata."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from space2vec.data.atomic_file import write_whole
from space2vec.errors import ModelError
from space2vec.errors.packages import need
from space2vec.model_files.calibration import Calibration

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from space2vec.backends.interfaces import Network
    from space2vec.data.types import Untyped
    from space2vec.model_files.needs import Needs

__all__ = ["calibrated_graph", "graph_metadata", "make_graph", "write_graph"]

#: The key of the model's id in the metadata of a graph.
_MODEL_KEY = "space2vec.model"


def write_graph(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network, calibration included, as an ONNX file; see :func:`make_graph`.

    Raises
    ------
    ImportError
        If PyTorch, onnx or onnxscript is not installed.
    ModelError
        If the network is a cascade, or gives vectors.
    OSError
        If it cannot be written.
    """
    if network.first is not None:
        raise ModelError(
            f"the model {network.name!r} is a cascade of two networks, and an ONNX file holds one: in Python, its "
            "attributes first and second are networks that can be exported"
        )
    if network.vector:
        raise ModelError(f"the model {network.name!r} gives vectors, and an ONNX file of space2vec gives scores")
    graph, table = make_graph(network), network.header.calibration
    write_whole(path, graph if table is None else calibrated_graph(graph, table))


def make_graph(network: Network) -> bytes:
    """Return a network in floating point, without its calibration, as the bytes of an ONNX file.

    The inputs of the graph are those of the network, ``planes`` (n, channel, height, width) or ``features`` (n, k) or
    both, for any n. Its output ``score`` (n,) is sigmoid(logit / temperature). The metadata has the recipe with its
    definition, the columns, the temperature and the id of the model.

    Raises
    ------
    ImportError
        If PyTorch, onnx or onnxscript is not installed.
    """
    for package in ("torch", "onnx", "onnxscript"):
        need(package, "an ONNX graph is made by PyTorch, onnx and onnxscript")
    import torch

    header, shapes, module = network.header, network.shapes, network.frozen_module

    class Scored(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.network(*inputs)
            return torch.sigmoid(logits / header.temperature)

    rows = torch.export.Dim("n")
    with _quiet():
        program = torch.onnx.export(
            Scored().eval(),
            tuple(torch.zeros(2, *shape) for shape in shapes.values()),
            dynamo=True,
            input_names=list(shapes),
            output_names=["score"],
            dynamic_shapes=(tuple({0: rows} for _ in shapes),),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _remove_source_names(proto.graph)
    for key, text in graph_metadata(network.needs, network.id).items():
        proto.metadata_props.add(key=key, value=text)
    data: bytes = proto.SerializeToString()
    return data


def calibrated_graph(graph: bytes, table: Calibration) -> bytes:
    """Add a calibration to an ONNX graph of :func:`make_graph`, so that its output ``score`` is calibrated.

    The operations are those of ``cpp/kernel/calibration.hpp``. The table is also in the metadata, under
    ``space2vec.calibration``.
    """
    need("onnx", "an ONNX graph with a calibration is made by onnx")
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    proto = onnx.load_from_string(graph)
    for node in proto.graph.node:
        for names in (node.input, node.output):
            names[:] = ["uncalibrated" if name == "score" else name for name in names]

    def constant(name: str, values: ArrayLike, dtype: DTypeLike = np.float64) -> str:
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), f"calibration.{name}"))
        return f"calibration.{name}"

    def add(kind: str, out: str, *inputs: str, **attributes: Untyped) -> str:
        name = out if out == "score" else f"calibration.{out}"
        proto.graph.node.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    x, y = constant("x", table.x), constant("y", table.y)
    one, last = constant("one", 1, np.int64), constant("last", len(table.x) - 1, np.int64)
    zero, columns = constant("zero", 0, np.int64), constant("columns", [1], np.int64)
    score = add("Cast", "double", "uncalibrated", to=TensorProto.DOUBLE)
    # The number of knots at or below the score; it is 0 for NaN.
    row = add("Unsqueeze", "row", score, columns)
    below = add("Cast", "below", add("Not", "reached", add("Less", "above", row, x)), to=TensorProto.INT64)
    count = add("ReduceSum", "count", below, columns, keepdims=0)
    knot = add("Min", "knot", add("Max", "first", add("Sub", "before", count, one), zero), last)
    end = add("Min", "end", add("Add", "after", knot, one), last)
    begin, low, high = add("Gather", "begin", x, knot), add("Gather", "low", y, knot), add("Gather", "high", y, end)
    rise = add("Sub", "rise", high, low)
    along = add("Mul", "along", add("Sub", "run", score, begin), rise)
    whole = add("Sub", "whole", add("Gather", "next", x, end), begin)
    line = add("Add", "line", low, add("Div", "part", along, whole))
    flat = add("Or", "flat", add("Not", "on", add("Less", "beyond", begin, score)), add("Equal", "ended", knot, last))
    value = add("Where", "value", flat, low, add("Where", "capped", add("Less", "under", line, high), line, high))
    known = add("Where", "known", add("IsNaN", "unknown", score), score, value)
    add("Cast", "score", known, to=TensorProto.FLOAT)
    proto.metadata_props.add(key="space2vec.calibration", value=json.dumps(table.to_plain()))
    data: bytes = proto.SerializeToString()
    return data


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress messages and warnings of PyTorch's exporter; its errors are raised."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _remove_source_names(graph: Untyped) -> None:
    """Remove the names of source files and lines from a graph: they are long, and are paths of this machine."""
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def graph_metadata(needs: Needs, model_id: str) -> dict[str, str]:
    """Return the metadata of the graph of a model: its id, its recipe with the definition, and its columns."""
    header, recipe = needs.header, needs.recipe
    about = {_MODEL_KEY: model_id}
    if header.architecture is not None:
        about["space2vec.temperature"] = repr(header.temperature)
    if recipe is not None:
        about["space2vec.recipe"] = f"{recipe.name} {recipe.version}"
        about["space2vec.recipe.channels"] = json.dumps(recipe.channels)
        about["space2vec.recipe.definition"] = recipe.definition
        about["space2vec.recipe.document"] = json.dumps(recipe.to_plain())
    if header.feature_names:
        about["space2vec.features"] = json.dumps(header.feature_names)
        about["space2vec.features.set"] = f"{header.feature_set} {header.feature_version}"
        about["space2vec.features.convention"] = header.convention
    return about
