"""The comparison on the DES set, on a small one in the very layout in which it is published."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

import space2vec as s2v
from space2vec import registry
from space2vec.cli import main
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.errors import ReadError
from space2vec.reading import des, des_tar
from space2vec.studies import trainable_models
from space2vec.studies.des import reproduce_des
from space2vec.studies.trainable_models import TrainingEffort

pytest.importorskip("sklearn")

COUNT = 200
QUICK = TrainingEffort(trees=10, members=2, rounds=20, epochs=1)


def as_fits(plane: np.ndarray) -> bytes:
    memory = io.BytesIO()
    fits.PrimaryHDU(plane.astype(np.float32)).writeto(memory)
    return memory.getvalue()


def as_gif(plane: np.ndarray) -> bytes:
    image = pytest.importorskip("PIL.Image")
    low, high = np.nanmin(plane), np.nanmax(plane)
    memory = io.BytesIO()
    image.fromarray((255 * (plane - low) / (high - low)).astype(np.uint8)).save(memory, format="GIF")
    return memory.getvalue()


@pytest.fixture(scope="module")
def night() -> s2v.simulation.Night:
    return s2v.simulate(COUNT, survey="des", seed=5)


@pytest.fixture(scope="module")
def published(night: s2v.simulation.Night, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with six comment lines, and two archives with date folders of FITS and GIF stamps."""
    folder = tmp_path_factory.mktemp("des")
    ids = 7_000_000 + 13 * np.arange(COUNT)
    table = s2v.features(night.stamps, set="autoscan")
    lines = ["# a comment"] * 6 + [",".join(("ID", "OBJECT_TYPE", *registry.AUTOSCAN))]
    for row, number in enumerate(ids.tolist()):
        cells = ["" if np.isnan(v) else f"{v:.7g}" for v in table.values[row]]
        lines.append(",".join([str(number), str(1 - int(night.labels[row])), *cells]))
    (folder / "autoscan_features.3.csv").write_text("\n".join(lines) + "\n")
    for archive in range(2):
        with tarfile.open(folder / f"stamps_{archive}.tar", "w") as tar:
            for row in range(archive, COUNT, 2):
                for short, channel in (("srch", "science"), ("temp", "template"), ("diff", "difference")):
                    plane = night.stamps.plane(row, channel)
                    # Two candidates have GIF alone; of the others both formats are there.
                    formats = {"gif": as_gif} if row < 2 else {"fits": as_fits, "gif": as_gif}
                    for suffix, encode in formats.items():
                        data = encode(plane)
                        entry = tarfile.TarInfo(f"stamps_{archive}/2013{row % 9:04d}/{short}{ids[row]}.{suffix}")
                        entry.size = len(data)
                        tar.addfile(entry, io.BytesIO(data))
    return folder


def test_members_of_archives_are_the_stamps(published: Path, night: s2v.simulation.Night) -> None:
    archives = sorted(published.glob("stamps_*.tar"))
    found = des_tar.index_archives(archives, {"7000013", "7000026", "1"})
    assert {number for _, number in found.files} == {"7000013", "7000026"}
    assert len(des_tar.index_archives(archives).files) == COUNT
    (batch,) = des.read_stamps(found, 10)
    row = batch.rows.candidate_id.tolist().index(7_000_026)
    for channel in ("science", "template", "difference"):
        np.testing.assert_array_equal(batch.rows.plane(row, channel), night.stamps.plane(2, channel))
    gif = batch.rows.candidate_id.tolist().index(7_000_013)
    assert s2v.flags.names(int(batch.rows.flags[gif])) == ["masked_pixels"]


def test_what_is_no_plain_archive_is_told(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "stamps_0.tar", "w:gz"):
        pass
    with pytest.raises(ReadError, match=r"stamps_0\.tar: no tar archive without compression"):
        des_tar.index_archives([tmp_path / "stamps_0.tar"])


