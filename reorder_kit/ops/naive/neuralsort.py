"""NeuralSort, row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence


def neuralsort(scores: Sequence[float], temperature: float) -> list[list[float]]:
    """The NeuralSort matrix by its definition, row by row."""
    size, matrix = len(scores), []
    for slot in range(1, size + 1):
        logits = [
            ((size + 1 - 2 * slot) * score - sum(abs(score - other) for other in scores)) / temperature
            for score in scores
        ]
        weights = [math.exp(logit - max(logits)) for logit in logits]
        matrix.append([weight / sum(weights) for weight in weights])
    return matrix
