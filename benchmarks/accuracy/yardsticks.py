"""Honest yardsticks of models on real ZTF alerts: what is known to be real, and where the teacher is sure.

    python -m benchmarks.accuracy.yardsticks --data FOLDER [--scores NAME=WHAT ...] [--against NAME] [--json FILE]

Two classes can be trusted without a label by hand: alerts of objects that are known to be real, and alerts that braai
scores below .1 (sure bogus; none of them is known to be real) or above .9 (sure real). Measured are the share of the
known real ones that pass at the threshold of FPR 2.5 % against the sure bogus; the FPR at MDR 4 % where braai is sure,
which is agreement, not accuracy; and both by stratum, at the thresholds of all rows. Intervals are of a bootstrap over
objects, thresholds and all; differences from --against are paired.

WHAT is a packaged model or a model file, a file of scores (CSV, Parquet: candidate_id, score), ``braai`` (the
teacher's own scores), or a folder with ``fold_0.safetensors`` to ``fold_4.safetensors``: each alert is then scored by
the model of its fold, which has not seen its object (space2vec.studies.object_folds). Without --scores these are the
packaged models, which learned from most of the alerts.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from benchmarks.accuracy.alert_strata import describe_strata, strata_of
from benchmarks.accuracy.yardstick_figures import AGREEMENT, ERRORS, PASS, Truth, measure, paired
from benchmarks.programs import REPOSITORY, processor, versions
from space2vec.data.ids import id_keys
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.row_pairs import Side, pair_rows
from space2vec.errors import ReadError
from space2vec.models.load import Model
from space2vec.reading import read_scores
from space2vec.reading.table_file import TABLE_SUFFIXES
from space2vec.studies.object_folds import FOLDS, train_and_test_rows
from space2vec.studies.packaged.alerts import KNOWN_REAL, SURE_BOGUS, SURE_REAL, all_alerts

__all__ = [
    "RESULTS",
    "TEACHER",
    "fold_models",
    "main",
    "print_part",
    "scores_of",
    "truth_of",
    "write_record",
    "yardsticks",
]

RESULTS = REPOSITORY / "benchmarks" / "results" / "yardsticks.json"
#: The name of the teacher's own scores.
TEACHER = "braai"
#: The figures that are printed, beside those of the strata with missing pixels.
SHOWN = (PASS, ERRORS, AGREEMENT)
PACKAGED = ("default", "forest", TEACHER)


def truth_of(rows: LabelledStamps) -> Truth:
    """Return what is known of alerts: their kinds are those of ``all_alerts`` of studies/packaged."""
    known = rows.kind == KNOWN_REAL
    with np.errstate(invalid="ignore"):
        sure = rows.teacher > SURE_REAL, (rows.teacher < SURE_BOGUS) & ~known
    return Truth(known, *sure, rows.group, strata_of(rows.stamps))


def scores_of(what: str, rows: LabelledStamps) -> NDArray[np.float64]:
    """Return the scores (n,) of alerts by a model, a file, the models of five folds, or the teacher.

    Raises
    ------
    ReadError
        If a file of scores gives none of the alerts a score, or the folder lacks the model of a fold.
    """
    if what == TEACHER:
        return rows.teacher.astype(np.float64)
    path = Path(what)
    if path.is_dir():
        return _scores_of_folds(path, rows)
    if path.suffix in TABLE_SUFFIXES:
        return _scores_of_file(path, rows)
    return s2v.load(what).score(rows.stamps).score.astype(np.float64)


def fold_models(folder: Path) -> list[Model]:
    """Return the models of the five folds.

    Raises
    ------
    ReadError
        If the folder lacks one.
    """
    paths = [folder / f"fold_{number}.safetensors" for number in range(FOLDS)]
    for path in paths:
        if not path.is_file():
            raise ReadError(f"{folder} has no {path.name}: {FOLDS} models are needed, one a fold")
    return [s2v.load(path) for path in paths]


def _scores_of_folds(folder: Path, rows: LabelledStamps) -> NDArray[np.float64]:
    out = np.full(len(rows), np.nan)
    for model, (_, fold) in zip(fold_models(folder), train_and_test_rows(rows.group), strict=True):
        out[fold.test] = model.score(rows.stamps[fold.test]).score
    return out


def _scores_of_file(path: Path, rows: LabelledStamps) -> NDArray[np.float64]:
    table = read_scores(path)
    if table.candidate_id is None:
        raise ReadError(f"{path} has no candidate ids")
    pairs = pair_rows(Side(rows.stamps.candidate_id, "the alerts"), Side(table.candidate_id, str(path)))
    if not len(pairs.left):
        raise ReadError(
            f"{path} scores none of the {len(rows)} alerts; its ids look like {id_keys(table.candidate_id[:1])}"
        )
    out = np.full(len(rows), np.nan)
    out[pairs.left] = table.score[pairs.right]
    return out


def yardsticks(
    scores: Mapping[str, NDArray[np.float64]], truth: Truth, *, against: Sequence[str] = (), bootstrap: int = 2000
) -> dict[str, Any]:
    """Measure models on the same alerts; return the record, ready for JSON."""
    rivals = {
        rival: {
            name: paired(score, scores[rival], truth, bootstrap=bootstrap)
            for name, score in scores.items()
            if name != rival
        }
        for rival in against
        if rival in scores
    }
    return {
        "alerts": len(truth),
        "objects": len(set(truth.group.tolist())),
        "known real": int(truth.known.sum()),
        "sure real": int(truth.sure_real.sum()),
        "sure bogus": int(truth.sure_bogus.sum()),
        "without a score": {name: int(np.isnan(score).sum()) for name, score in scores.items()},
        "models": measure(scores, truth, bootstrap=bootstrap),
        "against": rivals,
    }


def print_part(title: str, record: dict[str, Any]) -> None:
    """Print the headline figures of a record of yardsticks, and those of strata with missing pixels."""
    print(f"\n{title}: {record['alerts']} alerts of {record['objects']} objects, {record['known real']} known real, "
          f"{record['sure real']} sure real, {record['sure bogus']} sure bogus")  # fmt: skip
    for name, found in record["models"].items():
        for figure, cell in found.items():
            shown = figure in SHOWN or "NaN" in figure or "edge" in figure
            if shown and cell["value"] is not None:
                print(f"  {name:<20}{figure:<45}{cell['value']:.4f} ({cell['low']:.4f} .. {cell['high']:.4f})")


def write_record(arguments: argparse.Namespace, strata: dict[str, int], results: dict[str, dict[str, Any]]) -> None:
    """Replace the entry of the record that has the title of the arguments."""
    record = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    record[arguments.title] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": processor(), "versions": versions(("numpy",)), "bootstrap": arguments.bootstrap,
        "note": arguments.note, "strata": strata, "results": results,
    }  # fmt: skip
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(record, indent=1) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write the record; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SPACE2VEC_DATA", "../shared/data")))
    parser.add_argument("--scores", nargs="+", metavar="NAME=WHAT", default=[f"{name}={name}" for name in PACKAGED])
    parser.add_argument("--against", nargs="+", default=["default"], metavar="NAME", help="rivals of the paired tests")
    parser.add_argument("--bootstrap", type=int, default=2000)
    parser.add_argument("--title", default="packaged models", help="the entry of the JSON file that is replaced")
    parser.add_argument("--note", default="", help="what readers of the page should know of these models")
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args(argv)
    wanted = dict(one.split("=", 1) if "=" in one else (Path(one).stem, one) for one in arguments.scores)
    rows = all_alerts(arguments.data)
    truth = truth_of(rows)
    scores = {name: scores_of(what, rows) for name, what in wanted.items()}
    results = {"all": yardsticks(scores, truth, against=arguments.against, bootstrap=arguments.bootstrap)}
    print_part(arguments.title, results["all"])
    print(describe_strata(truth.strata))
    write_record(arguments, {name: int(here.sum()) for name, here in truth.strata.items()}, results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
