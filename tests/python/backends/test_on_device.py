"""On a CUDA device: the bits of the CPU for every feature, recipe, normaliser, forest and network.

Needs the CUDA backend and a device; NumPy, and CuPy and PyTorch where they are there. Without a device every test is
named as not run.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers import tiny_models
from parity import suite
from space2vec import registry
from space2vec.data.device import DeviceArray
from space2vec.data.device.view import to_host
from space2vec.models.forest import Forest

pytestmark = pytest.mark.device

LIBRARIES = ("space2vec", "cupy", "torch")


def put(library: str, array: np.ndarray) -> Any:
    """Return a copy of an array in a library, on the first device."""
    if library == "space2vec":
        return DeviceArray.of_host(array)
    if library == "cupy":
        return pytest.importorskip("cupy", reason="CuPy is missing: cupy").asarray(array)
    torch = pytest.importorskip("torch", reason="PyTorch is missing: torch")
    if not torch.cuda.is_available():
        pytest.skip("not run on a device: this PyTorch has no CUDA")
    return torch.from_numpy(np.ascontiguousarray(array)).to("cuda:0")


def of_library(library: str, array: Any) -> bool:
    return type(array).__module__.split(".")[0] == library


def bits(array: Any) -> bytes:
    return np.ascontiguousarray(to_host(array)).tobytes()


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Return triplets (n, 3, 51, 51), some of them damaged."""
    rng = np.random.default_rng(4)
    triplets = rng.normal(200, 8, (300, 3, 51, 51)).astype(np.float32)
    triplets[:, 2] = triplets[:, 0] - triplets[:, 1]
    triplets[:200, 2, 24:28, 24:28] += rng.uniform(20, 900, (200, 1, 1)).astype(np.float32)
    triplets[7] = np.nan
    triplets[8, 2] = 3.0
    triplets[9, 1, :, :20] = 1e-30
    triplets[10, 0, 3, 3] = np.inf
    return triplets


@pytest.fixture(scope="module")
def forest() -> Forest:
    return suite.model(registry.AUTOSCAN_STAMP)


@pytest.mark.parametrize("convention", suite.CONVENTIONS)
def test_features_of_the_suite(convention: Any) -> None:
    stamps = suite.stamps()
    expected = s2v.features(stamps, set="stamp", convention=convention)
    for table in (
        s2v.features(stamps.to_device("cuda:0"), set="stamp", convention=convention),
        s2v.features(stamps, set="stamp", convention=convention, device="cuda"),
    ):
        for name in table.names:
            assert table[name].tobytes() == expected[name].tobytes(), name
        assert np.array_equal(table.flags, expected.flags)


@pytest.mark.parametrize("name", [*registry.RECIPES, "composition"])
def test_recipes_of_the_suite(name: str) -> None:
    stamps = suite.stamps()
    recipe = suite.composition() if name == "composition" else s2v.Recipe(name)
    result, expected = s2v.prepare(stamps.to_device("cuda:0"), recipe), s2v.prepare(stamps, recipe)
    assert bits(result.planes) == expected.planes.tobytes()
    assert np.array_equal(result.flags, expected.flags)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", list(suite.CHAINS))
def test_normalisers_of_the_suite(name: str, library: str) -> None:
    planes, mask = suite.squares(suite.stamps())
    hidden = np.broadcast_to(mask, planes.shape)
    expected = s2v.normalise(planes, suite.CHAINS[name], mask=mask)
    result = s2v.normalise(put(library, planes), suite.CHAINS[name], mask=put(library, hidden))
    assert of_library(library, result.planes)
    assert bits(result.planes) == expected.planes.tobytes()
    assert np.array_equal(result.flags, expected.flags)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_forest_of_the_suite(library: str, forest: Forest) -> None:
    x = suite.forest().x
    result = forest.predict(put(library, x))
    assert of_library(library, result)
    assert bits(result) == forest.predict(x).tobytes()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_calibrated_forest(library: str, forest: Forest) -> None:
    calibrated, x = forest.calibrated(suite.calibration()), suite.forest().x
    assert bits(calibrated.predict(put(library, x))) == suite.calibration()(forest.predict(x)).tobytes()
    stamps = suite.stamps()[:500]
    expected = calibrated.score(stamps)
    for scores in (calibrated.score(stamps.to_device("cuda:0")), calibrated.score(stamps, device="cuda")):
        assert bits(scores.score) == expected.score.tobytes()


@pytest.mark.parametrize("names", [registry.AUTOSCAN_STAMP[::-1], registry.FEATURE_SETS["stamp"][::-3][-18:]])
def test_scores_of_the_suite(names: tuple[str, ...]) -> None:
    forest, stamps = suite.model(names), suite.stamps()[:]
    for flags in (stamps.flags, suite.raised(len(stamps))):
        stamps.flags = flags
        expected = forest.score(stamps)
        for scores in (forest.score(stamps.to_device("cuda:0")), forest.score(stamps, device="cuda")):
            assert bits(scores.score) == expected.score.tobytes()
            assert np.array_equal(scores.flags, expected.flags)


