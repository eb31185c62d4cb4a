"""Metrics, reward and loss of multi-label classification against scikit-learn and timm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, label_ranking_average_precision_score
from timm.loss import AsymmetricLossMultiLabel
from torch import Tensor

from contexts import context_of, targets_alone
from reorder_kit.tasks.multi_label import MultiLabel


def some_outputs(images: int, classes: int, step: float | None, seed: int) -> tuple[Tensor, Tensor]:
    """Logits and labels; with a step, logits are multiples of it, so that many are equal."""
    generator = torch.Generator().manual_seed(seed)
    outputs = 3 * torch.randn(images, classes, generator=generator)
    if step is not None:
        outputs = (outputs / step).round() * step
    labels = (torch.rand(images, classes, generator=generator) < 0.3).float()
    return outputs, labels


@pytest.mark.parametrize("step", [None, 1.0, 4.0])
@pytest.mark.parametrize("images", [1, 57, 1000])
def test_average_precision_is_that_of_scikit_learn(images: int, step: float | None) -> None:
    outputs, labels = some_outputs(images, 9, step, seed=images)
    labels[:, 4] = 0.0  # a class without images
    metrics = MultiLabel().build_metrics(context_of(list("abcdefghi")))
    for part in torch.arange(images).split(20):
        metrics.update(outputs[part], targets_alone(labels[part]))
    figures = metrics.compute()
    expected = {
        name: average_precision_score(labels[:, number].numpy(), outputs[:, number].numpy())
        for number, name in enumerate("abcdefghi")
        if labels[:, number].any()
    }
    assert "e" not in expected
    found = {name: value for name, value in figures["per_class"].items() if value is not None}
    assert found == pytest.approx(expected, abs=1e-6)
    assert figures["mAP"] == pytest.approx(np.mean(list(expected.values())), abs=1e-6)
    assert figures["f1"] == pytest.approx(f1_score(labels.numpy(), outputs.numpy() > 0, average="micro"), abs=1e-6)


@pytest.mark.parametrize("offset", [0.5, 30.0, 100.0, -200.0])
def test_only_the_sequence_of_the_outputs_counts(offset: float) -> None:
    # Logits from 0 to 1, which a library could take for probabilities, and some whose probabilities round to 0 or 1.
    outputs, labels = torch.rand(100, 2, generator=torch.Generator().manual_seed(0)) - 0.5 + offset, torch.zeros(100, 2)
    labels[::3] = 1.0
    metrics = MultiLabel().build_metrics(context_of(["a", "b"]))
    metrics.update(outputs, targets_alone(labels))
    expected = average_precision_score(labels.numpy(), outputs.numpy(), average="macro")
    assert metrics.compute()["mAP"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("step", [None, 1.0, 4.0])
def test_the_reward_is_the_ranking_precision_of_each_image(step: float | None) -> None:
    outputs, labels = some_outputs(200, 9, step, seed=7)
    labels[0], labels[1] = 0.0, 1.0
    task = MultiLabel(MultiLabel.Options(reward="average-precision"))
    reward = task.reward_per_image(outputs, labels, torch.zeros(200))
    expected = [
        label_ranking_average_precision_score(labels[[image]].numpy(), outputs[[image]].numpy()) for image in range(200)
    ]
    assert reward.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"gamma_positive": 1.0, "gamma_negative": 2.5, "clip": 0.2}, {"clip": 0.0, "gamma_negative": 0.0}]
)
def test_the_asymmetric_loss_and_its_gradient_are_those_of_timm(options: dict[str, float]) -> None:
    outputs, labels = some_outputs(20, 9, None, seed=3)
    options = {"gamma_positive": 0.0, "gamma_negative": 4.0, "clip": 0.05, **options}
    reference = AsymmetricLossMultiLabel(options["gamma_negative"], options["gamma_positive"], options["clip"])
    task = MultiLabel(MultiLabel.Options(loss="asymmetric", **options))

    ours, theirs = outputs.clone().requires_grad_(), outputs.clone().requires_grad_()
    loss = task.loss_per_image(ours, labels)
    # timm sums over classes, and returns one number per batch.
    expected = torch.stack([reference(theirs[[image]], labels[[image]]) for image in range(20)]) / 9
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-7)
    loss.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)
