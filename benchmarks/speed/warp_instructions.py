"""Instructions that a warp executes a triplet, estimated without a device.

    python -m benchmarks.speed.warp_instructions [--revision REVISION] [--only PART ...] [--json FILE]

``--json`` writes the counts into FILE, benchmarks/results/device_kernels.json, under ``instructions``: as ``now``, or
as ``before`` with ``--revision``. `make pages` writes them into docs/device-kernels.md.

Each part of the kernels runs on a warp of 32 fibers (``warp_instructions.cpp``), compiled for one lane at a time: no
vectors, three operands, loops unrolled four times as a device's compiler does. callgrind counts the instructions of
lane 0, which has the most elements of every loop. ``WEIGHTS`` says how many instructions of a device each stands for:
a dozen and more for a division, none for a move between registers, one load for an operand in memory. The program
counts shuffles, votes, barriers and products of matrices itself. The triplets are those of ``synthetic_triplets.hpp``.
A count depends on the compiler and not on the machine; the compiler of a device may differ by a fifth. ``--revision``
counts the kernels of another revision, if they still have the headers that the program includes.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.programs import REPOSITORY

SOURCE = Path(__file__).with_suffix(".cpp")

OPTIONS = [
    *("-std=c++20", "-O2", "-DNDEBUG", "-no-pie", "-fno-pie", "-mavx2", "-mbmi2", "-mpopcnt", "-ffp-contract=off"),
    *("-fno-tree-vectorize", "-fno-tree-slp-vectorize", "-funroll-loops", "--param", "max-unroll-times=4"),
]

#: Instructions of sm_90 in the place of one of x86-64, by name; every other instruction counts as one. Divisions and
#: roots were counted in the code that nvcc writes under IEEE rules. On sm_90 a sign is part of an operand, and a
#: condition has a register of its own.
WEIGHTS = {
    "divss": 13,
    "divsd": 20,
    "idiv": 24,
    "div": 24,
    "sqrtss": 14,
    "sqrtsd": 20,
    **dict.fromkeys(("andps", "andpd", "andnps", "andnpd", "xorps", "xorpd", "jp", "jnp", "cltq", "cqto", "cltd"), 0),
    **dict.fromkeys(("nop", "nopw", "nopl", "endbr64", "push", "pop", "leave", "vzeroupper"), 0),
}

_INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*?)\s*(?:#.*|<.*)?$")
_MEMORY = re.compile(r"-?(?:0x[0-9a-f]+)?\(([^)]*)\)")
_MOVE = re.compile(r"^v?mov(?!be|msk)|^(?:movz|movs)[bwl]")


def is_on_stack(operand: str) -> bool:
    """Tell whether an operand is a local or a constant, which a device holds in registers or in its code."""
    return operand.startswith(("%rsp", "%rbp", "%rip")) and "," not in operand


def weight(name: str, operands: str) -> int:
    """Return how many instructions of a device an instruction of x86-64 stands for."""
    plain = name.removeprefix("v").removeprefix("lock ")
    memory = [found[1] for found in _MEMORY.finditer(operands) if not is_on_stack(found[1])]
    if plain.startswith("lea"):
        return 1
    loads = 1 if memory else 0
    if _MOVE.match(name) or plain.startswith("mov"):
        return loads
    if plain.startswith("set"):
        return 0
    if plain.startswith(("xor", "pxor")) and len(set(operands.split(","))) == 1:
        return 0
    alone = next((WEIGHTS[form] for form in (plain, plain.rstrip("lqw")) if form in WEIGHTS), 1)
    return alone + loads


def disassemble(program: Path) -> dict[int, tuple[str, str]]:
    """Return the name and the operands of every instruction of a program, by address."""
    command = ["objdump", "-d", "--no-show-raw-insn", "--wide", program]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = (_INSTRUCTION.match(line) for line in text.splitlines())
    return {int(line[1], 16): (line[2], line[3]) for line in found if line}


def read_counts(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the function, the address and the executions of each instruction in a file of callgrind."""
    function = ""
    skip = False
    for line in text.splitlines():
        if line.startswith("fn="):
            function = line[3:]
        elif line.startswith("calls="):
            skip = True  # the next line counts for the function that is called
        elif line.startswith("0x"):
            if not skip:
                address, *_, count = line.split()
                yield function, int(address, 16), int(count)
            skip = False


def plain_name(function: str) -> str:
    """Return the name of a function without namespaces, parameters and lanes."""
    text = re.sub(r"\(anonymous namespace\)::|\{lambda.*", "", function)
    text = re.sub(r"s2v::kernel::|s2v::", "", text)
    depth = 0
    letters = []
    for letter in text:
        if letter == "(" and depth == 0:
            break
        depth += (letter == "<") - (letter == ">")
        if depth == 0 and letter not in "<>":
            letters.append(letter)
    return "".join(letters).split(" ")[-1] or function


