"""A picture of an order for the terminal: the rank of every patch, and the path of the sequence."""

from __future__ import annotations

from reorder_kit.figures.coarse_order import coarse_order_as_text
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.walk import Cell, jumps, walk

COLUMNS = 80
_MAX_ROWS = 40
_MAX_COARSE_ROWS = 20
_MAX_RANKED_SIDE = 16
_MAX_LISTED_JUMPS = 8
_GAP = "    "

_Step = tuple[int, int]
_UP, _DOWN, _LEFT, _RIGHT = (-1, 0), (1, 0), (0, -1), (0, 1)
_START, _END, _ALONE, _UNVISITED = "●", "■", "·", " "
_ARROWS = {_UP: "↑", _DOWN: "↓", _LEFT: "←", _RIGHT: "→"}
_HALF_LINES = {_UP: "╵", _DOWN: "╷", _LEFT: "╴", _RIGHT: "╶"}
_LINES = {
    frozenset({_UP, _DOWN}): "│",
    frozenset({_LEFT, _RIGHT}): "─",
    frozenset({_DOWN, _RIGHT}): "┌",
    frozenset({_DOWN, _LEFT}): "┐",
    frozenset({_UP, _RIGHT}): "└",
    frozenset({_UP, _LEFT}): "┘",
}


def order_as_text(order: Order, grid: Grid, columns: int = COLUMNS) -> str:
    """Draw a static order with characters.

    The path starts at ``●`` and ends at ``■``. Steps to a patch that shares an edge are lines. An arrowhead marks the
    start of a jump, a half line its end, and ``·`` a patch between two jumps. For small grids, the rank of every patch
    is shown next to the path or above it (``-`` for a patch that a partial order leaves out).

    A grid whose path takes more than ``columns`` characters or 40 lines is shown in blocks of patches, with a note on
    what is left out.

    Args:
        order: the order.
        grid: the grid of the patches.
        columns: the maximal number of characters in a line.

    Raises:
        ReorderKitError: if the order is not the same for all images, or does not fit the grid.

    >>> print(order_as_text(Order([0, 1, 3, 2]), Grid(2, 2)))
    0 1    ●─┐
    3 2    ■─┘
    <BLANKLINE>
    ● start  ■ end
    """
    cells = walk(order, grid)
    headings = 2 if grid.frames > 1 else 0
    if 2 * grid.width - 1 > columns or grid.frames * (grid.height + headings) > _MAX_ROWS:
        parts = [coarse_order_as_text(order, grid, columns, _MAX_COARSE_ROWS), *_jumps_and_gaps(order, cells)]
        return "\n\n".join(parts)
    blocks = [_frame_as_text(order, cells, grid, frame, columns) for frame in range(grid.frames)]
    return "\n\n".join([*blocks, _legend(order, cells)])


def _frame_as_text(order: Order, cells: list[Cell], grid: Grid, frame: int, columns: int) -> str:
    heading = [f"frame {frame}"] if grid.frames > 1 else []
    path = _path(cells, grid, frame)
    if max(grid.height, grid.width) > _MAX_RANKED_SIDE:
        return "\n".join([*heading, *path])
    ranks = _ranks(order, grid, frame)
    if len(ranks[0]) > columns:
        return "\n".join([*heading, *path])
    if len(ranks[0]) + len(_GAP) + 2 * grid.width - 1 > columns:
        return "\n".join([*heading, *ranks, "", *path])
    return "\n".join([*heading, *((left + _GAP + right).rstrip() for left, right in zip(ranks, path, strict=True))])


def _ranks(order: Order, grid: Grid, frame: int) -> list[str]:
    """One line for each row of a frame."""
    digits = len(str(order.num_slots - 1))
    texts = [("-" if rank < 0 else str(rank)).rjust(digits) for rank in order.rank.tolist()]
    starts = (grid.index(row, 0, frame) for row in range(grid.height))
    return [" ".join(texts[start : start + grid.width]) for start in starts]


def _path(cells: list[Cell], grid: Grid, frame: int) -> list[str]:
    """One line for each row of a frame, with a cell in every second column, which looks square in most fonts."""
    canvas = [[_UNVISITED] * (2 * grid.width - 1) for _ in range(grid.height)]
    for slot, cell in enumerate(cells):
        if cell.frame != frame:
            continue
        arrival = _step(cells[slot - 1], cell) if slot > 0 else None
        departure = _step(cell, cells[slot + 1]) if slot + 1 < len(cells) else None
        line = canvas[cell.row]
        line[2 * cell.column] = _glyph(slot, len(cells), arrival, departure)
        if departure in (_LEFT, _RIGHT):
            line[2 * cell.column + departure[1]] = "─"
    return ["".join(line).rstrip() for line in canvas]


def _step(here: Cell, there: Cell) -> _Step | None:
    """The direction of a step; None for a jump."""
    return (there.row - here.row, there.column - here.column) if here.shares_edge(there) else None


def _glyph(slot: int, num_slots: int, arrival: _Step | None, departure: _Step | None) -> str:
    if slot == 0:
        return _START
    if slot == num_slots - 1:
        return _END
    if arrival and departure:
        back = (-arrival[0], -arrival[1])
        return _LINES[frozenset({back, departure})]
    if arrival:
        return _ARROWS[arrival]
    return _HALF_LINES[departure] if departure else _ALONE


def _legend(order: Order, cells: list[Cell]) -> str:
    ends = f"{_START} start and end" if len(cells) == 1 else f"{_START} start  {_END} end"
    return "  ".join([ends, *_jumps_and_gaps(order, cells)])


def _jumps_and_gaps(order: Order, cells: list[Cell]) -> list[str]:
    parts = []
    from_slots = jumps(cells)
    if from_slots:
        listed = ", ".join(f"{slot}→{slot + 1}" for slot in from_slots[:_MAX_LISTED_JUMPS])
        more = ", ..." if len(from_slots) > _MAX_LISTED_JUMPS else ""
        parts.append(f"{len(from_slots)} jump{'s' * (len(from_slots) > 1)}: {listed}{more}")
    if not order.is_full:
        parts.append(f"{order.num_patches - order.num_slots} of {order.num_patches} patches have no slot")
    return parts
