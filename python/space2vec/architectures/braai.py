"""ZTF's network braai with its published weights, which gives the scores that ZTF's brokers distribute.

The network is that of Duev et al. (2019, MNRAS 489, 3582), release d6_m9. Its planes are those of the recipe ``braai``.
"""

from __future__ import annotations

import os
import zlib
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from space2vec.architectures.published import Braai
from space2vec.compute import prepare
from space2vec.data import flags
from space2vec.data.stamps import CHANNELS, Stamps
from space2vec.errors import ModelError
from space2vec.plans.recipe import Recipe

__all__ = ["RECIPE", "Braai", "published", "score"]

#: The recipe by which its stamps are prepared.
RECIPE = Recipe("braai")
#: The names of the published layers, and of the same layers here.
_LAYERS = {"conv1": "body.0", "conv2": "body.2", "conv3": "body.6", "conv4": "body.8", "fc_1": "head.0",
           "fc_out": "head.3"}  # fmt: skip


def published(path: str | os.PathLike[str]) -> Braai:
    """Return braai with its published weights, in eval mode.

    Parameters
    ----------
    path : path
        A .npz file of Keras arrays: kernels of convolutions (height, width, in, out) and of dense layers (in, out), and
        biases (out,), named ``conv1.kernel``, ..., ``fc_out.bias``.

    Raises
    ------
    ModelError
        If the file cannot be read, or has other arrays.
    """
    network = Braai()
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    weights = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name, layer in _LAYERS.items():
                kernel = arrays[f"{name}.kernel"]
                if name == "fc_1":
                    # Keras flattens maps in the order (row, column, channel), PyTorch in (channel, row, column).
                    side = round((len(kernel) / 32) ** 0.5)
                    kernel = kernel.reshape(side, side, 32, -1).transpose(2, 0, 1, 3).reshape(len(kernel), -1)
                weight = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
                weights[f"{layer}.weight"] = torch.from_numpy(np.ascontiguousarray(weight, dtype=np.float32))
                weights[f"{layer}.bias"] = torch.from_numpy(arrays[f"{name}.bias"].astype(np.float32))
    except OSError as error:
        raise ModelError(f"cannot load braai's weights from {os.fspath(path)}: {error.strerror or error}") from error
    except KeyError as error:
        raise ModelError(f"cannot load braai's weights from {os.fspath(path)}: it has no array {error}") from error
    except (ValueError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        # NumPy takes any other file for a pickle, and its message says how to load that, which would be unsafe.
        raise ModelError(f"cannot load braai's weights from {os.fspath(path)}: no .npz file of its arrays") from error
    if {name: tensor.shape for name, tensor in weights.items()} != shapes:
        raise ModelError(f"cannot load braai's weights from {os.fspath(path)}: arrays of other shapes")
    network.load_state_dict(weights)
    return network.eval()


def score(network: nn.Module, stamps: Stamps, *, batch: int = 64, threads: int | None = None) -> NDArray[np.float32]:
    """Score stamps as ZTF's brokers do.

    Parameters
    ----------
    network : torch.nn.Module
        The network of :func:`published`, or another one in eval mode that takes planes of the recipe ``braai``.
    stamps : Stamps
        The candidates.
    batch : int, optional
        Stamps that are scored at a time.
    threads : int, optional
        Threads that prepare the planes; one per usable core by default.

    Returns
    -------
    ndarray of float32 (n,)
        The sigmoid of the network's output, NaN for a row that cannot be scored.

    Notes
    -----
    Templates of ZTF hold -3.4e38 where they have no pixel. The norm of such a plane exceeds float32, so that the
    original code sets the plane to 0, and so does this function. The recipe, which computes in double precision,
    would set only that pixel to -1.
    """
    scores = np.full(len(stamps), np.nan, dtype=np.float32)
    for start in range(0, len(stamps), batch):
        part = stamps[start : start + batch]
        prepared = prepare(part, RECIPE, threads=threads)
        rows = np.flatnonzero(flags.scorable(prepared.flags))
        planes = prepared.planes[rows]
        for index, row in enumerate(rows.tolist()):
            planes[index, [_overflows(part.plane(row, channel)) for channel in CHANNELS]] = 0.0
        with torch.inference_mode():
            scores[start + rows] = torch.sigmoid(network(torch.from_numpy(planes))).numpy()
    return scores


def _overflows(plane: NDArray[np.float32] | None) -> bool:
    """Return whether the norm of a plane is infinite in float32."""
    assert plane is not None  # a row that lacks a plane is not scored
    pixels = np.nan_to_num(plane).reshape(-1)
    with np.errstate(over="ignore"):
        return bool(np.isinf(pixels @ pixels))
