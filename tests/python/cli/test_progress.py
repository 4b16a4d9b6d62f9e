"""The progress and the summary of commands of the command line."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

import space2vec as s2v
from space2vec.cli.progress import Progress, count_rows, summary
from space2vec.registry import FLAGS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_and_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float(second) for second in range(100))
    monkeypatch.setattr("space2vec.cli.progress.time.monotonic", lambda: next(clock))
    plain = io.StringIO()
    with Progress("score", stream=plain) as progress:
        for done in range(6):
            progress.update(100, done, 6)
    lines = plain.getvalue().splitlines()
    assert lines
    assert all(re.fullmatch(r"score: \d+ rows, \d of 6 files, \d+ rows/s", line) for line in lines)
    for files in (1, 6):
        terminal = Terminal()
        with Progress("score", stream=terminal) as progress:
            progress.update(100, 1, files)
        assert "100 rows" in terminal.getvalue()
        assert "rows/s" in terminal.getvalue()


def test_the_summary_names_what_is_unusual_with_its_meaning() -> None:
    rows = [["padded", "bad_stamp"], ["zero_scale"], ["missing"], ["padded", "no_psf"], ["padded"], ["no_psf"]]
    flags = np.array([s2v.flags.bits(names) for names in rows] + [0] * 994, dtype=np.uint32)
    counts = count_rows(flags, ~np.isin(np.arange(1000), (0, 1)))
    assert counts == {
        "done": {"rows": 998},
        "flags": {"missing": 1, "padded": 2, "no_psf": 2},
        "refused": {"bad_stamp": 1, "zero_scale": 1},
    }
    lines = [
        ("zero_scale", "1", "0.1 %"), ("bad_stamp", "1", "0.1 %"),
        ("padded", "2", "0.2 %"), ("missing", "1", "0.1 %"), ("no_psf", "2", "0.2 %"),
    ]  # fmt: skip
    shown = [f"  {name:<10}  {count}   {share}  {FLAGS[name].meaning}" for name, count, share in lines]
    told = ["1000 rows: 998 scored, 2 not scored", "not scored:", *shown[:2], "scored, with a flag:", *shown[2:]]
    assert summary("scored", 1000, counts, 2.0).splitlines() == [*told, "2.0 s, 500 rows/s"]
    more = count_rows(
        np.full(9000, s2v.flags.bits(["padded", "saturated"]), dtype=np.uint32), np.ones(9000, dtype=bool)
    )
    total = {name: counts[name] + more[name] for name in counts}
    said = summary("scored", 10000, total, 9.0, earlier=1000).splitlines()
    assert said[-1] == "9.0 s, 1000 rows/s"
    assert said[0] == "10000 rows: 9998 scored, 2 not scored"
    assert said[2] == f"  zero_scale  1  <0.1 %  {FLAGS['zero_scale'].meaning}"
    assert said[-2] == "on many rows: padded (90.0 %), saturated (90.0 %)"
    assert [line.split()[0] for line in said[5:-2]] == ["missing", "no_psf"]


def test_the_summary_of_a_few_rows_names_every_flag() -> None:
    few = count_rows(np.full(3, s2v.flags.bits("padded"), dtype=np.uint32), np.ones(3, dtype=bool))
    assert summary("scored", 3, few, 1.0).splitlines()[1:3] == [
        "scored, with a flag:", f"  padded  3  100.0 %  {FLAGS['padded'].meaning}",
    ]  # fmt: skip
    none = count_rows(np.empty(0, dtype=np.uint32), np.empty(0, dtype=bool))
    assert summary("scored", 0, none, 0.0).splitlines()[0] == "0 rows: 0 scored, 0 not scored"


def test_flags_of_stamps_that_models_do_not_know_are_explained_also_where_all_rows_have_them() -> None:
    counted = count_rows(np.full(9000, s2v.flags.bits(["padded", "no_flux_scale"]), np.uint32), np.ones(9000, bool))
    said = summary("scored", 9000, counted, 3.0)
    assert "scored, with a flag:" in said
    assert FLAGS["no_flux_scale"].meaning in said
    assert "on many rows: padded (100.0 %)" in said
