"""``space2vec explain``: which candidate is meant, what is printed and written, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import space2vec as s2v
from space2vec.cli import main

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("night")
    assert main(["simulate", "-n", "12", "--seed", "3", "-o", str(folder / "alerts")]) == 0
    return folder / "alerts"


@pytest.fixture(scope="module")
def stamps(night: Path) -> s2v.Stamps:
    return s2v.read(night)  # type: ignore[return-value]


def explain(*words: object) -> int:
    return main(["explain", *map(str, words)])


def test_a_candidate_is_explained_in_words_as_json_and_as_a_picture(
    night: Path, stamps: s2v.Stamps, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = stamps.candidate_id[4]
    picture, effects = tmp_path / "a.png", tmp_path / "a.json"
    assert explain(candidate, night, "-o", picture, "--json", effects) == 0
    expected = s2v.explain("default", stamps, 4)
    out = capsys.readouterr().out
    assert f"candidate {candidate}, object {stamps.object_id[4]}\n" in out
    assert f"P(real) {expected.score:.4f} by stampnet " in out
    first = expected.features[0]
    line = next(line for line in out.splitlines() if f" {first.name} " in line)
    assert line.split()[0] == f"{first.effect:+.4f}"
    assert line.endswith(first.meaning)
    assert out.count(" px at row ") == 3
    assert json.loads(effects.read_text()) == json.loads(json.dumps(expected.to_dict()))
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_effects_of_a_forest_are_summed_up_in_words(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(0, night, "--model", "forest") == 0
    out, err = capsys.readouterr()
    assert "before any of them is looked at" in out
    assert " by 66 others: P(real) " in out
    assert "this is row 0, counted from 0" in err


def test_a_calibration_is_named_beside_the_sum(night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from space2vec.model_files.calibration import Calibration

    model = s2v.load("forest").calibrated(Calibration((0.0, 1.0), (0.0, 0.5)))
    model.save(tmp_path / "half.safetensors")
    assert explain(0, night, "--model", tmp_path / "half.safetensors") == 0
    assert ", which calibration makes 0." in capsys.readouterr().out


def test_an_object_with_one_candidate_may_be_named(
    night: Path, stamps: s2v.Stamps, capsys: pytest.CaptureFixture[str]
) -> None:
    names = stamps.object_id.tolist()
    alone = next(name for name in names if names.count(name) == 1)
    assert explain(alone, night) == 0
    assert f"candidate {stamps.candidate_id[names.index(alone)]}, object {alone}\n" in capsys.readouterr().out


def test_an_object_with_several_candidates_is_refused_with_their_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    rows = np.column_stack([np.arange(5) + 70, rng.normal(size=(5, 2))])
    lines = ["object_id,candidate_id,DIFFSUMRN,SNR", *(f"same,{int(a)},{b},{c}" for a, b, c in rows)]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(lines))
    assert explain("same", table, "--model", "forest") == 2
    assert "the object same has 5 candidates: name one of 70, 71, 72, ..." in capsys.readouterr().err


@pytest.mark.parametrize("what", ["99", "nobody", "-0"])
def test_an_unknown_candidate_is_refused(what: str, night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(what, night) == 2
    assert "space2vec" in capsys.readouterr().err


def test_an_error_names_similar_ids(night: Path, stamps: s2v.Stamps, capsys: pytest.CaptureFixture[str]) -> None:
    name = stamps.object_id[3]
    assert explain(f"{name}x", night) == 2
    err = capsys.readouterr().err
    assert "the 12 rows of the input have no candidate" in err
    assert name in err.partition("similar ids are ")[2].split(", ")[0]


def test_a_candidate_without_a_score_is_refused_with_its_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "flat.npy", np.zeros((2, 3, 63, 63), np.float32))
    assert explain(1, tmp_path / "flat.npy") == 2
    assert "candidate 1 has no score to explain: constant (every usable pixel" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-o", "picture.txt"), "the suffix of a picture is one of"),
        (("-o", "no folder/picture.png"), "no folder"),
        (("--json", "no folder/effects.json"), "no folder"),
        (("--patch", "4"), "4 is even"),
        (("--patch", "0"), "0 is not above 0"),
        (("--model", "nobody"), "unknown model 'nobody'"),
    ],
)
def test_options_are_checked_before_anything_is_read(
    words: tuple[str, ...], message: str, night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(0, night, *words) == 2
    assert message in capsys.readouterr().err


def test_an_input_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "night.npy", np.zeros((1, 3, 63, 63), np.float32))
    (tmp_path / "night.png").symlink_to(tmp_path / "night.npy")
    assert explain(0, tmp_path / "night.npy", "-o", tmp_path / "night.png") == 2
    assert "it is an input" in capsys.readouterr().err


def test_ids_with_markup_and_dollars_are_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stamps = s2v.simulate(1, seed=3).stamps
    strange = s2v.Stamps(stamps.pixels, candidate_id=["$\\frac{1}$<b>\n\x1b[31m"], object_id=["_$x"])
    found = s2v.explain("default", strange)
    figure = s2v.plot.explanation(found, strange, path=tmp_path / "strange.png")
    shown = " ".join(text.get_text() for text in figure.texts)
    assert "$\\frac{1}$<b>" in shown
    assert "\x1b" not in shown
    assert "\n" not in shown
