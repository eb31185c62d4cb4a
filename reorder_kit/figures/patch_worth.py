"""What each patch adds, on the grid, and how influence is distributed over the slots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from torch import Tensor

from reorder_kit.figures.write_figure import write_figure
from reorder_kit.interfaces import Grid, PatchRanking

_DOTS_PER_INCH = 160
_INK = "#1b1b24"
_MOST_NUMBERED = 256  # patches; with more, numbers are unreadable
# From the palette of Okabe and Ito (2008), which color-blind readers can tell apart.
_COLORS = ("#0072B2", "#D55E00", "#009E73")


def draw_patch_worth(
    ranking: PatchRanking, grid: Grid, influence: Mapping[int, Float[Tensor, " slot"]], title: str, path: Path
) -> None:
    """Write a PNG: the first figure of each patch as a shade, with its rank from 0, and influence by slot.

    Args:
        ranking: the ranking of the patches; without figures, the shade is the rank.
        grid: the grid of the patches; frames of a clip are side by side.
        influence: the influence of each slot, as shares, by the number of steps that models were trained for.
        title: the title.
        path: the file to write.
    """
    figure = Figure(figsize=(4.2 + 4.2 * min(grid.frames, 3), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11, fontweight="bold", color=_INK, parse_math=False)
    left, right = figure.subplots(1, 2, width_ratios=[min(grid.frames, 3), 1])
    _draw_grid(left, ranking, grid)
    for color, (steps, shares) in zip(_COLORS, influence.items(), strict=False):
        label = "untrained" if steps == 0 else f"after {steps} steps"
        edges = np.arange(len(shares) + 1) - 0.5
        right.stairs(shares.numpy(), edges, color=color, linewidth=1.6, label=label)
    right.set_title("influence of slots", fontsize=9.5, color=_INK, loc="left")
    right.set_xlabel("slot", fontsize=9, color=_INK)
    right.set_ylim(bottom=0)
    right.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    right.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    right.legend(fontsize=8.5, frameon=False)
    write_figure(figure, path, _DOTS_PER_INCH)


def _draw_grid(axes: Axes, ranking: PatchRanking, grid: Grid) -> None:
    patches = ranking.patches.indices.numpy()
    words, values = next(iter(ranking.figures.items()), ("rank", range(len(patches), 0, -1)))
    worth, ranks = np.zeros(len(patches)), ranking.patches.rank.numpy()
    worth[patches] = values
    side_by_side = worth.reshape(grid.frames, grid.height, grid.width).transpose(1, 0, 2).reshape(grid.height, -1)
    shown = axes.imshow(side_by_side, cmap="viridis")
    if len(patches) <= _MOST_NUMBERED:
        middle = (worth.min() + worth.max()) / 2
        for patch in range(len(patches)):
            frame, row, column = grid.cell(patch)
            color = _INK if worth[patch] > middle else "white"
            x, size = frame * grid.width + column, 9 if len(patches) <= 64 else 5
            axes.text(x, row, str(ranks[patch]), ha="center", va="center", fontsize=size, color=color)
    axes.set_title(f"{words}; rank, from 0", fontsize=9.5, color=_INK, loc="left", parse_math=False)
    axes.set_xticks([])
    axes.set_yticks([])
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.8)
    bar.ax.tick_params(labelsize=8)