@pytest.mark.parametrize("name", ["forest", "autoscan"])
def test_packaged_forests(name: str) -> None:
    night, forest = s2v.simulate(300, seed=8).stamps, s2v.load(name)
    bare = night[:]
    bare.catalogue = {}
    for stamps in (night, bare):
        expected = forest.score(stamps)
        for scores in (forest.score(stamps.to_device()), forest.score(stamps, device="cuda")):
            assert bits(scores.score) == expected.score.tobytes()
            assert np.array_equal(scores.flags, expected.flags)


@pytest.mark.parametrize("library", LIBRARIES)
def test_arrays_of_a_library(library: str, pixels: np.ndarray, forest: Forest) -> None:
    there, here = s2v.Stamps(put(library, pixels)), s2v.Stamps(pixels)
    table, expected = s2v.features(there, set="stamp"), s2v.features(here, set="stamp")
    assert of_library(library, table.values)
    assert bits(table.values) == expected.values.tobytes()
    assert np.array_equal(table.flags, expected.flags)
    scores, wanted = forest.score(there), forest.score(here)
    assert of_library(library, scores.score)
    assert bits(scores.score) == wanted.score.tobytes()
    assert np.array_equal(scores.flags, wanted.flags)
    assert forest.score(here, device="cuda").score.tobytes() == wanted.score.tobytes()
    if library != "space2vec":
        both = s2v.Recipe.of("both", steps=("median-mad", "asinh"), further=["l2"], side=33)
        np.testing.assert_array_equal(to_host(s2v.prepare(there, both).planes), s2v.prepare(here, both).planes)
        half = s2v.Stamps(put(library, pixels)[::2])
        assert bits(s2v.features(half, set="s2v").values) == s2v.features(here[::2], set="s2v").values.tobytes()
        flat = put(library, pixels.reshape(-1, 51, 51))[:, 4:40, 6:48]
        crop = s2v.normalise(pixels.reshape(-1, 51, 51)[:, 4:40, 6:48], "l2")
        assert bits(s2v.normalise(flat, "l2").planes) == crop.planes.tobytes()


def test_the_callers_stream(pixels: np.ndarray, forest: Forest) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is missing: torch")
    expected = s2v.features(s2v.Stamps(pixels), set="s2v").values
    wanted = forest.score(s2v.Stamps(pixels))
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        busy = torch.ones(4096, 4096, device="cuda")
        for _ in range(20):
            busy = busy @ busy * 1e-4
        given = torch.from_numpy(pixels).pin_memory().to("cuda", non_blocking=True)
        values = s2v.features(s2v.Stamps(given), set="s2v").values
        doubled = values * 2
        scores = forest.score(s2v.Stamps(given))
        halved = scores.score / 2
    stream.synchronize()
    assert bits(values) == expected.tobytes()
    assert bits(doubled) == (expected * 2).tobytes()
    assert bits(halved) == (wanted.score / 2).tobytes()
    assert np.array_equal(scores.flags, wanted.flags)


def test_results_are_lent_without_a_copy(pixels: np.ndarray) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is missing: torch")
    planes = s2v.prepare(s2v.Stamps(DeviceArray.of_host(pixels)), "braai").planes
    for tensor in (torch.as_tensor(planes, device="cuda:0"), torch.from_dlpack(planes)):
        assert tensor.data_ptr() == planes.address
        assert bits(tensor) == bits(planes)
    if importlib.util.find_spec("cupy") is not None:
        import cupy

        for array in (cupy.asarray(planes), cupy.from_dlpack(planes)):
            assert array.data.ptr == planes.address


@pytest.mark.parametrize("name", ["stampnet", "tablenet"])
def test_the_networks(name: str, pixels: np.ndarray) -> None:
    model = s2v.load(name)
    assert isinstance(model, s2v.Network)
    stamps = s2v.Stamps(np.resize(pixels, (5000, *pixels.shape[1:])))
    lacking = stamps[:700]
    lacking.offset = lacking.offset.copy()
    lacking.offset[100:200, 1] = -1  # the template, without which stampnet can do
    lacking.flags = suite.raised(len(lacking))
    for source in (stamps, lacking, suite.stamps()):
        expected = model.score(source, device="cpu")
        for scores in (model.score(source, device="cuda"), model.score(source.to_device("cuda:0"))):
            assert bits(scores.score) == expected.score.tobytes()
            assert np.array_equal(scores.flags, expected.flags)
    given = model.inputs(lacking).arrays
    assert bits(model.predict(*map(DeviceArray.of_host, given))) == model.predict(*given).tobytes()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", tiny_models.vector_models())