def test_both_sides_of_the_comparison_see_the_same_rows(published: Path) -> None:
    told: list[str] = []
    found = reproduce_des(published, models=("forest",), effort=QUICK, bootstrap=20, report=told.append)
    about = found.about
    assert about["rows"] == COUNT == about["train"] + about["test"]
    assert (about["stamps"]["found"], about["stamps"]["damaged or incomplete"]) == (COUNT, 0)
    assert (about["stamps"]["train"], about["stamps"]["test"]) == (about["train"], about["test"])
    assert found.pixels is not None
    assert set(found.pixels.evaluations) == {"forest on the columns", "forest"}
    assert found.columns is not None
    # Both parts trained the same forest on the same columns and rows.
    assert found.columns.evaluations["forest"] == found.pixels.evaluations["forest on the columns"]
    assert found.columns.evaluations["forest"]["auc"] > 0.8
    assert set(found.pixels.comparisons["forest"]) == {"forest on the columns"}
    assert told[0] == f"{COUNT} rows: {about['train']} to train on, {about['test']} to test on"


def test_a_share_of_rows_and_stamps_is_chosen_by_id(published: Path) -> None:
    some = {"models": ("forest",), "effort": QUICK, "bootstrap": 5}
    found = reproduce_des(published, rows=120, stamps=90, train_share=0.7, **some)
    assert found.about["rows"] == 120
    assert found.about["stamps"]["found"] == 90
    assert found.about["train"] > found.about["test"]
    again = reproduce_des(published, rows=120, stamps=90, train_share=0.7, **some)
    assert again.to_dict() == found.to_dict()
    assert reproduce_des(published, stamps=0, **some).pixels is None
    pytest.importorskip("lightgbm")
    trees = reproduce_des(published, **{**some, "models": ("lightgbm",)})
    assert trees.pixels is None
    assert trees.to_dict()["columns"] is not None


def test_stamps_that_are_unpacked_are_read_as_well(published: Path, tmp_path: Path) -> None:
    for archive in published.glob("stamps_*.tar"):
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path, filter="data")
    (tmp_path / "autoscan_features.3.csv").write_bytes((published / "autoscan_features.3.csv").read_bytes())
    some = {"models": ("forest",), "effort": QUICK, "bootstrap": 5}
    found, packed = (reproduce_des(folder, **some).pixels for folder in (tmp_path, published))
    assert found is not None
    assert packed is not None
    assert found.to_dict() == packed.to_dict()


def test_the_command_prints_and_writes_the_figures(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "figures.json"
    options = ["--models", "forest", "--trees", "5", "--bootstrap", "5", "--json", str(told)]
    assert main(["reproduce", "des", str(published), *options]) == 0
    out = capsys.readouterr().out
    assert "38 columns:" in out
    assert "forest on the columns" in out
    document = json.loads(told.read_text())
    assert document["about"]["effort"]["trees"] == 5
    assert document["pixels"]["models"]["forest"]["metrics"]["auc"]["value"] > 0.5


def test_figures_of_the_columns_are_not_lost_with_the_stamps(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, told = "autoscan_features.3.csv", tmp_path / "figures.json"
    (tmp_path / table).write_bytes((published / table).read_bytes())
    options = ["--models", "forest", "--trees", "5", "--bootstrap", "5"]
    assert main(["reproduce", "des", str(tmp_path), *options, "--json", str(told)]) == 1
    said = capsys.readouterr()
    assert "38 columns:" in said.out
    assert "the stamps are left out:" in said.err
    assert "--stamps 0 uses the columns alone" in said.err
    document = json.loads(told.read_text())
    assert document["columns"]["models"]["forest"]["metrics"]["auc"]["value"] > 0.5
    assert "holds no stamps of the table's candidates" in document["about"]["stamps"]["left out"]
    assert main(["reproduce", "des", str(tmp_path), *options, "--stamps", "0"]) == 0
    pytest.importorskip("torch")
    with pytest.raises(ReadError, match="holds no stamps"):
        reproduce_des(tmp_path, models=("braai",))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"models": ("forest", "oracle")}, "unknown models oracle; known: forest"),
        ({"train_share": 1.0}, "must lie between 0 and 1; given 1.0"),
        ({"stamps": -3}, "stamps must not be negative; given -3; 0 leaves them out"),
    ],
)
def test_wrong_options_are_told(published: Path, options: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        reproduce_des(published, **options)


def test_a_folder_of_another_layout_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"there is no folder .*absent"):
        reproduce_des(tmp_path / "absent")
    with pytest.raises(ReadError, match=r"must hold one table autoscan_features\*\.csv .*; found: none"):
        reproduce_des(tmp_path)
    (tmp_path / "autoscan_features.3.csv").write_text("ID,OBJECT_TYPE,AMP\n1,0,2.5\n")
    with pytest.raises(ReadError, match="lacks"):
        reproduce_des(tmp_path)


