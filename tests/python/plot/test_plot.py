"""Pictures: what is chosen, what is drawn, and that no global state is touched."""

import numpy as np
import pytest

from space2vec import Features, Scores, Stamps, plot
from space2vec.data.flags import bits

pytest.importorskip("matplotlib")


def simulate(n=40, size=21, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.normal(100, 5, (n, 3, size, size)).astype(np.float32)
    pixels[:, :, size // 2, size // 2] += 300
    return Stamps(pixels, object_id=[f"obj{i}" for i in range(n)], candidate_id=np.arange(n) + 1000)


def texts(figure):
    found = [text.get_text() for part in figure.subfigs for text in part.texts]
    for axes in figure.findobj(lambda a: hasattr(a, "get_title")):
        found += [axes.get_title(loc="left"), *(text.get_text() for text in axes.texts)]
    return found


def pixels_of(path):
    from matplotlib.image import imread

    return imread(path)[..., :3]


def test_rows_are_the_best_the_worst_and_the_most_doubtful():
    score = np.array([0.9, np.nan, 0.1, 0.5, 0.55, 0.9, 0.0, 0.42])
    chosen = plot.select_rows(score, 2)
    assert {name: rows.tolist() for name, rows in chosen.items()} == {
        "best": [0, 5],
        "worst": [6, 2],
        "doubtful": [3, 4],
    }
    assert list(chosen) == ["best", "worst", "doubtful"]
    assert plot.select_rows(score, 99)["worst"].tolist() == [6, 2, 7, 3, 4, 0, 5]
    assert list(plot.select_rows(score, 1, "doubtful")) == ["doubtful"]


def test_mosaic_shows_each_chosen_candidate_with_ids_score_and_flags(tmp_path):
    stamps = simulate()
    score = np.linspace(0, 1, 40).astype(np.float32)
    flags = np.zeros(40, dtype=np.uint32)
    flags[39] = bits("nan_pixels") | bits("padded")
    scores = Scores(score, flags, stamps.object_id, stamps.candidate_id, "test")
    path = tmp_path / "mosaic.png"
    figure = plot.mosaic(stamps, scores, rows=4, path=path)
    captions = texts(figure)
    assert "obj39  1039\nP(real) 1.000  nan_pixels, padded" in captions
    assert "obj0  1000\nP(real) 0.000" in captions
    assert [t for t in captions if t.startswith(("best", "worst", "most"))] == [
        "best: highest scores",
        "worst: lowest scores",
        "most doubtful: scores nearest 0.5",
    ]
    for channel in ("science", "template", "difference"):
        assert captions.count(channel) == 3
    images = figure.findobj(lambda a: type(a).__name__ == "AxesImage")
    assert len(images) == 3 * 4 * 3
    picture = pixels_of(path)
    assert min(picture.shape[:2]) > 400
    assert 0.1 < picture.std() < 0.5
    assert len(np.unique((picture * 255).astype(int).reshape(-1, 3), axis=0)) > 100


def test_the_picture_holds_the_pixels_of_the_right_candidates():
    stamps = simulate(6)
    figure = plot.mosaic(stamps, [0.1, 0.9, 0.2, 0.3, 0.8, 0.4], select="best", rows=1)
    images = figure.findobj(lambda a: type(a).__name__ == "AxesImage")
    for image, channel in zip(images, stamps.channels, strict=True):
        np.testing.assert_array_equal(image.get_array(), stamps.plane(1, channel))
        assert image.origin == "lower"


def test_planes_are_stretched_by_zscale():
    from astropy.visualization import ZScaleInterval

    stamps = simulate(1, size=63)
    image = plot.mosaic(stamps, rows=1).findobj(lambda a: type(a).__name__ == "AxesImage")[0]
    expected = ZScaleInterval().get_limits(stamps.plane(0, "science").astype(np.float64))
    assert image.get_clim() == pytest.approx(expected)


def test_blanks_are_coloured_and_missing_planes_named(tmp_path):
    plane = np.random.default_rng(0).normal(size=(31, 31)).astype(np.float32)
    holed = plane.copy()
    holed[:, :20] = np.nan
    stamps = Stamps([[plane, None, plane], [holed, np.full((31, 31), np.nan), np.ones((31, 31))], [plane[:9, :20]] * 3])
    path = tmp_path / "m.png"
    figure = plot.mosaic(stamps, path=path, columns=1)
    assert "missing" in texts(figure)
    picture = pixels_of(path)
    coloured = (picture.max(axis=-1) - picture.min(axis=-1)) > 0.2
    # Two thirds of one plane, a whole one and a missing one out of nine.
    assert 0.08 < coloured.mean() < 0.4


def test_the_mark_points_at_the_candidate():
    stamps = Stamps(np.random.default_rng(0).normal(size=(1, 3, 40, 30)), centre=[[5, 22]])
    axes = plot.mosaic(stamps).findobj(lambda a: hasattr(a, "get_lines") and a.get_lines())[0]
    across, up = axes.get_lines()
    assert set(across.get_ydata()) == {5}
    assert set(up.get_xdata()) == {22}
    assert min(across.get_xdata()) > 23
    assert min(up.get_ydata()) > 6


def test_scores_that_are_all_nan_still_give_a_picture():
    figure = plot.mosaic(simulate(3), np.full(3, np.nan))
    assert "no candidate has a score" in texts(figure)
    assert "obj0  1000\nno score" in texts(figure)


def test_pyplot_is_left_alone():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plot.mosaic(simulate(2), [0.1, 0.9])
    plot.mdr_fpr({"a": ([0.1, 0.9], [0, 1])})
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"scores": [0.5]}, "one value for each of 4"),
        ({"scores": [0.5] * 4, "select": "best-ugly"}, "blocks out of best, doubtful, worst"),
        ({"scores": [0.5] * 4, "rows": 0}, "rows must be"),
        ({"rows": 0}, "rows must be"),
        ({"columns": 0}, "columns must be"),
    ],
)
def test_what_cannot_be_drawn_raises(arguments, told):
    with pytest.raises(ValueError, match=told):
        plot.mosaic(simulate(4), **arguments)


