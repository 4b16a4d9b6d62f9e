"""Instructions a triplet of every stage of the kernels, counted by valgrind, and the budget that holds them.

    python -m benchmarks.speed.instructions [--only STAGE ...] [--update] [--program FILE [--emulator COMMAND]]

A count does not depend on what else the machine does, so a change of 3 % in any stage shows. The program runs each
stage over the triplets of ``synthetic_triplets.hpp``, some passes and then twice as many; the difference is the stage
alone. ``instructions.json`` holds the budget, for one compiler and the instruction set v3 (valgrind knows no AVX-512).
The exit status is 1 where a stage differs from its budget by over 3 %: mend what takes more; keep what takes less by
``--update``. With another compiler the script prints the counts and does not compare them.

``--emulator "qemu-aarch64 -cpu max -L /usr/aarch64-linux-gnu"`` counts the instructions of a program for another
processor, by a plugin of the emulator. The preset ``aarch64`` with ``-DSPACE2VEC_BUILD_BENCHMARKS=ON`` builds the
program. The script prints these counts beside the budget of x86-64 and does not compare them.
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
#: Times that a run goes over every triplet.
PASSES = 8
VALGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
PLUGIN = Path(__file__).with_name("count_emulated.c")


def load_plugin(emulator: Sequence[str], folder: Path) -> tuple[str | Path, ...]:
    """Compile the plugin; return the command with which an emulator counts the instructions of a program."""
    plugin = folder / "count_emulated.so"
    subprocess.run(["cc", "-std=c11", "-O2", "-shared", "-fPIC", "-o", plugin, PLUGIN], check=True)
    return (*emulator, "-plugin", plugin)


def run_program(*command: str | Path) -> str:
    """Return what a program prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def count_run(counter: Sequence[str | Path], program: Path, stage: str, passes: int) -> tuple[int, int]:
    """Return the instructions of one run of the program, and the number of triplets."""
    finished = subprocess.run([*counter, program, stage, str(passes)], capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", finished.stderr)
    if finished.returncode or not found:
        raise SystemExit(f"{stage}: {counter[0]} failed\n{finished.stderr}")
    return int(found[1]), int(finished.stdout.split()[2])


def count_stage(counter: Sequence[str | Path], program: Path, stage: str) -> int:
    """Return the instructions that a stage takes for one triplet."""
    once, triplets = count_run(counter, program, stage, PASSES)
    twice, _ = count_run(counter, program, stage, 2 * PASSES)
    return round((twice - once) / (PASSES * triplets))


def find_differences(measured: dict[str, int], budget: dict[str, int], stages: Iterable[str]) -> list[str]:
    """Return what is wrong: too many instructions, too few, a stage without a budget, a budget without a stage."""
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


def format_table(measured: dict[str, int], budget: dict[str, int]) -> str:
    """Return counts beside their budgets, one stage a line."""
    lines = [f"{'instructions a triplet':24}{'counted':>10}{'budget':>10}"]
    for stage, count in measured.items():
        allowed = budget.get(stage)
        lines.append(f"{stage:24}{count:10}" + (f"{allowed:10}{count / allowed - 1:+8.1%}" if allowed else ""))
    return "\n".join(lines)


def count_stages(
    counter: Sequence[str | Path], program: Path, stages: Sequence[str], only: Sequence[str] | None
) -> dict[str, int]:
    """Return the instructions a triplet of every stage, or of those in `only`."""
    if unknown := set(only or ()).difference(stages):
        raise SystemExit(f"no such stage: {', '.join(sorted(unknown))}")
    chosen = [stage for stage in stages if stage in (only or stages)]
    with ThreadPoolExecutor(2) as pool:
        counts = pool.map(lambda stage: count_stage(counter, program, stage), chosen)
        return dict(zip(chosen, counts, strict=True))


def count_emulated(emulator: Sequence[str], program: Path, only: Sequence[str] | None) -> int:
    """Count the stages of a program that an emulator runs, and print them."""
    stages = run_program(*emulator, program, "--list").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        measured = count_stages(load_plugin(emulator, Path(folder)), program, stages, only)
    print(format_table(measured, json.loads(BUDGET.read_text())["instructions"]))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="count these stages alone")
    parser.add_argument("--update", action="store_true", help="make the counts the budget")
    parser.add_argument("--program", type=Path, help=f"bench_stages_{ISA}, already built")
    parser.add_argument(
        "--emulator", type=shlex.split, default=[], metavar="COMMAND", help="command that runs the program"
    )
    options = parser.parse_args()
    if options.emulator:
        if options.program is None or options.update:
            parser.error("--emulator needs --program and writes no budget")
        return count_emulated(options.emulator, options.program, options.only)
    if platform.machine() not in ("x86_64", "AMD64"):
        print("the instruction budget is not checked here: it is one of x86-64")
        return 0
    if shutil.which("valgrind") is None:
        print("no valgrind (on Debian or Ubuntu: apt install valgrind)")
        return 2
    program = options.program or build(f"bench_stages_{ISA}") / f"bench_stages_{ISA}"
    stages = run_program(program, "--list").splitlines()
    compiler = run_program(program, "--compiler")
    measured = count_stages(VALGRIND, program, stages, options.only)
    record = json.loads(BUDGET.read_text()) if BUDGET.exists() else {"compiler": compiler, "instructions": {}}
    budget = record["instructions"]
    print(format_table(measured, budget))
    if options.update:
        newest = measured if record["compiler"] != compiler else budget | measured
        updated = {stage: newest[stage] for stage in stages if stage in newest}
        BUDGET.write_text(json.dumps({"compiler": compiler, "isa": ISA, "instructions": updated}, indent=1) + "\n")
        print(f"{BUDGET.name}: written")
        return 0
    if record["compiler"] != compiler:
        print(f"the budget is not checked here: it is that of {record['compiler']}, and this is {compiler}")
        return 0
    found = find_differences(measured, budget, stages)
    for line in found:
        print(line)
    if found:
        print("to make these counts the budget: python -m benchmarks.speed.instructions --update")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
