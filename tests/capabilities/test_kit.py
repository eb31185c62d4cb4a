"""The learners of the capabilities keep the contract of all learners."""

from __future__ import annotations

from pathlib import Path

import pytest

from capability_cases import NAMES, load
from reorder_kit.interfaces import Grid
from reorder_kit.testing import check_order_learner

LEARNERS = [name for name in NAMES if hasattr(load(name, Path()).plugin, "register_order_learners")]


def test_there_are_some() -> None:
    assert {"auxiliary_head", "order_by_norm", "order_twice", "through_orderings"} <= set(LEARNERS)


@pytest.mark.parametrize("name", LEARNERS)
def test_its_learners_keep_the_contract(name: str, tmp_path: Path) -> None:
    capability = load(name, tmp_path)
    given = capability.recipe["order"]["learner"]
    options = {} if isinstance(given, str) else {key: value for key, value in given.items() if key != "name"}
    for learner in capability.plugin.register_order_learners():
        check_order_learner(learner, options, grids=[Grid(1, 1), Grid(4, 4)])
