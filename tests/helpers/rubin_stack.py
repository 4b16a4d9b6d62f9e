"""Stand-ins for what is used of the LSST Science Pipelines: exposures, catalogs and the modules of tasks."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

MASK_PLANES = {"BAD": 0, "SAT": 1, "CR": 3, "DETECTED": 5, "NO_DATA": 8}


class Image:
    """An image or a mask."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def getMaskPlaneDict(self) -> dict[str, int]:  # noqa: N802
        return MASK_PLANES


class Exposure:
    """An exposure whose WCS has ten pixels a degree."""

    def __init__(self, pixels: NDArray[Any], mask: NDArray[Any], x0: int, y0: int) -> None:
        self._pixels, self._mask, self._at = Image(pixels), Image(mask), (x0, y0)

    def getImage(self) -> Image:  # noqa: N802
        return self._pixels

    def getMask(self) -> Image:  # noqa: N802
        return self._mask

    def getVariance(self) -> Image:  # noqa: N802
        return Image(np.ones(self._pixels.array.shape, dtype=np.float32))

    def getX0(self) -> int:  # noqa: N802
        return self._at[0]

    def getY0(self) -> int:  # noqa: N802
        return self._at[1]

    def getWcs(self) -> Exposure:  # noqa: N802
        return self

    def skyToPixelArray(self, ra: Any, dec: Any, degrees: bool = False) -> tuple[Any, Any]:  # noqa: N802
        assert degrees
        return np.asarray(ra) * 10.0 + self._at[0], np.asarray(dec) * 10.0 + self._at[1]


#: Types of fields that afw.table knows, of those that are used here.
_TYPES: dict[Any, Any] = {float: np.float64, "D": np.float64, "F": np.float32, "I": np.int32, "L": np.int64}


@dataclass
class Field:
    """A field of a table, which is its own item of a schema."""

    name: str
    type: Any

    def asField(self) -> Field:  # noqa: N802
        return self


@dataclass
class Schema:
    """The fields of a table."""

    fields: dict[str, Field] = field(default_factory=dict)

    def addField(self, new: Field | str, type: Any = None, doc: str = "") -> None:  # noqa: N802
        field = new if isinstance(new, Field) else Field(new, type)
        assert field.name not in self.fields
        assert isinstance(new, Field) or doc
        _TYPES[field.type]
        self.fields[field.name] = field

    def __getitem__(self, name: str) -> Field:
        return self.fields[name]


class BaseCatalog:
    """A table by columns, which can be had only where its rows lie together."""

    def __init__(self, schema: Schema, contiguous: bool = True) -> None:
        self.schema, self._contiguous, self._length = schema, contiguous, 0
        self._columns: dict[str, NDArray[Any]] = {}

    def resize(self, length: int) -> None:
        self._length = length
        self._columns = {name: np.zeros(length, _TYPES[of.type]) for name, of in self.schema.fields.items()}

    def isContiguous(self) -> bool:  # noqa: N802
        return self._contiguous

    def copy(self, deep: bool = False) -> BaseCatalog:
        assert deep
        copied = BaseCatalog(self.schema)
        copied.resize(self._length)
        copied._columns = {name: column.copy() for name, column in self._columns.items()}
        return copied

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, name: str) -> NDArray[Any]:
        assert self._contiguous, "columns of a table in pieces"
        return self._columns[name]

    def __setitem__(self, name: str, values: NDArray[Any]) -> None:
        column = self._columns[name]
        assert np.can_cast(np.asarray(values).dtype, column.dtype, "same_kind"), (name, np.asarray(values).dtype)
        column[:] = values


class PipelineTaskConnections:
    """What a task takes and gives; a class of them has dimensions."""

    dimensions: ClassVar[tuple[str, ...]]
    defaultTemplates: ClassVar[dict[str, str]]  # noqa: N815

    def __init_subclass__(cls, dimensions: tuple[str, ...], defaultTemplates: dict[str, str]) -> None:
        cls.dimensions, cls.defaultTemplates = dimensions, defaultTemplates


class ConfigField:
    """A field of a configuration."""

    def __init__(self, dtype: type, doc: str, default: Any = None) -> None:
        assert doc
        self.dtype, self.default = dtype, default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, config: Any, owner: type) -> Any:
        return self if config is None else config.__dict__.get(self._name, self.default)

    def __set__(self, config: Any, value: Any) -> None:
        if not isinstance(value, self.dtype):
            raise TypeError(f"{self._name} must be of type {self.dtype.__name__}")
        config.__dict__[self._name] = value


class PipelineTaskConfig:
    """The configuration of a task, which knows its connections."""

    def __init_subclass__(cls, pipelineConnections: type[PipelineTaskConnections]) -> None:
        cls.ConnectionsClass = pipelineConnections  # type: ignore[attr-defined]


class PipelineTask:
    """A task, which is made of its configuration."""

    ConfigClass: type

    def __init__(self, *, config: Any = None) -> None:
        self.config = self.ConfigClass() if config is None else config
        self.log = logging.getLogger("lsst")


def modules() -> dict[str, ModuleType]:
    """Return modules of the stack by name, as ``sys.modules`` has them."""
    names = ("lsst", "lsst.afw", "lsst.afw.table", "lsst.pex", "lsst.pex.config", "lsst.pipe", "lsst.pipe.base")
    modules: dict[str, Any] = {name: ModuleType(name) for name in names}
    for name in names[1:]:
        parent, _, child = name.rpartition(".")
        setattr(modules[parent], child, modules[name])
    modules["lsst.afw.table"].__dict__.update(Schema=Schema, BaseCatalog=BaseCatalog)
    modules["lsst.pex.config"].Field = ConfigField
    kinds = SimpleNamespace(Input=SimpleNamespace, Output=SimpleNamespace)
    modules["lsst.pipe.base"].__dict__.update(
        connectionTypes=kinds,
        PipelineTask=PipelineTask,
        PipelineTaskConfig=PipelineTaskConfig,
        PipelineTaskConnections=PipelineTaskConnections,
        Struct=SimpleNamespace,
    )
    return modules
