"""Networks in integers: what is made of a float network, what is refused, and the bits of the Numba twin."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import space2vec as s2v
from oracle import integer_network as oracle
from space2vec import model_files
from space2vec.errors import ModelError
from space2vec.model_files.integer_network import IntegerNetwork, NetworkInputs, pixel_rings
from space2vec.plans.derived_columns import DERIVED, applicable_rules

torch = pytest.importorskip("torch")
numba = pytest.importorskip("numba")

from space2vec.architectures import build  # noqa: E402
from space2vec.architectures.feature_input import FeatureInput  # noqa: E402
from space2vec.backends.numba.network import Network as Twin  # noqa: E402 (needs Numba)
from space2vec.models.quantise import quantise  # noqa: E402 (needs PyTorch)
from space2vec.models.rounding import round_weights  # noqa: E402

SIDE = 17
NAMES = tuple(sorted({name for needs in DERIVED for name in needs}))
#: Values that a column may hold and arithmetic may trip over.
ODD = np.array([0.0, -0.0, 1e-40, -1e-38, 3e38, -3e38, np.inf, -np.inf, np.nan, 1.0, 8192.0, 0.75], dtype=np.float32)


def planes_of(rng: np.random.Generator, n: int, channels: int = 3) -> np.ndarray:
    """Return planes that no two rows have alike, some with fillers and pixels far out."""
    planes = (rng.normal(size=(n, channels, SIDE, SIDE)) * rng.uniform(0.2, 3.0, (n, 1, 1, 1))).astype(np.float32)
    planes[7::60, 0, 3:6] = -87.8
    planes[11::120, 1, SIDE // 2, SIDE // 2] = 3e38
    return planes


def columns_of(rng: np.random.Generator, n: int, k: int, odd: float = 0.05) -> np.ndarray:
    x = np.exp(rng.normal(size=(n, k))).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    here = rng.random(x.shape) < odd
    x[here] = rng.choice(ODD, here.sum())
    return x


def stampnet(**settings: object) -> torch.nn.Module:
    torch.manual_seed(3)
    given = {"features": 5, "side": SIDE, "width": (8, 12), "hidden": 16, **settings}
    module = build("stampnet", given).eval()
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):  # as a trained one has them
            layer.running_mean.normal_(0.0, 0.3)
            layer.running_var.uniform_(0.2, 2.0)
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0.0, 0.3)
    return module


def tablenet(rng: np.random.Generator) -> torch.nn.Module:
    torch.manual_seed(4)
    module = build("tablenet", {"names": NAMES, "hidden": (24, 20), "bins": 4}).eval()
    x = np.exp(rng.normal(size=(400, len(NAMES)))).astype(np.float32)
    x[::9, 3] = np.nan
    module.fit_features(x)
    return module


def tables_of(module: torch.nn.Module) -> dict[str, np.ndarray]:
    """Return how a network scales and encodes its columns."""
    parts = [getattr(module, name) for name in ("scale", "scaled", "encoded") if hasattr(module, name)]
    return {name: tensor.numpy() for part in parts for name, tensor in part.state_dict().items()}


def scores_of(module: torch.nn.Module, integers: IntegerNetwork, planes, features, temperature: float = 1.3):
    """Return what oracle and twin give."""
    tables, names = tables_of(module), getattr(module, "settings", {}).get("names")
    logit = oracle.logit(integers.tensors, planes, features, tables, names)
    twin = np.empty(len(logit), dtype=np.float32)
    places = applicable_rules(names or ())
    Twin(integers, tables, places, temperature).score_rows(planes, features, twin)
    return oracle.score(logit, temperature), twin


@pytest.fixture(scope="module")
def stamps():
    """Return a stampnet, its integers, and rows that these were not calibrated with."""
    rng = np.random.default_rng(1)
    module = stampnet()
    module.fit_features(columns_of(rng, 300, 5))
    integers = quantise(module, (planes_of(rng, 300), columns_of(rng, 300, 5)))
    return module, integers, planes_of(rng, 120), columns_of(rng, 120, 5)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(2)
    module = tablenet(rng)
    integers = quantise(module, (columns_of(rng, 600, len(NAMES), 0.01),))
    return module, integers, columns_of(rng, 400, len(NAMES))


def test_twin_has_the_oracles_bits_on_planes_and_columns(stamps) -> None:
    module, integers, planes, features = stamps
    wanted, twin = scores_of(module, integers, planes, features)
    np.testing.assert_array_equal(wanted.view(np.uint32), twin.view(np.uint32))
    assert len(np.unique(wanted)) > 100


def test_twin_has_the_oracles_bits_on_columns_and_what_is_derived_of_them(table) -> None:
    module, integers, features = table
    wanted, twin = scores_of(module, integers, None, features)
    np.testing.assert_array_equal(wanted.view(np.uint32), twin.view(np.uint32))
    assert len(np.unique(wanted)) > 300


@pytest.mark.parametrize("seed", range(4))
def test_twin_has_the_oracles_bits_where_everything_saturates(stamps, seed: int) -> None:
    """Whatever weights a file holds: sums that leave 16 bits, shifts of 0, multipliers at their ends."""
    module, integers, planes, features = stamps
    rng = np.random.default_rng(seed)
    tensors = dict(integers.tensors)
    for name, tensor in tensors.items():
        if name.endswith("weight"):
            tensors[name] = rng.integers(-127, 128, tensor.shape, dtype=np.int8)
        elif name.startswith("conv"):
            low, high = {"bias": (-50000, 50000), "shift": (0, 9), "multiplier": (16384, 32768)}[name.split(".")[1]]
            tensors[name] = rng.integers(low, high, tensor.shape).astype(tensor.dtype)
    tensors["hidden0.shift"] = np.array([seed * 17], dtype=np.uint8)
    tensors["out.scale"] = np.array([1e-5], dtype=np.float32)
    wanted, twin = scores_of(module, IntegerNetwork(tensors, integers.inputs), planes, features)
    np.testing.assert_array_equal(wanted.view(np.uint32), twin.view(np.uint32))


def test_a_row_with_a_pixel_that_is_not_finite_has_no_score(stamps) -> None:
    module, integers, planes, features = stamps
    spoiled = planes.copy()
    spoiled[3, 1, 2, 2], spoiled[7, 0, 0, 0] = np.nan, np.inf
    _, twin = scores_of(module, integers, spoiled, features)
    assert np.flatnonzero(np.isnan(twin)).tolist() == [3, 7]


def test_integers_score_as_the_float_network_does(stamps) -> None:
    module, _, _, _ = stamps
    rng = np.random.default_rng(5)

    def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
        planes = rng.normal(size=(n, 3, SIDE, SIDE)).astype(np.float32)
        planes[:, :, SIDE // 2, SIDE // 2] += rng.exponential(3.0, (n, 3))
        return planes, columns_of(rng, n, 5, 0.0)

    integers = quantise(module, rows(300))
    given = rows(300)
    wanted = torch.sigmoid(module(*map(torch.from_numpy, given)) / 1.3).detach().numpy()
    found, _ = scores_of(module, integers, *given)
    assert np.abs(found - wanted).max() < 0.01
    assert np.abs(found - wanted).max() < 0.1 * np.ptp(wanted)


def test_integers_of_columns_score_as_the_float_network_does(table) -> None:
    module, integers, _ = table
    features = columns_of(np.random.default_rng(12), 400, len(NAMES), 0.0)
    wanted = torch.sigmoid(module(torch.from_numpy(features)) / 1.3).detach().numpy()
    found, _ = scores_of(module, integers, None, features)
    assert np.abs(found - wanted).max() < 0.01
    assert np.median(np.abs(found - wanted)) < 1e-4


def test_a_reach_is_the_same_to_floats_and_integers() -> None:
    rng = np.random.default_rng(6)
    module = stampnet(reach=(4.0, 4.0, 2.0))
    planes, features = planes_of(rng, 200), columns_of(rng, 200, 5, 0.0)
    module.fit_features(features)
    integers = quantise(module, (planes, features))
    np.testing.assert_allclose(integers.tensors["planes.scale"], [127 / 4, 127 / 4, 127 / 2])
    near, far = planes.copy(), planes.copy()
    far[:, :, 0, 0], near[:, :, 0, 0] = 1e30, 4.0
    both = [module(torch.from_numpy(own), torch.from_numpy(features)).detach().numpy() for own in (near, far)]
    np.testing.assert_array_equal(*both)
    wanted = torch.sigmoid(torch.from_numpy(both[1]) / 1.3).numpy()
    assert np.abs(scores_of(module, integers, far, features)[0] - wanted).max() < 0.02


@pytest.mark.parametrize("reach", [(4.0, 4.0), (4.0, 0.0, 1.0), (4.0, float("inf"), 1.0), (4.0, float("nan"), 1.0)])
def test_a_reach_that_is_none_is_refused(reach: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="reach must be a number above 0 for each of 3 planes"):
        stampnet(reach=reach)


def test_the_columns_are_scaled_as_by_the_float_network() -> None:
    rng = np.random.default_rng(7)
    layer = FeatureInput(6)
    layer.fit_features(columns_of(rng, 500, 6, 0.0))
    x = columns_of(rng, 500, 6)
    wanted = layer(torch.from_numpy(x)).numpy() * 3276.0
    found = oracle.of_columns(x, {name: tensor.numpy() for name, tensor in layer.state_dict().items()})
    assert np.abs(found - wanted).max() <= 0.51


def test_derived_columns_are_those_of_the_float_network(table) -> None:
    module, _, features = table
    assert [needs for needs, _ in oracle.DERIVED] == [" ".join(needs) for needs in DERIVED]
    wanted = module.derived(torch.from_numpy(features)).numpy()
    found = oracle.derived(features, NAMES)
    # A magnitude of a subnormal number is one to PyTorch.
    both = np.isfinite(wanted) & np.isfinite(found)
    assert (both == np.isfinite(wanted)).mean() > 0.98
    np.testing.assert_allclose(found[both], wanted[both], rtol=1e-5, atol=1e-5)


def test_magnitudes_are_logarithms() -> None:
    ratio = np.geomspace(1.2e-38, 3e38, 20001).astype(np.float32)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(oracle.magnitudes(-ratio), 2.5 * np.log10(ratio.astype(float)), rtol=3e-6, atol=1e-6)
        assert np.isnan(oracle.magnitudes(np.array([0.0, 1e-39, np.inf, np.nan], dtype=np.float32))).all()


def test_rings_are_those_of_the_float_network() -> None:
    from space2vec.architectures.stampnet import RingMean

    maps = np.random.default_rng(8).integers(0, 256, (2, 3, 5, 5))
    wanted = RingMean(5)(torch.from_numpy(maps.astype(np.float32))).numpy()
    np.testing.assert_allclose(oracle.ring_means(maps) / 8.0, wanted, rtol=1e-6)
    ring, sizes = pixel_rings(5)
    assert sizes.tolist() == [1, 4, 4, 4, 8, 4]
    assert ring[2, 2] == 0
    assert ring[0, 0] == 5


def test_rounding_makes_errors_good() -> None:
    """Against plain rounding, with inputs that are correlated, as those of a layer are."""
    rng = np.random.default_rng(9)
    inputs = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 40)) + 0.1 * rng.normal(size=(500, 40))
    weight = rng.normal(size=(8, 40)) * rng.exponential(size=(8, 1))
    rounded, scale = round_weights(weight, np.cov(inputs.T))
    step = np.abs(weight).max(axis=1, keepdims=True) / 127
    plain = np.rint(weight / step) * step

    def error(own: np.ndarray) -> float:
        return float((((weight - own) @ inputs.T).std(axis=1) / (weight @ inputs.T).std(axis=1)).mean())

    assert rounded.dtype == np.int8
    assert np.abs(rounded).max() <= 127
    assert error(rounded * scale[:, None]) < 0.5 * error(plain)


def test_weights_of_a_dead_channel_and_a_single_row_do_no_harm() -> None:
    module = stampnet()
    with torch.no_grad():
        module.convolutions[1].weight[2] = 0.0
        module.convolutions[1].bias[2] = 5.0
        module.convolutions[4].weight[1] = 1e-12
        module.of_planes.weight[0] = 0.0
    rng = np.random.default_rng(10)
    planes, features = planes_of(rng, 1), columns_of(rng, 1, 5)
    integers = quantise(module, (planes, features))
    with torch.no_grad():
        wanted = torch.sigmoid(module(torch.from_numpy(planes), torch.from_numpy(features)) / 1.3)
    found, twin = scores_of(module, integers, planes, features)
    np.testing.assert_array_equal(found, twin)
    assert abs(float(wanted) - found[0]) < 0.2


def test_what_cannot_be_turned_into_integers_says_why(stamps) -> None:
    module, _, planes, features = stamps
    with pytest.raises(ValueError, match="a Braai cannot be turned into integers: only stampnet, vectornet and"):
        quantise(build("braai", {}), (planes,))
    with pytest.raises(ValueError, match="no row to calibrate with is finite"):
        quantise(module, (np.full_like(planes, np.nan), features))
    broken = stampnet()
    with torch.no_grad():
        broken.of_planes.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="a weight of the network is not finite"):
        quantise(broken, (planes, features))


#: How each kind of tensor may be damaged, and what is said.
DAMAGE = {
    "conv0.weight": (lambda t: t[:, :2], "conv0.weight is int8"),
    "conv0.bias": (lambda t: np.full_like(t, 2**31 - 1), "a sum of conv0 could overflow"),
    "conv1.shift": (lambda t: t + np.uint8(32), "conv1.shift is out of range"),
    "conv1.multiplier": (lambda t: t - np.int16(16384), "conv1.multiplier is out of range"),
    "of_planes.weight": (lambda t: t.astype(np.int16), "of_planes.weight is int16"),
    "of_features.weight": (lambda t: np.full_like(t, -128), "of_features.weight is out of range"),
    "hidden0.bias": (lambda t: np.full_like(t, 2**63 - 1), "a sum of hidden0 could overflow"),
    "hidden0.shift": (lambda t: t * 0 + np.uint8(63), "hidden0.shift is out of range"),
    "hidden1.multiplier": (lambda t: -np.abs(t) - 1, "hidden1.multiplier is out of range"),
    "out.bias": (lambda t: t * 0 + 2**62, "out.bias is out of range"),
    "out.scale": (lambda t: t * np.float32(np.nan), "out.scale is out of range"),
    "planes.scale": (lambda t: t * 0, "planes.scale is out of range"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_integers_are_refused(stamps, name: str) -> None:
    _, integers, _, _ = stamps
    damage, said = DAMAGE[name]
    with pytest.raises(ValueError, match=said):
        IntegerNetwork({**integers.tensors, name: damage(integers.tensors[name])}, integers.inputs)
    with pytest.raises(ValueError, match=rf"the tensor {name} is missing|unknown tensors|conv1|0 convolutions leave"):
        IntegerNetwork({own: t for own, t in integers.tensors.items() if own != name}, integers.inputs)


def test_sums_of_features_are_bounded() -> None:
    weight = np.full((1, 2 * 600), 127, dtype=np.int8)
    tensors = {
        "of_features.weight": weight, "hidden0.features_multiplier": np.ones(1, np.int32),
        "hidden0.bias": np.zeros(1, np.int64), "hidden0.shift": np.zeros(1, np.uint8),
        "out.weight": np.ones(1, np.int8), "out.bias": np.zeros(1, np.int64), "out.scale": np.ones(1, np.float32),
    }  # fmt: skip
    with pytest.raises(ValueError, match="a sum of of_features could overflow"):
        IntegerNetwork(tensors, NetworkInputs(columns=600))
    with pytest.raises(ValueError, match="unknown tensors more"):
        IntegerNetwork({**tensors, "of_features.weight": weight // 127, "more": weight}, NetworkInputs(columns=600))
    with pytest.raises(ValueError, match="it takes neither planes nor columns"):
        IntegerNetwork(tensors, NetworkInputs())


@pytest.fixture
def network(stamps) -> s2v.Network:
    module, integers, _, _ = stamps
    names = s2v.registry.FEATURE_SETS["stamp"][:5]
    recipe = s2v.Recipe.of("small", steps=("median-mad", "asinh"), side=SIDE)
    how = {"name": "stampnet", "settings": module.settings, "temperature": 1.3}
    header = model_files.Header(
        "network", "small", names, "stamp", s2v.registry.FEATURES_VERSION, recipe=recipe.to_plain(), architecture=how
    )
    return s2v.Network(module, header, integers)


def test_a_model_file_holds_the_integers_beside_the_weights(network: s2v.Network, tmp_path) -> None:
    path = tmp_path / "small.safetensors"
    network.save(path)
    again = s2v.load(path)
    assert again.header.integer == {"version": 1}
    assert again.integers.tensors.keys() == network.integers.tensors.keys()
    for name, tensor in network.integers.tensors.items():
        np.testing.assert_array_equal(again.integers.tensors[name], tensor)
        assert again.integers.tensors[name].dtype == tensor.dtype
    assert again.id == network.id
    assert again.module is not None
    assert network.integers.multiplications == 8 * 3 * 9 * 81 + 12 * 8 * 9 * 25 + 16 * 12 * 6 + 16 * 10 + 16 * 16 + 16


def test_a_model_says_what_integers_it_holds(network: s2v.Network) -> None:
    plain = s2v.Network(network.module, network.header)
    assert plain.integers is None
    assert plain.header.integer is None
    other = IntegerNetwork(network.integers.tensors, network.integers.inputs)
    how = {**network.header.architecture, "settings": {**network.module.settings, "features": 4}}
    torch.manual_seed(0)
    module = build("stampnet", how["settings"])
    header = dataclasses.replace(network.header, architecture=how, feature_names=network.header.feature_names[:4])
    with pytest.raises(ModelError, match=r"its integers take NetworkInputs.* which is not what its architecture takes"):
        s2v.Network(module, header, other)


@pytest.mark.parametrize("name", ["stampnet", "tablenet"])
def test_the_packaged_networks_hold_their_integers(name: str) -> None:
    network = s2v.load(name)
    assert isinstance(network, s2v.Network)
    assert network.integers is not None
    assert network.integers.multiplications == {"stampnet": 1_119_392, "tablenet": 273_664}[name]


def test_a_model_file_whose_integers_are_damaged_is_refused(network: s2v.Network, tmp_path) -> None:
    path = tmp_path / "small.safetensors"
    network.save(path)
    header, tensors = model_files.read(path)
    path.write_bytes(model_files.encode(header, {**tensors, "integer.out.scale": np.zeros(1, np.float32)}))
    with pytest.raises(ModelError, match=r"its integers are damaged \(out.scale is out of range\)"):
        s2v.load(path)
    path.write_bytes(model_files.encode(dataclasses.replace(header, integer={"version": 2}), tensors))
    with pytest.raises(ModelError, match="its integers are of version 2; this version of space2vec reads 1"):
        s2v.load(path)
    path.write_bytes(model_files.encode(dataclasses.replace(header, integer=None), tensors))
    with pytest.raises(ModelError, match="it holds integers of which its header says nothing"):
        s2v.load(path)
    path.write_bytes(
        model_files.encode(header, {name: t for name, t in tensors.items() if not name.startswith("integer.")})
    )
    with pytest.raises(ModelError, match="its integers are damaged"):
        s2v.load(path)
