"""Libraries that are opened by name come from the machine's folders, never from the one in which somebody works."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.packets import avro_bytes, packet

COMPILER = shutil.which("cc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler to make a hostile library with")
#: Opened by the library; libz.so.1 as well, which Python itself is linked to.
NAMES = ("libzstd.so.1", "libdeflate.so.0")
READ = "import space2vec as s2v; print(len(s2v.read('night.avro')))"
BY_HAND = "import ctypes; ctypes.CDLL('libzstd.so.1')"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """Return a library that leaves a mark where it is loaded, and does nothing else."""
    folder = tmp_path_factory.mktemp("library")
    source = folder / "hostile.c"
    source.write_text(
        "#include <stdio.h>\n"
        '__attribute__((constructor)) static void mark(void) { FILE *f = fopen("LOADED", "w"); if (f) fclose(f); }\n'
    )
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", folder / "hostile.so", source], check=True)
    return folder / "hostile.so"


@pytest.fixture
def folder(model_file, tmp_path):
    """Return a folder that holds a night, and such libraries under the names of those that read it."""
    (tmp_path / "below").mkdir()
    for name in NAMES:
        shutil.copy(model_file, tmp_path / name)
        shutil.copy(model_file, tmp_path / "below" / name)
    (tmp_path / "night.avro").write_bytes(avro_bytes([packet(0)], codec="zstandard"))
    return tmp_path


def run(folder, code, path, **environment):
    command = [sys.executable, "-P", "-c", code]
    environment = {**os.environ, "LD_LIBRARY_PATH": path, **environment}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def has_zstandard():
    return run("/", BY_HAND, "").returncode == 0


@pytest.mark.parametrize(
    ("path", "inflate"),
    [
        (":", ""),
        (":", "libdeflate"),
        ("", ""),
        ("/nowhere:", ""),
        (".:/nowhere", ""),
        ("below", ""),
        ("/nowhere::/usr", ""),
    ],
)
def test_nothing_is_loaded_from_the_current_folder(folder, path, inflate):
    done = run(folder, READ, path, **({"SPACE2VEC_INFLATE": inflate} if inflate else {}))
    assert not (folder / "LOADED").exists()
    assert not (folder / "below" / "LOADED").exists()
    if has_zstandard() and not inflate:
        assert done.stdout.strip() == "1", done.stderr


def test_another_program_would_load_it(folder):
    """The linker does look there: without this the test above could not fail."""
    run(folder, BY_HAND, ":")
    assert (folder / "LOADED").exists()


def test_a_folder_that_somebody_names_is_looked_at(folder):
    """Environments of conda and modules of a cluster have their libraries in folders of their own."""
    for path in (str(folder), f":{folder}"):
        run(folder, READ, path)
        assert (folder / "LOADED").exists(), path
        (folder / "LOADED").unlink()


def test_the_path_is_that_of_the_start(folder):
    """What a process sets for its children later is nothing that the linker heeds."""
    code = f"import os; os.environ['LD_LIBRARY_PATH'] = ':'; {READ}"
    done = run(folder, code, "")
    assert not (folder / "LOADED").exists()
    assert done.stdout.strip() == ("1" if has_zstandard() else "")


def test_no_program_is_run():
    """A program is looked for along PATH, which may lead through a folder of others; so may what platform asks."""
    package = Path(__file__).resolve().parents[3] / "python" / "space2vec"
    modules = list(package.rglob("*.py"))
    calls = ("subprocess", "os.system", "os.popen", "os.exec", "os.spawn", "platform.processor", "platform.uname(")
    assert len(modules) > 50
    assert not [path.name for path in modules if any(call in path.read_text("utf-8") for call in calls)]


def test_nothing_else_is_opened_by_name():
    """All of it goes through one function, which looks at the folders first."""
    root = Path(__file__).resolve().parents[3]
    calls = ("dlopen(", "CDLL(", "find_library(", "LoadLibrary(", "dlmopen(")
    found = {
        str(path.relative_to(root))
        for folder in ("cpp", "cuda", "src", "python")
        for path in (root / folder).rglob("*")
        if path.suffix in (".cpp", ".hpp", ".cu", ".cuh", ".h", ".inl", ".py")
        and any(call in path.read_text("utf-8") for call in calls)
    }
    assert found == {"cpp/src/shared_library.cpp"}
