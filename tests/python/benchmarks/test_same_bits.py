"""Every engine scores the same stamps to the same bits: a short run of benchmarks/accuracy/same_bits.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import same_bits


def test_few_stamps_of_every_kind_have_the_same_bits_on_every_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("numba", reason="Numba is missing: numba")
    assert same_bits.main(["--rows", "100", "--json", str(tmp_path / "record.json")]) == 0
    assert capsys.readouterr().out.endswith("stamps, 6 models: the same bits\n")
    record = json.loads((tmp_path / "record.json").read_text())
    assert set(record["engines"]) == {"baseline", "v3", "v4", "v4vnni", "numba"}
    assert record["engines"]["numba"] == record["engines"]["baseline"] == {"rows that differ": {}}
    kinds = {"simulated ztf", "simulated des", "simulated rubin", "variants", "odd"}
    assert set(record["rows"]) >= kinds
    for name, found in record["models"].items():
        assert 20 < found["scored"] < sum(record["rows"].values()), name


def test_a_bit_that_differs_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def score(engine: str, file: Path, out: Path, threads: int) -> dict[str, np.ndarray] | str:
        if engine == "v4":
            return "this processor or build lacks it"
        n = len(np.load(file)["offset"])
        found = {f"{what} {name}": np.zeros(n, np.uint32) for name in same_bits.models() for what in ("score", "flags")}
        found["score forest"][3] = engine == "numba"
        return found

    monkeypatch.setattr(same_bits, "score_by_engine", score)
    assert same_bits.main(["--rows", "10", "--engines", "v3", "v4", "numba", "--json", str(tmp_path / "r.json")]) == 1
    assert "DIFFERENT BITS" in capsys.readouterr().out
    engines = json.loads((tmp_path / "r.json").read_text())["engines"]
    assert engines == {
        "v3": {"rows that differ": {}},
        "v4": {"not run": "this processor or build lacks it"},
        "numba": {"rows that differ": {"score forest": 1}},
    }


def test_an_engine_that_fails_is_no_engine_that_is_lacking(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)baseline: .*No such file"):
        same_bits.score_by_engine("baseline", tmp_path / "nothing.npz", tmp_path / "out.npz", 1)
