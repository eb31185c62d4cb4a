"""The output of ``reorder-kit prior`` for a prior that ranks patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reorder_kit.cli._lookup import warn_of_parts
from reorder_kit.cli._output import console, print_to_stderr, table
from reorder_kit.errors import writing
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.start_by_prior import StartByPrior
from reorder_kit.figures.patch_worth import draw_patch_worth
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.matching import effective_slots
from reorder_kit.recipe.overrides import override
from reorder_kit.training.ranked_patches import RankedPatches, rank_patches

IMAGES = 2000
_MOST_ROWS = 32


def rank_patches_of(
    content: Mapping[str, Any], recipe: str, orderings: Sequence[str], images: int | None, host: PluginHost
) -> RankedPatches:
    """Rank the patches of a recipe.

    Args:
        content: the recipe as plain data, with a prior that ranks patches.
        recipe: name of the recipe in messages.
        orderings: the orderings to compare the start with.
        images: the number of images to use; the prior's own option if not given.
        host: the available plugins.
    """
    experiment = compose(content, host, recipe)
    assert isinstance(experiment.start, StartByPrior)
    warn_of_parts(experiment)
    if images is not None and "images" in experiment.start.prior.component.Options.model_fields:
        experiment = compose(override(content, [("order.start.prior.images", images)]), host, recipe)
    return rank_patches(experiment, orderings, images or IMAGES, host, print_to_stderr)


def draw(ranked: RankedPatches, png: Path) -> None:
    """Write the picture."""
    with writing(png):
        title = f"{ranked.prior['name']} on {ranked.name}"
        draw_patch_worth(ranked.ranking, ranked.grid, ranked.influence, title, png)
    print_to_stderr(f"wrote {png}")


def print_patches(recipe: str, ranked: RankedPatches) -> None:
    """Print the tables."""
    out = console()
    figures, patches = ranked.ranking.figures, ranked.ranking.patches.indices.tolist()
    out.print(f"{ranked.prior['name']} on training images of {recipe}, {ranked.grid} patches.")
    out.print()
    rows = table("patch", "row, column", "slot", *figures)
    for place in range(min(len(patches), _MOST_ROWS)):
        frame, row, column = ranked.grid.cell(patches[place])
        cell = f"{row}, {column}" if ranked.grid.frames == 1 else f"frame {frame}: {row}, {column}"
        values = [f"{values[place]:.4f}" for values in figures.values()]
        slot = ranked.slots[place]
        rows.add_row(str(patches[place]), cell, "not read" if slot is None else str(slot), *values)
    out.print(rows)
    if len(patches) > _MOST_ROWS:
        out.print(f"and {len(patches) - _MOST_ROWS} more patches; --json has all.")
    out.print()
    out.print("The ranking on the grid, from 0, the most informative patch:")
    out.print()
    for line in _ranks_on_grid(ranked):
        out.print(line)
    out.print()
    _print_influence(ranked)
    out.print()
    scores = table("order", f"closed-form score ({ranked.told})")
    for name, score in ranked.scores.items():
        scores.add_row(name, f"{score:.4f}")
    out.print(scores)
    out.print()
    out.print("A score comes from a regression, not from a trained model: compare trained runs.", soft_wrap=True)


def _ranks_on_grid(ranked: RankedPatches) -> list[str]:
    """One line per row; the frames of a clip are listed below each other."""
    grid, ranks = ranked.grid, ranked.ranking.patches.rank
    width = len(str(len(ranks) - 1))
    lines = []
    for frame, rows in enumerate(ranks.reshape(grid.frames, grid.height, grid.width).tolist()):
        lines += [f"frame {frame}"] if grid.frames > 1 else []
        lines += [" ".join(str(rank).rjust(width) for rank in row) for row in rows]
    return lines


def _print_influence(ranked: RankedPatches) -> None:
    out = console()
    profiles = table("influence", "effective slots", "most influential slots")
    for steps, shares in ranked.influence.items():
        slots = shares.argsort(descending=True, stable=True)[:5].tolist()
        most = ", ".join(f"{slot} ({100 * float(shares[slot]):.0f}%)" for slot in slots if shares[slot] > 0)
        when = "untrained" if steps == 0 else f"after {steps} steps"
        profiles.add_row(when, f"{effective_slots(shares):.1f} of {len(shares)}", most)
    out.print(profiles)
