"""Networks of vectors in integers: near the float network's, in all of 8 bits, and the same by oracle and twin."""

from __future__ import annotations

import numpy as np
import pytest

from oracle import integer_network as oracle

torch = pytest.importorskip("torch")

from space2vec.architectures import build  # noqa: E402
from space2vec.models.quantise import can_quantise, quantise  # noqa: E402 (needs PyTorch)

SETTINGS = {"features": 5, "side": 17, "width": [8, 12], "hidden": 32, "vector": 24}


def vectornet() -> torch.nn.Module:
    torch.manual_seed(5)
    module = build("vectornet", SETTINGS).eval()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # as a trained one has them
            layer.running_mean.normal_(0.0, 0.3)
            layer.running_var.uniform_(0.2, 2.0)
    return module


def rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    planes = rng.normal(size=(n, 3, 17, 17)).astype(np.float32)
    planes[:, :, 8, 8] += rng.exponential(4.0, (n, 3))
    features = np.exp(rng.normal(size=(n, 5))).astype(np.float32)
    features[rng.random(features.shape) < 0.1] = np.nan
    return planes, features


@pytest.fixture(scope="module")
def networks():
    module = vectornet()
    module.fit_features(rows(400, 1)[1])
    return module, quantise(module, rows(400, 2))


def by_integers(module: torch.nn.Module, integers, planes: np.ndarray, features: np.ndarray) -> np.ndarray:
    tables = {name: tensor.numpy() for name, tensor in module.scale.state_dict().items()}
    return oracle.vectors(integers.tensors, planes, features, tables)


def test_integers_point_where_the_float_network_does(networks) -> None:
    module, integers = networks
    planes, features = rows(300, 3)
    with torch.no_grad():
        wanted = module(torch.from_numpy(planes), torch.from_numpy(features)).numpy()
    found = by_integers(module, integers, planes, features).astype(float)
    cosine = (wanted * found).sum(1) / np.linalg.norm(wanted, axis=1) / np.linalg.norm(found, axis=1)
    assert np.median(cosine) > 0.999
    assert cosine.min() > 0.99
    # One unit for all elements: the ratio of their lengths is that of the float network's.
    ratio = np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert ratio.std() / ratio.mean() < 0.02


def test_vectors_use_eight_bits(networks) -> None:
    module, integers = networks
    found = by_integers(module, integers, *rows(300, 4)).astype(int)
    assert 60 < np.abs(found).max() <= 127
    assert (np.abs(found) == 127).mean() < 0.01


def test_a_network_of_vectors_has_no_logit(networks) -> None:
    module, integers = networks
    assert can_quantise(module)
    assert integers.vector == 24
    assert not [name for name in integers.tensors if name.startswith("out.")]
    assert integers.tensors["vector.weight"].shape == (24, 32)


def test_the_scale_of_the_last_layer_does_not_matter(networks) -> None:
    """The unit of a vector is chosen, whatever the lengths of the float network's vectors."""
    module, integers = networks
    larger = vectornet()
    larger.load_state_dict(module.state_dict())
    with torch.no_grad():
        for tensor in (larger.head[-1].weight, larger.head[-1].bias):
            tensor *= 40.0
    again = quantise(larger, rows(400, 2))
    planes, features = rows(50, 5)
    difference = by_integers(module, integers, planes, features).astype(int) - by_integers(
        larger, again, planes, features
    )
    assert np.abs(difference).max() <= 1
