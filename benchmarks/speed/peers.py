"""Chains from alert packets to scores as users run them today: the usual one, and the best that Python offers."""

from __future__ import annotations

import ctypes
import gzip
import io
import json
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
#: Planes that the features of the best chain and of space2vec need.
NEEDED = CUTOUTS[1:]
RADII = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)

Stages = dict[str, float]
Scorer = Callable[[np.ndarray], np.ndarray]


class StageClock:
    """Adds up the seconds of each stage."""

    def __init__(self) -> None:
        self.stages: Stages = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Add the time since the last lap to a stage."""
        now = time.perf_counter()
        self.stages[stage] = self.stages.get(stage, 0.0) + now - self._last
        self._last = now


class Usual:
    """The usual chain: fastavro, gzip, astropy.io.fits; sigma_clipped_stats; sep and SciPy's fit; scikit-learn."""

    def __init__(self, forest: Any) -> None:
        self._forest = forest

    def run(self, files: Sequence[Path]) -> Stages:
        """Score files."""
        warnings.simplefilter("ignore")
        clock = StageClock()
        table = np.zeros((len(files), self._forest.n_features_in_), dtype=np.float32)
        for row, path in enumerate(files):
            planes = self.decode(path)
            clock.lap("decode")
            normal = [self._normalise(plane) for plane in planes]
            clock.lap("normalise")
            values = self.measure(normal[2], normal[1])
            table[row, : len(values)] = values
            clock.lap("features")
        self._forest.predict_proba(table)
        clock.lap("forest")
        return clock.stages

    @staticmethod
    def decode(path: Path) -> list[np.ndarray]:
        """Return the planes of an alert."""
        import fastavro
        from astropy.io import fits

        with path.open("rb") as file:
            packet: Any = next(iter(fastavro.reader(file)))
        planes = []
        for name in CUTOUTS:
            with fits.open(io.BytesIO(gzip.decompress(packet[name]["stampData"]))) as units:
                planes.append(np.nan_to_num(units[0].data.astype(np.float32)))
        return planes

    @staticmethod
    def _normalise(plane: np.ndarray) -> np.ndarray:
        from astropy.stats import sigma_clipped_stats

        _, median, spread = sigma_clipped_stats(plane, sigma=3.0)
        return np.ascontiguousarray((plane - median) / (spread or 1.0))

    @staticmethod
    def measure(plane: np.ndarray, template: np.ndarray) -> list[float]:
        """Return the number of sources, the background, apertures in two planes and the fit of a round Gaussian."""
        import sep
        from scipy.optimize import curve_fit

        background = sep.Background(plane)
        flat = plane - background.back()
        sources = sep.extract(flat, 3.0, err=background.globalrms or 1.0)
        row, column = plane.shape[0] // 2, plane.shape[1] // 2
        values = [float(len(sources)), background.globalback, background.globalrms]
        for image in (flat, template):
            sums, _, _ = sep.sum_circle(image, [float(column)] * len(RADII), [float(row)] * len(RADII), RADII)
            values += sums.tolist()
        box = flat[max(row - 10, 0) : row + 11, max(column - 10, 0) : column + 11]
        y, x = np.mgrid[: box.shape[0], : box.shape[1]]

        def bump(at: Any, height: float, x0: float, y0: float, width: float, floor: float) -> Any:
            return height * np.exp(-((at[0] - x0) ** 2 + (at[1] - y0) ** 2) / (2 * width**2)) + floor

        start = (float(box.max()), box.shape[1] / 2, box.shape[0] / 2, 1.5, 0.0)
        try:
            fitted, _ = curve_fit(bump, (x.ravel(), y.ravel()), box.ravel(), start, maxfev=200)
            values += fitted.tolist()
        except RuntimeError:
            values += [0.0] * 5
        return values


class UsualNetwork:
    """The usual chain of a network: planes of unit length (braai's recipe), braai in ONNX Runtime by 64 alerts."""

    SIDE = 63
    BATCH = 64

    def __init__(self, graph: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(graph), options, ["CPUExecutionProvider"])

    def run(self, files: Sequence[Path]) -> Stages:
        """Score files."""
        warnings.simplefilter("ignore")
        clock = StageClock()
        for begin in range(0, len(files), self.BATCH):
            part = files[begin : begin + self.BATCH]
            planes = np.zeros((len(part), 3, self.SIDE, self.SIDE), dtype=np.float32)
            for row, path in enumerate(part):
                triplet = Usual.decode(path)
                clock.lap("decode")
                for channel, plane in enumerate(triplet):
                    height, width = plane.shape
                    planes[row, channel, :height, :width] = plane / (np.linalg.norm(plane) or 1.0)
                clock.lap("normalise")
            self._session.run(None, {"planes": planes})
            clock.lap("network")
        return clock.stages


