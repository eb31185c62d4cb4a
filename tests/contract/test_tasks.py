"""Every task keeps the contract; additional guarantees of the package's own, which read once."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.interfaces import BOXES, SupervisedTask
from reorder_kit.testing import TASK_RULES, host_with, task_case

TASKS = host_with().tasks
PAIRS = [(name, kind) for name in TASKS for kind in TASKS.get(name).target_kinds]
every_task = pytest.mark.parametrize(("name", "kind"), PAIRS, ids=lambda value: str(value))


@pytest.fixture
def case(name, kind):
    return task_case(TASKS.get(name), target_kind=kind)


@pytest.mark.parametrize("rule", TASK_RULES, ids=str)
@every_task
def test_a_task_keeps_the_rule(case, rule):
    rule(case)


@every_task
def test_it_reads_once_in_the_order_of_the_policy(case):
    (each,) = case.step(case.model(), case.batch()).passes
    assert [proposal.order.indices.tolist() for proposal in each.proposals] == [
        [5, 12, 3, 0, 15, 7, 9, 1, 14, 2, 11, 4, 8, 13, 6, 10]
    ]


@every_task
def test_the_default_reward_is_minus_the_loss(case):
    assert isinstance(case.task, SupervisedTask)
    if type(case.task).reward_per_image is SupervisedTask.reward_per_image:
        result = case.step(case.model(), case.batch())
        assert torch.equal(result.reward, -result.loss)


@every_task
def test_classification_scores_images(name, case):
    batch = case.batch(training=False)
    scores = case.task.score_per_image(case.predictions(case.model(), batch), batch)
    assert scores is not None or name != "classification"


@every_task
def test_every_image_has_something_to_look_at(case):
    batch = case.batch(training=False)
    answers = case.task.annotate_predictions(case.predictions(case.model(), batch), case.context)
    truths = case.task.annotate_targets(batch, case.context)
    assert len(answers) == len(truths) == len(batch)
    for each in (*answers, *truths):
        assert each.text or len(each.boxes) or each.mask is not None or BOXES in case.task.target_kinds


@every_task
def test_only_tasks_whose_targets_lie_in_the_image_are_dense(case):
    assert case.task.is_dense == case.kind.lies_in_image
