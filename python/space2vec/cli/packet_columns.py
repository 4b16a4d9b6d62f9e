"""``--columns``: which fields of packets stand beside the results, and what they are called there."""

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
        help="fields of the alert packets to write beside the results, separated by commas: by name (ra; of ZTF's "
        "candidate or Rubin's diaSource) or by dotted path (candidate.ssnamenr); 'none' for none; 'default' stands for "
        f"those that are written if nothing is asked for, as far as packets have them: {', '.join(_DEFAULT)}",
    )


def _paths(text: str) -> list[str]:
    """Read names separated by commas, for argparse."""
    names = [name.strip() for name in text.split(",")]
    if names in ([""], [_NONE_WORD]):
        return []
    for name in names:
        if not all(name.split(".")) or name == _NONE_WORD:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of fields separated by commas, as ra,candidate.dec")
    return list(dict.fromkeys(names))


def _last(path: str) -> str:
    return path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class PacketColumns:
    """Fields of packets, as columns of an output."""

    #: By the name of each column, in order, the path of its field as the reader takes it.
    paths: Mapping[str, str]
    #: Columns that are left out where no packet gives them.
    optional: frozenset[str]

    @classmethod
    def of(cls, wanted: Sequence[str] | None, taken: Collection[str]) -> PacketColumns:
        """Return the columns for a list of names and dotted paths, ``None`` for the default ones.

        A column has the last part of its path for its name; the whole path where another column, one of the `taken` of
        the output too, has that name.
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
        """What each column is."""
        return {name: f"field {path} of the alert packet" for name, path in self.paths.items()}

    def fitted(self, columns: Columns, n: int) -> Columns:
        """Return the output's columns (n,) out of those that were read, unknown where there are none."""
        return {name: columns[path] if path in columns else blank_column(n) for name, path in self.paths.items()}
