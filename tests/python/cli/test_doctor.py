"""The command ``space2vec doctor``."""

from __future__ import annotations

import re

import pytest

from space2vec.cli import main

Captured = pytest.CaptureFixture[str]


def test_doctor(capsys: Captured) -> None:
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    for subject in (
        "space2vec",
        "backend",
        "threads",
        "cuda",
        "scikit-learn",
        "networks",
        "model autoscan",
        "model stampnet",
    ):
        assert re.search(rf"^{subject}: +\S", said, flags=re.MULTILINE), subject


def test_doctor_fails_where_nothing_can_compute(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE2VEC_BACKEND", "abacus")
    assert main(["doctor"]) == 1
    assert re.search(r"^backend: +none: .*abacus", capsys.readouterr().out, flags=re.MULTILINE)
