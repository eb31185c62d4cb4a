"""What passes through a model: a sequence of patches and everything that belongs to each patch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Bool, Float
from torch import Tensor

from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


@dataclass(frozen=True)
class PatchSequence:
    """Patches in slots.

    Args:
        patches: the embedding of the patch in each slot, its absolute position already added.
        grid: the grid the patches were cut from.
        order: which patch is in which slot. None means row-major, or hidden from a backbone that does not declare that
            it needs the order.
        valid: False for padding, which no mixer reads. None means all are valid.
        pixels: the patch in each slot before it was embedded, for policies that need it; backbones never see it. None
            if no policy needs it.
    """

    patches: Float[Tensor, "batch slot dim"]
    grid: Grid
    order: Order | None = None
    valid: Bool[Tensor, "batch slot"] | None = None
    pixels: Float[Tensor, "batch slot pixel"] | None = None

    @property
    def num_slots(self) -> int:
        """Number of slots in the sequence."""
        return self.patches.shape[1]

    @property
    def batch(self) -> int:
        """Number of images."""
        return self.patches.shape[0]

    def with_patches(self, patches: Float[Tensor, "batch slot dim"]) -> PatchSequence:
        """The same sequence with other embeddings: what a block returns."""
        return replace(self, patches=patches)

    def without_order(self) -> PatchSequence:
        """The same sequence with its order hidden."""
        return replace(self, order=None)


@dataclass(frozen=True)
class Encoded:
    """The output of a backbone.

    Args:
        sequence: the patches after the last block that ran, in the slots of the input.
        extra_tokens: CLS and register tokens, never counted as patches. None if the backbone has none.
        levels: the pyramid of a hierarchical backbone, finest first: each level in the slots of its own order, on its
            own grid. The last level is ``sequence``. Empty for a backbone with a single level.
    """

    sequence: PatchSequence
    extra_tokens: Float[Tensor, "batch extra dim"] | None = None
    levels: tuple[PatchSequence, ...] = ()
