"""Write docs/features.md from the registry, and its pictures: ``make pages``, or ``python docs/features.py``.

The pictures show simulated alerts, whose truth is known, and a night of ZTF where the data folder ($SPACE2VEC_DATA, or
../shared/data) has it. The same data give the same bytes.
"""

from __future__ import annotations

import csv
import os
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

import space2vec as s2v
from space2vec import registry

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("SPACE2VEC_DATA") or HERE.parents[1] / "shared" / "data")

SIMULATED, SEED = 3000, 2
#: The simulator's detectors saturate from here on, DN.
SATURATION = 38_000.0
#: What ZTF's network braai gives at least to what is drawn as real, and at most to what is drawn as bogus.
REAL, BOGUS = 0.9, 0.1
COLOURS = 255

HEADINGS = {
    "autoscan": (
        "autoScan: the eighteen features from the stamps",
        """\
Goldstein et al. 2015. `convention="code"`, the default, is what autoScan's released code computes, `convention="paper"`
what the paper says; the definition is followed by the paper's where they differ.""",
    ),
    "s2v": (
        "s2v: features in units of the noise and of the PSF",
        """\
From the pixels alone. A difference without science and template has the features whose planes are the difference alone;
the others are NaN.""",
    ),
}
SETS = {
    "autoscan": "the columns of the public autoScan table, from stamps and catalogue; the default",
    "autoscan-stamp": "those of them that come from the stamps",
    "s2v": "more features of the stamps, below",
    "stamp": "`autoscan-stamp` and `s2v`: all that is measured on stamps",
    "all": "`autoscan` and `s2v`",
}

COLUMNS = ("name", "definition", "unit", "window", "planes", "tells", "source", "exact")

INTRODUCTION = """\
# Features

<!-- Written by docs/features.py from cpp/registry/registry.json: `make pages`. -->

What each feature is, and how it is distributed among real and bogus candidates.

```python
import space2vec as s2v

night = s2v.simulate(200, seed=3)  # or stamps = s2v.read("night/*.avro")
table = s2v.features(night.stamps, set="s2v")
print(table["snr_3"][:5], table.flag_names(0))
samples = {{"simulated": (table, night.labels)}}
s2v.plot.distributions(samples, ["snr_3", "lobe_ratio", "noise_ratio"], path="distributions.png")
```

On the command line: `space2vec features night/*.avro -o features.parquet --set s2v`.

{sets}

Every backend (each instruction set, the Numba twin, CUDA) gives the same bits of a feature that is said to be exact.
Values are float32; what is undefined is NaN, and where a measurement failed a flag says so.

## Notation

- **I**: pixels as delivered, in a window of 51x51 with the candidate at (25, 25), counted from 0. What a smaller stamp
  lacks is masked; what a larger one has beyond is not used. Index d, s, t: difference, science, template.
- **masked**: NaN, infinite, or the DES null value 1e-30. Masked pixels are left out unless a definition says otherwise.
- **B**: recipe `autoscan-b`: {b}.
- **R**: recipe `autoscan-r`, 25x25: {r}.
  Its boxes ("R 5x5") are in these pixels.
- **D, S, T**: (I - median) / sigma of difference, science and template, sigma = 1.4826 MAD of the unmasked pixels of
  the window. D is multiplied by `polarity`, so that a source that has faded is positive too.
- **p**: the brightest pixel of D near the candidate (`peak_snr`). **q**: the brightest of T (`template_snr`).
- **F(r), N(r)**: in a circle of r px at (25, 25), the sum of D times the pixels' shares, and the sum of these shares,
  over unmasked pixels; a share counts 5x5 subpixels. With an index, F is that of another plane. autoScan's F is of raw
  pixels.
- **PSF**: the shape of a star of the science stamp (`psf_ratio`).
- **Units**: sigma is that of the feature's plane, pixel is one of I; where none is said, a pure number.
- **Windows**: a box or a circle at the candidate; 51x51 is the whole window.

## Pictures

Filled: {simulated:,} alerts of the simulator, whose truth is known. Outlines: ZTF's night of 13 July 2018, real where
ZTF's network braai gives more than {real}, bogus where less than {bogus}: braai's opinion, not the truth. Heights are
square roots of shares, so that few are seen beside many. An axis reaches from the 1st to the 99th percentile, with what
lies beyond in the outermost bins. AUC is that of the one feature on the simulated alerts: 1 where each real one has a
larger value than each bogus one, 0 where a smaller, 0.5 where no threshold tells them apart.
"""


class Section(NamedTuple):
    """The features of a group in a set, and their picture."""

    set: str
    group: str
    names: tuple[str, ...]

    @property
    def picture(self) -> str:
        """The picture's path from docs/features.md."""
        return f"features/{self.set}_{self.group}.png"


