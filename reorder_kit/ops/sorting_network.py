"""Differentiable sorting networks: comparators that swap a share."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.ops._soft_swaps import swap_rows

SortingNetwork = Literal["odd-even", "bitonic"]
SwapDistribution = Literal["logistic", "cauchy", "optimal"]


def sorting_network(
    scores: Float[Tensor, "*batch patch"],
    temperature: float,
    network: SortingNetwork = "odd-even",
    distribution: SwapDistribution = "cauchy",
) -> Float[Tensor, "*batch slot patch"]:
    """The matrix by which a sorting network with soft comparators mixes its inputs.

    Patches enter in row-major sequence. A comparator of two slots with scores a, in the earlier slot, and b leaves the
    share ``f((a - b) / temperature)`` of each patch and score where it is, and swaps the rest; f is the distribution
    function of

    * ``logistic``: the logistic distribution, ``1 / (1 + e^-x)``. The gradient may have the wrong sign far away.
    * ``cauchy``: the Cauchy distribution, ``arctan(x) / pi + 1/2``. Monotonic: the gradient never has a wrong sign.
    * ``optimal``: the monotonic one with the smallest error, ``x + 1/2`` up to ``|x| = 1/4``, then ``1 - 1/(16 x)``.

    Networks for n slots:

    * ``odd-even``: n layers of comparators of neighbors.
    * ``bitonic``: m (m + 1) / 2 layers, where 2^m is the first power of two that is not below n. All comparators point
      in one direction, so slots added to reach a power of two would stay at the end: they are left out.

    A layer takes time of order n^2 for the matrix. The backward pass keeps the matrices of about as many layers as the
    square root of their number, and recomputes the others.

    Source: Petersen et al., "Differentiable Sorting Networks for Scalable Sorting and Ranking Supervision", ICML 2021
    (https://arxiv.org/abs/2105.04019), and "Monotonic Differentiable Sorting Networks", ICLR 2022
    (https://arxiv.org/abs/2203.09630); their P is our result, their beta (the steepness) is one over our
    ``temperature``, and they sort in ascending order.

    Args:
        scores: one for each patch; the highest goes to the first slot. Computed in float32, or in float64 if they are.
        temperature: above 0, in units of the scores. Rows and columns sum to one at any temperature. Toward 0 the
            matrix is that of the hard order, where patches of equal scores share their slots, but not evenly; toward
            infinity every comparator takes the mean of its two slots.
        network: which slots are compared.
        distribution: how the share that stays depends on the difference of two scores.
    """
    scores = scores if scores.dtype == torch.float64 else scores.float()
    slots = torch.arange(scores.shape[-1], device=scores.device)
    partners = _partners(slots, network)
    # Of two slots, the earlier one should hold the higher score.
    sharpness = (partners - slots).sign().to(scores.dtype) / temperature
    stays = []
    for partner, sharp in zip(partners, sharpness, strict=True):
        other = scores.index_select(-1, partner)
        stays.append(_distribution_function((scores - other) * sharp, distribution))
        scores = torch.lerp(other, scores, stays[-1])
    return swap_rows(partners, torch.stack(stays))


def _partners(slots: Int[Tensor, " slot"], network: SortingNetwork) -> Int[Tensor, "layer slot"]:
    """The slot that each slot is compared with in each layer: itself if it is not compared."""
    match network:
        case "odd-even":  # every second pair of neighbors, then the other pairs, and so on
            shift = (slots % 2).unsqueeze(-1)
            partners = ((slots + shift) ^ 1) - shift
        case "bitonic":
            partners = slots ^ torch.tensor(_bitonic_masks(len(slots)), device=slots.device).unsqueeze(-1)
    return torch.where((partners >= 0) & (partners < len(slots)), partners, slots)


def _bitonic_masks(size: int) -> list[int]:
    """Merge the sorted halves of ever larger blocks: compare mirrored slots, then at half the distance each time."""
    masks = []
    for exponent in range(max(1, (size - 1).bit_length())):
        masks += [2 ** (exponent + 1) - 1, *(2**finer for finer in reversed(range(exponent)))]
    return masks


def _distribution_function(x: Float[Tensor, "*batch slot"], distribution: SwapDistribution) -> Tensor:
    match distribution:
        case "logistic":
            return torch.sigmoid(x)
        case "cauchy":
            return torch.atan(x) / math.pi + 0.5
        case "optimal":
            return x.clamp(-0.25, 0.25) + 0.5 + x.sign() * (0.25 - 1 / (16 * x.abs().clamp(min=0.25)))
