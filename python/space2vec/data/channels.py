"""The planes of a triplet (science, template, difference) and their synonyms."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ACCEPTED", "CHANNELS", "channel_of", "channel_positions", "names_of"]

#: The planes of a triplet, in the order in which arrays hold them.
CHANNELS: tuple[str, str, str] = ("science", "template", "difference")

_SYNONYMS: dict[str, tuple[str, ...]] = {
    "science": ("sci", "search", "srch", "new"),
    "template": ("tmpl", "temp", "reference", "ref"),
    "difference": ("diff", "sub"),
}

#: All accepted names, for error messages.
ACCEPTED = ", ".join(f"{name} (or {', '.join(others)})" for name, others in _SYNONYMS.items())


def names_of(channel: str) -> tuple[str, ...]:
    """Return the names of a plane: the canonical one, then its synonyms."""
    return channel, *_SYNONYMS[channel]


_CHANNEL_OF = {name: channel for channel in CHANNELS for name in names_of(channel)}


def channel_of(name: str) -> str | None:
    """Return the plane that a name such as ``SCI``, ``reference`` or ``cutoutDifference`` means, else ``None``.

    Case, underscores and a leading ``cutout`` are ignored.
    """
    return _CHANNEL_OF.get(name.lower().replace("_", "").removeprefix("cutout"))


def channel_positions(channels: Sequence[str]) -> list[int]:
    """Return the indices of named planes in :data:`CHANNELS`; unknown or repeated names raise a ValueError."""
    names = (channels,) if isinstance(channels, str) else tuple(channels)
    wanted = [channel_of(str(name)) for name in names]
    if None in wanted or len(set(wanted)) != len(wanted) or not wanted:
        raise ValueError(f"channels must be distinct names out of {ACCEPTED}; given {names!r}")
    return [CHANNELS.index(name) for name in wanted if name is not None]
