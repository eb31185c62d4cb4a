"""A figure of the path that an order takes over the grid."""

from __future__ import annotations

import io
import math
import textwrap
from typing import Any

import numpy as np
from jaxtyping import Bool
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.board import LONGEST_SIDE, MOST_PLOTTED, Board, can_be_plotted
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.picture import Picture, picture_of
from reorder_kit.orders.walk import Cell, jumps, walk

DOTS_PER_INCH = 160
"""Resolution of written figures."""
_NUMBERED_CELL = 0.5  # inches: in smaller cells a slot number is unreadable

# Inches.
_MARGIN, _MIN_CONTENT_WIDTH = 0.25, 4.5
_BAR_WIDTH, _BAR_GAP, _BAR_LABELS, _MIN_BAR_HEIGHT = 0.16, 0.25, 0.4, 1.2
_TITLE_ROW, _TITLE_GAP, _TITLE_LETTER, _LEGEND_ROW = 0.22, 0.24, 0.105, 0.28

_NUMBERED_NODE, _LONE_NODE, _LINE_WIDTH = 0.29, 0.17, 0.2  # cells
_DASHES = (0, (3.0, 2.0))
_INK, _LINES, _CELL = "#1b1b24", "#d5d6de", "#f7f7fa"
_READ, _UNREAD, _HATCH = "#ffffff", "#e4e5ea", "#c9cad2"

_Colour = tuple[float, float, float]
_Point = tuple[float, float]


