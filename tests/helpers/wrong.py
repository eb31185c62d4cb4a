"""Wrong components and the rule that each of them breaks."""

from __future__ import annotations

import pytest

from reorder_kit.testing import BrokenRulesError, Rule
from reorder_kit.testing.component import COMPONENT_RULES


def assert_caught(rule: Rule, case: object, seen: str) -> None:
    """The rule is broken, for the reason that is meant, and the message names rule, reason and remedy."""
    with pytest.raises(BrokenRulesError) as caught:
        rule(case)
    message = str(caught.value)
    assert caught.value.rules == (rule.name,)
    assert f"rule: {rule.name}\n  seen: " in message
    assert seen in message.partition("seen: ")[2].partition("what to do: ")[0]
    assert message.endswith(f"what to do: {rule.advice}")
    assert rule.advice


def own_rules(rules: tuple[Rule, ...]) -> set[Rule]:
    """Those of a kind alone."""
    return set(rules) - set(COMPONENT_RULES)
