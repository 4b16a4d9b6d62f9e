"""Cards of models: what they say, what a strange file cannot do to them, and that those of docs/ are up to date."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import space2vec as s2v
from space2vec.cli import main
from space2vec.model_files.calibration import Calibration
from space2vec.models.card import NOTES, Speed, model_card
from space2vec.models.load import packaged
from space2vec.training import train_forest

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_every_packaged_model_has_a_card_that_is_up_to_date(docs_script: Any) -> None:
    script: ModuleType = docs_script("model_cards")
    assert set(NOTES) == set(packaged()) - {"default"}
    pages = script.cards(json.loads(script.SPEEDS.read_text(encoding="utf-8")))
    assert {path.name for path in (DOCS / "models").iterdir()} == set(pages)
    for name, text in pages.items():
        assert (DOCS / "models" / name).read_text(encoding="utf-8") == text, f"docs/models/{name} is stale: make pages"
    for name in NOTES:
        model, text = s2v.load(name), pages[f"{name}.md"]
        assert f"`{model.id}`" in text
        assert "microseconds per candidate" in text
        for heading in ("Trained on", "Figures", "Limits", "Licences of the data"):
            assert f"\n## {heading}\n" in text
        assert model.header.training["data"] in text


def test_info_shows_the_card_of_a_packaged_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "default", "--no-speed"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"# {s2v.load('default').name}\n")
    assert s2v.load("default").id in said
    assert "microseconds" not in said
    assert "| surveys | ZTF; DES and Rubin in simulations |" in said
    assert main(["info", "nothing"]) == 2
    assert "unknown model" in capsys.readouterr().err


def forest(**entries: Any) -> s2v.Forest:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype(np.float32)
    return train_forest(x, x[:, 0] > 0, ("a", "b", "c"), trees=2, n_jobs=1, **entries)


def test_a_model_of_ones_own_says_what_its_header_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {"held out": {"auc": 0.9321, "fpr at mdr 4%": 0.0512}, "how": "by hand"}
    own = forest(name="ours v2", training={"data": ["night"], "labels": "labels.csv"}, metrics=metrics)
    own.save(tmp_path / "own.safetensors")
    assert main(["info", str(tmp_path / "own.safetensors")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# ours v2\n")
    assert "- data: night\n- labels: labels.csv\n- rows: 40\n" in said
    assert "| held out | 0.932 | 5.1 % |  |  |  |" in said
    assert "- how: by hand" in said
    assert "2 trees of" in said
    assert "Limits" not in said
    assert "microseconds" not in said, "stamps do not give its columns"
    plain = model_card(forest(), speed=Speed(3.25, "a processor"))
    assert "The model file has none: measure the model with `space2vec evaluate`." in plain
    assert "| speed | 3 microseconds per candidate on one thread (a processor) |" in plain


def test_text_of_a_strange_file_stays_on_its_line() -> None:
    card = model_card(forest(name="a\n# b|c\x1b[31m", training={"data\n## x": "y\nz"}, metrics={"k|\n": {"auc": "no"}}))
    assert "\x1b" not in card
    assert [line for line in card.splitlines() if line.startswith("#")][1:] == ["## Trained on", "## Figures"]
    for line in card.splitlines():
        if line.startswith("|") and "model" in line:
            assert line.count("|") - line.count("\\|") == 3


def test_a_calibrated_copy_keeps_limits_and_licences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    night = s2v.simulate(300, seed=8)
    scores = s2v.load("stampnet").score(night.stamps)
    pq.write_table(scores.to_arrow(), tmp_path / "scores.parquet")
    rows = [f"{key},{label}" for key, label in zip(night.stamps.candidate_id, night.labels, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["candidate_id,label", *rows]))
    file = tmp_path / "calibrated.safetensors"
    arguments = ["calibrate", "stampnet", str(tmp_path / "scores.parquet"), "--labels", str(tmp_path / "labels.csv")]
    assert main([*arguments, "-o", str(file), "--survey", "LS4"]) == 0
    capsys.readouterr()
    assert main(["info", str(file), "--no-speed"]) == 0
    card = capsys.readouterr().out
    for limit in (*NOTES["stampnet"].limits, *NOTES["stampnet"].licences):
        assert f"- {limit}" in card
    assert "| thresholds" not in card  # they are no rates, and stand in a line of their own
    assert "- thresholds: " in card
    assert all(len(line) < 700 for line in card.splitlines())
    assert "before calibration: " in card
    real, knots = int(night.labels.sum()), len(s2v.load(file).header.calibration.x)
    fitted = f"{real} real, {300 - real} bogus, labels in labels.csv"
    assert f"| calibration | a table of {knots} knots, fitted to candidates of LS4 ({fitted}) |" in card
    assert "| surveys | ZTF; DES and Rubin in simulations |" in card


def test_a_card_says_what_is_known_of_a_calibration() -> None:
    for fitted, words in (
        ({}, ""),
        ({"survey": "a|b"}, ", fitted to candidates of a\\|b"),
        ({"real": 3, "bogus": 4}, ", fitted to candidates (3 real, 4 bogus)"),
    ):
        card = model_card(forest().calibrated(Calibration((0.0, 1.0), (0.0, 1.0), fitted)))
        assert f"| calibration | a table of 2 knots{words} |" in card
