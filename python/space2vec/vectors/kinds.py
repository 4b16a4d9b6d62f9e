"""The kinds of a night: groups of candidates that look alike, what is in none of them, and what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from space2vec.data import columns as further
from space2vec.data import flags as flag_bits
from space2vec.data.rows import RowParts, Rows
from space2vec.errors.packages import need
from space2vec.vectors.exact import inverse_norms
from space2vec.vectors.prototypes import OUTLIER, Prototypes

if TYPE_CHECKING:
    from typing import Self

    from space2vec.data.types import AnyArray
    from space2vec.data.vectors import Vectors
    from space2vec.vectors.index import Index

__all__ = ["OUTLIER", "Kind", "Kinds", "Method", "cluster"]

#: How kinds are found.
Method: TypeAlias = Literal["kmeans", "hdbscan"]
#: Of HDBSCAN: the neighbours that make a candidate part of a dense place. More of them leave more candidates out.
_NEIGHBOURS = 5
#: The fewest candidates of a kind, unless a number is asked for.
_LEAST = 5
#: Kinds of k-means at most, unless a number is asked for.
_MOST_KINDS = 64
#: Of k-means: a candidate is an outlier if it is so many deviations (MAD) farther from the centre than the median.
_DEVIATIONS = 3.0
#: Earlier candidates whose own nearest neighbours show how far apart known ones are, and the share of those that count.
_SAMPLED, _USUAL = 2000, 0.99


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of a night.

    Attributes
    ----------
    name : str
        Its name, which it keeps from night to night; ``outlier`` for those in no kind.
    rows : ndarray of int (n,)
        Its rows: those of a kind from its centre outwards, outliers from the farthest from all kinds on.
    distance : float
        The median distance from the centre, 1 - cosine; NaN for outliers of a night without kinds.
    is_new : bool
        Whether no earlier night had it.
    """

    name: str
    rows: NDArray[np.intp]
    distance: float
    is_new: bool

    def __len__(self) -> int:
        return len(self.rows)


