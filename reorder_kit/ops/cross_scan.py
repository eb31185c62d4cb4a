"""Selective scans along several walks over the same patches, summed."""

# A and D are the symbols of the paper.
# ruff: noqa: N803, N806

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reorder_kit.ops.scan_backend import ScanBackend
from reorder_kit.ops.selective_scan import selective_scan
from reorder_kit.ops.transposed_walk import transposed_walk
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


def four_walks(order: Order, grid: Grid, valid: Bool[Tensor, "batch patch"] | None = None) -> list[Order]:
    """The walks of a cross scan: along the order, along the transposed one, and back along either.

    Args:
        order: the patch in each slot, a full order.
        grid: the grid of the patches.
        valid: False for padding, in row-major places; every walk visits it last.

    >>> [walk.indices.tolist() for walk in four_walks(Order([0, 1, 3, 2]), Grid(2, 2))]
    [[0, 1, 3, 2], [0, 2, 3, 1], [2, 3, 1, 0], [1, 3, 2, 0]]
    """
    if valid is None:
        rows = order.indices.reshape(-1, order.num_slots)
        across = rows.gather(1, transposed_walk(rows, None, grid))
        walks = [rows, across, rows.flip(1), across.flip(1)]
        return [Order.trusted(walk.reshape(order.indices.shape), order.num_patches, order.groups) for walk in walks]
    rows = order.per_image(len(valid))
    across = rows.gather(1, transposed_walk(rows, valid.gather(1, rows), grid))
    walks = [rows, across, rows.flip(1), across.flip(1)]
    return [Order.trusted(_padding_last(walk, valid), order.num_patches) for walk in walks]


def cross_scan(
    x: Float[Tensor, "batch patch dim"],
    walks: Sequence[Order],
    x_proj: Float[Tensor, "walk projected dim"],
    dt_weight: Float[Tensor, "walk dim rank"],
    dt_bias: Float[Tensor, "walk dim"],
    A: Float[Tensor, "walk dim state"],
    D: Float[Tensor, "walk dim"],
    backend: ScanBackend = "auto",
) -> Float[Tensor, "batch patch dim"]:
    """Scan patches along each walk with its own weights, and add up the results at each place.

    Source: Liu et al., VMamba, 2024 (https://arxiv.org/abs/2401.10166), section 4.2 (SS2D); the names of the weights
    are those of the released definition. The result is float32 under any autocast, and float64 for float64.

    Args:
        x: the input, row-major.
        walks: the patch that each walk visits at each step.
        x_proj: computes the step size (before ``dt_weight``), B and C from x.
        dt_weight: computes the step size of every channel.
        dt_bias: added to the step size before its softplus.
        A: rate of change of the state, 0 or less.
        D: factor of the input that is added to the output.
        backend: the implementation of the scans.
    """
    rank, state = dt_weight.shape[2], A.shape[2]
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    total = torch.zeros_like(x)
    for walk, project, spread, bias, rate, skip in zip(walks, x_proj, dt_weight, dt_bias, A, D, strict=True):
        u = walk.apply(x).transpose(1, 2)
        delta, B, C = (project @ u).split([rank, state, state], dim=1)
        y = selective_scan(u, spread @ delta, rate, B, C, skip, None, bias, delta_softplus=True, backend=backend)
        total = total + walk.restore(y.transpose(1, 2))
    return total


def _padding_last(walk: Int[Tensor, "batch step"], valid: Bool[Tensor, "batch patch"]) -> Int[Tensor, "batch step"]:
    steps = valid.gather(1, walk).logical_not().to(torch.uint8).argsort(dim=1, stable=True)
    return walk.gather(1, steps)
