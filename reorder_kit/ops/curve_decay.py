"""Masks that decay with the distance along curves."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor


def curve_decay(
    places: Int[Tensor, "curve *batch slot"], log_decay: Float[Tensor, "curve head"]
) -> Float[Tensor, "head *batch slot slot"]:
    """The sum over curves of ``decay ** distance``, with the distance of two slots along the curve.

    Source: Candogan et al., "Spatial Priors via Space Filling Curves for Small and Limited Data Vision Transformers",
    2026 (https://arxiv.org/abs/2606.14757): masks ``gamma_c ** |i - j|``, aligned to one order of the tokens. They use
    the mean.

    Args:
        places: the place of each slot on each curve; at least one curve.
        log_decay: natural logarithm of the decay from a place to the next, at most 0.

    >>> import torch
    >>> curve_decay(torch.tensor([[0, 2, 1]]), torch.tensor([[0.5]]).log())[0].tolist()
    [[1.0, 0.25, 0.5], [0.25, 1.0, 0.5], [0.5, 0.5, 1.0]]
    """
    total: Tensor | None = None
    for place, rate in zip(places, log_decay, strict=True):
        distance = (place.unsqueeze(-1) - place.unsqueeze(-2)).abs()
        mask = (distance * rate.reshape(-1, *[1] * distance.ndim)).exp()
        total = mask if total is None else total + mask
    assert total is not None
    return total
