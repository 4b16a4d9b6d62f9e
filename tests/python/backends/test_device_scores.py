"""Scores of stamps on a device: what of them is decided there; tried on a device that is the host."""

from __future__ import annotations

import dataclasses
import gc

import numpy as np
import pytest

import space2vec as s2v
from helpers import host_device
from helpers.device_tables import alike, stump
from parity import suite
from space2vec import model_files, registry
from space2vec.backends.cuda import device_batch
from space2vec.backends.cuda.backend import Cuda
from space2vec.data import flags as flag_bits
from space2vec.data.device import DeviceArray
from space2vec.errors import ModelError
from space2vec.model_files.trees import Trees
from space2vec.models.forest import Forest

STAMP, AUTOSCAN = registry.FEATURE_SETS["stamp"], registry.AUTOSCAN_STAMP
#: Columns by which a forest of eighteen scores: other sets, another order, some of them.
COLUMNS = {"eighteen": AUTOSCAN, "reversed": AUTOSCAN[::-1], "both": STAMP[::-3][-18:], "s2v": STAMP[20:38]}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> host_device.HostDevice:
    return host_device.make(monkeypatch)


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    """Return stamps of all kinds, with planes missing, for which a reader raised every flag that it can."""
    rng = np.random.default_rng(2)
    every = suite.stamps()
    measured = s2v.features(every, set="stamp")
    silent = np.flatnonzero(np.isnan(measured["AMP"]) & flag_bits.scorable(measured.flags))
    some = every[np.concatenate((silent, rng.permutation(len(every))))[:250]]
    some.offset = some.offset.copy()
    some.offset[rng.random(some.offset.shape) < 0.05] = -1
    some.flags = suite.raised(len(some))
    return some


@pytest.fixture(scope="module")
def bare(stamps: s2v.Stamps) -> s2v.Stamps:
    """Return the same, without a flag."""
    some = stamps[:]
    some.flags = np.zeros(len(some), np.uint32)
    return some


def of_one_column(name: str) -> Forest:
    """Return a forest of one column, whose rows are silent where that is NaN."""
    trees = Trees(np.array([0, 3]), np.array([2, 0, 0], np.int32), np.zeros(3, np.int16), np.zeros(3, np.uint8),
                  np.array([0.1, 0.2, 0.9], np.float32))  # fmt: skip
    return Forest(trees, model_files.Header("forest", "one", (name,), "stamp", registry.FEATURES_VERSION))


@pytest.mark.parametrize("columns", list(COLUMNS))
@pytest.mark.parametrize("fill", [True, False])
def test_a_forest_scores_where_the_features_lie(
    columns: str, fill: bool, module: host_device.HostDevice, stamps: s2v.Stamps, bare: s2v.Stamps
) -> None:
    forest = suite.model(COLUMNS[columns])
    if not fill:
        forest = Forest(forest.trees, forest.header)
    for source in (stamps, bare, bare[:0]):
        expected = forest.score(source)
        there = source.to_device()
        module.calls.clear()
        scores = forest.score(there)
        assert "predict" not in module.calls
        assert ("score" in module.calls) == (len(source) > 0)
        assert isinstance(scores.score, DeviceArray)
        assert scores.score.to_host().tobytes() == expected.score.tobytes()
        assert np.array_equal(scores.flags, expected.flags)
        assert alike(scores, expected)
        assert alike(forest.score(source, device="cuda"), expected)
    raised = forest.score(stamps).flags
    assert not flag_bits.UNSCORABLE & ~np.bitwise_or.reduce(raised), "every flag that refuses is tried"


def test_silent_rows(module: host_device.HostDevice, bare: s2v.Stamps) -> None:
    forest = of_one_column("AMP")
    expected = forest.score(bare)
    silent = np.isnan(s2v.features(bare, set="stamp")["AMP"])
    scored = (s2v.features(bare, set="stamp").flags & np.uint32(flag_bits.UNSCORABLE)) == 0
    assert (silent & scored).any()
    assert (expected.flags[silent & scored] & np.uint32(flag_bits.bits("missing"))).all()
    assert alike(forest.score(bare.to_device()), expected)
    assert alike(forest.score(bare, device="cuda"), expected)


