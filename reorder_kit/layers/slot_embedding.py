"""Absolute positions in the sequence, added to the content of each slot."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reorder_kit.interfaces import PatchSequence
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.places import slot_places
from reorder_kit.layers.slot_positions import sinusoids


class SlotEmbedding(nn.Module):
    """Add to each slot the embedding of its place, which counts valid slots only.

    It is added once, before the first block: patches that move before a later block keep what they were given.

    Source: Vaswani et al., 2017, https://arxiv.org/abs/1706.03762, section 3.5, for slots.

    Args:
        kind: ``learned`` (a free vector for each slot, standard deviation 0.02 at the start) or ``sincos``; for any
            other kind, nothing is added.
        slots: the largest number of slots.
        dim: width of the tokens.
    """

    def __init__(self, kind: str, slots: int, dim: int) -> None:
        super().__init__()
        self.table: Tensor | None
        if kind == "learned":
            self.table = learned_vectors(slots, dim)
        else:
            table = sinusoids(torch.arange(slots, dtype=torch.float32), dim) if kind == "sincos" else None
            self.register_buffer("table", table, persistent=False)

    def forward(self, sequence: PatchSequence) -> PatchSequence:
        """The sequence with positions."""
        if self.table is None:
            return sequence
        return sequence.with_patches(sequence.patches + self.table[slot_places(sequence)])
