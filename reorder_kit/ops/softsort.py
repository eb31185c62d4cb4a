"""SoftSort: sorting relaxed to a row-stochastic matrix."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def softsort(scores: Float[Tensor, "*batch patch"], temperature: float) -> Float[Tensor, "*batch slot patch"]:
    """The matrix whose row for a slot is a softmax over the distances of all scores to the slot's sorted score.

    Source: Prillo and Eisenschlos, "SoftSort: A Continuous Relaxation for the argsort Operator", ICML 2020
    (https://arxiv.org/abs/2006.16038); their P is our result, their tau our ``temperature``, their d the absolute
    difference.

    Args:
        scores: one for each patch; the highest goes to the first slot. Computed in float32, or in float64 if they are.
        temperature: above 0, in units of the scores. Toward 0 the rows become one-hot (with equal scores they stay
            shared, and the gradient vanishes); toward infinity they become uniform.
    """
    scores = scores if scores.dtype == torch.float64 else scores.float()
    ranked = scores.sort(dim=-1, descending=True, stable=True).values
    distance = (ranked.unsqueeze(-1) - scores.unsqueeze(-2)).abs()
    return torch.softmax(distance / -temperature, dim=-1)
