"""``stampnet``: a small convolutional network that takes the planes of a candidate and its features.

``StampTrunk`` is everything of it but the meaning of its outputs, which ``vectornet`` shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from space2vec.architectures.feature_input import FeatureInput

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from space2vec.data.types import Json

__all__ = ["StampNet", "StampTrunk"]


#: The largest side of a map whose rings are averaged. The table of a larger map would take gigabytes.
_LARGEST_RINGS = 65


class RingMean(nn.Module):
    """The mean of maps over rings around the centre.

    A ring consists of those pixels that rotations by 90 degrees and reflections about the centre map onto one another.
    Maps are squares of an odd side, up to 65 pixels.
    """

    share: Tensor

    def __init__(self, side: int) -> None:
        super().__init__()
        if side > _LARGEST_RINGS:
            raise ValueError(f"rings are taken over maps of up to {_LARGEST_RINGS} pixels a side; given {side}")
        away = torch.arange(side, device="cpu").sub(side // 2).abs()
        low, high = torch.minimum(away[:, None], away[None, :]), torch.maximum(away[:, None], away[None, :])
        ring = torch.unique((high * side + low).flatten(), return_inverse=True)[1]
        self.rings = int(ring.max()) + 1
        share = torch.zeros(side * side, self.rings, device="cpu")
        share[torch.arange(side * side, device="cpu"), ring] = 1.0
        self.register_buffer("share", share / share.sum(dim=0), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the means (n, channel * rings) of maps (n, channel, side, side)."""
        return torch.flatten(torch.flatten(maps, 2) @ self.share, 1)


class StampTrunk(nn.Module):
    """Convolutions over planes, each halving the side, and a small perceptron of any number of outputs.

    The perceptron takes the means of the last maps over rings, and the features. The side of all maps is odd, so that
    a rotation or reflection of a stamp maps the pixels of every layer onto pixels; the mean over rings averages over
    these eight symmetries. After training, batch normalisation can be merged into the convolutions.

    Parameters
    ----------
    features : int
        Number of features, at least 1.
    channels : int
        Number of planes.
    side : int
        Height and width of the planes in pixels: ``2**len(width) * m + 1``.
    width : sequence of int
        Number of channels of each convolution; multiples of 16 cost least.
    hidden : int
        Number of units of each hidden layer.
    dropout : float
        Share of the hidden units that are dropped in training.
    reach : sequence of float, optional
        The largest absolute value of the pixels of each plane; others are clipped. Planes can then be represented by
        8-bit integers, and filler values (-3.4e38 in templates of ZTF) do not dominate all other pixels.
    outputs : int
        Number of outputs.

    Raises
    ------
    ValueError
        If the side of a map is not odd, or `reach` does not have a number above 0 for each plane.
    """

    takes: ClassVar[tuple[str, ...]] = ("planes", "features")
    reach: Tensor

    def __init__(
        self,
        *,
        features: int,
        channels: int = 3,
        side: int = 33,
        width: Sequence[int] = (16, 32, 64),
        hidden: int = 64,
        dropout: float = 0.1,
        reach: Sequence[float] | None = None,
        outputs: int,
    ) -> None:
        super().__init__()
        self.settings: dict[str, Json] = {
            "features": features,
            "channels": channels,
            "side": side,
            "width": list(width),
            "hidden": hidden,
            "dropout": dropout,
        }
        if reach is not None:
            self.settings["reach"] = list(reach)
            if len(reach) != channels or not all(0.0 < largest < float("inf") for largest in reach):
                raise ValueError(f"reach must be a number above 0 for each of {channels} planes; given {list(reach)}")
            self.register_buffer("reach", torch.tensor(reach)[:, None, None], persistent=False)
        if (side - 1) % 2 ** len(width) or side <= 1:
            raise ValueError(f"side must be {2 ** len(width)} m + 1 for {len(width)} convolutions; given {side}")
        layers: list[nn.Module] = []
        for before, after in zip((channels, *width), width, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        self.pool = RingMean(((side - 1) >> len(width)) + 1)
        self.scale = FeatureInput(features)
        self.of_planes = nn.Linear(width[-1] * self.pool.rings, hidden)
        self.of_features = nn.Linear(self.scale.width, hidden)
        self.head = nn.Sequential(
            nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(hidden, outputs),
        )  # fmt: skip

    def fit_features(self, x: ArrayLike) -> None:
        """Set the scales of the features from training rows (n, k); see :class:`FeatureInput`."""
        self.scale.fit_features(x)

    def forward(self, planes: Tensor, features: Tensor) -> Tensor:
        """Return the outputs (n, outputs) for planes (n, channel, side, side) and features (n, k)."""
        if "reach" in self.settings:
            planes = planes.clamp(-self.reach, self.reach)
        seen = self.of_planes(self.pool(self.convolutions(planes)))
        out: Tensor = self.head(seen + self.of_features(self.scale(features)))
        return out


class StampNet(StampTrunk):
    """A network of stamps that scores: its output is a logit.

    Its arguments are those of :class:`StampTrunk` but for the number of outputs, which is 1.
    """

    def __init__(
        self,
        *,
        features: int,
        channels: int = 3,
        side: int = 33,
        width: Sequence[int] = (16, 32, 64),
        hidden: int = 64,
        dropout: float = 0.1,
        reach: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            features=features, channels=channels, side=side, width=width, hidden=hidden, dropout=dropout, reach=reach,
            outputs=1,
        )  # fmt: skip

    def forward(self, planes: Tensor, features: Tensor) -> Tensor:
        """Return logits (n,) of planes (n, channel, side, side) and features (n, k)."""
        return super().forward(planes, features)[:, 0]
