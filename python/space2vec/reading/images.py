"""Read stamps from FITS files: the planes of one candidate in named units, or cubes of many candidates."""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from space2vec.data.channels import ACCEPTED, CHANNELS, channel_of, channel_positions, names_of
from space2vec.data.flags import bits
from space2vec.data.stamps import Stamps
from space2vec.errors import ReadError
from space2vec.reading import arrays
from space2vec.reading.batch import Batch, Problem, damaged_file, failed_stamps
from space2vec.reading.feature_table import DefaultIds
from space2vec.reading.fits import EMPTY_UNIT, LARGEST_CUTOUT, decode_named
from space2vec.reading.limits import Limits, size_faults_as_read_errors, unopenable_as_read_errors
from space2vec.reading.mask import MASK, excluded_pixels, read_mask

if TYPE_CHECKING:
    from space2vec.data.types import AnyArray

__all__ = ["FITS_SUFFIXES", "FitsFiles", "is_fits", "is_result", "read_stamps"]

FITS_SUFFIXES = (".fits", ".fits.gz", ".fits.fz", ".fit", ".fit.gz", ".fit.fz")

_BLOCK, _LONGEST_HEADER = 2880, 1 << 20


@dataclass(slots=True)
class FitsFiles:
    """Consecutive FITS files of an input; a batch may hold several of them.

    Attributes
    ----------
    paths : list of Path
        The files in the order in which they are read.
    """

    paths: list[Path] = field(default_factory=list)


