"""What runs a network on each device: made when it is first asked for, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from space2vec import runtimes
from space2vec.errors import ModelError
from space2vec.onnx_graph import MODEL_KEY

if TYPE_CHECKING:
    from space2vec.cuda.half_network import HalfNetwork
    from space2vec.network import Network

__all__ = ["NetworkRuns"]


class NetworkRuns:
    """The runtimes of a network; its copies and pickles begin with none."""

    def __init__(self) -> None:
        self._runtimes: dict[str, runtimes.Runtime] = {}
        self._halves: dict[tuple[str, str], HalfNetwork] = {}

    def on(self, network: Network, device: str) -> runtimes.Runtime:
        """Return what runs the network on rows of the host.

        Raises
        ------
        ModelError
            If its ONNX graph is damaged, or that of another network.
        """
        if device not in self._runtimes:
            self._runtimes[device] = _runtime(network, device)
        return self._runtimes[device]

    def half(self, network: Network, device: str) -> HalfNetwork:
        """Return the network on a CUDA device, in the precision that is asked for."""
        from space2vec.cuda.half_network import HalfNetwork, precision

        kind = precision()
        if (device, kind) not in self._halves:
            header = network.header
            self._halves[device, kind] = HalfNetwork(
                network.module, header.temperature, device, kind, header.calibration
            )
        return self._halves[device, kind]


def _runtime(network: Network, device: str) -> runtimes.Runtime:
    if network.runtime == "torch" or device != "cpu":
        return runtimes.TorchRuntime(network.module, network.header.temperature, device)
    engine = runtimes.OnnxRuntime(network._as_graph(), network._shapes)
    of = engine.metadata.get(MODEL_KEY, "")
    if of.split(" ")[-1] != network._graph_id.split(" ")[-1]:
        raise ModelError(f"its ONNX graph is that of {of!r}, and not of the header and weights beside it")
    return engine
