"""Every order-learner with several options: with its defaults in every test run, with the others in the full one."""

from __future__ import annotations

from typing import Any

import pytest

from reorder_kit.interfaces import Grid, Ordering, OrderLearner
from reorder_kit.testing import host_with

# Further options that must keep the contract, by recipe name; the defaults are always included.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "diffsort": [
        {"network": "bitonic", "distribution": "optimal"},
        {"distribution": "logistic", "straight_through": True},
    ],
    "evolution": [{"candidates": 6, "parents": 5, "crossover": 1.0, "explore_share": 0.0, "screen_images": 4}],
    "gumbel-sinkhorn": [
        {"straight_through": True, "samples": 3},
        {"samples": 2, "explore_share": 0.2},
        {"noise": {"shape": "constant", "peak": 0}, "start_strength": 0.1, "max_iterations": 3},
    ],
    "neuralsort": [{"straight_through": True}],
    "random-search": [{"groups": 3, "candidates": 2, "explore_share": 0.0, "warmup_epochs": 2.0}],
    "reinforce": [
        {"granularity": "image", "baseline": "ema"},
        {"groups": 3, "baseline": "none", "optimizer": "sgd", "entropy_bonus": 0.1, "compat": "released"},
        {"distribution": "successors", "normalize_advantage": True, "reuse": 2, "optimizer": "natural"},
        {"proposals": "swaps", "normalize_advantage": True},
        {"distribution": "successors", "proposals": "swaps", "granularity": "image"},
        {"control_variate": "relax"},
    ],
    "segment-search": [{"guide_steps": 1, "finalists": 1, "explore_share": 0.0, "warmup_epochs": 2.0}],
    "shuffle-softsort": [{"round_steps": 3, "straight_through": True}],
    "softrank": [{"straight_through": True}, {"strength": 2.0}],
    "softsort": [{"straight_through": True}],
    "straight-through": [{"granularity": "image"}],
}
GRIDS = list(map(Grid.parse, ["1x1", "3x5", "8x8", "14x14"]))
HOST = host_with()
LEARNERS: dict[str, type[OrderLearner]] = {name: HOST.order_learners.get(name) for name in HOST.order_learners}
ORDERINGS: dict[str, type[Ordering]] = {
    name: HOST.orderings.get(name)
    for name in HOST.orderings
    if name != "raced"  # it needs a race
}
CASES = [
    pytest.param(
        name,
        options,
        id="-".join([name, *map(str, options.values())]),
        marks=[pytest.mark.slow] if options else [],
    )
    for name in sorted(LEARNERS)
    for options in [{}, *OPTIONS.get(name, [])]
]
