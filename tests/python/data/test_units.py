"""Planes that were normalised one by one: they are noticed, others are not, and models that compare planes say so."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from space2vec.cli import main
from space2vec.data import flux_units
from space2vec.data.stamps import CHANNELS
from space2vec.errors import Space2vecWarning
from space2vec.model_files.needs import Needs

Plane = NDArray[np.float64]


def l2(x: Plane) -> Plane:
    return x / np.sqrt((x * x).sum())


def min_max(x: Plane) -> Plane:
    return (x - x.min()) / np.ptp(x)


def eight_bits(x: Plane) -> Plane:
    return np.round(255 * min_max(x))


def symmetric(x: Plane) -> Plane:
    return 2 * min_max(x) - 1


def z_score(x: Plane) -> Plane:
    return (x - x.mean()) / x.std()


def median_mad(x: Plane) -> Plane:
    away = x - np.median(x)
    return away / (1.4826 * np.median(np.abs(away)))


def stretched(x: Plane) -> Plane:
    return np.arcsinh(median_mad(x))


def clipped(x: Plane) -> Plane:
    low, high = np.percentile(x, [1, 99])
    return np.clip((x - low) / (high - low), 0, 1)


KINDS: dict[Callable[[Plane], Plane], str] = {
    l2: "l2", min_max: "min-max", eight_bits: "min-max", symmetric: "min-max", z_score: "z-score",
    median_mad: "median-mad", stretched: "median-mad", clipped: "min-max",
}  # fmt: skip


@pytest.fixture(scope="module")
def nights() -> dict[str, s2v.Stamps]:
    return {survey: s2v.simulate(60, seed=3, survey=survey).stamps for survey in ("ztf", "des", "rubin")}


def changed(stamps: s2v.Stamps, change: Callable[[Plane], Plane], keep: tuple[str, ...] = CHANNELS) -> s2v.Stamps:
    """Return stamps with each plane changed by itself, what is not finite set to 0, as data sets are published."""
    return s2v.Stamps(
        [
            [
                None if plane is None or name not in keep else change(np.nan_to_num(plane.astype(float))).astype("f4")
                for name, plane in ((name, stamps.plane(row, name)) for name in CHANNELS)
            ]
            for row in range(len(stamps))
        ]
    )


@pytest.mark.parametrize("survey", ["ztf", "des", "rubin"])
@pytest.mark.parametrize("change", KINDS, ids=lambda change: change.__name__)
def test_each_way_is_noticed(nights: dict[str, s2v.Stamps], survey: str, change: Callable[[Plane], Plane]) -> None:
    stamps = changed(nights[survey], change)
    assert flux_units.find_normalisation(stamps) == KINDS[change]
    assert all(flux_units.find_normalisation(stamps[row : row + 1]) == KINDS[change] for row in range(0, 60, 7))
    coarse = changed(stamps, lambda x: x.astype(np.float16))
    assert flux_units.find_normalisation(coarse[:8]) == KINDS[change]
    two = changed(stamps, lambda x: x, keep=("science", "difference"))
    assert flux_units.find_normalisation(two) == KINDS[change]


@pytest.mark.parametrize("survey", ["ztf", "des", "rubin"])
def test_planes_as_measured_are_not(nights: dict[str, s2v.Stamps], survey: str) -> None:
    stamps = nights[survey]
    for given in (stamps, changed(stamps, lambda x: x / 1000), changed(stamps, lambda x: x, ("science", "difference"))):
        assert flux_units.find_normalisation(given) is None
        assert all(flux_units.find_normalisation(given[row : row + 1]) is None for row in range(len(given)))


def test_a_bad_pixel_does_not_hide_it(nights: dict[str, s2v.Stamps]) -> None:
    stamps = changed(nights["ztf"], l2)
    pixels = np.stack([np.stack([stamps.plane(0, name)] * 5) for name in CHANNELS], axis=1)
    pixels[:, 0, 3, 4], pixels[:, 1, 0, 0], pixels[:, 2, 1, 1] = np.nan, np.inf, -np.inf
    kinds = {
        flux_units.find_normalisation(s2v.Stamps(np.where(np.isfinite(pixels), pixels, bad)))
        for bad in (np.nan, 0, np.inf)
    }
    assert "l2" in kinds


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((3, 3, 51, 51)),
        np.full((3, 3, 51, 51), np.nan),
        np.zeros((0, 3, 51, 51)),
        np.full((2, 3, 51, 51), 1e30),
        np.ones((2, 3, 1, 1)),
    ],
)
def test_planes_without_a_scale_say_nothing(pixels: NDArray[np.float64]) -> None:
    assert flux_units.find_normalisation(s2v.Stamps(pixels)) is None


def test_one_plane_has_nothing_to_be_compared_with(nights: dict[str, s2v.Stamps]) -> None:
    assert flux_units.find_normalisation(changed(nights["ztf"], l2, keep=("difference",))) is None


def test_models_that_compare_planes_are_known() -> None:
    for name in ("default", "forest", "autoscan", "tablenet"):
        assert s2v.load(name).needs.joins_planes
    header = replace(s2v.load("default").header, feature_names=())
    for recipe, joins in (("ayyar", True), ("transinet", True), ("braai", False), ("robust-asinh", False)):
        assert Needs(header, s2v.Recipe(recipe)).joins_planes == joins


@pytest.mark.parametrize("name", ["default", "forest"])
def test_scoring_warns_once_a_call_and_scores(nights: dict[str, s2v.Stamps], name: str) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is missing: onnxruntime")
    model = s2v.load(name)
    stamps = s2v.Stamps.concatenate([changed(nights["ztf"], l2)] * 4)
    with pytest.warns(Space2vecWarning, match=rf"have the same l2 norm.*the model '{model.header.name}'") as told:
        scores = model.score(stamps, threads=2)
    assert len(told) == 1
    assert told[0].filename == __file__
    assert not np.isnan(scores.score).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.score(nights["ztf"])


def test_the_command_says_it_in_one_line(
    nights: dict[str, s2v.Stamps], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from space2vec.reading import options

    monkeypatch.setattr(options, "ROWS_WITH_PIXELS", 20)
    planes = s2v.prepare(nights["ztf"], "braai").planes
    np.savez(tmp_path / "set.npz", **{name: planes[:, k] for k, name in enumerate(CHANNELS)})
    for _ in range(2):
        assert main(["score", str(tmp_path / "set.npz"), "-o", str(tmp_path / "s.csv"), "--model", "forest",
                     "--restart"]) == 0  # fmt: skip
        said = [line for line in capsys.readouterr().err.splitlines() if "normalised one by one" in line]
        assert len(said) == 1
        assert said[0].startswith("space2vec: science, template and difference of these stamps have the same l2 norm")
