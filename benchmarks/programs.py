"""The programs that the benchmarks run, and what they run on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from space2vec.bench.machine import processor, versions

__all__ = ["REPOSITORY", "build", "processor", "tell", "versions"]

REPOSITORY = Path(__file__).resolve().parents[1]


def build(*targets: str) -> Path:
    """Build programs into ``build/benchmarks``; return the folder that they are in."""
    folder = REPOSITORY / "build" / "benchmarks"
    options = [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DSPACE2VEC_BUILD_BENCHMARKS=ON",
        "-DSPACE2VEC_BUILD_TESTS=OFF",
        "-DSPACE2VEC_BUILD_CUDA=OFF",
    ]
    subprocess.run(["cmake", "-S", str(REPOSITORY), "-B", str(folder), *options], check=True, stdout=sys.stderr)
    command = ["cmake", "--build", str(folder), "--parallel", "2", "--target", *targets]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return folder / "benchmarks" / "speed"


def tell(line: str) -> None:
    """Say what is going on."""
    print(line, file=sys.stderr, flush=True)
