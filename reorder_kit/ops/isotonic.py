"""Soft ranks and soft sorting: projections onto the permutahedron, by isotonic regression."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from reorder_kit.errors import ReorderKitError

IsotonicBackend = Literal["auto", "torch", "torchsort"]


def soft_rank(
    scores: Float[Tensor, "*batch patch"], strength: float, backend: IsotonicBackend = "auto"
) -> Float[Tensor, "*batch patch"]:
    """The slot of each patch by descending score, as a continuous function of the scores.

    The ranks are the point nearest to ``-scores / strength`` among the averages of all orders' ranks. Patches fall into
    pools of consecutive slots. A patch alone in its pool has its hard rank, and a gradient of zero. In a pool, ranks
    are the scores' distances from the pool's mean, over the strength, around the pool's mean slot: only patches that
    are near enough to compete for slots contribute to the gradient. Evenly spaced scores are one pool if their distance
    is at most the strength.

    As the strength approaches 0, the ranks become hard; equal scores share the mean of their slots at any strength.
    Toward infinity every rank becomes the mean slot. Computed in float64, so that nothing cancels in either limit, and
    exact at any scale.

    Source: Blondel et al., "Fast Differentiable Sorting and Ranking", ICML 2020 (https://arxiv.org/abs/2002.08871);
    their theta is our ``scores``, their epsilon our ``strength``, their rho the ranks, with l2 regularization Q. Theirs
    begin with 1. The package torchsort ranks ascending: ``soft_rank(-scores) - 1`` there.

    Args:
        scores: one for each patch; the highest goes to slot 0.
        strength: strength of the regularization, above 0, in units of the scores.
        backend: the implementation that finds the pools: ``torchsort`` (compiled, one pass), ``torch`` (rounds over all
            rows at once: a few for most scores, up to a quarter of the patches if gaps grow steadily from less than the
            strength to more), or ``auto``, which uses the first if it is available. The results are the same.

    Returns:
        Ranks from 0 to ``patch - 1``, in float32; float64 for float64.

    Raises:
        ReorderKitError: if the backend is ``torchsort`` and cannot be used here.

    >>> import torch
    >>> soft_rank(torch.tensor([7.0, 0.0, 4.0, 3.0]), strength=2.0)  # 4 and 3 compete: half a slot apart
    tensor([0.0000, 3.0000, 1.2500, 1.7500])
    """
    ranked, order = scores.double().sort(dim=-1, descending=True, stable=True)
    scaled = ranked / strength
    slots = torch.arange(scores.shape[-1], dtype=scaled.dtype, device=scores.device).expand_as(scaled)
    first = _pools(scaled + slots, backend)
    # Relative to the pool's first score: the common part would cancel and, with large scores, leave only rounding
    # errors.
    local = scaled - scaled.gather(-1, first)
    ranks = _pool_means(slots + local, first) - local
    return ranks.gather(-1, order.argsort(dim=-1)).to(_result_dtype(scores))


def soft_sort(
    scores: Float[Tensor, "*batch patch"], strength: float, backend: IsotonicBackend = "auto"
) -> Float[Tensor, "*batch slot"]:
    """The scores in descending sequence, as a function whose gradient mixes distant scores.

    Slots fall into pools; a slot alone in its pool holds its hard sorted score. In a pool, values lie around the pool's
    mean score and fall from slot to slot by ``1 / strength``. Evenly spaced scores are one pool if their distance is at
    least that.

    As the strength approaches 0, this is exactly the sort; toward infinity every slot holds the mean. Equal scores stay
    unchanged, and get the gradient of a stable sort. Computed in float64, so that nothing cancels in either limit.

    Source: as for :func:`soft_rank`. The package torchsort sorts ascending: its result is ours flipped.

    Args:
        scores: one for each patch; the highest goes to slot 0.
        strength: strength of the regularization, above 0, in slots per unit of the scores.
        backend: as for :func:`soft_rank`.

    Returns:
        A value for each slot, in descending order, in float32; float64 for float64.

    Raises:
        ReorderKitError: if the backend is ``torchsort`` and cannot be used here.

    >>> import torch
    >>> soft_sort(torch.tensor([0.0, 4.0, 1.0]), strength=0.5)  # 4 and 1 are more than 2 apart: mixed
    tensor([3.5000, 1.5000, 0.0000])
    """
    ranked = scores.double().sort(dim=-1, descending=True, stable=True).values
    slots = torch.arange(scores.shape[-1], dtype=ranked.dtype, device=scores.device).expand_as(ranked)
    first = _pools(-slots / strength - ranked, backend)
    mean_slots = _pool_means(slots, first)
    return (_pool_means(ranked, first) + (mean_slots - slots) / strength).to(_result_dtype(scores))


def _result_dtype(scores: Tensor) -> torch.dtype:
    return torch.promote_types(scores.dtype, torch.float32)


def _pool_means(
    values: Float[Tensor, "*batch slot"], first: Int[Tensor, "*batch slot"]
) -> Float[Tensor, "*batch slot"]:
    """The mean over the pool of each slot; its gradient is also a mean over pools."""
    zeros = torch.zeros_like(values)
    totals = zeros.scatter_add(-1, first, values).gather(-1, first)
    return totals / zeros.scatter_add(-1, first, torch.ones_like(values)).gather(-1, first)


@torch.no_grad()
def _pools(values: Float[Tensor, "*batch slot"], backend: IsotonicBackend) -> Int[Tensor, "*batch slot"]:
    """The pools of the isotonic regression to descending values: for each slot, the first slot of its pool.

    The regression is the mean over each pool. Pools are constant almost everywhere, so they have no gradient.
    """
    kernel = _choose_kernel(backend, values.device.type)
    if kernel is not None:
        return _runs(kernel(values.reshape(-1, values.shape[-1])).reshape(values.shape))
    # Adjacent pools whose means do not fall belong to one pool of the solution, whichever are merged first.
    first = torch.arange(values.shape[-1], device=values.device).expand_as(values)
    while True:
        merged = _runs(_pool_means(values, first))
        if torch.equal(merged, first):
            return first
        first = merged


def _runs(values: Float[Tensor, "*batch slot"]) -> Int[Tensor, "*batch slot"]:
    """For each slot, the last slot up to it whose value is below the previous one."""
    falls = F.pad(values.diff(dim=-1) < 0, (1, 0), value=True)
    slots = torch.arange(values.shape[-1], device=values.device)
    return torch.where(falls, slots, 0).cummax(dim=-1).values


def _choose_kernel(backend: IsotonicBackend, device: str) -> Callable[[Tensor], Tensor] | None:
    """The kernel of torchsort for the regression; None for our implementation."""
    if backend == "torch":
        return None
    kernel = _kernel(device)
    if not isinstance(kernel, Exception):
        return kernel
    if backend == "torchsort":
        raise ReorderKitError(
            f"torchsort cannot be used on {device}: {kernel}",
            "pip install --no-build-isolation torchsort, or set backend: auto",
        )
    return None


@cache
def _kernel(device: str) -> Callable[[Tensor], Tensor] | Exception:
    """The compiled regression of torchsort for a type of device, or the reason why it is missing."""
    try:
        kernel: Callable[[Tensor], Tensor] = import_module(f"torchsort.isotonic_{device}").isotonic_l2
    except Exception as error:  # an incompatible compiled extension can raise anything
        return error
    return kernel
