"""Wrong components, each with the rule that it breaks."""

from __future__ import annotations

import pytest

from reorder_kit.testing import BrokenRulesError, Rule
from reorder_kit.testing.component import COMPONENT_RULES


def assert_caught(rule: Rule, case: object, seen: str) -> None:
    """The rule is broken for the intended reason, and the message names rule, reason and remedy."""
    with pytest.raises(BrokenRulesError) as caught:
        rule(case)
    message = str(caught.value)
    assert caught.value.rules == (rule.name,)
    assert f"rule: {rule.name}\n  seen: " in message
    assert seen in message.partition("seen: ")[2].partition("what to do: ")[0]
    assert message.endswith(f"what to do: {rule.advice}")
    assert rule.advice


def own_rules(rules: tuple[Rule, ...]) -> set[Rule]:
    """The wrong components of one kind."""
    return set(rules) - set(COMPONENT_RULES)
