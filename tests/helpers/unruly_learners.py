"""Order-learners that return prescribed orders, and the smallest model that applies them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from reorder_kit.experiment.building import build_model
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Batch, Order, OrderLearner, PatchSequence, Policy, Proposal, TaskContext
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.testing import host_with

PATCHES, IMAGES = 16, 3
RECIPE: dict[str, Any] = {
    "format_version": 1,
    "name": "trial",
    "data": {"name": "digits", "batch_size": 600},
    "backbone": {"name": "local", "patch_size": 2, "window": 2, "dim": 8, "heads": 2},
    "order": {"start": "row", "learner": "unruly"},
    "train": {"epochs": 1, "device": "cpu"},
}

Gives = Callable[[PatchSequence], Any]


class UnrulyPolicy(Policy):
    """Returns prescribed orders."""

    def __init__(self, proposes: Gives | None, best: Gives | None) -> None:
        super().__init__()
        self.proposes, self.best = proposes, best

    def propose(self, sequence: PatchSequence, block: int = 0) -> Any:
        return Proposal(row()) if self.proposes is None else self.proposes(sequence)

    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Any:
        return row() if self.best is None else self.best(sequence)

    def build_optimizer(self) -> None:
        return None


def unruly(
    proposes: Gives | None = None, best: Gives | None = None, policy: type[UnrulyPolicy] = UnrulyPolicy, **declared: Any
) -> type[OrderLearner]:
    """A learner whose policy returns these proposals and best orders, by default the row-major order.

    Args:
        proposes: makes proposals of the sequence that is to be ordered.
        best: makes best orders of it.
        policy: the class of its policy.
        declared: attributes of the policy.
    """

    def build_policy(self: OrderLearner, context: object) -> Policy:
        built = policy(proposes, best)
        for name, value in declared.items():
            setattr(built, name, value)
        return built

    attributes = {"name": "unruly", "uses_reward": False, "__doc__": "As told.", "build_policy": build_policy}
    return type("Unruly", (OrderLearner,), attributes)


def row() -> Order:
    return Order.identity(PATCHES)


def with_learner(learner: type[OrderLearner]) -> tuple[PluginHost, Experiment]:
    """The parts of a run with a learner."""
    host = host_with(learner)
    return host, compose(RECIPE, host, "trial")


def model_with(learner: type[OrderLearner]) -> OrderedModel:
    """A model that reads 8x8 images in 16 patches, moved to the first step."""
    _, experiment = with_learner(learner)
    image = experiment.data_source.image
    assert image is not None
    context = TaskContext(experiment.facts(image), image, experiment.kind, list("0123456789"))
    return build_model(experiment, context, row())


def images() -> Batch:
    return Batch(torch.zeros(IMAGES, 1, 8, 8))
