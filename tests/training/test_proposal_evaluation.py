"""What a policy learns from when it tries proposals."""

from __future__ import annotations

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from reorder_kit.experiment.building import build_model
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import CLASS, Batch, ImageShape, Order, Proposal, TaskContext
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.reward_checks import RewardChecks
from reorder_kit.training.proposal_evaluation import ProposalEvaluator

CONTENT = {
    "format_version": 1,
    "name": "evaluated",
    "data": "digits",
    "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1, "dropout": 0.5},
}


class Fixture:
    def __init__(self) -> None:
        host = PluginHost(third_party=False)
        self.experiment = compose(CONTENT, host, "test")
        image = ImageShape(1, 8, 8)
        context = TaskContext(self.experiment.facts(image), image, CLASS, list("abc"))
        self.model = build_model(self.experiment, context, Order.identity(16)).train()
        generator = torch.Generator().manual_seed(0)
        self.batch = Batch(torch.randn(6, 1, 8, 8, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2]), CLASS)

    def evaluator(self, disguise=lambda reward: reward) -> ProposalEvaluator:
        progress = Progress(0, 1, 1)
        return ProposalEvaluator(
            self.model,
            self.experiment.task,
            self.batch,
            progress,
            Accelerator(cpu=True),
            disguise,
            RewardChecks(self.experiment.task, None),
        )


@pytest.fixture
def fixture() -> Fixture:
    return Fixture()


def reversed_order() -> Proposal:
    return Proposal(Order(torch.arange(15, -1, -1)))


def test_rewards_are_those_of_the_model_in_evaluation_with_the_proposal_in_place_of_its_own(fixture: Fixture) -> None:
    rewards = fixture.evaluator()(reversed_order())
    assert fixture.model.training
    fixture.model.eval()
    sequence = fixture.model.backbone.tokenize(fixture.batch.images)
    moved = sequence.with_patches(sequence.patches.flip(1))
    summary = fixture.model.backbone.summarize(fixture.model.backbone.encode(moved))
    logits = next(part for part in fixture.model.head.modules() if isinstance(part, torch.nn.Linear))(summary)
    expected = torch.log_softmax(logits, dim=1)[torch.arange(6), fixture.batch.targets]
    torch.testing.assert_close(rewards, expected)
    assert not rewards.requires_grad


def test_fewer_images_are_the_first_ones(fixture: Fixture) -> None:
    evaluate = fixture.evaluator()
    whole = evaluate(reversed_order())
    torch.testing.assert_close(evaluate(reversed_order(), 2), whole[:2])
    assert torch.equal(evaluate(reversed_order(), 100), whole)
    assert evaluate.images == 6 + 2 + 6


def test_the_policy_sees_the_reward_in_its_disguise(fixture: Fixture) -> None:
    def nothing(reward: Tensor) -> Tensor:
        return torch.zeros_like(reward)

    assert torch.equal(fixture.evaluator(nothing)(reversed_order()), torch.zeros(6))
