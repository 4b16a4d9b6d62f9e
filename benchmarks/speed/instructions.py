"""Instructions a triplet of every stage of the kernels, counted by valgrind, and the budget that holds them.

    python -m benchmarks.speed.instructions [--only STAGE ...] [--update] [--program FILE]

A count does not depend on what else the machine does, so a change of 3 % in any stage shows. Each stage is run over the
triplets of ``made_triplets.hpp``, some passes and twice as many; the difference is the stage alone. The budget is in
``instructions.json``, for one compiler and the instruction set v3 (valgrind knows no AVX-512). The exit status is 1
where a stage takes more or less than its budget by over 3 %: more is to be mended, less is to be kept by
``--update``. With another compiler the counts are printed and not held.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.programs import build

BUDGET = Path(__file__).with_name("instructions.json")
ISA = "v3"
TOLERANCE = 0.03
PASSES = 8


def answer(*command: str | Path) -> str:
    """Return what a program prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def collected(program: Path, stage: str, passes: int) -> tuple[int, int]:
    """Return the instructions of a run of the program, and how many triplets it has."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, stage, str(passes)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"{stage}: valgrind failed\n{done.stderr}")
    return int(found[1]), int(done.stdout.split()[2])


def instructions(program: Path, stage: str) -> int:
    """Return the instructions that a stage takes a triplet."""
    once, triplets = collected(program, stage, PASSES)
    twice, _ = collected(program, stage, 2 * PASSES)
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="some of the stages")
    parser.add_argument("--update", action="store_true", help="make the counts the budget")
    parser.add_argument("--program", type=Path, help=f"bench_stages_{ISA}, already built")
    options = parser.parse_args()
    if platform.machine() not in ("x86_64", "AMD64"):
        print("the instruction budget is not held here: it is one of x86-64")
        return 0
    if shutil.which("valgrind") is None:
        print("no valgrind (on Debian or Ubuntu: apt install valgrind)")
        return 2
    program = options.program or build(f"bench_stages_{ISA}") / f"bench_stages_{ISA}"
    stages = answer(program, "--list").splitlines()
    compiler = answer(program, "--compiler")
    if unknown := set(options.only or ()).difference(stages):
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    chosen = [stage for stage in stages if stage in (options.only or stages)]
    with ThreadPoolExecutor(2) as pool:
        counts = pool.map(lambda stage: instructions(program, stage), chosen)
        measured = dict(zip(chosen, counts, strict=True))
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
