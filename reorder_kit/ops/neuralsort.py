"""NeuralSort: sorting relaxed to a unimodal row-stochastic matrix."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad


def neuralsort(scores: Float[Tensor, "*batch patch"], temperature: float) -> Float[Tensor, "*batch slot patch"]:
    """The matrix whose row for slot i is ``softmax(((n + 1 - 2i) s - A 1) / temperature)``, slots counted from 1.

    Here n is the number of patches, s are the scores and ``A[p, q] = |s_p - s_q|``. The largest share in each row
    belongs to the patch whose score has this rank.

    The temperature divides a score times a number of slots: with scores evenly spaced by d, a patch that is k slots
    away from a slot has the weight ``exp(-d k^2 / temperature)`` there. With scores one slot apart, that is a Gaussian
    as wide as the *square root* of the temperature.

    As written above, numbers of the order n^2 are subtracted, and in float32, with several hundred patches, some rows
    then give their largest share to the wrong patch. Up to a constant that its softmax ignores, a row equals minus the
    distance from the slot's own patch: a sum of the gaps between neighboring scores, with factors 1, 3, 5, ... that
    grow with the distance. So only these gaps are computed by subtraction.

    Source: Grover et al., "Stochastic Optimization of Sorting Networks via Continuous Relaxations", ICLR 2019
    (https://arxiv.org/abs/1903.08850, equation 5); their P-hat is our result, their s our ``scores``, their tau our
    ``temperature``.

    Args:
        scores: one for each patch; the highest goes to the first slot. Computed in float32, or in float64 if they are.
        temperature: above 0, in units of the scores times slots. Toward 0 the rows become one-hot; equal scores share
            their slots at any temperature, and the gradient there is that of the row-major sequence among them.
            Toward infinity the rows become uniform.
    """
    scores = scores if scores.dtype == torch.float64 else scores.float()
    ranked, patch_of_rank = scores.sort(dim=-1, descending=True, stable=True)
    gaps = ranked[..., :-1] - ranked[..., 1:]
    slots = torch.arange(scores.shape[-1], device=scores.device)
    times = (2 * (slots[:-1] - slots.unsqueeze(-1)) + 1).abs()  # [slot, gap], where gap k is after rank k
    stretched = times * gaps.unsqueeze(-2)
    behind = pad(stretched.triu().cumsum(dim=-1), (1, 0))
    before = pad(stretched.tril(-1).flip(-1).cumsum(dim=-1).flip(-1), (0, 1))
    by_rank = torch.softmax((behind + before) / -temperature, dim=-1)
    return torch.zeros_like(by_rank).scatter(-1, patch_of_rank.unsqueeze(-2).expand_as(by_rank), by_rank)
