"""What ptxas says of each kernel, from the log of a build, as a table or as JSON.

``python tests/device/ptxas_table.py BUILD_LOG [--scratch FILE] [--json] [--no-spills]``. FILE is what
``space2vec_scratch`` prints: the shared memory that a warp of each kernel asks for at launch; some kernels have a value
for each model ("KERNEL MODEL"), and then a row for each. With ``--no-spills`` the exit status tells whether a kernel
spills registers, or a function that it calls.
"""

import argparse
import json
import re
import sys
from pathlib import Path

_ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\w+)'")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
_NAME = re.compile(r"([a-z]+(?:_[a-z]+)*_kernel)(?:ILi(\d+)E)?E")


def table(log, scratch):
    """Return a row a kernel and architecture: registers a thread; stack and spills in bytes; shared bytes a warp."""
    rows = []
    for line in log.splitlines():
        if found := _ENTRY.search(line):
            name = _NAME.search(found[1])
            kernel = name[1] + (f"<{name[2]}>" if name[2] else "") if name else found[1]
            rows.append({"kernel": kernel, "architecture": found[2], "stack": 0, "spilled": 0})
        elif rows and (found := _STACK.search(line)):  # one line a function that the kernel calls, too
            rows[-1]["stack"] = max(rows[-1]["stack"], int(found[1]))
            rows[-1]["spilled"] += int(found[2]) + int(found[3])
        elif rows and (found := _USED.search(line)):
            shared = _SHARED.search(line)
            rows[-1]["registers"] = int(found[1])
            rows[-1]["shared"] = int(shared[1]) if shared else 0
    for row in rows[:]:
        if asked := [name for name in scratch if name.split()[0] == row["kernel"]]:
            rows.remove(row)
            rows += [{**row, "kernel": name, "shared": scratch[name]} for name in asked]
    return sorted(rows, key=lambda row: (row["kernel"], len(row["architecture"]), row["architecture"]))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(prog="ptxas_table.py", description="What ptxas says of each kernel.")
    parser.add_argument("log", type=Path)
    parser.add_argument("--scratch", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-spills", action="store_true")
    arguments = parser.parse_args()
    scratch = json.loads(arguments.scratch.read_text()) if arguments.scratch else {}
    rows = table(arguments.log.read_text(), scratch)
    if not rows:
        sys.exit(f"{arguments.log}: nothing from ptxas in it")
    if arguments.json:
        print(json.dumps(rows))
    else:
        print(f"{'kernel':24} {'for':7} {'registers':>9} {'shared':>7} {'stack':>6} {'spilled':>8}")
        for row in rows:
            numbers = f"{row['registers']:9} {row['shared']:7} {row['stack']:6} {row['spilled']:8}"
            print(f"{row['kernel']:24} {row['architecture']:7} {numbers}")
    if arguments.no_spills and (spilling := sorted({row["kernel"] for row in rows if row["spilled"]})):
        sys.exit(f"registers are spilled: {', '.join(spilling)}")


if __name__ == "__main__":
    main()
