"""Segmentation: heads, loss, metrics, and pictures of masks."""

from __future__ import annotations

import math
from typing import Any

import pydantic
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score
from torch import Tensor, nn
from torchmetrics.functional.segmentation import dice_score

from contexts import context_of, targets_alone
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, Encoded, Features, Order, PatchSequence, Proposal
from reorder_kit.orders.grid import Grid
from reorder_kit.tasks._segmentation_heads import LinearMaskHead, UperNetHead
from reorder_kit.tasks.segmentation import Segmentation

CLASSES = ["sky", "sea", "sand"]


def task(**options: Any) -> Segmentation:
    return Segmentation(Segmentation.Options(**options))


def scores_of(answers: Tensor, classes: int = 3) -> Tensor:
    """Scores whose largest is at the given class of each pixel."""
    return nn.functional.one_hot(answers, classes).movedim(3, 1).float()


def features_of(
    patches: Tensor,
    grid: Grid,
    image_size: tuple[int, int],
    valid: Tensor | None = None,
    order: Order | None = None,
) -> Features:
    """Row-major patches, put into the slots of an order, as a backbone returns them."""
    proposal = Proposal(order or Order.identity(grid.num_patches))
    sequence = proposal.apply(PatchSequence(patches, grid, valid=valid))
    backbone: Any = None  # the heads use only patches
    return Features(Encoded(sequence), (proposal,), (proposal,), backbone, image_size)


def both_heads(dim: int, classes: int = 3, seed: int = 0) -> list[nn.Module]:
    torch.manual_seed(seed)
    return [LinearMaskHead([dim], classes), UperNetHead([dim], classes, width=16)]


# Loss


def test_the_loss_is_the_mean_over_the_pixels_that_count() -> None:
    shares = torch.tensor([[[0.5, 0.25, 0.9, 0.1]], [[0.5, 0.75, 0.1, 0.9]]])
    loss = task().loss_per_image(shares.log().unsqueeze(0), torch.tensor([[[0, 1, IGNORED, 0]]]))
    assert loss.tolist() == pytest.approx([-(math.log(0.5) + math.log(0.75) + math.log(0.1)) / 3])


@pytest.mark.parametrize("dice_weight", [0.0, 1.0])
def test_an_image_of_ignored_pixels_has_no_loss_and_no_gradient(dice_weight: float) -> None:
    scores = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets = torch.full((2, 2, 2), IGNORED)
    targets[1, 0, 0] = 1
    loss = task(dice_weight=dice_weight).loss_per_image(scores, targets)
    assert loss[0].item() == 0
    assert loss[1].item() > 0
    loss.sum().backward()
    assert scores.grad is not None
    assert not scores.grad[0].any()
    assert scores.grad[1, :, 0, 0].all()
    assert scores.grad[1].count_nonzero() == 3


def test_soft_dice_by_hand() -> None:
    # Three pixels that count: the truth is 0, 0, 1; class 2 is not in the image, and has no term.
    shares = torch.tensor([[[0.6, 0.5, 0.2, 0.0]], [[0.2, 0.5, 0.7, 0.0]], [[0.2, 0.0, 0.1, 1.0]]]) + 1e-9
    targets = torch.tensor([[[0, 0, 1, IGNORED]]])
    plain, with_dice = (
        task(dice_weight=weight).loss_per_image(shares.log().unsqueeze(0), targets).item() for weight in (0.0, 0.5)
    )
    first = 2 * (0.6 + 0.5) / (0.6 + 0.5 + 0.2 + 2)
    second = 2 * 0.7 / (0.2 + 0.5 + 0.7 + 1)
    assert with_dice - plain == pytest.approx(0.5 * (1 - (first + second) / 2), abs=1e-6)


def test_masks_of_bytes_have_the_loss_of_those_of_64_bits() -> None:
    scores, targets = torch.randn(2, 3, 4, 5), torch.tensor([0, 2, IGNORED, 1]).repeat(2, 5, 1).movedim(1, 2)
    own = task(dice_weight=1.0).loss_per_image
    assert own(scores, targets.to(torch.uint8)).equal(own(scores, targets))


def test_the_loss_is_taken_in_full_precision() -> None:
    scores = torch.tensor([0.0, 8.0], dtype=torch.bfloat16).view(1, 2, 1, 1)
    loss = task().loss_per_image(scores, torch.ones(1, 1, 1, dtype=torch.int64))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(math.log1p(math.exp(-8)), rel=1e-4)


# Metrics


