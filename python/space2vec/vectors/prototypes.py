"""Prototypes: the middle of each kind of candidates over all nights so far, by which kinds keep their names."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from space2vec.data.atomic_file import write_whole
from space2vec.data.ids import id_keys
from space2vec.errors import ModelError, ReadError
from space2vec.errors.text import NAME, one_line
from space2vec.model_files import strict_json

if TYPE_CHECKING:
    from space2vec.data.types import Json
    from space2vec.data.vectors import Vectors

__all__ = ["OUTLIER", "Prototypes"]

#: The kind of candidates that are in none; no kind may have this name.
OUTLIER = "outlier"
_FORMAT, _VERSION = "space2vec kinds", 1
#: A prototype is kept with six decimals: a kind of equal vectors is as near as that to its own.
_ROUNDING = 1e-5
_NUMBERED = re.compile(r"kind-([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True)
class Prototypes:
    """The kinds of candidates that were found so far.

    Attributes
    ----------
    model : str
        Name and digest of the model that gave the vectors.
    names : tuple of str (k,)
        The names, ``kind-1`` and so on until somebody renames them in the file.
    centres : ndarray of float32 (k, size)
        The mean of the unit vectors of each kind, as a unit vector.
    candidates : tuple of int (k,)
        How many candidates each had, over all nights.
    nights : tuple of int (k,)
        On how many nights it was found.
    counted : tuple of str
        A digest of each night that is counted, by which the same night is not counted twice.
    """

    model: str
    names: tuple[str, ...]
    centres: NDArray[np.float32]
    candidates: tuple[int, ...]
    nights: tuple[int, ...]
    counted: tuple[str, ...] = ()

    @classmethod
    def none(cls, model: str, size: int) -> Prototypes:
        """Return the prototypes of before the first night."""
        return cls(model, (), np.empty((0, size), np.float32), (), ())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Prototypes:
        """Read prototypes from a file that :meth:`write` has made.

        Raises
        ------
        ReadError
            If the file holds no prototypes, is damaged or of another version, or names a kind twice.
        OSError
            If it cannot be opened.
        """
        place = Path(path)
        try:
            entries = strict_json.loads(place.read_bytes())
        except ValueError as error:
            raise ReadError(f"{place}: no prototypes: {error}") from None
        if not isinstance(entries, dict) or entries.get("format") != _FORMAT:
            raise ReadError(f"{place}: no prototypes: space2vec cluster writes them")
        if entries.get("version") != _VERSION:
            raise ReadError(f"{place}: prototypes of version {entries.get('version')}; this space2vec reads {_VERSION}")
        try:
            found = cls._of_entries(entries)
        except (KeyError, TypeError, ValueError):
            raise ReadError(f"{place}: damaged prototypes: an entry is missing or wrong") from None
        twice = next((name for name in found.names if found.names.count(name) > 1), None)
        if twice is not None:
            raise ReadError(f"{place}: two kinds are named {one_line(twice, NAME)}")
        return found

    @classmethod
    def _of_entries(cls, entries: dict[str, Json]) -> Prototypes:
        model, size, kinds = entries["model"], entries["size"], entries["kinds"]
        counted = entries.get("counted", [])  # files of earlier versions have none
        if not isinstance(model, str) or not isinstance(size, int) or not isinstance(kinds, list):
            raise TypeError("wrong types")
        if not isinstance(counted, list) or not all(isinstance(night, str) for night in counted):
            raise TypeError("nights that are no digests")
        names: list[str] = []
        counts: list[tuple[int, int]] = []
        centres = np.empty((len(kinds), size), dtype=np.float32)
        for row, kind in enumerate(kinds):
            if not isinstance(kind, dict):
                raise TypeError("a kind is no object")
            name, candidates, nights = kind["name"], kind["candidates"], kind["nights"]
            if not (isinstance(name, str) and isinstance(candidates, int) and isinstance(nights, int)):
                raise TypeError("wrong types")
            if name in ("", OUTLIER):
                raise ValueError("no name of a kind")
            names.append(name)
            counts.append((candidates, nights))
            centres[row] = np.array(kind["centre"], dtype=np.float32)
        norms = np.linalg.norm(centres.astype(np.float64), axis=1)
        if not (np.isfinite(norms).all() and (norms > 0).all() and all(n > 0 and m > 0 for n, m in counts)):
            raise ValueError("a centre that is no direction, or a count below 1")
        found = (
            cls(model, tuple(names), (centres / norms[:, None]).astype(np.float32), *zip(*counts, strict=True))
            if counts
            else cls.none(model, size)
        )
        return replace(found, counted=tuple(str(night) for night in counted))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the prototypes as JSON; the names in it may be changed by hand.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        kinds = [
            {
                "name": name,
                "candidates": candidates,
                "nights": nights,
                "centre": [round(value, 6) for value in centre.tolist()],
            }
            for name, candidates, nights, centre in zip(
                self.names, self.candidates, self.nights, self.centres, strict=True
            )
        ]
        entries = {
            "format": _FORMAT,
            "version": _VERSION,
            "model": self.model,
            "size": self.centres.shape[1],
            "counted": list(self.counted),
        }
        lines = ",\n".join(json.dumps(kind) for kind in kinds)
        head = json.dumps(entries)[1:-1]
        write_whole(Path(path), f'{{{head}, "kinds": [\n{lines}\n]}}\n'.encode())

    def check_model(self, model: str, size: int) -> None:
        """Raise a ModelError if these are not the prototypes of this model's vectors."""
        if (self.model, self.centres.shape[1]) != (model, size):
            raise ModelError(
                f"the prototypes are of vectors by {self.model}, these are by {model or 'no named model'}: they cannot "
                "be compared"
            )

    def match(self, centres: NDArray[np.float32], reach: NDArray[np.float32]) -> list[str | None]:
        """Return for each new centre (m, size) the name of the kind that it continues, or ``None``.

        A kind continues if its prototype is as near to the new centre as the members of the new kind are: their
        cosine is at least `reach` (m,). Each prototype is taken once, in the assignment with the highest sum of
        cosines.
        """
        from scipy.optimize import linear_sum_assignment

        cosine = centres @ self.centres.T
        near = cosine >= reach[:, None] - _ROUNDING
        names: list[str | None] = [None] * len(centres)
        for new, old in zip(*linear_sum_assignment(np.where(near, -cosine - 1, 0)), strict=True):
            if near[new, old]:
                names[new] = self.names[old]
        return names

    def has_counted(self, night: Vectors) -> bool:
        """Return whether these candidates, with these vectors and in any order, are counted already."""
        return _digest(night) in self.counted

    def continued(
        self, names: Sequence[str | None], centres: NDArray[np.float32], candidates: Sequence[int], night: Vectors
    ) -> tuple[list[str], Prototypes]:
        """Return the names of a night's kinds, new ones for those without, and the prototypes with that night.

        A prototype becomes the mean of all its candidates so far. Of a night that is counted already, only kinds that
        were not found in it before are added.
        """
        digest = _digest(night)
        is_counted = digest in self.counted
        used = {int(found[1]) for name in self.names if (found := _NUMBERED.fullmatch(name))}
        following = max(used, default=0)
        all_names, sums = (
            list(self.names),
            list(self.centres * np.array(self.candidates or [0.0])[: len(self.names), None]),
        )
        counts, nights = list(self.candidates), list(self.nights)
        given: list[str] = []
        for name, centre, count in zip(names, centres, candidates, strict=True):
            if name is None:
                following += 1
                name = f"kind-{following}"
                all_names.append(name)
                sums.append(np.zeros_like(centre))
                counts.append(0)
                nights.append(0)
            given.append(name)
            at = all_names.index(name)
            if is_counted and nights[at]:
                continue
            sums[at] = sums[at] + count * centre
            counts[at] += count
            nights[at] += 1
        whole = np.array(sums, dtype=np.float64).reshape(-1, centres.shape[1])
        norms = np.linalg.norm(whole, axis=1, keepdims=True)
        return given, replace(
            self,
            names=tuple(all_names),
            centres=(whole / norms).astype(np.float32),
            candidates=tuple(counts),
            nights=tuple(nights),
            counted=self.counted if is_counted or not night.has_vector.any() else (*self.counted, digest),
        )


def _digest(night: Vectors) -> str:
    """Return a digest of the candidates of a night that have a vector, whatever their order.

    Vectors are part of it: rows of a file without ids have their numbers as ids, which other nights have too.
    """
    rows = night.rows(np.flatnonzero(night.has_vector))
    keys = id_keys(rows.candidate_id)
    entries = sorted(f"{key}:{value.tobytes().hex()}" for key, value in zip(keys, rows.to_numpy(), strict=True))
    return hashlib.sha256("\n".join(entries).encode()).hexdigest()[:32]
