"""``--columns``: fields of alert packets that are copied into the output, and the names of their columns."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from space2vec.data.columns import Columns, blank_column
from space2vec.reading.packet_columns import RUBIN_COLUMNS, ZTF_COLUMNS

__all__ = ["PacketColumns", "add_columns"]

_DEFAULT = tuple(dict.fromkeys((*ZTF_COLUMNS, *RUBIN_COLUMNS)))
_DEFAULT_WORD, _NONE_WORD = "default", "none"


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add --columns."""
    parser.add_argument(
        "--columns",
        type=_paths,
        metavar="A,B,...",
        help="fields of the alert packets to copy into the output, separated by commas: a name (ra) is a field of "
        "ZTF's candidate or Rubin's diaSource, a dotted path (candidate.ssnamenr) any field; 'none' copies none; "
        f"'default' stands for these, if packets have them: {', '.join(_DEFAULT)}",
    )


def _paths(text: str) -> list[str]:
    """Parse names separated by commas, for argparse."""
    names = [name.strip() for name in text.split(",")]
    if names in ([""], [_NONE_WORD]):
        return []
    for name in names:
        if not all(name.split(".")) or name == _NONE_WORD:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a list of fields separated by commas, such as ra,candidate.dec"
            )
    return list(dict.fromkeys(names))


def _last(path: str) -> str:
    """Return the last part of a dotted path."""
    return path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class PacketColumns:
    """Fields of alert packets that become columns of an output."""

    #: The path of the field of each column, by name of the column, in order.
    paths: Mapping[str, str]
    #: Columns that are left out if no packet has the field.
    optional: frozenset[str]

    @classmethod
    def of(cls, wanted: Sequence[str] | None, taken: Collection[str]) -> PacketColumns:
        """Return the columns for a list of names and dotted paths, ``None`` for the default ones.

        A column is named by the last part of its path, or by the whole path if another column has that name: one of
        this list, or one of `taken`, the other columns of the output.
        """
        asked = [_DEFAULT_WORD] if wanted is None else wanted
        fields = list(dict.fromkeys(path for name in asked for path in (_DEFAULT if name == _DEFAULT_WORD else [name])))
        last = [_last(path) for path in fields]
        paths = {}
        for path, name in zip(fields, last, strict=True):
            alone = last.count(name) == 1 and name not in taken
            paths[name if alone else f"packet.{path}" if path in taken else path] = path
        return cls(paths, frozenset(name for name, path in paths.items() if path not in asked))

    @property
    def descriptions(self) -> dict[str, str]:
        """A sentence on each column, by name."""
        return {name: f"field {path} of the alert packet" for name, path in self.paths.items()}

    def select(self, columns: Columns, n: int) -> Columns:
        """Return the columns (n,) of the output from those that were read; a column that was not read is unknown."""
        return {name: columns[path] if path in columns else blank_column(n) for name, path in self.paths.items()}
