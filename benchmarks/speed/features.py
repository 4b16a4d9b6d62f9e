"""Time of the stamp features a triplet, and of their stages against the best peers, on one core.

    python -m benchmarks.speed.features [--only GROUP ...] [--stamps 512] [--rounds 15] [--isa v4] [--json FILE]

The groups are the sets of features (the native kernels of each instruction set, the Numba twin, and for autoScan's
eighteen SciPy) and single stages of the kernels (``stages.cpp``, built here) with what others offer for the same
(``stage_peers.py``). The contenders of a group take turns (A B C A B C ...), each in a process of its own that waits
while the others run, all on one core. A ratio is taken within a round; what is printed is the median over the rounds
and the range of the middle half. Stamps are made (51x51; sources, dipoles, cosmic rays, saturated stars, noise), the
same for everyone.

SciPy's eighteen features are the transcription of the tests (``tests/oracle``): one fit from autoScan's start, with
analytic derivatives ("scipy") and with SciPy's own differences ("scipy-numeric").
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
from benchmarks.speed.rounds import Contender, play, quartiles, serve
from benchmarks.speed.stage_inputs import FEW, Images, one_by_one
from benchmarks.speed.stage_peers import PEERS, note, peer

PACKAGES = ("numpy", "scipy", "numba", "astropy", "photutils", "galsim", "sep", "astroscrappy", "bottleneck", "torch")
#: The sets of features, as ``features`` names them.
SETS = {"autoscan": "autoscan-stamp", "s2v": "s2v", "both-sets": "stamp"}
ISAS = ("baseline", "v3", "v4") if platform.machine() in ("x86_64", "AMD64") else ("generic",)
#: Passes of our stages in a round, for the clock.
PASSES = 4


def set_worker(group: str, name: str, planes: Images) -> None:
    """Be a contender of a set of features."""
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
    """Be a contender."""
    planes = np.fromfile(stamps, dtype=np.float32).reshape(-1, 3, 51, 51)
    if group in SETS:
        set_worker(group, name, planes)
    else:
        serve(peer(group, name, planes))


def groups(stamps: Path, isa: str, stages: Path) -> dict[str, dict[str, Contender]]:
    """Return the contenders of each group; the first is ours, and the best that we have."""

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
    """Return the figures of a group: what each contender took, and as many times ours, which is the first."""
    ours = next(iter(times.values()))
    results: dict[str, Any] = {}
    for name, values in times.items():
        results[name] = {
            "microseconds": quartiles(values),
            "times_ours": quartiles([value / own for value, own in zip(values, ours, strict=True)]),
            "rounds": values,
        }
        if told := note(group, name):
            results[name]["note"] = told
        if "scipy" in times:
            faster = [slow / value for slow, value in zip(times["scipy"], values, strict=True)]
            results[name]["times_scipy"] = quartiles(faster)
    return results


def best_peer(results: Mapping[str, Any]) -> str | None:
    """Return the fastest contender of a group that is neither ours nor our Numba twin."""
    others = [name for name in results if not name.startswith(("native", "space2vec", "numba"))]
    return min(others, key=lambda name: results[name]["microseconds"][1], default=None)


def show(group: str, results: Mapping[str, Any]) -> None:
    """Print the figures of a group."""
    print(f"{group:24} {'us a triplet':>12s} {'middle half':>21s} {'times ours':>11s} {'middle half':>19s}")
    for name, told in results.items():
        spent, ratio = told["microseconds"], told["times_ours"]
        print(
            f"  {name:22} {spent[1]:12.2f} {spent[0]:10.2f}-{spent[2]:<10.2f} "
            f"{ratio[1]:11.2f} {ratio[0]:9.2f}-{ratio[2]:<9.2f} {told.get('note', '')}"
        )
    sys.stdout.flush()


def show_best(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Print ours beside our Numba twin and the best of the others, in each group."""
    print(f"{'':16} {'ours us':>9} {'against':>26} {'us':>10} {'times ours':>11} {'middle half':>19}")
    for group, members in results.items():
        ours = next(iter(members.values()))["microseconds"][1]
        for name in ("numba", best_peer(members)):
            if name not in members:
                continue
            spent, ratio = members[name]["microseconds"][1], members[name]["times_ours"]
            print(f"{group:16} {ours:9.2f} {name:>26} {spent:10.2f} {ratio[1]:11.2f} {ratio[0]:9.2f}-{ratio[2]:<9.2f}")


def write_stamps(path: Path, count: int) -> None:
    """Write the planes of made triplets."""
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
    parser.add_argument("--isa", choices=ISAS, default=ISAS[-1], help="the instruction set that is called ours")
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
            times = play(contenders, arguments.rounds)
            if not times:
                continue
            results[group] = summary(group, times)
            show(group, results[group])
    show_best(results)
    if arguments.json:
        compiler = {}
        if folder != Path():
            told = subprocess.run([folder / target, "--compiler"], capture_output=True, text=True, check=True)
            compiler = {"compiler": told.stdout.strip()}
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
