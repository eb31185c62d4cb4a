"""Classification: loss, mixing, metrics."""

from __future__ import annotations

import math

import pydantic
import pytest
import torch
from sklearn.metrics import accuracy_score, precision_score, recall_score, top_k_accuracy_score
from torch import Tensor

from contexts import context_of, targets_alone
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import CLASS, Batch
from reorder_kit.tasks.classification import Classification

CLASSES = ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"]


def task(**options: float) -> Classification:
    return Classification(Classification.Options(**options))


CONTEXT = context_of(CLASSES, kind=CLASS)


def mixed_by(mixing: Classification, batch: Batch) -> Batch:
    return mixing.prepare(batch, True, CONTEXT)


def constant_images(count: int, size: int = 8) -> Tensor:
    """Image n is n everywhere, so every pixel shows its origin."""
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
    assert mixed_by(task(), batch) is batch
    assert task(mixup=1.0, cutmix=1.0).prepare(batch, False, CONTEXT) is batch


def test_mixup_blends_images_and_targets_with_the_same_share() -> None:
    mixed = mixed_by(task(mixup=1.0), Batch(constant_images(4), torch.arange(4)))
    assert mixed.targets.shape == (4, 7)
    torch.testing.assert_close(mixed.targets.sum(dim=1), torch.ones(4))
    assert 0 < mixed.targets.max() < 1
    # The value of an image is its class number, so its mean value must be that of its target.
    torch.testing.assert_close(mixed.images.mean(dim=(1, 2, 3)), mixed.targets @ torch.arange(7.0))
    assert all(image.unique().numel() == 1 for image in mixed.images)


def test_cutmix_pastes_a_rectangle_and_shares_the_target_by_its_area() -> None:
    seeds = torch.arange(4) + 2
    mixed = mixed_by(task(cutmix=1.0), Batch(constant_images(4, size=16), torch.arange(4), seeds=seeds))
    assert torch.equal(mixed.images, mixed.images.round())
    assert any(image.unique().numel() == 2 for image in mixed.images)
    torch.testing.assert_close(mixed.images.mean(dim=(1, 2, 3)), mixed.targets @ torch.arange(7.0))


def test_with_both_each_batch_gets_one_of_them_by_even_chance() -> None:
    both = task(mixup=1.0, cutmix=1.0)
    blended = 0
    for seed in range(200):
        seeds = torch.tensor([seed, 1000])
        mixed = mixed_by(both, Batch(constant_images(2), torch.arange(2), seeds=seeds))
        blended += not torch.equal(mixed.images, mixed.images.round())
    # 200 draws at 0.5: mean 100, standard deviation 7
    assert 70 < blended < 130


@pytest.mark.parametrize("options", [{"mixup": 0.8}, {"cutmix": 1.0}, {"mixup": 0.8, "cutmix": 1.0}])
def test_mixing_depends_on_the_seeds_of_a_batch_alone(options: dict[str, float]) -> None:
    images = torch.rand(4, 3, 16, 16)

    def mixed(first_seed: int) -> Batch:
        return mixed_by(task(**options), Batch(images, torch.arange(4), seeds=torch.arange(4) + first_seed))

    before = torch.get_rng_state()
    first, again, other = mixed(5), mixed(5), mixed(6)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.images, other.images)


@pytest.mark.parametrize("options", [{"mixup": 0.8}, {"cutmix": 1.0}])
def test_what_is_mixed_into_an_image_is_no_padding(options: dict[str, float]) -> None:
    content = torch.tensor([[16, 4], [8, 16], [16, 16]])
    images = torch.zeros(3, 1, 16, 16)
    for image, (height, width) in zip(images, content.tolist(), strict=True):
        image[:, :height, :width] = torch.rand(1, height, width) + 0.1
    for seed in range(5):
        seeds = torch.arange(3) + seed
        mixed = mixed_by(task(**options), Batch(images, torch.arange(3), content=content, seeds=seeds))
        assert mixed.content is not None
        for image, (height, width) in zip(mixed.images, mixed.content.tolist(), strict=True):
            assert not image[:, height:].any()
            assert not image[:, :, width:].any()


def test_mixing_keeps_the_original_batch() -> None:
    batch = Batch(constant_images(4), torch.arange(4))
    mixed_by(task(mixup=1.0, cutmix=1.0), batch)
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
    metrics = task().build_metrics(CONTEXT)
    for start in range(0, 53, 10):  # the last batch has three images
        metrics.update(outputs[start : start + 10], targets_alone(targets[start : start + 10]))
    figures = metrics.compute()

    best = outputs.argmax(dim=1).numpy()
    by_class = recall_score(targets.numpy(), best, average=None)
    assert figures["top1"] == pytest.approx(accuracy_score(targets.numpy(), best))
    assert figures["top5"] == pytest.approx(top_k_accuracy_score(targets.numpy(), outputs.numpy(), k=5))
    assert figures["per_class"] == pytest.approx(dict(zip(CLASSES, by_class, strict=True)))
    precision = precision_score(targets.numpy(), best, average=None)
    assert figures["precision_per_class"] == pytest.approx(dict(zip(CLASSES, precision, strict=True)))
    assert type(figures["top1"]) is type(figures["top5"]) is type(figures["per_class"]["ant"]) is float


def test_classes_without_images_have_no_figure() -> None:
    metrics = task().build_metrics(CONTEXT)
    metrics.update(torch.eye(7)[[1, 1, 4]], targets_alone(torch.tensor([1, 2, 4])))
    figures = metrics.compute()
    assert figures["per_class"] == dict.fromkeys(CLASSES) | {"bee": 1.0, "cat": 0.0, "eel": 1.0}
    assert figures["images_per_class"] == dict.fromkeys(CLASSES, 0) | {"bee": 1, "cat": 1, "eel": 1}


@pytest.mark.parametrize(("classes", "told"), [(5, False), (6, True)])
def test_the_best_five_are_only_told_with_more_classes(classes: int, told: bool) -> None:
    metrics = task().build_metrics(context_of(CLASSES[:classes]))
    # The right class is the second to last of six, so it is among the best five.
    metrics.update(torch.arange(classes, 0, -1.0).unsqueeze(0), targets_alone(torch.tensor([4])))
    figures = metrics.compute()
    assert figures["top1"] == 0.0
    assert figures.get("top5") == (1.0 if told else None)


def test_figures_can_be_read_between_batches() -> None:
    metrics = task().build_metrics(CONTEXT)
    metrics.update(torch.eye(7)[:1], targets_alone(torch.tensor([0])))
    assert metrics.compute()["top1"] == 1.0
    metrics.update(torch.eye(7)[:1], targets_alone(torch.tensor([1])))
    assert metrics.compute()["top1"] == 0.5


def test_no_image_at_all_is_no_accuracy_of_zero() -> None:
    with pytest.raises(ReorderKitError, match="no image"):
        task().build_metrics(CONTEXT).compute()
