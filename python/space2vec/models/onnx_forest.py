"""Forests as ONNX graphs: one node of the operator TreeEnsembleRegressor, with the trees as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.errors.packages import need
from space2vec.model_files.needs import Needs
from space2vec.models.onnx_graph import calibrated_graph, graph_metadata

if TYPE_CHECKING:
    from space2vec.data.types import Untyped
    from space2vec.model_files.header import Header
    from space2vec.model_files.trees import Trees

__all__ = ["forest_graph"]

#: The versions of ONNX's operators, and of those for machine learning, and of the format.
_OPERATORS, _TREE_OPERATORS, _FORMAT = 18, 3, 9


def forest_graph(trees: Trees, fill: NDArray[np.float32] | None, header: Header, model_id: str) -> bytes:
    """Return a forest, with its calibration, as the bytes of an ONNX file.

    Its input is ``features`` (n, k), float32, NaN where undefined, for any n; its output is ``score`` (n,), the mean of
    the trees' probabilities in an order of sums that the runtime chooses. The metadata has the columns and the id of
    the model.

    Parameters
    ----------
    trees : Trees
        The trees.
    fill : ndarray of float32 (k,) or None
        The values that replace NaN.
    header : Header
        The header of the model.
    model_id : str
        The id of the model.

    Raises
    ------
    ImportError
        If onnx is not installed.
    """
    need("onnx", "the ONNX file of a forest is made by onnx")
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    attributes: dict[str, Untyped] = dict(_attributes(trees))
    columns = "features"
    nodes, initializers = [], []
    if fill is not None:
        initializers.append(numpy_helper.from_array(np.asarray(fill, dtype=np.float32), "fill"))
        nodes += [
            helper.make_node("IsNaN", ["features"], ["undefined"]),
            helper.make_node("Where", ["undefined", "fill", "features"], ["filled"]),
        ]
        columns = "filled"
    initializers.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "column"))
    nodes += [
        helper.make_node(
            "TreeEnsembleRegressor",
            [columns],
            ["mean"],
            domain="ai.onnx.ml",
            n_targets=1,
            aggregate_function="AVERAGE",
            post_transform="NONE",
            **attributes,
        ),
        helper.make_node("Squeeze", ["mean", "column"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "forest",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(header.feature_names)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        initializers,
    )
    operators = [helper.make_opsetid("", _OPERATORS), helper.make_opsetid("ai.onnx.ml", _TREE_OPERATORS)]
    proto = helper.make_model(graph, opset_imports=operators, ir_version=_FORMAT, producer_name="space2vec")
    for key, text in graph_metadata(Needs(header), model_id).items():
        proto.metadata_props.add(key=key, value=text)
    onnx.checker.check_model(proto)
    data: bytes = proto.SerializeToString()
    return data if header.calibration is None else calibrated_graph(data, header.calibration)


def _attributes(trees: Trees) -> dict[str, list[int] | list[float] | list[str]]:
    """Return the trees as attributes of the operator; nodes are counted from the first one of their tree."""
    sizes = np.diff(trees.tree_start)
    tree = np.repeat(np.arange(len(trees)), sizes)
    node = np.arange(len(trees.right)) - np.repeat(trees.tree_start[:-1], sizes)
    split = trees.right > 0
    leaf = ~split
    return {
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": node.tolist(),
        "nodes_featureids": trees.feature.astype(np.int64).tolist(),
        "nodes_modes": np.where(split, "BRANCH_LEQ", "LEAF").tolist(),
        "nodes_values": np.where(split, trees.value, 0.0).tolist(),
        "nodes_truenodeids": np.where(split, node + 1, 0).tolist(),
        "nodes_falsenodeids": np.where(split, node + trees.right, 0).tolist(),
        "nodes_missing_value_tracks_true": np.where(split, trees.missing_left, 0).astype(np.int64).tolist(),
        "target_treeids": tree[leaf].tolist(),
        "target_nodeids": node[leaf].tolist(),
        "target_ids": [0] * int(leaf.sum()),
        "target_weights": trees.value[leaf].astype(np.float64).tolist(),
    }
