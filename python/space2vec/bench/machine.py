"""What a measurement ran on."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata

__all__ = ["processor", "versions"]


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
