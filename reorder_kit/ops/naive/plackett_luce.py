"""Plackett-Luce, choice by choice."""

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
