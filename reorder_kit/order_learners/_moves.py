"""Moves from one order to a similar one, for local search. Here, an order is a list of patches by slot."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def reverse(order: Sequence[int], first: int, end: int) -> list[int]:
    """Reverse the segment from slot ``first`` up to but not including slot ``end`` (2-opt, Croes, 1958)."""
    return [*order[:first], *order[first:end][::-1], *order[end:]]


def swap(order: Sequence[int], one: int, other: int) -> list[int]:
    """Exchange the patches of two slots."""
    swapped = list(order)
    swapped[one], swapped[other] = order[other], order[one]
    return swapped


def relocate(order: Sequence[int], first: int, end: int, place: int, backwards: bool = False) -> list[int]:
    """Move the segment from slot ``first`` up to but not including slot ``end`` (Or-opt, Or, 1976).

    Args:
        order: the patch in each slot.
        first: the first slot of the segment.
        end: the slot after its last one.
        place: the slot where the moved segment begins.
        backwards: reverse the segment.
    """
    segment, others = order[first:end], [*order[:first], *order[end:]]
    return [*others[:place], *(segment[::-1] if backwards else segment), *others[place:]]


def random_move(order: Sequence[int], generator: torch.Generator) -> list[int]:
    """Reverse a segment, move one (perhaps reversed), or exchange two patches.

    The result always differs from the order.

    Args:
        order: at least two patches.
        generator: draws the move.
    """
    slots = len(order)
    kind = _draw(3, generator)
    if kind == 0:
        return swap(order, *_draw_two(slots, generator))
    first, end = _draw_two(slots + 1, generator)
    if kind == 1 and end - first > 1:
        return reverse(order, first, end)
    end -= end - first == slots  # the whole order cannot move
    place = _draw(slots - (end - first), generator)
    return relocate(order, first, end, place + (place >= first), backwards=_coin(generator))


def random_join(
    order: Sequence[int], anchor: int, patch: int, strengths: Sequence[float], generator: torch.Generator
) -> list[int]:
    """A move that brings two patches side by side.

    Either the stretch from one to the other is reversed, or a segment that begins or ends with ``patch`` is moved to
    ``anchor``. One move in three breaks any junctions; the others prefer weak ones.

    Args:
        order: at least three patches.
        anchor: a patch.
        patch: another one that is not next to it.
        strengths: how strongly each slot and the next belong together; one fewer than slots. If a junction is stronger
            by one, the probability of breaking it is lower by a factor of e.
        generator: draws the move.
    """
    slot, target = order.index(patch), order.index(anchor)
    # The cost of a cut before each slot and after the last. The ends have no junction, so nothing is cheaper.
    weight = 0.0 if _draw(3, generator) == 0 else 1.0
    costs = [weight * strength for strength in (min(strengths), *strengths, min(strengths))]
    if _draw(3, generator) == 0:
        first, last = sorted((slot, target))
        stretches = [(first, last), (first + 1, last + 1)]
        return reverse(order, *_cheapest(stretches, costs, generator))
    to_the_left = [(first, slot + 1) for first in range(target + 1 if target < slot else 0, slot)]
    to_the_right = [(slot, end) for end in range(slot + 1, (target if target > slot else len(order)) + 1)]
    first, end = _cheapest([*to_the_left, *to_the_right], costs, generator)
    cut, _ = _cheapest([(target, target), (target + 1, target + 1)], costs, generator)
    place = cut if cut <= first else cut - (end - first)  # after the segment is removed
    is_first_needed = cut > target  # after the anchor, the patch must come first
    return relocate(order, first, end, place, backwards=is_first_needed != (first == slot))


def _cheapest(
    segments: Sequence[tuple[int, int]], costs: Sequence[float], generator: torch.Generator
) -> tuple[int, int]:
    """Draw a segment, preferring cheap cuts at both ends."""
    logits = torch.tensor([-costs[first] - costs[end] for first, end in segments], dtype=torch.float64)
    return segments[int(torch.multinomial(logits.softmax(dim=0), 1, generator=generator))]


def _draw(below: int, generator: torch.Generator) -> int:
    return int(torch.randint(below, (), generator=generator))


def _draw_two(below: int, generator: torch.Generator) -> tuple[int, int]:
    """Two different numbers, the smaller one first."""
    one, other = _draw(below, generator), _draw(below - 1, generator)
    other += other >= one
    return min(one, other), max(one, other)


def _coin(generator: torch.Generator) -> bool:
    return _draw(2, generator) == 1
