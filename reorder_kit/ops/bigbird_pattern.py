"""The pattern of BigBird: a window of blocks, global blocks and random blocks."""

from __future__ import annotations

from random import Random

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from reorder_kit.ops._attention_parts import exists, tiled
from reorder_kit.ops.sparse_pattern import SparsePattern


class BigBirdPattern(SparsePattern):
    """A block of slots sees its neighbors, the first blocks, and blocks drawn at random; the first blocks see all.

    The random blocks of a block are drawn without replacement from those that it does not already see, and when causal,
    only from earlier ones; if there are too few, it gets all of them. They depend only on the number of blocks in the
    sequence.

    Source: Zaheer et al., "Big Bird: Transformers for Longer Sequences", 2020 (https://arxiv.org/abs/2007.14062),
    section 2 and appendix D; the global blocks are those of BigBird-ITC. Their window of w blocks is ours of
    ``(w - 1) / 2`` on each side. The causal form is our extension: theirs is not causal.

    Args:
        block: number of slots in a block.
        window: number of blocks seen on each side besides the block itself.
        num_global: number of first blocks that see all slots and are seen by all.
        draws: random numbers from 0 to ``2 ** 31``, with a row for each possible block.
    """

    draws: Tensor

    def __init__(self, block: int, window: int, num_global: int, draws: Int[Tensor, "block random"]) -> None:
        super().__init__()
        self.block, self.window, self.num_global = block, window, num_global
        # A buffer, so that it is moved to the device once; not saved, because the seed determines it.
        self.register_buffer("draws", draws, persistent=False)

    @classmethod
    def drawn(
        cls, block: int, window: int, num_random: int, num_global: int, num_slots: int, seed: int
    ) -> BigBirdPattern:
        """A pattern for sequences of at most ``num_slots``, the same for the same seed on every machine."""
        # Python guarantees that random() of its generator never changes.
        generator = Random(seed)
        blocks = -(-num_slots // block)
        draws = [[int(generator.random() * 2**31) for _ in range(num_random)] for _ in range(blocks)]
        return cls(block, window, num_global, torch.tensor(draws, dtype=torch.long).reshape(blocks, num_random))

    def sees(
        self, query: Int[Tensor, "*batch query"], key: Int[Tensor, "*batch key"], num_slots: Tensor | int, causal: bool
    ) -> Bool[Tensor, "*batch query key"]:
        """The definition."""
        query_block, key_block = query // self.block, key.unsqueeze(-2) // self.block
        drawn = self.random_blocks(query_block, self._blocks_in(num_slots), causal)
        away = query_block.unsqueeze(-1) - key_block
        seen = (away.abs() <= self.window) | (key_block < self.num_global)
        seen = seen | (query_block.unsqueeze(-1) < self.num_global)
        for number in range(drawn.shape[-1]):
            seen = seen | (drawn[..., number : number + 1] == key_block)
        return seen & (key.unsqueeze(-2) <= query.unsqueeze(-1)) if causal else seen

    def random_blocks(
        self, block: Int[Tensor, "*batch query"], num_blocks: Tensor | int, causal: bool
    ) -> Int[Tensor, "*batch query random"]:
        """The random blocks of blocks; -1 if there are fewer.

        Uses Floyd's method to draw without replacement: Bentley and Floyd, "A sample of brilliance", CACM 1987.

        Args:
            block: the blocks to draw for.
            num_blocks: number of blocks in the sequence, for each image if ``block`` has images.
            causal: draw from earlier blocks only.
        """
        before, after, total = _candidates(block, self.window, self.num_global, num_blocks, causal)
        draws = self.draws[block]
        chosen: list[Tensor] = []
        for number in range(draws.shape[-1]):
            last = total - draws.shape[-1] + number
            draw = draws[..., number] % (last + 1).clamp(min=1)
            for other in chosen:
                draw = torch.where(draw == other, last, draw)
            chosen.append(draw.where(last >= 0, -1))
        if not chosen:
            return draws
        drawn = torch.stack(chosen, dim=-1)
        before, after = before.unsqueeze(-1), after.unsqueeze(-1)
        return torch.where(drawn < before, drawn + self.num_global, drawn - before + after).where(drawn >= 0, -1)

    def pairs(self, num_slots: int, causal: bool) -> int:
        """All pairs for the slots of global blocks, and the gathered blocks for each other block."""
        looking_at_all = min(self.num_global * self.block, num_slots)
        num_blocks = -(-num_slots // self.block)
        seen = (1 if causal else 2) * self.window + 1 + self.num_global + self.draws.shape[1]
        gathered = max(num_blocks - self.num_global, 0) * self.block * min(seen, num_blocks) * self.block
        return looking_at_all * num_slots + gathered

    def attend(
        self,
        query: Float[Tensor, "batch head slot dim"],
        key: Float[Tensor, "batch head {num_global}+slot dim"],
        value: Float[Tensor, "batch head {num_global}+slot dim"],
        causal: bool,
        num_global: int,
        num_valid: Int[Tensor, " batch"] | None,
    ) -> Float[Tensor, "batch head slot dim"]:
        """The slots of global blocks attend to everything; other blocks attend to the blocks gathered for them."""
        length = query.shape[2]
        looking_at_all = min(self.num_global * self.block, length)
        parts = []
        if looking_at_all:
            place = torch.arange(length, device=query.device)
            there = exists(place, length, num_valid).unsqueeze(-2)
            behind = place[:looking_at_all].unsqueeze(1) - place
            mask = (there & ((behind >= 0) | (not causal))) | (behind == 0)
            mask = pad(mask if num_valid is None else mask.unsqueeze(1), (num_global, 0), value=True)
            parts.append(scaled_dot_product_attention(query[:, :, :looking_at_all], key, value, attn_mask=mask))
        if looking_at_all < length:
            parts.append(self._gathered(query, key, value, causal, num_global, num_valid))
        return torch.cat(parts, dim=2)

    def _gathered(
        self, query: Tensor, key: Tensor, value: Tensor, causal: bool, num_global: int, num_valid: Tensor | None
    ) -> Tensor:
        """Attention of the blocks that are not global, in one call of fused attention."""
        batch, heads, length, dim = query.shape
        queries = tiled(query, self.block)[:, :, self.num_global :]
        num_blocks = -(-length // self.block)
        valid_blocks = num_blocks if num_valid is None else self._blocks_in(num_valid)
        table = self._table(num_blocks, valid_blocks, causal, query.device)

        def seen(tokens: Tensor) -> Tensor:
            blocks = _gather_blocks(tiled(tokens[:, :, num_global:], self.block), table)
            shared = tokens[:, :, None, :num_global].expand(-1, -1, queries.shape[2], -1, -1)
            return torch.cat([shared, blocks], dim=3).flatten(0, 1)

        inside = torch.arange(self.block, device=query.device)
        keys_at = (table.unsqueeze(-1) * self.block + inside).flatten(-2)  # below 0 if there is no block
        queries_at = torch.arange(self.num_global * self.block, num_blocks * self.block, device=query.device)
        behind = queries_at.reshape(-1, self.block, 1) - keys_at.unsqueeze(-2)
        there = (keys_at >= 0) & (keys_at < (length if num_valid is None else num_valid[:, None, None]))
        mask = (there.unsqueeze(-2) & ((behind >= 0) | (not causal))) | (behind == 0)
        mask = pad(mask, (num_global, 0), value=True)
        if mask.ndim == 4:
            mask = mask.repeat_interleave(heads, dim=0)
        # The fused kernels take two batch dimensions: blocks take the place of heads, and heads join the batch.
        attended = scaled_dot_product_attention(queries.flatten(0, 1), seen(key), seen(value), attn_mask=mask)
        rest = attended.reshape(batch, heads, -1, dim)
        return rest[:, :, : length - self.num_global * self.block]

    def _table(self, num_blocks: int, valid_blocks: Tensor | int, causal: bool, device: torch.device) -> Tensor:
        """The blocks that each block sees, for blocks that are not global; padded with -1."""
        block = torch.arange(self.num_global, num_blocks, device=device)
        offsets = torch.arange(-self.window, 1 if causal else self.window + 1, device=device)
        window = block.unsqueeze(1) + offsets
        window = window.where((window >= 0) & (window < num_blocks), -1)
        first = torch.arange(self.num_global, device=device).expand(len(block), -1)
        first = first.where(first < (block - self.window).unsqueeze(1), -1)
        if isinstance(valid_blocks, Tensor):
            block = block.expand(len(valid_blocks), -1)
            window, first = (part.expand(len(valid_blocks), -1, -1) for part in (window, first))
        table = torch.cat([window, first, self.random_blocks(block, valid_blocks, causal)], dim=-1)
        # No block occurs twice, so columns beyond the number of blocks are empty.
        return table.sort(dim=-1, descending=True).values[..., :num_blocks]

    def _blocks_in(self, num_slots: Tensor | int) -> Tensor | int:
        """The number of blocks of a sequence, or of each image's sequence, in a column."""
        blocks = -(-num_slots // self.block)
        return blocks.unsqueeze(-1) if isinstance(blocks, Tensor) else blocks


def most_random_blocks(num_slots: int, block: int, window: int, num_global: int, causal: bool) -> int:
    """The largest number of blocks from which a block can draw its random ones."""
    num_blocks = -(-num_slots // block)
    blocks = torch.arange(min(num_global, num_blocks - 1), num_blocks)
    return int(_candidates(blocks, window, num_global, num_blocks, causal)[2].max())


def _candidates(
    block: Tensor, window: int, num_global: int, num_blocks: Tensor | int, causal: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Candidates for random blocks: the number between global ones and window, the first after it, and the total."""
    before = (block - window).clamp(min=num_global) - num_global
    after = (block + window + 1).clamp(min=num_global)
    behind = torch.zeros_like(before) if causal else (num_blocks - after).clamp(min=0)
    return before, after, before + behind


def _gather_blocks(
    blocks: Float[Tensor, "batch head block slot dim"], table: Int[Tensor, "*batch query seen"]
) -> Float[Tensor, "batch head query seen_slot dim"]:
    index = table.clamp(min=0)
    if table.ndim == 2:
        return blocks[:, :, index].flatten(3, 4)
    images = torch.arange(len(table), device=table.device)[:, None, None]
    return blocks.transpose(1, 2)[images, index].permute(0, 3, 1, 2, 4, 5).flatten(3, 4)
