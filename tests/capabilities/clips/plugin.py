"""Clips of a moving dot: no single frame shows its direction."""

import torch

from reorder_kit import hookimpl
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape, Ordering, Sample

STEPS = {"right": (0, 1), "left": (0, -1), "down": (1, 0), "up": (-1, 0)}


class Dots:
    """Three frames of 4x6 pixels; the dot moves by two pixels, wrapping at the edges, from a random location."""

    def __init__(self, count, seed):
        self.count, self.seed = count, seed

    def __len__(self):
        return self.count

    def target(self, index):
        return index % len(STEPS)

    def __getitem__(self, index):
        random = torch.Generator().manual_seed(10_000 * self.seed + index)
        row, column = (int(torch.randint(size, (), generator=random)) for size in (4, 6))
        clip = torch.rand(1, 3, 4, 6, generator=random) / 4
        down, right = list(STEPS.values())[self.target(index)]
        for frame in range(3):
            clip[0, frame, (row + 2 * frame * down) % 4, (column + 2 * frame * right) % 6] = 2.0
        return Sample(clip, self.target(index))


class MovingDots(DataSource):
    """The direction in which a dot moves."""

    name = "moving-dots"
    target_kinds = (CLASS,)
    image = ImageShape(1, 4, 6, frames=3)

    def open(self, seed):
        return DataSplits(self.image, list(STEPS), Dots(200, 0), Dots(40, 1), Dots(60, 2))


class PlaceByPlace(Ordering):
    """Each location through all frames, then the next location in row-major order."""

    name = "place-by-place"

    def cells(self, height, width):
        return [(row, column) for row in range(height) for column in range(width)]

    def patches(self, grid):
        return [
            grid.index(*cell, frame) for cell in self.cells(grid.height, grid.width) for frame in range(grid.frames)
        ]


@hookimpl
def register_data_sources():
    return [MovingDots]


@hookimpl
def register_orderings():
    return [PlaceByPlace]
