"""Options of positions: in the image, which belong to the patch, and in the sequence, which belong to the slot."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reorder_kit.interfaces import ComponentOptions
from reorder_kit.layers.positions import PatchPositions, Positions
from reorder_kit.orders.grid import Grid

AddedSlotPositions = Literal["none", "learned", "sincos"]
SlotPositions = Literal["none", "learned", "sincos", "rope", "relative"]


class AddedPositionOptions(ComponentOptions):
    """Positions that are added to tokens, the only kind for backbones without attention between pairs of slots."""

    positions: Positions = Field("learned", description="absolute 2-D positions, added by patch")
    slot_positions: AddedSlotPositions = Field(
        "none", description="absolute positions in the sequence, added by slot before the first block"
    )


class AttentionPositionOptions(ComponentOptions):
    """Positions of a backbone whose attention can rotate queries and keys, or add to their scores."""

    positions: PatchPositions = Field(
        "learned",
        description="positions in the image, which stay with the patch: learned or sincos are added to it, rope "
        "rotates queries and keys by row and column, relative adds to scores by the difference of rows and columns",
    )
    slot_positions: SlotPositions = Field(
        "none",
        description="positions in the sequence, which stay with the slot: learned or sincos are added to it before the "
        "first block, rope and relative depend on the distance between slots",
    )

    def act_in_attention(self) -> bool:
        """Whether some positions rotate queries and keys or add to scores."""
        return bool({self.positions, self.slot_positions} & {"rope", "relative"})


def idle_positions(
    options: AttentionPositionOptions, grid: Grid, sees_cls: bool, cls_has_slot: bool = False
) -> dict[str, str]:
    """Rotary and relative positions that have nothing to act on, each with the reason, for ``idle`` of the facts.

    Args:
        options: options of a backbone.
        grid: its grid of patches.
        sees_cls: patches see a CLS token, so their biases with each other matter.
        cls_has_slot: a CLS token has a place in the sequence, at a distance from the patches.
    """
    found = {}
    single = grid.num_patches == 1
    if options.positions == "rope" and grid.height * grid.width == 1:
        found["positions"] = "rope rotates nothing if an image is a single patch"
    if options.positions == "relative" and single and not sees_cls:
        found["positions"] = "there is only a single patch"
    acts_on_cls = cls_has_slot or (sees_cls and options.slot_positions == "relative")
    if options.slot_positions in ("rope", "relative") and single and not acts_on_cls:
        found["slot_positions"] = "there is only a single slot"
    return found


def check_fit(positions: PatchPositions, slot_positions: SlotPositions, dim: int, heads: int) -> None:
    """Check that a width, and a number of heads that divides it, can have these positions.

    Raises:
        ValueError: if they cannot, as in validators of options.
    """
    if positions == "sincos" and dim % 4:
        raise ValueError(f"sincos positions need a dim that is a multiple of 4, not {dim}")
    if slot_positions == "sincos" and dim % 2:
        raise ValueError(f"sincos slot_positions need an even dim, not {dim}")
    if positions == slot_positions == "rope":
        raise ValueError(
            "rope rotates queries and keys by rows and columns or by slots, not by both: set one of positions and "
            "slot_positions to another value, such as relative"
        )
    for name, kind, divisor in (("positions", positions, 4), ("slot_positions", slot_positions, 2)):
        if kind == "rope" and dim // heads % divisor:
            raise ValueError(f"{name}: rope needs a head width divisible by {divisor}, not {dim // heads}: set dim")
