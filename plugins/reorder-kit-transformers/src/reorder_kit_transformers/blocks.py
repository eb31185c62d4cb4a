"""How the blocks of an encoder are run on patches in any order.

Rotary tables and relative biases belong to places in the image. Where the patches stand in another order, so must the
rows of a rotary table, and the rows and columns of a bias.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reorder_kit.interfaces import PatchSequence
from reorder_kit.layers.places import by_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit_transformers.configuration import Plan

Tokens = Float[Tensor, "batch token dim"]


class Blocks:
    """The blocks of an encoder, for one sequence: its order and its padding.

    Args:
        model: of transformers.
        plan: where its parts are, and its grids.
        sequence: the patches, with the order in which they stand.
        prefix: tokens before them.
    """

    def __init__(self, model: Any, plan: Plan, sequence: PatchSequence, prefix: int) -> None:
        self.plan, self.blocks = plan, model.get_submodule(plan.family.blocks)
        self.mask = _visible(sequence.valid, prefix)
        self.rope = _rope(model, plan, sequence) if hasattr(model, "rope_embeddings") else None
        self.rows = _rows(sequence, prefix) if plan.has_bias else None
        shared = getattr(model, "shared_position_bias", None)
        self.shared = None if shared is None else self._bias(shared)

    def run(self, index: int, tokens: Tokens, recompute: bool) -> Tokens:
        """One block.

        Args:
            index: which one.
            tokens: those before the patches, then slots.
            recompute: its inside in the backward pass.
        """
        block = self.blocks[index]
        mask = None
        if self.mask is not None:
            mask = torch.zeros(self.mask.shape, dtype=tokens.dtype, device=tokens.device)
            mask = mask.masked_fill(~self.mask, -torch.inf)
        if self.shared is not None:
            mask = self.shared if mask is None else self.shared + mask
        mixed: Tensor
        if self.rope is not None:
            mixed = run_block(_rotated(block), tokens, mask, *self.rope, recompute=recompute)
        elif getattr(block, "relative_position_bias", None) is not None:
            bias = self._bias(block.relative_position_bias)
            mixed = run_block(_biased(block), tokens, mask, bias, recompute=recompute)
        else:
            mixed = run_block(block, tokens, mask, recompute=recompute)
        return mixed

    def _bias(self, holder: Any) -> Float[Tensor, "#batch head token token"]:
        """What a module of BEiT adds to scores, by token, in the order of the sequence."""
        # transformers keeps the indices that it makes; those made on the meta device would be of no use later.
        with torch.device("cpu"):
            by_patch = holder((self.plan.grid.height, self.plan.grid.width))[0]
        rows = self.rows
        assert rows is not None  # for a type checker: there are biases
        by_slot_pairs: Tensor = by_patch[:, rows[:, :, None], rows[:, None, :]].movedim(1, 0)
        return by_slot_pairs


def _visible(valid: Bool[Tensor, "batch slot"] | None, prefix: int) -> Bool[Tensor, "batch 1 1 token"] | None:
    """Which tokens are seen: all but padding. An image of nothing but padding hides nothing, since it is not read."""
    if valid is None:
        return None
    keys = valid | ~valid.any(dim=1, keepdim=True)
    return nn.functional.pad(keys, (prefix, 0), value=True)[:, None, None, :]


def _rope(
    model: Any, plan: Plan, sequence: PatchSequence
) -> tuple[Float[Tensor, "#batch 1 slot dim"], Float[Tensor, "#batch 1 slot dim"]]:
    """Cosine and sine by slot. In training, transformers may rescale the grid at random, anew for each call."""
    side, weight = plan.config.patch_size, model.embeddings.patch_embeddings.weight
    # Only shape, type and device of the images are read.
    images = weight.new_empty(()).expand(1, 1, plan.grid.height * side, plan.grid.width * side)
    cos, sin = (by_slot(table, sequence).unsqueeze(1) for table in model.rope_embeddings(images))
    return cos, sin


def _rows(sequence: PatchSequence, prefix: int) -> Int[Tensor, "#batch token"]:
    """For each token, its row in a table by token, row-major."""
    device = sequence.patches.device
    patches = by_slot(torch.arange(sequence.grid.num_patches, device=device), sequence)
    before = torch.arange(prefix, device=device).expand(len(patches), -1)
    return torch.cat([before, prefix + patches], dim=1)


def _rotated(block: nn.Module) -> Callable[..., Tokens]:
    def run(tokens: Tokens, mask: Tensor | None, cos: Tensor, sin: Tensor) -> Tokens:
        mixed: Tensor = block(tokens, attention_mask=mask, position_embeddings=(cos, sin))
        return mixed

    return run


def _biased(block: Any) -> Callable[..., Tokens]:
    """A block of BEiT that is given the bias that it would make itself, again where it is recomputed."""

    def run(tokens: Tokens, mask: Tensor | None, bias: Tensor) -> Tokens:
        with _gives(block.relative_position_bias, bias):
            mixed: Tensor = block(tokens, attention_mask=mask, resolution=(0, 0))  # the size is read by the bias alone
        return mixed

    return run


@contextmanager
def _gives(module: nn.Module, value: Tensor) -> Iterator[None]:
    """A module gives a value, whatever it is called with."""
    module.__dict__["forward"] = lambda *_, **__: value
    try:
        yield
    finally:
        del module.__dict__["forward"]
