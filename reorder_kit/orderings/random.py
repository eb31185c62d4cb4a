"""Random order: the control that every rule has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random as Generator
from typing import Any

from pydantic import Field

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering, OrderingOptions
from reorder_kit.interfaces.numbers import Seed
from reorder_kit.orders.grid import Grid


class Random(Ordering):
    """All patches of all frames, shuffled: the same for the same seed and grid, in every version of Python.

    Patches are sorted by random keys, because only ``random()`` of Python's generator is guaranteed never to change
    (https://docs.python.org/3/library/random.html#notes-on-reproducibility).
    """

    name = "random"

    class Options(OrderingOptions):
        seed: Seed = Field(0, description="seed of the shuffle")

    options: Options

    @classmethod
    def drawn_with(cls, seed: int) -> dict[str, Any]:
        """The seed."""
        return {"seed": seed}

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """The shuffle of a single frame."""
        grid = Grid(height, width)
        return (grid.cell(patch)[1:] for patch in self.patches(grid))

    def patches(self, grid: Grid) -> list[int]:
        """One shuffle over all frames."""
        generator = Generator(self.options.seed)
        keys = [generator.random() for _ in range(grid.num_patches)]
        return sorted(range(grid.num_patches), key=keys.__getitem__)


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Random]
