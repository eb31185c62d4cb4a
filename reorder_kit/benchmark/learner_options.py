"""Options of the built-in learners in the planted benchmark, chosen on validation images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.overrides import override, parse_assignment

# Search for 90 of 150 epochs, then train new weights for 60.
_RETRAIN = {"search": "then-retrain", "warmup_epochs": 0, "search_epochs": 90}


def _constant(value: float) -> dict[str, Any]:
    return {"shape": "constant", "peak": value}


# Adam also finds the chain, but drifts on a reward of skewed noise.
_SUCCESSORS = {
    "distribution": "successors",
    "temperature": _constant(0.2),
    "groups": 32,
    "normalize_advantage": True,
    "optimizer": "natural",
    "lr": 1.0,
    "max_kl": 0.02,
    "warmup_epochs": 0,
    "search_epochs": 20,
}

CHOSEN: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "gumbel-sinkhorn": {
        "selection": {
            **_RETRAIN,
            "temperature": _constant(0.3),
            "noise": _constant(1.0),
            "samples": 10,
            "explore_share": 2 / 3,
            "start_strength": 0.1,
            "max_iterations": 12,
            "lr": 0.03,
        },
    },
    "reinforce": {
        "selection": {
            **_RETRAIN,
            "temperature": _constant(1.0),
            "groups": 20,
            "normalize_advantage": True,
            "explore_share": 2 / 3,
            "lr": 0.03,
        },
        "chain-16": _SUCCESSORS,
        "chain-64": {**_SUCCESSORS, "search_epochs": 12.5},
        "chain-196": {**_SUCCESSORS, "search_epochs": 6.5},
    },
    # Half of the epochs are too few to find every neighbor of many patches. One more neighbor gains so little that a
    # strict test rarely notices; moves to fewer neighbors still pass it far more rarely.
    "segment-search": {
        "chain-64": {"search_epochs": 10, "significance": 0.5},
        "chain-196": {"search_epochs": 6.5, "significance": 0.5},
    },
}
"""Options by learner and case; if either is missing, the learner uses its defaults."""


def chosen_options(learner: str, case: str) -> dict[str, Any]:
    """The options of a learner in a case."""
    return dict(CHOSEN.get(learner, {}).get(case, {}))


def options_by_case(
    learners: Iterable[str], assignments: Iterable[str], cases: Sequence[str], host: PluginHost
) -> dict[str, dict[str, dict[str, Any]]]:
    """Options by learner and case: the chosen ones with changes.

    Args:
        learners: names of learners.
        assignments: ``LEARNER.OPTION=VALUE``.
        cases: names of cases.
        host: the plugins.

    Raises:
        ReorderKitError: if a learner does not exist, or an assignment does not name one of the learners.
    """
    options = {}
    for learner in dict.fromkeys(learners):
        host.order_learners.get(learner)  # refuses an unknown name and suggests the closest one
        options[learner] = {case: chosen_options(learner, case) for case in cases}
    for assignment in assignments:
        path, value = parse_assignment(assignment)
        # The longest match, because names may contain dots.
        learner = max((name for name in options if path.startswith(f"{name}.")), key=len, default="")
        option = path.removeprefix(f"{learner}.")
        if not (learner and option):
            hint = "write LEARNER.OPTION=VALUE for one of the learners, as in --set softsort.lr=0.2"
            raise ReorderKitError(f"--set {assignment}: not an option of one of the learners", hint)
        for case, given in options[learner].items():
            options[learner][case] = override(given, [(option, value)])
    return options
