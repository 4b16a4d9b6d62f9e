"""Simulated alerts of ZTF, DES and Rubin: sky, camera, transients, and artifacts that look like transients."""

from space2vec.simulation.night import KINDS, Night, simulate
from space2vec.simulation.packet import write_packets
from space2vec.simulation.repeats import simulate_repeats
from space2vec.simulation.survey import SURVEYS, Survey

__all__ = ["KINDS", "SURVEYS", "Night", "Survey", "simulate", "simulate_repeats", "write_packets"]
