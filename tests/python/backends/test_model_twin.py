"""Models of the library and of its twin in Numba: the same bits and flags, and those of the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from helpers import tiny_models
from oracle import row_rule as oracle
from oracle import stamps as synthetic
from space2vec import model_files, registry
from space2vec.data import flags as flag_bits
from space2vec.data.channels import CHANNELS
from space2vec.models.load import packaged

core = pytest.importorskip("space2vec._core")
pytest.importorskip("numba", reason="Numba is missing: numba")
from space2vec.backends import numba as fallback  # noqa: E402 (behind the skip)

#: The models that score; test_vector_twin.py has those that give vectors.
FILES = {
    **{name: path.read_bytes() for name, path in packaged().items() if not s2v.load(name).vector and name != "default"},
    **tiny_models.models(),
}
FILES["without a template"] = s2v.load("stampnet-fast").first.file
#: Networks without integers: what they take is prepared and measured, nothing is scored.
FLOATS = {
    f"floats of {name}": tiny_models.of_floats(registry.S2V[:2], s2v.Recipe(name))
    for name in ("braai", "robust-asinh", "ayyar")
}
CATALOGUE = [*registry.CATALOGUE]
RAISED = ("missing", "bad_stamp", "off_shape", "padded", "nan_pixels")


#: What is raised of columns alone: by the fit, by moments, by the star.
MADE_OF = {
    "fit_failed": ("AMP", "SCALE", "GAUSS"),
    "no_psf": ("psf_ratio", "psf_likeness"),
    "moments_failed": (
        *(name for name in registry.S2V if name.startswith("difference_")), "kurtosis", "centroid_offset",
        "plane_offset", "width_ratio", "psf_ratio", "psf_likeness",
    ),
}  # fmt: skip


def odd_stamps() -> s2v.Stamps:
    """Return stamps of every kind: each pattern of absent planes, too small, beside, constant, NaN, saturated."""
    rng = np.random.default_rng(8)
    cases = [case for _, case in synthetic.named_cases()] + synthetic.batch(70, seed=5)
    planes, centres = [list(case.planes) for case in cases], [case.centre for case in cases]
    for number in range(48):
        case = synthetic.realistic(number, seed=6)
        own: list[Any] = [plane.copy() for plane in case.planes]
        if number // 8 == 3:
            own[int(rng.integers(3))][:] = rng.choice([0.0, np.nan, 7.0])
        if number // 8 == 4:
            own[0][20:28, 22:30] = 65535.0
        planes.append([None if number >> c & 1 else plane for c, plane in enumerate(own)])
        centres.append((25, 25) if number // 8 != 5 else [(-1, 3), (25, 60), (51, 51), (0, 0)][number % 4])
    for size in ((4, 9), (5, 5), (1, 3)):
        planes.append([rng.normal(size=size).astype(np.float32) for _ in CHANNELS])
        centres.append((size[0] // 2, size[1] // 2))
    stamps = s2v.Stamps(planes, centre=centres, saturation=60000.0)
    raised = [rng.choice([0, 0, 0, flag_bits.bits(str(rng.choice(RAISED)))]) for _ in planes]
    stamps.flags = np.array(raised, dtype=np.uint32)
    return stamps


def catalogue_of(n: int) -> NDArray[np.float32]:
    """Return what a catalogue knows: some values, none in every fifth row."""
    rng = np.random.default_rng(9)
    known = np.exp(rng.normal(size=(n, len(CATALOGUE)))).astype(np.float32)
    known[rng.random(known.shape) < 0.2] = np.nan
    known[::5] = np.nan
    return known


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    return odd_stamps()


def same(a: NDArray[Any], b: NDArray[Any]) -> None:
    """See that two arrays have the same bits."""
    kind = {1: np.uint8, 4: np.uint32}[a.dtype.itemsize]
    np.testing.assert_array_equal(np.ascontiguousarray(a).view(kind), np.ascontiguousarray(b).view(kind))


def scores(model: Any, stamps: s2v.Stamps, known: NDArray[np.float32] | None, threads: int = 1) -> Any:
    score, flags = np.empty(len(stamps), np.float32), np.empty(len(stamps), np.uint32)
    model.score(stamps, known, score, flags, threads)
    return score, flags


def shape_of(file: bytes) -> tuple[model_files.Header, tuple[int, ...]]:
    header = tiny_models.header_of(file)
    return header, () if header.recipe is None else s2v.Recipe.from_plain(header.recipe).shape


def inputs(model: Any, file: bytes, stamps: s2v.Stamps, known: NDArray[np.float32] | None, threads: int = 1) -> Any:
    header, shape = shape_of(file)
    n, k = len(stamps), len(header.feature_names)
    planes = np.full((n, *shape), 9, np.float32) if shape else None
    columns = np.full((n, k), 9, np.float32) if k else None
    flags, scored = np.empty(n, np.uint32), np.empty(n, np.bool_)
    model.inputs(stamps, known, planes, columns, flags, scored, threads)
    return planes, columns, flags, scored


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("with_catalogue", [True, False])
def test_the_same_bits_of_stamps(name: str, with_catalogue: bool, stamps: s2v.Stamps) -> None:
    native, twin = core.Model(FILES[name]), fallback.Model(FILES[name])
    assert native.runs is twin.runs is True
    assert native.header == twin.header
    known = catalogue_of(len(stamps)) if with_catalogue else None
    score, flags = scores(native, stamps, known)
    for threads, model in ((3, native), (1, twin), (2, twin)):
        again, raised = scores(model, stamps, known, threads)
        same(score, again)
        same(flags, raised)
    assert not np.isnan(score).all() or (name == "forest of a catalogue alone" and not with_catalogue)
    assert np.isnan(score).any()
    for model in (native, twin):  # of no stamps, nothing
        assert [len(part) for part in scores(model, stamps[:0], None)] == [0, 0]


@pytest.mark.parametrize("name", [*FILES, *FLOATS])
def test_the_same_inputs_as_the_oracle_has(name: str, stamps: s2v.Stamps) -> None:
    file = (FILES | FLOATS)[name]
    native, twin = core.Model(file), fallback.Model(file)
    known = catalogue_of(len(stamps))
    found = planes, columns, flags, scored = inputs(native, file, stamps, known)
    for threads, model in ((3, native), (1, twin), (2, twin)):
        for part, again in zip(found, inputs(model, file, stamps, known, threads), strict=True):
            assert (part is None) == (again is None)
            if part is not None:
                same(part, again)
    wanted = Expected(file, stamps, known)
    assert [flag_bits.names(row) for row in flags] == [flag_bits.names(flag_bits.bits(row)) for row in wanted.flags]
    assert scored.tolist() == wanted.scored
    if planes is not None:
        same(planes, wanted.planes)
    if columns is not None:
        same(columns, wanted.columns)
    if native.runs and shape_of(file)[0].first is None:  # what a cascade takes is what its second network does
        score, raised = scores(native, stamps, known)
        same(flags, raised)
        same(np.isnan(score), ~scored)
        given = [None if part is None else np.ascontiguousarray(part[scored]) for part in (planes, columns)]
        for model in (native, twin):
            again = np.empty(scored.sum(), np.float32)
            model.predict(*given, again, 2)
            same(again, score[scored])
    # What is not wanted is not written, and changes nothing else.
    for model in (native, twin):
        less, judged = np.empty_like(flags), np.empty_like(scored)
        model.inputs(stamps, known, None, None, less, judged, 1)
        same(less, flags)
        same(judged, scored)


class Expected:
    """What the oracle says of stamps, out of what kernels measure and prepare of each row."""

    def __init__(self, file: bytes, stamps: s2v.Stamps, known: NDArray[np.float32]) -> None:
        header, shape = shape_of(file)
        self.recipe = None if header.recipe is None else s2v.Recipe.from_plain(header.recipe)
        channels = () if self.recipe is None else self.recipe.channels
        self.needs = oracle.needs_of(header, channels, registry.FEATURES)
        bare = stamps[:]
        bare.flags[:] = 0
        bare.catalogue = dict(zip(CATALOGUE, known.T, strict=True))
        self.planes = np.empty((len(stamps), *shape), np.float32)
        measured, table = self._measure(header, bare)
        self.columns = np.ascontiguousarray(table.select(header.feature_names))
        self.flags, self.scored = [], []
        for row in range(len(stamps)):
            found = dict(zip(CHANNELS, stamps.shape[row].tolist(), strict=True))
            shapes = {c: tuple(size) for c, size in found.items() if stamps.offset[row, CHANNELS.index(c)] >= 0}
            prepared = self._prepare(bare[row], row, set(CHANNELS) - set(shapes))
            flags, scored = oracle.of_stamp(
                self.needs, shapes, stamps.centre[row].tolist(), set(flag_bits.names(stamps.flags[row])), prepared,
                measured[row], self.columns[row],
            )  # fmt: skip
            self.flags.append(flags)
            self.scored.append(scored)

    def _measure(self, header: model_files.Header, stamps: s2v.Stamps) -> tuple[list[set[str]], s2v.Features]:
        """Measure whole sets of what the model looks at; return the flags of what it takes, and the table."""
        names = set(header.feature_names)
        group = "s2v" if names <= set(registry.S2V) else "all" if names & set(registry.S2V) else "autoscan"
        seen = stamps[:]
        seen.offset[:, [channel not in self.needs.measured for channel in CHANNELS]] = -1
        table = s2v.features(seen, set=group, convention=header.convention)
        away = {flag for flag, columns in MADE_OF.items() if not names & set(columns)}
        flags = [set(flag_bits.names(row)) - away for row in table.flags]
        if "template" not in self.needs.measured:  # of which nothing is asked
            for row in np.flatnonzero(seen.offset[:, 2] >= 0):
                flags[row] -= {"missing"}
        for own, row in zip(flags, s2v.features(stamps).flags, strict=True):
            own |= {"saturated"} & set(flag_bits.names(row))
        return flags, table

    def _prepare(self, stamp: s2v.Stamps, row: int, absent: set[str]) -> set[str]:
        """Prepare a row, without the planes that the model can do without; return what that raised."""
        if self.recipe is None:
            return set()
        there = [channel for channel in self.recipe.channels if channel not in absent]
        if not oracle.lacks_only_optional(self.needs, absent) or len(there) == len(self.recipe.channels):
            prepared = s2v.prepare(stamp, self.recipe)
            self.planes[row] = prepared.planes[0]
            return set(flag_bits.names(prepared.flags[0]))
        prepared = s2v.prepare(stamp, self.recipe.of_planes(there))
        own = np.isin(np.arange(self.planes.shape[1]) % len(self.recipe.channels), [
            k for k, channel in enumerate(self.recipe.channels) if channel in there
        ])  # fmt: skip
        self.planes[row] = np.nan if np.isnan(prepared.planes).any() else 0
        self.planes[row, own] = prepared.planes[0]
        return {*flag_bits.names(prepared.flags[0]), "missing"}


def test_the_stamps_are_as_odd_as_can_be(stamps: s2v.Stamps) -> None:
    """Every pattern of absent planes, spared or refused; every flag that a row can have; every way to be refused."""
    absent = stamps.offset < 0
    assert len(np.unique(absent, axis=0)) == 8
    raised, spared, verdicts = 0, set(), set()
    for name, file in (FILES | FLOATS).items():
        _, _, flags, scored = inputs(core.Model(file), file, stamps, catalogue_of(len(stamps)))
        raised |= int(np.bitwise_or.reduce(flags))
        verdicts |= {
            (flag, bool(good)) for row, good in zip(flags, scored, strict=True) for flag in flag_bits.names(row)
        }
        spared |= {(name, *row) for row in absent[scored & absent.any(axis=1)].tolist()}
    assert set(flag_bits.names(raised)) == set(registry.FLAGS) - {"bad_cell", "scored_early", "surplus"}
    assert {flag for flag, good in verdicts if not good} >= {"missing", "bad_stamp", "off_shape", "constant"}
    assert {flag for flag, good in verdicts if good} >= {"missing", "padded", "saturated", "zero_scale", "fit_failed"}
    assert ("without science or template", True, True, False) in spared
    assert ("without template", False, True, False) in spared
    assert not any(name == "stampnet" and (science or difference) for name, science, _, difference in spared)


@pytest.mark.parametrize("name", FILES)
def test_the_same_bits_of_tables(name: str) -> None:
    header, shape = shape_of(FILES[name])
    rng, n, names = np.random.default_rng(3), 300, header.feature_names
    columns = (rng.normal(size=(n, len(names))) * 5).astype(np.float32)
    columns[rng.random(columns.shape) < 0.2] = np.nan
    columns[::9] = np.nan
    columns[4::11, [name in CATALOGUE for name in names]] = np.nan
    seen = [flag_bits.bits(which) for which in ((), (), "missing", "constant", ("padded", "zero_scale"), "bad_cell")]
    raised = rng.choice(np.array(seen, np.uint32), n)
    found = []
    for kernels, threads in ((core, 1), (core, 3), (fallback, 1), (fallback, 2)):
        model = kernels.Model(FILES[name])
        score, flags, judged, scored = (np.empty(n, kind) for kind in (np.float32, np.uint32, np.uint32, np.bool_))
        if shape or not names:
            with pytest.raises(ValueError, match="the model takes planes, which a table has not"):
                model.score_columns(columns, raised, score, flags, threads)
            continue
        model.score_columns(columns, raised, score, flags, threads)
        model.check_columns(columns, raised, judged, scored)
        same(flags, judged)
        same(np.isnan(score), ~scored)
        found.append((score, flags))
    for score, flags in found[1:]:
        same(score, found[0][0])
        same(flags, found[0][1])
    if not found:
        return
    needs = oracle.needs_of(header, (), registry.FEATURES)
    rows = [oracle.of_row(needs, set(flag_bits.names(told)), row) for told, row in zip(raised, columns, strict=True)]
    assert found[0][1].tolist() == [flag_bits.bits(row) for row, _ in rows]
    assert np.isnan(found[0][0]).tolist() == [not good for _, good in rows]
    whole = np.empty(n, np.float32)
    core.Model(FILES[name]).predict(None, columns, whole, 1)
    same(whole[[good for _, good in rows]], found[0][0][[good for _, good in rows]])
    no = [np.empty(0, kind) for kind in (np.uint32, np.float32, np.uint32)]
    for kernels in (core, fallback):
        kernels.Model(FILES[name]).score_columns(columns[:0], *no, 1)


@pytest.mark.parametrize("name", FILES)
def test_the_same_bits_of_what_a_model_takes(name: str) -> None:
    """Whatever planes and columns hold; a pixel that is not finite costs its row."""
    header, shape = shape_of(FILES[name])
    rng, n = np.random.default_rng(4), 70
    planes, columns = None, None
    if shape:
        planes = (rng.normal(size=(n, *shape)) * 10.0 ** rng.integers(-3, 4, (n, 1, 1, 1))).astype(np.float32)
        planes[5, 0, 2, 3], planes[6, -1, 0, 0], planes[7, 0, 0, 1] = np.nan, np.inf, -np.inf
    if header.feature_names:
        columns = (rng.normal(size=(n, len(header.feature_names))) * 10).astype(np.float32)
        columns[rng.random(columns.shape) < 0.2] = np.nan
        columns[11:15] = np.array([np.inf, -np.inf, np.nan, 3e38], np.float32)[:, None]
    score = np.empty(n, np.float32)
    core.Model(FILES[name]).predict(planes, columns, score, 1)
    for threads in (1, 2):
        again = np.empty(n, np.float32)
        fallback.Model(FILES[name]).predict(planes, columns, again, threads)
        same(score, again)
    assert np.flatnonzero(np.isnan(score)).tolist() == ([5, 6, 7] if shape else [])
    assert len(np.unique(score)) > 10
