"""Raced order: the winner of a race."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import HomePath, Ordering, OrderingOptions
from reorder_kit.orders.checksums import DAMAGED, require_digest, strict_json
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order_file import OrderFile


class Raced(Ordering):
    """The order that won a race: ``order.start: {race: FOLDER}``.

    ``reorder-kit race`` judges orders by short trainings from scratch, and leaves the best one in its folder. The race
    must be over, and must have used exactly the requested grid; with ``transpose`` that is the transposed one. If the
    race was about partial orders, the winner leaves patches out.
    """

    name = "raced"
    may_leave_out = True

    class Options(OrderingOptions):
        race: HomePath = Field(description="folder of the race")

    options: Options

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """The winner on a single frame."""
        grid = Grid(height, width)
        return (grid.cell(patch)[1:] for patch in self.patches(grid))

    def patches(self, grid: Grid) -> list[int]:
        """The winner, on all frames.

        Raises:
            ReorderKitError: if there is no race, it is not over, a file is damaged, or it was about another grid.
        """
        stored = self._winner()
        if stored.grid != grid:
            asked = f"the {grid} grid" + (" (transposed)" if self.options.transpose else "")
            raise ReorderKitError(
                f"{self.options.race}: raced on the {stored.grid} grid, but {asked} is asked for",
                "race the recipe that has this grid",
            )
        return [int(patch) for patch in stored.order.indices]

    def _winner(self) -> OrderFile:
        folder = self.options.race
        result, order = folder / "race.json", folder / "order.json"
        if not folder.is_dir():
            raise ReorderKitError(
                f"{folder}: there is no such race folder", "if the race was moved, give its new folder"
            )
        if not (folder / "setup.json").exists():
            raise ReorderKitError(f"{folder}: is not a race folder", "give the folder of a reorder-kit race")
        if not result.exists():
            raise ReorderKitError(
                f"{folder}: the race is not over", "run the same reorder-kit race command again to resume"
            )
        try:
            content = strict_json(result.read_bytes())
            digest = content["files"][order.name]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReorderKitError(f"{result}: cannot be read: {error}", DAMAGED) from None
        return OrderFile.load(require_digest(order, digest, result))


@hookimpl
def register_orderings() -> list[type[Ordering]]:
    return [Raced]
