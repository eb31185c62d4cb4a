"""Sums over all segments of a sequence, used in decay masks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def segment_sums(values: Float[Tensor, "*batch step"]) -> Float[Tensor, "*batch step step"]:
    """The sum of the steps after ``j`` up to ``i``, in row ``i`` and column ``j``; -inf where ``i < j``.

    For logarithms of decays, ``exp`` gives the share of step ``j`` that is left in step ``i``. Every sum is computed
    separately. The difference of two sums from the beginning is mathematically the same, but it inherits the rounding
    errors of both, which grow with the length, as do those of its gradients.

    Source: Dao and Gu, "Transformers are SSMs", 2024 (https://arxiv.org/abs/2405.21060), listing 1, ``segsum``. Time
    and memory are quadratic in the number of steps.

    Args:
        values: one for each step.

    >>> segment_sums(torch.tensor([1.0, 2.0, 3.0]))
    tensor([[0., -inf, -inf],
            [2., 0., -inf],
            [5., 3., 0.]])
    """
    steps = values.shape[-1]
    on_or_below = torch.ones(steps, steps, dtype=torch.bool, device=values.device).tril()
    later = on_or_below.tril(-1)
    columns = values.unsqueeze(-1).expand(*values.shape, steps).masked_fill(~later, 0)
    return columns.cumsum(dim=-2).masked_fill(~on_or_below, -torch.inf)
