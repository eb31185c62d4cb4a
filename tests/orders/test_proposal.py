"""Proposals: patches move with everything that belongs to them, and are restored."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence
from reorder_kit.orders.soft_permutation import SoftPermutation

GRID = Grid(2, 2)
NUMBERS = torch.arange(4.0).repeat(3, 1)[..., None]  # the embedding of a patch is its number
PADDED = torch.tensor([[True, True, True, False], [True, True, True, True], [False, True, False, True]])

STATIC = Order([2, 0, 3, 1])
GROUPED = Order(torch.tensor([[2, 0, 1, 3], [1, 3, 0, 2]]), groups=torch.tensor([0, 1, 1]))
PER_IMAGE = Order(torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0], [1, 2, 3, 0]]))
PARTIAL = Order([2, 0], num_patches=4)
PARTIAL_PER_IMAGE = Order(torch.tensor([[3, 0], [1, 2], [0, 1]]), num_patches=4)
FULL = [STATIC, GROUPED, PER_IMAGE]
SHAPES = [*FULL, PARTIAL, PARTIAL_PER_IMAGE]


def numbers_in(sequence: PatchSequence) -> list[list[float]]:
    return sequence.patches.squeeze(-1).tolist()


def softened(order: Order, hardness: float = 0.7) -> SoftPermutation:
    hard = SoftPermutation.from_order(order).matrix
    return SoftPermutation(hardness * hard + (1 - hardness) / order.num_patches)


def test_patches_validity_and_order_move_together() -> None:
    moved = Proposal(STATIC).apply(PatchSequence(NUMBERS, GRID, valid=PADDED))
    assert numbers_in(moved) == [[2, 0, 3, 1]] * 3
    assert moved.valid.tolist() == [
        [True, True, False, True],
        [True, True, True, True],
        [False, False, True, True],
    ]
    assert moved.order == STATIC
    assert moved.grid == GRID


@pytest.mark.parametrize("order", SHAPES)
def test_the_order_of_the_result_says_which_patch_is_where(order: Order) -> None:
    moved = Proposal(order).apply(PatchSequence(NUMBERS, GRID))
    assert moved.order.per_image(3).tolist() == numbers_in(moved)
    assert moved.valid is None


@pytest.mark.parametrize("valid", [None, PADDED])
@pytest.mark.parametrize("order", FULL)
def test_restore_brings_everything_back(order: Order, valid: torch.Tensor | None) -> None:
    proposal = Proposal(order)
    back = proposal.restore(proposal.apply(PatchSequence(NUMBERS, GRID, valid=valid)))
    assert torch.equal(back.patches, NUMBERS)
    assert back.order is None
    assert back.valid is None if valid is None else torch.equal(back.valid, valid)


def test_a_patch_that_a_partial_order_left_out_is_invalid_afterwards() -> None:
    for order, present in [
        (PARTIAL, [[True, False, True, False]] * 3),
        (PARTIAL_PER_IMAGE, [[True, False, False, True], [False, True, True, False], [True, True, False, False]]),
    ]:
        proposal = Proposal(order)
        back = proposal.restore(proposal.apply(PatchSequence(NUMBERS + 1, GRID)))
        assert back.valid.tolist() == present
        assert torch.equal(back.patches, (NUMBERS + 1) * back.valid[..., None])


def test_padding_that_a_partial_order_kept_stays_invalid() -> None:
    proposal = Proposal(PARTIAL_PER_IMAGE)
    back = proposal.restore(proposal.apply(PatchSequence(NUMBERS, GRID, valid=PADDED)))
    assert back.valid.tolist() == [
        [True, False, False, False],
        [False, True, True, False],
        [False, True, False, False],
    ]


@pytest.mark.parametrize("second", SHAPES)
@pytest.mark.parametrize("first", FULL)
def test_several_reorderings_compose(first: Order, second: Order) -> None:
    sequence = PatchSequence(NUMBERS, GRID, valid=PADDED)
    once = Proposal(first).apply(sequence)
    twice = Proposal(second).apply(once)
    assert twice.order.per_image(3).tolist() == numbers_in(twice)
    assert torch.equal(twice.valid, PADDED.gather(1, twice.patches.squeeze(-1).long()))

    back = Proposal(first).restore(Proposal(second).restore(twice))
    kept = PADDED & first.compose(second).has_slot(3)
    assert torch.equal(back.valid, kept)
    assert torch.equal(back.patches[kept], NUMBERS[kept])


def test_straight_through_moves_as_the_hard_order_and_lets_gradients_pass() -> None:
    logits = torch.zeros(4, 4, requires_grad=True)
    proposal = Proposal.straight_through(STATIC, SoftPermutation(logits.softmax(dim=-1)))
    assert proposal.is_exact
    moved = proposal.apply(PatchSequence(NUMBERS, GRID, valid=PADDED))
    assert numbers_in(moved) == [[2, 0, 3, 1]] * 3
    assert moved.order == STATIC
    back = proposal.restore(moved)
    assert torch.equal(back.patches, NUMBERS)
    assert torch.equal(back.valid, PADDED)
    moved.patches[:, 0].sum().backward()
    # three images; softmax of equal scores: share x (number - mean number)
    assert torch.allclose(logits.grad[0], 3 * 0.25 * (torch.arange(4.0) - 1.5))
    assert not logits.grad[1:].any()


def test_a_mixture_puts_several_patches_into_a_slot() -> None:
    soft = softened(STATIC)
    proposal = Proposal.mixture(STATIC, soft)
    assert not proposal.is_exact
    moved = proposal.apply(PatchSequence(NUMBERS, GRID, valid=PADDED))
    # 0.7 of the patch itself and 0.3 of the mean of all, 1.5
    assert torch.allclose(moved.patches[0, :, 0], torch.tensor([1.85, 0.45, 2.55, 1.15]))
    assert moved.order == STATIC
    assert torch.equal(moved.valid, STATIC.apply(PADDED))
    back = proposal.restore(moved)
    # and back in the same way: 0.49 of the patch itself, 0.51 of the mean
    assert torch.allclose(back.patches, 0.49 * NUMBERS + 0.51 * 1.5)
    assert torch.equal(back.valid, PADDED)


def test_validity_stays_a_mask_under_a_mixture() -> None:
    moved = Proposal.mixture(PER_IMAGE, softened(PER_IMAGE)).apply(PatchSequence(NUMBERS, GRID, valid=PADDED))
    assert moved.valid.dtype == torch.bool
    assert torch.equal(moved.valid, PER_IMAGE.apply(PADDED))


def test_hiding_the_order_leaves_the_rest() -> None:
    moved = Proposal(STATIC).apply(PatchSequence(NUMBERS, GRID, valid=PADDED))
    hidden = moved.without_order()
    assert hidden.order is None
    assert torch.equal(hidden.patches, moved.patches)
    assert torch.equal(hidden.valid, moved.valid)


def test_other_embeddings_stand_in_the_same_places() -> None:
    moved = Proposal(STATIC).apply(PatchSequence(NUMBERS, GRID, valid=PADDED))
    wider = moved.with_patches(moved.patches.expand(-1, -1, 5))
    assert (wider.batch, wider.num_slots, wider.order) == (3, 4, STATIC)
    assert wider.patches.shape == (3, 4, 5)
    assert torch.equal(wider.valid, moved.valid)


@pytest.mark.parametrize("order", SHAPES)
def test_pixels_move_with_their_patch_and_come_back(order: Order) -> None:
    pixels = torch.cat([NUMBERS + 1, 10 * NUMBERS], dim=2)
    for proposal in (Proposal(order), *([Proposal.mixture(order, softened(order))] if order.is_full else [])):
        sequence = PatchSequence(NUMBERS, GRID, valid=PADDED, pixels=pixels)
        moved = proposal.apply(sequence)
        assert moved.pixels is not None
        assert torch.equal(moved.pixels, order.apply(pixels))  # whole patches, even if embeddings are mixed
        back = proposal.restore(moved)
        assert back.pixels is not None
        assert torch.equal(back.pixels, pixels * order.has_slot(3)[..., None])


def test_without_pixels_there_are_none() -> None:
    moved = Proposal(STATIC).apply(PatchSequence(NUMBERS, GRID))
    assert moved.pixels is None
    assert Proposal(STATIC).restore(moved).pixels is None


@pytest.mark.parametrize(
    ("order", "log_prob", "expected"),
    [
        (STATIC, [-2.0], [-2.0, -2.0, -2.0]),
        (GROUPED, [-1.0, -3.0], [-1.0, -3.0, -3.0]),
        (PER_IMAGE, [-1.0, -2.0, -4.0], [-1.0, -2.0, -4.0]),
    ],
)
def test_every_image_has_the_log_probability_of_its_order(
    order: Order, log_prob: list[float], expected: list[float]
) -> None:
    rows = torch.tensor(log_prob, requires_grad=True)
    found = Proposal(order, log_prob=rows).log_prob_per_image(3)
    assert found.tolist() == expected
    found.sum().backward()
    assert rows.grad is not None
    assert rows.grad.sum() == 3


@pytest.mark.parametrize("order", [GROUPED, PER_IMAGE])
def test_log_probabilities_of_another_number_of_images_are_refused(order: Order) -> None:
    with pytest.raises(ReorderKitError, match="proposed for 3 images cannot be used for 1"):
        Proposal(order, log_prob=torch.zeros(len(order.indices))).log_prob_per_image(1)


def test_an_order_that_was_not_drawn_has_no_log_probability() -> None:
    with pytest.raises(ReorderKitError, match="no log-probability"):
        Proposal(STATIC).log_prob_per_image(3)


def test_a_proposal_says_before_which_block_it_is_applied() -> None:
    soft = softened(STATIC)
    assert [make(STATIC, soft, 2).block for make in (Proposal.straight_through, Proposal.mixture)] == [2, 2]
    assert Proposal(STATIC).block == 0
