"""Build the C++ programs of the benchmarks, and describe the machine that they run on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from space2vec.bench.machine import processor, versions

__all__ = ["REPOSITORY", "build", "print_progress", "processor", "versions"]

REPOSITORY = Path(__file__).resolve().parents[1]


def build(*targets: str) -> Path:
    """Build programs of benchmarks/speed; return their folder, below ``build/benchmarks``."""
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


def print_progress(line: str) -> None:
    """Print a line of progress to standard error."""
    print(line, file=sys.stderr, flush=True)
