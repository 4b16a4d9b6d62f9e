"""Reliability against its definition, its picture, and what models of score files are called."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from space2vec import plot
from space2vec.cli import main
from space2vec.evaluation import model_of, names_of, reliability


def drawn(n, seed, power=1.0):
    """Scores whose probability of being real is score ** power."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.4, 0.4, n)
    return score, (rng.random(n) < score**power).astype(int)


@pytest.mark.parametrize("bins", [1, 4, 10])
def test_every_bin_is_its_definition(bins):
    score, label = drawn(500, 1)
    score[::9] = np.nan
    score[:3], label[:3] = (0.0, 1.0, 1.0 / bins), (0, 1, 1)
    found = reliability(score, label, bins=bins)
    gaps = 0.0
    for k in range(bins):
        last = k == bins - 1
        rows = [i for i in range(500) if k / bins <= score[i] and (score[i] < (k + 1) / bins or last)]
        real = sum(label[i] for i in rows)
        assert (found.count[k], found.real[k]) == (len(rows), real)
        assert found.score[k] == pytest.approx(np.mean(score[rows]))
        assert found.share[k] == pytest.approx(real / len(rows))
        expected = stats.binomtest(int(real), len(rows)).proportion_ci(method="wilson")
        assert (found.low[k], found.high[k]) == pytest.approx((expected.low, expected.high), abs=1e-9)
        gaps += abs(real - score[rows].sum())
    assert found.error == pytest.approx(gaps / np.count_nonzero(~np.isnan(score)))


def test_the_error_by_chance_is_that_of_probabilities():
    errors = [reliability(*drawn(400, seed)).error for seed in range(200)]
    told = [reliability(*drawn(400, seed)).by_chance for seed in range(200)]
    assert np.mean(told) == pytest.approx(np.mean(errors), rel=0.1)
    overconfident = reliability(*drawn(400, 3, power=3.0))
    assert overconfident.error > 3 * overconfident.by_chance


def test_empty_bins_have_no_share():
    found = reliability([0.05, 0.95, 0.96], [0, 1, 1])
    assert found.count.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert np.isnan(found.share[1:9]).all()
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["bins"]["share"][:2] == [0.0, None]


@pytest.mark.parametrize(
    ("score", "label", "bins", "told"),
    [
        ([0.1, 1.5], [0, 1], 10, "scores from 0 to 1"),
        ([-0.1, 0.5], [0, 1], 10, "scores from 0 to 1"),
        ([np.nan, np.nan], [0, 1], 10, "scores from 0 to 1"),
        ([0.1, 0.5], [0], 10, "one value for each row"),
        ([0.1, 0.5], [0, 1], 0, "bins must be"),
    ],
)
def test_what_has_no_reliability_raises(score, label, bins, told):
    with pytest.raises(ValueError, match=told):
        reliability(score, label, bins=bins)


def test_the_picture_shows_shares_counts_and_errors(tmp_path):
    pytest.importorskip("matplotlib")
    curves = {"good": drawn(3000, 1), "bold": drawn(3000, 2, power=2.0)}
    path = tmp_path / "reliability.png"
    figure = plot.reliability(curves, path=path)
    assert path.read_bytes().startswith(b"\x89PNG")
    above, below = figure.axes
    (legend,) = figure.legends
    told = [text.get_text() for text in legend.get_texts()]
    for name, curve in curves.items():
        found = reliability(*curve)
        assert f"{name} (calibration error {found.error:.3f})" in told
        line = next(line for line in above.get_lines() if np.array_equal(line.get_xdata(), found.score))
        np.testing.assert_array_equal(line.get_ydata(), found.share)
        assert set(map(str, found.count)) <= {text.get_text() for text in below.texts}
    heights = sorted(patch.get_height() for patch in below.patches)
    assert heights == sorted(count for curve in curves.values() for count in reliability(*curve).count)
    assert above.get_xlabel() == ""
    assert "score" in below.get_xlabel()
    with pytest.raises(ValueError, match="no scores to draw"):
        plot.reliability({})


def test_a_curve_lies_in_its_band():
    pytest.importorskip("matplotlib")
    curve = drawn(800, 4)
    figure = plot.mdr_fpr({"a": curve}, group={"a": np.arange(800) // 2}, bootstrap=50)
    (band,) = figure.axes[0].collections
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].min() < corners[:, 1].max()
    assert "band" in figure.axes[0].get_legend().get_title().get_text()
    assert not plot.mdr_fpr({"a": curve}).axes[0].collections, "none unless asked for"


# What models are called


def written(folder, name, model=None, column=None):
    rows = {"candidate_id": list(range(40)), "score": np.linspace(0, 1, 40).astype(np.float32)}
    if column is not None:
        rows["model"] = column
    table = pa.table(rows)
    if model is not None:
        table = table.replace_schema_metadata({"space2vec": json.dumps({"version": "1", "model": model})})
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path)
    return str(path)


def test_models_are_called_by_what_their_files_say(tmp_path):
    net = written(tmp_path, "a.parquet", "net 0123")
    assert model_of(net) == "net 0123"
    other = written(tmp_path, "b.parquet", "net 4567")
    trees = written(tmp_path, "c.parquet", "my trees 89ab")
    column = written(tmp_path, "d.parquet", column=["braai"] * 40)
    mixed = written(tmp_path, "e.parquet", column=["braai", "rb"] * 20)
    silent = written(tmp_path, "f.parquet")
    text = tmp_path / "g.csv"
    text.write_text("ID,score\n1,0.5\n")
    assert [model_of(path) for path in (column, mixed, silent, text)] == ["braai", None, None, None]
    assert list(names_of([net, trees, column, mixed, silent, text]).values()) == [
        "net", "my trees", "braai", "e", "f", "g"
    ]  # fmt: skip
    assert list(names_of([net, other, trees]).values()) == ["net 0123", "net 4567", "my trees"]
    again = written(tmp_path, "again/a.parquet", "net 0123")
    assert names_of([net, again, trees]) == {net: f"net ({net})", again: f"net ({again})", trees: "my trees"}


def test_figures_and_pictures_name_models(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    labels = tmp_path / "labels.csv"
    labels.write_text("ID,label\n" + "".join(f"{i},{int(i > 18)}\n" for i in range(40)))
    one, other = written(tmp_path, "a.parquet", "net 0123"), written(tmp_path, "b.parquet", "forest 4567")
    figures, picture = tmp_path / "f.json", tmp_path / "r.png"
    command = ["evaluate", one, other, "--labels", str(labels), "--bootstrap", "10"]
    assert (
        main([*command, "--json", str(figures), "--reliability", str(picture), "--plot", str(tmp_path / "c.png")]) == 0
    )
    said = capsys.readouterr().out
    assert f"net: model net 0123, scores of {one}\n" in said
    assert "a: net\nb: forest\n" in said
    document = json.loads(figures.read_text())
    assert list(document) == ["net", "forest"]
    assert (document["net"]["file"], document["net"]["model"]) == (one, "net 0123")
    assert document["forest"]["comparison"]["a"] == "net"
    assert document["net"]["thresholds"]["fpr at mdr 4%"]["value"] > 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main([*command, "--reliability", str(tmp_path / "none" / "r.png")]) == 2
    assert "there is no folder" in capsys.readouterr().err