class OrderFigure(Figure):
    """A figure that notebooks display, unknown to pyplot, so it is neither shown twice nor kept open."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=DOTS_PER_INCH, facecolor="white")
        return content.getvalue()


def order_figure(
    order: Order,
    grid: Grid,
    *,
    title: str,
    reach: Bool[Tensor, " slot"] | None = None,
    image: Picture | None = None,
) -> OrderFigure:
    """A figure of a static order: the path over the grid, colored from its start to its end.

    Jumps between patches that share no edge are thin and dashed. Frames of a video are side by side.

    Args:
        order: the order, the same for all images.
        grid: the grid it was made for.
        title: the title.
        reach: which slots have a path to the readout. If some have none, their patches are hatched and pale, and the
            patches that are read are framed.
        image: the image below the path, one for each frame.

    Raises:
        ReorderKitError: if the order is not the same for all images, does not fit the grid or the reach, or has too
            many patches for a picture.
    """
    if not can_be_plotted(grid):
        raise ReorderKitError(
            f"a {grid} grid is too large for a picture: at most {MOST_PLOTTED:,} patches, {LONGEST_SIDE:,} along a side"
        )
    cells = walk(order, grid)
    if reach is not None and len(reach) != len(cells):
        raise ReorderKitError(f"a reach over {len(reach)} slots cannot be drawn with an order of {len(cells)}")
    is_read = [True] * len(cells) if reach is None else [bool(slot) for slot in reach.tolist()]
    board = _PrintedBoard.of(grid)
    colours = _path_colours(is_read)
    keys = [_path_keys(cells, colours), _cell_keys(order, is_read)]
    figure, axes = _layout(board, title, [row for row in keys if row], len(cells))
    if image is not None:
        _draw_image(axes, board, image)
    _draw_cells(axes, board, cells, is_read, is_over_image=image is not None)
    _draw_steps(axes, board, cells, colours, is_over_image=image is not None)
    _draw_jumps(axes, board, cells, colours, is_over_image=image is not None)
    _draw_nodes(axes, board, cells, colours)
    if board.cell_inches >= _NUMBERED_CELL:
        _write_slots(axes, board, cells, colours)
    return figure


def plot_order(order: Order, image: Any = None, title: str | None = None) -> OrderFigure:
    """The figure of an order with a grid, as described in :meth:`Order.plot`."""
    if order.grid is None:
        raise ReorderKitError("an order without a grid cannot be drawn", "order.with_grid(Grid(height, width))")
    picture = None if image is None else picture_of(image, order.grid)
    named = f"{len(order)} of {order.num_patches} patches, {order.grid} grid" if title is None else title
    return order_figure(order, order.grid, title=named, image=picture)


class _PrintedBoard(Board):
    """A board on paper."""

    @property
    def cell_inches(self) -> float:
        return min(0.85, max(0.16, 6.4 / max(self.width, self.height)))

    def points(self, cells: float) -> float:
        """A length in cells, converted to points, the unit of line widths and letters."""
        return cells * self.cell_inches * 72


def _draw_image(axes: Axes, board: Board, image: Picture) -> None:
    for frame, pixels in enumerate(image):
        x, y = board.corner(Cell(frame, 0, 0))
        extent = (x, x + board.grid.width, y + board.grid.height, y)
        axes.imshow(pixels, extent=extent, aspect="auto", interpolation="nearest", zorder=0, clip_on=False)
    axes.set(xlim=(-0.02, board.width + 0.02), ylim=(board.height + 0.02, -0.02))


def _layout(board: _PrintedBoard, title: str, keys: list[list[Any]], num_slots: int) -> tuple[OrderFigure, Axes]:
    """A figure that fits its content, with title, board, color bar and the rows of the legend in place."""
    has_bar = num_slots > 1
    board_width, board_height = board.width * board.cell_inches, board.height * board.cell_inches
    bar_room = _BAR_GAP + _BAR_WIDTH + _BAR_LABELS if has_bar else 0.0
    width = max(board_width + bar_room, _MIN_CONTENT_WIDTH)
    height = max(board_height, _MIN_BAR_HEIGHT if has_bar else 0.0)
    title_lines = textwrap.wrap(title, int(width / _TITLE_LETTER)) or [""]
    top = _MARGIN + _TITLE_ROW * len(title_lines) + _TITLE_GAP
    bottom = _MARGIN + _LEGEND_ROW * len(keys)
    total_width, total_height = width + 2 * _MARGIN, top + height + bottom

    figure = OrderFigure(figsize=(total_width, total_height))
    FigureCanvasAgg(figure)
    heading: dict[str, Any] = {"fontsize": 12, "fontweight": "bold", "color": _INK, "parse_math": False}
    figure.text(0.5, 1 - _MARGIN / total_height, "\n".join(title_lines), ha="center", va="top", **heading)
    for row, entries in enumerate(reversed(keys)):
        anchor = (0.5, (_MARGIN / 2 + _LEGEND_ROW * row) / total_height)
        look: dict[str, Any] = {
            "frameon": False,
            "fontsize": 9,
            "labelcolor": _INK,
            "borderpad": 0,
            "handletextpad": 0.6,
        }
        figure.legend(handles=entries, loc="lower center", bbox_to_anchor=anchor, ncols=len(entries), **look)

    def placed(x: float, inches_wide: float, inches_high: float) -> Axes:
        y = bottom + (height - inches_high) / 2
        box = (x / total_width, y / total_height, inches_wide / total_width, inches_high / total_height)
        return figure.add_axes(box)

    left = _MARGIN + (width - board_width - bar_room) / 2
    axes = placed(left, board_width, board_height)
    axes.set(xlim=(-0.02, board.width + 0.02), ylim=(board.height + 0.02, -0.02))
    axes.axis("off")
    if has_bar:
        _draw_colour_bar(placed(left + board_width + _BAR_GAP, _BAR_WIDTH, height), num_slots)
    return figure, axes


def _draw_colour_bar(axes: Axes, num_slots: int) -> None:
    last = num_slots - 1
    extent = (0, 1, num_slots - 0.5, -0.5)
    axes.imshow(_spectrum(num_slots)[:, None, :], aspect="auto", extent=extent, interpolation="nearest")
    parts = next((count for count in (5, 4, 3) if last % count == 0), min(4, last))
    axes.set_yticks(np.linspace(0, last, parts + 1).round().astype(int))
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.tick_params(length=0, pad=4, labelsize=8.5, labelcolor=_INK)
    axes.set_title("slot", fontsize=9, color=_INK, pad=5)
    axes.spines[:].set_visible(False)


def _spectrum(num_slots: int) -> Any:
    """A color for each slot: plasma without its palest end, which is invisible on white."""
    return colormaps["plasma"](np.linspace(0.0, 0.86, num_slots))[:, :3]


def _path_colours(is_read: list[bool]) -> list[_Colour]:
    """The color of each slot, pale if it is not read."""
    spectrum = _spectrum(len(is_read))
    return [tuple(colour if read else 0.35 * colour + 0.65) for colour, read in zip(spectrum, is_read, strict=True)]


def _draw_cells(
    axes: Axes, board: _PrintedBoard, cells: list[Cell], is_read: list[bool], is_over_image: bool = False
) -> None:
    selects = not all(is_read)
    pale = 0.75 if is_over_image else 1.0
    for frame in range(board.grid.frames if board.grid.frames > 1 else 0):
        x, y = board.corner(Cell(frame, 0, 0))
        axes.text(x, y - 0.12, f"frame {frame}", ha="left", va="bottom", fontsize=8.5, color=_INK)
    everywhere = {Cell(*board.grid.cell(index)) for index in range(board.grid.num_patches)}
    read = {cell for cell, reads in zip(cells, is_read, strict=True) if reads}
    thin = min(1.0, board.points(0.03))

    def squares(which: set[Cell], inset: float, **look: Any) -> PatchCollection:
        corners = [board.corner(cell) for cell in sorted(which)]
        side = 1 - 2 * inset
        patches = [Rectangle((x + inset, y + inset), side, side) for x, y in corners]
        return PatchCollection(patches, clip_on=False, **look)

    unread = everywhere - read
    hatched: dict[str, Any] = {
        "facecolor": _UNREAD,
        "edgecolor": _HATCH,
        "linewidth": 0,
        "hatch": "////",
        "alpha": pale,
    }
    axes.add_collection(squares(unread, 0.0, zorder=1, **hatched))
    axes.add_collection(squares(everywhere, 0.0, facecolor="none", edgecolor=_LINES, linewidth=thin, zorder=1.1))
    if not is_over_image:
        inside = _READ if selects else _CELL
        axes.add_collection(squares(read, 0.0, facecolor=inside, edgecolor=_LINES, linewidth=thin, zorder=1))
    if selects:
        outline = min(2.2, board.points(0.06))
        axes.add_collection(squares(read, 0.035, facecolor="none", edgecolor=_INK, linewidth=outline, zorder=1.2))


def _draw_steps(
    axes: Axes, board: _PrintedBoard, cells: list[Cell], colours: list[_Colour], is_over_image: bool = False
) -> None:
    steps = sorted(set(range(len(cells) - 1)) - set(jumps(cells)))
    lines = [(board.centre(cells[slot]), board.centre(cells[slot + 1])) for slot in steps]
    shades = [_between(colours, slot) for slot in steps]
    look: dict[str, Any] = {"linewidth": board.points(_LINE_WIDTH), "capstyle": "round", "snap": False}
    if is_over_image:  # a white edge: images have all colors
        edge = {**look, "linewidth": board.points(_LINE_WIDTH) + 2}
        axes.add_collection(LineCollection(lines, colors="white", zorder=2.5, **edge))
    axes.add_collection(LineCollection(lines, colors=shades, zorder=3, **look))


def _draw_jumps(
    axes: Axes, board: _PrintedBoard, cells: list[Cell], colours: list[_Colour], is_over_image: bool = False
) -> None:
    leaps = jumps(cells)
    arcs = [_arc(board.centre(cells[slot]), board.centre(cells[slot + 1])) for slot in leaps]
    shades = [_between(colours, slot) for slot in leaps]
    width = min(1.4, board.points(0.05))
    # Hundreds of crossing jumps would hide everything else.
    alpha = min(0.9, max(0.3, 40 / max(1, len(leaps))))
    if is_over_image:
        axes.add_collection(LineCollection(arcs, colors="white", alpha=alpha, linewidth=2.5 * width, zorder=1.9))
    axes.add_collection(LineCollection(arcs, colors=shades, alpha=alpha, linewidth=width, linestyle=_DASHES, zorder=2))


def _between(colours: list[_Colour], slot: int) -> Any:
    return np.mean(colours[slot : slot + 2], axis=0)


def _arc(here: _Point, there: _Point) -> Any:
    """A straight line, or a flat arc if a straight line would cross the centers of patches in between."""
    start, end = np.array(here), np.array(there)
    along = end - start
    if math.gcd(*(round(abs(cells)) for cells in along)) == 1:
        return np.stack([start, end])
    length = float(np.hypot(*along))
    bend = min(0.42, 0.1 + 0.12 * length) * np.array([along[1], -along[0]]) / length
    share = np.linspace(0, 1, 17)[:, None]
    return start + share * along + 4 * share * (1 - share) * bend


def _draw_nodes(axes: Axes, board: _PrintedBoard, cells: list[Cell], colours: list[_Colour]) -> None:
    """A dot under each number, or on patches that no line touches; the start is a ringed circle, the end a square."""
    has_numbers = board.cell_inches >= _NUMBERED_CELL
    leaps = {-1, *jumps(cells), len(cells) - 1}
    dotted = [slot for slot in range(len(cells)) if has_numbers or {slot - 1, slot} <= leaps]
    radius = _NUMBERED_NODE if has_numbers else _LONE_NODE
    dots = [Circle(board.centre(cells[slot]), radius) for slot in dotted]
    shades = [colours[slot] for slot in dotted]
    axes.add_collection(PatchCollection(dots, facecolors=shades, linewidth=0, zorder=4))

    ring: dict[str, Any] = {"edgecolor": _INK, "linewidth": min(2.4, max(1.2, board.points(0.05))), "zorder": 5}
    marked = max(_NUMBERED_NODE, min(0.42, 0.075 / board.cell_inches))
    if len(cells) > 1:
        x, y = board.centre(cells[-1])
        axes.add_patch(Rectangle((x - marked, y - marked), 2 * marked, 2 * marked, facecolor=colours[-1], **ring))
    axes.add_patch(Circle(board.centre(cells[0]), marked, facecolor=colours[0], **ring))


def _write_slots(axes: Axes, board: _PrintedBoard, cells: list[Cell], colours: list[_Colour]) -> None:
    size = min(13.0, board.points(0.36 if len(cells) <= 100 else 0.22))
    for slot, (cell, colour) in enumerate(zip(cells, colours, strict=True)):
        x, y = board.centre(cell)
        axes.text(
            x,
            y,
            str(slot),
            ha="center",
            va="center_baseline",
            fontsize=size,
            fontweight="bold",
            color=_INK if _luminance(colour) > 0.5 else "white",
            zorder=6,
        )


def _luminance(colour: _Colour) -> float:
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _path_keys(cells: list[Cell], colours: list[_Colour]) -> list[Any]:
    def marker(shape: str, colour: _Colour, label: str) -> Line2D:
        look: dict[str, Any] = {
            "markersize": 9,
            "markerfacecolor": colour,
            "markeredgecolor": _INK,
            "markeredgewidth": 1.6,
        }
        return Line2D([], [], linestyle="none", marker=shape, label=label, **look)

    if len(cells) == 1:
        return [marker("o", colours[0], "start and end")]
    keys = [marker("o", colours[0], "start"), marker("s", colours[-1], "end")]
    if jumps(cells):
        keys.append(Line2D([], [], color=_spectrum(3)[1], linewidth=1.4, linestyle=_DASHES, label="jump"))
    return keys


def _cell_keys(order: Order, is_read: list[bool]) -> list[Any]:
    hatched: dict[str, Any] = {"facecolor": _UNREAD, "edgecolor": _HATCH, "linewidth": 0, "hatch": "////"}
    if all(is_read):
        return [] if order.is_full else [Patch(label="has no slot", **hatched)]
    label = f"reaches the readout ({sum(is_read)} of {len(is_read)} slots)"
    return [
        Patch(facecolor=_READ, edgecolor=_INK, linewidth=1.8, label=label),
        Patch(label="does not reach it" if order.is_full else "does not reach it, or has no slot", **hatched),
    ]
