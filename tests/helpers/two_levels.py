"""A hierarchical backbone: between its two blocks, four patches become one."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Backbone, BackboneFacts, Encoded, Grid, ImageShape, Level, Order, PatchSequence
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import PatchOptions, patch_geometry
from reorder_kit.layers.readout import mean_slot


class TwoLevels(Backbone):
    """Block 0 mixes patches, block 1 squares of 2x2 patches; neither depends on their order."""

    name = "two-levels"
    needs = frozenset({"order"})

    class Options(PatchOptions):
        dim: int = Field(8, ge=1, description="width of the embedding of a patch; cells have twice as much")

    @classmethod
    def facts(cls, options: Any, image: ImageShape) -> BackboneFacts:
        fine = patch_geometry(options, image).grid
        coarse = Grid(fine.height // 2, fine.width // 2, fine.frames)
        levels = Level(fine, options.dim), Level(coarse, 2 * options.dim, first_block=1)
        return BackboneFacts(fine, 2 * options.dim, depth=2, levels=levels, order_sensitive=False, has_positions=True)

    def __init__(self, options: Any, image: ImageShape) -> None:
        super().__init__(options, image)
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), options.dim, positions="learned")
        self.merge = nn.Linear(4 * options.dim, 2 * options.dim)
        self.blocks = nn.ModuleList(Mix(level.dim) for level in self.as_built.levels)

    def tokenize(self, images: Tensor) -> PatchSequence:
        sequence: PatchSequence = self.embedding(images)
        return sequence

    def encode(
        self, sequence: PatchSequence, start: int = 0, stop: int | None = None, extra_tokens: Tensor | None = None
    ) -> Encoded:
        if sequence.valid is not None:
            raise ReorderKitError("it reads no padding", "give images without padding")
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            sequence = sequence.with_patches(self.blocks[0](sequence.patches))
        if 1 not in blocks:
            return Encoded(sequence, levels=(sequence,))
        coarse = self._merged(sequence)
        coarse = coarse.with_patches(self.blocks[1](coarse.patches))
        return Encoded(coarse, levels=(sequence, coarse))

    def _merged(self, sequence: PatchSequence) -> PatchSequence:
        grid = self.as_built.levels[1].grid
        order = Order.identity(sequence.num_slots) if sequence.order is None else sequence.order
        merged = order.merged(grid)
        squares = order.restore(sequence.patches).unflatten(1, (grid.frames, grid.height, 2, grid.width, 2))
        cells = squares.transpose(3, 4).flatten(4).flatten(1, 3)
        return PatchSequence(merged.apply(self.merge(cells)), grid, merged)

    def summarize(self, encoded: Encoded) -> Tensor:
        return mean_slot(encoded.sequence)

    def reach(self, num_slots: int) -> Tensor:
        return torch.ones(num_slots, dtype=torch.bool)


class Mix(nn.Module):
    """Every position gets the mean of all."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.own, self.shared = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, places: Tensor) -> Tensor:
        mixed: Tensor = places + torch.tanh(self.own(places) + self.shared(places.mean(dim=1, keepdim=True)))
        return mixed