def brute_force(answers: list[int], truths: list[int], classes: int) -> dict[str, float]:
    """Counted pixel by pixel in plain Python."""
    pairs = [(answer, truth) for answer, truth in zip(answers, truths, strict=True) if truth != IGNORED]
    ious, dices = [], []
    for number in range(classes):
        both = sum(answer == number and truth == number for answer, truth in pairs)
        either = sum(answer == number or truth == number for answer, truth in pairs)
        if either:
            ious.append(both / either)
            dices.append(2 * both / (both + either))
    return {
        "mIoU": sum(ious) / len(ious),
        "dice": sum(dices) / len(dices),
        "pixel_accuracy": sum(answer == truth for answer, truth in pairs) / len(pairs),
    }


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@settings(max_examples=30, deadline=None)
@given(st.sampled_from([2, 3, 5, 40]), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3]))
def test_figures_are_those_of_a_brute_force_count(dtype: torch.dtype, classes: int, seed: int, ignored: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Only some of the classes, so that some do not occur.
    used = int(torch.randint(1, classes + 1, (1,), generator=generator))
    scores = torch.randn(3, classes, 4, 5, generator=generator)
    scores[:, used:] -= 100
    targets = torch.randint(used, (3, 4, 5), generator=generator)
    targets[torch.rand(3, 4, 5, generator=generator) < ignored] = IGNORED
    targets[0, 0, 0] = 0
    metrics = task().build_metrics(context_of([str(number) for number in range(classes)]))
    for part in (slice(0, 1), slice(1, 3)):
        metrics.update(scores[part], targets_alone(targets[part].to(dtype)))
    figures = metrics.compute()
    answers = [
        max(range(classes), key=lambda number: float(scores[image, number, row, column]))
        for image in range(3)
        for row in range(4)
        for column in range(5)
    ]
    expected = brute_force(answers, targets.flatten().tolist(), classes)
    assert {name: figures[name] for name in expected} == pytest.approx(expected)


def test_figures_are_those_of_other_libraries() -> None:
    generator = torch.Generator().manual_seed(0)
    answers, targets = torch.randint(3, (2, 4, 16, 16), generator=generator)
    metrics = task().build_metrics(context_of(CLASSES))
    metrics.update(scores_of(answers), targets_alone(targets))
    figures = metrics.compute()
    flat = targets.flatten().numpy(), answers.flatten().numpy()
    assert figures["mIoU"] == pytest.approx(jaccard_score(*flat, average="macro"))
    assert list(figures["per_class"].values()) == pytest.approx(jaccard_score(*flat, average=None).tolist())
    assert figures["dice"] == pytest.approx(f1_score(*flat, average="macro"))
    # torchmetrics' Dice is by image, so all images are laid side by side.
    one = [nn.functional.one_hot(mask.reshape(1, -1), 3).movedim(2, 1) for mask in (answers, targets)]
    assert figures["dice"] == pytest.approx(dice_score(*one, num_classes=3, average="macro").item())


def test_figures_by_hand() -> None:
    metrics = task().build_metrics(context_of([*CLASSES, "snow"]))
    # Sky: one of two, with one false positive. Sea: one of one. Sand: only false positives. Snow: nowhere.
    answers, targets = torch.tensor([[[0, 2, 1, 0, 3]]]), torch.tensor([[[0, 0, 1, IGNORED, IGNORED]]])
    metrics.update(scores_of(answers, 4), targets_alone(targets))
    assert metrics.compute() == {
        "mIoU": pytest.approx((1 / 2 + 1 + 0) / 3),
        "dice": pytest.approx((2 / 3 + 1 + 0) / 3),
        "pixel_accuracy": pytest.approx(2 / 3),
        "mean_over_classes": 3,
        "per_class": {"sky": 0.5, "sea": 1.0, "sand": 0.0, "snow": None},
        "pixels_per_class": {"sky": 2, "sea": 1, "sand": 0, "snow": 0},
    }


def test_no_pixel_at_all_is_no_figure_of_zero() -> None:
    metrics = task().build_metrics(context_of(CLASSES))
    with pytest.raises(ReorderKitError, match="no pixel"):
        metrics.compute()
    metrics.update(torch.zeros(1, 3, 2, 2), targets_alone(torch.full((1, 2, 2), IGNORED)))
    with pytest.raises(ReorderKitError, match="no pixel"):
        metrics.compute()


# Heads


def test_the_linear_head_interpolates_between_the_centres_of_patches() -> None:
    head = LinearMaskHead([1], 1)
    nn.init.ones_(head.linear.weight)
    nn.init.zeros_(head.linear.bias)
    features = features_of(torch.tensor([[[0.0], [1.0]]]), Grid(1, 2), (2, 4))
    # Patches of two pixels, with centers 1 and 3; those of the pixels are 0.5, 1.5, 2.5, 3.5.
    assert head(features)[0, 0].tolist() == [[0.0, 0.25, 0.75, 1.0]] * 2


@pytest.mark.parametrize("number", [0, 1], ids=["linear", "upernet"])
def test_bright_patches_are_found_in_their_places_whatever_the_order(number: int) -> None:
    grid, generator = Grid(3, 5), torch.Generator().manual_seed(3)
    head = both_heads(2, classes=2)[number]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)

    def draw() -> tuple[Features, Tensor]:
        """Images of 12x20 pixels with random bright patches, in any order."""
        bright = torch.randint(2, (8, 15), generator=generator)
        patches = torch.stack([bright, 1 - bright], dim=2).float()
        mask = bright.view(8, 3, 5).repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
        return features_of(patches, grid, (12, 20), order=Order(torch.randperm(15, generator=generator))), mask

    for _ in range(40):
        features, mask = draw()
        optimizer.zero_grad()
        task().loss_per_image(head(features), mask).mean().backward()
        optimizer.step()
    features, mask = draw()
    # Chance is one half. A linear head confuses some pixels at the edges of patches.
    assert (head(features).argmax(dim=1) == mask).float().mean() > 0.9


