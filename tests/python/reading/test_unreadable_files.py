"""Files that cannot be opened or looked into cost their rows: no permission, links that lead nowhere, noise."""

import contextlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from helpers.packets import avro_bytes, fits_bytes, packet
from space2vec import Features, read
from space2vec.data import flags
from space2vec.data.stamps import NO_ID
from space2vec.errors import ReadError


def flagged(rows, row):
    return flags.names(rows.flags[row])


def write_alerts(folder, *names):
    for k, name in enumerate(names):
        (folder / name).write_bytes(avro_bytes([packet(k, np.ones((3, 2, 2)))]))


@contextlib.contextmanager
def as_another_user():
    """Act as a user who owns nothing, where this one may read every file."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(54321)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("suffix", ["avro", "tar.gz", "parquet", "npy", "npz", "fits"])
def test_a_file_without_permission_costs_its_row(suffix):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        write_alerts(folder, f"a.{suffix}", "b.avro")
        (folder / f"a.{suffix}").chmod(0)
        read(folder, strict=False)  # Python itself may lie where the other user imports nothing from
        problems = []
        with as_another_user():
            assert len(read(folder, strict=False, problems=problems)) == 2
            with pytest.raises(ReadError, match=rf"a\.{suffix}: Permission denied"):
                read(folder)
        assert [problem.reason for problem in problems] == ["unreadable_file"]


def link_to_nothing(path):
    path.symlink_to("not there")


def fill_with_noise(path):
    path.write_bytes(b"PAR1" + bytes(range(256)) + b"PAR1")


def test_a_damaged_table_costs_its_row_and_not_those_of_the_tables_beside_it(tmp_path):
    fill_with_noise(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("ID,AMP,label\n7,0.5,1\n")
    table = read(tmp_path, strict=False)
    assert isinstance(table, Features)
    assert table.candidate_id.tolist() == [NO_ID, 7]
    assert flagged(table, 0) == ["bad_stamp"]
    # Where there are stamps, a table is none of the input, and what cannot be read may be either.
    write_alerts(tmp_path, "c.avro")
    assert read(tmp_path, strict=False).object_id.tolist() == ["a", "ZTF18test000"]


def forbid(path):
    path.write_bytes(b"whatever")
    path.chmod(0)


@pytest.mark.parametrize("spoil", [forbid, link_to_nothing])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_that_cannot_be_opened_costs_its_row(suffix, spoil):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        spoil(folder / f"a.{suffix}")
        (folder / "b.csv").write_text("ID,AMP,label\n7,0.5,1\n")
        read(folder, strict=False)  # Python itself may lie where the other user imports nothing from
        problems = []
        with as_another_user():
            table = read(folder, strict=False, problems=problems)
            with pytest.raises(ReadError, match=rf"a\.{suffix}: (Permission denied|No such file)"):
                read(folder)
        assert table.candidate_id.tolist()[-1] == 7
        assert [problem.reason for problem in problems] == ["unreadable_file"]


def test_a_des_stamp_without_permission_costs_its_row():
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        for number in (1, 2):
            for plane in ("srch", "temp", "diff"):
                (folder / f"{plane}{number}.fits").write_bytes(
                    fits_bytes(np.random.default_rng(0).normal(size=(51, 51)))
                )
        (folder / "temp1.fits").chmod(0)
        read(folder)  # Python itself may lie where the other user imports nothing from
        problems = []
        with as_another_user():
            stamps = read(folder, problems=problems)
        assert [flagged(stamps, row) for row in range(2)] == [["bad_stamp"], []]
        assert [(problem.row, problem.reason) for problem in problems] == [(0, "unreadable_file")]
