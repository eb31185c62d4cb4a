"""The same mathematics, slowly and plainly, in float64: what the fast versions are compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence


def plackett_luce_log_prob(logits: Sequence[float], order: Sequence[int]) -> float:
    """Log-probability of an order: a product of choices from what is left."""
    total = 0.0
    for slot, patch in enumerate(order):
        left = [logits[other] for other in order[slot:]]
        highest = max(left)
        total += logits[patch] - highest - math.log(sum(math.exp(logit - highest) for logit in left))
    return total


def softsort(scores: Sequence[float], temperature: float) -> list[list[float]]:
    """The SoftSort matrix, row by row."""
    matrix = []
    for ranked in sorted(scores, reverse=True):
        weights = [math.exp(-abs(ranked - score) / temperature) for score in scores]
        matrix.append([weight / sum(weights) for weight in weights])
    return matrix
