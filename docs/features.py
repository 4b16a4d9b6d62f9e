"""Write docs/features.md from the registry, and its pictures: ``make pages``, or ``python docs/features.py``.

The pictures show simulated alerts, whose truth is known, and a night of ZTF if the data folder ($SPACE2VEC_DATA, or
../shared/data) has it. Equal data give equal bytes.
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
#: Alerts are drawn as real if the score of ZTF's network braai is above the first, as bogus if it is below the second.
REAL, BOGUS = 0.9, 0.1
COLOURS = 255

HEADINGS = {
    "autoscan": (
        "autoScan: the eighteen features from the stamps",
        """\
These are the features of Goldstein et al. 2015. With `convention="code"`, the default, they are what autoScan's
released code computes, with `convention="paper"` what the paper says. Where they differ, the paper's definition follows
in brackets.""",
    ),
    "s2v": (
        "s2v: features in units of the noise and of the PSF",
        """\
These features need the pixels alone. If only the difference image is given, the features that use the difference alone
have values, and the others are NaN.""",
    ),
}
SETS = {
    "autoscan": "the columns of the public autoScan table, from stamps and catalogue; the default",
    "autoscan-stamp": "the autoScan columns that are measured on the stamps",
    "s2v": "further features of the stamps, defined below",
    "stamp": "`autoscan-stamp` and `s2v`: everything that is measured on stamps",
    "all": "`autoscan` and `s2v`",
}

COLUMNS = ("name", "definition", "unit", "window", "planes", "what it shows", "source", "exact")

INTRODUCTION = """\
# Features

<!-- Written by docs/features.py from cpp/registry/registry.json: `make pages`. -->

This page defines every feature, and shows how it is distributed among real and bogus candidates.

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

Values are float32. An undefined value is NaN, and a flag reports a measurement that failed. A feature that is marked as
exact has the same bits on every backend (each instruction set, Numba, CUDA).

## Notation

- **I**: the pixels as delivered, in a window of 51x51 pixels with the candidate at (25, 25), counted from 0. Pixels
  that a smaller stamp lacks are masked; pixels of a larger one outside the window are not used. The indices d, s, t
  mean difference, science, template.
- **masked**: NaN, infinite, or the DES null value 1e-30. Masked pixels are left out unless a definition
  says otherwise.
- **B**: recipe `autoscan-b`: {b}.
- **R**: recipe `autoscan-r`, 25x25: {r}.
  Boxes of R ("R 5x5") are in pixels of R.
- **D, S, T**: (I - median) / sigma of difference, science and template; sigma = 1.4826 MAD of the unmasked pixels of
  the window. D is multiplied by `polarity`, so that a source that has faded is positive too.
- **p**: the brightest pixel of D near the candidate (`peak_snr`). **q**: the brightest of T (`template_snr`).
- **F(r), N(r)**: aperture flux and area. In a circle of r px at (25, 25), each unmasked pixel has a weight, the
  fraction of its 5x5 subpixels inside the circle; F(r) is the weighted sum of D and N(r) the sum of the weights. F
  with an index is that of another plane. autoScan's F is a sum of raw pixels.
- **PSF**: the shape of a star of the science stamp (`psf_ratio`).
- **Units**: sigma is that of the feature's plane, and pixel is a pixel of I. A feature without a unit is a pure number.
- **Windows**: a box or a circle at the candidate; 51x51 is the whole window.

## Pictures

The pictures compare real and bogus alerts. Filled histograms are {simulated:,} simulated alerts, whose truth is
known. Outlines are ZTF's night of 13 July 2018: real if ZTF's network braai gives more than {real}, bogus if it gives
less than {bogus}, which is braai's opinion and not the truth. The height of a bin is the square root of its fraction
of the alerts, so that small bins remain visible. An axis covers the 1st to the 99th percentile, and the outermost
bins contain the values beyond. AUC is that of the feature alone on the simulated alerts: 1 if every real alert has a
larger value than every bogus one, 0 if every one has a smaller value, 0.5 if the feature does not separate them.
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
    """Return the definition, followed by the paper's if that differs."""
    return escape(entry.definition) + (f" (paper: {escape(entry.paper)})" if entry.paper else "")


def document() -> str:
    """Return the text of docs/features.md."""
    sources = list(dict.fromkeys(entry.reference for entry in registry.FEATURES.values() if entry.source == "stamp"))
    parts = [
        INTRODUCTION.format(
            sets=table(
                ("set", "features", "contents"),
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
        "An alert packet or a table has these values; those that it does not have are NaN ([fields of packets]"
        "(catalogue.md)).\n\n"
        + table(("name", "definition", "unit"), *((f"`{e.name}`", definition(e), e.unit) for e in catalogue))
        + "\n",
        "## Flags\n\nFlags report what is unusual about a row. A model does not score a row with a flag that is marked "
        "in the last column, and knows no stamps like those of a row with a flag that is marked in the one before: it "
        "gives a score, but do not rely on it ([outputs](outputs.md#stamps-that-a-model-does-not-know)).\n\n"
        + table(
            ("flag", "meaning", "not known", "not scored"),
            *(
                (f"`{f.name}`", escape(f.meaning), "" if f.familiar else "x", "" if f.scored else "x")
                for f in registry.FLAGS.values()
            ),
        )
        + "\n",
        "## Sources\n\n" + "\n".join(f"{k}. {escape(source)}" for k, source in enumerate(sources, 1)) + "\n",
    ]
    return "\n".join(parts)


def selected(features: s2v.Features, rows: np.ndarray) -> s2v.Features:
    """Return some rows of a table."""
    return s2v.Features(features.values[rows], features.names)


def samples() -> dict[str, tuple[s2v.Features, np.ndarray]]:
    """Return the alerts of the pictures: simulated ones with the truth, and a real night with braai's opinion."""
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
    description = PngInfo()
    description.add_text("Description", " ".join(names))
    image.save(path, optimize=True, pnginfo=description)


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
