"""Text of others as it may be shown: file names, ids, names of models, tensors, columns and archive members.

Such text may hold codes that steer a terminal, feign further lines or turn the direction of reading, and it may be as
long as a file. What is data (a column of ids, the path in a table of errors) stays as it is.
"""

from __future__ import annotations

__all__ = ["MESSAGE", "NAME", "lines", "one_line"]

#: Characters of a message at most, and of one name in it.
MESSAGE, NAME = 1000, 200
_GAP = " ... "


def one_line(text: object, most: int = MESSAGE) -> str:
    r"""Return text as one line of printable characters; of long text the middle is left out.

    A character that is not printable (:meth:`str.isprintable`: control codes, line ends, marks of direction, lone
    surrogates) becomes its code as Python escapes it (``\x1b``, ``\n``, ``\u202e``), and a byte of a file name that is
    no UTF-8 its own (``\xe9``). The result, shown once more, stays as it is.

    Parameters
    ----------
    text : object
        What is to be shown, as ``str`` gives it.
    most : int
        Characters of the result at most, above 10.
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
    """Return text of several lines, each as :func:`one_line`; for text whose line ends are the package's own."""
    return "\n".join(map(one_line, str(text).split("\n")))


def _code(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that Python could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
