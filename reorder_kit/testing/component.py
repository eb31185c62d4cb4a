"""Rules for components of every kind: their names, docstrings and options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, get_args

import torch
from pydantic import BaseModel, RootModel, ValidationError

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Component, ComponentOptions
from reorder_kit.interfaces.component import NAMES_ARE, is_name
from reorder_kit.testing.host import host_with
from reorder_kit.testing.rule import Rule, SeenError, expect, expect_equal, rule

C = TypeVar("C", bound=Component)
OptionsGiven = ComponentOptions | Mapping[str, Any] | None
"""Options as in a recipe, or an instance of the component's options class; None for the defaults."""


@dataclass(frozen=True)
class ComponentCase(Generic[C]):
    """A component with options.

    Args:
        component: its class.
        options: the options to test it with.
    """

    component: type[C]
    options: Any

    def __str__(self) -> str:
        given = self.options.model_dump(mode="json", exclude_unset=True) if self.options is not None else {}
        return f"{self.component.__name__}{f' with {given}' if given else ''}"


def options_of(component: type[Component], given: OptionsGiven) -> Any:
    """Validate options of a component.

    Args:
        component: its class.
        given: options as in a recipe.

    Raises:
        ReorderKitError: if the component refuses them.
    """
    if isinstance(given, ComponentOptions):
        return given
    try:
        return component.Options.model_validate(dict(given or {}), context=_context())
    except ValidationError as error:
        raise ReorderKitError(
            f"{component.__name__} refuses the options {dict(given or {})}: {error}",
            "check it with options that are valid in a recipe",
        ) from error


def given_of(options: ComponentOptions) -> dict[str, Any]:
    """The options that were set, by name; the others have their defaults."""
    return {name: value for name, value in options if name in options.model_fields_set}


@rule
def says_what_it_is(case: ComponentCase[Any]) -> None:
    """Give the class a name that can be used in recipes, such as ``bottom-up``, and a docstring, which ``describe``
    shows.
    """
    name = getattr(case.component, "name", None)
    expect(is_name(name), f"its name is {name!r}; {NAMES_ARE}")
    expect((case.component.__dict__.get("__doc__") or "").strip(), "its class has no docstring")


@rule
def describes_every_option(case: ComponentCase[Any]) -> None:
    """Declare each option as a ``Field(..., description=...)`` in a class derived from ComponentOptions."""
    own = case.component.Options
    expect(issubclass(own, ComponentOptions), f"{own.__name__} does not derive from ComponentOptions")
    for options in _models(own):
        bare = [name for name, field in options.model_fields.items() if not (field.description or "").strip()]
        expect(not bare, f"{', '.join(bare)} of {options.__name__} lacks a description")


@rule
def refuses_options_it_does_not_have(case: ComponentCase[Any]) -> None:
    """Leave ``extra`` forbidden in the options, as in ComponentOptions, and let no nested model ignore extra fields: a
    misspelled option must be an error. A model that allows extra fields has to check them.
    """
    given = {**given_of(case.options), "no_such_option": 1}
    try:
        case.component.Options.model_validate(given, context=_context())
    except ValidationError as error:
        expect(
            any("no_such_option" in each["loc"] for each in error.errors()), f"it refuses the wrong options: {error}"
        )
    else:
        raise SeenError("the option no_such_option is accepted")
    for model in _models(case.component.Options):
        ignores = model.model_config.get("extra", "ignore") == "ignore"
        expect(not ignores, f"{model.__name__} does not forbid extra options")


@rule
def reads_its_options_as_it_writes_them(case: ComponentCase[Any]) -> None:
    """Make every option representable in JSON: a run folder stores the recipe and reads it again."""
    written = case.options.model_dump(mode="json")
    again = case.component.Options.model_validate(written, context=_context()).model_dump(mode="json")
    expect_equal(again, written, "the options after reading them back")


COMPONENT_RULES: tuple[Rule[ComponentCase[Any]], ...] = (
    says_what_it_is,
    describes_every_option,
    refuses_options_it_does_not_have,
    reads_its_options_as_it_writes_them,
)


@cache
def _context() -> dict[str, Any]:
    """The host in which parts are looked up by name, such as the tokenizer of a prior; nothing is ever added to it."""
    return {"host": host_with()}


def _models(annotation: Any, seen: set[Any] | None = None) -> Iterator[type[BaseModel]]:
    """The models with named fields in a type, such as ``tuple[Model, ...] | None``, and in their fields, each once."""
    seen = set() if seen is None else seen
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        if not issubclass(annotation, RootModel):  # its content has no field name
            yield annotation
        for field in annotation.model_fields.values():
            yield from _models(field.annotation, seen)
    for part in get_args(annotation):
        yield from _models(part, seen)


def expect_no_draw(use: Callable[[], object]) -> None:
    """Check that a call neither draws from torch's global generator nor seeds it.

    Args:
        use: the call.

    Raises:
        SeenError: if the state of the generator has changed.
    """
    before = torch.get_rng_state()
    use()
    expect(torch.equal(torch.get_rng_state(), before), "it changes the state of torch's global random stream")


def with_other_random_numbers(use: Callable[[], Any]) -> Any:
    """The result of a call with another state of torch's global generator, which is restored afterward."""
    with torch.random.fork_rng(devices=[]):
        torch.rand(17)
        return use()
