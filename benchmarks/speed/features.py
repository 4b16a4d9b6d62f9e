"""Time of the stamp features a triplet, and of their stages against the best peers, on one core.

    python -m benchmarks.speed.features [--only GROUP ...] [--stamps 512] [--rounds 15] [--isa v4] [--json FILE]

A group is a set of features (the native kernels by instruction set, the Numba twin, and SciPy for the eighteen of
autoScan) or a single stage of the kernels (``stages.cpp``, which this script builds) beside the packages that compute
the same (``stage_peers.py``). The contenders of a group take turns (A B C A B C ...) on one core, each in a process of
its own that waits while the others run. A ratio is taken within a round; the script prints the median over the rounds
and the range of the middle half. All contenders get the same synthetic stamps (51x51; sources, dipoles, cosmic rays,
saturated stars, noise).

The eighteen features by SciPy are the transcription of the tests (``tests/oracle``): one fit from autoScan's start,
with analytic derivatives ("scipy") and with the differences that SciPy takes itself ("scipy-numeric").
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.programs import REPOSITORY, build, processor, versions
from benchmarks.speed.rounds import Contender, quartiles, serve, time_in_turns
from benchmarks.speed.stage_inputs import FEW, Images, one_by_one
from benchmarks.speed.stage_peers import PEERS, note, peer

PACKAGES = ("numpy", "scipy", "numba", "astropy", "photutils", "galsim", "sep", "astroscrappy", "bottleneck", "torch")
#: The sets of features, as ``features`` names them.
SETS = {"autoscan": "autoscan-stamp", "s2v": "s2v", "both-sets": "stamp"}
ISAS = ("baseline", "v3", "v4") if platform.machine() in ("x86_64", "AMD64") else ("generic",)
#: Passes of a stage in a round, so that the clock can measure it.
PASSES = 4


def set_worker(group: str, name: str, planes: Images) -> None:
    """Work as a contender of a set of features."""
    if name.startswith("scipy"):
        sys.path.insert(0, str(REPOSITORY / "tests"))
        from oracle.autoscan import autoscan_original

        serve(one_by_one(lambda triplet: autoscan_original(triplet[2], triplet[1], name == "scipy"), planes, FEW))
        return
    from space2vec.compute import features
    from space2vec.data.stamps import Stamps

    batch = Stamps(planes)

    def run(turn: int) -> int:
        features(batch, set=SETS[group], threads=1)
        return len(planes)

    serve(run)


def worker(group: str, name: str, stamps: Path) -> None:
    """Work as a contender of a group."""
    planes = np.fromfile(stamps, dtype=np.float32).reshape(-1, 3, 51, 51)
    if group in SETS:
        set_worker(group, name, planes)
    else:
        serve(peer(group, name, planes))


def groups(stamps: Path, isa: str, stages: Path) -> dict[str, dict[str, Contender]]:
    """Return the contenders of each group; the first is space2vec with the instruction set `isa`."""

    def python(group: str, name: str, environment: Mapping[str, str] | None = None) -> Contender:
        return Contender([sys.executable, "-m", __spec__.name, "--worker", group, name, str(stamps)], environment or {})

    found: dict[str, dict[str, Contender]] = {}
    for group in SETS:
        members = {}
        for each in (isa, *(other for other in ISAS if other != isa)):
            members[f"native-{each}"] = python(group, "native", {"SPACE2VEC_BACKEND": "native", "SPACE2VEC_ISA": each})
        members["numba"] = python(group, "numba", {"SPACE2VEC_BACKEND": "numba"})
        if group == "autoscan":
            members |= {name: python(group, name) for name in ("scipy", "scipy-numeric")}
        found[group] = members
    for group, names in PEERS.items():
        ours = Contender([stages / f"bench_stages_{isa}", group, str(PASSES), str(stamps), "-"])
        found[group] = {f"space2vec-{isa}": ours} | {name: python(group, name) for name in names}
    return found


def summary(group: str, times: Mapping[str, list[float]]) -> dict[str, Any]:
    """Return the times of each contender of a group, and their ratios to those of the first."""
    ours = next(iter(times.values()))
    results: dict[str, Any] = {}
    for name, values in times.items():
        results[name] = {
            "microseconds": quartiles(values),
            "times_ours": quartiles([value / first for value, first in zip(values, ours, strict=True)]),
            "rounds": values,
        }
        if remark := note(group, name):
            results[name]["note"] = remark
        if "scipy" in times:
            faster = [slow / value for slow, value in zip(times["scipy"], values, strict=True)]
            results[name]["times_scipy"] = quartiles(faster)
    return results


def best_peer(results: Mapping[str, Any]) -> str | None:
    """Return the fastest contender of a group that is not part of space2vec."""
    others = [name for name in results if not name.startswith(("native", "space2vec", "numba"))]
    return min(others, key=lambda name: results[name]["microseconds"][1], default=None)


def print_group(group: str, results: Mapping[str, Any]) -> None:
    """Print the times and ratios of a group."""
    print(f"{group:24} {'us a triplet':>12s} {'middle half':>21s} {'times ours':>11s} {'middle half':>19s}")
    for name, result in results.items():
        spent, ratio = result["microseconds"], result["times_ours"]
        print(
            f"  {name:22} {spent[1]:12.2f} {spent[0]:10.2f}-{spent[2]:<10.2f} "
            f"{ratio[1]:11.2f} {ratio[0]:9.2f}-{ratio[2]:<9.2f} {result.get('note', '')}"
        )
    sys.stdout.flush()


def print_best(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Print, for each group, space2vec beside its Numba twin and the fastest other package."""
    print(f"{'':16} {'ours us':>9} {'against':>26} {'us':>10} {'times ours':>11} {'middle half':>19}")
    for group, members in results.items():
        ours = next(iter(members.values()))["microseconds"][1]
        for name in ("numba", best_peer(members)):
            if name not in members:
                continue
            spent, ratio = members[name]["microseconds"][1], members[name]["times_ours"]
            print(f"{group:16} {ours:9.2f} {name:>26} {spent:10.2f} {ratio[1]:11.2f} {ratio[0]:9.2f}-{ratio[2]:<9.2f}")


