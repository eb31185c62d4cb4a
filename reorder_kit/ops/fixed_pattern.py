"""The fixed pattern of Sparse Transformers."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reorder_kit.ops._attention_parts import exists, shares_of_parts, tiled
from reorder_kit.ops.sparse_pattern import SparsePattern


class FixedPattern(SparsePattern):
    """A slot sees its own block and the last slots of every block, its summary slots.

    An incomplete last block has only the summary slots that it reaches. A slot sees about
    ``block + num_summary * slots / block`` others.

    Source: Child et al., "Generating Long Sequences with Sparse Transformers", 2019
    (https://arxiv.org/abs/1904.10509), section 4.3. A head sees what their two heads see together, which they call a
    merged head (section 5.1). Seeing later summary slots when not causal is our extension: theirs is causal.

    Args:
        block: number of slots in a block, their l.
        num_summary: number of summary slots in a block, their c; at most ``block``.
    """

    def __init__(self, block: int, num_summary: int) -> None:
        super().__init__()
        self.block, self.num_summary = block, num_summary

    def sees(
        self, query: Int[Tensor, "*batch query"], key: Int[Tensor, "*batch key"], num_slots: Tensor | int, causal: bool
    ) -> Bool[Tensor, "*batch query key"]:
        """The definition.

        >>> FixedPattern(3, 1).sees(torch.tensor([4]), torch.arange(8), 8, causal=False).int().tolist()
        [[0, 0, 1, 1, 1, 1, 0, 0]]
        """
        query, key = query.unsqueeze(-1), key.unsqueeze(-2)
        summary = key % self.block >= self.block - self.num_summary
        seen = (query // self.block == key // self.block) | summary
        return seen & (key <= query) if causal else seen

    def pairs(self, num_slots: int, causal: bool) -> int:
        """The own block, and the summary slots of all."""
        blocks = -(-num_slots // self.block)
        return blocks * self.block * (self.block + blocks * self.num_summary)

    def attend(
        self,
        query: Float[Tensor, "batch head slot dim"],
        key: Float[Tensor, "batch head {num_global}+slot dim"],
        value: Float[Tensor, "batch head {num_global}+slot dim"],
        causal: bool,
        num_global: int,
        num_valid: Int[Tensor, " batch"] | None,
    ) -> Float[Tensor, "batch head slot dim"]:
        """All queries attend to one list of summary slots, and the queries of a block to the block."""
        length = query.shape[2]
        queries = tiled(query * query.shape[3] ** -0.5, self.block)
        own_keys, own_values = (tiled(tokens[:, :, num_global:], self.block) for tokens in (key, value))
        shared_keys, shared_values = (
            torch.cat([tokens[:, :, :num_global], self._summaries(blocks)], dim=2).unsqueeze(2)
            for tokens, blocks in ((key, own_keys), (value, own_values))
        )
        own, summary = self._masks(queries.shape[2], length, causal, num_valid, query.device)
        shared = torch.cat([summary.new_ones(*summary.shape[:-1], num_global), summary], dim=-1)
        scores = [queries @ own_keys.transpose(3, 4), queries @ shared_keys.transpose(3, 4)]
        of_own, of_shared = shares_of_parts(scores, [own, shared])
        seen = of_own @ own_values + of_shared @ shared_values
        return seen.flatten(2, 3)[:, :, :length]

    def _summaries(self, blocks: Float[Tensor, "batch head block slot dim"]) -> Tensor:
        return blocks[:, :, :, self.block - self.num_summary :].flatten(2, 3)

    def _masks(
        self,
        blocks: int,
        num_slots: int,
        causal: bool,
        num_valid: Int[Tensor, " batch"] | None,
        device: torch.device,
    ) -> tuple[Tensor, Tensor]:
        """What is visible in the own block, and of the summary slots of other blocks."""
        place = torch.arange(blocks * self.block, device=device).reshape(blocks, self.block)
        behind = place[0].unsqueeze(1) - place[0]
        own = exists(place, num_slots, num_valid).unsqueeze(-2) & ((behind >= 0) | (not causal))
        summary_place = place[:, self.block - self.num_summary :].flatten()
        blocks_behind = place[:, :1] // self.block - summary_place // self.block
        other = blocks_behind > 0 if causal else blocks_behind != 0
        there = exists(summary_place, num_slots, num_valid)
        summary = (other & there.unsqueeze(-2)).unsqueeze(-2)
        # Every query sees itself, even padding, so that no softmax is empty.
        return own | (behind == 0), summary.expand(*summary.shape[:-2], self.block, -1)
