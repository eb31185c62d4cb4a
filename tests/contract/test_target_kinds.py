"""Every kind of targets of the package keeps the contract."""

from __future__ import annotations

import pytest

from reorder_kit.interfaces import BOXES, CAPTION, CLASS, MASK, MULTI_LABEL, NONE
from reorder_kit.testing import TARGET_KIND_RULES, target_kind_case
from reorder_kit.testing._task_case import CLASSES, TARGETS


@pytest.mark.parametrize("rule", TARGET_KIND_RULES, ids=str)
@pytest.mark.parametrize("kind", [CLASS, MULTI_LABEL, BOXES, MASK, CAPTION, NONE], ids=str)
def test_a_kind_keeps_the_rule(kind, rule):
    rule(target_kind_case(kind, TARGETS[kind](), CLASSES))
