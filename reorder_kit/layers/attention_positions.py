"""Positions that act in attention, for all blocks of a backbone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from reorder_kit.interfaces import PatchSequence
from reorder_kit.layers.position_options import AttentionPositionOptions
from reorder_kit.layers.relative_bias import ImageBias, SlotBias
from reorder_kit.layers.rotary import ImageRotation, SlotRotation
from reorder_kit.ops.relative_bias import RelativeBias
from reorder_kit.ops.rotary import Rotation
from reorder_kit.orders.grid import Grid


@dataclass(frozen=True)
class TokenPlaces:
    """The places of the tokens of one pass, as attention uses them.

    Args:
        rotation: the rotation of queries and keys; None if they are not rotated.
        biases: biases that are added to scores.
    """

    rotation: Rotation | None = None
    biases: tuple[RelativeBias, ...] = ()


NO_PLACES = TokenPlaces()


class AttentionPositions(nn.Module):
    """Rotary positions and relative biases, the same in all blocks, as in T5 and RoFormer.

    Both follow the current sequence: a patch keeps its row and column wherever an order puts it, and a slot keeps its
    place, also if an order moves patches before a later block.

    Args:
        options: the options of positions.
        grid: the grid of an image or a clip.
        head_dim: width of a head.
        heads: number of attention heads.
        farthest: the largest distance at which a slot sees another, including extra tokens after the slots.
        causal: slots see no later slots.
        num_after: number of extra tokens after the last slot.
    """

    def __init__(
        self,
        options: AttentionPositionOptions,
        grid: Grid,
        head_dim: int,
        heads: int,
        farthest: int,
        causal: bool = False,
        num_after: int = 0,
    ) -> None:
        super().__init__()
        self.num_after = num_after
        self.rotation: ImageRotation | SlotRotation | None = None
        if options.positions == "rope":
            self.rotation = ImageRotation(grid, head_dim)
        elif options.slot_positions == "rope":
            self.rotation = SlotRotation(grid.num_patches + num_after, head_dim)
        self.image_bias = ImageBias(grid, heads) if options.positions == "relative" else None
        self.slot_bias = SlotBias(farthest, causal, heads) if options.slot_positions == "relative" else None

    def forward(self, sequence: PatchSequence, num_before: int = 0) -> TokenPlaces:
        """The places of extra tokens before the slots, which have none, of the slots, and of tokens after them."""
        around = num_before, self.num_after
        return TokenPlaces(
            None if self.rotation is None else self.rotation(sequence, *around),
            tuple(bias(sequence, *around) for bias in (self.image_bias, self.slot_bias) if bias is not None),
        )
