"""Where the command line puts its tables: files of every format, standard output, and what it says meanwhile."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from space2vec.cli import main
from space2vec.models.load import load
from space2vec.reading.notes import read_note
from space2vec.registry import AUTOSCAN
from space2vec.writing import SUFFIXES


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night") / "alerts"
    assert main(["simulate", "-n", "30", "-o", str(folder), "--seed", "8"]) == 0
    (folder / "damaged.avro").write_bytes(b"this is not Avro")
    return folder


def run(command, night, out, *more):
    return main([command, str(night), "-o", str(out), "--threads", "1", *more])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("command", ["score", "features"])
def test_every_format_can_be_resumed_and_refused(night, tmp_path, capsys, command, suffix):
    out = tmp_path / f"out{suffix}"
    assert run(command, night, out) == 1
    note = read_note(out)
    assert (note["command"], note["rows"], note["inputs"]["files"]) == (command, 31, 31)
    assert read_note(tmp_path / f"out.errors{suffix}")["rows"] == 1
    told = capsys.readouterr().out.splitlines()[-1]
    assert told == f"1 errors in {tmp_path}/out.errors{suffix}: 1 foreign_file"
    assert run(command, night, out, "--resume") == 1, "as the run itself"
    assert capsys.readouterr().out.splitlines()[-2:] == [f"{out} is complete already: there is nothing to resume", told]
    changed = ["--model", "forest"] if command == "score" else ["--set", "s2v"]
    assert run(command, night, out, "--resume", *changed) == 2
    assert "is there, but from another run: it was made with" in capsys.readouterr().err
    (night / "damaged.avro").rename(tmp_path / "damaged.avro")
    assert run(command, night, out, "--resume") == 2
    (tmp_path / "damaged.avro").rename(night / "damaged.avro")
    assert "from another run: it was made with inputs" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".fits", ".ecsv", ".vot"])
def test_features_in_the_formats_of_astronomers(night, tmp_path, suffix):
    assert run("features", night, tmp_path / f"out{suffix}") == 1
    assert run("features", night, tmp_path / "out.parquet") == 1
    table = Table.read(
        tmp_path / f"out{suffix}", format={".fits": "fits", ".ecsv": "ascii.ecsv", ".vot": "votable"}[suffix]
    )
    expected = pq.read_table(tmp_path / "out.parquet")
    assert [name for name in table.colnames if name in AUTOSCAN] == list(AUTOSCAN)
    for name in AUTOSCAN:
        values = np.ma.filled(np.ma.asarray(table[name], dtype=np.float32), np.nan)
        np.testing.assert_allclose(values, expected[name].to_numpy(), rtol=1e-6, err_msg=name)
    assert [value if isinstance(value, int) else None for value in table["candidate_id"].tolist()] == expected[
        "candidate_id"
    ].to_pylist()


def test_evaluate_reads_every_format(night, tmp_path, capsys):
    default, tables = load().name, []
    for suffix in SUFFIXES:
        assert run("score", night, tmp_path / f"out{suffix}") == 1
        capsys.readouterr()
        labels = ["--labels", str(night / "truth.csv"), "--json", str(tmp_path / "figures.json")]
        assert main(["evaluate", str(tmp_path / f"out{suffix}"), *labels]) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"{default}: model {default} "), "the model's name is in every format"
        # Decimals of a float32 in text are not those of its double.
        figures = json.loads((tmp_path / "figures.json").read_text(), parse_float=lambda text: round(float(text), 5))
        tables.append(json.dumps(figures).replace(f"out{suffix}", "out"))
    assert len(set(tables)) == 1


def test_csv_to_standard_output(night, tmp_path, capfdbinary):
    assert run("score", night, tmp_path / "out.csv") == 1
    capfdbinary.readouterr()
    before = sorted(tmp_path.iterdir())
    assert run("score", night, "-") == 1
    out, err = capfdbinary.readouterr()
    assert out == (tmp_path / "out.csv").read_bytes()
    lines = err.decode().splitlines()
    assert "31 rows: 30 scored, 1 not scored" in lines
    assert any(line.endswith("; scores in standard output") for line in lines)
    assert "1 errors: 1 foreign_file; --errors FILE writes them down" in lines
    assert sorted(tmp_path.iterdir()) == before
    errors = tmp_path / "wrong.ecsv"
    assert run("score", night, "-", "--errors", str(errors)) == 1
    out, err = capfdbinary.readouterr()
    assert f"1 errors in {errors}: 1 foreign_file".encode() in err
    assert Table.read(errors, format="ascii.ecsv")["reason"].tolist() == ["foreign_file"]


def test_standard_output_cannot_be_resumed(night, capsys):
    assert run("score", night, "-", "--resume") == 2
    said = capsys.readouterr()
    assert "an output to standard output cannot be resumed: --resume needs -o with a file" in said.err
    assert said.out == ""


def test_a_run_to_standard_output_that_fails_keeps_nothing(night, capsys):
    assert run("score", night, "-", "--strict", "--part-rows", "4") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "--strict stops here" in said.err
    assert "are kept" not in said.err


def test_through_a_pipe(night):
    """The reader of the output may go before its end."""
    words = [sys.executable, "-m", "space2vec", "score", str(night), "-o", "-"]
    run = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    rows = list(csv.DictReader(io.StringIO(run.stdout)))
    assert len(rows) == 31
    assert {"object_id", "candidate_id", "score", "flags"} <= set(rows[0])
    shell = f"{' '.join(words)} | head -1"
    gone = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, timeout=120)
    assert gone.stdout.startswith('"object_id"')
    assert "Traceback" not in gone.stderr


def test_a_complete_output_whose_mosaic_is_gone(night, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out, mosaic = tmp_path / "out.csv", tmp_path / "mosaic.png"
    assert run("score", night, out) == 1
    assert run("score", night, out, "--resume", "--mosaic", str(mosaic)) == 2
    assert f"{out} is complete, but there is no {mosaic}; --restart draws it" in capsys.readouterr().err
    assert run("score", night, out, "--restart", "--mosaic", str(mosaic)) == 1
    assert run("score", night, out, "--resume", "--mosaic", str(mosaic)) == 1
    assert mosaic.exists()


def test_a_suffix_of_no_format(night, tmp_path, capsys):
    assert run("score", night, tmp_path / "out.txt") == 2
    assert "the suffix must be one of .parquet, .csv, .fits, .ecsv, .vot" in capsys.readouterr().err


def test_ids_that_become_text_late(tmp_path):
    """The first parts have integers, a later one text: the output has them all, as text."""
    np.savez(tmp_path / "a.npz", pixels=np.ones((40, 3, 9, 9)), candidate_id=np.arange(40))
    np.savez(tmp_path / "b.npz", pixels=np.ones((3, 3, 9, 9)), candidate_id=["007", "x", "9"])
    expected = [*map(str, range(40)), "007", "x", "9"]
    for suffix in SUFFIXES:
        found = set()
        for part in ("1", "16", "100"):
            out = tmp_path / f"out{part}{suffix}"
            words = ["score", str(tmp_path / "a.npz"), str(tmp_path / "b.npz"), "-o", str(out), "--part-rows", part]
            assert main(words) == 0
            found.add(out.read_bytes())
        assert len(found) == 1
        if suffix == ".parquet":
            ids = pq.read_table(out)["candidate_id"].to_pylist()
        elif suffix == ".csv":
            text = pyarrow.csv.ConvertOptions(column_types={"candidate_id": "string"})
            ids = pyarrow.csv.read_csv(out, convert_options=text)["candidate_id"].to_pylist()
        else:
            table = Table.read(out, format={".fits": "fits", ".ecsv": "ascii.ecsv", ".vot": "votable"}[suffix])
            table.convert_bytestring_to_unicode()
            ids = table["candidate_id"].tolist()
        assert ids == expected, suffix


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".fits", ".ecsv", ".vot"])
@pytest.mark.parametrize("stamps", ["alerts", "arrays", "images"])
def test_results_among_the_stamps_are_no_input(night, tmp_path, capsys, stamps, suffix):
    folder = tmp_path / "in"
    folder.mkdir()
    pixels = np.random.default_rng(1).normal(100, 9, size=(3, 51, 51)).astype("f4")
    if stamps == "alerts":
        (folder / "1.avro").write_bytes(next(iter(sorted(night.glob("*.avro")))).read_bytes())
    elif stamps == "arrays":
        np.save(folder / "out.npy", pixels)
    else:
        fits.PrimaryHDU(pixels).writeto(folder / "1.fits")
    command = ["score", str(folder), "-o", str(folder / f"out{suffix}"), "--model", "forest"]
    assert main(command) == 0
    first = (folder / f"out{suffix}").read_bytes()
    assert main([*command, "--resume"]) == 0
    assert "complete already" in capsys.readouterr().out
    assert main([*command, "--restart"]) == 0
    assert (folder / f"out{suffix}").read_bytes() == first
    if suffix == ".fits":
        assert main(["score", str(folder / "out.fits"), "-o", str(tmp_path / "o.csv")]) == 1
        assert "a FITS file without an image" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_results_among_tables_of_features_are_no_input(night, tmp_path, capsys, suffix):
    for name in ("a", "b"):
        assert main(["features", str(night), "-o", str(tmp_path / f"{name}{suffix}"), "--set", "all"]) == 1
    command = ["score", str(tmp_path), "-o", str(tmp_path / f"s{suffix}"), "--model", "forest"]
    assert main(command) == 0
    first = (tmp_path / f"s{suffix}").read_bytes()
    assert main([*command, "--resume"]) == 0
    assert "complete already" in capsys.readouterr().out
    assert main([*command, "--restart"]) == 0
    assert (tmp_path / f"s{suffix}").read_bytes() == first
    assert read_note(tmp_path / f"s{suffix}")["rows"] == 62
    for name in ("a", "b"):
        (tmp_path / f"{name}{suffix}").unlink()
    assert main(command) == 2
    assert "results of earlier runs" in capsys.readouterr().err


def test_no_input_is_written_over(night, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table, link = tmp_path / "a.csv", tmp_path / "link.csv"
    assert main(["features", str(night), "-o", str(table), "--set", "all"]) == 1
    link.symlink_to(table)
    score = ["score", "--model", "forest"]
    labels = ["evaluate", "s.csv", "--labels", "labels.csv", "--bootstrap", "5"]
    assert main([*score, "a.csv", "-o", "s.csv"]) == 0
    (tmp_path / "labels.csv").write_bytes((night / "truth.csv").read_bytes())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for command in (
        [*score, "a.csv", "-o", str(table)],
        [*score, "link.csv", "-o", "a.csv"],
        [*score, "a.csv", "-o", "link.csv"],
        [*score, "a.csv", "-o", "new.csv", "--errors", "./a.csv"],
        [*labels, "--json", "labels.csv"],
        [*labels, "--json", "s.csv"],
    ):
        capsys.readouterr()
        assert main(command) == 2
        assert "it is an input" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_note_beside_a_csv_is_no_input(night, tmp_path):
    for path in sorted(night.glob("*.avro"))[:3]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert run("score", tmp_path, tmp_path / "out.csv") == 0
    assert json.loads((tmp_path / "out.csv.json").read_text())["space2vec"]["inputs"]["files"] == 3
    assert run("score", tmp_path, tmp_path / "again.csv") == 0
    assert read_note(tmp_path / "again.csv")["inputs"]["files"] == 3
