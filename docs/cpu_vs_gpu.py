"""Write docs/cpu-vs-gpu.md from what ``space2vec bench`` measured: ``make pages``.

Every ``benchmarks/results/cpu_vs_gpu*.json`` is one machine: ``space2vec bench -o ...``. What was asked for of an H100
is held against what was measured, or said not to be measured.
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

What a GPU gives for this work, as `space2vec bench` measures it by the calls that users make: each stage on one core,
on all cores, on a GPU with data and results in its memory, and on a GPU from page-locked memory of the host and back.
The columns take turns (A B C D A B C D ...); a figure is the median of the rounds. "GPU pays from" is the smallest
batch from which on the GPU, copies included, is faster than all cores. What bounds a stage is a limit that was measured
in the same run and of which it takes half or more: the bandwidth of a copy on the cores or on the device (for the bytes
that the stage reads and writes at least), or that of the link; else its arithmetic, or, where copies and calls leave
less than 70 % of the rate in place, these. Memory for the results is part of a call.

`space2vec bench -o FILE.json --plot FILE.png` measures your machine, `--quick` the main stages in a minute.
"""

YOURS = """\
## You have a GPU

Whether it gives the bits of the CPU, and how fast, one script tells within eight minutes, from a copy of the
repository:

    cuda/device_check.sh

It ends with the name of one file, `build/device/results.tar.gz`. **Please send that file**, with an issue; it is
whole at any moment, so if the machine stops or you are in a hurry, send what is there. Nothing is sent by itself.

- It needs an NVIDIA GPU of compute capability 8.0 or later (A100, L4, RTX 30, H100, ...) with a driver for CUDA 12 or
  13, Python 3.11 or later with NumPy, and, to build, pybind11, CMake 3.25 and the CUDA toolkit: `pip install numpy
  pybind11 cmake ninja pytest`. PyTorch, CuPy, JAX, Numba, `ncu` and `compute-sanitizer` take part where they are
  there; what is not is named in the results.
- It needs no network, writes into `build/device` alone, and touches no setting of the GPU: neither clocks nor modes.
- `--seconds S` bounds it otherwise; each step is bounded too, and one that hangs is stopped while the others go on.
  Status 0: all is well; 77: there is no device here (the file says what was found instead); else something failed,
  and the file is worth the more.
- In the file are the name and driver of the GPU, the processor, versions of packages, bits that differ, rates, and
  logs of the tools: text and JSON, neither data nor names of yours beyond the path of the copy.

Where the GPU's machine has no compiler, build on another one: `make device-package` there (Linux, x86-64, nvcc,
Python 3.12 with its headers; `CUDA_ARCHITECTURES=90` for one kind of GPU alone) makes `build/device-package.tar.gz`,
which runs with Python 3.12 and a glibc of 2.34 or later. Unpack it beside the repository's copy and say
`cuda/device_check.sh --tree device-package`.
"""


NO_GPU = """\
**No GPU has been measured yet.** The machines at hand had none. The logic around the kernels is tested on a stand-in
whose device is the host; every figure of a GPU is missing below, and what is said of one is arithmetic on paper.
"""

WAITING = """\
The instructions are counted roughly, and most wait for the one before: with three warps for each scheduler to choose
from, as of the eighteen, a half to two thirds of the limit is to be expected, with two, as of both sets, a third to a
half (`cuda/features.cu`).
"""

ON_PAPER = """\
On paper, until one is measured:

- Stamps that are on the GPU already, as a difference-imaging pipeline or a training run there has them: features,
  recipes and scores cost no transfer, and the stamps need not leave.
- Stamps in the memory of the host: the link carries two million triplets of 51x51 a second at most, four where
  pixels take 16 bits (`SPACE2VEC_DEVICE_PIXELS`). That is what
  eighteen features a triplet can gain over cores that measure some tens of thousands a second each; a normaliser
  alone, which a core does at about the bandwidth of its memory, gains nothing by a trip over a slower link.
- Alerts in files: hardly. A core spends at least as much on reading and inflating an alert as on features and forest,
  so a GPU idles behind the reader; more cores are the better buy.
- A network of many layers on planes: yes, where batches are large; the packaged one is small enough for the CPU.
- A few stamps at a time: no. A launch, two copies and a wait take longer than a core takes for them.
"""

#: What was asked for on an H100: stage, column, rate asked for (or None), share of the limit asked for (or None).
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

#: On paper, of an H100, a second: bytes of memory (SXM, HBM3) and of the link (PCIe 5.0 x16, one way), by NVIDIA's data
#: sheet; instructions of a warp and scattered addresses, of 132 multiprocessors at 1.7 GHz.
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
    """Return what was asked for, and what was measured."""
    told = []
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
        told.append((f"{stage}, {column}", wanted, "; ".join(found) or "not measured"))
    return table(("stage", "asked for", "measured"), told)


def paper() -> str:
    """Return the limits of an H100 on paper."""
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
    told = [(what, f"{count:,} {unit}", f"{figure(PAPER[unit] / count)}/s") for what, unit, count in takes]
    return table(("of 51x51 pixels", "takes", "at most"), told)


def reading(record: Mapping[str, Any]) -> str:
    """Return what alerts that are read from files leave for a GPU to gain."""
    results = record["results"]
    read, chain = (results.get(name, {}).get("columns", {}).get("one core", {"not run": ""})
                   for name in ("alerts: files to stamps", "score: stamps by a forest"))  # fmt: skip
    if "not run" in read or "not run" in chain:
        return ""
    a, b = (column["processor microseconds"][1] for column in (read, chain))
    return (
        f"Alerts that come from files are read and inflated by the CPU, all three planes in {a:.0f} microseconds of a "
        f"core here; features and forest take another {b:.0f}. However fast a GPU is, files to scores becomes at most "
        f"{(a + b) / a:.1f} times as fast by taking the second off the CPU.\n"
    )


def pays(records: Sequence[Mapping[str, Any]]) -> str:
    """Return when a GPU pays, and when it does not."""
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
        yield "**Other work took part of the cores meanwhile:** figures of the CPU are too low.\n"
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
    parts += ["## Asked for of an H100\n", asked(records)]
    parts += [
        "On paper, an H100 (3.35 TB/s of memory, 63 GB/s of link one way, 132 multiprocessors):\n",
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
