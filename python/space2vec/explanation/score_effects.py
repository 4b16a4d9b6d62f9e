"""Explain the scores of candidates by the effects of their features and of their pixels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from space2vec.data import flags
from space2vec.data.ids import id_keys
from space2vec.data.own_pixels import without_other_pixels
from space2vec.data.row_index import row_index
from space2vec.data.stamps import Stamps
from space2vec.data.tables import Features
from space2vec.errors.text import NAME, one_line
from space2vec.explanation.hidden_patches import pixel_effects
from space2vec.explanation.paths import path_effects
from space2vec.explanation.replacement import replacement_effects
from space2vec.explanation.values import Explanation, FeatureEffect, UsualValues
from space2vec.models.forest import Forest
from space2vec.models.load import load
from space2vec.models.model import Model
from space2vec.models.network import Network
from space2vec.models.usual_values import column_scales

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["explain"]

#: The note on a forest whose file has no values of its nodes.
_EVEN = "the model does not know its training rows: where a tree divides, both branches count alike in the baseline"


@overload
def explain(
    model: Model | str | os.PathLike[str],
    source: Stamps | Features,
    row: int | None = None,
    *,
    pixels: bool = True,
    patch: int = 5,
    threads: int | None = None,
) -> Explanation: ...
@overload
def explain(
    model: Model | str | os.PathLike[str],
    source: Stamps | Features,
    row: slice | Sequence[int] | NDArray[np.generic],
    *,
    pixels: bool = True,
    patch: int = 5,
    threads: int | None = None,
) -> list[Explanation]: ...
def explain(
    model: Model | str | os.PathLike[str],
    source: Stamps | Features,
    row: int | slice | ArrayLike | None = None,
    *,
    pixels: bool = True,
    patch: int = 5,
    threads: int | None = None,
) -> Explanation | list[Explanation]:
    """Explain scores: which features and which pixels moved them.

    Features of a forest have exact effects, along the paths that the candidate takes through its trees. A feature of a
    network is replaced by its median among the training rows, and the difference of the scores is its effect. Pixels
    are hidden in square patches, by the median of their plane, and the candidate is measured, prepared and scored
    again. Of a cascade, the network that gave the score is explained.

    Parameters
    ----------
    model : Forest, Network, str or path
        The model, its packaged name or its file.
    source : Stamps or Features
        The candidates. A table of features has no pixels to hide.
    row : int, slice, mask or sequence of int, optional
        The row to explain, from 0, or several; it may be left out if there is but one.
    pixels : bool, optional
        Whether to hide pixels, which takes some tenths of a second a candidate.
    patch : int, optional
        Side of a patch in pixels, odd.
    threads : int, optional
        Number of threads; one per usable core by default. The result does not depend on it.

    Returns
    -------
    Explanation, or list of Explanation
        One for the row; a list if `row` means several.

    Raises
    ------
    ValueError
        If a candidate has no score, with the flags that say why; if there are several candidates and no `row`; if
        `patch` is even or below 1.
    IndexError
        If there is no such row.
    ModelError
        If the model does not fit the candidates or cannot be loaded.
    TypeError
        If the candidates are neither stamps nor features.

    Examples
    --------
    >>> stamps = s2v.simulate(20, seed=2).stamps
    >>> explained = s2v.explain("forest", stamps, 3)
    >>> effects = sum(feature.effect for feature in explained.features)
    >>> bool(np.isclose(explained.baseline + effects, explained.score))
    True
    """
    used = model if isinstance(model, Model) else load(model)
    if not isinstance(source, (Stamps, Features)):
        raise TypeError(f"explain takes space2vec.Stamps or Features; given {type(source).__name__}")
    if patch < 1 or patch % 2 == 0:
        raise ValueError(f"patch must be an odd number of pixels; given {patch}")
    if row is None and len(source) != 1:
        raise ValueError(f"there are {len(source)} candidates: row says which to explain")
    index = 0 if row is None else row_index(row, len(source))
    if isinstance(index, int):
        return _explain_row(used, source, index, pixels, patch, threads)
    rows = np.arange(len(source))[index].tolist()
    return [_explain_row(used, source, one, pixels, patch, threads) for one in rows]


def _explain_row(
    model: Model, source: Stamps | Features, row: int, pixels: bool, patch: int, threads: int | None
) -> Explanation:
    """Explain the score of one row."""
    one = without_other_pixels(source[row : row + 1].to_host()) if isinstance(source, Stamps) else source[row : row + 1]
    scores = model.score(one, threads=threads, device="cpu")
    score, raised = float(scores.score[0]), flags.names(int(scores.flags[0]))
    candidate, name = id_keys(scores.candidate_id)[0], id_keys(scores.object_id)[0]
    if np.isnan(score):
        which = f"row {row}" if candidate is None else f"candidate {one_line(candidate, NAME)}"
        refused = flags.refusals(int(scores.flags[0]))
        reasons = [f"{flag} ({meaning})" for flag, meaning in refused.items()] or raised
        raise ValueError(f"{which} has no score to explain: {'; '.join(reasons) or 'the model gives none'}")
    decided = _deciding(model, raised)
    if isinstance(decided, Forest):
        part = _of_forest(decided, one, threads)
    else:
        assert isinstance(decided, Network)
        part = _of_network(decided, one, score, threads)
    return Explanation(
        candidate_id=candidate,
        object_id=name,
        model=model.id,
        decided_by=decided.name,
        method="paths" if isinstance(decided, Forest) else "replacement",
        score=score,
        before_calibration=part.before_calibration,
        baseline=part.baseline,
        flags=tuple(raised),
        features=tuple(sorted(part.features, key=lambda feature: -abs(feature.effect))),
        pixels=pixel_effects(decided, one, score, patch, threads) if pixels and isinstance(one, Stamps) else None,
        notes=part.notes,
    )


class _FeaturePart(NamedTuple):
    """The part of an explanation that is about features."""

    features: list[FeatureEffect]
    before_calibration: float | None = None
    baseline: float | None = None
    notes: tuple[str, ...] = ()


class _Inputs(NamedTuple):
    """The planes (1, channel, height, width) and the columns (1, k) that a model takes of a candidate."""

    planes: NDArray[np.float32] | None
    columns: NDArray[np.float32]


def _deciding(model: Model, raised: Sequence[str]) -> Model:
    """Return the model that gave a score with these flags: of a cascade one of its networks, or the model itself."""
    if not isinstance(model, Network) or model.first is None:
        return model
    if "scored_early" not in raised:
        return model.second
    table = model.header.calibration
    return model.first if table is None else model.first.calibrated(table)


def _inputs(model: Forest | Network, one: Stamps | Features, threads: int | None) -> _Inputs:
    """Return what a model takes of a candidate."""
    if isinstance(one, Features):
        return _Inputs(None, model.needs.columns_of_table(one).columns)
    inputs = model.inputs(one, threads=threads)
    assert inputs.columns is not None
    return _Inputs(inputs.planes, inputs.columns)


def _of_forest(forest: Forest, one: Stamps | Features, threads: int | None) -> _FeaturePart:
    columns = _inputs(forest, one, threads).columns
    baseline, effect = path_effects(forest, columns)
    ranges = forest.usual_values
    usual = (
        None if ranges is None else [UsualValues(m, (high - low) / 2, low, high) for low, m, high in ranges.tolist()]
    )
    notes = () if forest.training_rows.node_value is not None else (_EVEN,)
    effects = _effects(forest, columns, effect[0], usual)
    return _FeaturePart(effects, baseline + float(effect.sum()), baseline, notes)


def _of_network(network: Network, one: Stamps | Features, score: float, threads: int | None) -> _FeaturePart:
    if not network.feature_names:
        return _FeaturePart([])
    scales = column_scales(network)
    if scales is None:
        what = "a module of your own" if network.is_custom else "the model"
        return _FeaturePart([], notes=(f"features are not explained: {what} keeps no median of its training rows",))
    planes, columns = _inputs(network, one, threads)
    effect = replacement_effects(network, planes, columns, score, scales.median.astype(np.float32), threads)
    usual = [UsualValues(*pair) for pair in zip(scales.median.tolist(), scales.spread.tolist(), strict=True)]
    return _FeaturePart(_effects(network, columns, effect, usual))


def _effects(
    model: Forest | Network,
    columns: NDArray[np.float32],
    effect: NDArray[np.float64],
    usual: Sequence[UsualValues | None] | None,
) -> list[FeatureEffect]:
    """Join the columns (1, k) of a candidate, their effects (k,) and what is known of them."""
    known = [None] * len(effect) if usual is None else usual
    entries = zip(
        model.feature_names, columns[0].tolist(), effect.tolist(), known, model.needs.meanings, model.needs.units,
        strict=True,
    )  # fmt: skip
    return [FeatureEffect(*entry) for entry in entries]
