"""The rules of orderings, each with an ordering that breaks it."""

from __future__ import annotations

import itertools

import pytest
import torch
from pydantic import Field

from reorder_kit.interfaces import Grid, Order, Ordering, OrderingOptions
from reorder_kit.testing import ORDERING_RULES, BrokenRulesError, check_ordering, ordering
from reorder_kit.testing.ordering import ordering_case
from wrong import assert_caught, own_rules


class Rows(Ordering):
    """Row by row."""

    name = "rows"

    def cells(self, height, width):
        return [(row, column) for row in range(height) for column in range(width)]


class LongSide(Rows):
    """It divides by the number of rows but one."""

    def cells(self, height, width):
        return sorted(super().cells(height, width), key=lambda cell: cell[0] / (height - 1))


class Forgets(Rows):
    """The last patch is left out if there are several rows and columns."""

    def cells(self, height, width):
        cells = super().cells(height, width)
        return cells[:-1] if min(height, width) > 1 else cells


class FirstFrame(Rows):
    """Only the first frame of a clip."""

    def patches(self, grid):
        return super().patches(Grid(grid.height, grid.width))


class Moody(Rows):
    """A different order each time."""

    calls = itertools.count()

    def cells(self, height, width):
        cells = super().cells(height, width)
        return cells[::-1] if next(self.calls) % 2 else cells


class Seeds(Rows):
    """It seeds the global random stream."""

    def cells(self, height, width):
        torch.manual_seed(4321)
        return super().cells(height, width)


class Unflipped(Rows):
    """Its order ignores the options."""

    def order(self, grid):
        return Order.identity(grid.num_patches)


class SameDice(Rows):
    """Its seed has no effect."""

    class Options(OrderingOptions):
        seed: int = Field(0, description="of nothing")

    @classmethod
    def drawn_with(cls, seed):
        return {"seed": seed}


WRONG = {
    ordering.takes_grids_of_one_row_or_one_column: (LongSide, "ZeroDivisionError"),
    ordering.visits_every_patch_exactly_once: (Forgets, "2x2"),
    ordering.takes_clips_of_several_frames: (FirstFrame, "2x3x4"),
    ordering.gives_the_same_order_every_time: (Moody, "another order"),
    ordering.draws_nothing_from_the_global_random_stream: (Seeds, "random stream"),
    ordering.transposes_then_flips_then_reverses: (Unflipped, "'reverse': True"),
    ordering.draws_another_order_for_another_seed: (SameDice, "same order"),
}


@pytest.mark.parametrize("rule", WRONG, ids=str)
def test_a_wrong_ordering_is_caught(rule):
    wrong, seen = WRONG[rule]
    assert_caught(rule, ordering_case(wrong), seen)


def test_every_rule_has_a_wrong_ordering_and_a_right_one_passes():
    assert set(WRONG) == own_rules(ORDERING_RULES)
    check_ordering(Rows)


def test_one_that_may_leave_patches_out_may_do_so_but_not_visit_one_twice():
    class Half(Rows):
        """Every second patch."""

        may_leave_out = True

        def cells(self, height, width):
            return super().cells(height, width)[::2]

    class Twice(Half):
        """The first patch twice."""

        def order(self, grid):
            return Order.trusted(torch.zeros(2, dtype=torch.int64), grid.num_patches)

    rule = ordering.visits_every_patch_exactly_once
    rule(ordering_case(Half))
    assert_caught(rule, ordering_case(Twice), "[0, 0]")


class Dice(SameDice):
    """Every order is equally likely."""

    def patches(self, grid):
        return torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(self.options.seed)).tolist()


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(1, 2), Grid(1, 3)], ids=str)
def test_where_there_is_but_one_order_seeds_need_not_change_it(grid):
    check_ordering(Dice, grids=[grid])


def test_grids_can_be_chosen():
    check_ordering(LongSide, grids=[Grid(2, 3), Grid(3, 2)])
    with pytest.raises(BrokenRulesError):
        check_ordering(LongSide, grids=[Grid(1, 3)])
