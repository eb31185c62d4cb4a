"""A backbone of two levels: between its blocks, squares of 2x2 patches become cells."""

import torch
from pydantic import Field
from torch import nn

from reorder_kit import hookimpl
from reorder_kit.interfaces import (
    Backbone,
    BackboneFacts,
    ComponentOptions,
    Encoded,
    Grid,
    Level,
    Order,
    PatchSequence,
    ReorderKitError,
)


class TwoLevels(Backbone):
    """Block 0 reads patches, block 1 cells, each in sequence. A cell takes the place of the first of its patches."""

    name = "two-levels"
    needs = frozenset({"order"})

    class Options(ComponentOptions):
        patch_size: int = Field(4, ge=1, description="side of a patch, pixels")
        dim: int = Field(16, ge=1, description="width of a patch's embedding; that of a cell is twice as much")

    @classmethod
    def facts(cls, options, image):
        height, width = image.height // options.patch_size, image.width // options.patch_size
        coarse = Level(Grid(height // 2, width // 2), 2 * options.dim, first_block=1)
        levels = Level(Grid(height, width), options.dim), coarse
        return BackboneFacts(levels[0].grid, 2 * options.dim, depth=2, levels=levels)

    def __init__(self, options, image):
        super().__init__(options, image)
        self.embed = nn.Conv2d(image.channels, options.dim, options.patch_size, options.patch_size)
        self.merge = nn.Linear(4 * options.dim, 2 * options.dim)
        self.blocks = nn.ModuleList(SoFar(level.dim) for level in self.as_built.levels)

    def tokenize(self, images):
        return PatchSequence(self.embed(images).flatten(2).transpose(1, 2), self.grid)

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        if sequence.valid is not None:
            raise ReorderKitError("two-levels reads no padding", "resize images to the size of the recipe")
        levels = [] if start == 0 else [sequence]
        for block in range(self.depth)[start:stop]:
            sequence = self.merged(sequence) if block == 1 else sequence
            sequence = sequence.with_patches(self.blocks[block](sequence.patches))
            levels.append(sequence)
        return Encoded(sequence, levels=tuple(levels))

    def merged(self, sequence):
        grid = self.as_built.levels[1].grid
        order = sequence.order or Order.identity(sequence.num_slots)
        rows = order.restore(sequence.patches).unflatten(1, (grid.height, 2, grid.width, 2))
        cells = self.merge(rows.transpose(2, 3).flatten(3).flatten(1, 2))
        return PatchSequence(order.merged(grid).apply(cells), grid, order.merged(grid))

    def summarize(self, encoded):
        return encoded.sequence.patches.mean(dim=1)

    def reach(self, num_slots):
        return torch.ones(num_slots, dtype=torch.bool)


class SoFar(nn.Module):
    """Every slot adds what it makes of the mean of the slots up to it."""

    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(2 * dim, dim)

    def forward(self, slots):
        mean = slots.cumsum(dim=1) / torch.arange(1, slots.shape[1] + 1, device=slots.device)[:, None]
        return slots + torch.tanh(self.linear(torch.cat([slots, mean], dim=2)))


@hookimpl
def register_backbones():
    return [TwoLevels]
