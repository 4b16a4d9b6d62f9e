"""What ``parity_dump`` writes is read back, and a bit that differs is named."""

import struct

import numpy as np

from parity import dumps


def section(name, rows):
    """Return the bytes of one result."""
    array = np.asarray(rows, dtype="<u4")
    return struct.pack("<i", len(name)) + name.encode() + struct.pack("<qq", *array.shape) + array.tobytes()


def test_a_bit_that_differs_is_named(tmp_path):
    path = tmp_path / "results"
    path.write_bytes(section("recipe", [[1, 2], [3, 4], [5, 6]]) + section("flags", [[0], [1], [2]]))
    here = dumps.read(path)
    assert {name: rows.tolist() for name, rows in here.items()} == {
        "recipe": [[1, 2], [3, 4], [5, 6]],
        "flags": [[0], [1], [2]],
    }
    assert dumps.differences(here, here) == []
    path.write_bytes(section("recipe", [[1, 2], [3, 4], [5, 7]]) + section("flags", [[0], [1], [2]]))
    assert dumps.differences(here, dumps.read(path)) == ["recipe: 1 of 3 rows, first [2]"]


def test_what_one_side_lacks_is_named(tmp_path):
    path = tmp_path / "results"
    path.write_bytes(section("recipe", [[1]]) + section("model, scores", [[1], [2]]))
    here = dumps.read(path)
    path.write_bytes(section("model, scores", [[1], [2], [3]]))
    assert dumps.differences(here, dumps.read(path)) == [
        "recipe: on one side alone",
        "model, scores: (2, 1) here, (3, 1) there",
    ]


def test_programs_are_compared_under_each_instruction_set(tmp_path, monkeypatch, capsys):
    def suites(folder, rows, data):
        return {"suite": rows}

    program = tmp_path / "program"
    program.write_text(
        '#!/bin/sh\ncp "$(dirname "$0")/${3:-all}${SPACE2VEC_ISA}" "$2"\necho "${SPACE2VEC_ISA:-best}"\n'
    )
    program.chmod(0o755)
    (tmp_path / "all").write_bytes(section("recipe", [[1], [2]]) + section("model m, scores", [[1], [2]]))
    (tmp_path / "modelsgood").write_bytes(section("model m, scores", [[1], [2]]))
    (tmp_path / "modelsbad").write_bytes(section("model m, scores", [[1], [3]]))
    monkeypatch.setattr(dumps, "suites", suites)
    assert dumps.compare([program], [program], ["good"], tmp_path, 2, None) == 0
    assert dumps.compare([program], [program], ["bad"], tmp_path, 2, None) == 1
    assert "1 of 2 rows, first [1]" in capsys.readouterr().out
