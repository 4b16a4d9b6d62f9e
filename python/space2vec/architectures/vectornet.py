"""``vectornet``: a network that turns the planes of a candidate and its features into a vector."""

from __future__ import annotations

from collections.abc import Sequence

from space2vec.architectures.stampnet import StampTrunk

__all__ = ["VectorNet"]


class VectorNet(StampTrunk):
    """A network of stamps that gives vectors: candidates that look alike get vectors that point the same way.

    It is ``stampnet`` with more outputs. How alike two candidates are is the cosine of the angle between their vectors.

    Parameters
    ----------
    vector : int
        Number of elements of a vector.
    features, channels, side, width, hidden, dropout, reach
        As for :class:`~space2vec.architectures.stampnet.StampTrunk`.
    """

    def __init__(
        self,
        *,
        features: int,
        channels: int = 3,
        side: int = 33,
        width: Sequence[int] = (16, 32, 64),
        hidden: int = 256,
        dropout: float = 0.0,
        reach: Sequence[float] | None = None,
        vector: int = 64,
    ) -> None:
        super().__init__(
            features=features, channels=channels, side=side, width=width, hidden=hidden, dropout=dropout, reach=reach,
            outputs=vector,
        )  # fmt: skip
        self.settings["vector"] = vector
