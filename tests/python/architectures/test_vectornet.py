"""``vectornet``: what its settings make, that it is ``stampnet`` but for its outputs, and what is checked of it."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from space2vec import architectures  # noqa: E402

SETTINGS = {"features": 5, "channels": 2, "side": 17, "width": [8, 12], "hidden": 16}


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 5)).astype(np.float32)
    x[::3, 2] = np.nan
    return torch.from_numpy(rng.normal(size=(n, 2, 17, 17)).astype(np.float32)), torch.from_numpy(x)


def test_a_row_has_a_vector_of_its_own() -> None:
    network = architectures.build("vectornet", {**SETTINGS, "vector": 24}).eval()
    planes, features = rows(6)
    with torch.no_grad():
        vectors = network(planes, features)
        assert vectors.shape == (6, 24)
        torch.testing.assert_close(network(planes[4:5], features[4:5]), vectors[4:5])
    assert len(np.unique(vectors.numpy(), axis=0)) == 6
    assert network.settings["vector"] == 24
    assert architectures.registered_name(network) == "vectornet"


def test_it_is_stampnet_but_for_its_outputs() -> None:
    scoring = architectures.build("stampnet", SETTINGS).eval()
    network = architectures.build("vectornet", {**SETTINGS, "vector": 3}).eval()
    weights = scoring.state_dict()
    for end in ("weight", "bias"):
        weights[f"head.5.{end}"] = weights[f"head.5.{end}"].repeat_interleave(3, dim=0)
    network.load_state_dict(weights)
    planes, features = rows(5)
    with torch.no_grad():
        logit, vectors = scoring(planes, features), network(planes, features)
    torch.testing.assert_close(vectors, logit[:, None].expand(5, 3))
    assert {**scoring.settings, "dropout": 0.0, "vector": 3} == network.settings


def test_outputs_of_another_shape_are_refused() -> None:
    network = architectures.build("vectornet", {**SETTINGS, "vector": 4}).eval()
    shapes = {"planes": (2, 17, 17), "features": (5,)}
    architectures.check_shapes(network, shapes)
    network.settings["vector"] = 5
    with pytest.raises(ValueError, match=r"gives \(2, 4\) for two rows, and not two vectors \(2, 5\)"):
        architectures.check_shapes(network, shapes)
    with pytest.raises(ValueError, match=r"gives \(2, 4\) for two rows, and not two logits"):
        architectures.check_shapes(network.head[-1], {"planes": (16,)})
