"""The count of what a warp executes: the weight of an instruction, the record of callgrind, and C++ that compiles."""

import shutil
import subprocess

import pytest

from benchmarks.speed import warp_instructions


@pytest.mark.parametrize(
    ("name", "operands", "expected"),
    [
        ("vaddss", "%xmm1,%xmm2,%xmm3", 1),
        ("vaddss", "(%rax,%rdx,4),%xmm2,%xmm3", 2),  # and a load
        ("vaddss", "0x18(%rsp),%xmm2,%xmm3", 1),  # a register there
        ("vmulsd", "0x2f0(%rip),%xmm2,%xmm3", 1),  # part of the code there
        ("vmovaps", "%xmm1,%xmm2", 0),
        ("mov", "0x8(%rdi),%rax", 1),
        ("movzbl", "%al,%eax", 0),
        ("vxorps", "%xmm0,%xmm0,%xmm0", 0),
        ("vandps", "%xmm1,%xmm2,%xmm3", 0),
        ("vdivsd", "%xmm1,%xmm2,%xmm3", 20),
        ("vsqrtss", "%xmm1,%xmm2,%xmm3", 14),
        ("idivl", "0x10(%rdi)", 25),
        ("lea", "0x4(%rax,%rdx,4),%rcx", 1),
        ("seta", "%al", 0),
        ("jne", "401000", 1),
        ("jp", "401000", 0),
    ],
)
def test_an_instruction_weighs_what_a_device_takes(name: str, operands: str, expected: int) -> None:
    assert warp_instructions.weight(name, operands) == expected


def test_calls_are_left_to_the_function_that_is_called() -> None:
    record = "fn=outer\n0x10 0 3\ncfn=inner\ncalls=2 0x40 0\n0x14 0 900\n0x18 0 2\nfn=inner\n0x40 0 2\n"
    assert list(warp_instructions.read_counts(record)) == [("outer", 0x10, 3), ("outer", 0x18, 2), ("inner", 0x40, 2)]


def test_functions_are_known_by_their_plain_name() -> None:
    name = "float s2v::kernel::(anonymous namespace)::largest<s2v::kernel::LaneTeam<Lanes> >(float const*, int)"
    assert warp_instructions.plain_name(name) == "largest"


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    """Return the command that compiles C++ against the headers of this tree."""
    if missing := [name for name in ("cmake", "g++") if shutil.which(name) is None]:
        pytest.skip(f"needs {' and '.join(missing)}")
    return warp_instructions.compiler(warp_instructions.REPOSITORY, tmp_path_factory.mktemp("generated"))


@pytest.mark.parametrize("source", ["warp_instructions.cpp", "inflate.cpp"])
def test_programs_that_no_other_check_builds_compile(compiler, source):
    path = warp_instructions.SOURCE.with_name(source)
    if "valgrind" in path.read_text() and shutil.which("valgrind") is None:
        pytest.skip("needs the headers of valgrind")
    checked = subprocess.run([*compiler, "-Wall", "-Werror", "-fsyntax-only", path], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
