"""Write docs/device-kernels.md from benchmarks/results/device_kernels.json: ``make pages``.

For each kernel and architecture, the record has the report of ptxas (``tests/device/ptxas_table.py``) and the bytes of
code (the sections .text of a cubin, ``readelf -SW``); for some kernels also the same from before medians were found by
pivots and convolutions multiplied as matrices. It also has the counts of benchmarks/speed/warp_instructions.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RECORD = HERE.parent / "benchmarks" / "results" / "device_kernels.json"

#: Instructions of a warp that an H200 begins a second: 132 multiprocessors, four schedulers each, 1.98 GHz.
ISSUED = 132 * 4 * 1.98e9

#: Bytes of shared memory of a multiprocessor of an H200, and those that each block takes in addition to its own.
SHARED = 228 * 1024
RESERVED = 1024

INTRODUCTION = """\
# Kernels on a device

<!-- Written by docs/device_kernels.py from benchmarks/results/device_kernels.json: `make pages`. -->

This page lists the registers, shared memory and code of each CUDA kernel as compiled, and calculates what an H200
could do with them. **Nothing on this page was measured on a device.** No kernel spills registers.

*Scratch* is the shared memory of one warp (for normalisers and compositions, with a plane of 51x51 pixels). *Warps*
is how many warps one multiprocessor of an H200 holds at a time, limited by their scratch and by the launch bounds of
the kernel. "A to B" means before and after medians were found by pivots and convolutions multiplied as matrices.
"""

SEARCH = """\
## Medians and percentiles

A median is found without sorting all values. The search sorts 32 samples across the lanes, counts the values around
two pivots in each pass, and stops when at most 64 values remain between them; these are sorted in registers. The
table has the number of passes over the values for a median, before and now: the mean of {tries} simulated planes of
noise, of which some pixels are masked as in a window.

| pixels | before | now |
|---:|---:|---:|
{rows}

On sm_90 a counting pass took 4.3 instructions for 32 values (7.3 for deviations from a median), and now takes 7 (9).
Each pass ends with sums across the lanes, for which the warp waits.
"""

INSTRUCTIONS = """\
## Instructions of a warp

The table has the instructions that a warp executes for a triplet, or for a normalised plane, of 51x51 pixels, before
and now. They are counted without a device: `python -m benchmarks.speed.warp_instructions` runs the kernels on 32
fibers, counts what one lane executes, weights each instruction by the sm_90 instructions that replace it, and adds
the exchanges between lanes. A device compiler may generate a fifth more or less for a loop. "At most" is the rate of
an H200 if an instruction is issued in every slot: 1.05 T a second, by 132 multiprocessors with four schedulers at
1.98 GHz.

| | before | now | of these shuffles and votes | at most, M/s |
|---|---:|---:|---:|---:|
{rows}

- **Latency.** A multiprocessor holds eight warps of the features, two for each scheduler, and twelve of the eighteen
  autoScan features alone. Most instructions wait for the one before. A third to a half of the limit can be expected
  with two warps for each scheduler, half or more with three.
- **Loads.** A lane loads 34 values of a window at a time, so that it waits three times for a plane. Planes of up to
  32 kB are copied to shared memory, 16 bytes a thread if both addresses are aligned. Of larger planes too few would
  fit; they are read again from the caches. Column counts and the samples of zscale are in registers. Copying the
  science plane for the saturation level would not pay, because what is cut from it afterwards is in the caches.
- **Instruction cache.** It has 128 kB, less than the kernels: the eighteen features have 257 kB (sm_90), of which 59
  are paths for diverged lanes only, and much of the rest runs once a triplet. What runs repeatedly is smaller: some
  38 kB for a step of the fit, 33 for an iteration of the moments, 16 for the search of a median. Warps in different
  parts should therefore share the cache; only a profile on a device can confirm it.
"""

NETWORK = """\
## From stamps to the scores of a network

After the features, two kernels turn a stamp into a score: one cuts and prepares its planes, the other runs the
network. Between them, global memory holds the bytes that the first convolution takes. The table compares three
designs for `stampnet` and stamps of 51x51 pixels: floats between two kernels (before), bytes between two kernels
(now), and one kernel.

| for one stamp | floats between | bytes between: now | one kernel |
|---|---:|---:|---:|
| bytes of memory for the planes: pixels read, planes written and read | 83,484 | 44,316 | 31,212 |
| rate limited by these, M/s | 57 | 108 | 154 |
| bytes between the kernels | 26,136 | 6,552 | 0 |
| instructions of the planes | {planes_before:,} | {planes:,} | {planes:,} |
| instructions of the network | {network_before:,} | {network:,} | {network:,} |
| warps that prepare, on a multiprocessor | 16 | 16 | 12 |
| warps that run the network | 8 | 12 | 12 |

