"""Sparse attention along the sequence of patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from jaxtyping import Bool
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Backbone, BackboneFacts, ImageShape
from reorder_kit.layers.cls_transformer import ClsTransformer
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.sparse_attention import SparseAttention
from reorder_kit.layers.sparse_options import SparseOptions


class Sparse(ClsTransformer):
    """Self-attention in which a slot sees the slots of a pattern: strided, fixed or bigbird.

    ``strided`` and ``fixed`` come from Sparse Transformers (Child et al., 2019, https://arxiv.org/abs/1904.10509);
    here, every head sees what their two heads see together. With ``strided``, a slot sees ``stride`` neighbors on a
    side and every slot at a multiple of ``stride``; with ``fixed``, its own block and the last ``num_summary`` slots of
    every block. ``bigbird`` comes from Zaheer et al. (2020, https://arxiv.org/abs/2007.14062): a window of blocks, the
    first ``num_global`` blocks, and ``num_random`` random ones, drawn from ``random_seed`` once for each block of the
    network. Sparse Transformers are causal and BigBird is not; here all three can be either.

    Patterns are defined on the sequence: which patches are related depends on their slots. A stride equal to the grid's
    width relates patches of a column, but only in row-major order.

    The CLS token of the readout ``cls`` sees all slots with any pattern, and is seen by all unless attention is causal.
    It takes no slot and shares the slots' projections, as in BigBird-ETC. So a single block is blind to the order with
    this readout.

    Patterns skip padding: the output is that of the sequence without it. Time and memory grow with the number of pairs
    that see each other. Blocks are pre-norm and initialized as in ViT.
    """

    name = "sparse"

    class Options(SparseOptions):
        readout: Literal["mean", "last", "cls"] = Field(
            "mean", description="what summarizes the sequence; cls adds a token with global attention"
        )

    options: Sparse.Options

    @classmethod
    def facts(cls, options: Sparse.Options, image: ImageShape) -> BackboneFacts:
        """Causal with ``causal: true``, or if slots see only themselves; blind to the order if slots and readout all
        see the same."""
        grid, shape = patch_geometry(options, image).grid, options.shape()
        check_positions(options.positions, grid, shape.dim)
        return BackboneFacts(
            grid,
            shape.dim,
            shape.depth,
            is_causal=options.causal or _sees_no_other(options, grid.num_patches),
            order_sensitive=_is_order_sensitive(options, grid.num_patches),
            slots_order_sensitive=_tells_slots_apart(options, grid.num_patches),
            has_positions=options.positions != "none",
            idle=_idle(options, grid.num_patches),
        )

    def build_attention(self) -> Iterator[nn.Module]:
        """Each block with its own pattern, if patterns are random."""
        options = self.options
        for layer in range(self.depth):
            pattern = options.built_pattern(self.grid.num_patches, layer)
            heads = options.shape().heads
            yield SparseAttention(self.dim, heads, pattern, options.causal, options.dropout, self.num_cls)

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot; with the readout ``last``, those that the last slot sees through all blocks."""
        read = torch.arange(num_slots) == num_slots - 1
        if self.options.readout != "last":
            return torch.ones_like(read)
        for block in reversed(self.blocks):
            if read.all():
                break
            # Only what the slots read so far see: all pairs of a long sequence would not fit into memory.
            attention: Any = block.get_submodule("attn")
            read = attention.sees(read.nonzero().flatten(), num_slots).any(dim=0)
        return read


def _sees_no_other(options: Sparse.Options, num_patches: int) -> bool:
    """Whether a slot sees no other slot, not even through CLS, which has seen them in the previous block."""
    through_cls = options.readout == "cls" and not options.causal and options.shape().depth > 1
    return options.sees_itself_alone(num_patches) and not through_cls


def _is_order_sensitive(options: Sparse.Options, num_patches: int) -> bool:
    """Insensitive if blocks and readout treat all slots alike."""
    if num_patches > 1 and options.readout == "last":
        return True
    # In a single block, CLS sees patches that have not seen each other.
    blind = options.readout == "cls" and options.shape().depth == 1
    return not blind and _tells_slots_apart(options, num_patches)


def _tells_slots_apart(options: Sparse.Options, num_patches: int) -> bool:
    """Whether blocks treat slots differently; they do not if every slot sees only itself, or all slots."""
    if num_patches == 1 or options.sees_itself_alone(num_patches):
        return False
    return options.causal or not options.sees_all(num_patches)


def _idle(options: Sparse.Options, num_patches: int) -> dict[str, str]:
    """Options that the pattern does not use; ``causal`` also decides whether slots see CLS."""
    found = options.idle(num_patches)
    if options.readout == "cls":
        found.pop("causal", None)
    return found


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Sparse attention."""
    return [Sparse]
