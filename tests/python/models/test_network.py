"""Networks: what a file holds, which rows get a score, and that both runtimes give the same one."""

from __future__ import annotations

import dataclasses
import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from space2vec import model_files, registry
from space2vec.backends import kernels
from space2vec.data import flags
from space2vec.errors import BackendError, ModelError
from space2vec.models import runtimes
from space2vec.models.load import packaged
from space2vec.models.network import Network

torch = pytest.importorskip("torch", reason="PyTorch is missing: torch")
pytest.importorskip("onnxscript", reason="the exporter is missing: onnxscript")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is missing: onnxruntime")
tiny_networks = pytest.importorskip("helpers.tiny_networks")
pytestmark = pytest.mark.usefixtures("known")

make, header_of = tiny_networks.make, tiny_networks.header_of
RECIPE, COLUMNS, KINDS = tiny_networks.RECIPE, tiny_networks.COLUMNS, tiny_networks.KINDS


@pytest.fixture(scope="module")
def night() -> s2v.Stamps:
    return s2v.simulate(150, seed=7).stamps


@pytest.fixture(scope="module")
def files(night: s2v.Stamps, known: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a model file of each kind; that of planes and features does without a template."""
    folder = tmp_path_factory.mktemp("networks")
    paths = {name: folder / f"{name}.safetensors" for name in KINDS}
    for name, path in paths.items():
        make(name, night, **({"optional": ["template"]} if name == "Tiny" else {})).save(path)
    return paths


@pytest.fixture(params=list(KINDS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def by(runtime: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setenv("SPACE2VEC_RUNTIME", runtime)
    network = Network.load(path)
    monkeypatch.delenv("SPACE2VEC_RUNTIME")
    assert network.runtime == runtime
    return network


def inputs_of(network: Network, n: int, gaps: bool = True) -> list[NDArray[np.float32]]:
    """Return random inputs of a network, with NaN features."""
    rng = np.random.default_rng(n)
    shapes = {"planes": RECIPE.shape, "features": (len(COLUMNS),)}
    given = [rng.normal(size=(n, *shapes[what])).astype(np.float32) for what in network.takes]
    if gaps and "features" in network.takes:
        given[-1][rng.random(given[-1].shape) < 0.3] = np.nan
        given[-1][: n // 8] = np.nan
    return given


def test_round_trip(name: str, files: dict[str, Path], night: s2v.Stamps, tmp_path: Path) -> None:
    network, loaded = make(name, night), s2v.load(files[name])
    assert isinstance(loaded, Network)
    assert network.runtime == loaded.runtime == "torch"
    assert loaded.kind == loaded.header.kind == "network"
    assert loaded.name == name.lower()
    assert loaded.takes == network.takes == KINDS[name]
    assert loaded.feature_names == (COLUMNS if "features" in KINDS[name] else ())
    assert loaded.header.library == s2v.__version__
    if name != "Tiny":  # whose file says more of it
        assert loaded.id == network.id
    assert loaded.id.startswith(f"{loaded.name} ")
    again = tmp_path / "again.safetensors"
    loaded.save(again)
    assert again.read_bytes() == files[name].read_bytes()
    text = again.read_bytes()
    assert str(Path(__file__).parent).encode() not in text, "no path of the machine that made it"


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 200])
def test_both_runtimes_give_the_same_scores(
    name: str, n: int, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx, pytorch = by("onnxruntime", files[name], monkeypatch), by("torch", files[name], monkeypatch)
    given = inputs_of(onnx, n)
    first, second = onnx.predict(*given), pytorch.predict(*given)
    assert first.shape == second.shape == (n,)
    assert first.dtype == second.dtype == np.float32
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-5)
    with torch.inference_mode():
        logits = onnx.module(*map(torch.from_numpy, given)).numpy().astype(np.float64)
    np.testing.assert_allclose(first, 1 / (1 + np.exp(-logits / 1.25)), rtol=0, atol=1e-5)
    if n == 200:
        assert np.ptp(first) > 0.1, "the scores are not all alike"


@pytest.mark.parametrize("runtime", list(runtimes.RUNTIMES))
def test_bits_do_not_depend_on_threads_or_on_neighbours(
    name: str, runtime: str, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = by(runtime, files[name], monkeypatch)
    given = inputs_of(network, 331)
    whole = network.predict(*given, threads=1)
    before = torch.get_num_threads()
    assert network.predict(*given, threads=3).tobytes() == whole.tobytes()
    assert torch.get_num_threads() == before
    if runtime == "onnxruntime":  # PyTorch chooses other kernels for few rows
        for rows in (slice(5, 331), slice(70, 71), slice(1, 8)):
            assert network.predict(*(part[rows] for part in given)).tobytes() == whole[rows].tobytes()


def test_torch_keeps_its_threads_whoever_ends_last(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (runtimes.make_runtime(by("torch", files[name], monkeypatch)) for name in ("Tiny", "TinyPlanes"))
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        one, other = first.one_thread(), second.one_thread()
        one.__enter__()
        other.__enter__()
        one.__exit__(None, None, None)
        assert torch.get_num_threads() == 1
        other.__exit__(None, None, None)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_stamps_are_prepared_and_measured(name: str, files: dict[str, Path], night: s2v.Stamps) -> None:
    network = s2v.load(files[name])
    scores = network.score(night, threads=1)
    given = {"planes": s2v.prepare(night, RECIPE).planes, "features": s2v.features(night, set="stamp").select(COLUMNS)}
    expected = network.predict(*(given[what] for what in KINDS[name]))
    np.testing.assert_array_equal(scores.score, expected)
    assert np.isfinite(scores.score).all()
    assert scores.model == network.id
    assert scores.candidate_id.tolist() == night.candidate_id.tolist()
    raised = np.zeros(len(night), dtype=np.uint32)
    if "planes" in given and "planes" in KINDS[name]:
        raised |= s2v.prepare(night, RECIPE).flags
    if "features" in KINDS[name]:
        raised |= s2v.features(night, set="stamp").flags
    if "features" in KINDS[name]:  # some of which are not measured, and raise nothing
        assert not (scores.flags & ~raised).any()
        assert scores.flags.tolist() == network.inputs(night).flags.tolist()
    else:
        assert scores.flags.tolist() == raised.tolist()
    many = s2v.Stamps.concatenate([night] * 9)
    repeated = network.score(many, threads=2).score  # PyTorch chooses other kernels for few rows
    np.testing.assert_allclose(repeated, np.tile(scores.score, 9), rtol=0, atol=1e-6)
    assert len(network.score(night[:0])) == 0


def test_a_table_is_scored_as_its_stamps_are(files: dict[str, Path], night: s2v.Stamps) -> None:
    network = s2v.load(files["TinyTable"])
    table = s2v.features(night, set="all")
    np.testing.assert_array_equal(network.score(table).score, network.score(night).score)
    values = np.array(table.values)
    values[0] = np.nan
    scores = network.score(s2v.Features(values, table.names))
    assert np.isnan(scores.score[0])
    assert scores.flag_names(0) == ["missing"]
    assert np.isfinite(scores.score[1:]).all()
    with pytest.raises(ModelError, match="needs columns that the table lacks"):
        network.score(s2v.Features(values[:, :3], table.names[:3]))
    with pytest.raises(ModelError, match="a table of features has no pixels"):
        s2v.load(files["Tiny"]).score(table)


def night_with_faults(night: s2v.Stamps) -> s2v.Stamps:
    """Whole, all zero, constant, template zero, science NaN, no template, science, difference; template undecodable."""
    planes = [[np.array(night.plane(row, channel)) for channel in s2v.Recipe("zscale").channels] for row in range(9)]
    for plane in planes[1]:
        plane[:] = 0
    for plane in planes[2]:
        plane[:] = 37.5
    planes[3][1][:] = 0
    planes[4][0][:] = np.nan
    rows: list[list[Any]] = [list(row) for row in planes]
    rows[5][1] = None
    rows[6][0] = None
    rows[7][2] = None
    rows[8][1] = None
    raised = np.zeros(9, dtype=np.uint32)
    raised[8] = flags.bits("bad_stamp")
    return s2v.Stamps(rows, flags=raised)


@pytest.mark.parametrize("runtime", list(runtimes.RUNTIMES))
def test_rows_that_cannot_be_scored(
    name: str, runtime: str, files: dict[str, Path], night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = by(runtime, files[name], monkeypatch)
    scores = network.score(night_with_faults(night))
    told = [set(scores.flag_names(row)) for row in range(9)]
    there = np.isfinite(scores.score)
    assert there[0]
    assert not there[[1, 2, 7, 8]].any(), "an all-zero or constant stamp, no difference, an undecodable template"
    assert all("constant" in told[row] for row in (1, 2))
    assert "missing" in told[7]
    assert "bad_stamp" in told[8]
    if "planes" in KINDS[name]:
        assert not there[[3, 4, 6]].any()
        assert all("constant" in told[row] for row in (3, 4))
    assert all(flags.names(int(scores.flags[row]) & flags.UNSCORABLE) for row in np.nonzero(~there)[0])
    assert there[5] == (name == "Tiny"), "which does without a template"
    assert "missing" in told[5]


def test_a_missing_plane_is_zero_and_the_others_as_ever(files: dict[str, Path], night: s2v.Stamps) -> None:
    network = s2v.load(files["Tiny"])
    stamps = night_with_faults(night)[[0, 5]]
    whole = s2v.prepare(night[[5]], RECIPE).planes
    whole[:, 1] = 0
    table = s2v.features(stamps, set="stamp").select(COLUMNS)
    assert network.score(stamps).score[1] == network.predict(whole, table[1:])[0]
    planes, columns = network.tensors(stamps)
    np.testing.assert_array_equal(planes[1:].numpy(), whole)
    np.testing.assert_array_equal(columns.numpy(), table)
    with torch.inference_mode():
        logits = network.module(planes, columns)
    np.testing.assert_allclose(torch.sigmoid(logits / 1.25).numpy(), network.score(stamps).score, atol=1e-5)


def test_planes_that_are_not_finite_are_never_scored(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for runtime in runtimes.RUNTIMES:
        network = by(runtime, files["Tiny"], monkeypatch)
        planes, columns = inputs_of(network, 70)
        for row, value in ((0, np.nan), (1, np.inf), (65, -np.inf)):
            planes[row, 2, 20, 20] = value
        planes[2, 2, 20, 19:] = np.finfo(np.float32).max, -np.inf
        planes[3, 2, 20, 19:] = np.inf, -np.inf
        planes[4, 2, 20] = 1e38  # finite, though their sum is not
        score = network.predict(planes, columns)
        assert np.nonzero(np.isnan(score))[0].tolist() == [0, 1, 2, 3, 65]


def test_what_does_not_fit_is_refused(files: dict[str, Path], night: s2v.Stamps) -> None:
    network = s2v.load(files["Tiny"])
    planes, columns = inputs_of(network, 3)
    with pytest.raises(ValueError, match="takes planes and features; given 1 inputs"):
        network.predict(planes)
    with pytest.raises(ValueError, match=r"planes must have shape \(n, 3, 21, 21\)"):
        network.predict(planes[:, :2], columns)
    with pytest.raises(ValueError, match=r"features must have shape \(n, 4\), as many rows each; given \(2, 4\)"):
        network.predict(planes, columns[:2])
    with pytest.raises(TypeError, match="planes has dtype"):
        network.predict(planes.astype(complex), columns)
    with pytest.raises(TypeError, match="score takes"):
        network.score(planes)  # type: ignore[arg-type]
    with pytest.raises(BackendError, match="'cuda' is not available"):
        network.score(night, device="cuda")
    module = tiny_networks.TinyPlanes()
    with pytest.raises(ModelError, match="the module takes"):
        Network(module, header_of("Tiny", module.settings))
    with pytest.raises(ModelError, match="the module was made with"):
        Network(module, header_of("TinyPlanes", {"channels": 2}))
    with pytest.raises(ModelError, match=r"cannot take .*21, 21.*: .*to have 2 channels"):
        Network(tiny_networks.TinyPlanes(2), header_of("TinyPlanes", {"channels": 2}))
    flat = tiny_networks.TinyPlanes()
    flat.head = torch.nn.Linear(8, 2)
    with pytest.raises(ModelError, match=r"gives \(2, 2\) for two rows"):
        Network(flat, header_of("TinyPlanes", flat.settings))
    with pytest.raises(ModelError, match="'forest', not 'network'"):
        Network(module, model_files.Header("forest", "x", COLUMNS))
    with pytest.raises(ModelError, match="'network', not 'forest'"):
        s2v.Forest.load(files["Tiny"])


def test_the_network_keeps_a_copy(night: s2v.Stamps) -> None:
    torch.manual_seed(1)
    module = tiny_networks.TinyPlanes()
    network = Network(module.train(), header_of("TinyPlanes", module.settings))
    before, named = network.score(night[:5]).score, network.id
    with torch.no_grad():
        module.head.bias += 1
    assert network.id == named
    assert network.score(night[:5]).score.tobytes() == before.tobytes()
    assert module.training
    assert not network.module.training
    assert Network(module, network.header).id != named


def test_pickle(files: dict[str, Path], night: s2v.Stamps) -> None:
    network = s2v.load(files["Tiny"])
    again = pickle.loads(pickle.dumps(network))
    assert again.id == network.id
    assert again.score(night[:9]).score.tobytes() == network.score(night[:9]).score.tobytes()


def test_a_packaged_network_needs_no_other_package() -> None:
    """It is loaded and scores without PyTorch, ONNX Runtime, Numba and safetensors."""
    program = """
import sys
import space2vec as s2v
for name in ("torch", "onnxruntime", "onnx", "safetensors") + (("numba",) if sys.argv[1] == "native" else ()):
    sys.modules[name] = None
print(len(s2v.load().score(s2v.simulate(3, seed=1).stamps)))
"""
    done = subprocess.run([sys.executable, "-c", program, kernels.name()], capture_output=True, text=True, timeout=300)
    assert done.stdout.split() == ["3"], done.stderr


def test_the_runtime_is_chosen_or_asked_for(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"onnxruntime", "torch"}
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: find(name) if name in installed else None)
    assert s2v.load(files["TinyTable"]).runtime == "torch"
    assert s2v.load("tablenet").runtime is None
    installed.remove("onnxruntime")
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "onnxruntime")
    with pytest.raises(BackendError, match=r"not installed: pip install '\.\[onnx\]'"):
        s2v.load(files["TinyTable"])
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "abacus")
    with pytest.raises(BackendError, match="'abacus'; accepted are onnxruntime and torch"):
        s2v.load("tablenet")
    monkeypatch.delenv("SPACE2VEC_RUNTIME")
    network = make("TinyTable", s2v.simulate(20, seed=1).stamps)
    with pytest.raises(ImportError, match=r"made by PyTorch, onnx and onnxscript: pip install '\.\[torch\]'"):
        network.export("nowhere.onnx")
    installed.remove("torch")
    with pytest.raises(BackendError, match=r"'tinytable' is in floating point, .*absent: pip install '\.\[torch\]'"):
        s2v.load(files["TinyTable"])
    assert s2v.load("tablenet").runtime is None


@pytest.mark.parametrize("runtime", list(runtimes.RUNTIMES))
def test_a_network_of_integers_in_floating_point(
    runtime: str, night: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is where SPACE2VEC_RUNTIME says so: nearly the same scores, and the same flags and rows."""
    stamps = s2v.Stamps.concatenate([night_with_faults(night), night[:60]])
    for name in ("stampnet", "tablenet"):
        integers, floats = s2v.load(name), by(runtime, packaged()[name], monkeypatch)
        assert integers.id == floats.id
        assert integers.runtime is None
        expected, found = integers.score(stamps), floats.score(stamps)
        np.testing.assert_allclose(found.score, expected.score, rtol=0, atol=0.05)
        assert (found.score != expected.score).any()
        assert found.flags.tolist() == expected.flags.tolist()
        assert found.model == expected.model
    table = s2v.features(night, set="all")
    values = np.array(table.values)
    values[:3], values[3, :] = np.nan, np.nan
    values[4, : len(registry.AUTOSCAN)] = np.nan
    raised = table.flags.copy()
    raised[5] |= np.uint32(flags.bits("bad_stamp"))
    rows = s2v.Features(values, table.names, raised)
    expected, found = integers.score(rows), floats.score(rows)
    np.testing.assert_allclose(found.score, expected.score, rtol=0, atol=0.05)
    assert np.isnan(found.score[[0, 5]]).all()
    assert found.flags.tolist() == expected.flags.tolist()
    for one in (integers, floats):
        given = one.inputs(night[:9])
        assert given.scored.all()
        np.testing.assert_array_equal(one.predict(*given.arrays), one.score(night[:9]).score)


def test_the_id_tells_what_a_score_depends_on(night: s2v.Stamps) -> None:
    network = make("Tiny", night)
    header = network.header
    other = [
        dataclasses.replace(header, architecture={**header.architecture, "temperature": 1.5}),
        dataclasses.replace(header, architecture={**header.architecture, "optional": ["template"]}),
        dataclasses.replace(header, recipe=s2v.Recipe.of("tiny", steps="zscale", side=21).to_plain()),
        dataclasses.replace(header, convention="paper"),
        dataclasses.replace(header, feature_names=COLUMNS[::-1]),
    ]
    ids = {Network(network.module, one).id for one in (header, *other)}
    assert len(ids) == 1 + len(other)
    assert Network(network.module, dataclasses.replace(header, metrics={"auc": 0.5})).id == network.id
