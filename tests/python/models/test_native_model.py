"""Models in the library: scores of the oracle and of the forests, whoever gives the model what it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import space2vec as s2v
from oracle import integer_network as oracle
from oracle import stamps as synthetic
from space2vec import model_files, registry
from space2vec.backends.host import ModelInputs
from space2vec.data import flags as flag_bits
from space2vec.models.load import packaged

core = pytest.importorskip("space2vec._core")

NAMES = ("stampnet", "tablenet", "forest", "autoscan")
CATALOGUE = [*registry.CATALOGUE]


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    """Return stamps of every kind, some without planes, beside flags of a reader and what a catalogue knows."""
    rng = np.random.default_rng(8)
    cases = [case for _, case in synthetic.named_cases()] + synthetic.batch(160, seed=5)
    batch = s2v.Stamps([c.planes for c in cases], centre=[c.centre for c in cases], saturation=60000.0)
    batch.offset[3::11, 1] = -1
    batch.offset[5::17, 0] = -1
    batch.offset[6::19, 2] = -1
    raised = rng.choice([0, 0, 0, *(flag_bits.bits(name) for name in ("missing", "bad_stamp", "padded"))], len(batch))
    batch.flags = raised.astype(np.uint32)
    known = np.exp(rng.normal(size=(len(CATALOGUE), len(batch)))).astype(np.float32)
    known[rng.random(known.shape) < 0.1] = np.nan
    known[:, ::7] = np.nan
    batch.catalogue = dict(zip(CATALOGUE, known, strict=True))
    return batch


def native(name: str) -> object:
    return core.Model(packaged()[name].read_bytes())


def scored(name: str, stamps: s2v.Stamps, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and flags as the library gives them."""
    score, flags = np.empty(len(stamps), np.float32), np.empty(len(stamps), np.uint32)
    native(name).score(stamps, catalogue_of(stamps), score, flags, threads)
    return score, flags


def catalogue_of(stamps: s2v.Stamps) -> np.ndarray:
    return np.stack([stamps.catalogue[column] for column in CATALOGUE], axis=1, dtype=np.float32).copy()


def inputs_of(name: str, stamps: s2v.Stamps, threads: int = 1) -> ModelInputs:
    """Return what a model is given of stamps, as the library writes it."""
    n, needs = len(stamps), s2v.load(name).needs
    planes = None if needs.recipe is None else np.empty((n, *needs.recipe.shape), np.float32)
    columns = np.empty((n, len(needs.header.feature_names)), np.float32)
    inputs = ModelInputs(planes, columns, np.empty(n, np.uint32), np.empty(n, bool))
    native(name).inputs(stamps, catalogue_of(stamps), *inputs, threads)
    return inputs


def expected(name: str, stamps: s2v.Stamps) -> tuple[np.ndarray, np.ndarray]:
    """Return what the oracle, or the trees of a forest, make of what the library gives the model."""
    header, tensors = model_files.read(packaged()[name])
    inputs = inputs_of(name, stamps)
    if header.kind == "forest":
        return np.where(inputs.scored, s2v.load(name).predict(inputs.columns), np.float32(np.nan)), inputs.flags
    own = {key.removeprefix("integer."): value for key, value in tensors.items() if key.startswith("integer.")}
    scale = {key.split(".", 1)[1]: value for key, value in tensors.items() if key.startswith(("scale", "encoded"))}
    names = header.feature_names if name == "tablenet" else None
    planes = inputs.planes if name == "stampnet" else None
    score = oracle.score(oracle.logit(own, planes, inputs.columns, scale, names), header.temperature)
    score[~inputs.scored] = np.nan
    return score, inputs.flags


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_flags(name, stamps):
    """Every row has the bits of the oracle, is refused where what it takes says so, and has its flags."""
    score, flags = expected(name, stamps)
    assert 0.2 < np.isnan(score).mean() < 0.9
    for threads in (1, 3):
        got, got_flags = scored(name, stamps, threads)
        np.testing.assert_array_equal(got.view(np.uint32)[~np.isnan(score)], score.view(np.uint32)[~np.isnan(score)])
        np.testing.assert_array_equal(np.isnan(got), np.isnan(score))
        np.testing.assert_array_equal(got_flags, flags)


