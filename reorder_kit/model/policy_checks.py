"""Check what a policy declares, and what it returns besides orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from reorder_kit.errors import ComponentError
from reorder_kit.interfaces.order_learner import Policy


def check_policy(policy: Any, kind: str, name: str) -> Policy:
    """Check a new policy, and note which component built it.

    Args:
        policy: the result of the build.
        kind: kind of the component that built it: ``order-learner`` or ``control``.
        name: name of that component.

    Raises:
        ComponentError: if it is not a policy, or declares an invalid value.
    """
    if not isinstance(policy, Policy):
        raise ComponentError(kind, name, f"built a {type(policy).__name__} instead of a Policy")
    policy.built_by = (kind, name)
    blocks: Any = policy.blocks
    declared = {
        "blocks": isinstance(blocks, tuple | list) and len(blocks) > 0 and all(map(is_count, blocks)),
        "needs": isinstance(policy.needs, frozenset | set) and policy.needs <= {"pixels"},
        **{each: isinstance(getattr(policy, each), bool) for each in ("is_static", "mixes", "may_leave_out")},
    }
    wrong = next((each for each, is_right in declared.items() if not is_right), None)
    if wrong is not None:
        reason = f"its policy declares {wrong} as {getattr(policy, wrong)!r}"
        raise policy_error(policy, reason, "the docstring of Policy lists the valid values")
    return policy


def policy_error(policy: Policy, reason: str, hint: str | None = None) -> ComponentError:
    """The error for a mistake of a policy, with the name of the component that built it."""
    kind, name = policy.built_by or ("policy", type(policy).__name__)
    return ComponentError(kind, name, reason, hint)


def repeats_of(policy: Policy) -> int:
    """How many times a step runs on one batch.

    Raises:
        ComponentError: if the policy gives no valid number.
    """
    if policy.phase != "search":
        return 1
    if not is_count(policy.repeats) or policy.repeats < 1:
        raise policy_error(policy, f"its policy declares repeats as {policy.repeats!r}", "set it to 1 or more")
    return policy.repeats


def check_loss(loss: Any, policy: Policy) -> Tensor:
    """Check the loss of a policy.

    Raises:
        ComponentError: if it is not a tensor of one number. Whether it is finite is checked with the task's loss.
    """
    if not isinstance(loss, Tensor) or loss.ndim:
        found = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise policy_error(
            policy, f"its loss is {found}", "return a tensor of one number, such as reward.new_zeros(())"
        )
    return loss


def check_optimizer(optimizer: Any, policy: Policy) -> torch.optim.Optimizer | None:
    """Check the optimizer of a policy; None is valid.

    Raises:
        ComponentError: if it is something else.
    """
    if optimizer is None or isinstance(optimizer, torch.optim.Optimizer):
        return optimizer
    raise policy_error(policy, f"its optimizer is a {type(optimizer).__name__}", "return a torch optimizer, or None")


def check_figures(figures: Any, policy: Policy) -> dict[str, float]:
    """Check the metrics that a policy logs.

    Raises:
        ComponentError: if any of them is not a number with a name.
    """
    if not isinstance(figures, Mapping):
        raise policy_error(policy, f"its metrics are a {type(figures).__name__}", "return numbers by name")
    for name, value in figures.items():
        if not isinstance(name, str) or not isinstance(value, int | float):
            reason = f"its metric {name!r} is a {type(value).__name__}"
            raise policy_error(policy, reason, "return plain numbers by name, such as float(value)")
    return dict(figures)


def is_count(value: object) -> bool:
    """Whether it is an integer of 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
