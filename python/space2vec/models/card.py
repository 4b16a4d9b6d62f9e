"""Model cards: what a model was trained on, for which surveys, on which figures, with which limits, size and speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from space2vec.errors.text import NAME, one_line
from space2vec.model_files import tensor_file
from space2vec.models.custom_module import name_without_version
from space2vec.models.forest import Forest
from space2vec.models.load import load

if TYPE_CHECKING:
    from space2vec.data.types import Json
    from space2vec.model_files.header import Header
    from space2vec.models.model import Model

__all__ = ["NOTES", "ModelNotes", "Speed", "model_card"]

#: The metrics that a card shows, with their names there, and whether they are rates.
_SHOWN = (
    ("auc", "AUC", False),
    ("fpr at mdr 4%", "FPR at MDR 4 %", True),
    ("mdr at fpr 1%", "MDR at FPR 1 %", True),
    ("mdr at fpr 2.5%", "MDR at FPR 2.5 %", True),
    ("brier", "Brier score", False),
)
_INTERVAL = "value, 95 % interval"
#: The entries of metrics that hold thresholds, and the metrics of the model before its calibration.
_THRESHOLDS, _BEFORE = "thresholds", "before calibration"
#: The entries of the training data that a card shows first, in this order; settings of the fit follow in one line.
_FIRST = ("data", "labels", "rows", "real", "validation", "from", "frozen", "inputs of", "cascade")


@dataclass(frozen=True, slots=True)
class ModelNotes:
    """What is known of a packaged model beside its header.

    Attributes
    ----------
    use : str
        What it is for.
    surveys : str
        The surveys that it was trained for.
    limits : tuple of str
        What it does badly, or must not be used for.
    licences : tuple of str
        The data that it was trained on, with their licences.
    """

    use: str
    surveys: str
    limits: tuple[str, ...]
    licences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Speed:
    """The time that scoring takes on one thread of a processor, from stamps in memory.

    Attributes
    ----------
    microseconds : float
        Processor time per candidate, in microseconds.
    device : str
        The processor.
    """

    microseconds: float
    device: str


_ZTF_LICENCES = (
    "a night of ZTF alerts (Zwicky Transient Facility summer school 2018): BSD-3-Clause",
    "ZTF alerts in files of brokers: kowalski MIT, Fink Apache-2.0, Ampel and alert_tools BSD-3-Clause",
    "weights of braai d6_m9 (Duev et al. 2019), whose scores are labels: MIT",
    "simulated candidates: made by space2vec",
)
#: Those of networks that learned from all alerts of the data folder.
_ALL_ZTF_LICENCES = (
    *_ZTF_LICENCES,
    "further ZTF alerts in public repositories, some without a licence: not redistributed with the model",
)
_DES_LICENCES = (
    "the DES autoScan table (Goldstein et al. 2015), public without a licence: it is not redistributed with the model",
)
_STAMP_LIMITS = (
    "Labels of real alerts are mostly the opinion of ZTF's network braai: agreement with it is no accuracy, and its "
    "mistakes were learned.",
    "Candidates near missing pixels, edges of the detector, saturated stars or close pairs of stars have several times "
    "the false positive rate of clean stamps (docs/accuracy.md).",
    "Sources that are much sharper than ZTF's (FWHM below 2 pixels) are mistaken for artifacts.",
    "Planes that were normalised one by one have lost their common scale of flux, and are misjudged; so are candidates "
    "whose core is masked. The flags no_flux_scale and masked_core mark most of them (docs/unknown-stamps.md).",
    "DES and Rubin were seen in simulations alone: calibrate the scores on labels of the survey, or fine-tune.",
)
_TABLE_LIMITS = (
    "It takes columns of the DES difference imaging pipeline, some of which stamps do not give. For stamps alone "
    "take a model of stamps.",
    "It was trained and measured on one survey, with injected supernovae as the real class.",
)

#: The packaged models by the names of their files.
NOTES: dict[str, ModelNotes] = {
    "autoscan": ModelNotes(
        "The random forest of autoScan, on its 38 columns: a reference for comparisons, and for DES tables.",
        "DES",
        _TABLE_LIMITS,
        _DES_LICENCES,
    ),
    "forest": ModelNotes(
        "A random forest on features of stamps and of alert packets, whose splits can be read.",
        "ZTF",
        _STAMP_LIMITS,
        _ZTF_LICENCES,
    ),
    "stampnet": ModelNotes(
        "The default: a small network of integers on planes and features of a candidate.",
        "ZTF; DES and Rubin in simulations",
        _STAMP_LIMITS,
        _ALL_ZTF_LICENCES,
    ),
    "stampnet-fast": ModelNotes(
        "A cascade: a network without the template decides where it is certain, and stampnet the rest.",
        "ZTF; DES and Rubin in simulations",
        (
            "Scores of both networks are in one column; the flag scored_early tells them apart. A calibration is one "
            "table for both.",
            *_STAMP_LIMITS,
        ),
        _ALL_ZTF_LICENCES,
    ),
    "tablenet": ModelNotes(
        "A network on the 38 columns of autoScan, for DES tables.",
        "DES",
        _TABLE_LIMITS,
        _DES_LICENCES,
    ),
    "vectornet": ModelNotes(
        "A network that gives vectors, not scores: candidates that look alike, alerts of one object and artifacts of "
        "one kind lie together.",
        "ZTF, DES and Rubin in simulations; ZTF without kinds",
        (
            "Its kinds are those of the simulator: no real alert was given a kind. What it lays together among real "
            "alerts was looked at, not measured.",
            "Kinds that a stamp hardly tells apart lie among each other: hostless transients, supernovae, variable "
            "stars, and asteroids that moved little.",
            "Vectors of two versions of the network cannot be compared.",
        ),
        tuple(licence for licence in _ALL_ZTF_LICENCES if "braai" not in licence),
    ),
}


def notes_of(model: Model) -> ModelNotes | None:
    """Return the notes of a packaged model for it and for copies of it that were only calibrated; otherwise None."""
    name = name_without_version(model.name)
    copied = name in NOTES and load(name).header.training == model.header.training
    return NOTES[name] if copied else None


def model_card(model: Model, *, notes: ModelNotes | None = None, speed: Speed | None = None) -> str:
    """Return the card of a model as Markdown.

    Parameters
    ----------
    model : Forest or Network
        The model.
    notes : ModelNotes, optional
        What is known of a packaged model beside its header (:data:`NOTES`).
    speed : Speed, optional
        The measured time of scoring.
    """
    header = model.header
    lines = [f"# {_text(model.name)}", ""]
    if notes is not None:
        lines += [notes.use, ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| {name} | {_cell(value)} |" for name, value in _facts(model, notes, speed)]
    lines += ["", "## Trained on", "", *_training(header)]
    lines += ["", "## Figures", "", *_figures(header)]
    if notes is not None:
        lines += ["", "## Limits", "", *(f"- {limit}" for limit in notes.limits)]
        lines += ["", "## Licences of the data", "", *(f"- {licence}" for licence in notes.licences)]
    return "\n".join(lines) + "\n"


def _facts(model: Model, notes: ModelNotes | None, speed: Speed | None) -> Iterator[tuple[str, str]]:
    header = model.header
    yield "model", f"`{_text(model.id)}`"
    yield "kind", header.kind if header.architecture is None else f"network, {_text(header.architecture['name'])}"
    if notes is not None:
        yield "surveys", notes.surveys
    if model.needs.recipe is not None:
        planes = ", ".join(model.needs.recipe.channels)
        shape = " x ".join(map(str, model.needs.recipe.shape))
        yield "planes", f"{planes}, by the recipe {_text(model.needs.recipe.name)} ({shape} pixels)"
        if header.optional:
            yield "does without", ", ".join(map(_text, header.optional))
    if header.feature_names:
        yield "features", f"{len(header.feature_names)} of the set {header.feature_set}"
    yield "size", f"{len(model.file) / 1e6:.2f} MB, {_parts(model)}"
    if model.runtime is None:
        yield "arithmetic", "the same bits on every machine and device"
    else:
        yield "arithmetic", f"floating point, by {model.runtime}"
    if model.vector:
        yield "gives", f"a vector of {model.vector} integers from -127 to 127"
    else:
        yield "calibration", _calibration(header)
    if speed is not None:
        yield "speed", f"{speed.microseconds:.0f} microseconds per candidate on one thread ({_text(speed.device)})"
    if header.library:
        yield "written by", f"space2vec {_text(header.library)}"


def _calibration(header: Header) -> str:
    """Say on which candidates the scores were made probabilities: they are so for candidates like these alone."""
    if header.calibration is None:
        return "none but the temperature, of its validation rows" if header.kind == "network" else "none"
    about = header.calibration.fitted
    rows = ", ".join(f"{_text(about[name])} {name}" for name in ("real", "bogus") if name in about)
    of = f" of {_text(about['survey'])}" if "survey" in about else ""
    labels = f", labels in {_text(about['labels'])}" if "labels" in about else ""
    fitted = f", fitted to candidates{of} ({rows}{labels})" if rows else of and f", fitted to candidates{of}"
    return f"a table of {len(header.calibration.x)} knots{fitted}"


def _parts(model: Model) -> str:
    """Say of how many trees or weights a model consists."""
    if isinstance(model, Forest):
        return f"{len(model)} trees of {len(model.trees.right):,} nodes"
    tensors = tensor_file.decode(model.file)[1]
    weights = sum(tensor.size for name, tensor in tensors.items() if "integer." not in name)
    return f"{weights:,} weights"


def _training(header: Header) -> Iterator[str]:
    about = header.training
    if not about:
        yield "The model file does not say."
    for key in (*(key for key in _FIRST if key in about), *(key for key in about if key not in _FIRST)):
        value = about[key]
        if isinstance(value, dict):
            value = ", ".join(f"{name} {_plain(entry)}" for name, entry in value.items())
        yield f"- {_text(key)}: {_plain(value)}"


def _figures(header: Header) -> Iterator[str]:
    """Yield a table for each set of metrics of the header, and a line for each further entry."""
    if not header.metrics:
        yield "The model file has none: measure the model with `space2vec evaluate`."
        return
    others = []
    tables = []
    for what, figures in _flat(header.metrics):
        values = figures.get(_INTERVAL, figures) if isinstance(figures, dict) else None
        # Thresholds bear the names of the operating points, and are no shares.
        if what != _THRESHOLDS and isinstance(values, dict) and any(name in values for name, _, _ in _SHOWN):
            tables.append(_row(what, figures, values))
        else:
            others.append(f"- {_text(what)}: {_plain(figures)}")
    if tables:
        yield "| measured on | " + " | ".join(title for _, title, _ in _SHOWN) + " |"
        yield "|" + "---|" * (len(_SHOWN) + 1)
        yield from tables
    if tables and others:
        yield ""
    yield from others


def _flat(metrics: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """Yield the entries of metrics; those of a calibrated model hold the metrics before, set by set, in one."""
    for what, figures in metrics.items():
        if what == _BEFORE and isinstance(figures, dict):
            yield from ((f"{what}: {name}", entry) for name, entry in figures.items())
        else:
            yield what, figures


def _row(what: str, figures: Mapping[str, Json], values: Mapping[str, Json]) -> str:
    counts = f" ({figures['real']} real, {figures['bogus']} bogus)" if {"real", "bogus"} <= figures.keys() else ""
    cells = [_cell(_text(what) + counts), *(_figure(values.get(name), rate) for name, _, rate in _SHOWN)]
    return "| " + " | ".join(cells) + " |"


def _figure(value: Json, rate: bool) -> str:
    """Return a metric, with its interval if it has one."""
    numbers = value if isinstance(value, list) else [value]
    if not numbers or not all(isinstance(number, int | float) for number in numbers):
        return ""
    shown = [f"{100 * number:.1f} %" if rate else f"{number:.3f}" for number in numbers]
    return shown[0] if len(shown) < 3 else f"{shown[0]} ({shown[1]} to {shown[2]})"


def _plain(value: Json) -> str:
    """Return a JSON value as text on one line."""
    if isinstance(value, dict):
        return "; ".join(f"{_text(name)} {_plain(entry)}" for name, entry in value.items())
    return ", ".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _text(value: object) -> str:
    """Return text of a model file on one line, cut if it is very long."""
    return one_line(str(value), 4 * NAME)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
