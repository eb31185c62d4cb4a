"""A block of VMamba: a cross scan in image space, and an MLP."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from timm.layers import DropPath, Mlp
from torch import Tensor, nn
from torch.nn import functional as F

from reorder_kit.interfaces import Order, PatchSequence
from reorder_kit.layers.levels import merged_places, without_padding
from reorder_kit.layers.mamba_mixer import SelectiveWalk
from reorder_kit.ops.cross_scan import cross_scan
from reorder_kit.ops.scan_backend import ScanBackend
from reorder_kit.orders.grid import Grid

WALKS = 4


class CrossScan(nn.Module):
    """SS2D: a depthwise convolution over the image and selective scans along four walks, summed and normalized.

    Source: Liu et al., VMamba, 2024 (https://arxiv.org/abs/2401.10166), section 4.2; names and shapes of the weights
    are those of the released definition without a gate (``v05_noz``).

    Args:
        dim: width of the patches.
        state: size of the state of a channel.
        conv_width: rows and columns that the convolution sees, odd.
        expand: channels of the scan, times ``dim``.
        backend: what computes the scan.
    """

    def __init__(self, dim: int, state: int, conv_width: int, expand: int, backend: ScanBackend) -> None:
        super().__init__()
        inner, rank = expand * dim, math.ceil(dim / 16)
        self.backend = backend
        self.in_proj = nn.Linear(dim, inner, bias=False)
        self.conv2d = nn.Conv2d(inner, inner, conv_width, groups=inner, padding=conv_width // 2, bias=False)
        # The weights of each walk start separately, as in Mamba.
        walks = [SelectiveWalk(inner, rank, state, 1, backend) for _ in range(WALKS)]
        self.x_proj_weight = _stacked([walk.x_proj.weight for walk in walks])
        self.dt_projs_weight = _stacked([walk.dt_proj.weight for walk in walks])
        self.dt_projs_bias = _stacked([walk.dt_proj.bias for walk in walks])
        self.A_logs = _stacked([walk.A_log for walk in walks])
        self.Ds = _stacked([walk.D for walk in walks])
        self.out_norm = nn.LayerNorm(inner)
        self.out_proj = nn.Linear(inner, dim, bias=False)

    def forward(self, places: PatchSequence, walks: Sequence[Order]) -> Float[Tensor, "batch patch dim"]:
        """Mix row-major patches along the walks; padding is never read."""
        projected = places.with_patches(self.in_proj(places.patches))
        x = F.silu(over_frames(self.conv2d, without_padding(projected), places.grid))
        scanned = cross_scan(
            x,
            walks,
            self.x_proj_weight,
            self.dt_projs_weight,
            self.dt_projs_bias,
            -self.A_logs.exp(),
            self.Ds,
            self.backend,
        )
        mixed: Tensor = self.out_proj(self.out_norm(scanned))
        return mixed


class CrossScanBlock(nn.Module):
    """A cross scan and an MLP, pre-norm, each with a residual connection.

    Args:
        scan: the module that mixes the patches.
        dim: width of the patches.
        mlp_ratio: width of the hidden layer of the MLP, times ``dim``.
        drop_path: stochastic depth, probability.
    """

    def __init__(self, scan: CrossScan, dim: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.op = scan
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)

    def forward(self, places: PatchSequence, walks: Sequence[Order]) -> Float[Tensor, "batch patch dim"]:
        """Apply the block to row-major patches."""
        mixed = self.op(places.with_patches(self.norm(places.patches)), walks)
        patches = places.patches + self.drop_path(mixed)
        result: Tensor = patches + self.drop_path(self.mlp(self.norm2(patches)))
        return result


class ConvMerging(nn.Module):
    """One embedding for each square of 2x2 patches and the row and column before it: a 3x3 convolution, normalized.

    Args:
        dim: width of a patch.
        out_dim: width of a cell.
    """

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, out_dim, kernel_size=3, stride=2, padding=1)
        self.norm = nn.LayerNorm(out_dim)

    def forward(self, places: PatchSequence, grid: Grid) -> PatchSequence:
        """Merge row-major patches into the row-major cells of ``grid``."""
        cells = self.norm(over_frames(self.conv, without_padding(places), places.grid))
        return merged_places(places, cells, grid)


def over_frames(
    convolution: nn.Conv2d, patches: Float[Tensor, "batch patch dim"], grid: Grid
) -> Float[Tensor, "batch cell out_dim"]:
    """Apply a convolution to the row-major patches of every frame."""
    batch, _, dim = patches.shape
    maps = patches.reshape(batch * grid.frames, grid.height, grid.width, dim).permute(0, 3, 1, 2)
    cells: Tensor = convolution(maps).flatten(2).transpose(1, 2)
    return cells.reshape(batch, -1, cells.shape[2])


def _stacked(weights: Sequence[Tensor]) -> nn.Parameter:
    return nn.Parameter(torch.stack([weight.detach() for weight in weights]))
