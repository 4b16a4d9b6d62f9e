"""Flags of stamps that models do not know: those of the oracle, on every backend, by every way to a score."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from helpers import packets
from oracle import stamps as made
from oracle.stamp_flags import stamp_flags
from space2vec import reading
from space2vec.data import flags as flag_bits
from space2vec.data.channels import CHANNELS
from space2vec.errors import Space2vecWarning

UNFAMILIAR = {"masked_core", "no_flux_scale"}
NAN = np.float32(np.nan)


def names(raised: int) -> set[str]:
    """Return those of a row's flags that are tested here."""
    return set(flag_bits.names(raised)) & UNFAMILIAR


def plain(seed: int = 2) -> list[NDArray[np.float32]]:
    return [plane.copy() for plane in made.realistic(seed).planes]


def edge_cases() -> list[made.Case]:
    """Return cases next to each threshold: pixels of the core, ranges, scales, and planes that tell nothing."""
    cases = []

    def add(name: str, planes: list[NDArray[np.float32] | None], centre: tuple[int, int] = (25, 25)) -> None:
        cases.append(made.Case(tuple(planes), centre, name))

    core = [(y, x) for y in (24, 25, 26) for x in (24, 25, 26)]
    for channel in range(3):
        for count in range(10):
            for value in (np.nan, np.inf, 1e-30):
                planes = plain()
                for y, x in core[:count]:
                    planes[channel][y, x] = value
                add(f"{count} of the core of plane {channel} are {value}", list(planes))
    for centre in ((0, 0), (0, 25), (1, 1), (25, 50), (50, 50), (-1, 25), (25, 52), (60, -9)):
        add(f"candidate at {centre}", list(plain()), centre)
    for where in ((2, 0), (2, 1), (1, 0)):
        planes = plain()
        planes[where[0]] = planes[where[1]].copy()
        add(f"plane {where[0]} is plane {where[1]}", list(planes))
        for change in ("low", "high"):
            near = [plane.copy() for plane in planes]
            pixel = near[where[0]].argmin() if change == "low" else near[where[0]].argmax()
            near[where[0]].flat[pixel] = np.nextafter(near[where[0]].flat[pixel], np.float32(-np.inf))
            add(f"the same but for the {change}est", list(near))
    for scale in (0.9994, 0.9996, 1.0004, 1.0006):  # a scale differs by half as much as its square
        units = [np.float32(scale) * ((p - p.mean()) / p.std()) for p in map(np.float64, plain())]
        for absent in (None, 0, 1, 2):
            add(f"z-scores times {scale}", [None if k == absent else np.float32(p) for k, p in enumerate(units)])
    for value in (np.nan, np.inf, -np.inf):
        planes = [np.float32((p - p.min()) / (p.max() - p.min())) for p in plain()]
        for plane in planes:
            plane[3, 5] = value
        add(f"a range with {value}", list(planes))
    both = [np.where(np.arange(51 * 51).reshape(51, 51) % 2 == 0, np.float32(np.inf), -np.float32(np.inf))] * 3
    add("nothing but infinities", list(both))
    add("one value", [np.full((51, 51), np.float32(3.0))] * 3)
    add("nothing", [np.full((51, 51), NAN)] * 3)
    add("signs", [np.float32(np.sign(p - np.median(p)) + (p == np.median(p))) for p in plain()])
    small = plain()[2][:9, :9]
    add("another size of the same range", [None, np.pad(small, 4, mode="edge"), small], (4, 4))
    return cases


@pytest.fixture(scope="module")
def cases() -> list[made.Case]:
    return [case for _, case in made.named_cases()] + edge_cases() + made.batch(60, seed=3)


@pytest.fixture(scope="module")
def stamps(cases: list[made.Case]) -> s2v.Stamps:
    return s2v.Stamps([case.planes for case in cases], centre=[case.centre for case in cases])


def expected(case: made.Case, looked_at: tuple[str, ...] = CHANNELS) -> set[str]:
    planes = dict(zip(CHANNELS, case.planes, strict=True))
    return stamp_flags({name: planes[name] for name in looked_at}, case.centre)


