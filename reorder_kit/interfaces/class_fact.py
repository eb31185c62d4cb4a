"""What a component class declares in its attributes, so that the host can check it when a plugin loads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reorder_kit.errors import quoted

_MISSING = object()


@dataclass(frozen=True)
class ClassFact:
    """An attribute that a class must have.

    Args:
        words: what it must be, in words that follow "must be".
        is_right: whether a value is right.
    """

    words: str
    is_right: Callable[[Any], bool]


YES_OR_NO = ClassFact("True or False", lambda value: isinstance(value, bool))
WORDS = ClassFact("a few words", lambda value: isinstance(value, str) and bool(value.strip()))


def misfits_of_facts(component: type[Any], facts: Mapping[str, ClassFact]) -> Iterator[str]:
    """What is missing or wrong, each in words that follow the name of the component.

    A property always passes, because only an instance has its value.

    Args:
        component: the class.
        facts: what it must declare, by the name of the attribute.
    """
    for name, fact in facts.items():
        value = inspect.getattr_static(component, name, _MISSING)
        if value is _MISSING:
            yield f"does not say {name}, which must be {fact.words}"
        elif not hasattr(type(value), "__get__") and not fact.is_right(value):
            yield f"says that {name} is {quoted(value)}; it must be {fact.words}"
