"""The orders drawn in a step, with rewards that can be compared with each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.passes import Pass


@dataclass(frozen=True)
class Samples:
    """Orders drawn for one pass of a step, over all its repeats.

    Args:
        orders: the orders, before the first block.
        log_prob: their log-probability, summed over the blocks before which the pass ordered.
        groups: which of them each image was read in; the images of each repeat follow those of the previous one.
        reward: the reward of each of these images.
    """

    orders: Int[Tensor, "sample slot"]
    log_prob: Float[Tensor, " sample"]
    groups: Int[Tensor, " image"]
    reward: Float[Tensor, " image"]


def samples_by_pass(passes: Sequence[Pass], repeats: int) -> list[Samples]:
    """The samples of each pass that the task makes over a batch.

    Two passes may earn different rewards in any order, as when a task reads a first view and then a harder one. Only
    samples of the same pass can be compared.

    Args:
        passes: all passes of the first repeat, then those of the next; their orders were drawn.
        repeats: how many times the step ran.

    Raises:
        ReorderKitError: if the repeats do not all have the same number of passes.
    """
    if len(passes) % repeats:
        raise ReorderKitError(
            f"{len(passes)} passes cannot be split evenly over {repeats} repeats",
            "hand over the passes of all repeats of a step at once",
        )
    count = len(passes) // repeats
    return [_pooled(passes[which::count]) for which in range(count)]


def _pooled(repeats: Sequence[Pass]) -> Samples:
    orders = [one.proposals[0].order for one in repeats]
    log_probs = [_log_prob(one) for one in repeats]
    sizes = torch.tensor([0, *(len(log_prob) for log_prob in log_probs)]).cumsum(0).tolist()
    groups = [
        first
        + (torch.arange(len(order.indices), device=order.indices.device) if order.groups is None else order.groups)
        for first, order in zip(sizes, orders, strict=False)
    ]
    return Samples(
        orders=torch.cat([order.indices for order in orders]),
        log_prob=torch.cat(log_probs),
        groups=torch.cat(groups),
        reward=torch.cat([one.reward for one in repeats]),
    )


def _log_prob(one: Pass) -> Float[Tensor, " sample"]:
    """The log-probability over all blocks. Blocks assign their orders to images alike, so that it adds up row by
    row."""
    drawn = [proposal.log_prob for proposal in one.proposals if proposal.log_prob is not None]
    return torch.stack(drawn).sum(dim=0)
