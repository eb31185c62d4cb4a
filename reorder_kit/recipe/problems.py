"""Turn pydantic errors into problems at fields of a recipe."""

from __future__ import annotations

from dataclasses import replace
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from reorder_kit.errors import Problem, did_you_mean, quoted, shortened

_MOST = 100
"""The most mistakes listed for one section; a file may have as many as it has keys."""
_LONGEST = 600
"""The most characters of a message, which may contain a component's input."""

_SHAPES = {"model_type": "a mapping of fields", "dict_type": "a mapping", "tuple_type": "a list", "list_type": "a list"}


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """A pydantic error as problems with field paths and suggestions, one per field."""
    found: dict[str, Problem] = {}
    details = error.errors(include_url=False)
    for detail in details[:_MOST]:
        location = _up_to_union(model, detail["loc"])
        keys = [shortened(str(key)) for key in location]
        path = ".".join([prefix, *keys] if prefix else keys)
        for problem in _problems(dict(detail), model, location, path):
            earlier = found.get(problem.path)
            message = problem.message if earlier is None else f"{earlier.message}; or {problem.message}"
            found[problem.path] = replace(problem, message=message)
    rest = len(details) - _MOST
    return [*found.values(), *([Problem(prefix, f"there are {rest:,} more mistakes")] if rest > 0 else [])]


def _problems(
    detail: dict[str, Any], model: type[BaseModel], location: tuple[int | str, ...], path: str
) -> list[Problem]:
    if detail["type"] == "wrong_part":
        return problems_of(detail["ctx"]["error"], detail["ctx"]["options"], path)
    if detail["type"] == "unknown_part":
        return [Problem(f"{path}.name", detail["msg"], detail["ctx"]["hint"])]
    return [_problem(detail, model, location, path)]


def _problem(detail: dict[str, Any], model: type[BaseModel], location: tuple[int | str, ...], path: str) -> Problem:
    if detail["type"] == "extra_forbidden":
        return Problem(path, "there is no such field", did_you_mean(str(location[-1]), _fields(model, location[:-1])))
    if detail["type"] == "missing":
        return Problem(path, "is missing")
    message = shortened(detail["msg"].removeprefix("Value error, "), _LONGEST)
    given = "" if isinstance(detail["input"], (dict, BaseModel)) else f", not {quoted(detail['input'])}"
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        choices = [choice.strip("'") for choice in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        is_number = detail["input"] in choices
        hint = "write it without quotes" if is_number else did_you_mean(detail["input"], choices)
        return Problem(path, f"there is no choice {quoted(detail['input'])}", hint)
    if detail["type"] in _SHAPES:
        return Problem(path, f"must be {_SHAPES[detail['type']]}{given}")
    return Problem(path, message[0].lower() + message[1:] + ("" if detail["type"] == "value_error" else given))


def _fields(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    inner: type[BaseModel] | None = model
    for key in location:
        if not isinstance(key, int):  # the number of a section in a list
            inner = None if inner is None else _section_of(_annotation(inner, key))
    return [] if inner is None else list(inner.model_fields)


def _up_to_union(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The location up to a field of several types: what follows is the type that pydantic tried, not a field."""
    inner: type[BaseModel] | None = model
    for depth, key in enumerate(location, start=1):
        if isinstance(key, int):  # the number of a section in a list
            continue
        annotation = None if inner is None else _annotation(inner, key)
        if get_origin(annotation) in (Union, UnionType) and len(set(get_args(annotation)) - {NoneType}) > 1:
            return location[:depth]
        inner = _section_of(annotation)
    return location


def _annotation(model: type[BaseModel], key: int | str) -> Any:
    return model.model_fields[str(key)].annotation if str(key) in model.model_fields else None


def _section_of(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation)]
    return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
