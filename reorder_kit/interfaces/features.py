"""What a model gives a task: features, and the output of the head."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.errors import ComponentError
from reorder_kit.interfaces.backbone import Backbone
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import Encoded, PatchSequence


@dataclass(frozen=True)
class Features:
    """One reading of a batch.

    Args:
        encoded: the backbone's output, in slots.
        moves: everything that was applied to the patches, first to last: the policy's proposals, and the order that
            kept some patches if a task asked for it.
        proposals: the policy's proposals, one for each of its blocks, as it returned them.
        backbone: where the features come from.
        image_size: height and width of the images, in pixels.
        content: height and width, in pixels, of each image without its padding; None if no image has padding.
    """

    encoded: Encoded
    moves: tuple[Proposal, ...]
    proposals: tuple[Proposal, ...]
    backbone: Backbone
    image_size: tuple[int, int]
    content: Int[Tensor, "batch 2"] | None = None

    @property
    def order(self) -> Order:
        """The composed order: which patch of the image is in each slot after the last move."""
        order = self.moves[0].order
        for move in self.moves[1:]:
            order = order.compose(move.order)
        return order

    def summary(self) -> Float[Tensor, "batch dim"]:
        """The readout of the backbone: one vector for each image.

        Raises:
            ComponentError: if the backbone returns something else.
        """
        readout: Any = self.backbone.summarize(self.encoded)
        expected = (self.encoded.sequence.batch, self.backbone.as_built.dim)
        if not isinstance(readout, Tensor) or tuple(readout.shape) != expected:
            found = tuple(readout.shape) if isinstance(readout, Tensor) else type(readout).__name__
            reason = f"its readout is {found}; its facts say {expected}"
            raise ComponentError(self.backbone.kind.name, self.backbone.name, reason, "give [batch, dim]")
        return readout

    def slots(self) -> PatchSequence:
        """The last level as the backbone read it, slot by slot, with its order."""
        sequence = self.encoded.sequence
        return replace(sequence, order=self._order_on(sequence))

    def patches(self) -> PatchSequence:
        """The last level, restored to row-major order on its own grid. Padding and dropped patches are invalid."""
        if self.encoded.levels:
            return self.pyramid()[-1]
        sequence = self.encoded.sequence
        for move in reversed(self.moves):
            sequence = move.restore(sequence)
        return sequence

    def pyramid(self) -> tuple[PatchSequence, ...]:
        """Every level in row-major order, finest first; a single one if the backbone has no levels."""
        if not self.encoded.levels:
            return (self.patches(),)
        return tuple(Proposal(self._order_on(level)).restore(level) for level in self.encoded.levels)

    def _order_on(self, level: PatchSequence) -> Order:
        order, levels = self.order, self.encoded.levels
        if not levels or level.num_slots == order.num_slots:
            return order
        valid = levels[0].valid
        return order.merged(level.grid, None if valid is None else order.restore(valid))


@dataclass(frozen=True)
class ModelOutput:
    """The result of a pass through the model.

    Args:
        outputs: the output of the head.
        features: the input of the head.
    """

    outputs: Any
    features: Features

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """How the policy ordered the patches."""
        return self.features.proposals
