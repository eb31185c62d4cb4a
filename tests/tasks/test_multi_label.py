"""Multi-label classification: losses, rewards, metrics, pictures."""

from __future__ import annotations

import math
from typing import Any

import pydantic
import pytest
import torch
from torch import Tensor

from contexts import context_of, targets_alone
from reorder_kit.errors import ReorderKitError
from reorder_kit.tasks.multi_label import MultiLabel

CLASSES = ["ant", "bee", "cat"]


def task(**options: Any) -> MultiLabel:
    return MultiLabel(MultiLabel.Options(**options))


def logit(*probabilities: float) -> Tensor:
    return torch.tensor([probabilities]).logit()


# Probabilities for one image that has only the first class.
OUTPUTS, LABELS = logit(0.8, 0.4, 0.02), torch.tensor([[1.0, 0.0, 0.0]])


def test_cross_entropy_is_the_mean_over_the_classes() -> None:
    loss = task().loss_per_image(OUTPUTS, LABELS)
    assert loss.tolist() == pytest.approx([-(math.log(0.8) + math.log(0.6) + math.log(0.98)) / 3])


def test_asymmetric_loss_by_hand() -> None:
    # Shifted by the clip of 0.05, 0.4 is 0.35, and 0.02 falls to nothing.
    loss = task(loss="asymmetric", gamma_positive=1, gamma_negative=2).loss_per_image(OUTPUTS, LABELS)
    assert loss.tolist() == pytest.approx([-(0.2 * math.log(0.8) + 0.35**2 * math.log(0.65)) / 3])


def test_the_defaults_are_those_of_the_paper() -> None:
    loss = task(loss="asymmetric").loss_per_image(OUTPUTS, LABELS)
    assert loss.tolist() == pytest.approx([-(math.log(0.8) + 0.35**4 * math.log(0.65)) / 3])


def test_without_focus_and_clip_it_is_cross_entropy() -> None:
    plain = task(loss="asymmetric", gamma_positive=0, gamma_negative=0, clip=0)
    torch.testing.assert_close(plain.loss_per_image(OUTPUTS, LABELS), task().loss_per_image(OUTPUTS, LABELS))


@pytest.mark.parametrize("loss", ["bce", "asymmetric"])
@pytest.mark.parametrize("weights", [3.0, (3.0, 5.0, 7.0)])
def test_positive_weights_multiply_the_loss_of_present_classes(loss: str, weights: float | tuple[float, ...]) -> None:
    weighted = task(loss=loss, positive_weights=weights).loss_per_image(OUTPUTS, LABELS)
    added = weighted - task(loss=loss).loss_per_image(OUTPUTS, LABELS)
    assert added.tolist() == pytest.approx([-2 * math.log(0.8) / 3])


def test_each_class_has_its_own_weight() -> None:
    present = torch.ones(1, 3)
    loss = task(positive_weights=(1.0, 2.0, 4.0)).loss_per_image(OUTPUTS, present)
    assert loss.tolist() == pytest.approx([-(math.log(0.8) + 2 * math.log(0.4) + 4 * math.log(0.02)) / 3])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "asymmetric"},
        {"loss": "asymmetric", "gamma_positive": 0.5, "gamma_negative": 0.5},
        {"loss": "asymmetric", "clip": 0, "gamma_negative": 0.5},
    ],
)
def test_loss_and_gradient_of_extreme_outputs_are_finite(options: dict[str, Any]) -> None:
    outputs = torch.tensor([[200.0, -200.0, 0.0], [30.0, -30.0, 0.0]], requires_grad=True)
    for labels in (torch.zeros(2, 3), torch.ones(2, 3)):
        loss = task(**options).loss_per_image(outputs, labels)
        (gradient,) = torch.autograd.grad(loss.sum(), outputs)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()


def test_a_present_class_that_is_surely_missed_still_has_a_gradient() -> None:
    outputs = torch.full((1, 3), -40.0, requires_grad=True)
    task(loss="asymmetric").loss_per_image(outputs, torch.ones(1, 3)).sum().backward()
    assert outputs.grad is not None
    torch.testing.assert_close(outputs.grad, torch.full((1, 3), -1 / 3))


@pytest.mark.parametrize("loss", ["bce", "asymmetric"])
def test_the_loss_is_taken_in_full_precision(loss: str) -> None:
    outputs = torch.tensor([[8.0, 8.0, 8.0]], dtype=torch.bfloat16)
    result = task(loss=loss).loss_per_image(outputs, torch.ones(1, 3))
    assert result.dtype == torch.float32
    assert result.item() == pytest.approx(math.log1p(math.exp(-8)), rel=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"clip": 0.05},
        {"loss": "bce", "gamma_positive": 1},
        {"gamma_negative": 4},
        {"loss": "asymmetric", "clip": 1},
        {"loss": "asymmetric", "gamma_negative": -1},
        {"loss": "focal"},
        {"positive_weights": 0},
        {"positive_weights": [1, 0]},
        {"positive_weights": []},
        {"reward": "f1"},
    ],
)
def test_options_that_cannot_be_or_do_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(pydantic.ValidationError):
        MultiLabel.Options.model_validate(options)


