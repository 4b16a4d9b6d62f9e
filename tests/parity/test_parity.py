"""Every backend gives the same bits, on any number of threads and wherever a row lies in its batch."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from parity import suite
from space2vec import registry

FOLDER = Path(__file__).resolve().parents[1]
V4 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
#: What /proc/cpuinfo says of processors that have an instruction set.
X86_64 = {"baseline": set(), "v3": {"avx2", "bmi2", "fma"}, "v4": V4, "v4vnni": V4 | {"avx512_vnni"}}
AARCH64 = {"neon": set(), "dotprod": {"asimddp"}, "i8mm": {"asimddp", "i8mm"}}
CPU_FLAGS = {"x86_64": X86_64, "AMD64": X86_64, "aarch64": AARCH64, "arm64": AARCH64}.get(
    platform.machine(), {"generic": set()}
)
BACKENDS = {name: {"SPACE2VEC_BACKEND": "native", "SPACE2VEC_ISA": name} for name in CPU_FLAGS}
BACKENDS["numba"] = {"SPACE2VEC_BACKEND": "numba"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder for results."""
    return tmp_path_factory.mktemp("parity")


def run(module, environment, *arguments):
    """Run a module in a process of its own, for the choice of a backend is made once."""
    path = os.pathsep.join([str(FOLDER), *filter(None, sys.path)])
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SPACE2VEC_")}
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env={**inherited, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
    )


def compute(folder, name, environment):
    """Return what a backend gives for the suite; None where it cannot run."""
    file = folder / f"{name}.npz"
    done = run("parity.suite", environment, "--compute", str(file))
    if done.returncode == suite.UNAVAILABLE:
        return None
    assert done.returncode == 0, done.stderr
    return dict(np.load(file))


@pytest.fixture(scope="module")
def native(folder):
    """Return what the native build gives with the instruction set that it chooses."""
    results = compute(folder, "native", {"SPACE2VEC_BACKEND": "native"})
    assert results is not None, "the compiled extension is not installed"
    return results


def lacks(name):
    """Tell whether this processor lacks an instruction set, by other means than the library's own."""
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("flags", "Features"))]
    return name in CPU_FLAGS and not CPU_FLAGS[name] <= set(lines[0].split())


def test_the_suite_is_large_enough_and_covers_the_registry(native):
    assert len(suite.stamps()) >= 2000
    assert set(native) == suite.names()
    for convention in suite.CONVENTIONS:
        assert all(f"features:{convention}:{name}" in native for name in registry.FEATURE_SETS["stamp"])
    assert all(f"recipe:{name}" in native for name in registry.RECIPES)


def test_the_suite_raises_every_flag_that_kernels_can_raise(native):
    raised = np.bitwise_or.reduce(np.concatenate([native[name] for name in native if name.startswith("flags:")]))
    # Cells are looked at by readers of tables alone, and what else a message holds by those of messages.
    assert {flag.name for flag in registry.FLAGS.values() if not raised >> flag.bit & 1} == {"bad_cell", "surplus"}


def test_what_is_written_has_one_nan(native):
    for name in registry.FEATURE_SETS["stamp"]:
        bits = native[f"features:code:{name}"]
        assert set(bits[np.isnan(bits.view(np.float32))].tolist()) <= {0x7FC00000}, name


@pytest.mark.parametrize("name", BACKENDS)
def test_same_bits(name, native, folder):
    results = compute(folder, name, BACKENDS[name])
    if results is None:
        assert lacks(name), f"{name} did not run, but this processor has it"
        pytest.skip(f"not run: this processor or build lacks {name}")
    assert set(results) == suite.names()
    assert suite.differences(native, results) == []


@pytest.mark.parametrize("backend", ["native", "numba"])
def test_threads_order_and_place_do_not_matter(backend):
    done = run("parity.placement", {"SPACE2VEC_BACKEND": backend})
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
