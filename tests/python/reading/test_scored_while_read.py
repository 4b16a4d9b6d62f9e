"""Alerts that are scored while they are read: scores, flags, ids and problems are those of reading first."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sklearn.ensemble import RandomForestClassifier

import space2vec as s2v
from helpers.packets import avro_bytes, fits_bytes, packet, planes
from space2vec.backends import kernels
from space2vec.cli import main
from space2vec.data.tables import Scores
from space2vec.errors import Space2vecWarning
from space2vec.model_files.calibration import Calibration
from space2vec.models.model import Model
from space2vec.plans.features import FeaturePlan
from space2vec.reading import batch_rows, batches
from space2vec.registry import AUTOSCAN_STAMP, S2V

if kernels.name() != "native":
    pytest.skip("readers score by the compiled library alone", allow_module_level=True)


def odd_packets() -> list[dict[str, object]]:
    """Return alerts of every kind of trouble among sound ones."""
    sky = np.full((3, 63, 63), 100.0, dtype=np.float32)
    holes = planes(1)
    holes[:, 20:25] = np.nan
    blank = planes(2)
    blank[2] = np.nan
    bright = planes(3)
    bright[0] = 7e4
    made = [
        packet(0),
        packet(1, cutoutTemplate=None),
        packet(2, cutoutDifference=None),
        packet(3, cutoutScience=None),
        packet(4, cutoutScience=None, cutoutTemplate=None, cutoutDifference=None),
        packet(5, cutoutTemplate=b"\x1f\x8b damaged"),
        packet(6, cutoutDifference=fits_bytes(planes(6)[2])[:5000]),
        packet(7, sky),
        packet(8, holes),
        packet(9, blank),
        packet(10, bright),
        packet(11, planes(11, (3, 3))),
        packet(12, planes(12, (41, 63))),
        packet(13, planes(13, (63, 41)), {"xpos": 20.0}),
        packet(14, planes(14, (101, 101))),
    ]
    return made + [packet(number) for number in range(15, 40)]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    alerts = odd_packets()
    (folder / "1.avro").write_bytes(avro_bytes(alerts[:20], block=30000))
    whole = avro_bytes(alerts[20:30], codec="deflate")
    (folder / "2.avro").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "3.avro").write_bytes(b"no Avro at all")
    (folder / "4.avro").write_bytes(avro_bytes(alerts[30:]))
    return folder


def forest(names: tuple[str, ...]) -> s2v.Forest:
    rng = np.random.default_rng(len(names))
    x = rng.normal(size=(200, len(names))).astype(np.float32)
    trees = RandomForestClassifier(5, random_state=0).fit(x, x[:, 0] + rng.normal(size=200) > 0)
    return s2v.Forest.from_sklearn(trees, feature_names=names, name="small")


@pytest.fixture(scope="module", params=["default", "calibrated", "eighteen", "s2v"])
def judge(request: pytest.FixtureRequest) -> Model:
    if request.param in ("eighteen", "s2v"):
        return forest(AUTOSCAN_STAMP if request.param == "eighteen" else S2V)
    model: Model = s2v.load("default")
    return model.calibrated(Calibration((0.0, 0.5, 1.0), (0.1, 0.2, 0.9))) if request.param == "calibrated" else model


@pytest.mark.filterwarnings("ignore:science, template and difference")  # one alert alone may look like that
@pytest.mark.parametrize(("threads", "rows"), [(1, None), (3, 7), (2, 1)])
def test_scores_are_those_of_reading_first(night: Path, judge: Model, threads: int, rows: int | None) -> None:
    columns = ["candidate.magpsf", "fid"]
    plain = list(batches(night, batch=rows or 512, threads=threads, columns=columns))
    scored = list(batches(night, batch=rows, threads=threads, columns=columns, model=judge))
    if rows is not None:
        assert len(plain) == len(scored) > 5
    for before, part in zip(plain, scored, strict=True):
        assert isinstance(part.rows, Scores)
        want = judge.score(before.rows)
        np.testing.assert_array_equal(part.rows.score.view(np.uint32), want.score.view(np.uint32))
        np.testing.assert_array_equal(part.rows.flags, want.flags)
        assert part.rows.object_id.tolist() == want.object_id.tolist()
        assert part.rows.candidate_id.tolist() == want.candidate_id.tolist()
        assert (part.rows.model, part.rows.device) == (judge.id, "cpu")
        assert part.rows.columns.keys() == before.rows.columns.keys()
        for name, values in part.rows.columns.items():
            np.testing.assert_array_equal(values, before.rows.columns[name])
        assert part.problems == before.problems
        assert (part.position, part.files_done, part.files_total) == (
            before.position,
            before.files_done,
            before.files_total,
        )
        assert part.origin is not None
        assert before.origin is not None
        assert part.origin.paths == before.origin.paths
        np.testing.assert_array_equal(part.origin.record, before.origin.record)
    refused = np.concatenate([np.isnan(part.rows.score) for part in scored])
    assert 0 < refused.sum() < len(refused)


def test_reading_goes_on_where_it_was(night: Path) -> None:
    judge = s2v.load("default")
    parts = list(batches(night, batch=6, model=judge))
    for number, part in enumerate(parts[:-1]):
        rest = list(batches(night, batch=6, model=judge, start=part.position))
        assert len(rest) == len(parts) - number - 1
        for a, b in zip(rest, parts[number + 1 :], strict=True):
            np.testing.assert_array_equal(a.rows.score, b.rows.score)


def test_alerts_in_columns_are_scored_too(tmp_path: Path, judge: Model) -> None:
    alerts = [alert for alert in odd_packets() if alert["candid"] not in (10**17 + 11, 10**17 + 12)]
    columns = {name: [alert[name] for alert in alerts] for name in ("objectId", "candid", "candidate")}
    for name in ("cutoutScience", "cutoutTemplate", "cutoutDifference"):
        columns[name] = [None if alert[name] is None else alert[name]["stampData"] for alert in alerts]
    pq.write_table(pa.table(columns), tmp_path / "night.parquet", row_group_size=10)
    want = judge.score(s2v.read(tmp_path / "night.parquet", strict=False))
    parts = [part.rows for part in batches(tmp_path / "night.parquet", batch=8, model=judge, columns=["magpsf"])]
    assert all(isinstance(part, Scores) for part in parts)
    found = Scores.concatenate(parts)
    np.testing.assert_array_equal(found.score.view(np.uint32), want.score.view(np.uint32))
    np.testing.assert_array_equal(found.flags, want.flags)
    assert found.candidate_id.tolist() == want.candidate_id.tolist()
    assert found.columns["magpsf"][0] == 18.5


def test_what_holds_no_alerts_is_left_to_the_model(tmp_path: Path, night: Path) -> None:
    judge = s2v.load("default")
    np.save(tmp_path / "a.npy", np.stack([planes(1), planes(2)]))
    (tmp_path / "b.avro").write_bytes(avro_bytes([packet(1)]))
    (tmp_path / "c.parquet").write_bytes(b"PAR1 damaged")
    kinds = [type(part.rows).__name__ for part in batches(tmp_path, model=judge)]
    assert kinds == ["Stamps", "Scores", "Stamps"]


def test_models_of_the_catalogue_are_run_by_readers_and_others_take_what_they_need(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = s2v.load("forest")
    parts = list(batches(night, model=catalogue))
    assert all(isinstance(part.rows, Scores) for part in parts)
    want = catalogue.score(s2v.read(night, strict=False))
    found = Scores.concatenate([part.rows for part in parts])
    np.testing.assert_array_equal(found.score.view(np.uint32), want.score.view(np.uint32))
    np.testing.assert_array_equal(found.flags, want.flags)
    foreign = forest(("AMP", "MINE"))
    assert isinstance(next(batches(night, model=foreign)).rows, s2v.Stamps)
    default = s2v.load("default")
    monkeypatch.setattr(kernels, "name", lambda: "numba")
    assert isinstance(next(batches(night, model=default)).rows, s2v.Stamps)


def test_networks_in_floats_are_given_stamps(night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("SPACE2VEC_RUNTIME", "torch")
    assert isinstance(next(batches(night, model=s2v.load("default"))).rows, s2v.Stamps)


def test_batches_are_large_where_no_pixels_are_kept() -> None:
    default, catalogue = s2v.load("default"), s2v.load("forest")
    assert batch_rows() == 512
    assert batch_rows(model=default) == batch_rows(model=catalogue) == batch_rows(FeaturePlan(S2V)) == 2048
    assert batch_rows(device="cuda:0") == batch_rows(model=default, device="cuda:0") == 2048
    with pytest.raises(ValueError, match="give measure or model, not both"):
        batches("nowhere", model=default, measure=FeaturePlan(S2V))


def test_planes_that_share_no_scale_are_told_though_nobody_keeps_them(tmp_path: Path, night: Path) -> None:
    judge = s2v.load("default")
    for number in range(12):
        pixels = planes(number)
        pixels /= np.sqrt((pixels**2).sum(axis=(1, 2), keepdims=True))
        (tmp_path / f"{number}.avro").write_bytes(avro_bytes([packet(number, pixels)]))
    with pytest.warns(Space2vecWarning, match=rf"have the same l2 norm.*the model '{judge.name}'") as told:
        list(batches(tmp_path, model=judge))
    assert len(told) == 1
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(batches(night, model=judge))


def test_the_command_scores_while_it_reads(night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a mosaic it keeps the pixels, and scores the same."""
    scored: list[int] = []
    score = Model.score
    monkeypatch.setattr(Model, "score", lambda *given, **more: scored.append(1) or score(*given, **more))
    arguments = ["score", str(night), "--threshold", "0.5", "--threads", "1"]
    assert main([*arguments, "-o", str(tmp_path / "a.csv")]) == 1
    assert not scored
    assert main([*arguments, "-o", str(tmp_path / "b.csv"), "--mosaic", str(tmp_path / "m.png")]) == 1
    assert scored
    for name in ("{}.csv", "{}.errors.csv"):
        a, b = ((tmp_path / name.format(letter)).read_text() for letter in "ab")
        assert a == b
    assert len(pyarrow.csv.read_csv(tmp_path / "a.csv")) == len(s2v.read(night, strict=False))
