"""The mixer of ARM: four gated selective scans that share their projections."""

from __future__ import annotations

import math

from jaxtyping import Float, Int
from torch import Tensor, nn

from reorder_kit.interfaces import Order
from reorder_kit.layers.mamba_mixer import SelectiveWalk, x_and_z
from reorder_kit.layers.turn_round import turn_round
from reorder_kit.ops.scan_backend import ScanBackend

WALKS = 4


class FourWalkMixer(nn.Module):
    """Walks along the sequence, back, along the transposed sequence, and back.

    Each walk has its own convolution, step sizes, rates and skip, and is gated; the four results are averaged by token.

    Source: Ren et al., "Autoregressive Pretraining with Mamba in Vision", 2024, https://arxiv.org/abs/2406.07537, and
    its released definition.

    Args:
        dim: width of the embedding.
        state: size of the state of a channel.
        conv_width: number of tokens a convolution sees, including the current one.
        expand: number of channels, times ``dim``.
        backend: the implementation of the scans.
    """

    def __init__(self, dim: int, state: int, conv_width: int, expand: int, backend: ScanBackend) -> None:
        super().__init__()
        inner, rank = expand * dim, math.ceil(dim / 16)
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        self.walks = nn.ModuleList(SelectiveWalk(inner, rank, state, conv_width, backend) for _ in range(WALKS))
        self.out_proj = nn.Linear(inner, dim, bias=False)

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], across: Order, lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch token dim"]:
        """Mix the tokens along the four walks.

        Args:
            tokens: the tokens, with all padding last.
            across: the order of the tokens in the transposed walk; it leaves padding in place.
            lengths: number of tokens of each image without padding, where the walks back start; None if there is no
                padding.
        """
        projected = self.in_proj(tokens)
        along = self._both_ways(0, projected, lengths)
        transposed = self._both_ways(2, across.apply(projected), lengths)
        mixed: Tensor = self.out_proj((along + across.restore(transposed)) / WALKS)
        return mixed

    def _both_ways(
        self, first: int, projected: Float[Tensor, "batch token channels"], lengths: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch token inner"]:
        """The sum of the walk with this number and the next one, which walks back."""
        ahead = self._walk(first, projected)
        back = self._walk(first + 1, turn_round(projected, lengths))
        return ahead + turn_round(back, lengths)

    def _walk(
        self, number: int, projected: Float[Tensor, "batch token channels"]
    ) -> Float[Tensor, "batch token inner"]:
        walk = self.walks[number]
        assert isinstance(walk, SelectiveWalk)  # a type checker only knows nn.Module
        return walk.walk(*x_and_z(projected)).transpose(1, 2)
