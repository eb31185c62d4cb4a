"""Which controls a recipe names, and whether the run meets their needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from reorder_kit.errors import Problem, did_you_mean, quoted
from reorder_kit.interfaces import OrderLearner, Policy, TargetKind
from reorder_kit.interfaces.control import Control, InRunControl

_NO_CONTROL = "none"
_MOST = 100
"""A recipe with more controls is refused, and the rest are not checked."""


class NamedControls(NamedTuple):
    """The controls of a recipe.

    Args:
        own: the control that replaces the thing under test in the run itself, if there is one.
        beside: the controls that the run is compared with.
    """

    own: InRunControl | None
    beside: tuple[Control, ...]


def named_controls(content: Mapping[str, Any], known: Mapping[str, Control], problems: list[Problem]) -> NamedControls:
    """Look up the controls that a recipe names, even if other fields are wrong.

    Args:
        content: the recipe as plain data.
        known: the known controls, by name.
        problems: collects what is wrong with the names.
    """
    order, names = content.get("order"), content.get("controls")
    name = order.get("control", _NO_CONTROL) if isinstance(order, Mapping) else _NO_CONTROL
    own = known.get(name) if isinstance(name, str) else None
    if isinstance(own, InRunControl) or not isinstance(name, str) or name == _NO_CONTROL:
        pass
    elif own is not None:
        problems.append(Problem("order.control", f"{name} cannot replace the learner", "name it in controls"))
    else:
        choices = [_NO_CONTROL, *(each for each, control in known.items() if isinstance(control, InRunControl))]
        problems.append(_no_choice("order.control", name, choices))
    beside = []
    for place, each in enumerate(names[:_MOST] if isinstance(names, (list, tuple)) else ()):
        if isinstance(each, str) and each not in known:
            problems.append(_no_choice(f"controls.{place}", each, known))
        elif isinstance(each, str):
            beside.append(known[each])
    return NamedControls(own if isinstance(own, InRunControl) else None, tuple(beside))


def _no_choice(path: str, name: str, choices: Iterable[str]) -> Problem:
    return Problem(path, f"there is no choice {quoted(name)}", did_you_mean(name, choices))


def misfits_of_controls(
    named: NamedControls, learner: OrderLearner | None, policy: Policy | None, kind: TargetKind
) -> list[Problem]:
    """The needs of a recipe's controls that the run does not meet.

    Args:
        named: the controls.
        learner: what learns the order, if anything does.
        policy: as the learner builds it from the identity; None if unknown.
        kind: the kind of the run's targets.
    """
    every = [*([] if named.own is None else [("order.control", named.own)]), *(("controls", c) for c in named.beside)]
    return [Problem(path, *reason) for path, control in every if (reason := _lacks(control, learner, policy, kind))]


def _lacks(
    control: Control, learner: OrderLearner | None, policy: Policy | None, kind: TargetKind
) -> tuple[str, str] | None:
    learned_by = "none" if learner is None else learner.name
    if "reward" in control.needs and (learner is None or not learner.uses_reward):
        needed = f"{control.name} needs a learner that learns from the reward; the learner is {learned_by}"
        return needed, "use reinforce"
    if "learner" in control.needs and learner is None:
        needed = f"{control.name} needs a learner to compare with"
        return needed, "name one in order.learner, or remove the control"
    if "dynamic" in control.needs and (learner is None or (policy is not None and policy.is_static)):
        needed = f"{control.name} needs a learner whose order depends on the image; the learner is {learned_by}"
        return needed, "remove the control"
    if "classes" in control.needs and not kind.tells_classes:
        needed = f"{control.name} needs targets that say which classes an image has; {kind} targets do not"
        return needed, "remove the control"
    return None
