"""A backbone with options, as tested by the rules of backbones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence, Proposal
from reorder_kit.orders.order import Order
from reorder_kit.testing.component import ComponentCase


@dataclass(frozen=True)
class BackboneCase(ComponentCase[Backbone]):
    """A backbone for images of a shape.

    Args:
        image: the shape of the images.
    """

    image: ImageShape

    def __str__(self) -> str:
        return f"{super().__str__()} for {self.image} images"

    @property
    def facts(self) -> BackboneFacts:
        """The facts that it declares before it is built."""
        return self.component.facts(self.options, self.image)

    @property
    def is_hierarchical(self) -> bool:
        """Whether it has more than one grid."""
        return len(self.facts.levels) > 1

    def build(self, seed: int = 0) -> Backbone:
        """Build it without dropout, in double precision and with random weights, so that no weight starts without
        effect.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            component: Any = self.component  # abstract to a type checker
            backbone: Backbone = component(self.component.without_downloads(self.options), self.image)
            with torch.no_grad():
                for parameter in backbone.parameters():
                    parameter.add_(0.2 * torch.randn_like(parameter))
        return backbone.double().eval()

    def images(self, batch: int = 3, seed: int = 0) -> Float[Tensor, "batch channel *frame height width"]:
        """Noise images or clips."""
        noise = torch.Generator().manual_seed(seed)
        return torch.randn(batch, *self.image.axes, generator=noise, dtype=torch.float64)


def summary(backbone: Backbone, sequence: PatchSequence) -> Float[Tensor, "batch dim"]:
    """The readout of a sequence."""
    return backbone.summarize(backbone.encode(sequence))


def moved(backbone: Backbone, sequence: PatchSequence, order: Order) -> PatchSequence:
    """A sequence in an order, which is passed only to a backbone that needs it."""
    found = Proposal(order).apply(sequence)
    return found if "order" in backbone.needs else found.without_order()


def level_sequences(encoded: Encoded) -> tuple[PatchSequence, ...]:
    """The sequence of each level, finest first."""
    return encoded.levels or (encoded.sequence,)


def knows_nothing_of_later_slots(backbone: Backbone, sequence: PatchSequence) -> bool:
    """Whether encoded slots are independent of later slots: change each slot and compare the earlier ones."""
    noise = torch.Generator().manual_seed(5)
    before = backbone.encode(sequence).sequence.patches
    for slot in range(1, sequence.num_slots):
        patches = sequence.patches.clone()
        patches[:, slot:] += torch.randn(patches[:, slot:].shape, generator=noise, dtype=patches.dtype)
        change = (backbone.encode(sequence.with_patches(patches)).sequence.patches - before)[:, :slot]
        if sequence.valid is not None:
            change = change[sequence.valid[:, :slot]]
        if change.numel() and float(change.abs().max()) > 1e-9:
            return False
    return True
