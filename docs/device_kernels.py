"""Write docs/device-kernels.md from benchmarks/results/device_kernels.json: ``make pages``.

The record has, of each kernel and architecture, what ptxas says of it (``tests/device/ptxas_table.py``), the bytes of
its code (the sections .text of a cubin, ``readelf -SW``), and, of some kernels, the same from before medians were found
by pivots and convolutions multiplied as matrices. It has what benchmarks/speed/warp_instructions.py counts, too.
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

#: Bytes of shared memory of a multiprocessor of an H200, and those that each block takes beside its own.
SHARED = 228 * 1024
RESERVED = 1024

INTRODUCTION = """\
# Kernels on a device

<!-- Written by docs/device_kernels.py from benchmarks/results/device_kernels.json: `make pages`. -->

What compilers say of the kernels, and what that allows on an H200. Nothing on this page was measured on a device.
No kernel spills registers. Scratch is the shared memory of a warp (of normalisers and compositions, a plane of
51x51); warps are those that a multiprocessor holds by that and by the bound of the kernel. "A to B" is before and now.
"""

SEARCH = """\
## Medians and percentiles

A search sorts 32 samples between the lanes, counts two pivots a pass, and gathers what lies between them once there
are 64 values at most; those are sorted in registers. Passes over the values for a median, the mean of {tries} made
planes of noise, a part of whose places is masked as in a window:

| places | before | now |
|---:|---:|---:|
{rows}

On sm_90 a counting pass took 4.3 instructions for 32 values (7.3 of deviations), and takes 7 now (9); each ends with
sums over the lanes, for which the warp waits.
"""

INSTRUCTIONS = """\
## Instructions of a warp

What a warp executes for a triplet, or for a plane of 51x51 that is normalised, before and now. It is counted without
a device: `python -m benchmarks.speed.warp_instructions` runs the kernels on 32 fibers, counts what one lane executes,
weighs each instruction by those of sm_90 in its place, and adds what lanes exchange. A device's compiler may make a
fifth more or less of a loop. "At most" is what an H200 could do were an instruction begun in every slot: 1.05 T a
second, by 132 multiprocessors with four schedulers at 1.98 GHz.

| | before | now | shuffles and votes of these | at most, M/s |
|---|---:|---:|---:|---:|
{rows}

A multiprocessor holds eight warps of the features, two a scheduler, and twelve of the eighteen alone; most instructions
wait for the one before. A third to a half of the limit is to be expected of two warps, a half or more of three.

Loads of a window are 34 a lane at a time: a plane is waited for three times. Planes up to 32 kB are staged in shared
memory, 16 bytes a thread where both sides allow it; of larger ones too few would fit, and they are read again from the
caches. Column counts and the samples of zscale are in registers. To stage the science plane for the level of saturation
would not pay: what is cut from it afterwards finds it in the caches.

The instruction cache has 128 kB, and kernels are still larger: of the eighteen's 257 kB (sm_90), 59 are ways that only
lanes which have parted would take, and much else runs once a triplet. What runs over and over is less: a step of the
fit some 38 kB, a round of the moments 33, a search for a median 16, so that warps in different parts should share the
cache; whether they do, a profile must tell.
"""

NETWORK = """\
## From stamps to the scores of a network

Once its features are measured, two kernels take a stamp to a score: one cuts and prepares its planes, one runs the
network. Between them lie the bytes that the first convolution takes. Of stampnet, for stamps of 51x51 pixels:

| a stamp | floats between | bytes between: now | one kernel |
|---|---:|---:|---:|
| bytes of memory for the planes: pixels read, planes written and read | 83,484 | 44,316 | 31,212 |
| at most by these, M/s | 57 | 108 | 154 |
| bytes between | 26,136 | 6,552 | 0 |
| instructions of the planes | {planes_before:,} | {planes:,} | {planes:,} |
| instructions of the network | {network_before:,} | {network:,} | {network:,} |
| warps that prepare, a multiprocessor | 16 | 16 | 12 |
| warps that run the network | 8 | 12 | 12 |

One kernel would save 13 kB of traffic, which does not bind ({bound:.0f} M/s by instructions), a launch, and some two
hundred instructions. It would lose warps: its maps and registers leave room for 12, also while it prepares. A
multiprocessor of w warps that each begin an instruction every L clocks begins the smaller of 4 and w / L a clock. Two
kernels take {planes:,} / 16 + {network:,} / 12 of L clocks, one {both:,} / 12, {loss:.0f} % more, wherever L is above
4; where it is 3 or less, they take the same. So they are two, and a row leaves 6.5 kB between them: 4,096 rows, 27 MB,
stay in a cache of 50 MB.

A plane is cut once for both of its chains, in one pass over the square instead of row by row. The weights of the
convolutions, 26,880 bytes, lie in the shared memory of a block of twelve warps as lanes load them, four words at a
time. What a warp needs beside its maps lies where the last input of a convolution was: 15,744 bytes instead of 23,296.
Rows no longer share the weights of linear layers, which cost the room of four warps; those take a byte instead of two,
and an instruction multiplies two of them (`dp2a`): 37 kB a stamp come from the caches, of which there were 19. Where
multiprocessors have less shared memory, the weights stay in global memory if more warps then fit.
"""

LIMITS = """\
## On paper, an H200

4,800 GB of memory a second; a link of 63 GB a second one way.

| of 51x51 pixels | takes | at most |
|---|---:|---:|
| a triplet read | 31,212 bytes of memory | 154 M/s |
| a triplet over the link | 31,212 bytes of the link | 2.02 M/s |
| a triplet over the link in 16 bits a pixel | 15,606 bytes of the link | 4.04 M/s |
| the same, widened where it is | 78,030 bytes of memory | 61.5 M/s |
"""


def cell(row: Mapping[str, Any], name: str, unit: int = 1) -> str:
    """Return a number, and what it was before where that is another."""
    now = round(row[name] / unit)
    before = round(row.get("before", row)[name] / unit)
    return f"{now:,}" if before == now else f"{before:,} to {now:,}"


def warps(row: Mapping[str, Any]) -> int:
    """Return how many warps of a kernel a multiprocessor of an H200 holds."""
    room = SHARED // row["blocks"] - RESERVED - row["shared"]
    return int(row["blocks"] * min(row["bound"], room // row["scratch"]))


def table(rows: Sequence[Mapping[str, Any]], architecture: str) -> str:
    """Return the kernels of one architecture as a Markdown table; warps are told of that of the H200."""
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
    """Return what is said of networks."""
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
