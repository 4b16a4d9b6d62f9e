"""Recipes that users make of steps: against the oracle, in JSON, and the calls that cannot run."""

import json

import numpy as np
import pytest

import space2vec as s2v
from oracle import recipes, stamps
from oracle.stamp_flags import stamp_flags
from space2vec import model_files, registry
from space2vec.data import flags as flag_bits
from space2vec.data.stamps import CHANNELS

MINE = {
    "steps": ("sigma-clip", ("asinh", {"softening": 0.5})),
    "side": 31,
    "channels": ("difference", "science"),
}


@pytest.mark.parametrize("backend", ["native", "numba"])
@pytest.mark.parametrize("side", [1, 2, 21, 31, 63, 80])
def test_against_the_oracle(side, backend, monkeypatch):
    monkeypatch.setenv("SPACE2VEC_BACKEND", backend)
    cases = [case for _, case in stamps.named_cases()] + stamps.batch(60, seed=41)
    batch = s2v.Stamps([c.planes for c in cases], centre=[c.centre for c in cases])
    recipe = s2v.Recipe.of(
        "mine", steps=("sigma-clip", ("asinh", {"softening": 0.5})), side=side, channels=CHANNELS[1:]
    )
    given = s2v.prepare(batch, recipe)
    assert given.planes.shape == (len(cases), 2, side, side)
    assert given.recipe is recipe
    steps = (("sigma-clip", {}), ("asinh", {"softening": 0.5}))
    scored = 0
    for case, planes, raised in zip(cases, given.planes, given.flags, strict=True):
        known = stamp_flags(dict(zip(CHANNELS[1:], case.planes[1:], strict=True)), case.centre)
        if any(plane is None for plane in case.planes[1:]):
            assert set(flag_bits.names(raised)) == {"missing"} | known
            continue
        done = [recipes.compose(plane, case.centre, side, steps) for plane in case.planes[1:]]
        assert set(flag_bits.names(raised)) == done[0][1] | done[1][1] | known, case.name
        if done[0][0] is None or done[1][0] is None:
            assert np.isnan(planes).all(), case.name
            continue
        expected = np.stack([plane for plane, _ in done])
        np.testing.assert_allclose(planes, expected, rtol=3e-6, atol=3e-6, err_msg=case.name)
        scored += 1
    assert scored > 30 or side < 3


def test_a_composition_like_a_recipe_of_the_registry_gives_its_bits():
    night = s2v.simulate(30, seed=8).stamps
    for name in ("robust-asinh", "zscale"):
        entry = registry.RECIPES[name]
        mine = s2v.Recipe.of("mine", steps=entry.steps, side=entry.height, channels=entry.channels)
        a, b = s2v.prepare(night, name), s2v.prepare(night, mine)
        np.testing.assert_array_equal(a.planes, b.planes)
        np.testing.assert_array_equal(a.flags, b.flags)
        assert s2v.Recipe(name).steps == mine.steps


def test_only_the_planes_of_the_recipe_are_needed():
    rng = np.random.default_rng(2)
    plane = rng.normal(0, 1, (63, 63))
    batch = s2v.Stamps([(None, None, plane)])
    given = s2v.prepare(batch, s2v.Recipe.of("difference", steps="l2", channels=("difference",)))
    assert given.flags[0] == 0
    np.testing.assert_allclose((given.planes.astype(float) ** 2).sum(), 1, rtol=1e-6)
    assert flag_bits.names(s2v.prepare(batch, s2v.Recipe.of("all", steps="l2")).flags[0]) == ["missing"]


def test_a_recipe_is_written_and_read():
    mine = s2v.Recipe.of("mine", version=3, **MINE)
    plain = json.loads(json.dumps(mine.to_plain()))
    assert s2v.Recipe.from_plain(plain) == mine
    assert hash(s2v.Recipe.from_plain(plain)) == hash(mine)
    assert (mine.name, mine.version, mine.shape) == ("mine", 3, (2, 31, 31))
    assert "asinh(softening=0.5)" in mine.definition
    for name in registry.RECIPES:
        named = s2v.Recipe(name)
        assert named.to_plain() == {"name": name, "version": named.version}
        assert s2v.Recipe.from_plain(named.to_plain()) == named


