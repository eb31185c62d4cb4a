"""Classification: loss, mixing, metrics."""

from __future__ import annotations

import math

import pydantic
import pytest
import torch
from sklearn.metrics import accuracy_score, recall_score, top_k_accuracy_score
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch
from reorder_kit.tasks.classification import Classification

CLASSES = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"]


def task(**options: float) -> Classification:
    return Classification(Classification.Options(**options))


def constant_images(count: int, size: int = 8) -> Tensor:
    """Image n is n everywhere, so that every pixel tells where it came from."""
    return torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, size, size).clone()


def test_the_loss_is_minus_the_log_of_the_share_of_the_right_class() -> None:
    outputs = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]]).log()
    loss = task().loss_per_image(outputs, torch.tensor([1, 2]))
    assert loss.tolist() == pytest.approx([-math.log(0.7), -math.log(0.25)])


def test_label_smoothing_spreads_a_share_over_all_classes() -> None:
    outputs = torch.tensor([[0.1, 0.7, 0.2]]).log()
    loss = task(label_smoothing=0.3).loss_per_image(outputs, torch.tensor([1]))
    expected = -(0.1 * math.log(0.1) + 0.8 * math.log(0.7) + 0.1 * math.log(0.2))
    assert loss.item() == pytest.approx(expected)


def test_targets_can_be_shares_of_the_classes() -> None:
    outputs = torch.tensor([[0.1, 0.7, 0.2]]).log()
    loss = task().loss_per_image(outputs, torch.tensor([[0.4, 0.6, 0.0]]))
    assert loss.item() == pytest.approx(-(0.4 * math.log(0.1) + 0.6 * math.log(0.7)))


def test_the_loss_is_taken_in_full_precision() -> None:
    outputs = torch.tensor([[0.0, 8.0]], dtype=torch.bfloat16)
    loss = task().loss_per_image(outputs, torch.tensor([1]))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(math.log1p(math.exp(-8)), rel=1e-4)
    assert task().loss_per_image(outputs, torch.tensor([[0.0, 1.0]])).item() == pytest.approx(loss.item())


def test_without_mixing_a_batch_stays_what_it_is() -> None:
    batch = Batch(constant_images(4), torch.arange(4))
    assert task().augment(batch, CLASSES) is batch


def test_mixup_blends_images_and_targets_with_the_same_share() -> None:
    torch.manual_seed(0)
    mixed = task(mixup=1.0).augment(Batch(constant_images(4), torch.arange(4)), CLASSES)
    assert mixed.targets.shape == (4, 7)
    torch.testing.assert_close(mixed.targets.sum(dim=1), torch.ones(4))
    assert 0 < mixed.targets.max() < 1
    # The value of an image is the number of its class, so its mean value has to be that of its target.
    torch.testing.assert_close(mixed.images.mean(dim=(1, 2, 3)), mixed.targets @ torch.arange(7.0))
    assert all(image.unique().numel() == 1 for image in mixed.images)


def test_cutmix_pastes_a_rectangle_and_shares_the_target_by_its_area() -> None:
    torch.manual_seed(2)
    mixed = task(cutmix=1.0).augment(Batch(constant_images(4, size=16), torch.arange(4)), CLASSES)
    assert torch.equal(mixed.images, mixed.images.round())
    assert any(image.unique().numel() == 2 for image in mixed.images)
    torch.testing.assert_close(mixed.images.mean(dim=(1, 2, 3)), mixed.targets @ torch.arange(7.0))


def test_with_both_each_batch_gets_one_of_them_by_even_chance() -> None:
    torch.manual_seed(0)
    both = task(mixup=1.0, cutmix=1.0)
    blended = 0
    for _ in range(200):
        mixed = both.augment(Batch(constant_images(2), torch.arange(2)), CLASSES)
        blended += not torch.equal(mixed.images, mixed.images.round())
    # 200 draws at 0.5: mean 100, standard deviation 7
    assert 70 < blended < 130


