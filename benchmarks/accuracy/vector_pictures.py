"""Draw candidates and those whose vectors are nearest to theirs.

    python -m benchmarks.accuracy.vector_pictures --data FOLDER --kept FOLDER [--model NAME|FILE] --pictures FOLDER

``look_alikes_real.png``: real ZTF alerts, each row one of them and its nearest among all others.
``look_alikes_simulated.png``: held-out simulated candidates of three surveys, one row for each of 18 kinds, with kinds.
Each candidate is shown by its science image, template and difference; look-alikes are never of the same object.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import space2vec as s2v
from benchmarks.accuracy.vectors import SURVEYS, vectors_of
from benchmarks.programs import REPOSITORY
from space2vec.data.labelled_stamps import LabelledStamps
from space2vec.data.stamps import CHANNELS
from space2vec.evaluation import nearest_rows
from space2vec.models.network import Network
from space2vec.studies.packaged.alerts import real_alerts
from space2vec.studies.packaged.vectors import USUAL_KINDS, held_out_sets

__all__ = ["draw", "main", "other_objects"]

#: Look-alikes in a row, rows of real alerts, and half the side of what is shown of a stamp in pixels.
_ALIKE, _REAL_ROWS, _SHOWN = 6, 12, 15


def other_objects(vectors: NDArray[np.float32], objects: NDArray[np.str_], count: int) -> list[list[int]]:
    """Return the rows that are nearest to each row and show other objects than it and each other."""
    found = []
    for row, near in enumerate(nearest_rows(vectors, min(len(vectors) - 1, 20 * count)).tolist()):
        seen = {objects[row]}
        own = []
        for other in near:
            if objects[other] not in seen and len(own) < count:
                own.append(other)
                seen.add(objects[other])
        found.append(own)
    return found


def _shown(rows: LabelledStamps, row: int) -> NDArray[np.float32]:
    """Return science image, template and difference side by side, each in units of its noise, compressed."""
    y, x = rows.stamps.centre[row].tolist()
    parts = []
    for channel in CHANNELS:
        plane = rows.stamps.plane(row, channel)
        assert plane is not None
        padded = np.pad(np.where(np.abs(plane) < 1e9, plane, np.nan), _SHOWN, constant_values=np.nan)
        cut = padded[y : y + 2 * _SHOWN + 1, x : x + 2 * _SHOWN + 1]
        middle = np.nanmedian(cut) if np.isfinite(cut).any() else 0.0
        noise = 1.4826 * np.nanmedian(np.abs(cut - middle)) if np.isfinite(cut).any() else 1.0
        parts.append(np.pad(np.arcsinh((cut - middle) / max(float(noise), 1e-9)), 1, constant_values=np.nan))
    return np.concatenate(parts, axis=1)


def draw(rows: LabelledStamps, shown: Sequence[Sequence[int]], path: Path, titles: bool) -> None:
    """Draw one line for each candidate: itself, and its look-alikes after a gap."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots(len(shown), _ALIKE + 1, figsize=(2.0 * (_ALIKE + 1), 0.82 * len(shown)), squeeze=False)
    for line, alike in enumerate(shown):
        for place in range(_ALIKE + 1):
            axis = axes[line, place]
            axis.axis("off")
            if place < len(alike):
                axis.imshow(_shown(rows, alike[place]), cmap="gray", vmin=-2.0, vmax=4.0, interpolation="nearest")
                if titles:
                    axis.set_title(str(rows.kind[alike[place]]).replace("_", " "), fontsize=7, pad=1)
    figure.tight_layout(pad=0.2)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=62)
    plt.close(figure)
    # Grey levels take a third of the bytes of colours.
    Image.open(drawn).convert("L").save(path, optimize=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data", help="the data folder")
    parser.add_argument("--kept", type=Path, help="a folder where what is simulated is kept")
    parser.add_argument("--model", default="vectornet", help="name or file of a network of vectors")
    parser.add_argument("--pictures", type=Path, default=REPOSITORY / "docs" / "accuracy")
    arguments = parser.parse_args(argv)
    model = s2v.load(arguments.model)
    assert isinstance(model, Network)
    alerts = real_alerts(arguments.data)
    alike = other_objects(vectors_of(model, alerts.stamps), alerts.group.astype(np.str_), _ALIKE)
    chosen = np.random.default_rng(3).permutation(len(alerts))[:_REAL_ROWS].tolist()
    draw(alerts, [[row, *alike[row]] for row in chosen], arguments.pictures / "look_alikes_real.png", titles=False)
    sets = held_out_sets(arguments.kept)
    rows = LabelledStamps.concatenate([sets[survey] for survey in SURVEYS])
    alike = other_objects(vectors_of(model, rows.stamps), rows.group.astype(np.str_), _ALIKE)
    firsts = [int(np.flatnonzero(rows.kind.astype(np.str_) == kind)[5]) for kind in USUAL_KINDS]
    draw(rows, [[row, *alike[row]] for row in firsts], arguments.pictures / "look_alikes_simulated.png", titles=True)


if __name__ == "__main__":
    main()
