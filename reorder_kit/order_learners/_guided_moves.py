"""Moves that join patches which a guide prefers side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.order_learners._moves import random_join, random_move

TEMPERATURE = 0.3
"""How closely moves follow the attraction, in its standard deviations over pairs that are apart."""
GUIDED_SHARE = 0.9
"""Share of the moves that join a pair; the others are random, to find what the guide misses."""
CHANCE_OF_ANOTHER = 0.3
"""Chance that a move is followed by another one: some optima can only be left by two moves at once."""


class GuidedMoves:
    """Draws orders that are one or a few moves away from an order.

    Args:
        order: the order, of at least two patches.
        attraction: how strongly two patches should be side by side, in any unit; symmetric, on the CPU.
    """

    def __init__(self, order: Int[Tensor, " slot"], attraction: Float[Tensor, "patch patch"]) -> None:
        self._order: list[int] = order.tolist()
        apart = torch.ones_like(attraction, dtype=torch.bool).fill_diagonal_(False)
        apart[self._order[:-1], self._order[1:]] = apart[self._order[1:], self._order[:-1]] = False
        spread = float(attraction[apart].std(correction=0)) if bool(apart.any()) else 0.0
        # Without a spread there is nothing to follow.
        self._attraction = attraction / (TEMPERATURE * spread) if spread > 0 else torch.zeros_like(attraction)
        strengths = self._attraction.masked_fill(~apart, -math.inf)
        # Drawn in two steps, a patch and then its partner, because multinomial() is limited to 2^24 choices.
        self._of_anchors = strengths.logsumexp(dim=1).nan_to_num(neginf=-1e30).softmax(dim=0)
        self._strengths = strengths

    def draw(self, generator: torch.Generator) -> list[int]:
        """An order one or more moves away, most often one."""
        order = self._move(self._order, generator)
        while _happens(CHANCE_OF_ANOTHER, generator):
            order = self._move(order, generator)
        return order

    def _move(self, order: Sequence[int], generator: torch.Generator) -> list[int]:
        if _happens(GUIDED_SHARE, generator):
            anchor = int(torch.multinomial(self._of_anchors, 1, generator=generator))
            of_partners = self._strengths[anchor].nan_to_num(neginf=-1e30).softmax(dim=0)
            patch = int(torch.multinomial(of_partners, 1, generator=generator))
            if abs(order.index(anchor) - order.index(patch)) > 1:  # an earlier move may have joined them
                strengths = self._attraction[order[:-1], order[1:]].tolist()
                return random_join(order, anchor, patch, strengths, generator)
        return random_move(order, generator)


def _happens(chance: float, generator: torch.Generator) -> bool:
    return float(torch.rand((), generator=generator)) < chance
