"""Moves that bring together patches which a guide would like to have side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.order_learners._moves import random_join, random_move

TEMPERATURE = 0.3
"""In standard deviations of the attraction over pairs that are apart: how closely moves follow it."""
GUIDED_SHARE = 0.9
"""Share of the moves that join a pair; the others are random, for what the guide does not see."""
CHANCE_OF_ANOTHER = 0.3
"""Chance that a move is followed by another one: some optima can only be left by two moves at once."""


class GuidedMoves:
    """Draws orders that are one move or a few away from an order.

    Args:
        order: the order, of at least two patches.
        attraction: how much two patches should be side by side, in any unit; symmetric, on the CPU.
    """

    def __init__(self, order: Int[Tensor, " slot"], attraction: Float[Tensor, "patch patch"]) -> None:
        self._order: list[int] = order.tolist()
        apart = torch.ones_like(attraction, dtype=torch.bool).fill_diagonal_(False)
        apart[self._order[:-1], self._order[1:]] = apart[self._order[1:], self._order[:-1]] = False
        limits = torch.finfo(attraction.dtype)
        spread = attraction.where(apart, 0.0).std().clamp(min=limits.tiny)
        self._attraction = attraction / (TEMPERATURE * spread)
        self._pair_probabilities = self._attraction.where(apart, limits.min).flatten().softmax(dim=0)

    def draw(self, generator: torch.Generator) -> list[int]:
        """An order some moves away, most often one."""
        order = self._move(self._order, generator)
        while _happens(CHANCE_OF_ANOTHER, generator):
            order = self._move(order, generator)
        return order

    def _move(self, order: Sequence[int], generator: torch.Generator) -> list[int]:
        if _happens(GUIDED_SHARE, generator):
            pair = int(torch.multinomial(self._pair_probabilities, 1, generator=generator))
            anchor, patch = divmod(pair, len(order))
            if abs(order.index(anchor) - order.index(patch)) > 1:  # an earlier move may have joined them
                strengths = self._attraction[order[:-1], order[1:]].tolist()
                return random_join(order, anchor, patch, strengths, generator)
        return random_move(order, generator)


def _happens(chance: float, generator: torch.Generator) -> bool:
    return float(torch.rand((), generator=generator)) < chance
