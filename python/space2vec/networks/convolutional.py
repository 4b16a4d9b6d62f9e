"""Networks that are one chain of layers over prepared planes: what the published ones share."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

__all__ = ["Convolutional"]


class Convolutional(nn.Module):
    """A chain of convolutional layers, then dense ones that end in one logit.

    Parameters
    ----------
    channels : int
        Planes of the input.
    side : int
        Height and width of the input, pixels.

    Raises
    ------
    ValueError
        If nothing is left of planes of this side behind the convolutions, or an argument is not positive.
    """

    takes: ClassVar[tuple[str, ...]] = ("planes",)

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        if channels < 1 or side < 1:
            raise ValueError(f"channels and side must be positive; given {channels} and {side}")
        self.settings: dict[str, Any] = {"channels": channels, "side": side}
        self.body = nn.Sequential(*self._layers(channels))
        try:
            with torch.no_grad():
                # The layers may drop or normalise: only the shape counts.
                width = self.body.eval()(torch.zeros(1, channels, side, side)).numel()
        except RuntimeError as error:
            raise ValueError(f"planes of {side}x{side} are too small for {type(self).__name__} ({error})") from None
        self.body.train()
        self.head = nn.Sequential(*self._dense(width))

    def _layers(self, channels: int) -> list[nn.Module]:
        """Return the convolutional layers."""
        raise NotImplementedError

    def _dense(self, width: int) -> list[nn.Module]:
        """Return the dense layers behind `width` values."""
        raise NotImplementedError

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        """Return the logits (n,) of planes (n, channels, side, side), float32, prepared by the model's recipe."""
        logit: torch.Tensor = self.head(self.body(planes).flatten(1))
        return logit.squeeze(1)