def test_the_wrong_number_of_weights_is_refused() -> None:
    with pytest.raises(ReorderKitError, match=r"task\.positive_weights has 2 numbers for 3 classes"):
        task(positive_weights=[1, 2]).build_head(context_of(CLASSES))


def test_the_reward_is_minus_the_loss() -> None:
    loss = torch.tensor([0.5, 2.0], requires_grad=True)
    reward = task().reward_per_image(torch.zeros(2, 3), torch.zeros(2, 3), loss)
    assert reward.tolist() == [-0.5, -2.0]
    assert not reward.requires_grad


def test_or_the_average_precision_of_the_labels_of_an_image() -> None:
    outputs = torch.tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 1.0], [3.0, 2.0, 1.0]])
    labels = torch.tensor([[1.0, 0, 0], [0, 0, 1.0], [1.0, 0, 1.0], [1.0, 0, 0], [0, 0, 0]])
    reward = task(reward="average-precision").reward_per_image(outputs.requires_grad_(), labels, torch.zeros(5))
    # First of three; last of three; first, and last with two of the three present; tied with all; no label.
    assert reward.tolist() == pytest.approx([1.0, 1 / 3, (1 + 2 / 3) / 2, 1 / 3, 1.0])
    assert not reward.requires_grad


def test_f1_at_the_best_threshold_is_the_best_there_is() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(40, 3, generator=generator).mul(4).round() / 4 - 1
    labels = (torch.rand(40, 3, generator=generator) < outputs.sigmoid()).float()
    metrics = task().build_metrics(context_of(CLASSES))
    metrics.update(outputs, targets_alone(labels))
    figures = metrics.compute()

    def f1(predicted: Tensor) -> float:
        hits = float((predicted * labels).sum())
        return 2 * hits / float(predicted.sum() + labels.sum())

    candidates = {value.sigmoid().item(): f1((outputs >= value).float()) for value in outputs.unique()}
    assert figures["max_f1"] == pytest.approx(max(candidates.values()), abs=1e-6)
    best = [threshold for threshold, value in candidates.items() if value == pytest.approx(figures["max_f1"], abs=1e-6)]
    assert figures["threshold"] in [pytest.approx(threshold, abs=1e-6) for threshold in best]
    assert figures["f1"] == pytest.approx(f1((outputs > 0).float()), abs=1e-6)
    assert figures["max_f1"] > figures["f1"] + 0.01


def test_classes_that_no_image_has_have_no_figure() -> None:
    metrics = task().build_metrics(context_of(CLASSES))
    metrics.update(
        torch.tensor([[2.0, -1.0, 3.0], [1.0, -2.0, 3.0]]),
        targets_alone(torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])),
    )
    figures = metrics.compute()
    # The image with the ant comes second among the ants, the one with the bee first among the bees.
    assert figures["per_class"] == {"ant": 0.5, "bee": 1.0, CLASSES[2]: None}
    assert figures["images_per_class"] == {"ant": 1, "bee": 1, CLASSES[2]: 0}
    assert (figures["mAP"], figures["mean_over_classes"]) == (0.75, 2)


def test_a_single_class_has_a_precision() -> None:
    metrics = task().build_metrics(context_of(["ant"]))
    metrics.update(torch.tensor([[2.0], [1.0], [0.5]]), targets_alone(torch.tensor([[1.0], [0.0], [1.0]])))
    assert metrics.compute()["mAP"] == pytest.approx((1 + 2 / 3) / 2)


def test_figures_can_be_read_between_batches() -> None:
    metrics = task().build_metrics(context_of(CLASSES))
    metrics.update(torch.tensor([[1.0, 0.0, -1.0]]), targets_alone(torch.tensor([[1.0, 0.0, 0.0]])))
    assert metrics.compute()["per_class"]["ant"] == 1.0
    metrics.update(torch.tensor([[2.0, 0.0, -1.0]]), targets_alone(torch.tensor([[0.0, 0.0, 0.0]])))
    assert metrics.compute()["per_class"]["ant"] == 0.5


def test_no_image_and_no_label_are_no_precision_of_zero() -> None:
    metrics = task().build_metrics(context_of(CLASSES))
    with pytest.raises(ReorderKitError, match="no image to evaluate on"):
        metrics.compute()
    metrics.update(torch.zeros(2, 3), targets_alone(torch.zeros(2, 3)))
    with pytest.raises(ReorderKitError, match="none of the 2 images to evaluate on has a label"):
        metrics.compute()


def test_what_is_drawn() -> None:
    outputs = torch.cat([logit(0.9, 0.2, 0.6), logit(0.1, 0.31, 0.2)])
    answers = task().annotate_predictions(outputs, context_of(CLASSES))
    assert [(shown.text, shown.note) for shown in answers] == [("ant, cat", ""), ("(none)", "bee 31%")]
    labels = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    assert [shown.text for shown in task().annotate_targets(targets_alone(labels), context_of(CLASSES))] == [
        "bee, cat",
        "(none)",
    ]
