"""Plackett-Luce, choice by choice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence


def plackett_luce_log_prob(logits: Sequence[float], order: Sequence[int]) -> float:
    """Log-probability of an order, or of its first slots: a product of choices from the remaining patches."""
    return sum(log_choice[patch] for patch, log_choice in _choices(logits, order))


def plackett_luce_score(logits: Sequence[float], order: Sequence[int]) -> list[float]:
    """Its gradient: for every choice, 1 for the chosen patch, minus the probability of each remaining one."""
    score = [0.0] * len(logits)
    for patch, log_choice in _choices(logits, order):
        score[patch] += 1
        for other, log_prob in log_choice.items():
            score[other] -= math.exp(log_prob)
    return score


def plackett_luce_entropy(logits: Sequence[float], order: Sequence[int]) -> float:
    """The sum of the entropies of all choices along an order."""
    return -sum(
        math.exp(log_prob) * log_prob
        for _, log_choice in _choices(logits, order)
        for log_prob in log_choice.values()
        if math.exp(log_prob) > 0
    )


def _choices(logits: Sequence[float], order: Sequence[int]) -> Iterator[tuple[int, dict[int, float]]]:
    """The patch of each slot, and the log-probability of every patch that could have been chosen."""
    left = set(range(len(logits)))
    for patch in order:
        highest = max(logits[other] for other in left)
        log_mass = highest + math.log(sum(math.exp(logits[other] - highest) for other in left))
        yield patch, {other: logits[other] - log_mass for other in left}
        left.remove(patch)
