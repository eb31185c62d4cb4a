"""Soft ranks and soft sorting, one row at a time: the regression by pooling adjacent violators."""

from __future__ import annotations

from collections.abc import Sequence


def isotonic_regression(values: Sequence[float]) -> list[float]:
    """The descending sequence (equal neighbors allowed) with the least squared distance to the values."""
    pools: list[list[float]] = []
    for value in values:
        pool = [value]
        while pools and _mean(pools[-1]) <= _mean(pool):
            pool = pools.pop() + pool
        pools.append(pool)
    return [_mean(pool) for pool in pools for _ in pool]


def soft_rank(scores: Sequence[float], strength: float) -> list[float]:
    """The slot of each patch, plus the distance of the regression from its input."""
    order = sorted(range(len(scores)), key=lambda patch: -scores[patch])
    scaled = [scores[patch] / strength for patch in order]
    fitted = isotonic_regression([value + slot for slot, value in enumerate(scaled)])
    ranks = dict(zip(order, (fit - value for fit, value in zip(fitted, scaled, strict=True)), strict=True))
    return [ranks[patch] for patch in range(len(scores))]


def soft_sort(scores: Sequence[float], strength: float) -> list[float]:
    """The sorted score of each slot, as changed by the regression."""
    ramp = [-slot / strength for slot in range(len(scores))]
    ranked = sorted(scores, reverse=True)
    fitted = isotonic_regression([place - score for place, score in zip(ramp, ranked, strict=True)])
    return [place - fit for place, fit in zip(ramp, fitted, strict=True)]


def _mean(pool: list[float]) -> float:
    return sum(pool) / len(pool)
