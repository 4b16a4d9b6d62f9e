"""Make foreign text safe to print: file names, ids, and names of models, tensors, columns and archive members.

Such text may hold control codes of a terminal, fake line ends or marks that reverse the direction of reading, and it
may be as long as a file. Data (a column of ids, the path in a table of errors) is not changed.
"""

from __future__ import annotations

__all__ = ["MESSAGE", "NAME", "lines", "one_line"]

#: The most characters of a message, and of one name in it.
MESSAGE, NAME = 1000, 200
_GAP = " ... "


def one_line(text: object, most: int = MESSAGE) -> str:
    r"""Return text as one line of printable characters; the middle of long text is omitted.

    A character that is not printable (:meth:`str.isprintable`: control codes, line ends, marks of direction, lone
    surrogates) is escaped as in Python (``\x1b``, ``\n``, ``\u202e``), and so is a byte of a file name that is not
    UTF-8 (``\xe9``). Applied to its own result, the function changes nothing.

    Parameters
    ----------
    text : object
        The object to print, converted by ``str``.
    most : int
        The most characters of the result, above 10.
    """
    whole = str(text)
    if len(whole) > 2 * most:  # escapes never shorten: the middle cannot be shown, whatever is in it
        whole = f"{whole[:most]}{_GAP}{whole[-most:]}"
    if not whole.isprintable():
        whole = "".join(map(_code, whole))
    if len(whole) <= most:
        return whole
    head = (most - len(_GAP)) * 2 // 3
    return f"{whole[:head]}{_GAP}{whole[head + len(_GAP) - most :]}"


def lines(text: object) -> str:
    """Apply :func:`one_line` to each line of a text whose line ends come from the package."""
    return "\n".join(map(one_line, str(text).split("\n")))


def _code(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that Python could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
