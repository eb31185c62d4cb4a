"""Which tokens attend to which while windowed blocks encode a sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from reorder_kit.interfaces import AttentionMaps, Backbone, Encoded, PatchSequence


def windowed_attention_maps(
    backbone: Backbone, blocks: nn.ModuleList, sequence: PatchSequence, num_before: int, num_after: int
) -> AttentionMaps:
    """The maps of a backbone of windowed blocks, whose readout is a token or a mean of tokens.

    Args:
        backbone: the backbone.
        blocks: its blocks, of :class:`~reorder_kit.layers.attention_block.AttentionBlock`.
        sequence: the sequence to encode.
        num_before: number of extra tokens before the slots.
        num_after: number of extra tokens after them.
    """
    weights: list[Tensor] = []

    def record(attention: Any, inputs: tuple[Any, ...]) -> None:
        weights.append(attention.weights(*inputs))

    handles = [block.get_submodule("attn").register_forward_pre_hook(record) for block in blocks]
    try:
        backbone.encode(sequence)
    finally:
        for handle in handles:
            handle.remove()
    # If each token's embedding is its own unit vector, the readout shows the share of each token.
    before, after = num_before, num_before + sequence.num_slots
    units = torch.eye(after + num_after, device=sequence.patches.device, dtype=sequence.patches.dtype)
    units = units.expand(sequence.batch, -1, -1)
    extra = torch.cat([units[:, :before], units[:, after:]], dim=1) if num_before + num_after else None
    readout = backbone.summarize(Encoded(sequence.with_patches(units[:, before:after]), extra))
    return AttentionMaps(tuple(weights), readout, first_slot=num_before)
