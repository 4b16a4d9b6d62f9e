"""Time and recall of indexes of vectors: space2vec's, against the graphs and lists of usearch and faiss.

    python -m benchmarks.speed.vector_index [--rows 1000000] [--only NAME ...] [--json FILE]

The vectors are simulated: 300 kinds around points of a space of 12 dimensions, bent into 64 and rounded to int8. The
queries are 200 others of the same distribution, asked one at a time on one core. The time is that of the processor, so
that a busy machine changes it little; the recall is the share of the 10 or 20 most like vectors, by the exact cosine,
that were found. Peers (pip install usearch faiss-cpu) are left out where they are not installed.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np  # noqa: E402 - after the number of threads

import space2vec as s2v  # noqa: E402
from benchmarks.programs import processor, versions  # noqa: E402
from space2vec.vectors.exact import inverse_norms, nearest  # noqa: E402

SIZE, QUERIES, MOST = 64, 200, 20
Search = Callable[[np.ndarray], np.ndarray]


def simulate_vectors(n: int, seed: int) -> np.ndarray:
    """Return int8 vectors (n, 64) of the same 300 kinds for every seed."""
    fixed = np.random.default_rng(99)
    first = fixed.normal(size=(12, 96)).astype(np.float32)
    second = fixed.normal(size=(96, SIZE)).astype(np.float32) / 6
    centres = fixed.normal(size=(300, 12)).astype(np.float32)
    spread = fixed.uniform(0.15, 0.6, 300).astype(np.float32)
    random = np.random.default_rng(seed)
    vectors = np.empty((n, SIZE), np.int8)
    for begin in range(0, n, 200_000):
        kind = random.integers(0, 300, min(n - begin, 200_000))
        point = centres[kind] + spread[kind, None] * random.normal(size=(len(kind), 12)).astype(np.float32)
        bent = np.tanh(point @ first / 2) @ second + 0.05 * random.normal(size=(len(kind), SIZE)).astype(np.float32)
        vectors[begin : begin + len(kind)] = np.clip(np.rint(60 * bent), -127, 127)
    return vectors


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors.astype(np.float32) * inverse_norms(vectors)[:, None]


def build_ours(vectors: np.ndarray, folder: Path, *, exact: bool) -> tuple[dict[str, Search], int]:
    ids = np.arange(len(vectors))
    objects = np.full(len(vectors), "o", dtype=object)
    flags = np.zeros(len(vectors), np.uint32)
    below = len(vectors) + 1 if exact else 1
    index = s2v.Index.build(s2v.Vectors(vectors, flags, objects, ids, "simulated"), folder / "index", exact_below=below)
    size = sum(file.stat().st_size for file in (folder / "index").iterdir())

    def search(probes: int | None) -> Search:
        return lambda query: index.search(query, MOST, probes=probes).row[0]

    if exact:
        return {"exact": search(None)}, size
    return {f"{probes} probes": search(probes) for probes in (16, 32, 64, 128)}, size


def build_usearch(vectors: np.ndarray, folder: Path) -> tuple[dict[str, Search], int]:
    from usearch.index import Index

    index = Index(ndim=SIZE, metric="cos", dtype="i8", connectivity=16, expansion_add=128)
    for begin in range(0, len(vectors), 100_000):
        part = np.ascontiguousarray(vectors[begin : begin + 100_000])
        index.add(np.arange(begin, begin + len(part)), part, threads=1)
    index.save(str(folder / "graph"))
    index = Index.restore(str(folder / "graph"), view=True)

    def search(expansion: int) -> Search:
        def run(query: np.ndarray) -> np.ndarray:
            index.expansion_search = expansion
            return np.asarray(index.search(query, MOST, threads=1).keys)

        return run

    return {f"expansion {e}": search(e) for e in (32, 64, 128)}, (folder / "graph").stat().st_size


def build_faiss(vectors: np.ndarray, folder: Path) -> tuple[dict[str, Search], int]:
    import faiss

    index = faiss.index_factory(SIZE, "HNSW16,SQ8", faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 128
    index.train(unit(vectors[:: max(1, len(vectors) // 100_000)]))
    for begin in range(0, len(vectors), 100_000):
        index.add(unit(vectors[begin : begin + 100_000]))
    faiss.write_index(index, str(folder / "graph"))

    def search(expansion: int) -> Search:
        def run(query: np.ndarray) -> np.ndarray:
            index.hnsw.efSearch = expansion
            return np.asarray(index.search(unit(query), MOST)[1][0])

        return run

    return {f"expansion {e}": search(e) for e in (32, 64, 128)}, (folder / "graph").stat().st_size


CONTENDERS: dict[str, Callable[[np.ndarray, Path], tuple[dict[str, Search], int]]] = {
    "space2vec, exact": lambda vectors, folder: build_ours(vectors, folder, exact=True),
    "space2vec, lists": lambda vectors, folder: build_ours(vectors, folder, exact=False),
    "usearch, graph": build_usearch,
    "faiss, graph": build_faiss,
}


def measure(name: str, vectors: np.ndarray, queries: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        searches, size = CONTENDERS[name](vectors, Path(folder))
        built = time.process_time() - start
        results = {}
        for setting, search in searches.items():
            search(queries[:1])
            start = time.process_time()
            found = [search(queries[k : k + 1]) for k in range(len(queries))]
            spent = (time.process_time() - start) / len(queries)
            shared = [
                [len(set(a[:k].tolist()) & set(b[:k].tolist())) / k for a, b in zip(found, truth, strict=True)]
                for k in (10, MOST)
            ]
            recall = [round(float(np.mean(one)), 4) for one in shared]
            results[setting] = {"milliseconds": round(1000 * spent, 3), "recall at 10": recall[0], "at 20": recall[1]}
            print(f"{name:18} {setting:14} {1000 * spent:8.2f} ms  recall {recall[0]:.4f} {recall[1]:.4f}", flush=True)
    print(f"{name:18} built in {built:.0f} s, {size / len(vectors):.0f} bytes a vector", flush=True)
    return {"build seconds": round(built, 1), "bytes a vector": round(size / len(vectors), 1), "searches": results}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and recall of indexes of vectors.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=tuple(CONTENDERS), default=tuple(CONTENDERS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    vectors, queries = simulate_vectors(arguments.rows, 5), simulate_vectors(QUERIES, 6)
    truth = nearest([(vectors, inverse_norms(vectors))], queries, MOST)[1]
    results = {
        name: measure(name, vectors, queries, truth)
        for name in arguments.only
        if not name.startswith("usearch") or importlib.util.find_spec("usearch") is not None
    }
    record = {
        "benchmark": "vector_index",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": processor(),
        "versions": versions(("numpy", "faiss-cpu", "usearch")),
        "rows": arguments.rows,
        "peak bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "results": results,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
