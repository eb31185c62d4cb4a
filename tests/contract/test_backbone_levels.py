"""A backbone of two levels fits the contract: each level comes back row-major by its own order."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.interfaces import Encoded, Grid, ImageShape, Level, Order, Proposal
from reorder_kit.testing import check_backbone
from two_levels import TwoLevels

IMAGE = ImageShape(3, 8, 12)
CLIP = ImageShape(1, 8, 12, frames=3)


def built(image: ImageShape = IMAGE) -> TwoLevels:
    torch.manual_seed(0)
    return TwoLevels(TwoLevels.Options(patch_size=2), image).double().eval()


def row_major(encoded: Encoded) -> list[torch.Tensor]:
    """The features of each level, brought back by that level's order."""
    return [level.patches if level.order is None else level.order.restore(level.patches) for level in encoded.levels]


def images_of(image: ImageShape) -> torch.Tensor:
    return torch.randn(5, *image.axes, dtype=torch.float64)


def test_levels_are_those_of_the_facts() -> None:
    backbone = built()
    encoded = backbone.encode(backbone.tokenize(images_of(IMAGE)))
    assert backbone.as_built.levels == (Level(Grid(4, 6), 8), Level(Grid(2, 3), 16, first_block=1))
    assert [level.grid for level in encoded.levels] == [level.grid for level in backbone.as_built.levels]
    assert [level.patches.shape[1:] for level in encoded.levels] == [(24, 8), (6, 16)]
    assert encoded.sequence is encoded.levels[-1]
    assert backbone.summarize(encoded).shape == (5, backbone.dim) == (5, 16)


@pytest.mark.parametrize("image", [IMAGE, CLIP], ids=str)
def test_it_keeps_the_contract(image: ImageShape) -> None:
    check_backbone(TwoLevels, {"patch_size": 2}, [image])


@torch.no_grad()
def test_a_cell_stands_where_its_first_patch_stood() -> None:
    backbone = built()
    sequence = backbone.tokenize(images_of(IMAGE))
    order = Order(torch.randperm(24))
    fine, coarse = backbone.encode(Proposal(order).apply(sequence)).levels
    assert (fine.order, coarse.order) == (order, order.merged(Grid(2, 3)))
    assert not torch.allclose(coarse.patches, row_major(backbone.encode(sequence))[1])


@torch.no_grad()
def test_an_order_before_the_merge_is_carried_through_it() -> None:
    backbone = built()
    sequence = backbone.tokenize(images_of(IMAGE))
    expected = row_major(backbone.encode(sequence))
    first, second = Order(torch.randperm(24)), Order(torch.stack([torch.randperm(24) for _ in range(5)]))
    begun = backbone.encode(Proposal(first).apply(sequence), stop=1)
    encoded = backbone.encode(Proposal(second).apply(begun.sequence), start=1)
    for found, wanted in zip(row_major(encoded), expected, strict=True):
        torch.testing.assert_close(found, wanted)


@torch.no_grad()
def test_frames_are_merged_one_by_one() -> None:
    backbone = built(CLIP)
    sequence = backbone.tokenize(images_of(CLIP))
    expected = row_major(backbone.encode(sequence))
    assert backbone.as_built.levels[1].grid == Grid(2, 3, frames=3)
    encoded = backbone.encode(Proposal(Order(torch.randperm(72))).apply(sequence))
    for found, wanted in zip(row_major(encoded), expected, strict=True):
        torch.testing.assert_close(found, wanted)
