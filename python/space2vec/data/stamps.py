"""Stamps: the pixels of a batch of candidates with their ids, catalogue columns and flags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from space2vec.data.arrays import LARGEST_SIDE, as_batch, as_plane_array, batch_shape, lay_out, lies_on_device
from space2vec.data.channels import CHANNELS, channel_positions
from space2vec.data.columns import Columns, check_columns, concatenate_columns, select_rows
from space2vec.data.ids import NO_ID, as_ids, concatenate_ids, texts_as_objects
from space2vec.data.numeric import masked_to_nan
from space2vec.data.row_index import row_index
from space2vec.registry import FEATURES

if TYPE_CHECKING:
    from space2vec.data.device.array import DeviceArray
    from space2vec.data.device.view import View
    from space2vec.data.types import AnyArray, LibraryArray

__all__ = [
    "CHANNELS",
    "NO_ID",
    "Stamps",
    "concatenate_ids",
]


class Stamps:
    """A batch of candidates: their image stamps, ids, catalogue columns and flags.

    Parameters
    ----------
    pixels : array_like (n, channel, height, width), or a sequence of candidates
        Stamps of one size in an array of any real dtype, byte order and strides (NumPy, PyTorch, xarray, NDData, or
        anything with DLPack). The shape (n, height, width) of a single channel and a single stamp are accepted too.
        Channels along the last axis are moved, with a warning. Masked pixels become NaN.
        If stamps differ in size or planes are missing: a sequence that holds, for each candidate, a 2-D array for each
        channel or ``None`` for a missing plane; a mapping of plane names to these; or an HDUList whose units have such
        names. A plane may be CCDData, NDData, a Cutout2D or an HDU.
        An array on a CUDA device (CuPy, PyTorch, or anything with ``__cuda_array_interface__`` or DLPack) stays on that
        device, and features and scores are computed there. Planes of float32 in C order are not copied, even if there
        are gaps between them.
    channels : sequence of str
        The planes along the channel axis, out of science (or sci, search, srch, new), template (or tmpl, temp,
        reference, ref) and difference (or diff, sub). A channel that is not named is missing.
    object_id : sequence of str, optional
        The object each candidate belongs to; the row number by default.
    candidate_id : sequence of int or str, optional
        The id of each candidate; the row number by default. ``None``, a masked value and an empty text are unknown ids:
        -1 among integers, ``None`` among text. Numbers that int64 does not hold become text.
    catalogue : mapping of str to array_like (n,), optional
        Catalogue columns under their autoScan names, NaN where unknown.
    flags : array_like of uint32 (n,), optional
        Flags that the reader raised.
    centre : array_like of int (n, 2), optional
        Row and column of the candidate in its stamp; ``(height // 2, width // 2)`` by default. A stamp cut at the
        edge of a detector has its candidate elsewhere.
    saturation : float, optional
        Pixel value of the science plane from which on a pixel is saturated; none by default.
    columns : mapping of str to array_like (n,), optional
        Extra columns of any name, such as ``ra`` or ``candidate.magpsf``, that go along with features and scores:
        numbers or text, masked, NaN or ``None`` where unknown. See :mod:`space2vec.data.columns`.

    Raises
    ------
    TypeError
        If the pixels are not real numbers, or are on a device that cannot be used here; if an id, a flag or a centre
        is of another type.
    ValueError
        If shapes or lengths do not agree, a stamp or centre is out of range, or a channel or column name is unknown.

    Examples
    --------
    >>> pixels = np.zeros((10, 3, 63, 63), dtype=np.float32)
    >>> stamps = s2v.Stamps(pixels, channels=("science", "template", "difference"))
    >>> stamps
    Stamps(n=10, channels=('science', 'template', 'difference'), sizes=63x63)
    >>> stamps[0].plane("difference").shape
    (63, 63)
    """

    def __init__(
        self,
        pixels: LibraryArray,
        *,
        channels: Sequence[str] = CHANNELS,
        object_id: Sequence[str] | NDArray[np.generic] | None = None,
        candidate_id: Sequence[int] | Sequence[str] | NDArray[np.generic] | None = None,
        catalogue: Mapping[str, ArrayLike] | None = None,
        flags: ArrayLike | None = None,
        centre: ArrayLike | None = None,
        saturation: float | None = None,
        columns: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        if isinstance(pixels, Stamps) or (
            isinstance(pixels, (list, tuple)) and any(isinstance(p, Stamps) for p in pixels)
        ):
            raise TypeError("these are Stamps already; Stamps.concatenate joins several")
        positions = channel_positions(channels)
        #: The pixels if they are on a device; None on the host.
        self.device_pixels: View | None = None
        self._buffer: NDArray[np.float32]
        #: The offsets, shapes and centres that were copied to the device last, and the copy.
        self.device_geometry: tuple[tuple[NDArray[np.generic], ...], DeviceArray] | None = None
        pixels = as_batch(pixels, len(positions))
        if isinstance(pixels, (list, tuple)):
            self._hold_planes(pixels, positions)
        elif lies_on_device(pixels):
            self._hold_view(pixels, positions)
        else:
            self._hold_array(as_plane_array(pixels, "pixels"), positions)
        n = len(self.offset)
        names = self._column("object_id", texts_as_objects(object_id), [str(i) for i in range(n)])
        self.object_id: AnyArray = (names if names.dtype.kind == "O" else names.astype(np.str_)).astype(object)
        ids = np.arange(n) if candidate_id is None else as_ids(candidate_id)
        self.candidate_id: AnyArray = self._column("candidate_id", ids, None)
        self.catalogue: dict[str, NDArray[np.float32]] = {}
        for name, values in (catalogue or {}).items():
            if name not in FEATURES or FEATURES[name].source != "catalogue":
                raise ValueError(f"unknown catalogue column {name!r}; see space2vec.registry.FEATURES")
            self.catalogue[name] = self._numbers(name, values)
        self.flags: NDArray[np.uint32] = self._column("flags", flags, np.zeros(n, np.uint32), "iu").astype(np.uint32)
        if centre is None:
            # The first plane that is not missing gives the size: all planes of a candidate share one grid.
            first = np.argmax(self.offset >= 0, axis=1)
            centres = self.shape[np.arange(n), first] // 2
        else:
            centres = np.asarray(centre)
            if n == 0 and centres.size == 0:
                centres = np.empty((0, 2), dtype=np.int32)
            if centres.shape != (n, 2):
                raise ValueError(f"centre must have shape ({n}, 2); given {centres.shape}")
            if centres.dtype.kind not in "iu":
                raise TypeError(f"centre has dtype {centres.dtype}; accepted are whole numbers of pixels")
            if ((centres < -LARGEST_SIDE) | (centres > LARGEST_SIDE)).any():
                given = f"{centres.min()} to {centres.max()}"
                raise ValueError(f"centre must lie within {LARGEST_SIDE} pixels of the first one; given {given}")
        self.centre: NDArray[np.int32] = np.ascontiguousarray(centres, dtype=np.int32)
        self.saturation: float | None = None if saturation is None else float(saturation)
        self.columns: Columns = check_columns(columns, n)

    @classmethod
    def of_buffer(
        cls,
        buffer: NDArray[np.float32],
        offset: NDArray[np.int64],
        shape: NDArray[np.int32],
        centre: NDArray[np.int32],
        *,
        object_id: NDArray[np.generic],
        candidate_id: NDArray[np.generic],
        catalogue: Mapping[str, NDArray[np.float32]],
        flags: NDArray[np.uint32],
        columns: Columns | None = None,
    ) -> Stamps:
        """Make stamps from planes that are in one buffer already, without a copy or a check; for readers.

        `buffer` holds each plane in C order; `offset` (n, 3) is the index of the first pixel of each plane, -1 for a
        missing plane; `shape` (n, 3, 2) is height and width; `centre` (n, 2) is row and column of the candidate. The
        other arrays (n,) are those of :class:`Stamps`, of their final types.
        """
        stamps = object.__new__(cls)
        stamps.device_pixels, stamps.device_geometry, stamps._buffer = None, None, buffer
        stamps.offset, stamps.shape, stamps.centre = offset, shape, centre
        stamps.object_id, stamps.candidate_id = object_id, candidate_id
        stamps.catalogue, stamps.flags, stamps.saturation = dict(catalogue), flags, None
        stamps.columns = {} if columns is None else columns
        return stamps

    @property
    def buffer(self) -> NDArray[np.float32]:
        """The pixels of all planes in one array of float32, each plane in C order.

        Raises
        ------
        TypeError
            If the pixels are on a device.
        """
        if self.device_pixels is not None:
            raise TypeError(f"the pixels lie on {self.device}; to_host() gives stamps whose pixels are on the host")
        return self._buffer

    @property
    def device(self) -> str:
        """The device of the pixels: ``"cpu"``, ``"cuda:0"``, ..."""
        return "cpu" if self.device_pixels is None else f"cuda:{self.device_pixels.ordinal}"

    def to_host(self) -> Stamps:
        """Return these stamps if their pixels are on the host, otherwise a copy there."""
        return self if self.device_pixels is None else self._moved(self.device_pixels.to_host(), None)

    def to_device(self, device: str = "cuda") -> Stamps:
        """Return these stamps if their pixels are on the device, otherwise a copy there.

        Raises
        ------
        BackendError
            If the device cannot be used.
        MemoryError
            If it has not that much memory left.
        """
        from space2vec.data.device.array import DeviceArray
        from space2vec.data.device.extension import ordinal
        from space2vec.data.device.view import view

        number = ordinal(device)
        if self.device == f"cuda:{number}":
            return self
        array = DeviceArray.of_host(self.to_host().buffer, ordinal=number)
        return self._moved(np.empty(0, dtype=np.float32), view(array, "pixels"))

    def _moved(self, buffer: NDArray[np.float32], device_pixels: View | None) -> Stamps:
        """Return the same candidates over another copy of the pixels."""
        moved = self[:]
        moved._buffer, moved.device_pixels = buffer, device_pixels
        return moved

    def _hold_array(self, array: NDArray[np.float32], positions: list[int]) -> None:
        n, channels, height, width = batch_shape(array.shape, len(positions))
        self._buffer = array.reshape(-1)
        starts = np.arange(n * channels, dtype=np.int64).reshape(n, channels) * (height * width)
        self._place(starts, (height, width), positions)

    def _place(self, starts: NDArray[np.int64], size: tuple[int, int], positions: list[int]) -> None:
        """Set the offsets and shapes of planes (n, channel) that all have one size."""
        n = len(starts)
        self.offset: NDArray[np.int64] = np.full((n, 3), -1, dtype=np.int64)
        self.shape: NDArray[np.int32] = np.zeros((n, 3, 2), dtype=np.int32)
        self.offset[:, positions] = starts
        self.shape[:, positions] = size

    def _hold_view(self, pixels: LibraryArray, positions: list[int]) -> None:
        from space2vec.data.device.view import view

        array = view(pixels, "pixels")
        n, channels, height, width = batch_shape(array.shape, len(positions))
        self.device_pixels, starts = array.planes("pixels")
        self._buffer = np.empty(0, dtype=np.float32)
        self._place(starts.reshape(n, channels), (height, width), positions)

    def _hold_planes(self, candidates: Sequence[object], positions: list[int]) -> None:
        self._buffer, self.offset, self.shape = lay_out(candidates, positions)

    def _column(self, name: str, values: object, default: object, kinds: str = "") -> AnyArray:
        column = np.asarray(default if values is None else values)
        if column.shape != (len(self.offset),):
            raise ValueError(f"{name} must have one value for each of {len(self.offset)} rows; given {column.shape}")
        if kinds and len(column) and column.dtype.kind not in kinds:
            raise TypeError(f"{name} has dtype {column.dtype}; accepted are whole numbers")
        return column

    def _numbers(self, name: str, values: object) -> NDArray[np.float32]:
        column = self._column(name, masked_to_nan(values), None)
        try:
            with np.errstate(over="ignore"):
                return column.astype(np.float32)
        except (TypeError, ValueError):
            raise TypeError(f"catalogue column {name} has dtype {column.dtype}; accepted are real numbers") from None

    def __len__(self) -> int:
        return len(self.offset)

    def __repr__(self) -> str:
        sizes = sorted({f"{h}x{w}" for h, w in self.shape.reshape(-1, 2).tolist() if h})
        shown = ", ".join(sizes[:4]) + (", ..." if sizes[4:] else "")
        where = "" if self.device_pixels is None else f", device={self.device!r}"
        return f"Stamps(n={len(self)}, channels={self.channels}, sizes={shown}{where})"

    @property
    def channels(self) -> tuple[str, ...]:
        """The planes that at least one candidate has."""
        return tuple(
            name for name, present in zip(CHANNELS, np.any(self.offset >= 0, axis=0).tolist(), strict=True) if present
        )

    @overload
    def plane(self, row: int, channel: str) -> NDArray[np.float32] | None: ...
    @overload
    def plane(self, row: str) -> NDArray[np.float32] | None: ...
    def plane(self, row: int | str, channel: str | None = None) -> NDArray[np.float32] | None:
        """Return one plane (height, width) of one candidate without a copy, or ``None`` if it is missing.

        For a single candidate, such as ``stamps[3]``, the channel is enough: ``stamps[3].plane("science")``.
        """
        if isinstance(row, str):
            if channel is not None or len(self) != 1:
                raise TypeError(f"of {len(self)} candidates, plane takes the row and the channel: plane(0, 'science')")
            return self.plane(0, row)
        if channel is None:
            raise TypeError("plane takes the name of a channel: plane(0, 'science')")
        position = channel_positions([channel])[0]
        start = int(self.offset[row, position])
        if start < 0:
            return None
        height, width = self.shape[row, position].tolist()
        return self.buffer[start : start + height * width].reshape(height, width)

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The pixels as one array (n, channel, height, width).

        Raises
        ------
        ValueError
            If the stamps differ in size or a plane is missing; use :meth:`plane` then.
        """
        channels = self.channels
        positions = [CHANNELS.index(name) for name in channels]
        shapes = self.shape[:, positions].reshape(-1, 2)
        if len(shapes) == 0 or (self.offset[:, positions] < 0).any() or (shapes != shapes[0]).any():
            raise ValueError("the stamps do not all have the same planes and size; use plane(row, channel)")
        height, width = shapes[0].tolist()
        starts = self.offset[:, positions].reshape(-1)
        if (np.diff(starts) == height * width).all():
            end = starts[0] + len(starts) * height * width
            return self.buffer[starts[0] : end].reshape(len(self), len(channels), height, width)
        return np.stack([np.stack([self._view(row, p) for p in positions]) for row in range(len(self))])

    def _view(self, row: int, position: int) -> NDArray[np.float32]:
        plane = self.plane(row, CHANNELS[position])
        assert plane is not None
        return plane

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> AnyArray:
        return np.array(self.pixels, dtype=dtype, copy=copy)

    def __iter__(self) -> Iterator[Stamps]:
        """Yield the candidates, each as stamps of one row."""
        return (self[row : row + 1] for row in range(len(self)))

    def __getitem__(self, rows: int | slice | ArrayLike) -> Stamps:
        """Select candidates by a slice, a mask or row numbers; the pixels are shared.

        One row number, from the end if negative, gives stamps of that one candidate.

        Raises
        ------
        IndexError
            If there is no such row, or a mask has another length.
        TypeError
            If it is none of these.
        """
        # Row numbers, because the kernels take no strides and a part must have its own copy of the flags.
        index = np.atleast_1d(np.arange(len(self))[row_index(rows, len(self))])
        part = Stamps.of_buffer(
            self._buffer,
            self.offset[index],
            self.shape[index],
            self.centre[index],
            object_id=self.object_id[index],
            candidate_id=self.candidate_id[index],
            catalogue={name: values[index] for name, values in self.catalogue.items()},
            flags=self.flags[index],
            columns=select_rows(self.columns, index),
        )
        part.device_pixels, part.saturation = self.device_pixels, self.saturation
        return part

    @classmethod
    def concatenate(cls, parts: Iterable[Stamps]) -> Stamps:
        """Concatenate batches on the host; a column that a batch lacks is unknown for its rows."""
        batches = list(parts)
        if len(batches) == 1:
            return batches[0]
        if away := sorted({batch.device for batch in batches} - {"cpu"}):
            raise TypeError(f"batches on {', '.join(away)} cannot be joined: join their arrays there, or use to_host()")
        if not batches:
            return cls(np.empty((0, 3, 1, 1), dtype=np.float32))
        levels = {batch.saturation for batch in batches}
        if len(levels) > 1:
            raise ValueError(f"batches with different saturation levels cannot be joined: {sorted(map(str, levels))}")
        starts = np.cumsum([0] + [batch.buffer.size for batch in batches])
        columns = {name: None for batch in batches for name in batch.catalogue}
        whole = cls.of_buffer(
            np.concatenate([batch.buffer for batch in batches]),
            np.concatenate(
                [np.where(b.offset >= 0, b.offset + start, -1) for b, start in zip(batches, starts[:-1], strict=True)]
            ),
            np.concatenate([batch.shape for batch in batches]),
            np.concatenate([batch.centre for batch in batches]),
            object_id=np.concatenate([batch.object_id for batch in batches]),
            candidate_id=concatenate_ids([batch.candidate_id for batch in batches]),
            catalogue={
                name: np.concatenate(
                    [b.catalogue.get(name, np.full(len(b), np.nan, dtype=np.float32)) for b in batches]
                )
                for name in columns
            },
            flags=np.concatenate([batch.flags for batch in batches]),
            columns=concatenate_columns([batch.columns for batch in batches], [len(batch) for batch in batches]),
        )
        whole.saturation = batches[0].saturation
        return whole
