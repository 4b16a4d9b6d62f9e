"""``tests/device/ptxas_table.py``: what it reads of a build's log, and what fails a build that spills."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

TABLE = Path(__file__).resolve().parents[2] / "device" / "ptxas_table.py"
LOG = """\
ptxas info    : Compiling entry function '_ZN3s2v4cuda14network_kernelENS_6kernel11NetworkViewE' for 'sm_90'
ptxas info    : Function properties for _ZN3s2v4cuda14network_kernelENS_6kernel11NetworkViewE
    64 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 96 registers, used 1 barriers, 64 bytes stack
ptxas info    : Compiling entry function '_ZN3s2v4cuda13forest_kernelENS_6kernel10ForestViewE' for 'sm_90'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 128 bytes smem
ptxas info    : Compiling entry function '_ZN3s2v4cuda15features_kernelILi3EEEv10s2v_stamps' for 'sm_120'
    16 bytes stack frame, {spilled} bytes spill stores, 0 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers
ptxas info    : Function properties for a function that it calls
    48 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
"""
SCRATCH = {"features_kernel<3>": 24000, "network_kernel stampnet": 9000, "network_kernel tablenet": 3000}


def run(folder: Path, spilled: int) -> subprocess.CompletedProcess[str]:
    log, scratch = folder / "build.log", folder / "scratch.json"
    log.write_text(LOG.format(spilled=spilled))
    scratch.write_text(json.dumps(SCRATCH))
    command = [sys.executable, str(TABLE), str(log), "--scratch", str(scratch), "--json", "--no-spills"]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_row_a_kernel_and_one_a_model_of_a_network(tmp_path: Path) -> None:
    done = run(tmp_path, 0)
    assert done.returncode == 0
    none = {"spilled": 0}
    network = {"architecture": "sm_90", "stack": 64, "registers": 96, **none}
    assert json.loads(done.stdout) == [
        {
            "kernel": "features_kernel<3>",
            "architecture": "sm_120",
            "stack": 48,
            "registers": 255,
            "shared": 24000,
            **none,
        },
        {"kernel": "forest_kernel", "architecture": "sm_90", "stack": 0, "registers": 32, "shared": 128, **none},
        {"kernel": "network_kernel stampnet", "shared": 9000, **network},
        {"kernel": "network_kernel tablenet", "shared": 3000, **network},
    ]


def test_spills_fail(tmp_path: Path) -> None:
    done = run(tmp_path, 8)
    assert done.returncode == 1
    assert done.stderr == "registers are spilled: features_kernel<3>\n"


def test_a_log_without_kernels_fails(tmp_path: Path) -> None:
    (tmp_path / "build.log").write_text("[1/1] Linking\n")
    done = subprocess.run([sys.executable, str(TABLE), str(tmp_path / "build.log")], capture_output=True, text=True)
    assert done.returncode == 1
    assert "nothing from ptxas in it" in done.stderr


def test_the_page_is_what_the_script_writes(docs_script: Callable[[str], ModuleType]) -> None:
    docs = docs_script("device_kernels")
    record = json.loads(docs.RECORD.read_text())
    assert (docs.HERE / "device-kernels.md").read_text() == docs.document(record)
    assert {row["architecture"] for row in record["kernels"]} == {"sm_80", "sm_90", "sm_100", "sm_120"}
