"""Write a table as VOTable 1.4, with the rows as text (TABLEDATA)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from space2vec.reading.notes import KEY
from space2vec.writing.tables import join_lists

if TYPE_CHECKING:
    import pyarrow

    from space2vec.data.atomic_file import AtomicFile
    from space2vec.data.types import Json
    from space2vec.writing.tables import ConcatenatedTable

__all__ = ["write_votable"]

_HEAD = """<?xml version="1.0" encoding="utf-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
"""
_TAIL = """</TABLEDATA></DATA>
</TABLE>
</RESOURCE>
</VOTABLE>
"""
_TYPES = {
    "string": 'datatype="unicodeChar" arraysize="*"',
    "int64": 'datatype="long"',
    "double": 'datatype="double"',
    "float": 'datatype="float"',
}
#: Characters that XML 1.0 does not allow, and blanks that a parser would change.
_UNFIT = "[\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ufffe\uffff]"


def write_votable(
    file: AtomicFile, table: ConcatenatedTable, note: Mapping[str, Json], descriptions: Mapping[str, str]
) -> None:
    r"""Write a table as VOTable; see :func:`space2vec.writing.formats.write_table`.

    Absent numbers and absent text are empty cells. Characters that XML does not allow are escaped as in Python
    (``\x00``).
    """
    file.write("".join(_head(table, note, descriptions)).encode())
    for part in table:
        rows = _rows(join_lists(part))
        if len(rows):
            file.write(("\n".join(rows.to_pylist()) + "\n").encode())
    file.write(_TAIL.encode())


def _head(table: ConcatenatedTable, note: Mapping[str, Json], descriptions: Mapping[str, str]) -> Iterator[str]:
    from xml.sax.saxutils import escape, quoteattr

    yield _HEAD
    yield '<RESOURCE type="results">\n'
    yield f"<TABLE name={quoteattr(str(note.get('table', 'table')))} nrows={quoteattr(str(table.rows))}>\n"
    lines = [f"{name}: {note[name]}" for name in ("model", "version") if name in note]
    lines += [f"flag {name}: {meaning}" for name, meaning in note.get("flags", {}).items()]
    yield f"<DESCRIPTION>{escape(chr(10).join(map(_escape_unfit, lines)))}</DESCRIPTION>\n"
    yield f"<INFO name={quoteattr(KEY)} value={quoteattr(json.dumps(dict(note)))}/>\n"
    for field in table.schema:
        yield f"<FIELD name={quoteattr(_escape_unfit(field.name))} {_type_of(field.type)}>"
        if field.name in descriptions:
            yield f"<DESCRIPTION>{escape(_escape_unfit(descriptions[field.name]))}</DESCRIPTION>"
        yield "</FIELD>\n"
    yield "<DATA><TABLEDATA>\n"


def _type_of(kind: pyarrow.DataType) -> str:
    """Return the attributes of a field; a list of names is text."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(kind):
        return f'datatype="short" arraysize="{kind.list_size}"'
    return _TYPES["string" if pa.types.is_list(kind) else str(kind)]


def _rows(table: pyarrow.Table) -> pyarrow.Array:
    """Return the rows of a table as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = []
    for column in table.columns:
        text = column.cast(pa.string())
        if pa.types.is_string(column.type):
            if pc.any(pc.match_substring_regex(text, _UNFIT)).as_py():
                text = pa.array(
                    [None if cell is None else _escape_unfit(cell) for cell in text.to_pylist()], pa.string()
                )
            for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
                text = pc.replace_substring(text, character, entity)
        elif pa.types.is_floating(column.type):
            for ours, theirs in (("nan", "NaN"), ("-inf", "-Inf"), ("inf", "+Inf")):
                text = pc.if_else(pc.equal(text, ours), theirs, text)
        cells.append(pc.fill_null(text, ""))
    joined = pc.binary_join_element_wise(*cells, "</TD><TD>")
    return pc.binary_join_element_wise("<TR><TD>", joined, "</TD></TR>", "").combine_chunks()


def _escape_unfit(text: str) -> str:
    return re.sub(_UNFIT, lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
