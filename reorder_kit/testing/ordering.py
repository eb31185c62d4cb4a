"""The contract of orderings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, Ordering
from reorder_kit.testing.component import (
    COMPONENT_RULES,
    ComponentCase,
    OptionsGiven,
    expect_no_draw,
    options_of,
    with_other_random_numbers,
)
from reorder_kit.testing.rule import Rule, SeenError, expect, expect_equal, hold, rule

SIDES = ("1x1", "1x2", "2x1", "1x7", "7x1", "2x2", "2x3", "3x2", "3x3", "4x7", "7x4", "5x4", "4x5", "8x8")
GRIDS: tuple[Grid, ...] = (*map(Grid.parse, SIDES), Grid(3, 4, frames=2), Grid(4, 3, frames=2), Grid(1, 3, frames=3))
TURNS = [
    {"transpose": transpose, "flip": flip, "reverse": reverse}
    for transpose in (False, True)
    for flip in ("none", "horizontal", "vertical", "both")
    for reverse in (False, True)
]


@dataclass(frozen=True)
class OrderingCase(ComponentCase[Ordering]):
    """An ordering, and the grids to test it on.

    Args:
        grids: any rectangular grids.
    """

    grids: tuple[Grid, ...] = GRIDS

    def order(self, grid: Grid, **changed: Any) -> list[int]:
        """The order that a new ordering gives for a grid, with some options changed."""
        options = self.options.model_copy(update=changed)
        return list(self.component(options).order(grid).indices.tolist())


@rule
def takes_grids_of_one_row_or_one_column(case: OrderingCase) -> None:
    """Let ``cells`` work on any rectangle from 1x1 up: images can be a single patch high or wide."""
    for grid in case.grids:
        if min(grid.height, grid.width) == 1 and grid.frames == 1:
            _expect_valid(case, grid)


@rule
def visits_every_patch_exactly_once(case: OrderingCase) -> None:
    """Let ``cells`` return every (row, column) of the rectangle once; set ``may_leave_out`` if some are dropped."""
    for grid in case.grids:
        if min(grid.height, grid.width) > 1 and grid.frames == 1:
            _expect_valid(case, grid)


@rule
def takes_clips_of_several_frames(case: OrderingCase) -> None:
    """Override ``patches``, not ``order``, for a rule across frames; it returns the patches of all frames."""
    for grid in case.grids:
        if grid.frames > 1:
            _expect_valid(case, grid)


@rule
def gives_the_same_order_every_time(case: OrderingCase) -> None:
    """Draw random numbers from a generator whose seed is an option, as ``random`` does; keep no state."""
    ordering = case.component(case.options)
    for grid in case.grids:
        first = ordering.order(grid).indices.tolist()
        again = with_other_random_numbers(partial(ordering.order, grid)).indices.tolist()
        expect(again == first == case.order(grid), f"on a {grid} grid, it gives another order the second time")


@rule
def draws_nothing_from_the_global_random_stream(case: OrderingCase) -> None:
    """Use ``torch.Generator().manual_seed(...)``: seeding or using the global stream changes the run."""
    expect_no_draw(lambda: [case.order(grid) for grid in case.grids])


@rule
def transposes_then_flips_then_reverses(case: OrderingCase) -> None:
    """Leave the options of ``OrderingOptions`` to ``Ordering.order``: override ``cells`` or ``patches`` instead."""
    for grid in case.grids:
        plain = {turned: case.order(turned, **TURNS[0]) for turned in {grid, grid.transposed} if turned in case.grids}
        for turn in TURNS:
            ruled = grid.transposed if turn["transpose"] else grid
            if ruled in plain:
                numbers = torch.arange(grid.num_patches).view(grid.frames, grid.height, grid.width)
                flipped = {"none": [], "vertical": [1], "horizontal": [2], "both": [1, 2]}[str(turn["flip"])]
                numbers = numbers.flip(flipped)
                walk = (numbers.mT if turn["transpose"] else numbers).flatten()[plain[ruled]].tolist()
                expected = walk[::-1] if turn["reverse"] else walk
                expect_equal(case.order(grid, **turn), expected, f"the order of a {grid} grid with {turn}")


@rule
def draws_another_order_for_another_seed(case: OrderingCase) -> None:
    """Return from ``drawn_with(seed)`` the options that set the seed, or nothing if the ordering is not random."""
    seeds = [case.component.drawn_with(seed) for seed in range(8)]
    grid = max(case.grids, key=lambda each: each.num_patches)
    if any(seeds) and grid.num_patches > 2:
        orders = {tuple(case.order(grid, **options)) for options in seeds}
        expect(len(orders) > 1, f"8 seeds, as in {seeds[1]}, give the same order of a {grid} grid")


ORDERING_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    takes_grids_of_one_row_or_one_column,
    visits_every_patch_exactly_once,
    takes_clips_of_several_frames,
    gives_the_same_order_every_time,
    draws_nothing_from_the_global_random_stream,
    transposes_then_flips_then_reverses,
    draws_another_order_for_another_seed,
)


def ordering_case(
    ordering: type[Ordering], options: OptionsGiven = None, grids: Sequence[Grid] = GRIDS
) -> OrderingCase:
    """A case for the rules of orderings; see :func:`check_ordering`."""
    return OrderingCase(ordering, options_of(ordering, options), tuple(grids))


def check_ordering(ordering: type[Ordering], options: OptionsGiven = None, grids: Sequence[Grid] = GRIDS) -> None:
    """Check an ordering against its contract.

    Args:
        ordering: the class.
        options: options as in a recipe; the defaults if not given.
        grids: grids to test on, for an ordering that does not work on all, such as an order from a file.

    Raises:
        BrokenRulesError: naming each broken rule, what was seen, and what to do.
        ReorderKitError: if the options are refused.

    >>> from reorder_kit.orderings.hilbert import Hilbert
    >>> check_ordering(Hilbert, {"flip": "vertical"}, grids=[Grid(2, 2), Grid(3, 5)])
    """
    hold(ordering_case(ordering, options, grids), ORDERING_RULES)


def _expect_valid(case: OrderingCase, grid: Grid) -> None:
    try:
        indices = case.order(grid)
    except ReorderKitError as error:
        raise SeenError(f"{error.message} (a {grid} grid)") from error
    except Exception as error:
        raise SeenError(f"on a {grid} grid, {type(error).__name__}: {error}") from error
    every = list(range(grid.num_patches))
    if case.component.may_leave_out:
        expect(indices and len(set(indices)) == len(indices) and set(indices) <= set(every), f"{grid}: {indices}")
    else:
        expect_equal(sorted(indices), every, f"the list of patches that it visits on a {grid} grid")