def test_no_candidates_and_no_curves_raise():
    with pytest.raises(ValueError, match="no candidates"):
        plot.mosaic(Stamps(np.empty((0, 3, 5, 5))))
    with pytest.raises(ValueError, match="no curves"):
        plot.mdr_fpr({})


def test_curves_show_the_rates_and_the_threshold_of_one_half(tmp_path):
    rng = np.random.default_rng(0)
    label = rng.random(2000) < 0.5
    score = 1 / (1 + np.exp(-rng.normal(np.where(label, 2, -2), 1.5)))
    path = tmp_path / "curve.png"
    figure = plot.mdr_fpr({"forest": (score, label), "worse": (score**3, label)}, path=path)
    axes = figure.axes[0]
    steps, dots = axes.get_lines()[::2], axes.get_lines()[1::2]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["forest", "worse"]
    assert dots[0].get_xdata()[0] == pytest.approx((score[~label] >= 0.5).mean())
    assert dots[0].get_ydata()[0] == pytest.approx((score[label] < 0.5).mean())
    assert steps[0].get_ydata().max() == 1.0
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert pixels_of(path).std() > 0.05


def labelled(n=400, seed=0):
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    columns = {
        "shifted": rng.normal(2.0 * label, 1.0),
        "empty": np.full(n, np.nan),
        "constant": np.full(n, 3.0),
        "count": rng.poisson(3.0, n) * 1.0,
        "heavy": rng.standard_cauchy(n) ** 3,
        "half": np.where(label == 1, rng.normal(size=n), np.nan),
    }
    return Features(np.column_stack(list(columns.values())).astype(np.float32), tuple(columns)), label


def panels(figure):
    return {axes.get_title().split()[0]: axes for axes in figure.axes}


def test_distributions_have_a_panel_a_feature(tmp_path):
    table, label = labelled()
    path = tmp_path / "distributions.png"
    figure = plot.distributions({"simulated": (table, label), "sky": labelled(100, seed=1)}, path=path)
    drawn = panels(figure)
    assert tuple(drawn) == table.names
    auc = (table["shifted"][label == 1][:, None] > table["shifted"][label == 0]).mean()
    assert drawn["shifted"].get_title() == f"shifted   AUC {auc:.2f}"
    assert drawn["constant"].get_title() == "constant   AUC 0.50"
    assert drawn["empty"].get_title() == "empty"
    assert drawn["empty"].get_xlabel() == "no value: real 100 %, bogus 100 %"
    assert drawn["half"].get_xlabel() == "no value: real 0 %, bogus 100 %"
    assert drawn["shifted"].get_xlabel() == ""
    told = [entry.get_text() for entry in figure.legends[0].get_texts()]
    assert told == ["real, simulated", "bogus, simulated", "real, sky", "bogus, sky"]
    assert pixels_of(path).std() > 0.05


def test_distributions_are_shares_of_the_rows_with_a_value():
    table, label = labelled()
    for name, axes in panels(plot.distributions({"all": (table, label)})).items():
        for stairs, kind in zip(axes.patches, (1, 0), strict=True):
            heights, edges, _ = stairs.get_data()
            value = table[name][label == kind]
            value = value[np.isfinite(value)]
            assert (heights**2).sum() == pytest.approx(1.0 if value.size else 0.0)
            if value.size:
                inner = np.count_nonzero((value >= edges[1]) & (value < edges[-2])) if len(edges) > 2 else 0
                assert (heights[1:-1] ** 2).sum() == pytest.approx(inner / value.size)


def test_the_axis_of_values_fits_the_values():
    drawn = panels(plot.distributions({"all": labelled()}))
    assert drawn["heavy"].get_xscale() == "asinh"
    assert {axes.get_xscale() for name, axes in drawn.items() if name != "heavy"} == {"linear"}
    edges = drawn["count"].patches[0].get_data().edges
    np.testing.assert_array_equal(np.unique(np.diff(edges)), [1.0])
    np.testing.assert_array_equal(edges % 1.0, 0.5)
    low, high = drawn["constant"].get_xlim()
    assert low < 3.0 < high
    marks = drawn["heavy"].get_xticks()
    assert len(marks) >= 3
    assert 0.0 in marks


def test_distributions_of_chosen_features_stand_in_rows():
    figure = plot.distributions({"all": labelled()}, ["count", "shifted", "half"], columns=2)
    assert list(panels(figure)) == ["count", "shifted", "half"]
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 2)


def test_what_has_no_distribution_raises():
    table, label = labelled(10)
    with pytest.raises(ValueError, match="no samples"):
        plot.distributions({})
    with pytest.raises(ValueError, match="no features"):
        plot.distributions({"a": (table, label)}, [])
    with pytest.raises(ValueError, match="columns must be"):
        plot.distributions({"a": (table, label)}, columns=0)
    with pytest.raises(ValueError, match="one value for each of 10"):
        plot.distributions({"a": (table, label[:9])})
    with pytest.raises(ValueError, match="both real and bogus"):
        plot.distributions({"a": (table, np.ones(10))})
    with pytest.raises(KeyError, match="unknown"):
        plot.distributions({"a": (table, label)}, ["unknown"])
