"""Instructions a triplet of every stage of the kernels, counted by valgrind, and the budget that holds them.

    python -m benchmarks.speed.instructions [--only STAGE ...] [--update] [--program FILE [--emulator COMMAND]]

A count does not depend on what else the machine does, so a change of 3 % in any stage shows. Each stage is run over the
triplets of ``synthetic_triplets.hpp``, some passes and twice as many; the difference is the stage alone. The budget is in
``instructions.json``, for one compiler and the instruction set v3 (valgrind knows no AVX-512). The exit status is 1
where a stage takes more or less than its budget by over 3 %: more is to be mended, less is to be kept by
``--update``. With another compiler the counts are printed and not held.

``--emulator "qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu"`` counts the instructions of a program for another
processor, built by the preset ``aarch64`` with ``-DSPACE2VEC_BUILD_BENCHMARKS=ON``, by a plugin of the emulator. They
are printed beside the budget of x86-64, and not held.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.programs import build

BUDGET = Path(__file__).with_name("instructions.json")
ISA = "v3"
TOLERANCE = 0.03
PASSES = 8


VALGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
PLUGIN = Path(__file__).with_name("count_emulated.c")


def with_plugin(emulator: Sequence[str], folder: Path) -> tuple[str | Path, ...]:
    """Return the command that counts the instructions of a program which an emulator runs."""
    plugin = folder / "count_emulated.so"
    subprocess.run(["cc", "-std=c11", "-O2", "-shared", "-fPIC", "-o", plugin, PLUGIN], check=True)
    return (*emulator, "-plugin", plugin)


def answer(*command: str | Path) -> str:
    """Return what a program prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def collected(counter: Sequence[str | Path], program: Path, stage: str, passes: int) -> tuple[int, int]:
    """Return the instructions of a run of the program, and how many triplets it has."""
    done = subprocess.run([*counter, program, stage, str(passes)], capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"{stage}: {counter[0]} failed\n{done.stderr}")
    return int(found[1]), int(done.stdout.split()[2])


def instructions(counter: Sequence[str | Path], program: Path, stage: str) -> int:
    """Return the instructions that a stage takes a triplet."""
    once, triplets = collected(counter, program, stage, PASSES)
    twice, _ = collected(counter, program, stage, 2 * PASSES)
    return round((twice - once) / (PASSES * triplets))


def complaints(measured: dict[str, int], budget: dict[str, int], stages: Iterable[str]) -> list[str]:
    """Return what is wrong with counts: too many, too few, no budget, or a budget without a stage among all stages."""
    found = []
    for stage, count in measured.items():
        if stage not in budget:
            found.append(f"{stage}: {count} instructions, and no budget")
        elif count > budget[stage] * (1 + TOLERANCE):
            found.append(f"{stage}: {count} instructions, {count / budget[stage] - 1:.1%} above its budget")
        elif count < budget[stage] * (1 - TOLERANCE):
            found.append(f"{stage}: {count} instructions, {1 - count / budget[stage]:.1%} below its budget: lower it")
    known = set(stages)
    return found + [f"{stage}: a budget, and no such stage" for stage in budget if stage not in known]


def table(measured: dict[str, int], budget: dict[str, int]) -> str:
    """Return counts beside their budgets, a line each."""
    lines = [f"{'instructions a triplet':24}{'counted':>10}{'budget':>10}"]
    for stage, count in measured.items():
        held = budget.get(stage)
        lines.append(f"{stage:24}{count:10}" + (f"{held:10}{count / held - 1:+8.1%}" if held else ""))
    return "\n".join(lines)


def measure(
    counter: Sequence[str | Path], program: Path, stages: Sequence[str], only: Sequence[str] | None
) -> dict[str, int]:
    """Return the instructions a triplet of every stage, or of some."""
    if unknown := set(only or ()).difference(stages):
        raise SystemExit(f"no such stage: {', '.join(sorted(unknown))}")
    chosen = [stage for stage in stages if stage in (only or stages)]
    with ThreadPoolExecutor(2) as pool:
        counts = pool.map(lambda stage: instructions(counter, program, stage), chosen)
        return dict(zip(chosen, counts, strict=True))


def emulated(emulator: Sequence[str], program: Path, only: Sequence[str] | None) -> int:
    """Print the counts of a program that an emulator runs."""
    stages = answer(*emulator, program, "--list").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(with_plugin(emulator, Path(folder)), program, stages, only)
    print(table(measured, json.loads(BUDGET.read_text())["instructions"]))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="some of the stages")
    parser.add_argument("--update", action="store_true", help="make the counts the budget")
    parser.add_argument("--program", type=Path, help=f"bench_stages_{ISA}, already built")
    parser.add_argument("--emulator", type=shlex.split, default=[], metavar="COMMAND", help="what runs that program")
    options = parser.parse_args()
    if options.emulator:
        if options.program is None or options.update:
            parser.error("--emulator takes --program, and makes no budget")
        return emulated(options.emulator, options.program, options.only)
    if platform.machine() not in ("x86_64", "AMD64"):
        print("the instruction budget is not held here: it is one of x86-64")
        return 0
    if shutil.which("valgrind") is None:
        print("no valgrind (on Debian or Ubuntu: apt install valgrind)")
        return 2
    program = options.program or build(f"bench_stages_{ISA}") / f"bench_stages_{ISA}"
    stages = answer(program, "--list").splitlines()
    compiler = answer(program, "--compiler")
    measured = measure(VALGRIND, program, stages, options.only)
    record = json.loads(BUDGET.read_text()) if BUDGET.exists() else {"compiler": compiler, "instructions": {}}
    budget = record["instructions"]
    print(table(measured, budget))
    if options.update:
        kept = measured if record["compiler"] != compiler else budget | measured
        held = {stage: kept[stage] for stage in stages if stage in kept}
        BUDGET.write_text(json.dumps({"compiler": compiler, "isa": ISA, "instructions": held}, indent=1) + "\n")
        print(f"{BUDGET.name}: written")
        return 0
    if record["compiler"] != compiler:
        print(f"the budget is not held here: it is that of {record['compiler']}, and this is {compiler}")
        return 0
    found = complaints(measured, budget, stages)
    for line in found:
        print(line)
    if found:
        print("to make these counts the budget: python -m benchmarks.speed.instructions --update")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
