"""Every target kind of the package keeps the contract."""

from __future__ import annotations

import pytest

from reorder_kit.interfaces.target_kinds import BUILT_IN
from reorder_kit.testing import TARGET_KIND_RULES, target_kind_case
from reorder_kit.testing._task_case import CLASSES, TARGETS


@pytest.mark.parametrize("rule", TARGET_KIND_RULES, ids=str)
@pytest.mark.parametrize("kind", BUILT_IN, ids=str)
def test_a_kind_keeps_the_rule(kind, rule):
    rule(target_kind_case(kind, TARGETS[kind](), CLASSES))
