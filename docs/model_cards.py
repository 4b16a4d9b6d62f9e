"""Write docs/models: a card for each packaged model, with the speeds of benchmarks/results/model_speed.json.

``make pages`` writes the cards; ``python docs/model_cards.py --measure`` measures the speeds on this machine first.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from space2vec.cli.info import measure_speed
from space2vec.models.card import NOTES, Speed, model_card
from space2vec.models.load import load

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "models"
SPEEDS = HERE.parent / "benchmarks" / "results" / "model_speed.json"


def cards(record: dict[str, Any]) -> dict[str, str]:
    """Return the card of each packaged model, by the name of its page, and the page that lists them."""
    pages = {}
    for name, notes in NOTES.items():
        figure = record["microseconds"].get(name)
        speed = None if figure is None else Speed(figure, record["device"])
        pages[f"{name}.md"] = model_card(load(name), notes=notes, speed=speed)
    rows = [f"| [{name}]({name}.md) | {notes.use} | {notes.surveys} |" for name, notes in NOTES.items()]
    table = ["| model | what it is for | surveys |", "|---|---|---|", *rows]
    head = "# Packaged models\n\n`space2vec info MODEL` shows the card of any model, and its speed on your machine.\n\n"
    hidden = "\n\n```{toctree}\n:hidden:\n\n" + "\n".join(NOTES) + "\n```\n"
    return {**pages, "index.md": head + "\n".join(table) + hidden}


def measure() -> dict[str, Any]:
    """Measure the speed of each packaged model on this machine."""
    found = {name: measure_speed(load(name)) for name in NOTES}
    known = {name: speed for name, speed in found.items() if speed is not None}
    return {
        "benchmark": "model_speed",
        "device": next(iter(known.values())).device,
        "microseconds": {name: speed.microseconds for name, speed in known.items()},
    }


def main() -> None:
    """Write the cards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure the speeds first")
    if parser.parse_args().measure:
        SPEEDS.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    FOLDER.mkdir(exist_ok=True)
    for name, text in cards(json.loads(SPEEDS.read_text(encoding="utf-8"))).items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