def write_stamps(path: Path, count: int) -> None:
    """Write the planes of synthetic triplets."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from oracle import stamps

    np.array([stamps.realistic(index).planes for index in range(count)], dtype=np.float32).tofile(path)


def main() -> None:
    """Run the benchmark."""
    names = (*SETS, *PEERS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stamps", type=int, default=512, help="triplets of a batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="the core to run on")
    parser.add_argument("--only", nargs="+", choices=names, metavar="GROUP", help=f"some of {', '.join(names)}")
    parser.add_argument("--isa", choices=ISAS, default=ISAS[-1], help="instruction set to compare with")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        group, name, stamps = arguments.worker
        worker(group, name, Path(stamps))
        return

    chosen = arguments.only or names
    target = f"bench_stages_{arguments.isa}"
    folder = build(target) if any(group in PEERS for group in chosen) else Path()
    os.sched_setaffinity(0, {arguments.core})
    device = processor()
    print(f"{device}, one core, {arguments.stamps} triplets of 51x51, {arguments.rounds} rounds", flush=True)
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as place:
        stamps = Path(place) / "stamps"
        write_stamps(stamps, arguments.stamps)
        for group, contenders in groups(stamps, arguments.isa, folder).items():
            if group not in chosen:
                continue
            times = time_in_turns(contenders, arguments.rounds)
            if not times:
                continue
            results[group] = summary(group, times)
            print_group(group, results[group])
    print_best(results)
    if arguments.json:
        compiler = {}
        if folder != Path():
            answer = subprocess.run([folder / target, "--compiler"], capture_output=True, text=True, check=True)
            compiler = {"compiler": answer.stdout.strip()}
        record = {
            "benchmark": "features",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": device,
            "isa": arguments.isa,
            "versions": versions(PACKAGES) | compiler,
            "stamps": arguments.stamps,
            "rounds": arguments.rounds,
            "quantiles": [0.25, 0.5, 0.75],
            "results": results,
        }
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
