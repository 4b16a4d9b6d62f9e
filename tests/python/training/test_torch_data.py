"""What PyTorch users get: a data set, a transform, and an example that trains in forty lines."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.models.custom_module import next_version

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader  # noqa: E402

from space2vec.torch import PrepareStamps, StampDataset  # noqa: E402
from space2vec.training.augment import Augmentation  # noqa: E402

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "fine_tune_in_torch.py"


@pytest.fixture(scope="module")
def rows() -> LabelledStamps:
    """Return eight candidates, of which one is constant and cannot be prepared."""
    night = s2v.simulate(8, seed=4)
    triplets = [[night.stamps.plane(row, channel) for channel in night.stamps.channels] for row in range(8)]
    triplets[3] = [np.zeros((63, 63), np.float32)] * 3
    stamps = s2v.Stamps(triplets, object_id=night.stamps.object_id)
    return LabelledStamps(stamps, night.labels, night.kinds)


def test_items_are_what_the_network_takes_and_the_label(rows: LabelledStamps) -> None:
    network = s2v.load("stampnet")
    assert isinstance(network, s2v.Network)
    data = StampDataset(rows, like=network)
    assert data.row.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert len(data) == len(data.stamps) == 7
    planes, features = network.inputs(data.stamps).arrays
    for index, row in enumerate(data.row.tolist()):
        item = data[index]
        np.testing.assert_array_equal(item[0], planes[index])
        np.testing.assert_array_equal(item[1], features[index])
        assert item[2] == float(rows.label[row])
        assert {tensor.dtype for tensor in item} == {torch.float32}
    assert data[-1][2] == data[6][2]
    with pytest.raises(IndexError, match="row 7 of 7 rows"):
        data[7]
    (batch,) = DataLoader(data, batch_size=9)
    np.testing.assert_array_equal(batch[0], planes)
    torch.testing.assert_close(batch[2], data.label)
    logits = network.module(*batch[:2])
    np.testing.assert_allclose(logits.detach(), network.module(*network.tensors(data.stamps)).detach(), atol=1e-5)


def test_planes_features_or_both_are_chosen_without_a_network(rows: LabelledStamps) -> None:
    planes, label = StampDataset(rows, recipe="braai")[0]
    np.testing.assert_array_equal(planes, s2v.prepare(rows.stamps[:1], "braai").planes[0])
    assert label == float(rows.label[0])
    (features,) = StampDataset(rows.stamps, features=("snr_3", "sharpness"))[0]
    expected = s2v.features(rows.stamps[:1], set="stamp").select(("snr_3", "sharpness"))
    np.testing.assert_array_equal(features, expected[0])
    assert len(StampDataset(rows, recipe="braai", features="s2v")[0]) == 3
    forest_like = s2v.load("tablenet")
    for arguments in ({}, {"like": forest_like, "recipe": "braai"}):
        with pytest.raises(ValueError, match="give like, a network that takes the same inputs, or a recipe or"):
            StampDataset(rows, **arguments)
    with pytest.raises(ValueError, match="no set has the columns snr_3, snr_4"):
        StampDataset(rows, features=("snr_3", "snr_4"))
    with pytest.raises(ValueError, match="none of 1 candidates can be prepared"):
        StampDataset(rows[[3]], recipe="braai")


def test_random_changes_follow_the_seed_of_torch_and_never_make_a_row_unfit(rows: LabelledStamps) -> None:
    network = s2v.load("stampnet")
    assert isinstance(network, s2v.Network)
    data = StampDataset(rows, like=network, augmentation=Augmentation(blank=1.0, edge=1.0, noise=1.0))
    torch.manual_seed(3)
    first, second = data[0], data[0]
    torch.manual_seed(3)
    again = data[0]
    torch.testing.assert_close(first, again, equal_nan=True)
    assert not torch.equal(first[0], second[0])
    for _ in range(3):
        for planes, _features, _label in data.__getitems__(range(len(data))):
            assert torch.isfinite(planes).all()


def test_a_transform_prepares_batches_and_single_stamps(rows: LabelledStamps) -> None:
    transform = PrepareStamps("braai", threads=1)
    expected = s2v.prepare(rows.stamps, "braai").planes
    np.testing.assert_array_equal(transform(rows.stamps), expected)
    np.testing.assert_array_equal(transform(rows.stamps.pixels[0]), expected[0])
    np.testing.assert_array_equal(transform(rows.stamps.pixels), expected)
    assert torch.isnan(transform(rows.stamps)[3]).all() or not np.isnan(expected[3]).any()
    assert repr(transform) == "PrepareStamps('braai')"
    own = s2v.Recipe.of("own", steps=("median-mad",), side=21)
    assert PrepareStamps(own)(rows.stamps).shape == (8, 3, 21, 21)
    with pytest.raises(ValueError, match="unknown"):
        PrepareStamps("none such")


def test_the_example_trains_and_its_model_is_one_of_integers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tuned.safetensors"
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(path), "1"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert "auc" in capsys.readouterr().out
    model = s2v.load(path)
    assert model.name == next_version(s2v.load("stampnet").name)
    assert model.runtime is None
    assert model.digest != s2v.load("stampnet").digest
    code = [line for line in EXAMPLE.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(code) <= 40
