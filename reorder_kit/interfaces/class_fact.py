"""What a class of a component says of itself in its attributes, so that the host can ask for it when a plugin loads."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reorder_kit.errors import quoted

_MISSING = object()


@dataclass(frozen=True)
class ClassFact:
    """An attribute that a class has to have.

    Args:
        words: what it has to be, as after "has to be".
        is_right: whether a value is that.
    """

    words: str
    is_right: Callable[[Any], bool]


YES_OR_NO = ClassFact("True or False", lambda value: isinstance(value, bool))
WORDS = ClassFact("a few words", lambda value: isinstance(value, str) and bool(value.strip()))


def misfits_of_facts(component: type[Any], facts: Mapping[str, ClassFact]) -> Iterator[str]:
    """What is missing or wrong, each as what follows the name of the component.

    A property is right: only an object tells its value.

    Args:
        component: the class.
        facts: what it has to say, by the name of the attribute.
    """
    for name, fact in facts.items():
        value = inspect.getattr_static(component, name, _MISSING)
        if value is _MISSING:
            yield f"does not say {name}, which has to be {fact.words}"
        elif not hasattr(type(value), "__get__") and not fact.is_right(value):
            yield f"says that {name} is {quoted(value)}; it has to be {fact.words}"
