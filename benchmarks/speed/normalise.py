"""Time of the normalisers a plane, against NumPy, bottleneck, Numba, Torch and Astropy.

    python -m benchmarks.speed.normalise [--planes 256] [--rounds 15] [--only CHAIN ...] [--json FILE]

Contenders take turns, each in a process of its own that waits while the others run: all on one core, then those that
have threads on two. The planes are 63x63 float32: noise on a sky, three of four with a source. A package with a call
for a batch gets the batch, and in a second contender ("torch/16") blocks of 16 planes, which stay in the cache; the
others go plane by plane. In Numba it is the loop that one would write by hand (``numba_normalisers.py``). A ratio is
taken within a round, to the best peer of the round on as many cores; the script prints the median over the rounds and
the range of the middle half.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.programs import processor, versions
from benchmarks.speed.rounds import Contender, quartiles, serve, time_in_turns

SIDE = 63
CHAINS: dict[str, Any] = {
    "median-mad, asinh": ("median-mad", "asinh"),
    "sigma-clip": "sigma-clip",
    "zscale, asinh": ("zscale", "asinh"),
    "l2": "l2",
    "min-max": "min-max",
    "percentile": "percentile",
}
OURS = {"native": {"SPACE2VEC_BACKEND": "native"}, "numba-twin": {"SPACE2VEC_BACKEND": "numba"}}
PEERS = {
    "median-mad, asinh": ("numpy", "numpy/16", "bottleneck", "bottleneck/16", "numba", "torch", "torch/16", "astropy"),
    "sigma-clip": ("numpy", "bottleneck", "numba", "torch", "torch/16", "astropy"),
    "zscale, asinh": ("numpy", "numba", "astropy"),
    "l2": ("numpy", "numpy/16", "numba", "torch", "torch/16"),
    "min-max": ("numpy", "numpy/16", "bottleneck", "bottleneck/16", "numba", "torch", "torch/16"),
    "percentile": ("numpy", "numpy/16", "numba", "torch", "torch/16"),
}
#: Contenders that work on more than one core.
THREADED = ("native", "numba-twin", "numba", "torch", "torch/16")
#: Planes in a round of a slow contender, and passes over the batch in a round of the others.
FEW, PASSES = 32, 16

Work = Callable[[np.ndarray], Any]


def simulate_planes(count: int) -> np.ndarray:
    """Return float32 planes (count, SIDE, SIDE): a sky with noise, three of four with a source."""
    rng = np.random.default_rng(17)
    planes = rng.normal(100, 5, (count, SIDE, SIDE))
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    planes[np.arange(count) % 4 > 0] += 500 * np.exp(-(x**2 + y**2) / 8)
    return planes.astype(np.float32)


def numpy_work(chain: str) -> Work:
    """Return the chain in NumPy, on a batch or, where NumPy has no call for one, plane by plane."""

    def median_mad(p: np.ndarray) -> Any:
        c = p - np.median(p, axis=(1, 2), keepdims=True)
        return np.arcsinh(c / (1.4826 * np.median(np.abs(c), axis=(1, 2), keepdims=True)))

    def clip(p: np.ndarray) -> Any:
        for plane in p:
            values = plane.ravel()
            for _ in range(5):
                centre, deviation = np.median(values), values.std(dtype=np.float64)
                inside = values[np.abs(values - centre) <= 3 * deviation]
                if inside.size == values.size:
                    break
                values = inside
            (plane - np.median(values)) / values.std(dtype=np.float64)

    def zscale(p: np.ndarray) -> Any:
        for plane in p:
            low, high = numpy_zscale(plane)
            np.arcsinh((plane - low) / (high - low))

    def l2(p: np.ndarray) -> Any:
        flat = p.reshape(len(p), -1)
        return p / np.sqrt(np.einsum("ij,ij->i", flat, flat))[:, None, None]

    def min_max(p: np.ndarray) -> Any:
        low = p.min(axis=(1, 2), keepdims=True)
        return (p - low) / (p.max(axis=(1, 2), keepdims=True) - low)

    def percentile(p: np.ndarray) -> Any:
        low, high = np.percentile(p, [1, 99], axis=(1, 2), keepdims=True)
        return np.clip((p - low) / (high - low), 0, 1)

    return {
        "median-mad, asinh": median_mad,
        "sigma-clip": clip,
        "zscale, asinh": zscale,
        "l2": l2,
        "min-max": min_max,
        "percentile": percentile,
    }[chain]


def numpy_zscale(plane: np.ndarray) -> tuple[float, float]:
    """Return the limits of zscale, with the line fitted by sums rather than numpy.polyfit."""
    flat = plane.ravel()
    s = np.sort(flat[:: max(1, flat.size // 1000)][:1000]).astype(np.float64)
    n = s.size
    x = np.arange(n)
    good = np.ones(n, bool)
    least, before, slope = max(5, n // 2), n + 1, 0.0
    for _ in range(5):
        count = int(good.sum())
        if count >= before or count < least:
            break
        gx, gy = x[good], s[good]
        mx, my = gx.mean(), gy.mean()
        slope = ((gx - mx) * (gy - my)).sum() / ((gx - mx) ** 2).sum()
        away = s - (my + slope * (x - mx))
        limit = 2.5 * away[good].std()
        good = ~np.convolve(~good | (np.abs(away) > limit), np.ones(max(1, n // 100), bool), mode="same")
        before = count
    if good.sum() < least:
        return float(s[0]), float(s[-1])
    middle, centre = np.median(s), (n - 1) // 2
    return max(s[0], middle - (centre - 1) * slope * 4), min(s[-1], middle + (n - centre) * slope * 4)


def bottleneck_work(chain: str) -> Work:
    """Return the chain in bottleneck."""
    import bottleneck as bn

    def median_mad(p: np.ndarray) -> Any:
        flat = p.reshape(len(p), -1)
        c = flat - bn.median(flat, axis=1)[:, None]
        return np.arcsinh(c / (1.4826 * bn.median(np.abs(c), axis=1)[:, None]))

    def clip(p: np.ndarray) -> Any:
        for plane in p:
            values = plane.ravel().astype(np.float64)
            for _ in range(5):
                centre, deviation = bn.median(values), bn.nanstd(values)
                inside = values[np.abs(values - centre) <= 3 * deviation]
                if inside.size == values.size:
                    break
                values = inside
            (plane - bn.median(values)) / bn.nanstd(values)

    def min_max(p: np.ndarray) -> Any:
        flat = p.reshape(len(p), -1)
        low = bn.nanmin(flat, axis=1)[:, None]
        return (flat - low) / (bn.nanmax(flat, axis=1)[:, None] - low)

    return {"median-mad, asinh": median_mad, "sigma-clip": clip, "min-max": min_max}[chain]


def numba_work(chain: str, threads: int) -> Work:
    """Return the chain as a loop that one would write in Numba."""
    from benchmarks.speed.numba_normalisers import LOOPS, set_threads

    set_threads(threads)
    loop = LOOPS[chain]
    return lambda p: loop(p.reshape(len(p), -1), np.empty((len(p), p[0].size), np.float32))


def torch_work(chain: str, threads: int) -> Work:
    """Return the chain in Torch, which has no sigma clip: it is done on the batch, with NaN for clipped pixels."""
    import torch

    torch.set_num_threads(threads)

    def median_mad(p: Any) -> Any:
        flat = p.reshape(len(p), -1)
        c = flat - flat.median(dim=1, keepdim=True).values
        return torch.asinh(c / (1.4826 * c.abs().median(dim=1, keepdim=True).values))

    def clip(p: Any) -> Any:
        flat = p.reshape(len(p), -1)
        values = flat
        for _ in range(5):
            centre = values.nanmedian(dim=1, keepdim=True).values
            mean = values.nanmean(dim=1, keepdim=True)
            deviation = (values - mean).square().nanmean(dim=1, keepdim=True).sqrt()
            out = (values - centre).abs() > 3 * deviation
            if not out.any():
                break
            values = torch.where(out, torch.nan, values)
        mean = values.nanmean(dim=1, keepdim=True)
        deviation = (values - mean).square().nanmean(dim=1, keepdim=True).sqrt()
        return (flat - values.nanmedian(dim=1, keepdim=True).values) / deviation

    def l2(p: Any) -> Any:
        return torch.nn.functional.normalize(p.reshape(len(p), -1), dim=1)

    def min_max(p: Any) -> Any:
        low, high = torch.aminmax(p.reshape(len(p), -1), dim=1, keepdim=True)
        return (p.reshape(len(p), -1) - low) / (high - low)

    def percentile(p: Any) -> Any:
        flat = p.reshape(len(p), -1)
        low, high = torch.quantile(flat, torch.tensor([0.01, 0.99]), dim=1, keepdim=True)
        return ((flat - low) / (high - low)).clamp(0, 1)

    work = {"median-mad, asinh": median_mad, "sigma-clip": clip, "l2": l2, "min-max": min_max, "percentile": percentile}
    return lambda p: work[chain](torch.from_numpy(p))


def astropy_work(chain: str) -> Work:
    """Return the chain in Astropy, plane by plane."""
    from astropy.stats import mad_std, sigma_clipped_stats
    from astropy.visualization import ZScaleInterval

    interval = ZScaleInterval()

    def median_mad(plane: np.ndarray) -> Any:
        return np.arcsinh((plane - np.median(plane)) / mad_std(plane))

    def clip(plane: np.ndarray) -> Any:
        _, centre, deviation = sigma_clipped_stats(plane)
        return (plane - centre) / deviation

    def zscale(plane: np.ndarray) -> Any:
        return np.arcsinh(interval(plane, clip=False))

    one = {"median-mad, asinh": median_mad, "sigma-clip": clip, "zscale, asinh": zscale}[chain]

    def run(p: np.ndarray) -> None:
        for plane in p:
            one(plane)

    return run


def worker(name: str, chain: str, count: int, cores: int) -> None:
    """Work as a contender."""
    warnings.simplefilter("ignore")
    planes = simulate_planes(count)
    package, _, size = name.partition("/")
    if name in OURS:
        from space2vec.compute import normalise

        def work(p: np.ndarray) -> Any:
            return normalise(p, CHAINS[chain], threads=cores)

    else:
        makers: dict[str, Callable[[], Work]] = {
            "numpy": lambda: numpy_work(chain),
            "bottleneck": lambda: bottleneck_work(chain),
            "numba": lambda: numba_work(chain, cores),
            "torch": lambda: torch_work(chain, cores),
            "astropy": lambda: astropy_work(chain),
        }
        work = makers[package]()
    slow = name == "astropy" or (name in ("numpy", "bottleneck") and chain in ("sigma-clip", "zscale, asinh"))
    part, passes = (planes[:FEW], 1) if slow else (planes, PASSES)
    block = int(size or len(part))

    def run(turn: int) -> int:
        for _ in range(passes):
            for first in range(0, len(part), block):
                work(part[first : first + block])
        return passes * len(part)

    serve(run)


def compare_contenders(chain: str, count: int, rounds: int, cores: list[int]) -> dict[str, Any]:
    """Time all contenders of a chain in turns; return their times, and the ratios to the best peer of each round."""
    limits = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    contenders = {}
    for name in (*OURS, *PEERS[chain]):
        options = ["--worker", name, "--chain", chain, "--planes", str(count), "--cores", *map(str, cores)]
        environment = dict.fromkeys(limits, str(len(cores))) | OURS.get(name, {})
        if len(cores) == 1 or name in THREADED:
            contenders[name] = Contender([sys.executable, "-m", __spec__.name, *options], environment)
    times = time_in_turns(contenders, rounds)
    best = [min(turn) for turn in zip(*(times[name] for name in times if name not in OURS), strict=True)]
    found = {}
    for name, values in times.items():
        spent = quartiles(values)
        ratio = quartiles([a / b for a, b in zip(best, values, strict=True)])
        found[name] = {"microseconds": spent, "times_best_peer": ratio, "rounds": values}
        print(f"{chain:18s} {len(cores)} {name:13s} {spent[1]:9.2f} {spent[0]:9.2f}-{spent[2]:<9.2f} {ratio[1]:8.2f}")
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planes", type=int, default=256, help="planes of a batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="file for the results")
    parser.add_argument("--cores", type=int, nargs="+", default=sorted(os.sched_getaffinity(0))[-2:], help="the cores")
    parser.add_argument("--only", nargs="+", choices=CHAINS, default=list(CHAINS), help="run these chains alone")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--chain", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        os.sched_setaffinity(0, arguments.cores)
        worker(arguments.worker, arguments.chain, arguments.planes, len(arguments.cores))
        return
    device, before = processor(), os.getloadavg()[0]
    print(f"{device}, {arguments.planes} planes of {SIDE}x{SIDE}, {arguments.rounds} rounds")
    print(f"{'chain':18s} cores {'us a plane':>17s} {'middle half':>19s} {'to the best peer':>8s}")
    results: dict[str, dict[str, Any]] = {}
    for number in range(1, len(arguments.cores) + 1):
        cores = arguments.cores[-number:]
        results[f"{number} core" + "s" * (number > 1)] = {
            chain: compare_contenders(chain, arguments.planes, arguments.rounds, cores) for chain in arguments.only
        }
    if arguments.json:
        record = {
            "benchmark": "normalise",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "device": device,
            "versions": versions(("numpy", "bottleneck", "numba", "torch", "astropy")),
            "planes": arguments.planes,
            "load": [before, os.getloadavg()[0]],  # of the machine before and after: it matters on two cores
            "quantiles": [0.25, 0.5, 0.75],
            "results": results,
        }
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
