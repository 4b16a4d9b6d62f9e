"""Names for the types of values that no type of Python describes, each with the reason why it is ``Any``.

``Any`` switches the type checker off. It may stand here, and elsewhere on a line whose comment gives the reason
(``tests/python/project/test_any.py``). Where a value is only kept, handed on or checked, ``object`` says so, and
``NDArray[np.generic]`` is an array of any dtype that is only kept, selected from or copied.
"""

from __future__ import annotations

from typing import Any, TypeAlias  # Any: see each alias

from numpy.typing import NDArray

__all__ = ["AnyArray", "Argument", "Cell", "Json", "LibraryArray", "Untyped"]

#: An array on the host that is calculated with, and whose dtype only the input or a file decides: a column of a
#: catalogue, a tensor of a model file. NumPy's types allow no arithmetic without a dtype.
AnyArray: TypeAlias = NDArray[Any]

#: An argument by name that is only handed on to a function, which states its type.
Argument: TypeAlias = Any

#: A cell of a table or a field of an alert's record: a number, text, bytes, list, dict or None. Whoever uses a column
#: knows which.
Cell: TypeAlias = Any

#: A value as ``json.loads`` returns it: a dict, list, str, number, bool or None. A type that names itself would have to
#: be narrowed at every step into it; input from outside is checked where it is read.
Json: TypeAlias = Any

#: An array of NumPy, PyTorch, CuPy or another library, on the host or on a device, or what NumPy makes an array of. The
#: libraries are optional, and no type is common to their arrays.
LibraryArray: TypeAlias = Any

#: An object of an optional package that has no types (pyarrow, Astropy, scikit-learn, pandas, GalSim, Numba), or of one
#: that need not be installed where types are checked.
Untyped: TypeAlias = Any
