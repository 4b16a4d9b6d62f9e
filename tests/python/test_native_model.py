"""Models in the library: scores of the oracle and of the forests, under the rule by which the package refuses rows."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import space2vec as s2v
from oracle import integer_network as oracle
from oracle import stamps as made
from space2vec import flags as flag_bits
from space2vec import modelfile, registry
from space2vec.model import packaged
from space2vec.scoring import Needs

core = pytest.importorskip("space2vec._core")

NAMES = ("stampnet", "tablenet", "forest", "autoscan")
CATALOGUE = [name for name, entry in registry.FEATURES.items() if entry.source == "catalogue"]


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    """Return stamps of every kind, some without planes, beside flags of a reader and what a catalogue knows."""
    rng = np.random.default_rng(8)
    cases = [case for _, case in made.named_cases()] + made.batch(160, seed=5)
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
    catalogue = np.stack([stamps.catalogue[column] for column in CATALOGUE], axis=1)
    batch = (stamps.buffer, stamps.offset, stamps.shape, stamps.centre, stamps.saturation)
    core.Scorer(native(name), threads).score(*batch, np.ascontiguousarray(catalogue), stamps.flags, score, flags)
    return score, flags


def expected(name: str, stamps: s2v.Stamps) -> tuple[np.ndarray, np.ndarray]:
    """Return what the rule of the package and the oracle, or the forest of the package, say."""
    header, tensors = modelfile.read(packaged()[name])
    if header.kind == "forest":
        scores = s2v.load(name).score(stamps)
        return scores.score, scores.flags
    inputs = Needs.of(header).inputs(stamps)
    own = {key.removeprefix("integer."): value for key, value in tensors.items() if key.startswith("integer.")}
    scale = {key.split(".", 1)[1]: value for key, value in tensors.items() if key.startswith(("scale", "encoded"))}
    names = header.feature_names if name == "tablenet" else None
    planes = inputs.planes if name == "stampnet" else None
    score = oracle.score(oracle.logit(own, planes, inputs.features, scale, names), header.temperature)
    unprepared = np.zeros(len(stamps), bool) if planes is None else ~np.isfinite(planes).all(axis=(1, 2, 3))
    score[inputs.refused | unprepared] = np.nan
    return score, inputs.flags


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_flags(name, stamps):
    """Every row has the bits of the oracle, is refused where the package refuses it, and has its flags."""
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
    header = modelfile.read(packaged()[name])[0]
    inputs = Needs.of(header).inputs(stamps)
    planes = inputs.planes if name == "stampnet" else None
    out = np.empty(len(stamps), np.float32)
    native(name).predict(planes, inputs.features, out, 2)
    good = ~np.isnan(scored(name, stamps)[0])
    np.testing.assert_array_equal(out[good], scored(name, stamps)[0][good])
    if planes is not None:
        np.testing.assert_array_equal(np.isnan(out), ~np.isfinite(planes).all(axis=(1, 2, 3)))


def test_a_model_tells_its_header():
    """The header is that of the file; a file that is damaged says why."""
    model = native("stampnet")
    assert model.runs
    assert json.loads(model.header)["name"] == "stampnet"
    whole = packaged()["stampnet"].read_bytes()
    with pytest.raises(ValueError, match="cut short"):
        core.Model(whole[:-9])
    with pytest.raises(ValueError, match="JSON"):
        core.Model(b"\x20" + whole[1:])
    changed = whole.replace(b"integer.conv1.shift", b"integer.conv1.shif_", 1)
    with pytest.raises(ValueError, match=r"integer\.conv1\.shift is missing"):
        core.Model(changed)


def test_arrays_that_do_not_fit_are_refused(stamps):
    """Nothing is read or written outside an array."""
    scorer, n = core.Scorer(native("forest"), 1), len(stamps)
    batch = (stamps.buffer, stamps.offset, stamps.shape, stamps.centre, math.nan)
    score, flags = np.empty(n, np.float32), np.empty(n, np.uint32)
    with pytest.raises(ValueError, match="catalogue must be"):
        scorer.score(*batch, np.zeros((n, 19), np.float32), None, score, flags)
    with pytest.raises(ValueError, match="raised, score and flags"):
        scorer.score(*batch, None, None, score[:-1], flags)
    with pytest.raises(ValueError, match="what the model takes"):
        native("stampnet").predict(None, np.zeros((3, 67), np.float32), np.empty(3, np.float32), 1)
