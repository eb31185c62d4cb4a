"""The interface of an ordering."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from pydantic import Field

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.class_fact import YES_OR_NO
from reorder_kit.interfaces.component import Component, ComponentOptions, Kind
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


class OrderingOptions(ComponentOptions):
    """Options of every ordering, applied in this sequence: transpose, flip, reverse."""

    transpose: bool = Field(False, description="follow the rule on the transposed grid")
    flip: Literal["none", "horizontal", "vertical", "both"] = Field("none", description="mirror the cells of the grid")
    reverse: bool = Field(False, description="walk the sequence from its end to its start")


class Ordering(Component, ABC):
    """A fixed rule that gives an order for a grid.

    A complete plugin::

        from reorder_kit import hookimpl
        from reorder_kit.interfaces import Ordering

        class BottomUp(Ordering):
            \"""Rows from the bottom to the top.\"""

            name = "bottom-up"

            def cells(self, height, width):
                return ((row, column) for row in reversed(range(height)) for column in range(width))

        @hookimpl
        def register_orderings():
            return [BottomUp]

    A rule works on any rectangle from 1x1. A rule that needs options defines its own ``Options(OrderingOptions)``. One
    that may leave patches out sets ``may_leave_out = True``; every other rule must visit each patch.

    Args:
        options: the options of the recipe; the defaults if not given.
    """

    kind = Kind("ordering", "orderings")
    Options = OrderingOptions
    may_leave_out: ClassVar[bool] = False
    class_facts = MappingProxyType({"may_leave_out": YES_OR_NO})

    def __init__(self, options: OrderingOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @classmethod
    def drawn_with(cls, seed: int) -> dict[str, Any]:
        """Options with which a random rule draws another order for each seed; empty for all others.

        Studies give each seed another random start if the recipe does not fix one.
        """
        return {}

    @abstractmethod
    def cells(self, height: int, width: int) -> Iterable[tuple[int, int]]:
        """The rule: every (row, column) of one frame once, in the order of the walk."""

    def patches(self, grid: Grid) -> list[int]:
        """The row-major patch in each slot, before the options apply: frame after frame.

        Override it for a rule that walks across frames.
        """
        walk = [row * grid.width + column for row, column in self.cells(grid.height, grid.width)]
        return [frame * grid.height * grid.width + index for frame in range(grid.frames) for index in walk]

    def order(self, grid: Grid) -> Order:
        """The order for a grid.

        Raises:
            ReorderKitError: if the rule does not visit every patch exactly once, or, where it may leave patches out, it
                visits none or one twice.
        """
        ruled = grid.transposed if self.options.transpose else grid
        indices = self.patches(ruled)
        visited, every = set(indices), set(range(grid.num_patches))
        if len(visited) < len(indices) or not visited <= every or not (visited == every or self.may_leave_out):
            raise ReorderKitError(f"ordering {self.name!r} does not visit every patch of the {ruled} grid exactly once")
        walk = [self._placed(*ruled.cell(index), grid) for index in indices]
        return Order(walk[::-1] if self.options.reverse else walk, grid=grid)

    def _placed(self, frame: int, row: int, column: int, grid: Grid) -> int:
        if self.options.transpose:
            row, column = column, row
        if self.options.flip in ("vertical", "both"):
            row = grid.height - 1 - row
        if self.options.flip in ("horizontal", "both"):
            column = grid.width - 1 - column
        return grid.index(row, column, frame)