class BestPython:
    """The fastest chain of Python packages: fastavro without its container, libdeflate, NumPy, Numba, a forest.

    fastavro reads the cutouts alone. The features are those of the Numba backend of space2vec, which normalises only
    the pixels that it needs.
    """

    def __init__(self, score: Scorer) -> None:
        self._score = score
        self._known: tuple[bytes, Any, Any] | None = None

    def run(self, files: Sequence[Path]) -> Stages:
        """Score files."""
        from space2vec.compute import features
        from space2vec.data.stamps import Stamps

        clock = StageClock()
        triplets = [(None, *self.decode(path.read_bytes())) for path in files]
        clock.lap("decode")
        table = features(Stamps(triplets), threads=1)
        clock.lap("features")
        self._score(np.nan_to_num(table.values))
        clock.lap("forest")
        return clock.stages

    def decode(self, content: bytes, cutouts: Sequence[str] = NEEDED) -> list[np.ndarray]:
        """Return planes of an alert, by default those that the features need."""
        import fastavro
        from deflate import gzip_decompress

        # All alerts of a night have one schema, so the bytes before the sync marker repeat.
        if self._known is None or not content.startswith(self._known[0]):
            self._known = self._read_schema(content)
        file = io.BytesIO(content)
        file.seek(len(self._known[0]) + 16)
        for _ in range(2):
            fastavro.schemaless_reader(file, "long", None)
        packet: Any = fastavro.schemaless_reader(file, self._known[1], self._known[2])
        return [plain_plane(gzip_decompress(packet[name]["stampData"])) for name in cutouts]

    @staticmethod
    def _read_schema(content: bytes) -> tuple[bytes, Any, Any]:
        import fastavro

        reader = fastavro.reader(io.BytesIO(content))
        header: Any = reader._header
        schema = json.loads(reader.metadata["avro.schema"])
        wanted = {**schema, "fields": [field for field in schema["fields"] if field["name"] in CUTOUTS]}
        before = content[: content.index(header["sync"])]
        return before, fastavro.parse_schema(schema), fastavro.parse_schema(wanted)


def plain_plane(content: bytes) -> np.ndarray:
    """Return the pixels of a float32 image in the first unit of a FITS file, without a FITS library."""
    end = content.index(b"END" + b" " * 77)
    size = {}
    for axis in (1, 2):
        at = content.index(b"NAXIS%d  =" % axis)
        size[axis] = int(content[at + 10 : at + 30])
    begin = (end // 2880 + 1) * 2880
    pixels = np.frombuffer(content, ">f4", size[1] * size[2], begin)
    return pixels.reshape(size[2], size[1]).astype(np.float32)


class LibDeflate:
    """libdeflate alone, called through its C library; it unpacks into one buffer again and again."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libdeflate.so.0")
        self._library.libdeflate_alloc_decompressor.restype = ctypes.c_void_p
        self._state = ctypes.c_void_p(self._library.libdeflate_alloc_decompressor())
        self._room = ctypes.create_string_buffer(1 << 20)

    def run(self, cutouts: Sequence[bytes]) -> float:
        """Return the seconds that it takes to unpack the cutouts."""
        unpack = self._library.libdeflate_gzip_decompress
        size = ctypes.c_size_t()
        where = ctypes.byref(size)
        start = time.perf_counter()
        for data in cutouts:
            if unpack(self._state, data, ctypes.c_size_t(len(data)), self._room, ctypes.c_size_t(1 << 20), where):
                raise ValueError("a damaged cutout")
        return time.perf_counter() - start


def needed_cutouts(files: Sequence[Path]) -> list[bytes]:
    """Return the packed cutouts that the features need."""
    import fastavro

    found = []
    for path in files:
        with path.open("rb") as file:
            for packet in fastavro.reader(file):
                found += [packet[name]["stampData"] for name in NEEDED]
    return found
