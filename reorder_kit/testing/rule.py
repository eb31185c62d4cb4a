"""Rules of a contract, and the messages about components that break them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from reorder_kit.errors import ReorderKitError

Case = TypeVar("Case")


class SeenError(AssertionError):
    """Something that a rule forbids."""


class BrokenRulesError(AssertionError):
    """Raised if a component breaks rules of its contract; the message names the rules, what was seen, and what to do.

    Args:
        case: a description of the component with its options.
        broken: the message about each broken rule, by the rule's name.
    """

    def __init__(self, case: str, broken: dict[str, str]) -> None:
        self.rules = tuple(broken)
        count = "a rule" if len(broken) == 1 else f"{len(broken)} rules"
        super().__init__("\n".join([f"{case} breaks {count} of its contract", *broken.values()]))


@dataclass(frozen=True)
class Rule(Generic[Case]):
    """One promise that every component of a kind keeps.

    Args:
        name: the promise in words.
        advice: how to fix a component that does not keep it.
        verify: raises an error if the component of a case does not keep it.
    """

    name: str
    advice: str
    verify: Callable[[Case], None]

    def __str__(self) -> str:
        return self.name

    def __call__(self, case: Case) -> None:
        """Check a component against the rule.

        Raises:
            BrokenRulesError: if it breaks the rule or raises an unexpected error.
        """
        try:
            self.verify(case)
        except Exception as error:  # whatever a component raises is reported to its author
            seen = str(error) if isinstance(error, SeenError) else f"{type(error).__name__}: {error}"
            raise BrokenRulesError(str(case), {self.name: self._message(seen)}) from error

    def _message(self, seen: str) -> str:
        return f"  rule: {self.name}\n  seen: {seen}\n  what to do: {self.advice}"


def rule(verify: Callable[[Case], None]) -> Rule[Case]:
    """Turn a function into a rule: its name becomes the name of the rule, and its docstring the advice."""
    advice = " ".join(cleandoc(verify.__doc__ or "").split())
    return Rule(verify.__name__.replace("_", " "), advice, verify)


def hold(case: Case, rules: Iterable[Rule[Case]]) -> None:
    """Check a component against rules.

    Args:
        case: the component with everything needed to test it.
        rules: the rules of its kind.

    Raises:
        BrokenRulesError: naming every broken rule. Of rules that only met an error of the component, just the first is
            named: most likely, the others met the same error.
    """
    broken: dict[str, str] = {}
    first: BaseException | None = None
    has_raised = False
    for each in rules:
        try:
            each(case)
        except BrokenRulesError as error:
            raises = not isinstance(error.__cause__, SeenError)
            if not (raises and (has_raised or _is_reported(error.__cause__, broken.values()))):
                broken[each.name] = str(error).partition("\n")[2]
                first = first or error.__cause__
            has_raised = has_raised or raises
    if broken:
        raise BrokenRulesError(str(case), broken) from first


def _is_reported(cause: BaseException | None, reported: Iterable[str]) -> bool:
    """Whether another rule already reports the error in the same sentence; short or empty messages do not count."""
    return isinstance(cause, ReorderKitError) and any(cause.message in message for message in reported)


def expect(holds: object, seen: str) -> None:
    """Check that a condition holds.

    Args:
        holds: the condition.
        seen: what was seen if it does not hold.

    Raises:
        SeenError: if it does not hold.
    """
    if not holds:
        raise SeenError(seen)


def expect_equal(found: Any, expected: Any, what: str) -> None:
    """Check that two values are equal.

    Args:
        found: the value of the component.
        expected: the value that the rule requires.
        what: the name of the value.

    Raises:
        SeenError: if they differ.
    """
    expect(found == expected, f"{what} is {found}, not {expected}")


def expect_close(
    found: Tensor, expected: Tensor, what: str, rtol: float | None = None, atol: float | None = None
) -> None:
    """Check that two tensors are equal up to rounding.

    Args:
        found: the value of the component.
        expected: the value that the rule requires.
        what: the message if they differ.
        rtol: tolerance relative to the expected values; torch's default for the type if neither is given.
        atol: absolute tolerance.

    Raises:
        SeenError: if they differ in shape, in type or by more than rounding.
    """
    try:
        torch.testing.assert_close(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    except AssertionError as error:
        raise SeenError(f"{what}\n    {str(error).strip().replace(chr(10), chr(10) + '    ')}") from None