@pytest.mark.parametrize("options", [{"mixup": 0.8}, {"cutmix": 1.0}, {"mixup": 0.8, "cutmix": 1.0}])
def test_mixing_draws_from_the_global_generator(options: dict[str, float]) -> None:
    def three_batches() -> list[Tensor]:
        torch.manual_seed(5)
        batch = Batch(torch.rand(4, 3, 16, 16), torch.arange(4))
        mixed = [task(**options).augment(batch, CLASSES) for _ in range(3)]
        return [*(batch.images for batch in mixed), *(batch.targets for batch in mixed)]

    first, second = three_batches(), three_batches()
    assert all(map(torch.equal, first, second))
    assert not torch.equal(first[0], first[1])


@pytest.mark.parametrize("options", [{"mixup": 0.8}, {"cutmix": 1.0}])
def test_what_is_mixed_into_an_image_is_no_padding(options: dict[str, float]) -> None:
    content = torch.tensor([[16, 4], [8, 16], [16, 16]])
    images = torch.zeros(3, 1, 16, 16)
    for image, (height, width) in zip(images, content.tolist(), strict=True):
        image[:, :height, :width] = torch.rand(1, height, width) + 0.1
    for seed in range(5):
        torch.manual_seed(seed)
        mixed = task(**options).augment(Batch(images, torch.arange(3), content=content), CLASSES)
        assert mixed.content is not None
        for image, (height, width) in zip(mixed.images, mixed.content.tolist(), strict=True):
            assert not image[:, height:].any()
            assert not image[:, :, width:].any()


def test_mixing_keeps_the_original_batch() -> None:
    batch = Batch(constant_images(4), torch.arange(4))
    task(mixup=1.0, cutmix=1.0).augment(batch, CLASSES)
    assert torch.equal(batch.images, constant_images(4))
    assert torch.equal(batch.targets, torch.arange(4))


@pytest.mark.parametrize("options", [{"label_smoothing": 1.0}, {"label_smoothing": -0.1}, {"mixup": -1}, {"cutmx": 1}])
def test_options_that_cannot_be_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Classification.Options.model_validate(options)


def test_accuracies_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(53, 7, generator=generator)
    targets = torch.randint(0, 7, (53,), generator=generator)
    metrics = task().build_metrics(CLASSES, "cpu")
    for start in range(0, 53, 10):  # the last batch has three images
        metrics.update(outputs[start : start + 10], targets[start : start + 10])
    figures = metrics.compute()

    best = outputs.argmax(dim=1).numpy()
    by_class = recall_score(targets.numpy(), best, average=None)
    assert figures["top1"] == pytest.approx(accuracy_score(targets.numpy(), best))
    assert figures["top5"] == pytest.approx(top_k_accuracy_score(targets.numpy(), outputs.numpy(), k=5))
    assert figures["per_class"] == pytest.approx(dict(zip(CLASSES, by_class, strict=True)))
    assert type(figures["top1"]) is type(figures["top5"]) is type(figures["per_class"]["ant"]) is float


def test_classes_without_images_are_left_out() -> None:
    metrics = task().build_metrics(CLASSES, "cpu")
    metrics.update(torch.eye(7)[[1, 1, 4]], torch.tensor([1, 2, 4]))
    assert metrics.compute()["per_class"] == {"bee": 1.0, "cat": 0.0, "eel": 1.0}


@pytest.mark.parametrize(("classes", "told"), [(5, False), (6, True)])
def test_the_best_five_are_only_told_with_more_classes(classes: int, told: bool) -> None:
    metrics = task().build_metrics(CLASSES[:classes], "cpu")
    # The right class comes last but one of six, so it is among the best five.
    metrics.update(torch.arange(classes, 0, -1.0).unsqueeze(0), torch.tensor([4]))
    figures = metrics.compute()
    assert figures["top1"] == 0.0
    assert figures.get("top5") == (1.0 if told else None)


def test_figures_can_be_read_between_batches() -> None:
    metrics = task().build_metrics(CLASSES, "cpu")
    metrics.update(torch.eye(7)[:1], torch.tensor([0]))
    assert metrics.compute()["top1"] == 1.0
    metrics.update(torch.eye(7)[:1], torch.tensor([1]))
    assert metrics.compute()["top1"] == 0.5


def test_no_image_at_all_is_no_accuracy_of_zero() -> None:
    with pytest.raises(ReorderKitError, match="no image"):
        task().build_metrics(CLASSES, "cpu").compute()
