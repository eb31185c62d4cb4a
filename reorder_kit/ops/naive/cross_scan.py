"""The cross scan, image by image and cell by cell."""

# A and D are the symbols of the paper.
# ruff: noqa: N803, N806

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from reorder_kit.ops.naive.transposed_walk import transposed_walk
from reorder_kit.orders.grid import Grid

Cell = tuple[int, int, int]


def walks_of(order: list[int], grid: Grid) -> list[list[Cell]]:
    """The cells (frame, row, column) that each of the four walks visits."""
    along = [grid.cell(patch) for patch in order]
    if grid.height == grid.width:
        across = [(frame, column, row) for frame, row, column in along]
    else:
        across = [along[slot] for slot in transposed_walk(order, [True] * len(order), grid)]
    return [along, across, along[::-1], across[::-1]]


def cross_scan(
    x: Float[Tensor, "batch frame height width dim"],
    orders: Int[Tensor, "batch slot"],
    x_proj: Float[Tensor, "4 projected dim"],
    dt_weight: Float[Tensor, "4 dim rank"],
    dt_bias: Float[Tensor, "4 dim"],
    A: Float[Tensor, "4 dim state"],
    D: Float[Tensor, "4 dim"],
) -> Float[Tensor, "batch frame height width dim"]:
    """The sum of four scans, each ``h = exp(delta A) h + delta B u`` and ``y = C h + D u`` from cell to cell."""
    rank, state = dt_weight.shape[2], A.shape[2]
    images = []
    for image, order in zip(x, orders.tolist(), strict=True):
        walks = walks_of(order, Grid(image.shape[1], image.shape[2], image.shape[0]))
        total = {cell: torch.zeros_like(image[cell]) for cell in walks[0]}
        for k, walk in enumerate(walks):
            h = torch.zeros_like(A[k])
            for cell in walk:
                u = image[cell]
                step, B, C = (x_proj[k] @ u).split([rank, state, state])
                delta = F.softplus(dt_weight[k] @ step + dt_bias[k])
                h = torch.exp(delta[:, None] * A[k]) * h + (delta * u)[:, None] * B
                total[cell] = total[cell] + h @ C + D[k] * u
        images.append(torch.stack([total[cell] for cell in sorted(total)]).reshape(image.shape))
    return torch.stack(images)
