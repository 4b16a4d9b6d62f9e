"""``space2vec calibrate``: write a model whose scores are probabilities."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from space2vec.cli.own_module import add_module, load_scorer
from space2vec.cli.printing import print_line, print_lines, print_notice
from space2vec.cli.train import model_file
from space2vec.errors.text import NAME, one_line

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["register"]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Fit a table that turns a model's scores into probabilities, on scores of labelled candidates, and write the "
        "model with the table in its header. Everything that scores with that model applies the table. It keeps the "
        "order of scores, but thresholds change; those of the new scores are printed."
    )
    parser.add_argument("model", metavar="MODEL", help="a packaged model, or a model file")
    parser.add_argument(
        "scores", metavar="SCORES", help="a file of scores that space2vec score wrote with MODEL, without a calibration"
    )
    parser.add_argument(
        "--labels",
        required=True,
        metavar="FILE",
        help="a table with candidate_id, candid or ID and label (1 real, 0 bogus) or OBJECT_TYPE (1 artifact, 0 real)",
    )
    parser.add_argument(
        "--survey", metavar="NAME", help="the survey of the labelled candidates, which the card of the new model names"
    )
    parser.add_argument("-o", "--output", required=True, metavar="NEW.safetensors", help="the model file to write")
    parser.add_argument("--folds", type=int, default=5, metavar="N", help="folds of the cross-validation (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the folds and of the resampling")
    add_module(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from space2vec import evaluation
    from space2vec.evaluation import OPERATING_POINTS
    from space2vec.training.isotonic import FEW, cross_check, fit_calibration

    output = model_file(arguments.output)
    model = load_scorer(arguments)
    raw = model.calibrated(None)
    _check_model(arguments.scores, model.id, raw.id)
    joined = evaluation.join(arguments.scores, arguments.labels)
    rows = joined.evaluate(bootstrap=0)
    print_line(f"{rows.real} real, {rows.bogus} bogus; without a score: {rows.unscored_real + rows.unscored_bogus}")
    if note := rows.unmatched_note:
        print_line(note)
    fitted = {"scores": Path(arguments.scores).name, "labels": Path(arguments.labels).name, "model": raw.id}
    if arguments.survey:
        fitted["survey"] = one_line(arguments.survey, NAME)
    table = fit_calibration(joined.score, joined.label, fitted=fitted)
    fewer = min(rows.real - rows.unscored_real, rows.bogus - rows.unscored_bogus)
    if fewer < FEW:
        print_notice(f"only {fewer} rows of one label: the probabilities are coarse")
    check = cross_check(joined.score, joined.label, group=joined.group, folds=arguments.folds, seed=arguments.seed)
    metrics: dict[str, Json] = {}
    if check is None:
        print_notice(
            "too few objects for a cross-validation: how good the calibration is on other objects is not known"
        )
    else:
        print_lines(check)
        metrics["calibration"] = check.to_dict()
        if check.after["brier"] >= check.before["brier"]:
            print_notice("on other objects the Brier score does not fall: the scores need no calibration")
    after = evaluation.evaluate(
        table(joined.score), joined.label, group=joined.group, bootstrap=200, seed=arguments.seed
    )
    metrics["thresholds"] = {name: round(at.value, 9) for name, at in after.thresholds.items() if np.isfinite(at.value)}
    print_line("the new scores, at the operating points of the same rows:")
    print_lines("\n".join(line for line in str(after).splitlines() if line.startswith(OPERATING_POINTS)))
    calibrated = model.calibrated(table, metrics)
    calibrated.save(output)
    print_line(f"model {calibrated.id}, with a calibration of {len(table.x)} knots, in {output}")
    return 0


def _check_model(scores: str, model: str, raw: str) -> None:
    """Raise if a file of scores names another model than the one to calibrate (id `raw`, or `model` if calibrated)."""
    from space2vec import evaluation

    if not Path(scores).is_file():
        raise FileNotFoundError(f"{scores}: no such file")
    own = evaluation.model_of(scores)
    if own is None:
        print_notice(f"{scores} does not say its model; they are assumed to be of {raw}")
    elif own == model != raw:
        raise ValueError(
            f"{scores} went through the calibration of {model}: give the scores of {raw}, the model without it, which "
            "space2vec.load(MODEL).calibrated(None).save(FILE) writes"
        )
    elif own != raw:
        raise ValueError(f"{scores} holds scores of the model {own}, not of {raw}")
