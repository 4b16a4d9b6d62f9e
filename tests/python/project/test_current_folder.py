"""Modules of the folder in which somebody works are not imported by commands that he runs there."""

import os
import subprocess
import sys

import pytest

from helpers.packets import avro_bytes, packet
from space2vec import module_path

#: Of the standard library, of what every command needs, and of what some need.
NAMES = (
    *(
        "json",
        "csv",
        "signal",
        "threading",
        "argparse",
        "tempfile",
        "decimal",
        "zipfile",
        "numpy",
        "pyarrow",
        "fastavro",
    ),
    *(
        "tqdm",
        "astropy",
        "PIL",
        "matplotlib",
        "numba",
        "torch",
        "sklearn",
        "onnxruntime",
        "safetensors",
        "galsim",
        "cupy",
    ),
)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a night, and with modules that leave a mark when they are imported."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open('IMPORTED_{name}', 'w').close()\nraise ImportError('hostile')\n")
    (tmp_path / "night.avro").write_bytes(avro_bytes([packet(0)]))
    return tmp_path


def run(folder, *command, **environment):
    known = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**known, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, sorted(path.name.removeprefix("IMPORTED_") for path in folder.glob("IMPORTED_*"))


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (["-m"], ["score", "night.avro", "-o", "scores.parquet", "--threads", "1"]),
        (["-X", "importtime", "-m"], ["doctor"]),
        (["-Wignore", "-m"], ["--help"]),
    ],
)
def test_python_m_imports_nothing_from_there(folder, options, command):
    done, imported = run(folder, *options, "space2vec", *command)
    assert imported == []
    assert done.returncode == 0, done.stderr


def test_the_command_imports_nothing_from_there(folder):
    script = folder / "bin" / "space2vec"
    script.parent.mkdir()
    script.write_text("import sys\nfrom space2vec.__main__ import main\nsys.exit(main())\n")
    done, imported = run(folder, str(script), "score", "night.avro", "-o", "scores.csv", "--threads", "1")
    assert imported == []
    assert done.returncode == 0, done.stderr


def test_python_alone_would_import_them(folder):
    """Without this the tests above could not fail."""
    assert run(folder, "-m", "timeit", "-n1", "-r1", "import numpy")[1] != []


def test_a_program_that_imports_the_package_keeps_its_path(folder):
    (folder / "mine.py").write_text("import sys, os\nimport space2vec\nprint(sys.path[0] == os.getcwd())\n")
    for name in NAMES:
        (folder / f"{name}.py").unlink()
    assert run(folder, "-m", "mine")[0].stdout == "True\n"
    assert run(folder, "-c", "import space2vec, sys; print(sys.path[0] == '')")[0].stdout == "True\n"


@pytest.mark.parametrize(
    ("words", "module"),
    [
        (["python", "-m", "space2vec", "score"], "space2vec"),
        (["python", "-mspace2vec.studies.packaged.build"], "space2vec.studies.packaged.build"),
        (["python", "-Im", "space2vec"], "space2vec"),
        (["python", "-X", "m", "-W", "m", "-m", "space2vec"], "space2vec"),
        (["python", "-Ximporttime", "-Wm", "--check-hash-based-pycs", "-m", "pytest", "-m", "space2vec"], "pytest"),
        (["python"], ""),
    ],
)
def test_which_module_python_was_asked_to_run(monkeypatch, words, module):
    monkeypatch.setattr(sys, "orig_argv", words)
    assert module_path._module() == module
