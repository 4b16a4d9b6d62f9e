"""``--columns``: which fields of packets stand beside the results, and what they are called there."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from space2vec.columns import Columns, first_known

__all__ = ["PacketColumns", "add_columns"]

#: The records of a packet in which a name without dots is looked for, after the packet itself.
_RECORDS = ("candidate", "diaSource")
#: What stands beside the results if nothing else is asked for: where, when, in which light, how bright, how good others
#: hold it to be; of ZTF, then of Rubin.
_DEFAULT = (
    "candidate.ra", "candidate.dec", "candidate.jd", "candidate.fid", "candidate.magpsf", "candidate.sigmapsf",
    "candidate.isdiffpos", "candidate.rb", "candidate.drb",
    "diaSource.ra", "diaSource.dec", "diaSource.midpointMjdTai", "diaSource.band", "diaSource.psfFlux",
    "diaSource.psfFluxErr", "diaSource.reliability",
)  # fmt: skip
_DEFAULT_WORD, _NONE_WORD = "default", "none"


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add --columns."""
    shown = dict.fromkeys(_last(path) for path in _DEFAULT)
    parser.add_argument(
        "--columns",
        type=_paths,
        default=None,
        metavar="A,B,...",
        help="fields of the alert packets to write beside the results, separated by commas: by name (ra; looked for in "
        "the packet, in its candidate and in its diaSource) or dotted path (candidate.ssnamenr); 'default' stands for "
        f"those that are written anyway, as far as the packets have them ({', '.join(shown)}), 'none' for none",
    )


def _paths(text: str) -> list[str]:
    """Read names separated by commas, for argparse."""
    names = [name.strip() for name in text.split(",")]
    if names in ([""], [_NONE_WORD]):
        return []
    for name in names:
        if not all(name.split(".")) or name == _NONE_WORD:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a list of fields separated by commas, as ra,candidate.dec"
            )
    return names


def _last(path: str) -> str:
    return path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class PacketColumns:
    """Fields of packets, as columns of an output.

    Attributes
    ----------
    sources : dict of str to tuple of str
        For each column, in order, the paths of which the first that a packet has gives its value.
    optional : frozenset of str
        Columns that are left out where no packet gives them.
    """

    sources: Mapping[str, tuple[str, ...]]
    optional: frozenset[str]

    @classmethod
    def of(cls, wanted: Collection[str] | None, taken: Collection[str]) -> PacketColumns:
        """Return the columns for a list of fields.

        A column is called as the last part of its path, or by the whole path where that is the name of another.

        Parameters
        ----------
        wanted : collection of str or None
            Names and dotted paths; ``None`` for the default ones.
        taken : collection of str
            The names of the output's other columns.
        """
        asked = list(dict.fromkeys(name for name in wanted or () if name != _DEFAULT_WORD))
        # Defaults of one name are one column: no packet has a candidate and a diaSource.
        found: dict[str, tuple[str, ...]] = {}
        for path in _DEFAULT if wanted is None or _DEFAULT_WORD in wanted else ():
            name = _last(path)
            found[name] = (*found.get(name, ()), path)
        optional = set(found) - {_last(path) for path in asked}
        by_default = {path for paths in found.values() for path in paths}
        for path in asked:
            name = _last(path)
            if name == path:
                found[name] = (name, *(f"{record}.{name}" for record in _RECORDS))
            elif path not in by_default or name in asked:
                alone = name not in found and name not in taken and [_last(other) for other in asked].count(name) == 1
                found[name if alone else path] = (path,)
        sources = {f"packet.{name}" if name in taken else name: paths for name, paths in found.items()}
        return cls(sources, frozenset(f"packet.{name}" if name in taken else name for name in optional))

    @property
    def paths(self) -> list[str]:
        """Every path that is to be read."""
        return list(dict.fromkeys(path for paths in self.sources.values() for path in paths))

    @property
    def descriptions(self) -> dict[str, str]:
        """What each column is."""
        return {name: f"field {' or '.join(paths)} of the alert packet" for name, paths in self.sources.items()}

    def fitted(self, columns: Columns, n: int) -> Columns:
        """Return the output's columns (n,), unknown where no path gives a value, out of those that were read."""
        return {name: first_known([columns[path] for path in paths if path in columns], n)
                for name, paths in self.sources.items()}  # fmt: skip
