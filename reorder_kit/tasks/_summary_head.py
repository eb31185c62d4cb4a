"""The head of tasks with one output for the image as a whole."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.interfaces import Features


class SummaryHead(nn.Module):
    """A linear layer over the readout of the backbone.

    Args:
        dim: width of the readout.
        outputs: how many numbers to give for each image.
    """

    def __init__(self, dim: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, outputs)

    def forward(self, features: Features) -> Float[Tensor, "batch output"]:
        """One number for each class."""
        scores: Tensor = self.linear(features.summary())
        return scores
