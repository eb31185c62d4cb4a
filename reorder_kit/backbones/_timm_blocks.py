"""Run the blocks of a timm model on patches in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reorder_kit.interfaces import PatchSequence
from reorder_kit.layers.recompute import run_block
from reorder_kit.model.timm_positions import (
    BIASED,
    ROTARY,
    BiasHolder,
    bias_holders,
    bias_in_order,
    rope_in_order,
    rotary_table,
)
from reorder_kit.model.timm_reading import TimmReading
from reorder_kit.orders.order import Order

Tokens = Float[Tensor, "batch token dim"]


class TimmBlocks:
    """The blocks of a model for one sequence: its order, its padding, and which tokens see which.

    Args:
        model: a timm model.
        reading: how the model reads.
        sequence: the patches and their order.
        rank: the rank of each token, as returned by :func:`causal_ranks`; None if all tokens see all tokens.
    """

    def __init__(
        self, model: Any, reading: TimmReading, sequence: PatchSequence, rank: Int[Tensor, " token"] | None
    ) -> None:
        self.model, self.reading = model, reading
        self.valid, self.batch = sequence.valid, sequence.batch
        self.order = sequence.order or Order.identity(reading.grid.num_patches).to(sequence.patches.device)
        self.mask = visible(sequence.valid, reading.prefix, rank)
        self.rope = self._rope() if reading.positions == ROTARY else None
        self.holders = list(bias_holders(model)) if reading.positions == BIASED else []
        self.shared = next((self._bias(holder) for holder in self.holders if holder.block is None), None)

    def run(self, index: int, tokens: Tokens, recompute: bool) -> Tokens:
        """Run one block.

        Args:
            index: the block's index.
            tokens: prefix tokens, then slots.
            recompute: recompute the block's activations in the backward pass.
        """
        block = self.model.blocks[index]
        if not self.reading.takes_mask:
            return without_padding(lambda each: run_block(block, each, recompute=recompute), tokens, self.valid)
        mixed: Tensor
        if self.reading.positions == BIASED:
            mixed = self._biased(block, index, tokens, recompute)
        elif self.reading.kind == "Eva":
            rope = self.rope[index] if self.rope is not None and self.model.rope_mixed else self.rope
            mixed = run_block(block, tokens, rope, self.mask, recompute=recompute)
        elif self.reading.kind in ("Beit", "VisionTransformerRelPos"):
            mixed = run_block(block, tokens, _additive(self.mask, tokens), recompute=recompute)
        else:
            mixed = run_block(block, tokens, self.mask, recompute=recompute)
        return mixed

    def with_late_cls(self, tokens: Tokens) -> Float[Tensor, "batch more dim"]:
        """The tokens after the last block, preceded by CLS if the model only makes it then, as CaiT does."""
        late = getattr(self.model, "blocks_token_only", None)
        if late is None:
            return tokens
        behind = torch.cat([self.model.cls_token.expand(self.batch, -1, -1), tokens], dim=1)
        valid = None if self.valid is None else nn.functional.pad(self.valid, (1, 0), value=True)
        return without_padding(lambda each: self.model.forward_cls(each[:, 1:]), behind, valid)

    def _rope(self) -> Tensor | list[Tensor]:
        table = rotary_table(self.model)
        if self.model.rope_mixed:
            return [rope_in_order(each, self.order, self.batch) for each in table]
        return rope_in_order(table, self.order, self.batch)

    def _bias(self, holder: BiasHolder) -> Tensor:
        bias = getattr(self.model.get_submodule(holder.path), holder.method)()
        return bias_in_order(bias, self.order, self.reading.prefix, self.batch)

    def _biased(self, block: nn.Module, index: int, tokens: Tokens, recompute: bool) -> Tokens:
        """Run a block with its own bias, if it has one, and the shared one, both in order and with the mask applied."""
        own = next((holder for holder in self.holders if holder.block == index), None)
        parts = [*([] if own is None else [self._bias(own)]), *([] if self.shared is None else [self.shared])]
        bias = sum(parts[1:], parts[0]).to(tokens.dtype)
        if self.mask is not None:
            bias = bias.masked_fill(~self.mask, -torch.inf)
        run: Any = block if own is None else _WithBias(block, self.model.get_submodule(own.path), own.method)
        mixed: Tensor = run_block(run, tokens, bias, recompute=recompute)
        return mixed


class _WithBias:
    """A block whose own bias is replaced by one in order, also when the block is recomputed."""

    def __init__(self, block: nn.Module, holder: nn.Module, method: str) -> None:
        self.block, self.holder, self.method = block, holder, method

    def __call__(self, tokens: Tokens, bias: Tensor) -> Tokens:
        with _replaced(self.holder, self.method, lambda: bias):
            mixed: Tensor = self.block(tokens)
        return mixed


@contextmanager
def _replaced(module: nn.Module, method: str, instead: Callable[[], Tensor]) -> Iterator[None]:
    module.__dict__[method] = instead
    try:
        yield
    finally:
        del module.__dict__[method]


def causal_ranks(prefix: int, at_the_end: int, slots: int, device: torch.device) -> Int[Tensor, " token"]:
    """The rank of each token in a causal model: a token sees tokens of the same or a lower rank.

    Args:
        prefix: tokens before the slots.
        at_the_end: how many of them, counted from the first, rank after all slots, like the readout; no slot sees
            these. The others share a rank before all slots, and see no slot.
        slots: the number of slots.
        device: the device of the result.
    """
    front = torch.zeros(prefix, dtype=torch.long, device=device)
    front[:at_the_end] = slots + 1
    return torch.cat([front, torch.arange(1, slots + 1, device=device)])


def visible(
    valid: Bool[Tensor, "batch slot"] | None, prefix: int, rank: Int[Tensor, " token"] | None
) -> Bool[Tensor, "#batch 1 #token token"] | None:
    """Which token (first) sees which (second); None if all see all.

    Padding is seen only by itself, if at all. In an image that is all padding, nothing is hidden from tokens that would
    otherwise see nothing.
    """
    seen = None
    if valid is not None:
        keys = valid if rank is not None else valid | ~valid.any(dim=1, keepdim=True)
        seen = nn.functional.pad(keys, (prefix, 0), value=True)[:, None, None, :]
    if rank is None:
        return seen
    earlier = (rank[None, :] <= rank[:, None])[None, None]
    if seen is None:
        return earlier
    return (earlier & seen) | torch.eye(len(rank), dtype=torch.bool, device=rank.device)


def without_padding(
    run: Callable[[Tokens], Tokens], tokens: Tokens, valid: Bool[Tensor, "batch slot"] | None
) -> Tokens:
    """Apply a function to the slots of each image without its padding, which stays unchanged.

    Args:
        run: the function, which takes no mask.
        tokens: slots, without any prefix.
        valid: which slots are not padding.
    """
    if valid is None:
        return run(tokens)
    kept = [row if row.any() else ~row for row in valid]
    made = tokens.clone()
    for image, row in enumerate(kept):
        made[image, row] = run(tokens[image : image + 1, row])[0]
    return made


def _additive(mask: Bool[Tensor, "..."] | None, tokens: Tokens) -> Tensor | None:
    if mask is None:
        return None
    return torch.zeros(mask.shape, dtype=tokens.dtype, device=tokens.device).masked_fill(~mask, -torch.inf)
