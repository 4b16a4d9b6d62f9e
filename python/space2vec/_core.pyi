"""The compiled extension. Its arrays are checked and made by the package, whose functions are what users call."""

from collections.abc import Callable
from typing import overload

import numpy as np
from numpy.typing import NDArray

from space2vec.data.frame import Frame
from space2vec.data.stamps import Stamps
from space2vec.registry import RecipeName

version: str

def isa() -> str | None: ...
def usable_cores() -> int: ...
def registry() -> str: ...
def stamp_feature_name(sets: int, index: int) -> str | None: ...
def fault_name(fault: int) -> str | None: ...
def inflate_engine() -> str | None: ...
def codec_available(codec: str) -> bool: ...
def find_fields(paths: list[str], wanted: list[str]) -> list[int]: ...
def schema_fault(schema: str) -> str: ...
def features(
    stamps: Stamps,
    sets: int,
    paper: bool,
    values: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None: ...
def join_flags(
    offset: NDArray[np.int64], raised: NDArray[np.uint32], flags: NDArray[np.uint32]
) -> NDArray[np.uint32]: ...
def prepare(
    stamps: Stamps,
    recipe: RecipeName,
    planes: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None: ...
def pack_pixels(
    pixels: NDArray[np.float32],
    packed: NDArray[np.uint16],
    integers: bool,
    scale: float,
    zero: float,
    only_exact: bool,
    threads: int,
) -> bool: ...
def widen_pixels(
    packed: NDArray[np.uint16], pixels: NDArray[np.float32], integers: bool, scale: float, zero: float, threads: int
) -> None: ...
def normalise(
    pixels: NDArray[np.float32],
    mask: NDArray[np.uint8] | None,
    steps: list[tuple[int, list[float]]],
    fill: float,
    out: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None: ...
def compose(
    stamps: Stamps,
    side: int,
    channels: list[int],
    steps: list[tuple[int, list[float]]],
    planes: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None: ...
def fits_image(bytes: bytes, unit: str) -> tuple[NDArray[np.float32], float, float] | tuple[None, str, int]: ...
def measure_frames(
    field: Field,
    sets: int,
    paper: bool,
    values: NDArray[np.float32],
    flags: NDArray[np.uint32],
    threads: int,
) -> None: ...
def cut(
    frame: Frame,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    side: int,
    out: NDArray[np.float32],
    flags: NDArray[np.uint32],
) -> None: ...

class Field:
    def __init__(
        self,
        science: Frame | None,
        template: Frame | None,
        difference: Frame | None,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
    ) -> None: ...

class Model:
    def __init__(self, file: bytes) -> None: ...
    @property
    def header(self) -> str: ...
    @property
    def runs(self) -> bool: ...
    @property
    def vector(self) -> int: ...  # numbers of the vector that it gives; 0: scores
    def predict_vectors(
        self,
        planes: NDArray[np.float32] | None,
        columns: NDArray[np.float32] | None,
        vectors: NDArray[np.int8],
        threads: int,
    ) -> None: ...
    def embed(
        self,
        stamps: Stamps,
        catalogue: NDArray[np.float32] | None,
        vectors: NDArray[np.int8],
        flags: NDArray[np.uint32],
        threads: int,
    ) -> None: ...
    def embed_frames(
        self,
        field: Field,
        catalogue: NDArray[np.float32] | None,
        raised: NDArray[np.uint32],
        vectors: NDArray[np.int8],
        flags: NDArray[np.uint32],
        threads: int,
    ) -> None: ...
    def predict(
        self,
        planes: NDArray[np.float32] | None,
        columns: NDArray[np.float32] | None,
        score: NDArray[np.float32],
        threads: int,
    ) -> None: ...
    def score(
        self,
        stamps: Stamps,
        catalogue: NDArray[np.float32] | None,
        score: NDArray[np.float32],
        flags: NDArray[np.uint32],
        threads: int,
    ) -> None: ...
    def score_frames(
        self,
        field: Field,
        catalogue: NDArray[np.float32] | None,
        raised: NDArray[np.uint32],
        score: NDArray[np.float32],
        flags: NDArray[np.uint32],
        threads: int,
    ) -> None: ...
    def score_columns(
        self,
        columns: NDArray[np.float32],
        raised: NDArray[np.uint32],
        score: NDArray[np.float32],
        flags: NDArray[np.uint32],
        threads: int,
    ) -> None: ...
    def check_columns(
        self,
        columns: NDArray[np.float32],
        raised: NDArray[np.uint32],
        flags: NDArray[np.uint32],
        scored: NDArray[np.bool_],
    ) -> None: ...
    def inputs(
        self,
        stamps: Stamps,
        catalogue: NDArray[np.float32] | None,
        planes: NDArray[np.float32] | None,
        columns: NDArray[np.float32] | None,
        flags: NDArray[np.uint32],
        scored: NDArray[np.bool_],
        threads: int,
    ) -> None: ...

class Pixels:
    def __init__(self) -> None: ...  # refuses: readers make them
    @property
    def allocated(self) -> bool: ...

class Reader:
    @overload
    def __init__(
        self,
        inputs: list[bytes],
        in_memory: bool,
        columns: list[str],
        fields: list[str],
        schemas: list[tuple[int, str]],
        planes: int,
        pixels: bool,
        sets: int,
        convention: int,
        saturation: float,
        threads: int,
        memory: tuple[int, int, int] | None,
        decode_image: Callable[[bytes], NDArray[np.float32]] | None,
        start: tuple[int, int, int],
        model: Model | None = None,
        limits: tuple[int, int, int, int] = ...,
        catalogue: bool = False,
        embedder: Model | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        cutouts: list[tuple[NDArray[np.uint8], NDArray[np.int64]] | None],
        position: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
        object_ids: tuple[NDArray[np.uint8], NDArray[np.int64]] | None,
        publishers: tuple[NDArray[np.uint8], NDArray[np.int64]] | None,
        rubin: bool,
        ztf_fields: bool,
        planes: int,
        pixels: bool,
        sets: int,
        convention: int,
        saturation: float,
        threads: int,
        memory: tuple[int, int, int] | None,
        decode_image: Callable[[bytes], NDArray[np.float32]] | None,
        model: Model | None = None,
        limits: tuple[int, int, int, int] = ...,
        catalogue_fields: tuple[NDArray[np.float64], NDArray[np.uint8]] | None = None,
        embedder: Model | None = None,
    ) -> None: ...
    def next(self, rows: int) -> dict[str, object] | None: ...  # space2vec.reading.library_readers.Raw
    def schema_columns(self, schema: int) -> list[bool]: ...
    def schema_fields(self, schema: int) -> bytes: ...
    def schema_paths(self, schema: int) -> list[str]: ...

def catalogue_from(survey: int, fields: NDArray[np.float64], present: NDArray[np.uint8]) -> NDArray[np.float32]: ...

class Decoder:
    def __init__(
        self,
        fields: list[str],
        planes: int,
        pixels: bool,
        sets: int,
        convention: int,
        saturation: float,
        catalogue: bool,
        decode_image: Callable[[bytes], NDArray[np.float32]] | None,
        model: Model | None,
        limits: tuple[int, int, int, int],
        embedder: Model | None = None,
    ) -> None: ...
    def add_schema(self, id: int | None, json: str) -> None: ...
    def decode(self, messages: list[bytes | None]) -> dict[str, object] | None: ...  # the same
    def schema_fields(self, schema: int) -> bytes: ...
    def schema_paths(self, schema: int) -> list[str]: ...