@pytest.mark.parametrize("name", ["stampnet", "tablenet"])
def test_predict(name, stamps):
    """What is prepared and measured elsewhere is scored to the same bits; a plane that is not finite is not."""
    inputs = inputs_of(name, stamps)
    planes = inputs.planes if name == "stampnet" else None
    out = np.empty(len(stamps), np.float32)
    native(name).predict(planes, inputs.columns, out, 2)
    good = ~np.isnan(scored(name, stamps)[0])
    np.testing.assert_array_equal(out[good], scored(name, stamps)[0][good])
    if planes is not None:
        np.testing.assert_array_equal(np.isnan(out), ~np.isfinite(planes).all(axis=(1, 2, 3)))


def test_a_model_tells_its_header():
    """The header is that of the file; a file that is damaged says why."""
    model = native("stampnet")
    assert model.runs
    assert json.loads(model.header)["name"] == s2v.load("stampnet").name
    whole = packaged()["stampnet"].read_bytes()
    with pytest.raises(ValueError, match="cut short"):
        core.Model(whole[:-9])
    with pytest.raises(ValueError, match="JSON"):
        core.Model(b"\x20" + whole[1:])
    changed = whole.replace(b"integer.conv1.shift", b"integer.conv1.shif_", 1)
    with pytest.raises(ValueError, match=r"integer\.conv1\.shift is missing"):
        core.Model(changed)


def test_arrays_that_do_not_fit_are_refused(stamps):
    """Nothing is read or written outside an array, and nothing is converted unseen."""
    model, n = native("forest"), len(stamps)
    score, flags, scored = np.empty(n, np.float32), np.empty(n, np.uint32), np.empty(n, bool)
    with pytest.raises(ValueError, match="catalogue must"):
        model.score(stamps, np.zeros((n, 19), np.float32), score, flags, 1)
    with pytest.raises(ValueError, match="score and flags"):
        model.score(stamps, None, score[:-1], flags, 1)
    with pytest.raises(ValueError, match="what the model takes"):
        native("stampnet").predict(None, np.zeros((3, 67), np.float32), np.empty(3, np.float32), 1)
    with pytest.raises(ValueError, match=r"\(n, columns of the model\)"):
        model.score_columns(np.zeros((n, 3), np.float32), flags, score, flags, 1)
    with pytest.raises(ValueError, match="planes and columns"):
        native("stampnet").inputs(stamps, None, np.zeros((n, 1, 2, 3), np.float32), None, flags, scored, 1)
    other = stamps[:5]
    other.offset = other.offset.astype(np.int32)
    with pytest.raises(TypeError, match=r"stamps\.offset must be an array of int64 in C order"):
        model.score(other, None, score[:5], flags[:5], 1)
    other = stamps[:5]
    other.flags = other.flags[:4]
    with pytest.raises(ValueError, match=r"stamps\.flags"):
        model.score(other, None, score[:5], flags[:5], 1)


@pytest.mark.parametrize("name", ["stampnet", "tablenet", "forest", "autoscan"])
def test_inputs(name, stamps):
    """What a model takes of stamps has the bits of the package's prepare and features, and the flags of its scores."""
    needs, (score, raised) = s2v.load(name).needs, scored(name, stamps)
    columns = s2v.features(stamps, set="all").select(needs.header.feature_names)
    for threads in (1, 3):
        inputs = inputs_of(name, stamps, threads)
        np.testing.assert_array_equal(inputs.flags, raised)
        np.testing.assert_array_equal(inputs.scored, ~np.isnan(score))
        np.testing.assert_array_equal(inputs.columns.view(np.uint32), columns.view(np.uint32))
        if needs.recipe is not None:
            planes = s2v.prepare(stamps, needs.recipe).planes
            whole = (stamps.offset >= 0).all(axis=1) & ~np.isnan(planes[:, 0, 0, 0])
            np.testing.assert_array_equal(inputs.planes[whole].view(np.uint32), planes[whole].view(np.uint32))
            spared = inputs.scored & ~whole
            assert spared.any()
            assert (stamps.offset[spared, 1] < 0).all()
            assert (inputs.planes[spared, 1] == 0).all()
            assert np.isnan(inputs.planes[np.isnan(planes[:, 0, 0, 0]) & (stamps.offset >= 0).all(axis=1)]).all()
    flags, has_score = np.empty_like(raised), np.empty(len(stamps), bool)
    native(name).inputs(stamps, catalogue_of(stamps), None, None, flags, has_score, 1)
    np.testing.assert_array_equal(flags, raised)


