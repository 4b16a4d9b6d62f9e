"""The picture of an explanation: what is drawn over which plane, and the bars."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest

import space2vec as s2v

pytest.importorskip("matplotlib")

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@pytest.fixture(scope="module")
def stamps() -> s2v.Stamps:
    return s2v.simulate(4, seed=8).stamps


@pytest.fixture(scope="module")
def found(stamps: s2v.Stamps) -> s2v.Explanation:
    return s2v.explain("stampnet", stamps, 1)


def words(figure: Figure) -> list[str]:
    parts = [figure, *figure.subfigs]
    texts = [text for part in parts for text in part.texts]
    texts += [text for axes in figure.axes for text in axes.texts]
    return [text.get_text() for text in texts]


def test_planes_maps_and_bars(stamps: s2v.Stamps, found: s2v.Explanation) -> None:
    figure = s2v.plot.explanation(found, stamps[1], features=7)
    planes, bars = figure.subfigs
    assert [axes.get_title() for axes in planes.axes[:6:2]] == ["science", "template", "difference"]
    assert [len(axes.images) for axes in planes.axes[:6]] == [1, 2] * 3
    widths = [bar.get_width() for bar in bars.axes[0].patches]
    assert widths == [feature.effect for feature in found.features[:7]]
    colours = {bar.get_facecolor() for bar in bars.axes[0].patches if bar.get_width() > 0}
    assert len(colours) <= 1
    assert colours.isdisjoint(bar.get_facecolor() for bar in bars.axes[0].patches if bar.get_width() < 0)
    shown = words(figure)
    assert f"candidate {stamps.candidate_id[1]}, object {stamps.object_id[1]}" in shown
    assert found.features[0].name in shown
    assert sum(text.startswith("usual ") for text in shown) == 7


def test_the_hue_of_a_map_is_the_sign_and_its_opacity_the_size() -> None:
    from space2vec.plot.explanation import _colours

    raised, lowered, none, unknown = _colours(np.array([0.5, -0.25, 0.0, np.nan]), 0.5)
    assert raised[2] > raised[0]
    assert lowered[0] > lowered[2]
    assert raised[3] > lowered[3] > none[3] == unknown[3] == 0


def test_a_plane_that_the_model_does_not_look_at_is_named(stamps: s2v.Stamps, found: s2v.Explanation) -> None:
    assert found.pixels is not None
    maps = {"difference": found.pixels.maps["difference"]}
    alone = dataclasses.replace(found, pixels=dataclasses.replace(found.pixels, maps=maps))
    shown = words(s2v.plot.explanation(alone, stamps[1]))
    assert shown.count("the model does\nnot look at it") == 2


def test_bars_alone_for_a_row_of_a_table() -> None:
    model = s2v.load("autoscan")
    table = s2v.Features(np.ones((1, 38), np.float32), model.feature_names, np.zeros(1, np.uint32))
    figure = s2v.plot.explanation(s2v.explain(model, table))
    assert len(figure.subfigs) == 1
    assert any(text.startswith("strongest features, from P(real) 0.5") for text in words(figure))


def test_a_picture_of_another_candidate_is_refused(stamps: s2v.Stamps, found: s2v.Explanation) -> None:
    with pytest.raises(ValueError, match="the stamps are of"):
        s2v.plot.explanation(found, stamps[2])
    with pytest.raises(ValueError, match="of one candidate; given 4 stamps"):
        s2v.plot.explanation(found, stamps)