def sections() -> list[Section]:
    """Return the sections in the order of the document: by set, then by group."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in registry.FEATURES.values():
        if entry.source == "stamp":
            found.setdefault((entry.set, entry.group), []).append(entry.name)
    return [Section(*key, tuple(names)) for key, names in found.items()]


def escape(text: str) -> str:
    """Return a text for a cell of a table."""
    for mark in "\\|<*":
        text = text.replace(mark, "\\" + mark)
    return text


def table(*rows: tuple[str, ...]) -> str:
    """Return a table; the first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def definition(entry: registry.FeatureEntry) -> str:
    """Return the definition, that of the paper too where it is another."""
    return escape(entry.definition) + (f" (paper: {escape(entry.paper)})" if entry.paper else "")


def document() -> str:
    """Return the text of docs/features.md."""
    sources = list(dict.fromkeys(entry.reference for entry in registry.FEATURES.values() if entry.source == "stamp"))
    parts = [
        INTRODUCTION.format(
            sets=table(
                ("set", "features", "what"),
                *((f"`{name}`", str(len(registry.FEATURE_SETS[name])), what) for name, what in SETS.items()),
            ),
            b=escape(registry.RECIPES["autoscan-b"].definition),
            r=escape(registry.RECIPES["autoscan-r"].definition),
            simulated=SIMULATED,
            real=REAL,
            bogus=BOGUS,
        )
    ]
    shown = ""
    for section in sections():
        if section.set != shown:
            shown = section.set
            heading, about = HEADINGS[shown]
            parts.append(f"## {heading}\n\n{about}\n")
        meaning = registry.GROUPS[section.group]
        rows = [
            (
                f"`{entry.name}`",
                definition(entry),
                entry.unit,
                escape(entry.window),
                ", ".join(entry.planes),
                escape(entry.tells),
                f"[{sources.index(entry.reference) + 1}](#sources)",
                "yes" if entry.exact else "no",
            )
            for entry in (registry.FEATURES[name] for name in section.names)
        ]
        parts.append(
            f"### {section.set}, {section.group.replace('_', ' ')}\n\n{meaning[0].upper()}{meaning[1:]}.\n\n"
            f"![{', '.join(section.names)}]({section.picture})\n\n{table(COLUMNS, *rows)}\n"
        )
    catalogue = [entry for entry in registry.FEATURES.values() if entry.source == "catalogue"]
    parts += [
        f"## autoScan: the {len(catalogue)} catalogue columns\n\n"
        "They come with an alert or a table, and are NaN where it is silent ([from which fields](catalogue.md)).\n\n"
        + table(("name", "definition", "unit"), *((f"`{e.name}`", definition(e), e.unit) for e in catalogue))
        + "\n",
        "## Flags\n\nA row has those that it met. Without a score a model leaves the rows of the last column.\n\n"
        + table(
            ("flag", "meaning", "not scored"),
            *((f"`{f.name}`", escape(f.meaning), "" if f.scored else "x") for f in registry.FLAGS.values()),
        )
        + "\n",
        "## Sources\n\n" + "\n".join(f"{k}. {escape(source)}" for k, source in enumerate(sources, 1)) + "\n",
    ]
    return "\n".join(parts)


def selected(features: s2v.Features, rows: np.ndarray) -> s2v.Features:
    """Return some rows of a table."""
    return s2v.Features(features.values[rows], features.names)


def samples() -> dict[str, tuple[s2v.Features, np.ndarray]]:
    """Return what is drawn: simulated alerts with the truth, and a real night with braai's opinion."""
    night = s2v.simulate(SIMULATED, seed=SEED)
    night.stamps.saturation = SATURATION
    found = {"simulated": (s2v.features(night.stamps, set="stamp"), night.labels)}
    folder = DATA / "ztf" / "night_20180713"
    if folder.is_dir():
        measured = s2v.features(s2v.read(folder), set="stamp")
        with folder.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
            braai = {int(row["candid"]): float(row["braai_d6_m9"]) for row in csv.DictReader(file)}
        score = np.array([braai.get(candidate, np.nan) for candidate in measured.candidate_id.tolist()])
        rows = np.flatnonzero((score > REAL) | (score < BOGUS))
        found["ZTF by braai"] = (selected(measured, rows), score[rows] > REAL)
    return found


def save(figure: object, path: Path, names: tuple[str, ...]) -> None:
    """Save a figure as a small PNG with a palette, whose description names the features shown."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    memory = BytesIO()
    figure.savefig(memory, format="png")
    image = (
        Image.open(memory).convert("RGB").quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    )
    told = PngInfo()
    told.add_text("Description", " ".join(names))
    image.save(path, optimize=True, pnginfo=told)


def main() -> None:
    """Write the document and its pictures."""
    (HERE / "features.md").write_text(document(), encoding="utf-8")
    folder = HERE / "features"
    folder.mkdir(exist_ok=True)
    drawn = samples()
    wanted = {section.picture for section in sections()}
    for section in sections():
        save(s2v.plot.distributions(drawn, section.names), HERE / section.picture, section.names)
    for path in folder.glob("*.png"):
        if path.relative_to(HERE).as_posix() not in wanted:
            path.unlink()
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"docs/features.md and {len(wanted)} pictures, {size / 1000:.0f} kB, of {', '.join(drawn)} alerts")


if __name__ == "__main__":
    main()
