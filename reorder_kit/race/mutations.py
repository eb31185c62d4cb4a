"""Mutations of the leaders of a race: small moves, mostly in slots that the model reads."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence

from reorder_kit.race.candidate import Candidate

_ATTEMPTS = 50
"""Moves to try for each mutation before giving up on a new order."""

Walk = list[int]
_Move = Callable[[Walk, Sequence[int], Sequence[int], int, random.Random], Walk | None]


def mutations_of(
    leaders: Sequence[Candidate], count: int, read: Sequence[bool], known: Collection[tuple[int, ...]], seed: int
) -> list[Candidate]:
    """Mutate the leaders in turn, the best first; the result is shorter if no new order is found.

    An order is new if no other order has the same patches in the slots that are read.

    Three moves take turns: two patches that are read swap places; a patch that is read swaps places with one that is
    not, or that has no slot; a segment of slots moves elsewhere.

    Args:
        leaders: the best candidates, the best first.
        count: number of mutations.
        read: whether the model reads each slot.
        known: the patches in the slots that are read, for each previous order, as returned by :meth:`Candidate.read`.
        seed: seed of the random moves.
    """
    source = random.Random(seed)
    seen, found = set(known), list[Candidate]()
    for number in range(count):
        leader = leaders[number % len(leaders)]
        child = _mutation(leader, number // len(leaders), read, seen, source)
        if child is not None:
            seen.add(child.read(read))
            found.append(child)
    return found


def _mutation(
    leader: Candidate, turn: int, read: Sequence[bool], seen: Collection[tuple[int, ...]], source: random.Random
) -> Candidate | None:
    inside = [slot for slot, is_read in enumerate(read) if is_read]
    outside = [slot for slot, is_read in enumerate(read) if not is_read]
    for attempt in range(_ATTEMPTS):
        move = _MOVES[(turn + attempt) % len(_MOVES)]
        walk = move(list(leader.indices), inside, outside, leader.patches, source)
        if walk is None:
            continue
        child = Candidate("", tuple(walk), leader.patches)
        if child.read(read) not in seen:
            return Candidate(f"{leader.root}~{child.key[:6]}", child.indices, child.patches)
    return None


def _across(
    walk: Walk, inside: Sequence[int], outside: Sequence[int], patches: int, source: random.Random
) -> Walk | None:
    absent = sorted(set(range(patches)) - set(walk))
    if not inside or not (outside or absent):
        return None
    slot = source.choice(inside)
    place = source.randrange(len(outside) + len(absent))
    if place < len(outside):
        other = outside[place]
        walk[slot], walk[other] = walk[other], walk[slot]
    else:
        walk[slot] = absent[place - len(outside)]
    return walk


def _within(
    walk: Walk, inside: Sequence[int], outside: Sequence[int], patches: int, source: random.Random
) -> Walk | None:
    if len(inside) < 2:
        return None
    one, other = source.sample(list(inside), 2)
    walk[one], walk[other] = walk[other], walk[one]
    return walk


def _segment(
    walk: Walk, inside: Sequence[int], outside: Sequence[int], patches: int, source: random.Random
) -> Walk | None:
    if len(walk) < 3:
        return None
    length = source.randint(1, len(walk) // 2)
    start = source.randrange(len(walk) - length + 1)
    segment, rest = walk[start : start + length], walk[:start] + walk[start + length :]
    place = source.randrange(len(rest) + 1)
    return rest[:place] + segment + rest[place:]


_MOVES: tuple[_Move, ...] = (_across, _within, _segment)
