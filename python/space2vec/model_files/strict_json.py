"""A reader of JSON in files from others, with the limits that the library has too (``cpp/src/json.hpp``)."""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from space2vec.data.types import Json

__all__ = ["MOST_BYTES", "MOST_DEPTH", "MOST_VALUES", "loads"]

#: The most bytes of a text, the most brackets and commas outside of strings, and the deepest nesting.
MOST_BYTES, MOST_VALUES, MOST_DEPTH = 16 << 20, 1 << 18, 128

_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def loads(data: bytes) -> Json:
    """Read a JSON text; its size, depth and number of values are checked before any object is created.

    Parameters
    ----------
    data : bytes
        The text in UTF-8.

    Raises
    ------
    ValueError
        If the text is beyond the limits, or not JSON as the standard defines it: a key that comes twice, NaN, a number
        beyond double precision, or half of a surrogate pair.
    """
    if len(data) > MOST_BYTES:
        raise ValueError("JSON of more than 16 MiB")
    text = data.decode("utf-8")
    _check_size(text)
    document = json.loads(
        text, object_pairs_hook=_distinct, parse_constant=_refused, parse_float=_number, parse_int=_integer
    )
    json.dumps(document, ensure_ascii=False).encode("utf-8")  # which no half of a surrogate pair survives
    return document


def _check_size(text: str) -> None:
    bare = text.replace("\\\\", "").replace('\\"', "")
    if bare.count('"') > 4 * MOST_VALUES:
        raise ValueError(f"JSON of more than {MOST_VALUES} values")
    outside = "".join(bare.split('"')[::2])
    opened, closed = outside.count("[") + outside.count("{"), outside.count("]") + outside.count("}")
    if opened + outside.count(",") > MOST_VALUES:
        raise ValueError(f"JSON of more than {MOST_VALUES} values")
    if closed != opened:
        raise ValueError("JSON whose brackets do not match")
    if max(accumulate(_STEP[bracket] for bracket in re.findall(r"[][{}]", outside)), default=0) > MOST_DEPTH:
        raise ValueError(f"JSON nested more than {MOST_DEPTH} deep")


def _distinct(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Return the members of an object; ValueError if a key comes twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("JSON with a key that comes twice")
    return members


def _refused(word: str) -> NoReturn:
    raise ValueError(f"JSON with {word}, which is no number of it")


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value) or (value == 0.0 and digits.lower().partition("e")[0].strip("-0.")):
        raise ValueError("JSON with a number beyond double precision")
    return value


def _integer(digits: str) -> int:
    _number(digits)  # 309 digits at most
    return int(digits)