class Kinds(Rows):
    """The kinds of a night's candidates: one row for each, in the order of the vectors.

    Parameters
    ----------
    kind : ndarray of object (n,)
        The name of the kind of each row; ``outlier`` if it is in none, ``None`` if it has no vector.
    distance : ndarray of float32 (n,)
        1 - the cosine with the centre of its kind; of an outlier, with the nearest centre. NaN without a vector, and
        where the night has no kind.
    novelty : ndarray of float32 (n,)
        1 - the cosine with the most like candidate of earlier nights: high for what is unlike all before. NaN without
        earlier nights or a vector.
    flags, object_id, candidate_id : ndarray (n,)
        The flags and ids of each row.
    model : str
        Name and digest of the model that gave the vectors.
    prototypes : Prototypes, optional
        The kinds of all nights so far, with this one.
    novel_above : float
        99 of 100 earlier candidates are less than this from the nearest of the others; NaN without earlier nights.
    columns : mapping of str to array_like (n,), optional
        Extra columns that go along.
    """

    def __init__(
        self,
        kind: NDArray[np.object_],
        distance: NDArray[np.float32],
        novelty: NDArray[np.float32],
        flags: flag_bits.FlagSource,
        object_id: AnyArray,
        candidate_id: AnyArray,
        model: str,
        prototypes: Prototypes | None = None,
        novel_above: float = float("nan"),
        *,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        super().__init__(flags)
        self.kind = kind
        self.distance = distance
        self.novelty = novelty
        self.object_id = object_id
        self.candidate_id = candidate_id
        self.model = model
        self.prototypes = prototypes
        self.novel_above = novel_above
        self.columns = further.check_columns({"kind": kind, **(columns or {})}, len(kind))

    @property
    def groups(self) -> list[Kind]:
        """The outliers, if there are any, then the kinds from the smallest to the largest."""
        names = [name for name in dict.fromkeys(self.kind.tolist()) if name is not None]
        known = {} if self.prototypes is None else dict(zip(self.prototypes.names, self.prototypes.nights, strict=True))
        groups = []
        for name in names:
            rows = np.flatnonzero(self.kind == name)
            order = np.argsort(-self.distance[rows] if name == OUTLIER else self.distance[rows], kind="stable")
            groups.append(Kind(name, rows[order], float(np.median(self.distance[rows])), known.get(name) == 1))
        return sorted(groups, key=lambda group: (group.name != OUTLIER, len(group)))

    def order(self) -> NDArray[np.intp]:
        """Return the row numbers (n,) as a table is best read: outliers, then small kinds, large ones, no vector."""
        without = np.flatnonzero(self.kind == None)  # noqa: E711 - elementwise
        return np.concatenate([np.empty(0, np.intp), *(group.rows for group in self.groups), without])

    @property
    def novel(self) -> NDArray[np.intp]:
        """The rows (m,) that are unlike all before, the most unlike first: their novelty is above `novel_above`."""
        rows = np.flatnonzero(self.novelty > self.novel_above)
        return rows[np.argsort(-self.novelty[rows], kind="stable")]

    @property
    def metadata(self) -> dict[str, str]:
        """The origin of the kinds: the version of space2vec, and the model of the vectors."""
        return {**super().metadata, "model": self.model}

    def _values(self) -> dict[str, AnyArray]:
        return {"distance": self.distance, "novelty": self.novelty}

    def _with_values(self, rows: slice | NDArray[np.intp], part: RowParts) -> Self:
        columns = {name: values for name, values in part["columns"].items() if name != "kind"}
        return type(self)(
            self.kind[rows],
            self.distance[rows],
            self.novelty[rows],
            part["flags"],
            part["object_id"],
            part["candidate_id"],
            self.model,
            self.prototypes,
            self.novel_above,
            columns=columns,
        )

    def _title(self) -> str:
        groups = self.groups
        outliers = sum(len(group) for group in groups if group.name == OUTLIER)
        kinds = sum(group.name != OUTLIER for group in groups)
        return f"Kinds: {len(self)} rows in {kinds} kinds, {outliers} of them outliers"


def cluster(
    vectors: Vectors,
    *,
    method: Method = "kmeans",
    kinds: int | None = None,
    smallest: int | None = None,
    prototypes: Prototypes | None = None,
    earlier: Index | None = None,
    seed: int = 0,
) -> Kinds:
    """Find the kinds of a night: groups of candidates that look alike.

    Parameters
    ----------
    vectors : Vectors
        The vectors of the night.
    method : str
        ``kmeans`` (mini-batch k-means, Sculley 2010) divides the night into a number of kinds; outliers are those far
        from their centre (farther than the median by three deviations, of the median absolute deviation) and those of
        kinds below `smallest`. ``hdbscan`` (Campello et al. 2013) finds dense places, however many there are, and
        leaves all others as outliers, often most of a night; its time grows with the square of the night.
    kinds : int, optional
        The number of kinds of k-means; by default half the square root of the number of vectors, 64 at most.
    smallest : int, optional
        The fewest candidates of a kind; by default 5 for k-means, and for HDBSCAN half the square root of the number of
        vectors, and at least 5.
    prototypes : Prototypes, optional
        The kinds of earlier nights: a kind that continues one of them keeps its name. A night that they have counted
        is not counted again.
    earlier : Index, optional
        The candidates of earlier nights, to measure novelty.
    seed : int
        Of k-means.

    Returns
    -------
    Kinds
        The kind of each row with its distance and novelty, and the prototypes with this night.

    Raises
    ------
    ValueError
        If the method is unknown, a number is out of range, or `kinds` is given for HDBSCAN.
    ModelError
        If the prototypes or the earlier candidates are of another model.
    ImportError
        If scikit-learn is not installed.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> values = np.repeat(random.integers(-90, 90, (3, 64)), 40, axis=0) + random.integers(-9, 9, (120, 64))
    >>> ids = np.arange(120)
    >>> vectors = s2v.Vectors(values.astype(np.int8), np.zeros(120, np.uint32), ids.astype(str), ids, "mine")
    >>> found = s2v.vectors.cluster(vectors, kinds=3)
    >>> sorted(group.name for group in found.groups if len(group) > 30)
    ['kind-1', 'kind-2', 'kind-3']
    """
    need("sklearn", "kinds of a night need scikit-learn")
    if method not in ("kmeans", "hdbscan"):
        raise ValueError(f"method must be kmeans or hdbscan; given {method!r}")
    if smallest is not None and smallest < 2:
        raise ValueError(f"smallest must be at least 2; given {smallest}")
    if kinds is not None and kinds < 1:
        raise ValueError(f"kinds must be at least 1; given {kinds}")
    before = Prototypes.none(vectors.model, vectors.size) if prototypes is None else prototypes
    before.check_model(vectors.model, vectors.size)
    sound = np.flatnonzero(vectors.has_vector)
    values = vectors.to_numpy()[sound]
    unit = values.astype(np.float32) * inverse_norms(values)[:, None]
    if method == "hdbscan" and kinds is not None:
        raise ValueError("hdbscan finds how many kinds there are; a number of them is for kmeans")
    half = round(np.sqrt(len(unit)) / 2)
    least = smallest or (max(_LEAST, half) if method == "hdbscan" else _LEAST)
    number = min(max(half, 1), _MOST_KINDS) if kinds is None else kinds
    groups = _hdbscan(unit, least) if method == "hdbscan" else _kmeans(unit, number, least, seed)
    groups = _by_size(groups)
    centres = np.array([_direction(unit[groups == k]) for k in range(groups.max(initial=-1) + 1)], dtype=np.float32)
    centres = centres.reshape(-1, vectors.size)
    cosine = unit @ centres.T
    # Without a kind there is no middle to be away from.
    nearest = cosine.max(axis=1) if len(centres) else np.full(len(unit), np.nan, dtype=np.float32)
    own = np.where(groups < 0, nearest, cosine[np.arange(len(unit)), groups] if len(centres) else nearest)
    counts = np.bincount(groups[groups >= 0], minlength=len(centres)).tolist()
    reach = np.array([np.median(own[groups == k]) for k in range(len(centres))], dtype=np.float32)
    names, after = before.continued(before.match(centres, reach), centres, counts, vectors)

    kind, distance = np.full(len(vectors), None, dtype=object), np.full(len(vectors), np.nan, dtype=np.float32)
    kind[sound] = np.array([*names, OUTLIER], dtype=object)[groups]
    distance[sound] = np.maximum(0, 1 - own)
    novelty, novel_above = _novelty(vectors, earlier)
    return Kinds(
        kind, distance, novelty, vectors.flags, vectors.object_id, vectors.candidate_id, vectors.model, after,
        novel_above,
    )  # fmt: skip


def _hdbscan(unit: NDArray[np.float32], least: int) -> NDArray[np.int64]:
    """Return the group of each unit vector (n, size), -1 for an outlier."""
    from sklearn.cluster import HDBSCAN

    if len(unit) < max(least, 2):
        return np.full(len(unit), -1, dtype=np.int64)
    return np.asarray(
        HDBSCAN(min_cluster_size=least, min_samples=_NEIGHBOURS, copy=True).fit(unit).labels_, dtype=np.int64
    )


def _kmeans(unit: NDArray[np.float32], kinds: int, least: int, seed: int) -> NDArray[np.int64]:
    """Return the group of each unit vector (n, size), -1 for one far from its centre or in a group below `least`."""
    from sklearn.cluster import MiniBatchKMeans

    number = min(kinds, len(unit))
    if not number:
        return np.empty(0, dtype=np.int64)
    model = MiniBatchKMeans(number, batch_size=4096, n_init=3, random_state=seed).fit(unit)
    groups = np.asarray(model.labels_, dtype=np.int64)
    for group in range(number):
        rows = np.flatnonzero(groups == group)
        if len(rows) < least:
            groups[rows] = -1
            continue
        distance = 1 - unit[rows] @ _direction(unit[rows])
        median = np.median(distance)
        limit = median + _DEVIATIONS * 1.4826 * np.median(np.abs(distance - median))
        groups[rows[distance > limit]] = -1
    return groups


def _by_size(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give groups numbers by their size, the largest first; -1 stays."""
    numbers, counts = np.unique(groups[groups >= 0], return_counts=True)
    places = np.full(groups.max(initial=-1) + 2, -1, dtype=np.int64)
    places[numbers[np.argsort(-counts, kind="stable")]] = np.arange(len(numbers))
    return np.asarray(places[groups])


def _direction(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of unit vectors as a unit vector; the first of them if they cancel."""
    mean = unit.mean(axis=0, dtype=np.float64)
    norm = np.linalg.norm(mean)
    return np.asarray(mean / norm if norm > 1e-6 else unit[0], dtype=np.float32)


def _novelty(vectors: Vectors, earlier: Index | None) -> tuple[NDArray[np.float32], float]:
    """Return 1 - the cosine with the most like earlier candidate (n,), and below which that is usual."""
    if earlier is None or not len(earlier):
        return np.full(len(vectors), np.nan, dtype=np.float32), float("nan")
    novelty = 1 - earlier.search(vectors, 1).likeness[:, 0]
    every = max(1, len(earlier) // _SAMPLED)
    among = 1 - earlier.search(earlier.vectors(np.arange(0, len(earlier), every)), 1).likeness[:, 0]
    known = among[~np.isnan(among)]
    return np.maximum(novelty, 0), float(np.quantile(known, _USUAL)) if len(known) else float("nan")