def test_the_cases_hold_both_flags_alone_together_and_not(cases: list[made.Case]) -> None:
    assert {frozenset(expected(case)) for case in cases} == {
        frozenset(), frozenset({"masked_core"}), frozenset({"no_flux_scale"}), frozenset(UNFAMILIAR)
    }  # fmt: skip
    normalised = [case for case in cases if case.name.startswith("normalised:")]
    assert len(normalised) == 5
    assert all(expected(case) == {"no_flux_scale"} for case in normalised)
    of_core = [case for case in cases if " of the core of plane " in case.name]
    for case in of_core:
        flagged = int(case.name[0]) > 3 and "plane 1" not in case.name
        assert expected(case) == ({"masked_core"} if flagged else set()), case.name


@pytest.mark.parametrize("columns", ["stamp", "s2v", "autoscan-stamp"])
def test_features_raise_them(columns: s2v.registry.FeatureSet, cases: list[made.Case], stamps: s2v.Stamps) -> None:
    table = s2v.features(stamps, set=columns)
    for case, raised in zip(cases, table.flags, strict=True):
        assert names(raised) == expected(case), case.name


@pytest.mark.parametrize("recipe", ["braai", "alerce-stamp", "ayyar", "robust-asinh"])
def test_recipes_raise_them(recipe: str, cases: list[made.Case], stamps: s2v.Stamps) -> None:
    for case, raised in zip(cases, s2v.prepare(stamps, recipe).flags, strict=True):
        assert names(raised) == expected(case), case.name


def test_only_planes_that_are_looked_at_count(cases: list[made.Case], stamps: s2v.Stamps) -> None:
    for channels in (("science", "template"), ("difference", "science"), ("template", "difference"), ("difference",)):
        recipe = s2v.Recipe("robust-asinh").of_planes(channels)
        for case, raised in zip(cases, s2v.prepare(stamps, recipe).flags, strict=True):
            assert names(raised) == expected(case, channels), (case.name, channels)


def changed(night: s2v.Stamps) -> s2v.Stamps:
    """Return stamps of which every third was normalised, and every third has no core."""
    planes = []
    for row in range(len(night)):
        held = [night.plane(row, name).copy() for name in CHANNELS]
        if row % 3 == 1:
            held = [np.float32((p - np.nanmin(p)) / (np.nanmax(p) - np.nanmin(p))) for p in held]
        if row % 3 == 2:
            y, x = (int(at) for at in night.centre[row])
            held[2][y - 1 : y + 2, x : x + 2] = np.nan
        planes.append(held)
    return s2v.Stamps(planes, centre=night.centre, candidate_id=night.candidate_id, object_id=night.object_id)


def whole(seed: int, n: int = 90) -> s2v.Stamps:
    night = s2v.simulate(n, seed=seed).stamps
    sound = [
        row
        for row in range(len(night))
        if (night.shape[row] == 63).all()
        and not any(np.isnan(night.plane(row, c)[29:34, 29:34]).any() for c in CHANNELS)
    ]
    return night[np.array(sound)]


EACH = ({"plain": set(), "range": {"no_flux_scale"}, "core": {"masked_core"}}).values()


