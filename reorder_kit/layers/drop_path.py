"""Stochastic depth over the blocks of a model."""

from __future__ import annotations


def drop_path_rates(last: float, depth: int) -> list[float]:
    """Probabilities that rise evenly from 0 in the first block (Huang et al., 2016, https://arxiv.org/abs/1603.09382).

    Args:
        last: probability of the last block, even if it is the only one.
        depth: number of blocks.

    >>> drop_path_rates(0.5, 3), drop_path_rates(0.5, 1)
    ([0.0, 0.25, 0.5], [0.5])
    """
    # Imported on first use: timm takes seconds.
    from timm.layers import calculate_drop_path_rates

    rates: list[float] = calculate_drop_path_rates(last, depth) if depth > 1 else [last]
    return rates
