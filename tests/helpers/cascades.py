"""Cascades of the packaged networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from space2vec import model_files
from space2vec.models.load import packaged
from space2vec.models.network import Network

__all__ = ["parts"]


def parts(doubt: tuple[float, float]) -> tuple[Network, Network, Network]:
    """Return a cascade of the packaged networks with another doubt, and both as plain networks."""
    header, tensors = model_files.read(packaged()["stampnet-fast"])
    own = {name.removeprefix("first."): values for name, values in tensors.items() if name.startswith("first.")}
    others = {name: values for name, values in tensors.items() if not name.startswith("first.")}
    assert header.first is not None
    path = Path("made")
    return (
        Network.of_file(path, replace(header, doubt=doubt), tensors),
        Network.of_file(path, header.first, own),
        Network.of_file(path, replace(header, first=None, doubt=None), others),
    )