@pytest.mark.parametrize("model", ["stampnet", "stampnet-fast", "forest"])
def test_a_score_stays_and_has_the_flag_by_every_way(model: str, tmp_path: Path) -> None:
    usual = whole(12)
    odd = changed(usual)
    own = s2v.load(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Space2vecWarning)
        scores = own.score(odd)
    assert [names(raised) for raised in scores.flags] == [list(EACH)[row % 3] for row in range(len(odd))]
    assert np.array_equal(flag_bits.familiar(scores.flags), np.arange(len(odd)) % 3 == 0)
    assert not np.isnan(scores.score).any()
    assert not (own.score(usual).flags & np.uint32(flag_bits.UNFAMILIAR)).any()
    if model == "forest":
        table = s2v.features(odd, set="all")
        assert [names(raised) for raised in own.score(table).flags] == [names(raised) for raised in scores.flags]
    npz = tmp_path / "odd.npz"
    pixels = [[odd.plane(row, channel) for channel in CHANNELS] for row in range(len(odd))]
    np.savez(npz, stamps=np.array(pixels))
    night = tmp_path / "night.avro"
    night.write_bytes(packets.avro_bytes([packets.packet(row, planes) for row, planes in enumerate(pixels)]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Space2vecWarning)
        for file in (npz, night):
            read = s2v.read(file)
            assert isinstance(read, s2v.Stamps)
            found = own.score(read)
            assert [names(raised) for raised in found.flags] == [list(EACH)[row % 3] for row in range(len(odd))]
        # The alerts of a night are scored where they are read.
        parts = [part.rows for part in reading.batches(night, model=own)]
    assert all(isinstance(part, s2v.Scores) for part in parts)
    np.testing.assert_array_equal(np.concatenate([part.flags for part in parts]), found.flags)


def test_frames_raise_masked_core_where_the_mask_covers_the_candidate() -> None:
    rng = np.random.default_rng(4)
    planes = [rng.normal(100.0 * (k < 2), 5.0, (200, 200)).astype(np.float32) for k in range(3)]
    mask = np.zeros((200, 200), dtype=np.int32)
    mask[99:102, 99:101] = 1
    frames = [s2v.Frame(planes[0], mask=mask, bad_bits=1), s2v.Frame(planes[1]), s2v.Frame(planes[2])]
    found = s2v.locate(*frames, x=[100.0, 50.0, 0.0], y=[100.0, 50.0, 120.0])
    scores = s2v.load("stampnet").score(found)
    assert [names(raised) for raised in scores.flags] == [{"masked_core"}, set(), set()]


def test_flags_are_words_where_words_are_written() -> None:
    odd = changed(whole(13, 30))[:3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Space2vecWarning)
        table = s2v.load("stampnet").score(odd).to_arrow()
    assert [set(row) & UNFAMILIAR for row in table.column("flags").to_pylist()] == list(EACH)
    assert {name for name, flag in s2v.registry.FLAGS.items() if not flag.familiar} == UNFAMILIAR
    assert all(flag.scored for flag in s2v.registry.FLAGS.values() if not flag.familiar)


def test_the_twin_in_numba_raises_them(cases: list[made.Case], stamps: s2v.Stamps) -> None:
    pytest.importorskip("numba", reason="Numba is missing: numba")
    from space2vec.backends.numba.stamp import batch_of, triplet_of
    from space2vec.backends.numba.stamp_flags import flag_stamp

    batch = batch_of(stamps)
    for row, case in enumerate(cases):
        for looked_at in (CHANNELS, ("science", "difference"), ("template", "science")):
            planes = sum(1 << CHANNELS.index(channel) for channel in looked_at)
            assert names(flag_stamp(triplet_of(batch, row), planes)) == expected(case, looked_at), case.name


@pytest.mark.parametrize("recipe", ["stampnet", "braai"])
def test_the_twin_in_numba_raises_them_once_where_it_measures_too(
    recipe: str, cases: list[made.Case], stamps: s2v.Stamps
) -> None:
    pytest.importorskip("numba", reason="Numba is missing: numba")
    from space2vec.backends.numba.recipe_rows import RecipeRows
    from space2vec.backends.numba.row_rule import ModelNeeds
    from space2vec.backends.numba.stamp import batch_of, triplet_of
    from space2vec.backends.numba.stamp_flags import covers_flags, flag_stamp

    pairs = ((7, 7), (7, 5), (7, 3), (5, 7))  # measured, prepared
    assert [covers_flags(*planes) for planes in pairs] == [True, True, False, False]
    chosen = s2v.Recipe("braai") if recipe == "braai" else s2v.load("stampnet").needs.recipe
    assert isinstance(chosen, s2v.Recipe)
    batch, rows, n = batch_of(stamps), RecipeRows(chosen), len(stamps)
    found = []
    for measured in (False, True):
        planes, flags = np.empty((n, *chosen.shape), np.float32), np.empty(n, np.uint32)
        needs = ModelNeeds(7, 7, 2 if recipe == "stampnet" else 0, True, False, flags_measured=measured)
        rows.prepare(batch, needs, planes, flags, 0, n)
        found.append((planes.view(np.uint32), flags))
    (planes, flags), (same_planes, fewer) = found
    np.testing.assert_array_equal(planes, same_planes)
    assert not (fewer & np.uint32(flag_bits.UNFAMILIAR)).any()
    of_stamps = np.array([flag_stamp(triplet_of(batch, row), 7) for row in range(n)], np.uint32)
    np.testing.assert_array_equal(flags, fewer | of_stamps)
    assert [names(raised) for raised in flags] == [expected(case) for case in cases]
