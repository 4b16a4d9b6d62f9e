"""Write docs/cpu-vs-gpu.md from what ``space2vec bench`` measured: ``make pages``.

Every ``benchmarks/results/cpu_vs_gpu*.json`` is one machine: ``space2vec bench -o ...``. The requirements on an H100
are listed with what was measured, or as not measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from space2vec.bench.report import figure, has_other_load, rows

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "benchmarks" / "results"

INTRODUCTION = """\
# CPU against GPU

<!-- Written by docs/cpu_vs_gpu.py from benchmarks/results/cpu_vs_gpu*.json: `make pages`. -->

This page says which stages of the work are faster on a GPU, and by how much. `space2vec bench` measures each stage by
the calls that users make, in four ways: on one core, on all cores, on a GPU with data and results in its memory ("GPU
in place"), and on a GPU with transfers from and to page-locked host memory. `space2vec bench -o FILE.json --plot
FILE.png` measures your machine; `--quick` measures the main stages in a minute.

- The columns take turns (A B C D A B C D ...), and a figure is the median of the rounds. Allocating memory for the
  results is included.
- "GPU pays from" is the smallest batch from which on the GPU, transfers included, is faster than all cores.
- "Bound by" names the limit of a stage. It is a bandwidth, if the bytes that the stage must read and write take half
  or more of the one measured in the same run: of a copy on the cores, of a copy on the GPU, or of the link between
  them. Otherwise it is arithmetic; or copies and calls, if with transfers a stage reaches less than 70 % of its rate
  in place.
"""

YOURS = """\
## Measure your GPU

If you have a GPU, one script checks within eight minutes whether it gives the bits of the CPU, and how fast it is.
Run it in a copy of the repository:

    cuda/device_check.sh

At its end it prints the name of one file, `build/device/results.tar.gz`. **Please send us that file** with an issue.
The script sends nothing itself. The file is complete at any moment, so an interrupted run is useful too.

- Needed are an NVIDIA GPU of compute capability 8.0 or later (A100, L4, RTX 30, H100, ...) with a driver for CUDA 12 or
  13, Python 3.11 or later with NumPy, and, to build, pybind11, CMake 3.25 and the CUDA toolkit: `pip install numpy
  pybind11 cmake ninja pytest`. PyTorch, CuPy, JAX, Numba, `ncu` and `compute-sanitizer` are used if they are installed;
  the results name those that are not.
- It needs no network, writes into `build/device` only, and changes no setting of the GPU, neither clocks nor modes.
- `--seconds S` sets another time limit. Each step has a limit too; a step that hangs is stopped, and the others
  continue.
- Status 0 means that everything passed, and 77 that no device was found (the file says what was found instead). Any
  other status means that something failed, which makes the file all the more useful.
- The file contains the name and driver of the GPU, the processor, versions of packages, bits that differ, rates, and
  logs of the tools. It contains no data, and no names of yours except the path of the copy.

If the machine with the GPU has no compiler, build on another one (Linux, x86-64, nvcc, Python 3.12 with its headers):
`make device-package` writes `build/device-package.tar.gz`, which runs with Python 3.12 and a glibc of 2.34 or later
(`CUDA_ARCHITECTURES=90` builds for one kind of GPU only). Unpack it in the copy of the repository and run
`cuda/device_check.sh --tree device-package`.
"""


NO_GPU = """\
**No GPU has been measured yet.** No machine with one was available. The code around the kernels is tested
with a stand-in whose device is the host. All GPU figures below are missing, and what the text says about GPUs is
calculated.
"""

WAITING = """\
The instructions are rough counts, and most of them wait for the result of the one before. With three warps for each
scheduler, as for the eighteen autoScan features, half to two thirds of the limit can be expected; with two, as for both
sets, a third to a half (`cuda/features.cu`).
"""

ON_PAPER = """\
These are calculations, until a GPU is measured:

- **Stamps already in GPU memory**, as in a difference-imaging pipeline or a training run: yes. Features, recipes and
  scores cost no transfer, and the stamps need not leave the GPU.
- **Stamps in host memory**: for features, but not for a single normaliser. The link transfers at most two million
  triplets of 51x51 pixels a second, four million with 16 bits a pixel (`SPACE2VEC_DEVICE_PIXELS`). A core measures
  eighteen features of some tens of thousands a second. A normaliser alone runs on a core at about the bandwidth of
  its memory, so a transfer over a slower link gains nothing.
- **Alerts in files**: hardly. Reading and inflating an alert takes a core at least as long as its features and the
  forest, so the GPU waits for the reader, and more cores are the better purchase.
- **A network with many layers on planes**: yes, for large batches. The packaged network is small enough for the CPU.
- **A few stamps at a time**: no. A launch, two copies and a wait take longer than a core needs for them.
"""

#: The requirements on an H100: stage, column, rows a second (or None), share of the limit (or None).
ASKED: tuple[tuple[str, str, float | None, float | None], ...] = (
    ("features: autoScan's eighteen", "gpu in place", 5e6, None),
    ("features: both sets", "gpu in place", 2.5e6, None),
    ("normalise: l2", "gpu in place", None, 0.80),
    ("normalise: asinh", "gpu in place", None, 0.80),
    ("normalise: min-max", "gpu in place", None, 0.80),
    ("normalise: median-mad", "gpu in place", None, 0.30),
    ("score: features by a forest", "gpu in place", 50e6, None),
    ("features: autoScan's eighteen", "gpu with transfers", None, 0.85),
)

#: What an H100 does in a second, calculated: bytes of memory (SXM, HBM3) and of the link (PCIe 5.0 x16, one way), by
#: its data sheet; instructions of a warp and scattered addresses, of 132 multiprocessors at 1.7 GHz.
PAPER = {
    "bytes of memory": 3.35e12,
    "bytes of the link": 63e9,
    "instructions": 132 * 4 * 1.7e9,
    "addresses": 132 * 1.7e9,
}


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all but the first column are numbers."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *body)]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(head) - 1), *lines[1:]]) + "\n"


def asked(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of requirements and measurements."""
    lines = []
    for stage, column, rate, share in ASKED:
        wanted = f"{figure(rate)}/s" if rate is not None else f"{100 * (share or 0):.0f} % of the limit"
        found = []
        for record in records:
            got = record["results"].get(stage, {}).get("columns", {}).get(column, {"not run": ""})
            if "not run" in got:
                continue
            value = got["rate"][1] if rate is not None else got["share"]["value"]
            met = value >= (rate if rate is not None else share or 0)
            reached = f"{figure(value)}/s" if rate is not None else f"{100 * value:.0f} %"
            found.append(f"{record['gpu']['name']}: {reached}, {'met' if met else '**missed**'}")
        lines.append((f"{stage}, {column}", wanted, "; ".join(found) or "not measured"))
    return table(("stage", "required", "measured"), lines)


def paper() -> str:
    """Return the table of the calculated limits of an H100."""
    plane = 4 * 51 * 51
    takes = [
        ("a plane read and written (l2, asinh, min-max)", "bytes of memory", 2 * plane),
        ("a triplet read (features)", "bytes of memory", 3 * plane),
        ("a triplet over the link", "bytes of the link", 3 * plane),
        ("eighteen features", "instructions", 100_000),
        ("both sets", "instructions", 200_000),
        ("a row of 67 features read (forest)", "bytes of memory", 4 * 68),
        ("the nodes of 100 trees of depth 12 (forest)", "addresses", 1200),
    ]
    lines = [(what, f"{count:,} {unit}", f"{figure(PAPER[unit] / count)}/s") for what, unit, count in takes]
    return table(("51x51 pixels", "needs", "at most"), lines)


def reading(record: Mapping[str, Any]) -> str:
    """Return a sentence on how much a GPU can gain if alerts are read from files."""
    results = record["results"]
    read, chain = (results.get(name, {}).get("columns", {}).get("one core", {"not run": ""})
                   for name in ("alerts: files to stamps", "score: stamps by a forest"))  # fmt: skip
    if "not run" in read or "not run" in chain:
        return ""
    a, b = (column["processor microseconds"][1] for column in (read, chain))
    return (
        f"The CPU reads alert files and inflates the three planes, which takes {a:.0f} microseconds of a core here; "
        f"features and forest take another {b:.0f}. However fast a GPU does the latter, scoring from files becomes at "
        f"most {(a + b) / a:.1f} times as fast.\n"
    )


def pays(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the list of stages for which a GPU pays, and for which it does not."""
    lines = []
    for record in records:
        if "name" not in record["gpu"]:
            continue
        known = {stage: found["break even"]["all cores"] for stage, found in record["results"].items()
                 if "break even" in found and "all cores" in found["break even"]}  # fmt: skip
        always = [f"{stage} (from {least} rows)" for stage, least in known.items() if least is not None]
        never = [stage for stage, least in known.items() if least is None]
        lines.append(
            f"- {record['gpu']['name']} against {record['cores']} cores, transfers included: pays for "
            f"{', '.join(always) or 'nothing'}; does not for {', '.join(never) or 'nothing'}.\n"
        )
    if lines:
        return "".join(lines)
    return ON_PAPER


def machine(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paragraphs of one machine."""
    gpu = record["gpu"]
    yield f"## {record['device']}{' and ' + gpu['name'] if 'name' in gpu else ', no GPU'}\n"
    packages = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    cuda = ", ".join(f"{name} {version}" for name, version in record["cuda"].items())
    yield (
        f"Measured {record['date'][:10]}: {record['cores']} cores ({record['isa']}), "
        f"{'CUDA ' + cuda + ', ' if cuda else ''}{packages}; triplets of {record['side']}x{record['side']}, "
        f"{record['rounds']} rounds. Load of the machine before: {record['load before']:.1f}.\n"
    )
    if has_other_load(record):
        yield "**Other programs used part of the cores meanwhile:** the CPU figures are too low.\n"
    if "not run" in gpu:
        yield f"The columns of the GPU were not run: {gpu['not run']}.\n"
    yield table(*rows(record))
    measured = {name: value for name, value in record["limits"].items() if not isinstance(value, dict)}
    yield "Limits: " + "; ".join(f"{name} {figure(value[1])} a second" for name, value in measured.items()) + ".\n"
    yield reading(record)


def document(records: Sequence[Mapping[str, Any]]) -> str:
    """Return the text of docs/cpu-vs-gpu.md."""
    parts = [INTRODUCTION, YOURS]
    if not any("name" in record["gpu"] for record in records):
        parts.append(NO_GPU)
    parts += ["## Requirements on an H100\n", asked(records)]
    parts += [
        "Calculated limits of an H100 (3.35 TB/s of memory, 63 GB/s of link one way, 132 multiprocessors):\n",
        paper(),
        WAITING,
    ]
    parts += ["## When a GPU pays\n", pays(records)]
    for record in records:
        parts += machine(record)
    return "\n".join(part for part in parts if part)


def load() -> list[Any]:
    """Return the records of all machines."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("cpu_vs_gpu*.json"))]


def main() -> None:
    """Write the document."""
    records = load()
    (HERE / "cpu-vs-gpu.md").write_text(document(records), encoding="utf-8")
    print(f"docs/cpu-vs-gpu.md from {len(records)} records")


if __name__ == "__main__":
    main()