def test_networks_of_vectors(name: str, library: str, pixels: np.ndarray, tmp_path: Path) -> None:
    file = tmp_path / "vectors.safetensors"
    file.write_bytes(tiny_models.vector_models()[name])
    model = s2v.load(file)
    here = s2v.Stamps(pixels)
    expected = model.embed(here, device="cpu")
    there = model.embed(s2v.Stamps(put(library, pixels)))
    assert of_library(library, there.vector)
    with model.embed_pipeline("cuda") as pipeline:
        piped = s2v.Vectors.concatenate(list(pipeline.run([here[:100], here[100:]])))
    for vectors in (there, model.embed(here, device="cuda"), piped):
        assert bits(vectors.vector) == expected.vector.tobytes()
        assert np.array_equal(vectors.flags, expected.flags)
    assert not expected.has_vector.all()


@pytest.mark.parametrize("library", ["torch", "space2vec"])
def test_a_network_of_floats(library: str, pixels: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    put("torch", pixels[:1])  # PyTorch has the device
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "torch")
    model, here = s2v.load("stampnet"), s2v.Stamps(pixels)
    expected = model.score(here, device="cpu")
    scores = model.score(s2v.Stamps(put(library, pixels)))
    assert of_library(library, scores.score)
    for got in (scores, model.score(here, device="cuda")):
        np.testing.assert_allclose(np.asarray(got), expected.score, rtol=0, atol=1e-4)
        assert np.array_equal(got.flags, expected.flags)


def test_more_memory_than_there_is(pixels: np.ndarray) -> None:
    with pytest.raises(MemoryError):
        DeviceArray((1 << 44,))
    stamps = s2v.Stamps(pixels)  # and the device works on
    assert bits(s2v.features(stamps.to_device(), set="s2v").values) == s2v.features(stamps, set="s2v").values.tobytes()


def test_memory_that_is_bounded(monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray) -> None:
    monkeypatch.setenv("SPACE2VEC_DEVICE_MEMORY", "3M")
    stamps = s2v.Stamps(pixels)
    result = s2v.features(stamps, set="all", device="cuda")
    assert result.values.tobytes() == s2v.features(stamps, set="all").values.tobytes()


@pytest.mark.parametrize("form", ["exact", "float16", "int16:0.5:10"])
def test_pixels_that_come_in_16_bits(form: str, monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray) -> None:
    scale, zero = np.float32(0.5), np.float32(10.0)
    codes = np.clip(np.rint((pixels - zero) / scale), -32766, 32767).astype(np.float32)
    rounded = {
        "exact": np.round(pixels) + np.float32(0),
        "float16": np.clip(pixels, -65504, 65504).astype(np.float16).astype(np.float32),
    }.get(form, codes * scale + zero)
    monkeypatch.setenv("SPACE2VEC_DEVICE_PIXELS", form)
    result = s2v.features(s2v.Stamps(rounded if form == "exact" else pixels), set="all", device="cuda")
    assert result.values.tobytes() == s2v.features(s2v.Stamps(rounded), set="all", device="cpu").values.tobytes()


def fits(image: np.ndarray) -> bytes:
    height, width = image.shape
    cards = ("SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2",
             f"NAXIS1  = {width:20}", f"NAXIS2  = {height:20}", "END")  # fmt: skip
    pixels = image.astype(">f4").tobytes()
    header = "".join(card.ljust(80) for card in cards).ljust(2880)
    return header.encode() + pixels.ljust(-(-len(pixels) // 2880) * 2880, b"\0")


def test_alerts_that_are_read_into_page_locked_memory(pixels: np.ndarray) -> None:
    from space2vec.backends.cuda.pipeline import DEPTH, Pipeline, feature_work
    from space2vec.data.device.extension import active
    from space2vec.data.device.page_locked import page_locked_allocator
    from space2vec.plans.features import FeaturePlan
    from space2vec.reading import alerts
    from space2vec.reading.parquet_columns import CutoutColumn

    cutouts = []
    for channel in range(3):
        files = [fits(stamp[channel]) for stamp in pixels]
        begin = np.cumsum([0, *map(len, files)])
        cutouts.append(CutoutColumn(np.frombuffer(b"".join(files), np.uint8), begin.astype(np.int64)))
    n = len(pixels)
    table = alerts.AlertRows(cutouts, np.full(n, "a", object), np.arange(n))
    options = alerts.ReadOptions(n, 4, memory=page_locked_allocator(0))
    places, locked = set(), []

    def batches() -> Any:
        for _ in range(30):
            (batch,) = alerts.decode_columns(table, options, "table")
            assert isinstance(batch.rows, s2v.Stamps)
            places.add(batch.rows.buffer.ctypes.data)
            locked.append(active().memory_at(batch.rows.buffer.ctypes.data)[0] == 3)
            yield batch.rows

    expected = s2v.features(s2v.Stamps(pixels), set="stamp")
    measure = FeaturePlan(expected.names)
    with Pipeline(feature_work(measure), 0) as through:
        tables = list(through.run(batches()))
    assert all(locked)
    assert len(places) <= DEPTH + 2, "memory is used again"
    assert {table.values.tobytes() for table in tables} == {expected.values.tobytes()}
