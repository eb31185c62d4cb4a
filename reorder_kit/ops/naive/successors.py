"""Which patch follows which, choice by choice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

Logits = Sequence[Sequence[float]]


def successors_log_prob(logits: Logits, order: Sequence[int]) -> float:
    """Log-probability of an order, or of its first slots: a product of choices from the remaining patches."""
    return sum(log_choice[patch] for _, patch, log_choice in _choices(logits, order))


def successors_score(logits: Logits, order: Sequence[int]) -> list[list[float]]:
    """Its gradient: in the row of each choice, 1 for the chosen patch, minus the probability of each remaining one."""
    score = [[0.0] * len(row) for row in logits]
    for last, patch, log_choice in _choices(logits, order):
        score[last][patch] += 1
        for other, log_prob in log_choice.items():
            score[last][other] -= math.exp(log_prob)
    return score


def successors_entropy(logits: Logits, order: Sequence[int]) -> float:
    """The sum of the entropies of all choices along an order."""
    return -sum(
        math.exp(log_prob) * log_prob
        for _, _, log_choice in _choices(logits, order)
        for log_prob in log_choice.values()
        if math.exp(log_prob) > 0
    )


def _choices(logits: Logits, order: Sequence[int]) -> Iterator[tuple[int, int, dict[int, float]]]:
    """The row and the patch of each slot, and the log-probability of every patch that could have been chosen."""
    last, left = len(logits) - 1, set(range(len(logits) - 1))
    for patch in order:
        row = logits[last]
        highest = max(row[other] for other in left)
        log_mass = highest + math.log(sum(math.exp(row[other] - highest) for other in left))
        yield last, patch, {other: row[other] - log_mass for other in left}
        left.remove(patch)
        last = patch