def test_a_model_header_holds_a_recipe():
    mine = s2v.Recipe.of("mine", **MINE)
    header = model_files.Header("forest", "x", ("a",), recipe=mine.to_plain())
    read = model_files.Header.from_json(header.to_json())
    assert read == header
    assert s2v.Recipe.from_plain(read.recipe) == mine
    without = model_files.Header("forest", "x", ("a",))
    assert "recipe" not in json.loads(without.to_json())
    assert model_files.Header.from_json(without.to_json()).recipe is None
    damaged = json.loads(header.to_json()) | {"recipe": "mine"}
    with pytest.raises(ValueError, match="recipe"):
        model_files.Header.from_json(json.dumps(damaged))


def test_what_cannot_be_read():
    plain = s2v.Recipe.of("mine", **MINE).to_plain()
    for change, what in (
        ({"side": 0}, "side"),
        ({"channels": ["x"]}, "channels"),
        ({"name": "braai"}, "'braai' is that of a recipe of the registry"),
        ({"steps": [{"name": "x", "version": 1, "parameters": {}}]}, "unknown normaliser 'x'"),
        ({"steps": [{"name": "l2", "version": 2, "parameters": {}}]}, "has version 1 here, not 2"),
        ({"steps": [{"name": "l2"}]}, "no recipe"),
        ({"steps": 3}, "no recipe"),
    ):
        with pytest.raises(ValueError, match=what):
            s2v.Recipe.from_plain({**plain, **change})
    for nothing in ({}, {"name": "braai"}, None):
        with pytest.raises(ValueError, match="no recipe"):
            s2v.Recipe.from_plain(nothing)


def test_what_cannot_be_made():
    for change, what in (
        ({"name": "boom"}, "'boom' is that of a recipe of the registry"),
        ({"name": ""}, "is empty"),
        ({"side": 5000}, "side must be from 1 to 4096"),
        ({"version": 0}, "version must be at least 1"),
        ({"channels": ("science", "science")}, "distinct"),
        ({"channels": ()}, "distinct"),
        ({"steps": ()}, "1 to 8 steps"),
    ):
        with pytest.raises(ValueError, match=what):
            s2v.Recipe.of(**{"name": "mine", **MINE, **change})
    for change in ({"name": 3}, {"side": 2.5}, {"version": "1"}, {"steps": 3}):
        with pytest.raises(TypeError):
            s2v.Recipe.of(**{"name": "mine", **MINE, **change})


def test_further_chains_give_the_planes_again_behind_the_others() -> None:
    stamps = s2v.simulate(12, seed=4).stamps
    first, second = ("median-mad", "asinh"), ("l2", ("asinh", {"softening": 0.02}))
    both = s2v.Recipe.of("both", steps=first, further=[second], side=33)
    assert both.shape == (6, 33, 33)
    assert both.views == 2
    alone = [s2v.prepare(stamps, s2v.Recipe.of("one", steps=steps, side=33)).planes for steps in (first, second)]
    np.testing.assert_array_equal(s2v.prepare(stamps, both).planes, np.concatenate(alone, axis=1))
    again = s2v.Recipe.from_plain(json.loads(json.dumps(both.to_plain())))
    assert again == both
    assert again.chains == both.chains
    part = both.of_planes(["difference"])
    np.testing.assert_array_equal(s2v.prepare(stamps, part).planes, np.stack([plane[:, 2] for plane in alone], axis=1))
    assert "; beside it l2, asinh(softening=0.02)" in both.definition


def test_what_one_chain_refuses_no_chain_gives() -> None:
    pixels = np.random.default_rng(0).normal(size=(3, 3, 41, 41)).astype(np.float32)
    pixels[1, 0] = 0.0
    pixels[1, 0, :5, :5] = 3.0  # no MAD, but a norm
    both = s2v.Recipe.of("both", steps="l2", further=["median-mad"], side=41)
    prepared = s2v.prepare(s2v.Stamps(pixels), both)
    assert np.isnan(prepared.planes[1]).all()
    assert np.isfinite(prepared.planes[[0, 2]]).all()
    assert s2v.flags.names(int(prepared.flags[1])) == ["zero_scale"]
