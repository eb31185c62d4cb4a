"""Moves of a local search, worked out by hand and drawn."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

import pytest
import torch

from reorder_kit.order_learners._guided_moves import GuidedMoves
from reorder_kit.order_learners._moves import random_join, random_move, relocate, reverse, swap

ORDER = [7, 3, 9, 1, 5, 0, 2]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def neighbours(order: list[int]) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in pairwise(order)}


def test_a_segment_is_reversed() -> None:
    assert reverse(ORDER, 2, 5) == [7, 3, 5, 1, 9, 0, 2]
    assert reverse(ORDER, 0, 7) == [2, 0, 5, 1, 9, 3, 7]
    assert reverse(ORDER, 4, 5) == ORDER


def test_two_patches_are_swapped() -> None:
    assert swap(ORDER, 1, 6) == [7, 2, 9, 1, 5, 0, 3]


@pytest.mark.parametrize(
    ("segment", "place", "backwards", "expected"),
    [
        ((1, 3), 0, False, [3, 9, 7, 1, 5, 0, 2]),
        ((1, 3), 5, False, [7, 1, 5, 0, 2, 3, 9]),
        ((1, 3), 3, True, [7, 1, 5, 9, 3, 0, 2]),
        ((4, 7), 2, False, [7, 3, 5, 0, 2, 9, 1]),
        ((4, 7), 2, True, [7, 3, 2, 0, 5, 9, 1]),
        ((2, 4), 2, False, ORDER),
    ],
)
def test_a_segment_is_moved(segment: tuple[int, int], place: int, backwards: bool, expected: list[int]) -> None:
    assert relocate(ORDER, *segment, place, backwards) == expected


@pytest.mark.parametrize("patches", [2, 3, 7])
def test_random_moves_reach_another_order_and_leave_the_given_one_alone(patches: int) -> None:
    order, generator = list(range(patches)), seeded()
    reached = Counter(tuple(random_move(order, generator)) for _ in range(2000))
    assert order == list(range(patches))
    assert tuple(order) not in reached
    assert all(sorted(one) == order for one in reached)


def test_random_moves_reach_every_swap_and_every_reversal_and_every_relocation() -> None:
    order, generator = list(range(5)), seeded()
    reached = {tuple(random_move(order, generator)) for _ in range(5000)}
    cuts = [(first, end) for first, end in combinations(range(6), 2) if end - first < 5]
    expected = {tuple(swap(order, one, other)) for one, other in combinations(range(5), 2)}
    expected |= {tuple(reverse(order, first, end)) for first, end in combinations(range(6), 2)}
    expected |= {
        tuple(relocate(order, first, end, place, backwards))
        for first, end in cuts
        for place in range(6 - (end - first))
        if place != first
        for backwards in (False, True)
    }
    assert reached == expected - {tuple(order)}


@pytest.mark.parametrize("patches", [3, 4, 9])
def test_a_join_puts_two_patches_side_by_side(patches: int) -> None:
    generator = seeded()
    order = torch.randperm(patches, generator=generator).tolist()
    strengths = torch.rand(patches - 1, generator=generator).tolist()
    apart = [pair for pair in combinations(range(patches), 2) if frozenset(pair) not in neighbours(order)]
    for one, other in [*apart, *((other, one) for one, other in apart)]:
        for _ in range(100):
            joined = random_join(order, one, other, strengths, generator)
            assert sorted(joined) == list(range(patches))
            assert frozenset((one, other)) in neighbours(joined)


def test_every_join_of_a_short_order_is_drawn() -> None:
    # Of 0 1 2 3, patches 0 and 3. Reversals: 0 321 and 210 3. Segments that end with 3, or begin with it once turned
    # round, and go to 0, in front of it or behind it: 3, 23 and 123.
    generator = seeded()
    drawn = {"".join(map(str, random_join([0, 1, 2, 3], 0, 3, [0.0, 1.0, 0.0], generator))) for _ in range(500)}
    assert drawn == {"0321", "2103", "3012", "0312", "2301", "1230"}


def broken(strengths: list[float], draws: int) -> Counter[frozenset[int]]:
    """How often junctions of 0 1 2 ... are broken by bringing 4 to 0."""
    order, generator, found = list(range(len(strengths) + 1)), seeded(), Counter[frozenset[int]]()
    for _ in range(draws):
        found.update(neighbours(order) - neighbours(random_join(order, 0, 4, strengths, generator)))
    return found


def test_any_junction_is_broken_where_all_are_equally_strong() -> None:
    # One join in three is a reversal: 0 4321 or 3210 4. In the others 4, 34, 234 or 1234 go in front of 0 or behind
    # it, one in eight each. Behind 0, 432 meets 1 again and 4321 breaks nothing but junction 01.
    cuts, joins = broken([5.0] * 4, 2400), 2400 / 24
    expected = {(0, 1): 4 + 16 * (4 + 1) / 8, (1, 2): 16 / 8, (2, 3): 16 * 2 / 8, (3, 4): 4 + 16 * 2 / 8}
    for pair, share in expected.items():
        assert abs(cuts[frozenset(pair)] - joins * share) < 5 * (joins * share) ** 0.5, pair


def test_two_joins_in_three_break_weak_junctions() -> None:
    # Moved segments end with 4, and reach back to the weak junction 23, or they begin with it, and reach to the end
    # or the weak junction 67, since nothing is cheaper than an end. A weight of e^-40 is negligible.
    cuts = broken([40.0, 40.0, 0.0, 40.0, 40.0, 40.0, 0.0, 40.0], 2000)
    strong = [frozenset((first, first + 1)) for first in (1, 5, 7)]
    weak = [frozenset((first, first + 1)) for first in (2, 6)]
    assert all(cuts[pair] < 120 for pair in strong)
    assert all(cuts[pair] > 250 for pair in weak)


def test_guided_moves_join_the_pair_with_the_largest_attraction() -> None:
    attraction = torch.zeros(8, 8, dtype=torch.float64)
    attraction[1, 6] = attraction[6, 1] = 1.0
    attraction[2, 3] = attraction[3, 2] = 5.0  # already adjacent
    moves, generator = GuidedMoves(torch.arange(8), attraction), seeded()
    joined = sum(frozenset((1, 6)) in neighbours(moves.draw(generator)) for _ in range(1000))
    # 0.9 of first moves join the pair; a few of those that follow part it again.
    assert joined > 750


def test_guided_moves_are_orders_that_differ_and_the_same_from_the_same_seed() -> None:
    attraction = torch.randn(12, 12, generator=seeded(), dtype=torch.float64)
    order = torch.randperm(12, generator=seeded(1))
    moves = GuidedMoves(order, attraction + attraction.T)
    first, again = ([moves.draw(generator) for _ in range(50)] for generator in (seeded(2), seeded(2)))
    assert first == again
    assert all(sorted(one) == list(range(12)) for one in first)
    assert len(set(map(tuple, first))) > 20


@pytest.mark.parametrize("patches", [2, 3])
@pytest.mark.parametrize("scale", [0.0, 1e-300, 1e300])
def test_guided_moves_of_few_patches_and_of_any_unit(patches: int, scale: float) -> None:
    attraction = scale * torch.ones(patches, patches, dtype=torch.float64)
    moves = GuidedMoves(torch.arange(patches), attraction)
    drawn = {tuple(moves.draw(seeded(seed))) for seed in range(100)}
    assert all(sorted(one) == list(range(patches)) for one in drawn)
    assert len(drawn) > 1


def test_guided_moves_where_only_neighbours_attract_each_other() -> None:
    attraction = torch.zeros(5, 5, dtype=torch.float64)
    attraction[1, 2] = attraction[2, 1] = 3.0
    moves, generator = GuidedMoves(torch.arange(5), attraction), seeded()
    assert all(sorted(moves.draw(generator)) == list(range(5)) for _ in range(100))