def is_fits(path: Path) -> bool:
    """Return whether a file is FITS, plain or gzip'd, by its first bytes."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path) as packed:
                head = packed.read(8)
        except Exception:  # the reader of another format will report the damage
            return False
    return head.startswith((b"SIMPLE  ", b"XTENSION"))


def is_result(path: str | Path) -> bool:
    """Return whether a FITS file is a table that this package wrote; false for a file that cannot be opened."""
    try:
        with open(path, "rb") as file:
            head = file.read(2 * _BLOCK)
            if head[_BLOCK : _BLOCK + 20] != b"XTENSION= 'BINTABLE'":
                return False
            header = head[_BLOCK:] + file.read(_LONGEST_HEADER)
    except OSError:
        return False
    for start in range(0, len(header), 80):
        card = header[start : start + 8]
        if card in (b"S2VVERS ", b"END     "):
            return card == b"S2VVERS "
    return False


def read_stamps(
    files: FitsFiles,
    batch: int,
    channels: Sequence[str] | None,
    default_ids: Callable[[Path], DefaultIds],
    limits: Limits,
) -> Iterator[Batch[Stamps]]:
    """Yield the stamps of FITS files in order, at most `batch` at a time.

    Parameters
    ----------
    files : FitsFiles
        The files. A file holds one candidate, in image units whose EXTNAMEs name the planes (SCIENCE, TEMPLATE and
        DIFFERENCE, or SCI, REF, DIFF, ...), or many candidates: cubes (n, height, width) in units of such names, or one
        cube (n, channel, height, width), (channel, height, width) or (n, height, width). Files may be gzip'd, or
        compressed in tiles. Pixels that a unit MASK excludes become NaN, see
        :func:`space2vec.reading.mask.excluded_pixels`.
    batch : int
        The most rows of a batch.
    channels : sequence of str, optional
        The names of the planes of a cube, or of the image units of a file in their order, if EXTNAMEs do not name them.
    default_ids : callable
        Returns the default ids of the rows of a file. A candidate with a file of its own gets the file's name.
    limits : Limits
        The limits on what a file may demand.

    Yields
    ------
    Batch
        Consecutive rows. A file that cannot be read becomes a row without planes and a problem; a plane that cannot be
        read is missing.
    """
    rows = _Rows()
    for path in files.paths:
        known = True
        try:
            with size_faults_as_read_errors(), unopenable_as_read_errors():
                candidate = _read_candidate(path, rows)
                if candidate is None:
                    cubes = _read_cubes(path, channels, limits)
        except ReadError as error:
            rows.problems.append(damaged_file(path, error, row=len(rows.planes)))
            candidate, known = [None, None, None], False
        if candidate is not None:
            rows.add(default_ids(path).stem, candidate, known)
            if len(rows.planes) == batch or rows.bytes >= limits.batch_bytes:
                yield rows.take_batch()
            continue
        if rows.planes:
            yield rows.take_batch()
        yield from _cube_batches(path, cubes, batch, channels, default_ids(path), limits)
    if rows.planes:
        yield rows.take_batch()


@dataclass(slots=True)
class _Rows:
    """The rows collected for the next batch, one for each file, with their problems."""

    planes: list[list[AnyArray | None]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bytes: int = 0

    def add(self, name: str, planes: list[NDArray[np.generic] | None], known: bool) -> None:
        """Add a row; `known` is false for a file that cannot be read, whose number of candidates is unknown."""
        self.planes.append(planes)
        self.bytes += sum(0 if plane is None else plane.nbytes for plane in planes)
        self.names.append(name)
        self.ids.append(name if known else None)

    def take_batch(self) -> Batch[Stamps]:
        """Return the collected rows as a batch, and remove them."""
        flags = np.zeros(len(self.planes), dtype=np.uint32)
        for problem in self.problems:
            flags[problem.row] = bits("bad_stamp")
        ids = np.array(self.ids, dtype=object)
        stamps = Stamps(self.planes, object_id=self.names, candidate_id=ids, flags=flags)
        batch = Batch(stamps, tuple(self.problems))
        self.planes, self.names, self.ids, self.problems, self.bytes = [], [], [], [], 0
        return batch


def _cube_batches(
    path: Path,
    cubes: Mapping[str, NDArray[np.generic]],
    batch: int,
    channels: Sequence[str] | None,
    default_ids: DefaultIds,
    limits: Limits,
) -> Iterator[Batch[Stamps]]:
    row = 0
    try:
        with size_faults_as_read_errors():
            for part in arrays.split_arrays(path, cubes, batch, channels, default_ids, limits):
                row += len(part.rows)
                yield part
    except ReadError as error:
        yield Batch(failed_stamps(path), (damaged_file(path, str(error), record=row or None),))


def _read_candidate(path: Path, rows: _Rows) -> list[AnyArray | None] | None:
    """Return the planes of a file whose units name those of one candidate; ``None`` for any other file."""
    data = _read_bytes(path)
    if data is None:
        return None
    planes: list[AnyArray | None] = []
    errors: list[ReadError] = []
    for channel in CHANNELS:
        try:
            planes.append(_read_plane(data, channel))
        except ReadError as error:
            planes.append(None)
            errors.append(error)
    if all(plane is None for plane in planes):
        if errors:
            raise errors[0]
        return None
    mask = read_mask(data)
    if mask is not None:
        planes = [None if plane is None else _mask_plane(plane, mask) for plane in planes]
    row = len(rows.planes)
    rows.problems.extend(replace(damaged_file(path, str(reason), row=row), of_file=False) for reason in errors)
    return planes


def _mask_plane(plane: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return a plane with NaN at the pixels that a mask excludes."""
    if mask.shape != plane.shape:
        raise ReadError(f"the unit MASK has shape {mask.shape}, and a plane {plane.shape}")
    return np.where(mask, np.float32(np.nan), plane)


def _read_plane(data: bytes, channel: str) -> NDArray[np.float32] | None:
    """Return a plane (height, width) from the unit whose EXTNAME is one of the names of the channel."""
    found: dict[str, NDArray[np.float32]] = {}
    for name in names_of(channel):
        try:
            plane = decode_named(data, [name])
        except ReadError:
            if not found:
                raise
            break  # damage after the unit of a plane does not affect it
        if plane is not None:
            found[name] = plane
    if len(found) > 1:
        raise ReadError(f"the units {' and '.join(name.upper() for name in found)} are both the {channel} plane")
    return next(iter(found.values()), None)