def compiler(tree: Path, generated: Path) -> list[str]:
    """Return the command that compiles against the headers of a tree, some of which it writes to `generated` first."""
    registry = tree / "cpp" / "registry"
    (generated / "kernel").mkdir(parents=True, exist_ok=True)
    settings = [f"-DREGISTRY={registry / 'registry.json'}", f"-DOUTPUT={generated}"]
    subprocess.run(["cmake", *settings, "-P", registry / "generate.cmake"], check=True, stdout=sys.stderr)
    folders = ("tests/cpp", "benchmarks/speed", "cpp", "cpp/src", "cpp/include")
    return ["g++", *OPTIONS, *(f"-I{tree / name}" for name in folders), f"-I{generated}"]


class WarpCounter:
    """Counts the instructions that a warp executes in the kernels of one tree."""

    def __init__(self, tree: Path, folder: Path) -> None:
        """Compile the kernels of ``tree`` in ``folder``."""
        self.folder = folder
        self.program = folder / "warp_instructions"
        sources = [SOURCE, tree / "cpp" / "src" / "network_pack.cpp"]
        subprocess.run([*compiler(tree, folder / "generated"), *sources, "-o", self.program], check=True)
        self.code = disassemble(self.program)

    def parts(self) -> list[str]:
        """Return the names of the parts that the program knows."""
        return subprocess.run([self.program, "--list"], check=True, capture_output=True, text=True).stdout.splitlines()

    def count(self, part: str) -> dict[str, object]:
        """Return the instructions a triplet of a part: by kind, and those of its largest functions."""
        out = self.folder / f"callgrind.{re.sub(r'[^a-z0-9]+', '-', part)}"
        options = ["--collect-atstart=no", "--dump-instr=yes", "--compress-strings=no", "--compress-pos=no"]
        command = ["valgrind", "--tool=callgrind", *options, f"--callgrind-out-file={out}", self.program, part]
        finished = subprocess.run(command, capture_output=True, text=True)
        if finished.returncode:
            raise SystemExit(f"{part}: valgrind failed\n{finished.stderr}")
        triplets, shuffles, votes, barriers, matrices, calls = map(int, finished.stdout.split())
        functions: Counter[str] = Counter()
        for function, address, executed in read_counts(out.read_text()):
            instruction = self.code.get(address)
            name = plain_name(function)
            if instruction and not name.startswith("CountedLanes"):
                functions[name] += executed * weight(*instruction)
        alone = sum(functions.values()) - calls  # a call by which lanes exchange counts as the exchange itself
        exchanges = shuffles + votes + barriers + matrices
        return {
            "part": part,
            "instructions": round((alone + exchanges) / triplets),
            "shuffles": round(shuffles / triplets),
            "votes": round(votes / triplets),
            "barriers": round(barriers / triplets),
            "matrices": round(matrices / triplets),
            "functions": {name: round(count / triplets) for name, count in functions.most_common(8)},
        }


def export(revision: str, folder: Path) -> Path:
    """Write the files of a revision to a folder, and return it."""
    packed = subprocess.run(["git", "archive", revision], check=True, cwd=REPOSITORY, capture_output=True).stdout
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], check=True, input=packed)
    return folder


def format_table(rows: Sequence[dict[str, object]]) -> str:
    """Return the counts as text, one part a line."""
    heads = ("instructions", "shuffles", "votes", "barriers", "matrices")
    lines = [f"{'a triplet':30}" + "".join(f"{head:>13}" for head in heads)]
    lines += [f"{row['part']:30}" + "".join(f"{row[head]:>13,}" for head in heads) for row in rows]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--revision", help="whose kernels are counted (default: those of this working tree)")
    parser.add_argument("--only", nargs="+", metavar="PART", help="count these parts alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts into a record")
    options = parser.parse_args()
    if missing := [name for name in ("valgrind", "g++", "objdump", "cmake") if shutil.which(name) is None]:
        parser.error(f"needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = export(options.revision, folder / "tree") if options.revision else REPOSITORY
        counter = WarpCounter(tree, folder)
        parts = counter.parts()
        if unknown := set(options.only or ()).difference(parts):
            parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
        with ThreadPoolExecutor(2) as pool:
            rows = list(pool.map(counter.count, [part for part in parts if part in (options.only or parts)]))
    print(format_table(rows))
    if options.json:
        record = json.loads(options.json.read_text()) if options.json.exists() else {}
        record.setdefault("instructions", {})["before" if options.revision else "now"] = rows
        options.json.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
