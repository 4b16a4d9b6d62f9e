"""What CMake builds without being asked, and what the README says of a bare machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NVCC = Path("/usr/local/cuda/bin")

#: What nvidia-smi says where there is a GPU.
LISTED = "GPU 0: NVIDIA Stand-in (UUID: GPU-0)"


def chosen(folder: Path, said: str | None, *options: str) -> str:
    """Return what CMake says of the CUDA backend, on a machine whose nvidia-smi says something, or has none."""
    tools = folder / "bin"
    tools.mkdir()
    if said is not None:
        (tools / "nvidia-smi").write_text(f"#!/bin/sh\necho '{said}'\n")
        (tools / "nvidia-smi").chmod(0o755)
    path = f"{tools}:{os.environ['PATH']}"
    command = ["cmake", "-S", ROOT, "-B", folder / "build", "-DSPACE2VEC_BUILD_TESTS=OFF", *options]
    done = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    found = re.search(r"CUDA backend: (\w+)", done.stdout)
    assert found, done.stderr
    return found[1]


needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake")


@needs_cmake
@pytest.mark.parametrize("said", [None, "No devices were found", "NVIDIA-SMI has failed"])
def test_without_a_gpu_cuda_is_not_compiled(tmp_path: Path, said: str | None) -> None:
    if said is None and shutil.which("nvidia-smi"):
        pytest.skip("there is a GPU")
    assert chosen(tmp_path, said) == "OFF"


@needs_cmake
@pytest.mark.skipif(not (NVCC / "nvcc").exists(), reason="no nvcc in /usr/local/cuda/bin")
@pytest.mark.parametrize(("said", "options"), [(LISTED, ()), ("none", ("-DSPACE2VEC_BUILD_CUDA=ON",))])
def test_with_a_gpu_or_where_it_is_asked_for_it_is(tmp_path: Path, said: str, options: tuple[str, ...]) -> None:
    # What follows the choice, the check of a compiler, takes long and may want a device.
    assert (
        chosen(tmp_path, said, "-DCMAKE_CUDA_COMPILER=/bin/false", f"-DCUDAToolkit_ROOT={NVCC.parent}", *options)
        == "ON"
    )


def test_the_readme_names_what_the_build_looks_for() -> None:
    asked = re.findall(r"lack .* (\S+)$", (ROOT / ".ci" / "requirements").read_text(), re.MULTILINE)
    first = re.search(r"\$ sudo apt-get install (.*)", (ROOT / "README.md").read_text("utf-8"))
    assert first
    assert {"g++", "python3", "python3-venv", "python3-dev"} == set(asked)
    assert set(asked) | {"git", "make"} == set(first[1].split())
