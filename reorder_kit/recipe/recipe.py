"""Recipes: what a person asks for, in YAML, and every mistake in it at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from reorder_kit.errors import Problem, ReorderKitError, did_you_mean
from reorder_kit.recipe.settings import OptimizerSettings, ScheduleSettings, Settings, TrainSettings

FORMAT_VERSION = 1
NO_CONTROL = "none"


class ComponentSection(BaseModel):
    """A component by name; every further key is one of its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="name of the component")

    @model_validator(mode="before")
    @classmethod
    def _accept_bare_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """The further keys."""
        return dict(self.model_extra or {})


class PlantSection(BaseModel):
    """A hidden order by the name of an ordering; every further key is one of the ordering's options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    order: str = Field(description="name of the ordering that scrambles")

    @property
    def options(self) -> dict[str, Any]:
        """The further keys."""
        return dict(self.model_extra or {})


class DataSection(ComponentSection):
    """The data source, how its samples are grouped, and what is hidden in them."""

    batch_size: int = Field(64, ge=1, description="images of a batch on each process")
    workers: int = Field(0, ge=0, description="processes that load images, beside each training process")
    plant: PlantSection | None = Field(None, description="scramble the patches of every image by a hidden order")
    shuffle_targets: bool = Field(
        False, description="give training images each other's targets, as a control: there is nothing to be seen"
    )


class StartSection(BaseModel):
    """The starting order: a name with options, ``{file: order.json}``, or ``{prior: name}``."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str | None = Field(None, description="name of an ordering")
    prior: ComponentSection | None = Field(None, description="the prior that chooses among all orderings")

    @model_validator(mode="before")
    @classmethod
    def _accept_short_forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "file" in value and "name" not in value:
            return {"name": "custom", **value}
        return value

    @model_validator(mode="after")
    def _check(self) -> StartSection:
        if (self.name is None) == (self.prior is None):
            raise ValueError("give one of: the name of an ordering, a file, a prior")
        if self.prior is not None and self.model_extra:
            raise ValueError(f"{next(iter(self.model_extra))} does not go with a prior; its options go inside it")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Options of the ordering."""
        return dict(self.model_extra or {})


class OrderSection(Settings):
    """Where the order starts, how it is learned, and what controls that."""

    start: StartSection = Field(StartSection(name="row"), description="the starting order")
    weights: Path | None = Field(
        None, description="run folder whose policy is learned further, instead of a start: its best order is the start"
    )
    learner: ComponentSection | None = Field(None, description="the order-learner; null: the start is used as it is")
    control: str = Field(NO_CONTROL, description="replace the thing under test by something that cannot work")

    @model_validator(mode="after")
    def _check(self) -> OrderSection:
        if self.weights is not None and "start" in self.model_fields_set:
            raise ValueError("order.weights has a start of its own, the best order of that run; leave start out")
        return self


class Recipe(Settings):
    """A run, whole."""

    format_version: Literal[1] = Field(description="version of the recipe format")
    name: str = Field(pattern=r"^\w[\w.-]*$", description="name of the run and of its folder")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of weights, batches, augmentation and sampled orders")
    data: DataSection
    task: ComponentSection = ComponentSection(name="classification")
    backbone: ComponentSection
    order: OrderSection = OrderSection()
    controls: tuple[str, ...] = Field(
        (),
        description="what it is compared with: matched runs, or its own model in other orders",
    )
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    train: TrainSettings = TrainSettings()

    @field_validator("controls")
    @classmethod
    def _check_controls(cls, controls: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(controls)) < len(controls):
            raise ValueError("a control is named twice")
        return controls


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without tags; a key given twice is an error, not silently the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            reason = "is given twice" if isinstance(key, Hashable) and key in seen else "is no plain value"
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} {reason}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, source: str) -> Any:
    """Parse YAML safely.

    Raises:
        ReorderKitError: with file, line and column, if it is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        raise ReorderKitError(f"{where}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        # PyYAML lets the last three through: of impossible dates and numbers, and of nesting without end.
        raise ReorderKitError(f"{source}: not YAML: {error}") from None


def read_recipe_file(path: Path) -> dict[str, Any]:
    """The content of a recipe file, not yet checked."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ReorderKitError(f"{path}: {reason}") from None
    content = read_yaml(text, str(path))
    if not isinstance(content, dict):
        raise ReorderKitError(f"{path}: a recipe is a mapping of fields", "start with format_version: 1")
    return content


def override(content: Mapping[str, Any], assignments: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The same recipe with fields replaced.

    Args:
        content: a recipe's content.
        assignments: dotted field paths and their new values.

    Raises:
        ReorderKitError: if a path leads through something that has no fields.

    >>> override({"train": {"epochs": 5}}, [("train.epochs", 3)])
    {'train': {'epochs': 3}}
    """
    changed = dict(content)
    for path, value in assignments:
        _assign(changed, path, path.split("."), value)
    return changed


def _assign(section: dict[str, Any], path: str, keys: list[str], value: Any) -> None:
    key, *rest = keys
    if not rest:
        section[key] = value
        return
    inner = section.get(key)
    if isinstance(inner, str):  # the short form of a component
        inner = {"name": inner}
    if inner is not None and not isinstance(inner, dict):
        raise ReorderKitError(f"--set {path}: {key} is {inner!r} and has no fields")
    section[key] = dict(inner or {})
    _assign(section[key], path, rest, value)


def differences(first: Any, second: Any, path: str = "") -> list[str]:
    """The dotted paths of the fields that differ; two spellings of the path of one file do not.

    >>> differences({"seed": 0, "train": {"epochs": 5}}, {"seed": 0, "train": {"epochs": 3}})
    ['train.epochs']
    """
    if isinstance(first, dict) and isinstance(second, dict):
        keys = sorted(first.keys() | second.keys())
        return [
            found for key in keys for found in differences(first.get(key), second.get(key), f"{path}.{key}".strip("."))
        ]
    return [] if first == second or _are_one_file(first, second) else [path]


def _are_one_file(first: Any, second: Any) -> bool:
    """As from another working directory, or through a symbolic link."""
    if not (isinstance(first, str) and isinstance(second, str) and "/" in first + second):
        return False
    return Path(first).resolve() == Path(second).resolve()


def parse_assignment(text: str) -> tuple[str, Any]:
    """Read ``path.to.field=value``; the value is YAML.

    >>> parse_assignment("train.epochs=3")
    ('train.epochs', 3)
    """
    path, equals, value = text.partition("=")
    if not equals or not path:
        raise ReorderKitError(f"--set {text}: not an assignment", "write --set train.epochs=3")
    return path, read_yaml(value, f"--set {path}")


_SHAPES = {"model_type": "a mapping of fields", "dict_type": "a mapping", "tuple_type": "a list", "list_type": "a list"}


def problems_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> list[Problem]:
    """A pydantic error as problems with field paths and suggestions, one for each field."""
    found: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        location = _up_to_union(model, detail["loc"])
        path = ".".join([prefix, *map(str, location)] if prefix else map(str, location))
        for problem in _problems(dict(detail), model, location, path):
            earlier = found.get(problem.path)
            message = problem.message if earlier is None else f"{earlier.message}; or {problem.message}"
            found[problem.path] = replace(problem, message=message)
    return list(found.values())


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
    message = detail["msg"].removeprefix("Value error, ")
    given = "" if isinstance(detail["input"], (dict, BaseModel)) else f", not {detail['input']!r}"
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        choices = [choice.strip("'") for choice in detail["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        quoted = detail["input"] in choices
        hint = "write it without quotes" if quoted else did_you_mean(detail["input"], choices)
        return Problem(path, f"there is no choice {detail['input']!r}", hint)
    if detail["type"] in _SHAPES:
        return Problem(path, f"has to be {_SHAPES[detail['type']]}{given}")
    return Problem(path, message[0].lower() + message[1:] + ("" if detail["type"] == "value_error" else given))


def _fields(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    inner: type[BaseModel] | None = model
    for key in location:
        inner = None if inner is None else _section_of(_annotation(inner, key))
    return [] if inner is None else list(inner.model_fields)


def _up_to_union(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without what follows a field of several types: pydantic goes on with the type it tried, which is no field."""
    inner: type[BaseModel] | None = model
    for depth, key in enumerate(location, start=1):
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
