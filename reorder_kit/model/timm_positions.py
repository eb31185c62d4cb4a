"""Positions that timm models pass to their blocks along with the tokens, for patches in any order.

Rotary positions and relative biases are tables by place in the image. When patches are reordered, the rows of a rotary
table, and the rows and columns of a bias, are reordered with them, so that they still belong to the patches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.orders.order import Order

ROTARY, BIASED, ABSOLUTE = "rotary", "biased", "absolute"


def rope_in_order(rope: Float[Tensor, "*head patch dim"], order: Order, batch: int) -> Tensor:
    """A rotary table by slot: ``(*head, slot, dim)`` for a static order, else ``(batch, head or 1, slot, dim)``.

    Args:
        rope: the table by patch, row-major; one for all heads, one for each head, or one for each block and head.
        order: which patch is in each slot.
        batch: number of images.
    """
    if order.is_static:
        return rope.index_select(-2, order.indices)
    rows: Int[Tensor, "batch slot"] = order.per_image(batch)
    by_image = rope[..., rows, :].movedim(-3, 0)
    return by_image.unsqueeze(1) if rope.ndim == 2 else by_image


def bias_in_order(bias: Float[Tensor, "*one head token token"], order: Order, prefix: int, batch: int) -> Tensor:
    """A bias between tokens, with rows and columns after the prefix by slot: ``(batch or 1, head, token, token)``.

    Args:
        bias: the bias by token: prefix tokens, then patches, row-major.
        order: which patch is in each slot.
        prefix: number of tokens before the patches, which stay in place.
        batch: number of images.
    """
    by_head = bias.reshape(-1, *bias.shape[-2:])
    before = torch.arange(prefix, device=bias.device)
    rows = order.indices[None] if order.is_static else order.per_image(batch)
    index = torch.cat([before.expand(len(rows), -1), prefix + rows], dim=1)
    return by_head[:, index[:, :, None], index[:, None, :]].movedim(1, 0)


def rotary_table(model: Any) -> Float[Tensor, "*head patch dim"]:
    """The rotary table of a model, by patch, for images of the model's size.

    Args:
        model: a timm Eva. In training, its table may be drawn at random each time.
    """
    rope = model.rope
    if getattr(rope, "feat_shape", None) is None:
        table: Tensor = rope.get_embed(shape=model.patch_embed.grid_size)
    else:
        table = rope.get_embed()
    return table


@dataclass(frozen=True)
class BiasHolder:
    """Where a model keeps a relative position bias.

    Args:
        path: path of the module in the model.
        method: the module's method that returns the bias of all tokens.
        block: the block that adds it; None for one that all blocks share.
    """

    path: str
    method: str
    block: int | None = None


def bias_holders(model: Any) -> Iterator[BiasHolder]:
    """All relative position biases of a Beit or a VisionTransformerRelPos."""
    if getattr(model, "rel_pos_bias", None) is not None:
        yield BiasHolder("rel_pos_bias", "forward")
    if getattr(model, "shared_rel_pos", None) is not None:
        yield BiasHolder("shared_rel_pos", "get_bias")
    for index, block in enumerate(model.blocks):
        if getattr(block.attn, "relative_position_bias_table", None) is not None:
            yield BiasHolder(f"blocks.{index}.attn", "_get_rel_pos_bias", index)
        if getattr(block.attn, "rel_pos", None) is not None:
            yield BiasHolder(f"blocks.{index}.attn.rel_pos", "get_bias", index)