@pytest.mark.parametrize("number", [0, 1], ids=["linear", "upernet"])
def test_what_stands_in_padding_reaches_no_pixel(number: int) -> None:
    generator = torch.Generator().manual_seed(0)
    head = both_heads(4)[number].eval()
    patches = torch.randn(2, 12, 4, generator=generator)
    valid = torch.ones(2, 3, 4, dtype=torch.bool)
    valid[0, 2:] = False
    valid[1, :, 3:] = False
    valid = valid.flatten(1)
    other = patches.masked_fill(~valid.unsqueeze(2), float("inf"))
    order = Order(torch.randperm(12, generator=generator))
    found, found_other = (head(features_of(p, Grid(3, 4), (12, 16), valid, order)) for p in (patches, other))
    assert found_other.isfinite().all()
    assert torch.equal(found, found_other)
    found.sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in head.parameters())


def test_the_linear_head_gives_pixels_beside_padding_the_scores_of_their_own_patch() -> None:
    head = LinearMaskHead([1], 1)
    nn.init.ones_(head.linear.weight)
    nn.init.zeros_(head.linear.bias)
    patches, valid = torch.tensor([[[2.0], [7.0], [7.0]]]), torch.tensor([[True, False, False]])
    # One patch of two pixels counts; the next pixel is interpolated only from it, the others from nothing.
    scores = head(features_of(patches, Grid(1, 3), (2, 6), valid))
    assert scores[0, 0, 0].tolist() == pytest.approx([2.0, 2.0, 2.0, 0.0, 0.0, 0.0])


def test_patches_that_a_partial_order_left_out_have_no_opinion() -> None:
    head = LinearMaskHead([1], 2)
    scores = head(features_of(torch.ones(1, 4, 1), Grid(1, 4), (1, 8), order=Order([0, 1], num_patches=4)))
    assert scores[0, :, 0, 6:].tolist() == [[0.0, 0.0]] * 2
    assert scores[0, :, 0, :4].all()


@pytest.mark.parametrize("number", [0, 1], ids=["linear", "upernet"])
def test_an_image_is_judged_alone(number: int) -> None:
    head = both_heads(4)[number].train()
    patches = torch.randn(3, 15, 4, generator=torch.Generator().manual_seed(0))
    together = head(features_of(patches, Grid(3, 5), (12, 20)))
    alone = [head(features_of(patches[[image]], Grid(3, 5), (12, 20))) for image in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(3, 5), Grid(2, 7), Grid(8, 8)], ids=str)
def test_upernet_takes_any_grid_and_every_parameter_learns(grid: Grid) -> None:
    torch.manual_seed(0)
    head = UperNetHead([8], 3, width=16)
    size = (grid.height * 4, grid.width * 4)
    patches = torch.randn(2, grid.num_patches, 8, generator=torch.Generator().manual_seed(1))
    scores = head(features_of(patches, grid, size))
    assert scores.shape == (2, 3, *size)
    (scores * torch.randn(scores.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_upernet_sees_the_neighbours_of_a_patch_and_the_linear_head_does_not() -> None:
    patches = torch.randn(1, 64, 4, generator=torch.Generator().manual_seed(0))
    changed = patches.clone()
    changed[0, 0] += 1  # the upper left corner
    far = (slice(None), slice(None), slice(16, None), slice(16, None))
    for head, sees in zip(both_heads(4), (False, True), strict=True):
        before, after = (head(features_of(p, Grid(8, 8), (32, 32)))[far] for p in (patches, changed))
        assert (not torch.equal(before, after)) == sees


def test_the_recipe_chooses_the_head() -> None:
    assert isinstance(task().build_head(context_of(CLASSES)), LinearMaskHead)
    head = task(head="upernet", width=12).build_head(context_of(CLASSES))
    assert isinstance(head, UperNetHead)
    assert head.classify.weight.shape == (3, 12, 1, 1)


def test_a_width_without_maps_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="width does nothing: only head: upernet uses it"):
        Segmentation.Options(width=32)


# Pictures


def test_masks_are_shown() -> None:
    targets = torch.zeros(2, 10, 20, dtype=torch.int64)
    targets[0, 0] = 2  # 20 of 190 pixels that count
    targets[0, 1, :10] = IGNORED
    targets[1, 0, 0] = 1  # one of 200
    truths = task().annotate_targets(targets_alone(targets), context_of(CLASSES))
    assert torch.equal(truths[0].mask, targets[0])
    scores = scores_of(targets.masked_fill(targets == IGNORED, 1))
    answers = task().annotate_predictions(scores, context_of(CLASSES))
    assert torch.equal(answers[1].mask, targets[1])