def _read_bytes(path: Path) -> bytes | None:
    """Return the unpacked bytes of a file; ``None`` if it is too long for one candidate."""
    with path.open("rb") as file:
        head = file.read(2)
        file.seek(0)
        if head != b"\x1f\x8b":
            data = file.read(3 * LARGEST_CUTOUT + 1)
        else:
            try:
                with gzip.open(file) as packed:
                    data = packed.read(3 * LARGEST_CUTOUT + 1)
            except (OSError, EOFError, ValueError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise ReadError(f"a damaged gzip file ({error})") from None
            except Exception as error:  # zlib.error
                raise ReadError(f"a damaged gzip file ({error})") from None
    return data if len(data) <= 3 * LARGEST_CUTOUT else None


class _ImageUnit(NamedTuple):
    """The name and the pixels of a unit of a FITS file; of the unit MASK, the excluded pixels."""

    name: str
    pixels: AnyArray


def _read_images(path: Path, memmap: bool, limits: Limits) -> list[_ImageUnit]:
    """Return the name and the pixels of each image unit of a file; the unit MASK as excluded pixels."""
    from astropy.io import fits

    size = path.stat().st_size
    with path.open("rb") as file:
        begins = file.read(8)
    source: Path | io.BytesIO = path
    if begins == b"XTENSION":
        source = io.BytesIO(EMPTY_UNIT + path.read_bytes())
    elif begins.startswith(b"\x1f\x8b"):
        with gzip.open(path) as packed:
            held = packed.read(limits.bytes_at_once(size) + 1)
        limits.check_bytes_at_once(len(held), size, "the file, unpacked,")
        source = io.BytesIO(EMPTY_UNIT + held if held.startswith(b"XTENSION") else held)
    images: list[_ImageUnit] = []
    asked = 0
    with fits.open(source, memmap=memmap and source is path) as units:
        for unit in units:
            if isinstance(unit, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)) and unit.header["NAXIS"] >= 2:
                if isinstance(unit, fits.CompImageHDU):
                    asked += math.prod(unit.shape) * abs(unit.header["BITPIX"]) // 8
                    limits.check_bytes_at_once(asked, size, "an image in tiles")
                data = excluded_pixels(unit.data, unit.header) if unit.name == MASK else unit.data
                images.append(_ImageUnit(str(unit.name), data))
    return images


def _read_cubes(path: Path, channels: Sequence[str] | None, limits: Limits) -> Mapping[str, AnyArray]:
    """Return the cubes of a file by the names of planes, or one array as ``pixels``."""
    try:
        try:
            images = _read_images(path, path.suffix in (".fits", ".fit"), limits)
        except ValueError:
            # Astropy cannot map pixels with BSCALE or BZERO into memory.
            images = _read_images(path, False, limits)
    except (ReadError, MemoryError, RecursionError, OverflowError):
        raise
    except Exception as error:  # Astropy raises errors of many kinds on damaged files.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ReadError(f"not a FITS file, or damaged ({error})") from None
    named: dict[str, AnyArray] = {}
    masks = [data for name, data in images if name == MASK]
    images = [image for image in images if image.name != MASK]
    for name, data in images:
        channel = channel_of(name)
        if channel in named:
            raise ReadError(f"two units are the {channel} plane")
        if channel is not None:
            named[channel] = data
    if named:
        return {**named, "mask": masks[0]} if masks else named
    if channels is not None and len(images) == len(channels) > 1:
        wanted = [CHANNELS[position] for position in channel_positions(channels)]
        return dict(zip(wanted, (data for _, data in images), strict=True))
    if not images:
        raise ReadError("a FITS file without an image")
    if len(images) == 1 and (channels is not None or np.ndim(images[0][1]) > 2):
        return {"pixels": images[0][1]}
    shown = ", ".join(f"{name or 'unnamed'} {np.shape(data)}" for name, data in images)
    raise ReadError(
        f"the images of the file ({shown}) do not say which planes they are: name their units (EXTNAME) {ACCEPTED}, "
        "or say channels= (--channels) with one name an image"
    )
