"""One file of what device_check.sh has found so far: ``python tests/device/summary.py WORK FOLDER``.

WORK holds ``spread.json``, ``parity.json`` and ``parity_again.json`` once the parity suite has run, and ``build.log``
and ``scratch.json`` where the build is known, FOLDER the steps and logs. Writes ``parity_<device>.json`` into FOLDER,
or ``check.json`` before the device has a name, and replaces it as a whole.
"""

import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path


def steps(text):
    """Return what became of each step and after how many seconds, by its name."""
    lines = [line.split("\t") for line in text.splitlines()]
    return {name: {"outcome": outcome, "seconds": int(seconds)} for name, outcome, seconds in lines}


def parsed(file):
    """Return what a file of JSON holds; nothing where whoever wrote it was stopped."""
    try:
        return json.loads(file.read_text())
    except ValueError:
        return {}


def kernels(work):
    """Return the registers, shared memory and spills of each kernel, or nothing where the build's log is not there."""
    log, scratch = work / "build.log", work / "scratch.json"
    if not (log.is_file() and scratch.is_file()):
        return None
    table = Path(__file__).with_name("ptxas_table.py")
    command = [sys.executable, str(table), str(log), "--json", "--scratch", str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def main():
    """Write the file."""
    work, folder = map(Path, sys.argv[1:3])
    runs = {name: work / f"{name}.json" for name in ("parity", "spread", "parity_again")}
    known = {name: parsed(file) for name, file in runs.items() if file.is_file()}
    result = dict(known.get("parity") or known.get("spread") or {})
    if known.get("parity_again"):
        again = ("passed", "failed", "microseconds_a_row")
        result["again"] = {name: known["parity_again"].get(name) for name in again}
    result["steps"] = steps((folder / "steps.tsv").read_text())
    result["date"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    result["revision"] = (folder / "revision.log").read_text().strip()
    result["ptxas"] = kernels(work)
    name = "check"
    if "device" in result:
        name = "parity_" + re.sub(r"[^a-z0-9]+", "_", result["device"].lower()).strip("_")
        (folder / "check.json").unlink(missing_ok=True)
    written = folder / f"{name}.json.new"
    written.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(written, folder / f"{name}.json")


if __name__ == "__main__":
    main()