def test_a_model_whose_package_is_absent_is_left_out(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trainable_models.COLUMNS, "lightgbm", "a_package_that_is_not_there")
    found = reproduce_des(published, models=("forest", "lightgbm"), stamps=0, effort=QUICK, bootstrap=5)
    assert found.columns is not None
    assert list(found.columns.evaluations) == ["forest"]
    assert found.about["left out"] == [
        "lightgbm is left out: it needs a_package_that_is_not_there, which is not installed"
    ]


def test_boosted_models_are_averaged(published: Path) -> None:
    pytest.importorskip("lightgbm")
    table = s2v.read(published / "autoscan_features.3.csv")
    y = s2v.reading.read_labels(published / "autoscan_features.3.csv").real
    x = table.select(registry.AUTOSCAN)
    both = trainable_models.Boosted(x, y, QUICK).predict(x)
    each = [
        trainable_models.Boosted(x, y, TrainingEffort(members=1, rounds=20, seed=seed)).predict(x) for seed in (0, 1)
    ]
    np.testing.assert_allclose(both, np.mean(each, axis=0), rtol=1e-5)
    assert (each[0] != each[1]).any()


def test_every_model_of_stamps_can_be_trained(published: Path) -> None:
    pytest.importorskip("torch")
    found = reproduce_des(published, models=tuple(trainable_models.PIXELS), effort=QUICK, bootstrap=5)
    assert found.pixels is not None
    assert set(found.pixels.evaluations) == {"forest on the columns", *trainable_models.PIXELS}
    assert found.pixels.evaluations["braai"].unscored_real == 0
    assert set(found.pixels.comparisons) == {"forest", "forest on the columns", "braai"}


def test_a_forest_learns_the_doubt_of_its_teacher(night: s2v.simulation.Night) -> None:
    teacher = np.where(np.arange(COUNT) % 2 == 0, 0.5, np.nan)
    rows = LabelledStamps(night.stamps, night.labels, night.kinds, teacher=teacher)
    sure, doubtful = (trainable_models.train_pixels("forest", rows, QUICK, teacher=share) for share in (0.0, 1.0))
    score = [model.score(night.stamps).score for model in (sure, doubtful)]
    away = [np.abs(s - 0.5)[::2].mean() for s in score]
    assert away[1] < 0.8 * away[0]
    assert sure.header.training["rows"] == COUNT
    assert doubtful.header.training["rows"] == COUNT + COUNT // 2
    with pytest.raises(KeyError):
        trainable_models.train_pixels("oracle", rows, QUICK)


@pytest.mark.parametrize(("name", "aucs", "rates"), [
    ("braai", [0.5, 0.99], [3e-3, 1e-3]), ("braai", [0.5, 0.5, 0.5, 0.5], [3e-3, 1e-3, 1e-3 / 3]),
    ("rubin", [0.61], [2e-3]), ("stampnet", [0.5, 0.99], [3e-3]),
])  # fmt: skip
def test_a_published_network_that_learned_nothing_gets_another_go(
    night: s2v.simulation.Night,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    aucs: list[float],
    rates: list[float],
) -> None:
    pytest.importorskip("torch")
    tried: list[float] = []

    def train(rows: LabelledStamps, *, fit_settings: Any, **given: Any) -> SimpleNamespace:
        tried.append(fit_settings.learning_rate)
        return SimpleNamespace(header=SimpleNamespace(metrics={"validation": {"auc": aucs[len(tried) - 1]}}))

    monkeypatch.setattr(trainable_models.training, "train_network", train)
    trainable_models.train_pixels(name, LabelledStamps(night.stamps, night.labels, night.kinds), QUICK)
    np.testing.assert_allclose(tried, rates)


def test_every_model_of_columns_can_be_trained() -> None:
    for package in ("torch", "lightgbm"):
        pytest.importorskip(package)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    x = rng.normal(20, 1, (300, len(registry.AUTOSCAN))).astype(np.float32)
    x[:, :10] += 1.5 * y[:, None]
    for name in trainable_models.COLUMNS:
        model = trainable_models.train_columns(name, x[:200], y[:200], registry.AUTOSCAN, QUICK)
        score = model.predict(x[200:], threads=1)
        assert s2v.evaluation.evaluate(score, y[200:], bootstrap=0)["auc"] > 0.8, name
    with pytest.raises(KeyError):
        trainable_models.train_columns("oracle", x, y, registry.AUTOSCAN, QUICK)
