"""Sparse attention, slot by slot, from the sets of slots that each slot sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Seen = Callable[[int, int], set[int]]
"""The slots that a slot sees in a sequence of a given length."""


def strided(stride: int) -> Seen:
    """Child et al., 2019, https://arxiv.org/abs/1904.10509, section 4.3, both heads together, to both sides."""

    def seen(slot: int, length: int) -> set[int]:
        window = set(range(max(0, slot - stride), min(length, slot + stride + 1)))
        return window | set(range(slot % stride, length, stride))

    return seen


def fixed(block: int, num_summary: int) -> Seen:
    """Child et al., 2019, section 4.3, both heads together, to both sides."""

    def seen(slot: int, length: int) -> set[int]:
        first = slot - slot % block
        summaries = {start + block - 1 - number for start in range(0, length, block) for number in range(num_summary)}
        return (set(range(first, first + block)) | summaries) & set(range(length))

    return seen


def bigbird(block: int, window: int, num_global: int, random: Callable[[int, int], Sequence[int]]) -> Seen:
    """Zaheer et al., 2020, https://arxiv.org/abs/2007.14062.

    Args:
        random: gives the random blocks of a block among a number of blocks.
    """

    def seen(slot: int, length: int) -> set[int]:
        blocks = [list(range(start, min(start + block, length))) for start in range(0, length, block)]
        own = slot // block
        if own < num_global:
            return set(range(length))
        wanted = {*range(own - window, own + window + 1), *range(num_global), *random(own, len(blocks))}
        return {member for number in wanted & set(range(len(blocks))) for member in blocks[number]}

    return seen


def sparse_attention(
    query: Float[Tensor, "batch head slot dim"],
    key: Float[Tensor, "batch head {num_global}+slot dim"],
    value: Float[Tensor, "batch head {num_global}+slot dim"],
    seen: Seen,
    causal: bool = False,
    num_global: int = 0,
    valid: Bool[Tensor, "batch slot"] | None = None,
) -> Float[Tensor, "batch head slot dim"]:
    """What each slot sees, looked up and averaged slot by slot; zeros for padding."""
    query, key, value = query.double(), key.double(), value.double()
    result = torch.zeros_like(query)
    for image in range(query.shape[0]):
        members = [slot for slot in range(query.shape[2]) if valid is None or valid[image, slot]]
        for place, slot in enumerate(members):
            places = sorted(other for other in seen(place, len(members)) if not causal or other <= place)
            tokens = [*range(num_global), *(num_global + members[other] for other in places)]
            for head in range(query.shape[1]):
                scores = key[image, head, tokens] @ query[image, head, slot] / query.shape[3] ** 0.5
                result[image, head, slot] = scores.softmax(dim=0) @ value[image, head, tokens]
    return result