@pytest.mark.parametrize("name", ["tablenet", "forest", "autoscan"])
def test_columns_of_a_table(name, stamps):
    """Rows of a table have the scores and flags of the rule for tables."""
    table, needs = s2v.features(stamps, set="all"), s2v.load(name).needs
    columns, raised = needs.columns_of_table(table)
    columns = columns.copy()
    columns[::9] = np.nan
    refused = (raised & flag_bits.UNSCORABLE) != 0
    silent = np.isnan(columns).all(axis=1)
    of_catalogue = [column in CATALOGUE for column in needs.header.feature_names]
    bare = np.isnan(columns[:, of_catalogue]).all(axis=1) & (2 * sum(of_catalogue) > len(of_catalogue))
    expected = raised | np.where(~refused & (silent | bare), np.uint32(flag_bits.bits("missing")), np.uint32(0))
    n = len(stamps)
    score, flags, plain = np.empty(n, np.float32), np.empty(n, np.uint32), np.empty(n, np.float32)
    native(name).predict(None, columns, plain, 1)
    plain[refused | silent] = np.nan
    for threads in (1, 2):
        native(name).score_columns(columns, raised, score, flags, threads)
        np.testing.assert_array_equal(flags, expected)
        np.testing.assert_array_equal(score.view(np.uint32), plain.view(np.uint32))
    judged, has_score = np.empty_like(flags), np.empty(n, bool)
    native(name).check_columns(columns, raised, judged, has_score)
    np.testing.assert_array_equal(judged, flags)
    np.testing.assert_array_equal(has_score, ~np.isnan(score))
    assert 0 < np.isnan(score).sum() < n
    k = len(s2v.load("stampnet").feature_names)
    with pytest.raises(ValueError, match="takes planes"):
        native("stampnet").score_columns(np.zeros((3, k), np.float32), flags[:3], score[:3], flags[:3], 1)


def test_no_rows():
    """Of no stamps, nothing is written."""
    empty = s2v.Stamps(np.zeros((0, 3, 63, 63), np.float32))
    none, flags, scored = np.empty(0, np.float32), np.empty(0, np.uint32), np.empty(0, bool)
    model = native("forest")
    model.score(empty, None, none, flags, 4)
    model.inputs(empty, None, None, None, flags, scored, 4)
    for name in ("forest", "tablenet"):
        columns = np.empty((0, len(s2v.load(name).feature_names)), np.float32)
        native(name).score_columns(columns, flags, none, flags, 4)
        native(name).predict(None, columns, none, 4)


def test_a_model_scores_in_many_threads(stamps):
    """Calls that overlap have scorers of their own, and the bits of calls one by one."""
    model = native("stampnet")
    expected = scored("stampnet", stamps)

    def call(threads: int) -> tuple[np.ndarray, np.ndarray]:
        score, flags = np.empty(len(stamps), np.float32), np.empty(len(stamps), np.uint32)
        model.score(stamps, catalogue_of(stamps), score, flags, threads)
        return score, flags

    with ThreadPoolExecutor(6) as pool:
        for score, flags in pool.map(call, [1, 2, 3, 1, 2, 3, 1, 40, 1, 1, 3, 2]):
            np.testing.assert_array_equal(score, expected[0])
            np.testing.assert_array_equal(flags, expected[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_scores(stamps):
    """A scorer whose threads were left behind is of no use in a child: it makes one of its own, and ends."""
    code = (
        "import os, sys, numpy as np, space2vec as s2v\n"
        "from space2vec import _core\n"
        "from space2vec.models.load import packaged\n"
        "model, stamps = _core.Model(packaged()['forest'].read_bytes()), s2v.simulate(40, seed=2).stamps\n"
        "def call():\n"
        "    score, flags = np.empty(40, np.float32), np.empty(40, np.uint32)\n"
        "    model.score(stamps, None, score, flags, 3)\n"
        "    return score.tobytes()\n"
        "first = call()\n"
        "child = os.fork()\n"
        "same = call() == first\n"
        "del model\n"
        "if child == 0: os._exit(0 if same else 1)\n"
        "sys.exit(not same or os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
