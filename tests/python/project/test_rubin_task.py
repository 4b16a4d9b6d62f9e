"""examples/rubin_task.py: the task for Rubin's pipelines, tried on stand-ins for their modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import space2vec as s2v
from helpers.rubin_stack import BaseCatalog, Exposure, Field, Schema, modules
from space2vec.data.flags import bits
from space2vec.errors import ModelError

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "rubin_task.py"
HEIGHT, WIDTH, X0, Y0 = 240, 300, 4000, 2000


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rubin_task", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, module in modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return loaded()


def field() -> tuple[list[Exposure], Any, Any]:
    """Return science, template and difference with stars at half of the positions, and the positions."""
    random = np.random.default_rng(3)
    x, y = X0 + random.uniform(-2, WIDTH + 2, 40), Y0 + random.uniform(-2, HEIGHT + 2, 40)
    x[5] = np.nan
    rows, columns = np.mgrid[Y0 : Y0 + HEIGHT, X0 : X0 + WIDTH]
    light = np.zeros((HEIGHT, WIDTH))
    for u, v in zip(x[::2], y[::2], strict=True):
        light += 2000.0 * np.exp(-0.2 * ((rows - v) ** 2 + (columns - u) ** 2))
    template = random.normal(0.0, 5.0, light.shape)
    noise = random.normal(0.0, 5.0, light.shape)
    mask = np.zeros(light.shape, dtype=np.int32)
    mask[50:60, 80:90], mask[100:104, 100:104] = 1 << 8, 1 << 1
    planes = (template + light + noise, template, light + noise)
    return [Exposure(plane.astype(np.float32), mask, X0, Y0) for plane in planes], x, y


def catalog(x: Any, y: Any, contiguous: bool = True) -> BaseCatalog:
    schema = Schema()
    schema.addField(Field("id", "L"))
    for axis in "xy":
        schema.addField(f"slot_Centroid_{axis}", type="D", doc="position")
    created = BaseCatalog(schema)
    created.resize(len(x))
    created["id"] = 10**17 + np.arange(len(x))
    created["slot_Centroid_x"], created["slot_Centroid_y"] = x, y
    created._contiguous = contiguous
    return created


@pytest.mark.parametrize("contiguous", [True, False])
def test_sources_get_the_scores_of_their_stamps(task: ModuleType, contiguous: bool) -> None:
    (science, template, difference), x, y = field()
    sources = catalog(x, y, contiguous)
    result = (
        task.RealBogusTask()
        .run(template=template, science=science, difference=difference, diaSources=sources)
        .classifications
    )
    expected = s2v.load("default").score(s2v.from_images(science, template, difference, x=x, y=y))
    assert isinstance(result, BaseCatalog)
    assert list(result.schema.fields) == ["id", "score", "score_flags"]
    np.testing.assert_array_equal(result["id"], 10**17 + np.arange(len(x)))
    np.testing.assert_array_equal(result["score"], expected.score.astype(float))
    # A bad pixel at the edge of a stamp, where the model does not look, is told of by the stamp alone.
    masked = bits("masked_pixels")
    np.testing.assert_array_equal(result["score_flags"] & ~masked, expected.flags & ~np.uint32(masked))
    assert 0 < np.sum(result["score_flags"] & masked > 0) < np.sum(expected.flags & masked > 0)
    assert np.isnan(result["score"][5])
    assert np.isfinite(result["score"]).sum() > 30
    assert np.nanmax(result["score"]) > 0.5 > np.nanmin(result["score"])


def test_no_source_gives_an_empty_catalog(task: ModuleType) -> None:
    (science, template, difference), _, _ = field()
    result = task.RealBogusTask().run(template, science, difference, catalog(np.zeros(0), np.zeros(0)))
    assert len(result.classifications) == 0


def test_the_configuration_names_a_model(task: ModuleType) -> None:
    config = task.RealBogusTask.ConfigClass()
    config.model = "no-such-model"
    with pytest.raises(ModelError, match="no-such-model"):
        task.RealBogusTask(config=config)
    with pytest.raises(TypeError):
        config.model = 3


def test_the_connections_are_those_of_meas_transinet(task: ModuleType) -> None:
    connections = task.RealBogusConfig.ConnectionsClass
    assert connections.dimensions == ("instrument", "visit", "detector")
    assert connections.defaultTemplates == {"coaddName": "deep", "fakesType": ""}
    expected = {
        "template": ("{fakesType}{coaddName}Diff_templateExp", "ExposureF"),
        "science": ("{fakesType}calexp", "ExposureF"),
        "difference": ("{fakesType}{coaddName}Diff_differenceExp", "ExposureF"),
        "diaSources": ("{fakesType}{coaddName}Diff_candidateDiaSrc", "SourceCatalog"),
        "classifications": ("{fakesType}{coaddName}RealBogusSources", "Catalog"),
    }
    for name, (dataset, storage) in expected.items():
        connection = getattr(connections, name)
        assert (connection.name, connection.storageClass) == (dataset, storage)
        assert connection.dimensions == connections.dimensions


def test_it_is_importable_only_where_the_stack_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in modules():
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match="lsst"):
        loaded()
