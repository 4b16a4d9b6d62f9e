"""Models and features that look at detections in whole images give what stamps give that a plain loop cuts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import space2vec as s2v
from helpers.fields import HEIGHT, WIDTH, X, Y, by_hand, image, same, triplet
from space2vec.data.flags import bits
from space2vec.errors import BackendError

MODELS = ["default", "forest", "stampnet-fast", "tablenet", "autoscan"]


def same_scores(one: s2v.Scores, other: s2v.Scores) -> None:
    np.testing.assert_array_equal(one.score, other.score)
    np.testing.assert_array_equal(one.flags, other.flags)
    assert one.model == other.model


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", ["f4", ">f8", "u2"])
def test_scores_are_those_of_stamps_cut_by_a_plain_loop(name: str, dtype: str) -> None:
    planes, model = triplet(dtype), s2v.load(name)
    found = s2v.locate(*planes, x=X, y=Y)
    expected = model.score(by_hand(planes, X, Y))
    same_scores(model.score(found, threads=1), expected)
    same_scores(model.score(found, threads=3), expected)
    same_scores(model.score(found[::-1]), expected[::-1])
    assert np.isfinite(expected.score[:2]).all()


@pytest.mark.parametrize("convention", ["code", "paper"])
@pytest.mark.parametrize("wanted", ["autoscan", "autoscan-stamp", "s2v", "stamp", "all"])
def test_features_are_those_of_stamps_cut_by_a_plain_loop(wanted: Any, convention: Any) -> None:
    planes = triplet()
    catalogue = {"MAG": np.linspace(17.0, 20.0, len(X))}
    stamps = by_hand(planes, X, Y)
    stamps.catalogue["MAG"] = catalogue["MAG"].astype(np.float32)
    ours = s2v.features(s2v.locate(*planes, x=X, y=Y, catalogue=catalogue), set=wanted, convention=convention)
    theirs = s2v.features(stamps, set=wanted, convention=convention)
    assert ours.names == theirs.names
    np.testing.assert_array_equal(ours.values, theirs.values)
    np.testing.assert_array_equal(ours.flags, theirs.flags)


def test_bad_pixels_count_where_they_are_looked_at() -> None:
    planes, model = triplet(), s2v.load("default")
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint16)
    mask[70, 61], mask[71, 60], mask[70, 60 - 31] = 1, 2, 1
    frame = s2v.Frame(planes[0], mask=mask, bad_bits=1, saturated_bits=2, saturation=400.0)
    x, y = np.array([60.2, 150.0, 60.0]), np.array([70.4, 60.0, 102.0])
    stamps = by_hand(planes, x, y)
    for row, column in ((31, 32), (31, 0)):
        stamps.plane(0, "science")[row, column] = np.nan
    stamps.plane(0, "science")[32, 31] = 400.0
    stamps.saturation = 400.0
    scores = model.score(s2v.locate(frame, *planes[1:], x=x, y=y))
    expected = model.score(stamps)
    np.testing.assert_array_equal(scores.score, expected.score)
    raised = np.array([bits("masked_pixels") | bits("saturated"), 0, 0], dtype=np.uint32)
    assert scores.flags[0] & raised[0] == raised[0]
    np.testing.assert_array_equal(scores.flags & ~np.uint32(raised[0]), expected.flags & ~np.uint32(raised[0]))
    # Above the third candidate the bad pixels are beyond the window of features, and within the stamp that is cut.
    found = s2v.locate(frame, *planes[1:], x=x[2:], y=y[2:])
    assert s2v.cut(found).flags[0] & bits("masked_pixels") == 0
    near = s2v.locate(frame, *planes[1:], x=x[2:], y=[100.0])
    assert s2v.cut(near).flags[0] & bits("masked_pixels")
    assert s2v.features(near, set="stamp").flags[0] & bits("masked_pixels") == 0


def test_frames_that_end_elsewhere_are_padded_and_flagged() -> None:
    sky = [image(seed, height=300, width=300) for seed in range(3)]
    parts = [(10, 20, 150, 160), (0, 25, 170, 200), (12, 10, 120, 180)]  # y0, x0, height, width
    frames = [
        s2v.Frame(plane[y0 : y0 + h, x0 : x0 + w], origin=(x0, y0))
        for plane, (y0, x0, h, w) in zip(sky, parts, strict=True)
    ]
    model = s2v.load("default")
    found = s2v.locate(*frames, x=[100.0, 40.0, 400.0], y=[70.0, 60.0, 60.0])
    scores = model.score(found)
    same_scores(scores, model.score(s2v.cut(found)))
    assert scores.flags[1] & bits("padded")
    assert scores.flags[2] & bits("missing")
    assert np.isnan(scores.score[2])


class Shifted:
    """A WCS whose pixels are those of another, moved by a shear of less than a pixel."""

    def __init__(self, by: Callable[[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]) -> None:
        self._by = by

    def world_to_pixel(self, sky: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        return self._by(sky.ra.deg * 100.0, sky.dec.deg * 100.0)


def test_images_with_a_wcs_each_are_looked_at_each_at_its_pixel() -> None:
    random = np.random.default_rng(4)
    x, y = random.uniform(35.0, 150.0, 60), random.uniform(35.0, 110.0, 60)
    planes, model = triplet(), s2v.load("default")
    maps = [
        lambda at_x, at_y: (at_x, at_y),
        lambda at_x, at_y: (at_x - 3.0 + 0.004 * at_y, at_y + 2.0 - 0.003 * at_x),
        lambda at_x, at_y: (at_x, at_y + 0.002 * at_x),
    ]
    frames = [s2v.Frame(plane, wcs=Shifted(by)) for plane, by in zip(planes, maps, strict=True)]
    found = s2v.locate(*frames, sky=(x / 100.0, y / 100.0))
    assert len(list(found.parts())) > 2
    expected = model.score(s2v.cut(found, side=63))
    assert np.isfinite(expected.score).all()
    same_scores(model.score(found), expected)
    cut = by_hand([planes[1]], *maps[1](x, y))
    for row in range(len(x)):
        np.testing.assert_array_equal(s2v.cut(found[row]).plane(0, "template"), cut.plane(row, "science"))
    ours, theirs = s2v.features(found, set="stamp"), s2v.features(s2v.cut(found), set="stamp")
    np.testing.assert_array_equal(ours.values, theirs.values)


def test_what_is_known_goes_along() -> None:
    planes, model = triplet(), s2v.load("tablenet")
    known: dict[str, Any] = {
        "object_id": ["a", "b", "c"],
        "candidate_id": [7, 9, 11],
        "catalogue": {"MAG": [18.5, 19.5, 17.0]},
        "columns": {"magpsf": [18.0, 19.0, np.nan]},
    }
    x, y = [60.0, 70.0, 80.0], [60.0, 70.0, 80.0]
    found = s2v.locate(*planes, x=x, y=y, **known)
    assert repr(found) == "Detections(n=3, channels=('science', 'template', 'difference'))"
    stamps = s2v.from_images(*planes, x=x, y=y, **known)
    same(s2v.cut(found), stamps)
    some = found[np.array([True, False, True])]
    scores, expected = model.score(some), model.score(stamps[[0, 2]])
    same_scores(scores, expected)
    assert scores.object_id.tolist() == ["a", "c"]
    assert scores.candidate_id.tolist() == [7, 11]
    np.testing.assert_array_equal(scores.columns["magpsf"], [18.0, np.nan])
    assert len(found[1]) == 1
    with pytest.raises(IndexError, match="no row 3"):
        found[3]


def test_no_detection_gives_no_rows() -> None:
    found = s2v.locate(*triplet(), x=[], y=[])
    assert len(s2v.load("default").score(found)) == len(s2v.features(found)) == len(s2v.cut(found)) == 0


@pytest.mark.parametrize("channel", ["science", "template", "difference"])
def test_one_image_is_enough(channel: str) -> None:
    found = s2v.locate(**{channel: image(2)}, x=X, y=Y)
    assert found.channels == (channel,)
    for name in ("default", "forest"):
        model = s2v.load(name)
        same_scores(model.score(found), model.score(s2v.cut(found)))


def test_what_cannot_look_at_images_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found, model = s2v.locate(*triplet(), x=X, y=Y), s2v.load("default")
    with pytest.raises(TypeError, match="cut takes the detections"):
        s2v.cut(by_hand(triplet(), X, Y))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="side"):
        s2v.cut(found, side=0)
    with pytest.raises(TypeError, match="Stamps"):
        s2v.prepare(found, "braai")  # type: ignore[arg-type]
    floats = s2v.load("default")
    floats.runtime = "onnxruntime"
    with pytest.raises(BackendError, match="not by onnxruntime; cut stamps first"):
        floats.score(found)
    monkeypatch.setattr("space2vec.backends.choice.usable_device", lambda device: "cuda:0")
    with pytest.raises(BackendError, match="device 'cuda' was asked for; cut stamps first"):
        model.score(found, device="cuda")
    with pytest.raises(BackendError, match="by the CPU"):
        s2v.features(found, device="cuda")
    monkeypatch.undo()
    monkeypatch.setenv("SPACE2VEC_BACKEND", "numba")
    with pytest.raises(BackendError, match="not by Numba"):
        model.score(found)
