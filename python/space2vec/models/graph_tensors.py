"""The ONNX graph in a model file, without the weights that the file holds as tensors already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from space2vec.errors import ModelError

__all__ = ["graph_of", "tensors_of", "without_graph"]

#: The graph less what was cut out of it, and the cuts: where each stood in the whole, and which weight it is.
_GRAPH, _CUTS = "onnx", "onnx.cuts"
#: Bytes of a weight that is worth a cut.
_LEAST = 4096


def tensors_of(graph: bytes, weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the tensors of a graph beside these weights."""
    cuts: list[tuple[int, int]] = []
    rest, end = [], 0
    for number, name in enumerate(sorted(weights)):
        data = weights[name].tobytes()
        at = graph.find(data) if len(data) >= _LEAST else -1
        if at >= 0:
            cuts.append((at, number))
    kept: list[tuple[int, int]] = []
    for at, number in sorted(cuts):
        size = weights[sorted(weights)[number]].nbytes
        if at >= end:  # the same bytes may be two weights
            kept.append((at, number))
            rest.append(graph[end:at])
            end = at + size
    rest.append(graph[end:])
    found = {_GRAPH: np.frombuffer(b"".join(rest), dtype=np.uint8)}
    if kept:
        found[_CUTS] = np.array(kept, dtype=np.int64)
    return found


def without_graph(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the tensors of a file that are none of its graph."""
    return {name: tensor for name, tensor in tensors.items() if name not in (_GRAPH, _CUTS)}


def graph_of(tensors: Mapping[str, NDArray[Any]], weights: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the graph that a file holds.

    Raises
    ------
    ModelError
        If it holds none, or the cuts are none of this graph.
    """
    graph, cuts = tensors.get(_GRAPH), tensors.get(_CUTS, np.zeros((0, 2), dtype=np.int64))
    if graph is None or graph.dtype != np.uint8 or graph.ndim != 1:
        raise ModelError("the ONNX graph is missing")
    names = sorted(weights)
    if cuts.dtype != np.int64 or cuts.ndim != 2 or cuts.shape[1] != 2 or not _in_range(cuts[:, 1], len(names)):
        raise ModelError("the ONNX graph is damaged")
    rest, whole = graph.tobytes(), bytearray()
    used = 0
    for at, number in cuts.tolist():
        own = at - len(whole)
        if not 0 <= own <= len(rest) - used:
            raise ModelError("the ONNX graph is damaged")
        whole += rest[used : used + own]
        whole += weights[names[number]].tobytes()
        used += own
    return bytes(whole + rest[used:])


def _in_range(numbers: NDArray[np.int64], count: int) -> bool:
    return bool(((numbers >= 0) & (numbers < count)).all())
