"""Instructions that a warp executes a triplet, estimated without a device.

    python -m benchmarks.speed.warp_instructions [--revision REVISION] [--only PART ...] [--json FILE]

FILE, benchmarks/results/device_kernels.json, gets them as ``instructions``, ``now`` or, of another revision,
``before``: `make pages` writes them into docs/device-kernels.md.

Each part of the kernels runs on a warp of 32 fibers (``warp_instructions.cpp``), compiled for one lane at a time: no
vectors, three operands, loops unrolled four times as a device's compiler does. callgrind counts the instructions of
lane 0, which has the most elements of every loop, and each is weighed by what a device takes in its place
(``WEIGHTS``): a division is a dozen and more, a move between registers none, an operand in memory a load. Shuffles,
votes, barriers and products of matrices are counted where they happen. The triplets are those of
``synthetic_triplets.hpp``. A count does not depend on the machine that counts, only on its compiler; what a device's
compiler makes of a loop differs by perhaps a fifth. With ``--revision`` the kernels of another revision are counted.
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

#: Instructions of sm_90 in the place of one of x86-64, by its name; of others one. Divisions and roots as nvcc has them
#: under IEEE rules, counted in its code. A sign is part of an operand there, a condition a register of its own.
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
    """Tell whether an operand is what a device holds in registers or in its code: locals and constants."""
    return operand.startswith(("%rsp", "%rbp", "%rip")) and "," not in operand


def weight(name: str, operands: str) -> int:
    """Return how many instructions of a device one of x86-64 stands for."""
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
    own = next((WEIGHTS[form] for form in (plain, plain.rstrip("lqw")) if form in WEIGHTS), 1)
    return own + loads


def disassembled(program: Path) -> dict[int, tuple[str, str]]:
    """Return the name and the operands of every instruction of a program, by address."""
    command = ["objdump", "-d", "--no-show-raw-insn", "--wide", program]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = (_INSTRUCTION.match(line) for line in text.splitlines())
    return {int(one[1], 16): (one[2], one[3]) for one in found if one}


def collected(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield function, address and executions of what callgrind wrote."""
    function = ""
    skip = False
    for line in text.splitlines():
        if line.startswith("fn="):
            function = line[3:]
        elif line.startswith("calls="):
            skip = True  # the next line is of the function that is called
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
    kept = []
    for letter in text:
        if letter == "(" and depth == 0:
            break
        depth += (letter == "<") - (letter == ">")
        if depth == 0 and letter not in "<>":
            kept.append(letter)
    return "".join(kept).split(" ")[-1] or function


class WarpCounter:
    """Counts what a warp executes of the kernels of one tree."""

    def __init__(self, tree: Path, folder: Path) -> None:
        """Compile the kernels of ``tree`` in ``folder``."""
        self.folder = folder
        self.program = folder / "warp_instructions"
        registry = tree / "cpp" / "registry"
        generated = folder / "generated"
        (generated / "kernel").mkdir(parents=True, exist_ok=True)
        made = [f"-DREGISTRY={registry / 'registry.json'}", f"-DOUTPUT={generated}"]
        subprocess.run(["cmake", *made, "-P", registry / "generate.cmake"], check=True, stdout=sys.stderr)
        folders = ["tests/cpp", "benchmarks/speed", "benchmarks", "cpp", "cpp/src", "cpp/include"]
        includes = [f"-I{tree / name}" for name in folders]
        sources = [SOURCE, tree / "cpp" / "src" / "network_pack.cpp"]
        command = ["g++", *OPTIONS, *includes, f"-I{generated}", *sources, "-o", self.program]
        subprocess.run(command, check=True)
        self.code = disassembled(self.program)

    def parts(self) -> list[str]:
        """Return the names of the parts."""
        return subprocess.run([self.program, "--list"], check=True, capture_output=True, text=True).stdout.splitlines()

    def count(self, part: str) -> dict[str, object]:
        """Return the instructions a triplet of a part, by kind, and of its largest functions."""
        out = self.folder / f"callgrind.{re.sub(r'[^a-z0-9]+', '-', part)}"
        options = ["--collect-atstart=no", "--dump-instr=yes", "--compress-strings=no", "--compress-pos=no"]
        command = ["valgrind", "--tool=callgrind", *options, f"--callgrind-out-file={out}", self.program, part]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{part}: valgrind failed\n{done.stderr}")
        triplets, shuffles, votes, barriers, matrices, calls = map(int, done.stdout.split())
        functions: Counter[str] = Counter()
        for function, address, executed in collected(out.read_text()):
            known = self.code.get(address)
            name = plain_name(function)
            if known and not name.startswith("CountedLanes"):
                functions[name] += executed * weight(*known)
        alone = sum(functions.values()) - calls  # the calls by which lanes exchange are counted as what they stand for
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


def exported(revision: str, folder: Path) -> Path:
    """Return a folder with the files of a revision."""
    packed = subprocess.run(["git", "archive", revision], check=True, cwd=REPOSITORY, capture_output=True).stdout
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", folder], check=True, input=packed)
    return folder


def table(rows: Sequence[dict[str, object]]) -> str:
    """Return counts, a line a part."""
    heads = ("instructions", "shuffles", "votes", "barriers", "matrices")
    lines = [f"{'a triplet':30}" + "".join(f"{head:>13}" for head in heads)]
    lines += [f"{row['part']:30}" + "".join(f"{row[head]:>13,}" for head in heads) for row in rows]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--revision", help="of the kernels; without it, those that lie here")
    parser.add_argument("--only", nargs="+", metavar="PART", help="some of the parts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts into a record")
    options = parser.parse_args()
    if missing := [name for name in ("valgrind", "g++", "objdump", "cmake") if shutil.which(name) is None]:
        parser.error(f"needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = exported(options.revision, folder / "tree") if options.revision else REPOSITORY
        counter = WarpCounter(tree, folder)
        parts = counter.parts()
        if unknown := set(options.only or ()).difference(parts):
            parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
        with ThreadPoolExecutor(2) as pool:
            rows = list(pool.map(counter.count, [part for part in parts if part in (options.only or parts)]))
    print(table(rows))
    if options.json:
        known = json.loads(options.json.read_text()) if options.json.exists() else {}
        known.setdefault("instructions", {})["before" if options.revision else "now"] = rows
        options.json.write_text(json.dumps(known, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
