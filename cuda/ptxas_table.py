"""What ptxas says of each kernel, as a table: ``python cuda/ptxas_table.py BUILD_LOG [--json]``."""

import json
import re
import sys
from pathlib import Path

_ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\w+)'")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_NAME = re.compile(r"(?:features|prepare|normalise|compose|fill|forest)_kernel")


def table(log):
    """Return a row a kernel and architecture: registers, stack and spills in bytes."""
    rows = []
    for line in log.splitlines():
        if found := _ENTRY.search(line):
            name = _NAME.search(found[1])
            rows.append({"kernel": name[0] if name else found[1], "architecture": found[2]})
        elif rows and (found := _STACK.search(line)):
            rows[-1] |= {"stack": int(found[1]), "spill_stores": int(found[2]), "spill_loads": int(found[3])}
        elif rows and (found := _USED.search(line)):
            rows[-1] |= {"registers": int(found[1])}
    return sorted(rows, key=lambda row: (row["kernel"], len(row["architecture"]), row["architecture"]))


def main():
    """Print the table."""
    rows = table(Path(sys.argv[1]).read_text())
    if not rows:
        sys.exit(f"{sys.argv[1]}: nothing from ptxas in it")
    if "--json" in sys.argv[2:]:
        print(json.dumps(rows))
        return
    print(f"{'kernel':16} {'for':7} {'registers':>9} {'stack':>6} {'spilled':>8}")
    for row in rows:
        spilled = row["spill_stores"] + row["spill_loads"]
        print(f"{row['kernel']:16} {row['architecture']:7} {row['registers']:9} {row['stack']:6} {spilled:8}")


if __name__ == "__main__":
    main()
