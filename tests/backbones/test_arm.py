"""The ARM backbone: its scans with every kind of order, its readouts, and initial weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from reorder_kit.backbones.arm import Arm
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, ImageShape, Order, PatchSequence, Proposal
from reorder_kit.layers.four_walk_mixer import FourWalkMixer
from reorder_kit.layers.mamba_mixer import MambaMixer
from reorder_kit.layers.readout import mean_of_halves, mean_slot
from reorder_kit.training.optimization import parameter_groups

DIGITS = ImageShape(1, 8, 8)


def build(image: ImageShape = DIGITS, **options: Any) -> Arm:
    torch.manual_seed(0)
    return Arm(Arm.Options(**{"patch_size": 2, "dim": 8, "depth": 2, "state": 2, **options}), image).double().eval()


def images(image: ImageShape = DIGITS, batch: int = 4) -> Tensor:
    return torch.randn(batch, *image.axes, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def summary(arm: Arm, sequence: PatchSequence) -> Tensor:
    return arm.summarize(arm.encode(sequence))


def read(arm: Arm, photos: Tensor, order: Order) -> Tensor:
    return summary(arm, Proposal(order).apply(arm.tokenize(photos)))


def random_orders(count: int, patches: int = 16) -> Tensor:
    noise = torch.Generator().manual_seed(2)
    return torch.stack([torch.randperm(patches, generator=noise) for _ in range(count)])


@torch.no_grad()
@pytest.mark.parametrize("size", [(8, 8), (6, 10)], ids=str)
def test_orders_for_groups_and_images_are_those_of_each_image(size: tuple[int, int]) -> None:
    image = ImageShape(1, *size)
    arm, photos = build(image), images(image)
    patches = arm.grid.num_patches
    rows, groups = random_orders(4, patches), torch.tensor([1, 0, 1, 1])
    for order, row_of in ((Order(rows), range(4)), (Order(rows[:2], groups=groups), groups.tolist())):
        for slots in (patches, patches - 5):
            found = read(arm, photos, order.first(slots))
            alone = [
                read(arm, photos[i : i + 1], Order(rows[row], patches).first(slots)) for i, row in enumerate(row_of)
            ]
            torch.testing.assert_close(found, torch.cat(alone))


@torch.no_grad()
def test_transposing_the_image_swaps_the_scans_along_and_across() -> None:
    arm, other = build(positions="none"), build(positions="none")
    other.load_state_dict(arm.state_dict())
    for block in other.blocks:
        assert isinstance(block.mixer, FourWalkMixer)
        block.mixer.walks = torch.nn.ModuleList([block.mixer.walks[walk] for walk in (2, 3, 0, 1)])
    kernel = other.embedding.projection.weight
    kernel.copy_(kernel.clone().transpose(2, 3))
    photos, order = images(), random_orders(1)[0]
    torch.testing.assert_close(read(other, photos.transpose(2, 3), Order(order)), read(arm, photos, Order(order)))
    assert not torch.allclose(read(other, photos, Order(order)), read(arm, photos, Order(order)))


@torch.no_grad()
def test_reversing_the_order_swaps_scans_there_and_back() -> None:
    arm, other = build(readout="cls"), build(readout="cls")
    other.load_state_dict(arm.state_dict())
    for block in other.blocks:
        assert isinstance(block.mixer, FourWalkMixer)
        block.mixer.walks = torch.nn.ModuleList([block.mixer.walks[walk] for walk in (1, 0, 3, 2)])
    order = random_orders(1)[0]
    torch.testing.assert_close(read(other, images(), Order(order.flip(0))), read(arm, images(), Order(order)))


@torch.no_grad()
def test_no_order_is_row_major_and_must_be_given_where_patches_were_left_out() -> None:
    arm = build()
    sequence = arm.tokenize(images())
    torch.testing.assert_close(summary(arm, sequence), read(arm, images(), Order.identity(16)))
    with pytest.raises(ReorderKitError, match="was given 9 of 16 patches, and no order"):
        arm.encode(sequence.with_patches(sequence.patches[:, :9]))


@torch.no_grad()
def test_ordering_before_a_later_block_turns_its_scans() -> None:
    arm = build()
    sequence = arm.tokenize(images())
    first = arm.encode(sequence, stop=1)
    order = Order(random_orders(1)[0])
    moved = arm.encode(Proposal(order).apply(first.sequence), start=1, extra_tokens=first.extra_tokens)
    known = Proposal(order).apply(first.sequence)
    assert known.order is not None
    assert known.order.indices.tolist() == order.indices.tolist()
    hidden = arm.encode(known.without_order(), start=1, extra_tokens=first.extra_tokens)
    assert not torch.allclose(arm.summarize(moved), arm.summarize(hidden))


@torch.no_grad()
def test_frames_of_a_clip_are_transposed_one_by_one() -> None:
    clip = ImageShape(1, 4, 4, frames=2)
    arm = build(clip)
    columns = Order([0, 2, 1, 3, 4, 6, 5, 7])
    for block in arm.blocks:  # the third scan alone
        for walk in (0, 1, 3):
            block.mixer.walks[walk].D.zero_()
            block.mixer.walks[walk].x_proj.weight.zero_()
    third = arm.encode(Proposal(columns).apply(arm.tokenize(images(clip))))
    for block in arm.blocks:
        block.mixer.walks[0], block.mixer.walks[2] = block.mixer.walks[2], block.mixer.walks[0]
    first = arm.encode(arm.tokenize(images(clip)))
    assert third.sequence.order is not None
    torch.testing.assert_close(third.sequence.order.restore(third.sequence.patches), first.sequence.patches)


def test_the_readout_is_the_mean_of_the_means_of_both_halves() -> None:
    patches = torch.tensor([1.0, 3.0, 10.0, 20.0, 60.0]).reshape(1, 5, 1)
    sequence = PatchSequence(patches, Grid(1, 5))
    assert mean_of_halves(sequence).tolist() == [[(2 + 30) / 2]]
    valid = torch.tensor([[False, True, True, False, True]])
    assert mean_of_halves(PatchSequence(patches, Grid(1, 5), valid=valid)).tolist() == [[(3 + 35) / 2]]
    for mask, expected in (([0, 0, 1, 0, 0], 10.0), ([0] * 5, 0.0)):
        alone = PatchSequence(patches, Grid(1, 5), valid=torch.tensor([mask], dtype=torch.bool))
        assert mean_of_halves(alone).tolist() == [[expected]]
    even = PatchSequence(torch.randn(2, 6, 3), Grid(2, 3))
    torch.testing.assert_close(mean_of_halves(even), mean_slot(even))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_readout_is_in_full_precision_under_autocast(dtype: torch.dtype) -> None:
    sequence = PatchSequence(1e5 + torch.randn(2, 6, 3), Grid(2, 3))
    expected = mean_of_halves(sequence)
    with torch.autocast("cpu", dtype=dtype):
        found = mean_of_halves(sequence)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


@torch.no_grad()
def test_four_equal_scans_along_a_single_row_are_a_mixer_in_two_directions() -> None:
    torch.manual_seed(0)
    four, two = FourWalkMixer(8, 2, 4, 1, "auto"), MambaMixer(8, 2, 4, 1, bidirectional=True)
    own = {f"walks.{walk}.{name}": value for walk in (0, 2) for name, value in two.state_dict().items()}
    own |= {f"walks.{walk}.{name}": value for walk in (1, 3) for name, value in two.reverse.state_dict().items()}  # type: ignore[union-attr]
    own |= {name: value for name, value in two.state_dict().items() if name in ("in_proj.weight", "out_proj.weight")}
    four.load_state_dict({name: own[name] for name in four.state_dict()})
    tokens = torch.randn(2, 7, 8)
    torch.testing.assert_close(four(tokens, Order.identity(7)), two(tokens))


@torch.no_grad()
def test_the_residual_starts_no_larger_in_deep_models_and_vectors_do_not_decay() -> None:
    deep, shallow = (build(depth=depth).blocks[0].mixer.out_proj.weight.std() for depth in (16, 1))  # type: ignore[union-attr]
    assert float(deep / shallow) == pytest.approx(1 / 4, rel=1e-5)
    arm = build()
    assert not any(block.mlp.out.bias.any() for block in arm.blocks)
    decayed, _ = ({id(value) for value in group["params"]} for group in parameter_groups(arm, 0.1))  # type: ignore[attr-defined]
    named = {name for name, value in arm.named_parameters() if id(value) in decayed}
    assert {name.rpartition(".")[2] for name in named} == {"weight"}
    assert not any("norm" in name for name in named)
    assert sum(".walks." in name for name in named) == 2 * 4 * 3


@pytest.mark.parametrize("readout", ["mean", "cls"])
def test_a_single_patch_is_read(readout: str) -> None:
    arm = build(patch_size=None, grid=(1, 1), readout=readout)
    assert not arm.order_sensitive
    assert summary(arm, arm.tokenize(images())).isfinite().all()


@torch.no_grad()
def test_autocast_is_near_to_full_precision_on_a_float32_residual() -> None:
    arm = build(dim=32).float()
    sequence = arm.tokenize(images().float())
    expected = summary(arm, sequence)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        encoded = arm.encode(sequence)
    assert encoded.sequence.patches.dtype == torch.float32
    assert (arm.summarize(encoded) - expected).norm() < 0.03 * expected.norm()


def test_options_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4, not 6"):
        build(dim=6, positions="sincos")
    with pytest.raises(ValueError, match="even dim, not 7"):
        build(dim=7, slot_positions="sincos")


@torch.no_grad()
def test_positions_of_slots_stay_with_the_slot_and_are_given_once() -> None:
    arm, plain = build(slot_positions="sincos"), build()
    plain.load_state_dict(arm.state_dict())
    order, photos = Order(random_orders(1)[0]), images()
    sequence = Proposal(order).apply(arm.tokenize(photos))
    table = arm.slot_embedding.table
    assert table is not None
    expected = plain.encode(sequence.with_patches(sequence.patches + table[:16]))
    found = arm.encode(sequence, stop=1)
    found = arm.encode(found.sequence, start=1, extra_tokens=found.extra_tokens)
    torch.testing.assert_close(found.sequence.patches, expected.sequence.patches)
