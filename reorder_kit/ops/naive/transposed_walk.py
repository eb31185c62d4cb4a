"""The walk along an order with rows and columns exchanged, patch by patch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from reorder_kit.orders.grid import Grid


def transposed_walk(order: Sequence[int], valid: Sequence[bool], grid: Grid) -> list[int]:
    """The slots in the sequence in which the transposed order visits them, as the fast version defines it."""
    padding = [slot for slot, is_valid in enumerate(valid) if not is_valid]
    slot_of = {patch: slot for slot, patch in enumerate(order) if valid[slot]}
    if 1 in (grid.height, grid.width):
        return [*slot_of.values(), *padding]
    visits = completed([patch for slot, patch in enumerate(order) if valid[slot]], grid)
    axis = 1 if grid.width >= grid.height else 2  # of (frame, row, column): the line that the order runs along
    runs = [list(run) for _, run in groupby(visits, key=lambda patch: (grid.cell(patch)[0], grid.cell(patch)[axis]))]
    run_of = {patch: number for number, run in enumerate(runs) for patch in run}

    def key(patch: int) -> tuple[int, int, int]:
        frame, row, column = grid.cell(patch)
        mirrored_row = int((column + 0.5) / grid.width * grid.height)
        mirrored_column = int((row + 0.5) / grid.height * grid.width)
        mirror = grid.index(mirrored_row, mirrored_column, frame)
        number = run_of[mirror]
        place = grid.cell(patch)[3 - axis]
        return number, place * direction(runs, number, grid, axis), visits.index(mirror)

    return [*(slot_of[patch] for patch in sorted(slot_of, key=key)), *padding]


def completed(order: Sequence[int], grid: Grid) -> list[int]:
    """The order, with missing patches right after the patch before them in their frame, or before the rest of it."""
    found = list(order)
    for patch in range(grid.num_patches):
        if patch in order:
            continue
        frame, row, column = grid.cell(patch)
        if (row, column) != (0, 0):
            place = found.index(patch - 1) + 1
        else:
            place = next((place for place, other in enumerate(found) if grid.cell(other)[0] == frame), len(found))
        found.insert(place, patch)
    return found


def direction(runs: Sequence[Sequence[int]], number: int, grid: Grid, axis: int) -> int:
    """Whether lines ascend (1) or descend (-1) at the ends of a run."""
    steps = []
    if number > 0:
        steps.append((runs[number - 1][-1], runs[number][0]))
    if number < len(runs) - 1:
        steps.append((runs[number][-1], runs[number + 1][0]))
    near = sum(ascent(step, axis, grid) for step in steps if are_neighbors(step, grid))
    every = sum(ascent(step, axis, grid) for step in steps)
    return -1 if (near or every) < 0 else 1


def ascent(step: tuple[int, int], axis: int, grid: Grid) -> int:
    """The number of lines of its frame that a step ascends; 0 if it leads to another frame."""
    before, after = (grid.cell(patch) for patch in step)
    return after[axis] - before[axis] if after[0] == before[0] else 0


def are_neighbors(step: tuple[int, int], grid: Grid) -> bool:
    """Whether a step crosses an edge between two patches of a frame."""
    (frame, row, column), (next_frame, next_row, next_column) = (grid.cell(patch) for patch in step)
    return frame == next_frame and abs(row - next_row) + abs(column - next_column) == 1