def test_nothing_waits_before_somebody_looks(module: host_device.HostDevice, bare: s2v.Stamps) -> None:
    stream = module.stream_create(0)
    pixels = np.random.default_rng(0).normal(100, 5, size=(6, 3, 51, 51)).astype(np.float32)
    there = s2v.Stamps(host_device.OnDevice(module, pixels, stream=stream))
    s2v.features(there, set="s2v")  # the geometry is there
    forest = stump()
    Cuda(0).engine(forest)
    module.calls.clear()
    streams = list(module.queues)
    scores = forest.score(there)
    assert "stream_wait" not in module.calls
    assert list(module.queues) == streams
    assert module.queues[stream], "nothing was waited for"
    assert np.isnan(module.at(scores.score.address, (6,), np.float32)).all()
    expected = forest.score(s2v.Stamps(pixels))
    assert np.array_equal(scores.flags, expected.flags)
    assert alike(scores, expected)
    del scores, there
    gc.collect()
    assert module.held == {}


def test_features_of_stamps_stay_on_the_device(
    module: host_device.HostDevice, bare: s2v.Stamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores and flags come back, and no features."""
    forest = suite.model(AUTOSCAN)
    down: list[int] = []
    copy = module.copy

    def watched(device: int, stream: int, to: int, source: int, size: int, kind: str) -> None:
        if kind == "to_host":
            down.append(size)
        copy(device, stream, to, source, size, kind)

    module.copy = watched  # type: ignore[method-assign]
    expected = forest.score(bare)
    assert alike(forest.score(bare, device="cuda"), expected)
    assert sum(down) == 8 * len(bare)
    monkeypatch.setenv("SPACE2VEC_DEVICE_MEMORY", "1M")
    module.most = 0
    with forest.pipeline("cuda") as through:
        parts = list(through.run(bare[k : k + 50] for k in range(0, len(bare), 50)))
    assert alike(s2v.data.tables.Scores.concatenate(parts), expected)
    assert len(module.held) == 0
    assert module.most <= device_batch.memory_limit()


@pytest.mark.parametrize("of_catalogue", [2, 12])
def test_columns_of_the_catalogue_are_brought_there(
    of_catalogue: int, module: host_device.HostDevice, stamps: s2v.Stamps
) -> None:
    known = [*registry.CATALOGUE]
    names = [*known[:of_catalogue], *AUTOSCAN][:18][::-1]
    forest, rng = suite.model(names), np.random.default_rng(6)
    for told in ((), known[1:of_catalogue], known):
        source = stamps[:]
        for name in told:
            source.catalogue[name] = rng.normal(size=len(source)).astype(np.float32)
            source.catalogue[name][::3] = np.nan
        expected = forest.score(source)
        module.calls.clear()
        assert alike(forest.score(source.to_device()), expected)
        assert alike(forest.score(source, device="cuda"), expected)
        assert "predict" not in module.calls
        missing = (expected.flags & np.uint32(flag_bits.bits("missing"))) != 0
        assert (missing & ~np.isnan(expected.score)).any() == (of_catalogue == 12)


def lacking(stamps: s2v.Stamps) -> s2v.Stamps:
    """Return stamps with planes missing, one pattern after another, and what a reader would raise of some."""
    some = stamps[:]
    some.offset = some.offset.copy()
    for pattern in range(8):
        some.offset[pattern::10][:, [bool(pattern >> channel & 1) for channel in range(3)]] = -1
    some.flags = suite.raised(len(some))
    return some


@pytest.mark.parametrize("name", ["stampnet", "tablenet", "forest", "autoscan"])
@pytest.mark.parametrize("calibrated", [False, True])
def test_packaged_models(name: str, calibrated: bool, module: host_device.HostDevice, bare: s2v.Stamps) -> None:
    """The bits of the CPU, whatever is missing, damaged or unknown."""
    model = s2v.load(name)
    if calibrated:
        model = model.calibrated(suite.calibration())
    night = s2v.simulate(60, seed=8).stamps
    unknown = night[:]
    unknown.catalogue = {}
    for source in (night, unknown, lacking(night), bare, lacking(bare), bare[:0]):
        expected = model.score(source)
        assert alike(model.score(source.to_device()), expected)
        assert alike(model.score(source, device="cuda"), expected)
    if model.header.recipe is None:
        table = s2v.features(night, set="all")
        table.values[3] = np.nan
        table.flags[4:9] = [
            flag_bits.bits(flag) for flag in ("bad_stamp", "missing", "constant", "padded", "off_shape")
        ]
        assert alike(model.score(table, device="cuda"), model.score(table))
        assert "score_columns" in module.calls


@pytest.mark.parametrize("name", ["stampnet", "tablenet", "forest"])
def test_prepared_rows_of_packaged_models(name: str, module: host_device.HostDevice, bare: s2v.Stamps) -> None:
    model = s2v.load(name)
    if model.kind == "forest":
        given = [model.needs.columns_of_table(s2v.features(bare, set="all"))[0].copy()]
    else:
        given = list(model.inputs(bare).arrays)
    for array in given:
        if array.ndim == 4:
            array[2, 0, 0, 0] = np.inf
    expected = model.predict(*given)
    assert model.predict(*(DeviceArray.of_host(array) for array in given)).to_host().tobytes() == expected.tobytes()
    assert model.predict(*given, device="cuda").tobytes() == expected.tobytes()
    assert model.predict(*(array[:0] for array in given), device="cuda").shape == (0,)
    module.calls.clear()
    assert model.predict(*(DeviceArray.of_host(array[:0]) for array in given)).to_host().shape == (0,)
    assert "predict" not in module.calls
    with pytest.raises(ValueError, match="must have shape"):
        model.predict(*(DeviceArray.of_host(array[:, 1:]) for array in given))


def test_models_that_are_damaged(module: host_device.HostDevice, bare: s2v.Stamps) -> None:
    model = s2v.load("stampnet")
    vars(model)["file"] = model.file[:-100]
    with pytest.raises(ModelError):
        model.score(bare, device="cuda")


def test_few_rows_at_a_time(module: host_device.HostDevice, bare: s2v.Stamps, monkeypatch: pytest.MonkeyPatch) -> None:
    model = s2v.load("stampnet")
    expected = model.score(bare)
    there = bare.to_device()
    monkeypatch.setenv("SPACE2VEC_DEVICE_MEMORY", "4K")
    assert device_batch.rows_at_a_time(Cuda(0).engine(model), len(bare)) == 32
    assert alike(model.score(there), expected)


def test_columns_of_ones_own(module: host_device.HostDevice, bare: s2v.Stamps) -> None:
    x = np.random.default_rng(1).normal(size=(5, 18)).astype(np.float32)
    own = suite.model([f"column {k}" for k in range(18)])
    assert own.predict(DeviceArray.of_host(x)).to_host().tobytes() == own.predict(x).tobytes()
    for source, device in ((bare, "cuda"), (bare.to_device(), "auto")):
        with pytest.raises(ModelError, match="needs columns that stamps do not give"):
            own.score(source, device=device)
    table = s2v.features(bare, set="stamp")
    assert alike(suite.model(AUTOSCAN).score(table, device="cuda"), suite.model(AUTOSCAN).score(table))
    assert "score_columns" in module.calls


def test_a_forest_takes_features_alone() -> None:
    header = dataclasses.replace(stump().header, recipe=s2v.Recipe("braai").to_plain())
    with pytest.raises(ModelError, match="a forest takes features alone"):
        Forest(stump().trees, header)
