"""The cross scan, image by image and cell by cell."""

# A and D are the symbols of the paper.
# ruff: noqa: N803, N806

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

Cell = tuple[int, int, int]


def walks_of(order: list[int], frames: int, height: int, width: int) -> list[list[Cell]]:
    """The cells (frame, row, column) that each of the four walks comes to."""
    by_rows = [(frame, row, column) for frame in range(frames) for row in range(height) for column in range(width)]
    by_columns = [(frame, row, column) for frame in range(frames) for column in range(width) for row in range(height)]
    along = [by_rows[patch] for patch in order]
    if height == width:
        across = [(frame, column, row) for frame, row, column in along]
    else:
        across = [by_columns[patch] for patch in order]
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
        total = {(f, r, c): torch.zeros_like(image[f, r, c]) for f, r, c in walks_of(order, *image.shape[:3])[0]}
        for k, walk in enumerate(walks_of(order, *image.shape[:3])):
            h = torch.zeros_like(A[k])
            for cell in walk:
                u = image[cell]
                step, B, C = (x_proj[k] @ u).split([rank, state, state])
                delta = F.softplus(dt_weight[k] @ step + dt_bias[k])
                h = torch.exp(delta[:, None] * A[k]) * h + (delta * u)[:, None] * B
                total[cell] = total[cell] + h @ C + D[k] * u
        images.append(torch.stack([total[cell] for cell in sorted(total)]).reshape(image.shape))
    return torch.stack(images)
