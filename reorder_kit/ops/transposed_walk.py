"""The walk along an order with rows and columns exchanged."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from reorder_kit.orders.grid import Grid


def transposed_walk(
    indices: Int[Tensor, "row slot"], valid: Bool[Tensor, "row slot"] | None, grid: Grid
) -> Int[Tensor, "row slot"]:
    """The slots in the sequence in which the transposed order visits their patches, padding last.

    On a square grid, step t visits the patch at ``(column, row)``, where step t of the order visits ``(row, column)``.
    Row-major becomes column-major, and a walk from neighbor to neighbor stays one.

    On any other rectangle, the places ``(column, row)`` belong to another grid. Each patch takes the time at which the
    order visits the cell that its mirrored place falls into, with both grids stretched to the same square. So several
    patches of a row, or of a column if the grid is tall, share a time. They are visited in the direction in which the
    order crosses that row or column at the time; and while the order runs along a row, so that the transposed walk runs
    along columns, one column is completed before the next begins. Row-major and column-major orders, flipped or
    reversed, become each other on every rectangle. A grid of a single row or column has no other direction: the walk is
    the order.

    A patch without a slot, or in a padding slot, is assumed to follow the patch before it in row-major order, and is
    then left out; so the rows of a partial image become its columns. Frames of a clip are transposed one by one: the
    first patches of a frame, if they have no slot, come before the rest of it, and steps from one frame to another have
    no direction.

    Args:
        indices: the patch in each slot, one row for each order.
        valid: False for padding; None if all slots are valid.
        grid: the grid of the patches.

    >>> transposed_walk(torch.arange(6)[None], None, Grid(2, 3)).tolist()
    [[0, 3, 1, 4, 2, 5]]
    """
    slots = torch.arange(indices.shape[1], device=indices.device).expand_as(indices)
    is_line = 1 in (grid.height, grid.width)
    keys = slots if is_line else _keys(_times(indices, valid, grid), grid).gather(1, indices)
    if valid is not None:
        keys = keys.masked_fill(~valid, torch.iinfo(keys.dtype).max)
    return keys.argsort(dim=1, stable=True)


def _times(
    indices: Int[Tensor, "row slot"], valid: Bool[Tensor, "row slot"] | None, grid: Grid
) -> Int[Tensor, "row patch"]:
    """The time of each patch in the order, completed by the patches that have no slot."""
    steps = torch.ones_like(indices).cumsum(dim=1) if valid is None else valid.cumsum(dim=1).masked_fill(~valid, 0)
    num_patches, of_frame = grid.num_patches, grid.height * grid.width
    visited = indices.new_zeros(len(indices), num_patches).scatter(1, indices, steps)
    if valid is None and indices.shape[1] == num_patches:
        return visited - 1
    patches = torch.arange(num_patches, device=indices.device).expand_as(visited)
    before = patches.masked_fill(visited == 0, -1).cummax(dim=1).values
    is_first = before < patches // of_frame * of_frame
    frames = visited.masked_fill(visited == 0, num_patches + 1).view(-1, grid.frames, of_frame)
    start = frames.amin(dim=2).repeat_interleave(of_frame, dim=1)
    anchor = torch.where(is_first, 2 * start - 1, 2 * visited.gather(1, before.clamp(min=0)))
    return (anchor * num_patches + patches).argsort(dim=1).argsort(dim=1)


def _keys(times: Int[Tensor, "row patch"], grid: Grid) -> Int[Tensor, "row patch"]:
    """Numbers that sort the patches into the transposed walk; no two are equal."""
    height, width, patches = grid.height, grid.width, grid.num_patches
    index = torch.arange(patches, device=times.device)
    frame, row, column = index // (height * width), index // width % height, index % width
    crossed = width >= height  # patches of a row share a time; in a tall grid, those of a column
    line = frame * height + row if crossed else frame * width + column
    run, direction = _runs(times.argsort(dim=1), line, torch.stack([frame, row, column]))
    mirror = (frame * height + (2 * column + 1) * height // (2 * width)) * width
    mirror = mirror + (2 * row + 1) * width // (2 * height)
    time = times[:, mirror]
    run, longest = run.gather(1, time), max(height, width)
    place = direction.gather(1, run) * (column if crossed else row)
    return (run * (2 * longest + 1) + longest + place) * patches + time


def _runs(
    visits: Int[Tensor, "row time"], line: Int[Tensor, " patch"], cells: Int[Tensor, "axis patch"]
) -> tuple[Int[Tensor, "row time"], Int[Tensor, "row run"]]:
    """Which run within a line each visit belongs to, and whether the lines ascend (1) or descend (-1) at each run.

    A step to a neighbor gives the direction; if a run has none on either side, any step within the frame does.
    """
    ascent = line[visits].diff(dim=1)
    run = torch.nn.functional.pad((ascent != 0).cumsum(dim=1), (1, 0))
    steps = cells[:, visits].diff(dim=2).abs()
    is_within = steps[0] == 0
    is_near = is_within & (steps.sum(dim=0) == 1)
    near, both = torch.zeros_like(run), torch.zeros_like(run)
    for side in (run[:, :-1], run[:, 1:]):
        near = near.scatter_add(1, side, ascent * is_near)
        both = both.scatter_add(1, side, ascent * is_within)
    slope = torch.where(near != 0, near, both).sign()
    return run, torch.where(slope == 0, 1, slope)