Two kernels are faster than one. One kernel would save 13 kB of traffic, which is not the limit ({bound:.0f} M/s by
instructions), a launch, and some two hundred instructions. But its maps and registers leave room for only 12 warps,
also while it prepares planes. If each warp issues an instruction every L clocks, a multiprocessor with w warps issues
min(4, w / L) a clock. Two kernels then take ({planes:,} / 16 + {network:,} / 12) L clocks, and one takes {both:,} /
12 L, which is {loss:.0f} % more, if L is above 4; if it is 3 or less, they take the same. The 6.5 kB a row between
the kernels, 27 MB for 4,096 rows, stay in a cache of 50 MB.

- A plane is cut once for both of its chains, in one pass over the square instead of row by row.
- The weights of the convolutions, 26,880 bytes, are in the shared memory of a block of twelve warps, in the order in
  which lanes load them, four words at a time.
- The other scratch of a warp reuses the memory of the last convolution's input: 15,744 bytes instead of 23,296.
- Rows no longer share the weights of linear layers, because that took the memory of four warps. These weights have
  one byte instead of two, and an instruction multiplies two of them (`dp2a`). 37 kB a stamp now come from the caches;
  before, it was 19.
- On devices with less shared memory, the weights stay in global memory if more warps fit then.
"""

LIMITS = """\
## Calculated limits of an H200

The memory of an H200 transfers 4,800 GB a second, and its link 63 GB a second one way.

| 51x51 pixels | needs | at most |
|---|---:|---:|
| a triplet read | 31,212 bytes of memory | 154 M/s |
| a triplet over the link | 31,212 bytes of the link | 2.02 M/s |
| a triplet over the link, 16 bits a pixel | 15,606 bytes of the link | 4.04 M/s |
| the same, converted to 32 bits on the device | 78,030 bytes of memory | 61.5 M/s |
"""


def cell(row: Mapping[str, Any], name: str, unit: int = 1) -> str:
    """Return a number, with its earlier value if that differs."""
    now = round(row[name] / unit)
    before = round(row.get("before", row)[name] / unit)
    return f"{now:,}" if before == now else f"{before:,} to {now:,}"


def warps(row: Mapping[str, Any]) -> int:
    """Return how many warps of a kernel a multiprocessor of an H200 holds."""
    room = SHARED // row["blocks"] - RESERVED - row["shared"]
    return int(row["blocks"] * min(row["bound"], room // row["scratch"]))


def table(rows: Sequence[Mapping[str, Any]], architecture: str) -> str:
    """Return the kernels of one architecture as a Markdown table; only that of the H200 has warps."""
    lines = ["| kernel | registers | scratch, bytes | warps | code, kB |", "|---|---:|---:|---:|---:|"]
    for row in rows:
        held = str(warps(row)) if architecture == "sm_90" else ""
        numbers = (cell(row, "registers"), cell(row, "scratch"), held, cell(row, "code", 1024))
        lines.append(f"| `{row['kernel']}` | {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


def executed(counts: Mapping[str, Any]) -> str:
    """Return the rows of the table of instructions."""
    before = {row["part"]: row["instructions"] for row in counts["before"]}
    lines = []
    for row in counts["now"]:
        now = row["instructions"]
        exchanged = row["shuffles"] + row["votes"]
        numbers = f"{before[row['part']]:,} | {now:,} | {exchanged:,} | {ISSUED / now / 1e6:,.3g}"
        lines.append(f"| {row['part']} | {numbers} |")
    return "\n".join(lines)


def of_network(record: Mapping[str, Any]) -> str:
    """Return the section on networks."""
    now = {row["part"]: row["instructions"] for row in record["instructions"]["now"]}
    planes, network = now["planes of stampnet"], now["network of stampnet's sizes"]
    apart, together = planes / 16 + network / 12, (planes + network) / 12
    return NETWORK.format(
        planes=planes,
        network=network,
        planes_before=record["floats_between"]["planes"],
        network_before=record["floats_between"]["network"],
        both=planes + network,
        bound=ISSUED / (planes + network) / 1e6,
        loss=100 * (together / apart - 1),
    )


def document(record: Mapping[str, Any]) -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    known = {row["architecture"] for row in record["kernels"]}
    for architecture in sorted(known, key=lambda name: int(name[3:])):
        parts.append(f"## {architecture}\n")
        rows = [row for row in record["kernels"] if row["architecture"] == architecture]
        parts.append(table(rows, architecture))
    passes = record["passes"]
    counted = "\n".join(f"| {one['places']:,} | {one['before']:.1f} | {one['now']:.1f} |" for one in passes["of"])
    search = SEARCH.format(tries=passes["tries"], rows=counted)
    counts = record["instructions"]
    return "\n".join([*parts, search, INSTRUCTIONS.format(rows=executed(counts)), of_network(record), LIMITS])


def main() -> None:
    """Write the page."""
    (HERE / "device-kernels.md").write_text(document(json.loads(RECORD.read_text())))


if __name__ == "__main__":
    main()
