"""Messages of broken rules."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.testing.rule import BrokenRulesError, expect, expect_close, expect_equal, hold, rule


@rule
def is_positive(number):
    """Add one
    until it is."""
    expect(number > 0, f"it is {number}")


@rule
def is_even(number):
    """Add one."""
    expect_equal(number % 2, 0, "what is left over")


@rule
def can_be_a_divisor(number):
    """Use a number that is not zero."""
    1 / number


@rule
def has_an_inverse(number):
    """Use another number."""
    expect_equal(1 / number * number, 1, "the product")


RULES = (is_positive, is_even, can_be_a_divisor)


def test_a_rule_is_named_after_its_function_and_advises_what_its_docstring_says():
    assert str(is_positive) == "is positive"
    assert is_positive.advice == "Add one until it is."


def test_nothing_is_said_where_all_rules_hold():
    hold(2, RULES)


def test_every_broken_rule_is_named_with_what_was_seen_and_what_to_do():
    with pytest.raises(BrokenRulesError) as caught:
        hold(-3, RULES)
    assert caught.value.rules == ("is positive", "is even")
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("-3 breaks 2 rules")
    assert [line.strip() for line in rest] == [
        "rule: is positive",
        "seen: it is -3",
        "what to do: Add one until it is.",
        "rule: is even",
        "seen: what is left over is 1, not 0",
        "what to do: Add one.",
    ]


def test_what_a_component_raises_is_told_behind_a_rule_that_saw_something_else():
    with pytest.raises(BrokenRulesError) as caught:
        hold(0, RULES)
    assert caught.value.rules == ("is positive", "can be a divisor")


def test_what_a_component_raises_is_told_once_and_what_is_seen_behind_it_each_time():
    with pytest.raises(BrokenRulesError) as caught:
        hold(0, [can_be_a_divisor, has_an_inverse, is_positive])
    assert caught.value.rules == ("can be a divisor", "is positive")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@rule
def says_why(number):
    """Say why."""
    raise AssertionError


def test_what_is_raised_without_a_word_is_told_as_well():
    with pytest.raises(BrokenRulesError) as caught:
        hold(-3, [is_positive, says_why])
    assert caught.value.rules == ("is positive", "says why")


def test_what_a_component_raises_is_seen_and_stays_the_cause():
    with pytest.raises(BrokenRulesError, match="seen: ZeroDivisionError: ") as caught:
        hold(0, [can_be_a_divisor])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_tensors_that_differ_by_more_than_rounding_are_seen():
    expect_close(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]), "they differ")
    for other in (torch.tensor([1.1]), torch.tensor([1.0, 1.0]), torch.tensor([1.0], dtype=torch.float64)):
        with pytest.raises(AssertionError, match="they differ"):
            expect_close(torch.tensor([1.0]), other, "they differ")
