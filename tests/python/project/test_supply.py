"""What development and CI install, and what a wheel says of itself."""

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = sorted((ROOT / ".ci").glob("*.lock"))


def requirements(lock):
    """Return a lock's requirements: the name and version, the condition, and the hashes."""
    for entry in re.findall(r"^(?![\s#]).*\\\n(?:.*\\\n)*.*$", lock.read_text("utf-8"), re.MULTILINE):
        first, *rest = [line.strip(" \\") for line in entry.splitlines()]
        what, _, when = first.partition(" ; ")
        yield what, when, rest


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_has_hashes(lock):
    found = list(requirements(lock))
    assert found
    for what, _, hashes in found:
        assert re.fullmatch(r"[\w.-]+==[\w.!+]+", what), what
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes), what


def test_locks_are_those_of_the_constraints():
    pins = [line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line]
    constraints = {canonical(name): version for name, version in pins}
    assert "torch" in constraints
    for lock in LOCKS:
        for what, _, _ in requirements(lock):
            name, version = what.split("==")
            assert constraints.get(canonical(name), version) == version, what


def test_the_lock_has_whatever_pyproject_asks_for():
    import tomllib

    given = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras, groups = given["project"]["optional-dependencies"], given["dependency-groups"]
    asked = [*given["project"]["dependencies"], *given["build-system"]["requires"]]
    for name in ("numba", "onnx", "plot", "sim", "torch", "train"):
        asked += extras[name]
    for name in ("test", "lint", "development", "docs"):
        asked += groups[name]
    names = {canonical(re.match(r"[\w.-]+", one)[0]) for one in asked} - {"torch"}
    locked = {what.split("==")[0] for what, _, _ in requirements(ROOT / ".ci" / "development.lock")}
    assert names <= locked


def test_a_bill_of_materials(tmp_path):
    """The bill that the build makes is the one that the wheel's check accepts."""
    sys.path.insert(0, str(ROOT / "tests" / "consume"))
    try:
        import wheel
    finally:
        sys.path.remove(str(ROOT / "tests" / "consume"))
    import json

    script = tmp_path / "make.cmake"
    given = {"PROJECT_VERSION": "0.1.0", "pybind11_VERSION": metadata.version("pybind11")}
    given |= {
        "CMAKE_CXX_COMPILER_ID": "GNU",
        "CMAKE_CXX_COMPILER_VERSION": "12",
        "S2V_SBOM_CUDA": "",
        "S2V_SBOM_CUDA_REF": "",
    }
    lines = [f'set({name} "{value}")' for name, value in given.items()]
    path = tmp_path / "bill.json"
    lines.append(f'configure_file("{ROOT / "src" / "sbom.cdx.json.in"}" "{path}" @ONLY)')
    script.write_text("\n".join(lines) + "\n")
    cmake = Path(sys.executable).parent / "cmake"
    subprocess.run([cmake if cmake.exists() else "cmake", "-P", script], check=True)
    bill = json.loads(path.read_text())
    wheel.check_bill(bill, ["space2vec/_core.so"], "0.1.0")
    with pytest.raises(AssertionError):
        wheel.check_bill(bill, ["space2vec/_cuda.cpython.so"], "0.1.0")
    with pytest.raises(AssertionError):
        wheel.check_bill({**bill, "components": bill["components"][:-1]}, [], "0.1.0")
