"""Checks that an untrained policy's order is the recipe's start."""

from __future__ import annotations

import torch

from reorder_kit.errors import ComponentError
from reorder_kit.experiment.experiment import MOST_TRIED_PATCHES, Experiment
from reorder_kit.host.plugin_record import is_own
from reorder_kit.interfaces import BackboneFacts, OrderLearner, Policy
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.order_checks import check_order
from reorder_kit.orders.order import Order


def require_start(experiment: Experiment, start: Order, facts: BackboneFacts, classes: tuple[str, ...]) -> None:
    """Refuse a learner whose static policy does not begin with the start, as far as this shows without data.

    Built-in learners are checked by their tests, and in every run.

    Args:
        experiment: the parts.
        start: the order to start from.
        facts: the backbone's facts.
        classes: names of the classes.

    Raises:
        ComponentError: naming the learner.
    """
    learner, order = experiment.learner, experiment.recipe.order
    if is_own(type(learner).__module__):  # covered by tests, and some load libraries for their best order
        return
    if learner is None or not experiment.learns or learner.is_rule or order.weights is not None:
        return
    if start.num_patches > MOST_TRIED_PATCHES:  # a policy may keep a number per pair of patches; the run will check
        return
    with torch.random.fork_rng(devices=[]):
        policy = experiment.build_policy(start, facts, classes)
        epochs = experiment.recipe.train.epochs
        phases = experiment.phases(epochs)
        require_best_order(learner, policy, phases.locate(Progress(0, 1, epochs)), start)


def require_best_order(learner: OrderLearner, policy: Policy, begins: Progress, start: Order) -> None:
    """Refuse a static policy that does not begin with the start.

    Args:
        learner: the learner that built it.
        policy: the policy, as built.
        begins: the first step.
        start: the order to start from.

    Raises:
        ComponentError: naming the learner.
    """
    if not policy.is_static:
        return
    policy.advance(begins)
    first, *later = sorted(policy.blocks)
    found = check_order(policy.best_order(None, first), policy, start.num_patches)
    for block in later:
        found = found.compose(check_order(policy.best_order(None, block), policy, found.num_slots))
    if found != start:
        raise wrong_start(learner, found, start)


def wrong_start(learner: OrderLearner, found: Order, start: Order) -> ComponentError:
    """The error for a policy that does not begin with the start."""
    return ComponentError(
        learner.kind.name,
        learner.name,
        f"before learning, its order is not the start: {_difference(found, start)}",
        "build the policy from context.start; a learner that learns nothing sets is_rule = True",
    )


def _difference(found: Order, start: Order) -> str:
    if found.num_slots != start.num_slots:
        return f"it has {found.num_slots} slots, but the start has {start.num_slots}"
    pairs = zip(found.indices.tolist(), start.indices.tolist(), strict=True)
    slot, (patch, expected) = next(
        ((slot, pair) for slot, pair in enumerate(pairs) if pair[0] != pair[1]), (0, ("other ones", "the start's"))
    )
    return f"slot {slot} holds patch {patch}, but patch {expected} in the start"
