"""VMamba: its block as a loop over cells, its size, and walks that follow the order on every level."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from reorder_kit.backbones.vmamba import Vmamba
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, ImageShape, Order, PatchSequence, Proposal
from reorder_kit.layers.cross_scan_block import CrossScan, CrossScanBlock
from reorder_kit.ops.cross_scan import four_walks
from reorder_kit.ops.naive.cross_scan import cross_scan as naive_cross_scan


def build(image: ImageShape, **options: Any) -> Vmamba:
    torch.manual_seed(0)
    backbone = Vmamba(Vmamba.Options(**{"patch_size": 2, "dim": 4, "depths": (1, 1), **options}), image)
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return backbone.double().eval()


def by_hand(block: CrossScanBlock, maps: Tensor, orders: Tensor) -> Tensor:
    """The block, its convolution a sum over neighbors and its scans loops over cells.

    Args:
        maps: (batch, frame, row, column, dim).
        orders: of each image.
    """
    scan, height, width = block.op, maps.shape[2], maps.shape[3]
    normed = F.layer_norm(maps, maps.shape[-1:], block.norm.weight, block.norm.bias)
    projected = F.pad(normed @ scan.in_proj.weight.T, (0, 0, 1, 1, 1, 1))
    kernel = scan.conv2d.weight[:, 0]
    convolved = sum(
        projected[:, :, row : row + height, column : column + width] * kernel[:, row, column]
        for row in range(3)
        for column in range(3)
    )
    x = convolved * convolved.sigmoid()
    scanned = naive_cross_scan(
        x, orders, scan.x_proj_weight, scan.dt_projs_weight, scan.dt_projs_bias, -scan.A_logs.exp(), scan.Ds
    )
    scanned = F.layer_norm(scanned, scanned.shape[-1:], scan.out_norm.weight, scan.out_norm.bias)
    maps = maps + scanned @ scan.out_proj.weight.T
    return maps + block.mlp(F.layer_norm(maps, maps.shape[-1:], block.norm2.weight, block.norm2.bias))


@pytest.mark.parametrize("grid", [Grid(3, 3), Grid(2, 4), Grid(2, 2, frames=2)], ids=str)
def test_a_block_is_that_of_the_definition_in_values_and_gradients(grid: Grid) -> None:
    torch.manual_seed(0)
    block = CrossScanBlock(CrossScan(4, state=2, conv_width=3, expand=2, backend="auto"), 4, 2.0, 0.0).double()
    orders = torch.stack([torch.randperm(grid.num_patches) for _ in range(2)])
    patches = torch.randn(2, grid.num_patches, 4, dtype=torch.float64, requires_grad=True)
    found = block(PatchSequence(patches, grid), four_walks(Order(orders), grid))
    maps = patches.reshape(2, grid.frames, grid.height, grid.width, 4)
    expected = by_hand(block, maps, orders).reshape(found.shape)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    noise, given = torch.randn_like(found), [patches, *block.parameters()]
    gradients = [torch.autograd.grad((result * noise).sum(), given) for result in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


# Parameters of the released models of 224x224 pixels and 1,000 classes, counted from their definition, minus the
# classifier and the difference between the overlapping stem and a linear map of patches.
RELEASED = {"tiny": 30_249_064, "small": 49_012_840, "base": 86_614_504}


@pytest.mark.parametrize("size", list(RELEASED))
def test_a_size_has_the_parameters_of_the_released_model(size: str) -> None:
    with torch.device("meta"):
        backbone = Vmamba(Vmamba.Options(patch_size=4, size=size), ImageShape(3, 224, 224))
    finest, coarsest = backbone.as_built.levels[0].dim, backbone.dim
    half = finest // 2
    their_stem = half * 27 + half + 2 * half + finest * half * 9 + finest + 2 * finest
    our_stem = finest * 48 + finest + 2 * finest
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    assert parameters == RELEASED[size] - 1_000 * (coarsest + 1) - their_stem + our_stem
    assert [str(level.grid) for level in backbone.as_built.levels] == ["56x56", "28x28", "14x14", "7x7"]


@torch.no_grad()
def test_a_transposed_image_in_the_transposed_order_swaps_the_walks() -> None:
    """Nothing else distinguishes rows from columns once kernels are symmetric and scan weights are swapped."""
    backbone, swapped = build(ImageShape(1, 8, 8)), build(ImageShape(1, 8, 8))
    for model, walks in ((backbone, [0, 1, 2, 3]), (swapped, [1, 0, 3, 2])):
        model.embedding.projection.weight.add_(model.embedding.projection.weight.transpose(2, 3).clone())
        for merge in model.merges:
            merge.conv.weight.add_(merge.conv.weight.transpose(2, 3).clone())
        for block in model.blocks:
            block.op.conv2d.weight.add_(block.op.conv2d.weight.transpose(2, 3).clone())
            for name in ("x_proj_weight", "dt_projs_weight", "dt_projs_bias", "A_logs", "Ds"):
                parameter = getattr(block.op, name)
                parameter.copy_(parameter[walks].clone())
    images, order = torch.randn(3, 1, 8, 8, dtype=torch.float64), Order(torch.randperm(16))
    found = backbone.encode(Proposal(order).apply(backbone.tokenize(images)))
    sequence = swapped.tokenize(images.transpose(2, 3))
    other = swapped.encode(Proposal(order).apply(sequence))
    torch.testing.assert_close(backbone.summarize(found), swapped.summarize(other))


@torch.no_grad()
def test_padding_at_the_edge_gives_the_readout_of_the_image_without_it() -> None:
    whole, smaller = build(ImageShape(1, 8, 16)), build(ImageShape(1, 8, 8))
    smaller.load_state_dict(whole.state_dict())
    images = torch.randn(2, 1, 8, 16, dtype=torch.float64)
    valid = (torch.arange(32) % 8 < 4).expand(2, -1)
    encoded = whole.encode(PatchSequence(whole.tokenize(images).patches, whole.grid, valid=valid))
    alone = smaller.encode(smaller.tokenize(images[..., :8].contiguous()))
    torch.testing.assert_close(whole.summarize(encoded), smaller.summarize(alone))


@torch.no_grad()
def test_under_autocast_every_level_keeps_single_precision() -> None:
    backbone = build(ImageShape(1, 8, 8), depths=(1, 2, 1)).float()
    kept: list[torch.dtype] = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda _, inputs, output: kept.extend((inputs[0].patches.dtype, output.dtype)))
    with torch.autocast("cpu", torch.bfloat16):
        sequence = backbone.tokenize(torch.randn(2, 1, 8, 8))
        whole = backbone.encode(sequence)
        assert {level.patches.dtype for level in whole.levels} == {*kept} == {torch.float32}
        for split in range(backbone.depth + 1):
            second = backbone.encode(backbone.encode(sequence, stop=split).sequence, start=split)
            assert torch.equal(second.sequence.patches, whole.sequence.patches)


@torch.no_grad()
def test_where_padding_stands_does_not_change_the_readout() -> None:
    backbone = build(ImageShape(1, 8, 8), depths=(1, 1))
    sequence, valid = backbone.tokenize(torch.randn(1, 1, 8, 8, dtype=torch.float64)), torch.arange(16) % 4 < 3
    seen, unseen = [0, 9, 2, 4, 1, 14, 6, 5, 8, 12, 13, 10], [3, 11, 7, 15]
    readouts = []
    for slots in (seen + unseen, unseen + seen, seen[:5] + unseen + seen[5:]):
        moved = Proposal(Order(slots)).apply(PatchSequence(sequence.patches, sequence.grid, valid=valid[None]))
        readouts.append(backbone.summarize(backbone.encode(moved)))
    torch.testing.assert_close(readouts[1], readouts[0])
    torch.testing.assert_close(readouts[2], readouts[0])


def test_a_convolution_without_a_center_is_refused() -> None:
    with pytest.raises(ValueError, match="conv_width must be odd, so that a convolution has a center, not 4"):
        Vmamba.Options(patch_size=4, conv_width=4)


def test_a_grid_that_cannot_be_halved_often_enough_is_refused() -> None:
    with pytest.raises(ReorderKitError, match="a 14x14 grid cannot have 4 levels") as caught:
        Vmamba.facts(Vmamba.Options(patch_size=16), ImageShape(3, 224, 224))
    assert caught.value.hint == ("choose patches so that the sides of the grid are multiples of 8, or use fewer levels")
