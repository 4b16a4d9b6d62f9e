"""docs/features.md is what the registry gives, its pictures show every feature, and its example runs."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec import registry

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def features(docs_script):
    return docs_script("features")


@pytest.fixture(scope="module")
def text():
    return (DOCS / "features.md").read_text(encoding="utf-8")


def test_the_text_is_what_the_registry_gives(features, text):
    assert text == features.document(), "docs/features.md is stale: make pages"


def test_every_feature_flag_and_group_is_told(text):
    for name in (*registry.FEATURES, *registry.FLAGS, *registry.FEATURE_SETS):
        assert f"\n| `{name}` | " in text, name
    groups = {entry.group for entry in registry.FEATURES.values() if entry.source == "stamp"}
    assert groups == set(registry.GROUPS)


def test_tables_are_whole(text):
    """A mark of Markdown in a definition would break its row."""
    lines = text.splitlines()
    for above, line in itertools.pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"(?<!\\)\|", above)), line
    assert not re.search(r"(?<!\\)<(?!!--)", text)


def test_every_picture_is_there_and_every_stamp_feature_shown(features, text):
    image = pytest.importorskip("PIL.Image")
    named = re.findall(r"^!\[.*\]\((.*\.png)\)$", text, re.MULTILINE)
    assert sorted(named) == sorted(f"features/{path.name}" for path in (DOCS / "features").iterdir())
    shown = []
    for path, section in zip(named, features.sections(), strict=True):
        assert path == section.picture
        assert (DOCS / path).stat().st_size < 60_000
        with image.open(DOCS / path) as picture:
            assert picture.mode == "P"
            assert picture.info["Description"].split() == list(section.names), f"{path} is stale: make pages"
        shown += section.names
    assert sorted(shown) == sorted(name for name, entry in registry.FEATURES.items() if entry.source == "stamp")


def test_the_example_runs(text, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    namespace = {}
    exec(compile(code, "docs/features.md", "exec"), namespace)
    assert namespace["table"].names == registry.S2V
    assert Path("distributions.png").stat().st_size > 0


def test_links_lead_somewhere(text):
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (DOCS / target).is_file(), target


def test_pictures_of_the_same_data_are_the_same_bytes(features, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    night = s2v.simulate(20, seed=1)
    samples = {"simulated": (s2v.features(night.stamps, set="stamp"), night.labels)}
    names = features.sections()[0].names
    for copy in ("a.png", "b.png"):
        features.save(s2v.plot.distributions(samples, names), tmp_path / copy, names)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_rows_are_chosen_with_their_columns(features):
    table = s2v.Features(np.arange(6, dtype=np.float32).reshape(3, 2), ("a", "b"))
    chosen = features.selected(table, np.array([2, 0]))
    assert chosen.names == table.names
    assert chosen.values.tolist() == [[4, 5], [0, 1]]
