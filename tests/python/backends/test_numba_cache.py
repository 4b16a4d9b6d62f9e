"""Where Numba keeps what it compiles: a machine on which nothing, or the temporary folder alone, can be written."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

numba = pytest.importorskip("numba")

from space2vec.backends.numba import compiling, team  # noqa: E402
from space2vec.errors import Space2vecWarning  # noqa: E402 (behind the skip)


def add(x: int) -> int:
    """Add one."""
    return x + 1


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let Numba find no folder of its own, as in a container that can only be read; return how it was asked."""
    asked: list[dict[str, Any]] = []
    njit = numba.njit

    def choosy(**options: Any) -> Callable[..., Any]:
        asked.append({**options, "folder": numba.config.CACHE_DIR})
        if options.get("cache") and not numba.config.CACHE_DIR:
            raise RuntimeError("cannot cache function 'add': no locator available for file 'add.py'")
        return njit(**options)

    monkeypatch.setattr(compiling, "numba", SimpleNamespace(njit=choosy, config=numba.config))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiling, "_warned", set())
    return asked


def test_a_temporary_folder_of_the_user_serves(
    unwritable: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiling.compile_and_cache(add)(1) == 2
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbi"))
    assert unwritable[-1]["folder"] == str(folder)
    assert numba.config.CACHE_DIR == ""  # other functions of the process are kept where they were


@pytest.mark.parametrize("trouble", ["absent", "open to others", "a link", "a file"])
def test_without_a_safe_folder_nothing_is_kept_and_that_is_said(
    unwritable: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    temporary, folder = tmp_path / "tmp", tmp_path / "tmp" / f"space2vec-numba-{os.getuid()}"
    if trouble != "absent":
        temporary.mkdir()
    if trouble == "open to others":
        folder.mkdir()
        folder.chmod(0o777)
    elif trouble == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    elif trouble == "a file":
        folder.touch()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with pytest.warns(Space2vecWarning, match="each process compiles anew. NUMBA_CACHE_DIR names one"):
        assert compiling.compile_and_cache(add)(1) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiling.compile_and_cache(add)(2) == 3
    assert "cache" not in unwritable[-1]


def test_a_package_that_can_only_be_read_computes(tmp_path: Path) -> None:
    """Neither the folder of the package nor that of the user: a link without a target is none for anybody."""
    module = tmp_path / "package" / "mine.py"
    module.parent.mkdir()
    module.write_text(
        "import numba\nfrom space2vec.backends.numba.compiling import compile_and_cache\n"
        "def add(x):\n    return x + 1\nprint(compile_and_cache(add)(1))\n"
    )
    (module.parent / "__pycache__").symlink_to(tmp_path / "nowhere" / "at" / "all")
    environment = os.environ | {"HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none", "TMPDIR": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, module], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"
    assert list(tmp_path.glob("space2vec-numba-*/**/*.nbi"))


def test_what_was_compiled_is_dropped_once_another_file_of_the_kernels_changed(tmp_path: Path) -> None:
    """Numba looks at the file of a function alone, and inlines what that calls from others."""
    package = tmp_path / "kernels"
    package.mkdir()
    here = Path(compiling.__file__)
    text = here.read_text().replace("space2vec.errors", "kernels.errors")
    (package / "compiling.py").write_text(text.replace("package = folder.parent.parent", "package = folder"))
    (package / "model_files").mkdir()
    (package / "errors.py").write_text("class Space2vecWarning(UserWarning):\n    pass\n")
    for name in ("registry.json", "model_files/integer_network.py"):
        (package / name).write_text("{}")
    (package / "outer.py").write_text(
        "from kernels.compiling import compile_and_cache\nfrom kernels.inner import inner\n"
        "def outer(x):\n    return inner(x)\nouter = compile_and_cache(outer)\n"
    )

    def run(added: int) -> str:
        (package / "inner.py").write_text(
            "from kernels.compiling import compile_and_cache\n"
            f"def inner(x):\n    return x + {added}\ninner = compile_and_cache(inner)\n"
        )
        code = "from kernels.outer import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("NUMBA_CACHE_DIR", None)
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert [run(1), run(1), run(20), run(20), run(1)] == ["2 0", "2 1", "21 0", "21 1", "2 0"]


def test_what_takes_long_is_told_while_it_lasts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compiling, "_PATIENCE", 0.05)
    seen = threading.Event()

    def slow(begin: int, _end: int) -> None:
        if begin == 0:
            time.sleep(0.5)
        seen.set()

    team.parallel_for(100, 1, slow)
    assert seen.is_set()
    first, last = capsys.readouterr().err.splitlines()
    assert first == "space2vec: Numba compiles the kernels, which may take minutes"
    assert last.startswith("space2vec: Numba has compiled the kernels in ")
    monkeypatch.setattr(compiling, "_PATIENCE", 30)
    team.parallel_for(100, 1, lambda begin, end: None)
    team.parallel_for(0, 1, slow)
    assert capsys.readouterr().err == ""
