"""A rule of a contract, and what is said of a component that breaks it."""

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
    """What a rule saw that it forbids."""


class BrokenRulesError(AssertionError):
    """A component breaks rules of its contract; the message says which, what was seen, and what to do.

    Args:
        case: the component with its options, in words.
        broken: of each rule that is broken, its name and what there is to say about it.
    """

    def __init__(self, case: str, broken: dict[str, str]) -> None:
        self.rules = tuple(broken)
        count = "a rule" if len(broken) == 1 else f"{len(broken)} rules"
        super().__init__("\n".join([f"{case} breaks {count} of its contract", *broken.values()]))


@dataclass(frozen=True)
class Rule(Generic[Case]):
    """One thing that every component of a kind promises.

    Args:
        name: what is promised, in words.
        advice: what to do about a component that does not keep it.
        verify: raises if the component of a case does not keep it.
    """

    name: str
    advice: str
    verify: Callable[[Case], None]

    def __str__(self) -> str:
        return self.name

    def __call__(self, case: Case) -> None:
        """Hold a component to the rule.

        Raises:
            BrokenRulesError: if it breaks the rule, or raises what it should not.
        """
        try:
            self.verify(case)
        except Exception as error:  # whatever a component raises is something to tell its author
            seen = str(error) if isinstance(error, SeenError) else f"{type(error).__name__}: {error}"
            raise BrokenRulesError(str(case), {self.name: self._message(seen)}) from error

    def _message(self, seen: str) -> str:
        return f"  rule: {self.name}\n  seen: {seen}\n  what to do: {self.advice}"


def rule(verify: Callable[[Case], None]) -> Rule[Case]:
    """Make a rule of a function: its name, in words, is that of the rule, and its docstring the advice."""
    advice = " ".join(cleandoc(verify.__doc__ or "").split())
    return Rule(verify.__name__.replace("_", " "), advice, verify)


def hold(case: Case, rules: Iterable[Rule[Case]]) -> None:
    """Hold a component to rules.

    Args:
        case: the component with what is needed to try it out.
        rules: those of its kind.

    Raises:
        BrokenRulesError: naming every rule that is broken. Of those that only found that the component raises, the
            first is named: most likely, the others met the same.
    """
    broken: dict[str, str] = {}
    first: BaseException | None = None
    has_raised = False
    for each in rules:
        try:
            each(case)
        except BrokenRulesError as error:
            raises = not isinstance(error.__cause__, SeenError)
            if not (raises and (has_raised or _is_told(error.__cause__, broken.values()))):
                broken[each.name] = str(error).partition("\n")[2]
                first = first or error.__cause__
            has_raised = has_raised or raises
    if broken:
        raise BrokenRulesError(str(case), broken) from first


def _is_told(cause: BaseException | None, told: Iterable[str]) -> bool:
    """Whether a rule that saw something has said it in the same sentence; short or empty messages are no sentences."""
    return isinstance(cause, ReorderKitError) and any(cause.message in message for message in told)


def expect(holds: object, seen: str) -> None:
    """Go on if a condition holds.

    Args:
        holds: the condition.
        seen: what is the case if it does not.

    Raises:
        SeenError: if it does not hold.
    """
    if not holds:
        raise SeenError(seen)


def expect_equal(found: Any, expected: Any, what: str) -> None:
    """Go on if two values are equal.

    Args:
        found: of the component.
        expected: what the rule asks for.
        what: the name of what was found.

    Raises:
        SeenError: if they differ.
    """
    expect(found == expected, f"{what} is {found}, not {expected}")


def expect_close(
    found: Tensor, expected: Tensor, what: str, rtol: float | None = None, atol: float | None = None
) -> None:
    """Go on if two tensors are equal but for rounding.

    Args:
        found: of the component.
        expected: what the rule asks for.
        what: what it means that they differ.
        rtol: tolerance relative to the expected values; as torch chooses it by type if neither is given.
        atol: absolute tolerance.

    Raises:
        SeenError: if they differ in shape, in type or by more than rounding.
    """
    try:
        torch.testing.assert_close(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    except AssertionError as error:
        raise SeenError(f"{what}\n    {str(error).strip().replace(chr(10), chr(10) + '    ')}") from None
