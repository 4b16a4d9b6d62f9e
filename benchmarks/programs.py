"""The programs that the benchmarks run, and what they run on."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def build(*targets: str) -> Path:
    """Build programs into ``build/benchmarks``; return the folder that they are in."""
    folder = REPOSITORY / "build" / "benchmarks"
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DSPACE2VEC_BUILD_BENCHMARKS=ON", "-DSPACE2VEC_BUILD_TESTS=OFF"]
    subprocess.run(["cmake", "-S", str(REPOSITORY), "-B", str(folder), *options], check=True, stdout=sys.stderr)
    command = ["cmake", "--build", str(folder), "--parallel", "2", "--target", *targets]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return folder / "benchmarks"


def tell(line: str) -> None:
    """Say what is going on."""
    print(line, file=sys.stderr, flush=True)


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return " ".join(fields.get("Model name", platform.machine()).split())


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of what takes part."""
    found = {"python": platform.python_version()}
    for package in (*packages, "space2vec"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
