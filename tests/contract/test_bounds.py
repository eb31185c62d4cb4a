"""Every number that a recipe, a study or an option of a built-in component takes is strict, and has bounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pydantic
import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, Field, ValidationError

from reorder_kit.experiment.recipe_schema import options_schema
from reorder_kit.interfaces import ComponentOptions
from reorder_kit.recipe.recipe import DataSection, Recipe
from reorder_kit.studies.study_file import Study
from reorder_kit.testing import host_with

HOST = host_with()
COMPONENTS = [
    pytest.param(registry.get(name), id=f"{registry.kind.name}-{name}")
    for registry in HOST.registries.values()
    for name in registry
]
NO_NUMBERS = [True, "3", math.inf, -math.inf, math.nan, 1e39, -1e39, 2**63, -(2**63), 10**80]
"""Values that no numeric field accepts, whole or not."""


def unbounded(schema: Any, path: str = "") -> Iterator[str]:
    """The numbers in a JSON Schema that lack a bound."""
    if isinstance(schema, list):
        for place, each in enumerate(schema):
            yield from unbounded(each, f"{path}[{place}]")
    if not isinstance(schema, dict):
        return
    if schema.get("type") in ("integer", "number") and not {"enum", "const"} & schema.keys():
        bounds = ({"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"})
        if not all(kind & schema.keys() for kind in bounds):
            yield path
    for key, value in schema.items():
        if key not in ("default", "description", "title", "enum", "const"):
            yield from unbounded(value, f"{path}.{key}")


def models(annotation: Any, seen: set[Any]) -> Iterator[type[BaseModel]]:
    """The models in a type, including nested ones."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation, seen)
    for part in get_args(annotation):
        if get_origin(annotation) is not Literal:
            yield from models(part, seen)


def numbers(annotation: Any) -> set[Any]:
    """The number types of which a value may be one."""
    if get_origin(annotation) is Annotated:
        return numbers(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*map(numbers, get_args(annotation)))
    return {annotation} & {int, float}


def taken(model: type[BaseModel]) -> list[tuple[str, Any]]:
    """Fields whose value may be a number, and non-numbers that they accept."""
    found = []
    for name, field in model.model_fields.items():
        if not numbers(field.annotation) or str in get_args(field.annotation):
            continue
        alone = pydantic.create_model("Alone", field=(field.annotation, field))
        for value in NO_NUMBERS:
            try:
                alone(field=value)
            except ValidationError:
                continue
            found.append((name, value))
    return found


def twice(model: type[BaseModel]) -> list[str]:
    """Fields with two bounds of one kind, of which pydantic enforces only one."""
    found = []
    for name, field in model.model_fields.items():
        kinds = Counter(type(each) for each in field.metadata if isinstance(each, (Ge, Gt, Le, Lt)))
        if max(kinds.values(), default=0) > 1:
            found.append(name)
    return found


@pytest.mark.parametrize("component", COMPONENTS)
def test_options_are_bounded_and_strict(component):
    assert list(unbounded(options_schema(component))) == []
    for model in models(component.Options, set()):
        assert twice(model) == []
        assert taken(model) == []


@pytest.mark.parametrize("model", [Recipe, DataSection, Study])
def test_settings_are_bounded_and_strict(model):
    assert list(unbounded(model.model_json_schema())) == []
    for each in models(model, set()):
        assert twice(each) == []
        assert taken(each) == []


class Loose(ComponentOptions):
    """Options like those of a plugin."""

    count: int = Field(1, ge=1, description="of something")
    factor: float | None = Field(None, description="of something")
    either: int | str = Field(1, description="a number or a name")
    is_on: bool = Field(False, description="whether it is")


@pytest.mark.parametrize(
    ("field", "value"),
    [("count", True), ("count", "3"), ("count", 2**63), ("factor", "1e-3"), ("factor", False), ("factor", 1e39)],
)
def test_a_plugin_that_uses_other_types_is_given_numbers_alone(field, value):
    with pytest.raises(ValidationError):
        Loose.model_validate({field: value})


def test_a_plugin_gets_what_it_asks_for():
    options = Loose.model_validate({"count": 2, "factor": 3, "either": "two", "is_on": True})
    assert (options.count, options.factor, options.either, options.is_on) == (2, 3.0, "two", True)


def test_the_check_sees_what_it_is_there_for():
    class Careless(pydantic.BaseModel):
        depth: int = Field(2, ge=1)
        share: Annotated[float, Field(ge=0, le=1)] = Field(0.5, le=0.9)
        pair: tuple[float, float] = (0.0, 1.0)

    assert [path.split(".")[2] for path in unbounded(Careless.model_json_schema())] == ["depth", "pair", "pair"]
    assert twice(Careless) == ["share"]
    assert ("depth", True) in taken(Careless)
    assert ("depth", 10**80) in taken(Careless)
