"""Simulated alerts, in ZTF's packet schema: a sky, a camera, transients, and the artifacts that matter."""

from space2vec.simulation.night import KINDS, Night, simulate
from space2vec.simulation.packet import write_packets

__all__ = ["KINDS", "Night", "simulate", "write_packets"]
