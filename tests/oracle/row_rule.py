"""Which rows a model scores and which flags they have, in sets of names, one row at a time.

The rule in words. A model looks at some planes: a recipe prepares some, features are measured on some. It can do
without its optional planes: a row that lacks such planes alone, but not all that are prepared, is spared, and its flag
``missing`` refuses nothing. What the reader raised of a plane that nobody needs counts for nothing; where it says
``bad_stamp``, the plane was there and could not be read, so that it is not ``missing``. A stamp under 5 pixels, or one
that does not hold its candidate, is ``off_shape`` for a recipe. A row is refused by a flag that forbids a score, and by
whatever kept its planes from being prepared. A model of columns alone scores no row without a value; one whose columns
are mostly the catalogue's says ``missing`` of a row without any of these.
"""

from typing import NamedTuple

import numpy as np

CHANNELS = ("science", "template", "difference")
UNSCORABLE = {"constant", "bad_stamp", "missing", "off_shape"}
UNPREPARED = UNSCORABLE | {"zero_scale"}


class Needs(NamedTuple):
    """The planes that a model prepares, measures and can do without; its columns, and which are the catalogue's."""

    prepared: frozenset
    measured: frozenset
    optional: frozenset
    columns: tuple
    catalogue: frozenset


def needs_of(header, channels, features):
    """What a header says. channels: those of its recipe; features: what the registry says of columns, by name."""
    names = header.feature_names
    known = [features[name] for name in names if name in features]
    measured = {"difference"} if names else set()
    measured |= {plane for feature in known for plane in feature.planes}
    if any(feature.set == "s2v" for feature in known) and len(measured) > 1 and measured - set(channels):
        measured = set(CHANNELS)  # it takes a difference, or a triplet; or what is prepared, which tells what lacks
    catalogue = frozenset(feature.name for feature in known if feature.source == "catalogue")
    return Needs(frozenset(channels), frozenset(measured), frozenset(header.optional), names, catalogue)


def lacks_only_optional(needs, absent):
    """Whether a row lacks planes, but none that the model must have."""
    if needs.prepared and not needs.prepared - absent:
        return False
    lacking = absent & (needs.prepared | needs.measured)
    return bool(lacking) and not lacking - needs.optional


def join(reader, kernels, absent):
    """The flags of the reader with those of the kernels."""
    if absent and "missing" not in kernels:
        reader = reader - {"bad_stamp", "missing"}
    if "bad_stamp" in reader:
        kernels = kernels - {"missing"}
    return reader | kernels


def is_off_shape(needs, shapes, centre):
    """Whether a plane that is prepared is under 5 pixels, or does not hold the candidate. shapes: by channel."""
    return any(
        min(shape) < 5 or not (0 <= centre[0] < shape[0] and 0 <= centre[1] < shape[1])
        for channel, shape in shapes.items()
        if channel in needs.prepared
    )


def of_columns(needs, flags, values):
    """The flags and the verdict of a row that nothing refused so far."""
    known = {name for name, value in zip(needs.columns, values, strict=True) if not np.isnan(value)}
    silent = not needs.prepared and not known
    bare = 2 * len(needs.catalogue) > len(needs.columns) and not known & needs.catalogue
    return flags | {"missing"} if silent or bare else flags, not silent


def of_stamp(needs, shapes, centre, reader, prepared, measured, values):
    """The flags of a candidate and whether it is scored.

    shapes: (height, width) of the planes that are there, by channel; reader, prepared, measured: the flags that were
    raised when it was read, prepared and measured; values: its columns.
    """
    absent = set(CHANNELS) - set(shapes)
    spared = {"missing"} if lacks_only_optional(needs, absent) else set()
    flags = set()
    if needs.prepared:
        flags |= join(reader, prepared, absent)
        if is_off_shape(needs, shapes, centre):
            flags |= {"off_shape"}
    if needs.columns:
        flags |= join(reader, measured, absent)
    if flags & UNSCORABLE - spared or (needs.prepared and prepared & UNPREPARED - spared):
        return flags, False
    return of_columns(needs, flags, values) if needs.columns else (flags, True)


def of_row(needs, raised, values):
    """The flags of a row of a table and whether it is scored."""
    return (raised, False) if raised & UNSCORABLE else of_columns(needs, raised, values)
