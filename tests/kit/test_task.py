"""The rules of tasks, each with a task that breaks it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import CLASS, MASK, MULTI_LABEL, Annotation, StepResult, SupervisedTask, TargetKind
from reorder_kit.interfaces import Pass as TaskPass
from reorder_kit.testing import TASK_RULES, BrokenRulesError, check_task, task
from reorder_kit.testing.task import task_case
from wrong import assert_caught, own_rules


class Head(nn.Module):
    def __init__(self, dim, classes):
        super().__init__()
        self.linear = nn.Linear(dim, classes)

    def forward(self, features):
        return self.linear(features.summary())


class Hits:
    def __init__(self):
        self.hits = []

    def update(self, predictions, batch):
        self.hits.append((predictions.argmax(dim=1) == batch.targets).float())

    def compute(self):
        return {"accuracy": float(torch.cat(self.hits).mean())}


class Labels(SupervisedTask):
    """Cross-entropy."""

    name = "labels"
    target_kinds = (CLASS,)
    headline = "accuracy"

    def build_head(self, context):
        return Head(context.facts.dim, len(context.classes))

    def loss_per_image(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets, reduction="none")

    def build_metrics(self, context):
        return Hits()


class Immargin(Labels):
    """No difference is too small to matter."""

    margin = 0.0


class Rewards(Labels):
    """The reward has a gradient."""

    def reward_per_image(self, outputs, targets, loss):
        return -loss


class OneLoss(Labels):
    """The loss is that of the batch."""

    def loss_per_image(self, outputs, targets):
        return super().loss_per_image(outputs, targets).mean()[None]


class Noisy(Labels):
    """The loss is noisy."""

    def loss_per_image(self, outputs, targets):
        return super().loss_per_image(outputs, targets) + torch.rand(len(targets))


class Compares(Labels):
    """Outputs are compared with those of the other images."""

    def loss_per_image(self, outputs, targets):
        return super().loss_per_image(outputs - outputs.mean(dim=0), targets)


class IdleHead(Head):
    def __init__(self, dim, classes):
        super().__init__(dim, classes)
        self.idle = nn.Linear(2, 2)


class Idle(Labels):
    """A part of the head is never used."""

    def build_head(self, context):
        return IdleHead(context.facts.dim, len(context.classes))


class Uphill(Labels):
    """The loss is that of cross-entropy, its gradient the opposite."""

    def loss_per_image(self, outputs, targets):
        loss = super().loss_per_image(outputs, targets)
        return 2 * loss.detach() - loss


class Drops(Labels):
    """It leaves images out."""

    def prepare(self, batch, training, context):
        return batch.take(torch.arange(3))


class Draws(Labels):
    """It draws masks from the global random stream."""

    def prepare(self, batch, training, context):
        return batch.with_prepared(mask=torch.rand(len(batch), 4))


class SumOverBatches(Hits):
    def compute(self):
        return {"accuracy": sum(float(hits.mean().exp()) for hits in self.hits)}


class ByBatch(Labels):
    """Its metric averages metrics of batches."""

    def build_metrics(self, context):
        return SumOverBatches()


class Headless(Labels):
    """Its headline is not among the metrics."""

    headline = "top1"


class ScoresZero(Labels):
    """It declares that images have no scores."""

    def score_per_image(self, predictions, batch):
        return torch.full((len(predictions),), 0.25)


class HidesOne(Labels):
    """It draws all images but one."""

    def annotate_predictions(self, predictions, context):
        return [Annotation("something")] * (len(predictions) - 1)


class Peeks(Labels):
    """Its predictions are the targets."""

    def predict(self, model, batch, result=None):
        return nn.functional.one_hot(batch.targets, 7).float()


class OtherPredictions(Labels):
    """After a step its predictions change."""

    def predict(self, model, batch, result=None):
        outputs = super().predict(model, batch, result)
        return outputs if result is None else outputs + 1


class Unplain(Labels):
    """Its fitted values have keys that JSON turns into strings."""

    def fit(self, training):
        return {"counts": dict.fromkeys(range(3), 0)}


class FitsDice(Labels):
    """Its fitted values are random."""

    def fit(self, training):
        return {"bias": float(torch.rand(1))}


WRONG = [
    (task.says_what_it_learns_from_and_what_counts, Immargin, "margin is 0.0"),
    (task.every_image_has_a_loss_and_a_reward, Rewards, "reward has a gradient"),
    (task.every_image_has_a_loss_and_a_reward, OneLoss, "is (1,), not (6,)"),
    (task.a_step_draws_nothing_and_changes_nothing, Noisy, "random stream"),
    (task.the_loss_of_an_image_does_not_depend_on_the_others, Compares, "in two batches"),
    (task.the_loss_reaches_every_parameter, Idle, "head.idle.weight"),
    (task.a_step_down_the_gradient_lowers_the_loss, Uphill, "SGD changes the loss"),
    (task.preparing_keeps_the_images_in_number_and_shape, Drops, "shape of the prepared images"),
    (task.preparing_draws_from_the_batch_alone, Draws, "random stream"),
    (task.the_figures_have_the_headline_and_do_not_depend_on_batches, ByBatch, "in one batch"),
    (task.the_figures_have_the_headline_and_do_not_depend_on_batches, Headless, "'top1' is not among accuracy"),
    (task.the_headline_is_the_mean_score_of_the_images, ScoresZero, "0.25"),
    (task.every_image_has_an_annotation_or_none_has, HidesOne, "5 annotations for 6 images"),
    (task.predicting_needs_no_targets, Peeks, "Error"),
    (task.predicting_needs_no_targets, OtherPredictions, "differ from those of a step"),
    (task.what_is_fitted_is_plain_data, Unplain, "reading it back from JSON"),
    (task.what_is_fitted_is_plain_data, FitsDice, "another task fits"),
]


@pytest.mark.parametrize(("rule", "wrong", "seen"), WRONG, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_wrong_task_is_caught(rule, wrong, seen):
    assert_caught(rule, task_case(wrong), seen)


def test_every_rule_has_a_wrong_task_and_a_right_one_passes():
    assert {rule for rule, *_ in WRONG} == own_rules(TASK_RULES)
    check_task(Labels)


class Angle(TargetKind):
    """A direction."""

    name = "angle"

    def collate(self, items):
        return torch.tensor(items)


class Direction(Labels):
    """A target kind that is not built in."""

    target_kinds = (Angle(),)
    headline = "distance"

    def build_head(self, context):
        return Head(context.facts.dim, 1)

    def loss_per_image(self, outputs, targets):
        return (outputs[:, 0] - targets).square()

    def build_metrics(self, context):
        return Distance()


class Distance(Hits):
    def update(self, predictions, batch):
        self.hits.append((predictions[:, 0] - batch.targets).abs())

    def compute(self):
        return {"distance": float(torch.cat(self.hits).mean())}


def test_a_task_of_a_kind_of_its_own_is_given_targets():
    check_task(Direction, targets=[0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
    with pytest.raises(ReorderKitError, match="no targets of kind angle"):
        check_task(Direction)
    with pytest.raises(ReorderKitError, match="2 targets"):
        check_task(Direction, targets=[0.0, 1.0])


class ClassesOrLabels(Labels):
    """It reads classes, and fails with several labels per image."""

    target_kinds = (CLASS, MULTI_LABEL)


def test_a_task_is_held_to_each_of_its_kinds_or_to_the_one_that_is_asked_for():
    check_task(ClassesOrLabels, target_kind=CLASS)
    check_task(ClassesOrLabels, targets=[0, 1, 2, 3, 4, 5])
    for target_kind in (None, MULTI_LABEL):
        with pytest.raises(BrokenRulesError):
            check_task(ClassesOrLabels, target_kind=target_kind)
    with pytest.raises(ReorderKitError, match="does not learn from targets of kind mask"):
        check_task(ClassesOrLabels, target_kind=MASK)


class DropoutHead(Head):
    def forward(self, features):
        return self.linear(nn.functional.dropout(features.summary(), 0.5, self.training))


class WithDropout(Labels):
    """Its head draws in training mode."""

    def build_head(self, context):
        return DropoutHead(context.facts.dim, len(context.classes))


def test_a_head_may_have_dropout():
    for _ in range(5):
        check_task(WithDropout)


class Twice(Labels):
    """Each image is read twice; the second reading earns the reward."""

    def step(self, model, batch, progress):
        first, second = model(batch), model(batch)
        loss = super().loss_per_image(first.outputs + second.outputs, batch.targets)
        passes = tuple(TaskPass(each.proposals, -loss.detach()) for each in (first, second))
        return StepResult(loss, first.outputs, passes)


def test_a_task_may_read_a_batch_several_times():
    check_task(Twice)
