"""An order as HTML, for notebooks: the path over the grid, as a small picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from itertools import groupby, pairwise

from reorder_kit.orders.board import Board, can_be_plotted
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_words import order_in_words
from reorder_kit.orders.walk import Cell, jumps, walk

_MOST_DRAWN = 64**2
_LARGEST, _SMALLEST_CELL, _LARGEST_CELL = 320, 4, 32
"""In pixels: the longer side of the picture, and the sides of a cell."""
_SMALLEST_MARK = 4
"""In pixels: half the width of the mark of the start or the end."""
_UNIT = 2
"""Units of the drawing along the side of a cell, so that the middle of each cell has whole coordinates."""
_SECTIONS = 24
"""Sections of the path, each of one color."""
_STOPS = ((58, 110, 224), (186, 74, 170), (224, 112, 32))
"""Colors of the start, the middle and the end, visible on white and on black."""


def order_as_html(order: Order) -> str:
    """What a notebook shows for an order: a picture, if it is the same for all images and has a grid.

    Lines and letters take the color of the surrounding text, and the background is transparent, so it works in light
    and dark themes.
    """
    words = f"<code>{escape(order_in_words(order))}</code>"
    if not order.is_static:
        return f"<div>{words}<br>Each image has its own order.</div>"
    if order.grid is None:
        return (
            f"<div>{words}<br>Its grid is not known; "
            "to draw it, use <code>order.with_grid(Grid(height, width))</code>.</div>"
        )
    if order.num_patches > _MOST_DRAWN:
        hint = " here: <code>order.plot()</code> draws it" if can_be_plotted(order.grid) else ""
        return f"<div>{words}<br>It is too large to be drawn{hint}.</div>"
    caption = _caption(order, order.grid)
    return f'<div>{_drawing(order, order.grid, caption)}<div style="font-size:85%">{escape(caption)}</div></div>'


def _caption(order: Order, grid: Grid) -> str:
    patches = f"{order.num_patches} patch{'es' * (order.num_patches > 1)}"
    if not order.is_full:
        patches = f"{len(order)} of {patches}; the others are shaded"
    leaps = len(jumps(walk(order, grid)))
    dashed = f"; {leaps} jump{'s' * (leaps > 1)} (dashed)" if leaps else ""
    return f"{grid} grid, {patches}; starts at the circle, ends at the square{dashed}"


def _drawing(order: Order, grid: Grid, caption: str) -> str:
    board, cells = Board.of(grid), walk(order, grid)
    cell = min(_LARGEST_CELL, max(_SMALLEST_CELL, _LARGEST / max(board.width, board.height)))
    width, height = round(board.width * cell), round(board.height * cell)
    box = f"-.2 -.2 {_number(board.width * _UNIT + 0.4)} {_number(board.height * _UNIT + 0.4)}"
    look = 'fill="none" stroke-linecap="round" stroke-linejoin="round" style="max-width:100%;height:auto"'
    parts = [*_frames(board), *_left_out(order, board), *_path(board, cells), *_ends(board, cells, cell / _UNIT)]
    opening = (
        f'<svg role="img" aria-label="{escape(caption)}" viewBox="{box}" width="{width}" height="{height}" {look}>'
    )
    return "".join([opening, *parts, "</svg>"])


def _frames(board: Board) -> Iterator[str]:
    """The lines between cells."""
    down, across = board.grid.height * _UNIT, board.grid.width * _UNIT
    for frame in range(board.grid.frames):
        x, y = _scaled(board.corner(Cell(frame, 0, 0)))
        lines = [f"M{_number(x + column)} {_number(y)}v{down}" for column in range(0, across + 1, _UNIT)]
        lines += [f"M{_number(x)} {_number(y + row)}h{across}" for row in range(0, down + 1, _UNIT)]
        yield f'<path stroke="currentColor" stroke-opacity=".25" stroke-width=".08" d="{"".join(lines)}"/>'
        if board.grid.frames > 1:
            look = f'x="{_number(x)}" y="{_number(y - 0.4)}" font-size="1.2" fill="currentColor"'
            yield f"<text {look}>frame {frame}</text>"


def _left_out(order: Order, board: Board) -> Iterator[str]:
    """The cells without a slot, shaded; adjacent cells of a row form one rectangle."""
    missing = [Cell(*board.grid.cell(patch)) for patch, rank in enumerate(order.rank.tolist()) if rank < 0]
    rectangles = []
    for _, run in groupby(enumerate(missing), lambda each: _run(*each)):
        side_by_side = [cell for _, cell in run]
        length = len(side_by_side) * _UNIT
        x, y = _scaled(board.corner(side_by_side[0]))
        rectangles.append(f"M{_number(x)} {_number(y)}h{length}v{_UNIT}h{-length}z")
    if rectangles:
        yield f'<path fill="currentColor" fill-opacity=".25" d="{"".join(rectangles)}"/>'


def _run(place: int, cell: Cell) -> tuple[int, int, int]:
    """A key that is equal for adjacent cells of a row."""
    return cell.frame, cell.row, cell.column - place


def _path(board: Board, cells: list[Cell]) -> Iterator[str]:
    steps = len(cells) - 1
    leaps = set(jumps(cells))
    points = [_scaled(board.centre(cell)) for cell in cells]
    faint = _number(min(0.9, max(0.35, 40 / max(1, len(leaps)))))
    ends = sorted({round(steps * part / _SECTIONS) for part in range(_SECTIONS + 1)})
    for start, stop in pairwise(ends):
        colour = _colour((start + stop) / 2 / steps)
        jumped = _jumps(points, [slot for slot in range(start, stop) if slot in leaps])
        if jumped:
            look = f'stroke-opacity="{faint}" stroke-width=".12" stroke-dasharray=".4 .3"'
            yield f'<path stroke="{colour}" {look} d="{jumped}"/>'
        yield f'<path stroke="{colour}" stroke-width=".5" d="{_steps(points, start, stop, leaps)}"/>'


def _steps(points: list[tuple[float, float]], start: int, stop: int, leaps: set[int]) -> str:
    """Lines along the steps of a section; patches that no line touches become dots."""
    drawn = [f"M{_number(points[start][0])} {_number(points[start][1])}"]
    if start in leaps:
        drawn.append("h0")
    for slot in range(start, stop):
        (x, y), (to_x, to_y) = points[slot], points[slot + 1]
        if slot in leaps:
            is_last = slot + 1 == len(points) - 1
            drawn.append(f"m{_pair(to_x - x, to_y - y)}" + ("h0" if is_last or slot + 1 in leaps else ""))
        else:
            drawn.append(f"h{_number(to_x - x)}" if to_x != x else f"v{_number(to_y - y)}")
    return "".join(drawn)


def _jumps(points: list[tuple[float, float]], leaps: list[int]) -> str:
    """Straight lines, or flat arcs if a straight line would cross the middle of patches in between."""
    drawn, place = [], -1
    for slot in leaps:
        (x, y), (to_x, to_y) = points[slot], points[slot + 1]
        if slot != place:
            drawn.append(f"M{_pair(x, y)}")
        across, down = to_x - x, to_y - y
        if math.gcd(round(across), round(down)) == _UNIT:
            drawn.append(f"l{_pair(across, down)}")
        else:
            length = math.hypot(across, down)
            bend = min(0.84, 0.2 + 0.24 * length / _UNIT) * 2 / length
            middle = _pair(round(across / 2 + bend * down, 1), round(down / 2 - bend * across, 1))
            drawn.append(f"q{middle} {_pair(across, down)}")
        place = slot + 1
    return "".join(drawn)


def _ends(board: Board, cells: list[Cell], pixels: float) -> Iterator[str]:
    """Marks of the start and the end; ``pixels``, the size of a unit, keeps the marks visible on large grids."""
    size = max(0.65, _SMALLEST_MARK / pixels)
    ring = f'stroke="currentColor" stroke-width="{_number(size / 4)}"'
    if len(cells) > 1:
        x, y = _scaled(board.centre(cells[-1]))
        side = _number(2 * size)
        place = f'x="{_number(x - size)}" y="{_number(y - size)}" width="{side}" height="{side}"'
        yield f'<rect {place} fill="{_colour(1)}" {ring}/>'
    x, y = _scaled(board.centre(cells[0]))
    yield f'<circle cx="{_number(x)}" cy="{_number(y)}" r="{_number(size)}" fill="{_colour(0)}" {ring}/>'


def _scaled(point: tuple[float, float]) -> tuple[float, float]:
    return point[0] * _UNIT, point[1] * _UNIT


def _colour(share: float) -> str:
    place, (start, middle, end) = 2 * share, _STOPS
    here, there = (start, middle) if place < 1 else (middle, end)
    part = place if place < 1 else place - 1
    return "#" + "".join(f"{round(a + part * (b - a)):02x}" for a, b in zip(here, there, strict=True))


def _pair(x: float, y: float) -> str:
    return f"{_number(x)}{'' if y < 0 else ' '}{_number(y)}"


def _number(value: float) -> str:
    return f"{round(value, 2):g}"
