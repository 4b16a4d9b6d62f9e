"""Kill a command with SIGKILL, again and again, resume it each time, and see that it ends with the same bytes.

python tests/stress/kill_resume.py [--kills 100] [--alerts 600] [--command score|features]

Half of the kills come at a random time, the other half before a random one of the calls that change the disk: these
hit the few milliseconds in which parts are made, joined and removed. The exit status is 0 if every run that came to its
end has left the files of an undisturbed run, byte for byte, and nothing else.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from space2vec.cli import main as command_line

#: Runs the command line, dying before the call of this number; a number that is not reached is told on its way out.
DRIVER = """
import os, signal, sys
left = int(sys.argv[1])
def dying(real):
    def call(*arguments, **options):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    return call
for name in ("write", "fsync", "replace", "unlink", "mkdir", "rmdir", "ftruncate"):
    setattr(os, name, dying(getattr(os, name)))
from space2vec.cli import main
status = main(sys.argv[2:])
print("left", left)
sys.exit(status)
"""


def make_night(folder, alerts, per_file):
    """Simulate alerts, and cut every twentieth file short."""
    words = ["simulate", "-n", str(alerts), "-o", str(folder), "--seed", "11", "--per-file", str(per_file)]
    assert command_line(words) == 0
    for path in sorted(folder.glob("*.avro"))[::20]:
        path.write_bytes(path.read_bytes()[:-3000])


def files_in(folder):
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


def where(folder, output):
    """Say how far a killed run had come."""
    parts = folder / f"{output.name}.parts"
    finished = len(list(parts.glob("0*.json"))) if parts.is_dir() else 0
    if output.exists():
        return "after the output was there"
    if any(folder.glob(f".{output.name}.*.part")):
        return "while the parts were joined"
    return "between parts" if finished else "before the first part"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--alerts", type=int, default=600)
    parser.add_argument("--per-file", type=int, default=1, help="alerts a file")
    parser.add_argument("--part-rows", type=int, default=64)
    parser.add_argument("--command", choices=("score", "features"), default="score")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as place:
        night, whole, folder = (Path(place, name) for name in ("night", "whole", "killed"))
        make_night(night, arguments.alerts, arguments.per_file)

        def words(into, *more):
            options = ["--part-rows", str(arguments.part_rows), "--threads", str(arguments.threads), *more]
            return [arguments.command, str(night), "-o", str(into / "out.parquet"), *options]

        whole.mkdir()
        begun = time.monotonic()
        told = subprocess.run([sys.executable, "-c", DRIVER, "-1", *words(whole)], capture_output=True, text=True)
        seconds = time.monotonic() - begun
        steps = -1 - int(told.stdout.split()[-1])
        expected = files_in(whole)
        table, errors = (pq.read_table(whole / name) for name in ("out.parquet", "out.errors.parquet"))
        ids = table["candidate_id"].drop_null()
        assert len(table) == arguments.alerts or arguments.per_file > 1
        assert len(pc.unique(ids)) == len(ids)
        print(
            f"undisturbed: {len(table)} rows, {len(errors)} errors, {seconds:.1f} s, {steps} calls that change the disk"
        )

        kills, ends, wrong = Counter(), 0, 0
        folder.mkdir()
        while kills.total() < arguments.kills or any(folder.iterdir()):
            last = kills.total() >= arguments.kills  # let alone
            by_step = rng.random() < 0.5
            step = rng.randrange(1, steps) if by_step and not last else -1
            with subprocess.Popen(
                [sys.executable, "-c", DRIVER, str(step), *words(folder, "--resume")],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            ) as run:
                try:
                    _, said = run.communicate(timeout=None if by_step or last else rng.uniform(0.3, seconds))
                except subprocess.TimeoutExpired:
                    run.kill()
                    _, said = run.communicate()
            if run.returncode == -signal.SIGKILL:
                kills[where(folder, folder / "out.parquet")] += 1
                continue
            if run.returncode not in (0, 1):
                sys.exit(f"a resumed run has failed:\n{said}")
            ends += 1
            if files_in(folder) != expected:
                wrong += 1
            shutil.rmtree(folder)
            folder.mkdir()
        print(f"{kills.total()} kills:", ", ".join(f"{count} {name}" for name, count in kills.most_common()))
        print(f"{ends} runs came to their end, {wrong} of them with other files than the undisturbed one")
        return 1 if wrong or not ends else 0


if __name__ == "__main__":
    sys.exit(main())
